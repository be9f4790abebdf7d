import dataclasses
import json

import numpy as np
import pytest

from lungspot.adapt import LevelSettings, Site, read_site, with_site
from lungspot.detect import OPERATING_POINTS, Knots, ModelCard, Platt, Standing, Thresholds, calibrate, load_detector
from lungspot.errors import InputError, ModelError

SHA = "b" * 64
OWN = {"sensitive": Thresholds(0.2, 0.3), "balanced": Thresholds(0.4, 0.5), "specific": Thresholds(0.6, 0.7)}
CARD = ModelCard(
    *("m", "2", ("effusion", "edema", "covid19", "pneumonia"), 64),
    image_calibration={"effusion": Platt(0.5, 1.0)},
    thresholds={point: dict.fromkeys(("effusion", "edema"), each) for point, each in OWN.items()},
    box_from_map={"edema": 0.4},
    standing={"edema": Standing.EXPERIMENTAL},
)


def site(levels=None, **changed):
    model = {"name": "m", "version": "2", "sha256": SHA}
    return Site(
        **{
            "name": "St. E",
            "made": "2026-11-29",
            "model": model,
            "films": 400,
            "levels": levels or {},
            "sha256": "c" * 64,
        }
        | changed
    )


def text_of(**changed):
    """A site file as small as one can be."""
    level = {"probability": {"curve": None}, "points": {"balanced": {"goal": "x", "threshold": 0.25}}}
    value = {
        "schema": "lungspot-site/1",
        "name": "St. E",
        "made": "2026-11-29",
        "model": {"sha256": SHA},
        "films": {"used": 400},
        "labels": {"effusion": {"film": level}},
        "prediction_sets": {"coverage": 90, "groups": {}},
    }
    return json.dumps(value | changed)


def limits(card, label, kind="image"):
    return [getattr(card.threshold(label, point), kind) for point in OPERATING_POINTS]


def test_a_sites_thresholds_and_probabilities_take_the_models_place():
    film = LevelSettings(Platt(2.0, -1.0), {"sensitive": 0.1, "balanced": 0.2, "specific": 0.9})
    card = site({"effusion": {"film": film, "box": LevelSettings(None, {"balanced": 0.35})}}).applied(CARD, SHA)
    assert limits(card, "effusion") == [0.1, 0.2, 0.9]
    assert limits(card, "effusion", "box") == [0.2, 0.35, 0.6]
    assert card.image_calibration["effusion"] == Platt(1.0, 1.0)  # the model's, and then the site's
    assert limits(card, "edema") == limits(CARD, "edema")
    assert card.site.thresholds == {"effusion": ("film", "box")}
    assert card.site.probabilities == ("effusion",)
    assert card.sealed_sha256 == CARD.sha256 != card.sha256
    assert ModelCard.from_json(card.to_json()) == card
    assert not card.is_reported("edema")


@pytest.mark.parametrize("curve", [Platt(0.8, -1.5), Knots((-1.0, 1.0), (-3.0, 0.5), 2.0)])
def test_the_models_own_thresholds_mean_the_same_films_after_a_sites_curve(curve):
    card = site({"effusion": {"film": LevelSettings(curve)}}).applied(CARD, SHA)
    raw = np.linspace(0.01, 0.99, 301)
    for point in OPERATING_POINTS:
        before = calibrate(raw, CARD.image_calibration["effusion"]) >= CARD.threshold("effusion", point).image
        after = calibrate(raw, card.image_calibration["effusion"]) >= card.threshold("effusion", point).image
        assert (before == after).all()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"balanced": 0.2}, [0.2, 0.2, 0.7]),
        ({"balanced": 0.9}, [0.3, 0.9, 0.9]),
        ({"sensitive": 0.6}, [0.6, 0.6, 0.7]),
        ({"specific": 0.1}, [0.1, 0.1, 0.1]),
        ({"sensitive": 0.8, "specific": 0.9}, [0.8, 0.8, 0.9]),
        ({"sensitive": 0.1, "specific": 0.2}, [0.1, 0.2, 0.2]),
    ],
)
def test_points_that_the_site_does_not_set_are_moved_into_order(given, expected):
    card = site({"effusion": {"film": LevelSettings(None, given)}}).applied(CARD, SHA)
    assert limits(card, "effusion") == expected


