from dataclasses import replace

import numpy as np
import pytest

from lungspot.detect import load_detector
from lungspot.findings import Box, Frame, Reading
from lungspot.formats.case import Case
from lungspot.study.choose import MapChoice
from lungspot.study.compare import locate
from lungspot.study.films import StudyFilm
from lungspot.study.heat_maps import GRID
from lungspot.study.parts import agreeing, by_source

FRAME = Frame(100, 100)
LABELS = ("effusion", "edema", "nodule_mass")
BOX = (0.1, 0.1, 0.4, 0.4)


def film(number, source, found, *, true=True, energy=0.5):
    """A film of one effusion at BOX; ``found`` is the detector's box, its map lies on BOX, the random one beside it."""
    boxes = [("effusion", Box(10, 10, 40, 40))] if true else []
    reading = Reading.of_boxes("r", FRAME, boxes, ["effusion"])
    heat, luck = np.zeros((2, 3, GRID, GRID), np.float16)
    heat[:, 4:16, 4:16] = 1
    luck[:, 30:, 30:] = 1
    said = ({"energy_in_box": energy, "area": 0.09},)
    return StudyFilm(
        Case(str(number), source, f"p{number}", (reading,), None, FRAME),
        reading,
        {("gradcam", 16): heat},
        luck,
        (((found, 0.9), (found, 0.001)), (), ()),
        np.array([0.9, 0, 0]),
        np.array([0.8, 0, 0]),
        (said, (), ()),
    )


def test_each_source_stands_apart():
    right, wrong = BOX, (0.6, 0.6, 0.9, 0.9)
    seen = [film(i, "one", right) for i in range(3)] + [film(i, "two", wrong) for i in range(3, 6)]
    seen.append(replace(seen[0], true=Reading.of_boxes("r", FRAME, [], ["effusion"]), case=Case("x", "none", "q", ())))
    heat, luck = (
        {"effusion": MapChoice("gradcam", 16, 0.5, 0.1)},
        {"effusion": MapChoice("random", 0, 0.5, 0.1)},
    )
    found = by_source(seen, locate(seen, LABELS, heat, luck), resamples=10)
    assert set(found) == {"one", "two"}  # nobody boxed anything in the third
    assert {source: (of["films"], of["labels"]) for source, of in found.items()} == {
        "one": (3, ["effusion"]),
        "two": (3, ["effusion"]),
    }
    assert [found[source]["boxes"]["ap0.5"]["value"] for source in ("one", "two")] == [1.0, 0.0]
    assert all(of["heat"]["ap0.5"]["value"] == 1.0 and of["random"]["ap0.3"]["value"] == 0.0 for of in found.values())


def test_disagreement_that_tells_a_false_box_is_found(model_file):
    seen = [film(i, "one", BOX, true=i % 2 == 0, energy=0.8 if i % 2 == 0 else 0.2) for i in range(10)]
    found = agreeing(seen, load_detector(model_file), resamples=10)
    assert (found["boxes"], found["wrong"]) == (10, 5)  # the box below the threshold is not shown
    assert found["auroc"]["energy_in_box"]["value"] == pytest.approx(1.0)
    assert found["auroc"]["score"]["value"] == pytest.approx(0.5)
