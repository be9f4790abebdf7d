import dataclasses

import numpy as np
import pytest

from lungspot.detect import AnatomyCard, ModelCard, Platt, Positions, Raw, Thresholds, calibrate, decode
from lungspot.detect.decode import side_and_zone
from lungspot.findings import Box, Frame, Side, State, Zone
from lungspot.images import Placement

CARD = ModelCard(
    "m",
    "1",
    ("effusion", "edema"),
    100,
    box_fusion={"effusion": 1.0},
    thresholds={"balanced": {"effusion": Thresholds(0.2, 0.5), "edema": Thresholds(0.5, 0.5)}},
    nms_iou=0.5,
)
PLACEMENT = Placement(Frame(200, 400), 100)  # x times 2, y times 4


def raw(boxes, scores, image=(0.5, 0.1), maps=None):
    return Raw(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32).reshape(-1, 2),
        np.array(image, np.float32),
        np.zeros((2, 4, 4), np.float32) if maps is None else np.array(maps, np.float32),
        np.zeros(1, np.float32),
    )


def boxed(reading):
    return [(f.label, f.box.corners, round(f.score, 4)) for f in reading.findings if f.box]


def test_scores_are_fused_and_boxes_are_in_the_original_film():
    reading = decode(raw([[10, 10, 30, 40]], [[0.8, 0.0]]), PLACEMENT, CARD)
    assert boxed(reading) == [("effusion", (20, 40, 60, 160), 0.4)]
    assert reading.frame == Frame(200, 400)
    assert reading.findings[0].side is Side.RIGHT
    assert reading.findings[0].zone is Zone.UPPER
    assert reading.states == {"effusion": State.BOXED, "edema": State.ABSENT}
    assert [(f.label, round(f.score, 3)) for f in reading.findings if not f.box] == [("effusion", 0.5), ("edema", 0.1)]


def test_calibration_follows_fusion():
    card = dataclasses.replace(CARD, box_calibration={"effusion": Platt(2.0, 0.0)})
    reading = decode(raw([[10, 10, 30, 40]], [[0.8, 0.0]]), PLACEMENT, card)
    assert reading.findings[0].score == pytest.approx(0.4**2 / (0.4**2 + 0.6**2), abs=1e-6)


@pytest.mark.parametrize(
    ("score", "platt", "expected"),
    [(0.3, None, 0.3), (0.3, Platt(), 0.3), (0.5, Platt(3, 1), 1 / (1 + np.exp(-1))), (0, Platt(), 0), (1, Platt(), 1)],
)
def test_platt(score, platt, expected):
    assert calibrate(np.array([score]), platt)[0] == pytest.approx(expected, abs=1e-6)


def test_of_two_boxes_over_one_place_the_better_stays_and_other_labels_do_not_matter():
    boxes = [[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60], [0, 0, 10, 10]]
    scores = [[0.8, 0], [0.9, 0], [0.7, 0], [0, 0.9]]
    reading = decode(raw(boxes, scores, image=(1, 1)), PLACEMENT, CARD)
    assert [(label, score) for label, _, score in boxed(reading)] == [
        ("effusion", 0.9),
        ("edema", 0.9),
        ("effusion", 0.7),
    ]


def test_boxes_of_a_label_vote_by_its_own_overlap():
    boxes, scores = [[0, 0, 10, 10], [0, 0, 10, 12]], [[0.9, 0.9], [0.3, 0.3]]
    card = dataclasses.replace(CARD, vote_iou=0.4, vote_ious={"edema": 1.0})
    found = dict(box[:2] for box in boxed(decode(raw(boxes, scores, image=(1, 1)), PLACEMENT, card)))
    assert found["edema"] == (0, 0, 20, 40)
    assert found["effusion"] == pytest.approx((0, 0, 20, 42))


def test_a_floor_replaces_the_thresholds():
    found = raw([[0, 0, 10, 10]], [[0.1, 0.0]], image=(1, 0))
    assert boxed(decode(found, PLACEMENT, CARD)) == []
    assert len(boxed(decode(found, PLACEMENT, CARD, min_score=0.05))) == 1


