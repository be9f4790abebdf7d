from dataclasses import replace

import numpy as np
import pytest

from lungspot.detect import Correction, load_detector, run_gated
from lungspot.detect.gate import unfit
from lungspot.findings import Frame
from lungspot.images import Notice, Origin, Radiograph, View


def film(pixels, **facts):
    return Radiograph(np.ascontiguousarray(pixels, np.float32), Origin("f.png", "0" * 64, "png"), 8, **facts)


def upright(height=96, width=80, seed=0):
    """A generated film: grey noise with one dark corner, the top left, which the generated gate looks for."""
    pixels = np.random.default_rng(seed).random((height, width)) * 0.3 + 0.65
    pixels[: height // 2, : width // 2] -= 0.45
    return pixels


@pytest.fixture(scope="module")
def detector(model_file):
    return load_detector(model_file)


def test_an_upright_film_passes(detector):
    gated = run_gated(film(upright()), detector)
    assert gated.reasons == ()
    assert gated.raw is not None
    assert gated.correction == Correction()
    assert gated.placement.source == Frame(80, 96)
    assert gated.notices == ()


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_film_is_read_upright(detector, turns):
    straight = run_gated(film(upright()), detector)
    gated = run_gated(film(np.rot90(upright(), -turns)), detector)
    assert gated.correction == Correction(turns)
    assert gated.raw.scores.tobytes() == straight.raw.scores.tobytes()
    assert [notice.code for notice in gated.notices] == ["TURNED"]
    assert str(90 * turns) in gated.notices[0].text


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.full((90, 90), 0.5), "BLANK"),
        (np.zeros((90, 90)), "BLANK"),
        (np.repeat(np.eye(90) > 0, 1, axis=1).astype(float), "SATURATED"),
        (upright(40, 90), "TOO_SMALL"),
        (upright(300, 100), "SHAPE"),
    ],
)
def test_pixels_not_worth_reading_are_refused_before_the_network_runs(pixels, reason, detector, monkeypatch):
    monkeypatch.setattr(detector, "run", None)
    gated = run_gated(film(pixels), detector)
    assert reason in gated.reasons
    assert gated.raw is None


def test_a_header_that_says_lateral_is_believed(detector):
    gated = run_gated(film(upright(), view=View.LATERAL), detector)
    assert gated.reasons == ("LATERAL",)
    assert gated.raw is None
    assert unfit(film(upright(), view=View.AP)) == ()


def test_a_header_that_names_another_part_of_the_body_is_believed(detector):
    gated = run_gated(film(upright(), notices=(Notice("BODY_PART", "BodyPartExamined is HIP"),)), detector)
    assert gated.reasons == ("NOT_A_CHEST_FILM",)
    assert gated.raw is None


@pytest.mark.parametrize(
    ("favoured", "reason"),
    [
        ("what:lateral", "LATERAL"),
        ("what:partial", "CROPPED"),
        ("what:other_xray", "NOT_A_CHEST_FILM"),
        ("what:not_xray", "NOT_AN_XRAY"),
        ("turn:90", "ROTATED"),
        ("polarity:inverted", "INVERTED"),
    ],
)
def test_what_the_gate_calls_something_else_has_no_scores(detector, monkeypatch, favoured, reason):
    """A real run with the gate's answer replaced: the network insists even after a correction."""
    run, classes = detector.run, detector.card.gate.classes
    group = favoured.split(":")[0]

    def insist(tensor):
        raw = run(tensor)
        values = [
            float(n == favoured) if n.startswith(group + ":") else p for n, p in zip(classes, raw.gate, strict=True)
        ]
        return type(raw)(raw.boxes, raw.scores, raw.image_scores, raw.maps, raw.features, np.array(values, np.float32))

    monkeypatch.setattr(detector, "run", insist)
    gated = run_gated(film(upright()), detector)
    assert gated.reasons == (reason,)
    assert gated.raw is None
    assert gated.placement is None


def test_a_network_that_gives_no_number_refuses_the_film(detector, monkeypatch):
    session_run = detector._session.run

    def spoilt(tensor):
        outputs = dict(session_run(tensor))
        outputs["scores"] = outputs["scores"] * np.float32(np.nan)
        return outputs

    monkeypatch.setattr(detector._session, "run", spoilt)
    gated = run_gated(film(upright()), detector)
    assert gated.reasons == ("MODEL_NUMERIC",)
    assert gated.raw is None


def test_without_a_gate_the_reader_is_told(write_model, generated_card, tmp_path):
    card = replace(generated_card, gate=None)
    gated = run_gated(film(np.rot90(upright())), load_detector(write_model(tmp_path / "m.onnx", card)))
    assert gated.reasons == ()
    assert gated.correction == Correction()
    assert [notice.code for notice in gated.notices] == ["NO_GATE"]


@pytest.mark.parametrize(("age", "codes"), [(15.9, ["CHILD"]), (16, []), (None, [])])
def test_children_are_read_with_a_warning(detector, age, codes):
    gated = run_gated(film(upright(), age_years=age), detector)
    assert [notice.code for notice in gated.notices] == codes
    assert gated.raw is not None


@pytest.mark.parametrize("turns", [0, 2])
def test_a_film_with_swapped_greys_is_set_right(detector, turns):
    straight = run_gated(film(upright()), detector)
    gated = run_gated(film(np.rot90(1 - upright(), -turns)), detector)
    assert gated.reasons == ()
    assert gated.correction == Correction(turns, invert=True)
    np.testing.assert_allclose(gated.raw.scores, straight.raw.scores, atol=1e-4)
    assert {notice.code for notice in gated.notices} == {"GREYS_SWAPPED"} | ({"TURNED"} if turns else set())
