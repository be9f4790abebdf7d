from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from lungspot.detect import load_detector
from lungspot.errors import DatasetError
from lungspot.evaluate.matched import Pair
from lungspot.evaluate.shortcuts import CHANGES, linear_probe, shortcuts
from lungspot.findings import Box, Frame, Reading


@pytest.fixture(scope="module")
def detector(model_file):
    return load_detector(model_file)


@pytest.fixture
def films(tmp_path):
    """Forty films: those of one source are dark in a corner, which the generated network's features are."""
    rng, pairs = np.random.default_rng(0), []
    for i in range(40):
        dark = i % 2 == 0
        picture = rng.integers(90, 170, (64, 64)).astype(np.uint8)
        if dark:
            picture[:32, :32] = rng.integers(0, 40, (32, 32))
        ill = i % 4 > 1
        if ill:
            picture[36:56, 36:56] = 255
        path = tmp_path / f"{i}.png"
        Image.fromarray(picture).save(path)
        frame = Frame(64, 64)
        true = Reading.of_boxes("t", frame, [("effusion", Box(36, 36, 56, 56))] if ill else [], ["effusion"])
        groups = {"source": "one" if dark else "two"}
        pairs.append(Pair(f"f{i}", f"p{i}", true, Reading("m", (), {}, frame), groups, image=path))
    return pairs


def test_a_source_that_can_be_seen_is_named(films, detector):
    found = shortcuts(films, detector)
    assert found["films"] == 40
    assert found["probe"]["all"]["accuracy"] > 0.9
    assert found["probe"]["all"]["majority"] == pytest.approx(0.5, abs=0.1)
    assert found["probe"]["normal"]["films"] == 20


def test_every_change_is_measured_on_every_label(films, detector):
    changes = shortcuts(films, detector, most=8)["changes"]
    assert list(changes) == list(CHANGES)
    for row in changes.values():
        assert set(row) == set(detector.card.labels)
        assert row["effusion"]["mean_absolute_change"] >= abs(row["effusion"]["mean_change"])
    # the generated network answers to brightness
    assert changes["darker (gamma 1.4)"]["effusion"]["mean_change"] < 0
    assert changes["brighter (gamma 0.7)"]["effusion"]["mean_change"] > 0
    assert changes["flipped"]["effusion"]["mean_absolute_change"] == pytest.approx(0, abs=1e-4)
    assert changes["darker (gamma 1.4)"]["edema"]["auroc"] is None  # nobody looked for it


def test_suspects_on_normals_of_each_source(films, write_model, generated_card, tmp_path):
    labels = ("covid19", "edema", "nodule_mass")
    plain = {key: {} for key in ("box_fusion", "box_calibration", "image_calibration", "thresholds", "box_from_map")}
    card = replace(generated_card, labels=labels, **plain)
    found = shortcuts(films, load_detector(write_model(tmp_path / "covid.onnx", card)))["other_normals"]
    assert set(found) == {"covid19"}
    assert {source: row["films"] for source, row in found["covid19"].items()} == {"one": 10, "two": 10}
    assert all(0 <= row["positive"] <= 1 for row in found["covid19"].values())


def test_changes_leave_the_film_as_it_was():
    picture = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    before = picture.copy()
    for change in CHANGES.values():
        changed = change(picture)
        assert changed.shape == (64, 64)
        assert 0 <= changed.min() <= changed.max() <= 1
        assert not np.array_equal(changed, before)
    assert np.array_equal(picture, before)
    masked = CHANGES["corners masked"](picture)
    assert masked[0, 0] == masked[-1, -1] == masked[0, -1] == pytest.approx(picture.mean())
    assert masked[32, 32] == picture[32, 32]


@pytest.mark.parametrize(
    ("names", "accuracy"), [(["a", "b"] * 50, 1.0), (["a", "b", "b", "a"] * 25, 0.5), (["a"] * 100, None)]
)
def test_the_probe_finds_what_is_there(names, accuracy):
    rng = np.random.default_rng(0)
    features = rng.normal(0, 0.1, (100, 3)).astype(np.float32)
    features[:, 0] += np.arange(100) % 2
    found = linear_probe(features[:60], names[:60], features[60:], names[60:])
    assert found == (None if accuracy is None else found)
    if accuracy is not None:
        assert found["accuracy"] == pytest.approx(accuracy, abs=0.2)
        assert found["films"] == 40


def test_without_films_there_is_nothing_to_look_at(detector):
    frame = Frame(10, 10)
    pair = Pair("f", "p", Reading("t", (), {}, frame), Reading("m", (), {}, frame), {"source": "s"})
    with pytest.raises(DatasetError, match="no film's file"):
        shortcuts([pair], detector)


def test_films_that_cannot_be_read_are_named(films, detector):
    films[3].image.write_bytes(b"not a film")
    found = shortcuts(films, detector)
    assert found["films"] == 39
    assert [str(films[3].image) in line for line in found["unread"]] == [True]
    with pytest.raises(DatasetError, match="not one film can be read"):
        shortcuts([films[3]], detector)