def test_boxes_are_cut_at_the_film_and_crumbs_are_dropped():
    boxes = [[-20, -20, 50, 50], [99.5, 0, 120, 50], [30, 30, 30, 60], [60, 60, 40, 80], [-9, -9, -1, -1]]
    reading = decode(raw(boxes, [[0.9, 0.0]] * 5, image=(1, 0)), PLACEMENT, CARD)
    assert boxed(reading) == [("effusion", (0, 0, 100, 200), 0.9)]


def test_a_film_may_be_positive_without_a_box():
    reading = decode(raw([], [], image=(0.9, 0.1)), PLACEMENT, CARD)
    assert reading.states == {"effusion": State.PRESENT, "edema": State.ABSENT}


def test_a_label_without_boxes_gets_them_from_its_map():
    card = dataclasses.replace(CARD, box_from_map={"edema": 0.5})
    maps = np.zeros((2, 4, 4))
    maps[1, 1:3, 0:1] = 1
    reading = decode(raw([[0, 0, 90, 90]], [[0.0, 0.9]], image=(0, 0.9), maps=maps), PLACEMENT, card)
    (finding,) = [f for f in reading.findings if f.box]
    assert finding.label == "edema"
    assert finding.score == pytest.approx(0.9)
    assert finding.box.iou(Box(0, 100, 50, 300)) > 0.7
    low = decode(raw([], [], image=(0, 0.4), maps=maps), PLACEMENT, card)
    assert boxed(low) == []


BASES = Positions.of(np.array([[0, 0], [1, 1]], bool))  # the lower half


def test_no_box_of_a_lung_finding_is_reported_where_no_lung_is():
    card = dataclasses.replace(CARD, positions={"effusion": BASES})
    boxes = [[10, 10, 30, 40], [50, 40, 60, 70], [10, 60, 30, 90]]
    found = raw(boxes, [[0.9, 0.0], [0.8, 0.0], [0.7, 0.0]], image=(1, 0))
    assert boxed(decode(found, PLACEMENT, card)) == [
        ("effusion", (100, 200, 120, 280), 0.8),  # its part below the middle
        ("effusion", (20, 240, 60, 360), 0.7),
    ]


# Upright in 20 x 20 cells: the film's lungs lie from (20, 40) to (180, 240).
HEART, ONE_LUNG, OTHER_LUNG = (7, 6, 14, 13), (2, 2, 8, 12), (12, 2, 18, 12)
NOTHING = (0, 0, 0, 0)
TRUSTED = AnatomyCard(0.9, lungs_trusted=True)


def with_organs(found, *organs):
    likely = np.zeros((3, 20, 20), np.float32)
    for layer, (x0, y0, x1, y1) in zip(likely, organs, strict=True):
        layer[y0:y1, x0:x1] = 1
    return dataclasses.replace(found, organs=likely, mirrored=np.zeros(1, np.float32))


def test_the_lungs_of_the_film_say_where_boxes_lie_where_they_are_trusted():
    card = dataclasses.replace(CARD, positions={"effusion": BASES}, anatomy=TRUSTED)
    found = raw([[10, 10, 30, 40], [50, 40, 60, 70], [10, 60, 30, 90]], [[0.9, 0], [0.8, 0], [0.7, 0]], image=(1, 0))
    mine = decode(with_organs(found, HEART, ONE_LUNG, OTHER_LUNG), PLACEMENT, card)
    assert boxed(mine) == [
        ("effusion", (20, 40, 60, 160), 0.9),
        ("effusion", (100, 160, 120, 240), 0.8),  # its part above the bases
    ]
    assert [(f.side, f.zone) for f in mine.findings if f.box] == [(Side.RIGHT, Zone.UPPER), (Side.LEFT, Zone.LOWER)]
    below = with_organs(raw([[10, 60, 30, 90]], [[0.7, 0]], image=(1, 0)), HEART, ONE_LUNG, OTHER_LUNG)
    nowhere = decode(below, PLACEMENT, card)
    assert boxed(nowhere) == []
    assert nowhere.states["effusion"] is State.PRESENT  # the film still shows it, though nobody knows where