def test_boxes_that_bear_the_films_score_have_the_films_threshold():
    card = site({"edema": {"film": LevelSettings(None, {"balanced": 0.45})}}).applied(CARD, SHA)
    assert limits(card, "edema", "box") == limits(card, "edema") == [0.3, 0.45, 0.7]


@pytest.mark.parametrize(
    ("changed", "sha256", "says"),
    [
        ({}, "d" * 64, "made for m 2 (bbbbbbbbbbbb…), and this is m 2 (dddddddddddd…)"),
        ({"model": {"name": "CAD", "version": "7"}}, SHA, "made for CAD 7"),
        ({"model": {}}, SHA, "no model of lungspot"),
        ({"levels": {"tuberculosis": {}}}, SHA, "speaks of tuberculosis"),
    ],
)
def test_a_site_file_is_for_its_model_alone(changed, sha256, says):
    with pytest.raises(ModelError, match="SITE_MODEL") as error:
        site(**changed).applied(CARD, sha256)
    assert says in str(error.value)
    assert error.value.exit_code == 4


def test_a_site_is_not_put_upon_a_site():
    with pytest.raises(ModelError, match="SITE_MODEL"):
        site().applied(site().applied(CARD, SHA), SHA)


def test_prediction_sets_are_those_of_the_models_groups():
    card = site(sets={"opacity": {"covid19": 0.2}, "gout": {"gout": 0.1}}, coverage=90.0).applied(CARD, SHA)
    assert {group: dict(of) for group, of in card.site.sets.items()} == {"opacity": {"covid19": 0.2}}


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "7", "{}", text_of(schema="lungspot-site/2"), text_of(name=""), text_of(name="x" * 65)),
        *(text_of(name="a\nb"), text_of(made="yesterday"), text_of(labels=[]), text_of(labels={"Effusion!": {}})),
        *(text_of(labels={"effusion": {"film": {}}}), text_of(films={}), text_of(model=7)),
        *(
            text_of(
                labels={
                    "effusion": {"film": {"probability": {"curve": None}, "points": {"balanced": {"threshold": each}}}}
                }
            )
            for each in (-1, 1.5, "0.5", True, None)
        ),
        text_of(labels={"effusion": {"film": {"probability": {"curve": {"a": -1, "b": 0}}, "points": {}}}}),
        text_of(
            labels={
                "effusion": {
                    "film": {
                        "probability": {"curve": None},
                        "points": {"balanced": {"threshold": 0.5}, "specific": {"threshold": 0.4}},
                    }
                }
            }
        ),
        text_of(
            labels={"effusion": {"film": {"probability": {"curve": None}, "points": {"best": {"threshold": 0.5}}}}}
        ),
        "[" * 100_000,
    ],
)
def test_what_is_no_site_file_is_refused(text, tmp_path):
    path = tmp_path / "site.json"
    path.write_text(text)
    with pytest.raises(ModelError, match="SITE_FORMAT") as error:
        read_site(path)
    assert error.value.where == str(path)


def test_a_site_file_that_is_not_there_or_no_text_is_refused(tmp_path):
    (tmp_path / "b").write_bytes(b"\xff\xfe")
    for name in ("a", "b", "."):
        with pytest.raises(ModelError, match="SITE_FORMAT"):
            read_site(tmp_path / name)


def test_a_site_file_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "site.json"
    path.write_text(text_of())
    found = read_site(path)
    assert (found.name, found.films, found.coverage) == ("St. E", 400, None)
    assert found.levels["effusion"]["film"].thresholds == {"balanced": 0.25}
    assert len(found.sha256) == 64


def test_thresholds_out_of_order_are_refused():
    with pytest.raises(InputError, match="BAD_VALUE"):
        LevelSettings(None, {"sensitive": 0.5, "balanced": 0.4})


def test_a_network_is_read_with_the_sites_card(model_file):
    own = load_detector(model_file)
    label = own.card.labels[0]
    here = dataclasses.replace(
        site({label: {"film": LevelSettings(None, {"balanced": 0.11})}}), model={"sha256": own.sha256}
    )
    detector = with_site(own, here)
    assert (detector.sha256, detector.card.threshold(label).image) == (own.sha256, 0.11)
    assert own.card.site is None
