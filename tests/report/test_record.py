"""What is kept of a result is enough to have it again."""

import dataclasses
import json

import numpy as np
import pytest

from lungspot.detect import Anatomy, load_detector
from lungspot.findings import Box
from lungspot.images import Orientation, Origin, Radiograph, View
from lungspot.report import Analysis, Model, from_record, to_record


@pytest.mark.parametrize(
    "seen",
    [
        None,
        Anatomy(Box(1, 2, 3, 4), None, Box(0.5, 1, 2, 3.25), 0.5, mirrored=True),
        Anatomy(None, None, None, None, mirrored=None, unsided=(Box(1, 2, 3, 4), Box(5, 2, 7, 4.5))),
    ],
)
def test_a_result_that_was_kept_is_the_same_again(model_file, seen):
    detector = load_detector(str(model_file))
    film = Radiograph(
        np.zeros((40, 30), np.float32),
        Origin("a.png", "a" * 64, "png"),
        8,
        (0.2, 0.1),
        View.PA,
        orientation=Orientation("L", "F"),
        pixel_aspect=(2, 1),
    )
    result = Analysis(film, Model(detector.card, detector.sha256, detector.runtime), reasons=("BLANK",))
    if seen is not None:
        reading = json.loads('{"reader": "m", "findings": [], "states": {}}')
        record = to_record(result, keep_identifiers=False) | {"reading": reading, "reasons": []}
        result = dataclasses.replace(from_record(record, result.model, "a.png", None, None), anatomy=seen)
    record = json.loads(json.dumps(to_record(result, keep_identifiers=False)))
    again = from_record(record, result.model, "a.png", None, None)
    assert again.anatomy == seen
    assert to_record(again, keep_identifiers=False) == to_record(result, keep_identifiers=False)
    assert (
        from_record({k: v for k, v in record.items() if k != "anatomy"}, result.model, "a", None, None).anatomy is None
    )


def test_a_result_of_an_older_version_says_no_ratio_and_no_lungs_side(model_file):
    """Such records hold ratios of up to 2.09, and lungs by the side of the picture."""
    detector = load_detector(str(model_file))
    film = Radiograph(np.zeros((60, 100), np.float32), Origin("a.png", "a" * 64, "png"), 8, None, View.PA)
    model = Model(detector.card, detector.sha256, detector.runtime)
    record = to_record(Analysis(film, model, reasons=("BLANK",)), keep_identifiers=False) | {"reasons": []}
    record["reading"] = {"reader": "m", "findings": [], "states": {}}
    record["anatomy"] = {
        "heart": [0, 0, 90, 50],
        "left_lung": [10, 0, 20, 50],
        "right_lung": None,
        "cardiothoracic_ratio": 2.09,
        "mirrored": None,
    }
    again = from_record(record, model, "a", None, None).anatomy
    assert again == Anatomy(Box(0, 0, 90, 50), None, None, None, mirrored=None, unsided=(Box(10, 0, 20, 50),))