@pytest.mark.parametrize(
    ("organs", "trusted"),
    [
        ((HEART, ONE_LUNG, NOTHING), True),  # a lung that was not seen may be white
        ((HEART, NOTHING, NOTHING), True),
        ((NOTHING, ONE_LUNG, OTHER_LUNG), True),
        ((HEART, OTHER_LUNG, ONE_LUNG), True),
        ((HEART, ONE_LUNG, OTHER_LUNG), False),
    ],
)
def test_lungs_that_are_not_believed_say_nothing(organs, trusted):
    card = dataclasses.replace(CARD, positions={"effusion": BASES})
    found = raw([[10, 10, 30, 40], [50, 40, 60, 70], [10, 60, 30, 90]], [[0.9, 0], [0.8, 0], [0.7, 0]], image=(1, 0))
    seen = dataclasses.replace(card, anatomy=dataclasses.replace(TRUSTED, lungs_trusted=trusted))
    assert decode(with_organs(found, *organs), PLACEMENT, seen) == decode(found, PLACEMENT, card)


def test_a_heart_may_lie_where_no_lung_is():
    card = ModelCard("m", "1", ("cardiomegaly", "edema"), 100, anatomy=TRUSTED)
    found = with_organs(raw([[10, 70, 30, 90]], [[0.9, 0.0]], image=(1, 0)), HEART, ONE_LUNG, OTHER_LUNG)
    assert len(boxed(decode(found, PLACEMENT, card))) == 1


def test_boxes_out_of_a_map_are_kept_to_the_lungs_too_and_are_not_judged():
    card = dataclasses.replace(CARD, box_from_map={"edema": 0.5}, positions={"edema": BASES})
    maps = np.zeros((2, 4, 4))
    maps[1, 1:4, 0:2] = 1
    (finding,) = [f for f in decode(raw([], [], image=(0, 0.9), maps=maps), PLACEMENT, card).findings if f.box]
    assert finding.box.y0 == 200
    assert not finding.judged
    maps[1, 2:] = 0
    maps[1, 0] = 1
    assert boxed(decode(raw([], [], image=(0, 0.9), maps=maps), PLACEMENT, card)) == []


@pytest.mark.parametrize(
    ("corners", "label", "expected"),
    [
        ((10, 10, 30, 30), "effusion", (Side.RIGHT, Zone.UPPER)),
        ((70, 40, 90, 50), "effusion", (Side.LEFT, Zone.MIDDLE)),
        ((70, 70, 90, 90), "effusion", (Side.LEFT, Zone.LOWER)),
        ((10, 40, 90, 60), "edema", (Side.BILATERAL, Zone.MIDDLE)),
        ((55, 10, 90, 90), "emphysema", (Side.LEFT, None)),
        ((30, 40, 80, 80), "cardiomegaly", (None, None)),
    ],
)
def test_the_left_of_the_picture_is_the_right_of_the_patient(corners, label, expected):
    assert side_and_zone(Box(*corners), Frame(100, 100), label) == expected


@pytest.mark.parametrize(
    ("corners", "expected"),
    [
        # lungs from 10 to 50 and from 60 to 90 across, 20 to 80 down: the middle is at 55, thirds end at 40 and 60
        ((40, 25, 50, 35), (Side.RIGHT, Zone.UPPER)),
        ((52, 30, 60, 52), (Side.LEFT, Zone.MIDDLE)),
        ((70, 62, 80, 70), (Side.LEFT, Zone.LOWER)),
        ((20, 45, 80, 55), (Side.BILATERAL, Zone.MIDDLE)),
        ((60, 22, 90, 78), (Side.LEFT, None)),
    ],
)
def test_where_the_lungs_are_known_they_say_side_and_zone(corners, expected):
    lungs = (Box(10, 20, 50, 80), Box(60, 30, 90, 80))
    assert side_and_zone(Box(*corners), Frame(100, 100), "effusion", lungs) == expected
