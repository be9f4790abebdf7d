"""Reader against reader; the numbers of VinDr are those of the study that this project starts from."""

import pytest

from lungspot.datasets.agreement import reader_agreement
from lungspot.errors import InputError
from lungspot.findings import Box, Frame, Reading, State
from lungspot.formats.case import Case

FRAME = Frame(100, 100)
A = (0, 0, 10, 10)
A_HALF = (0, 0, 10, 5)  # IoU with A: 0.5
A_NEAR = (0, 0, 10, 8)  # IoU with A: 0.8
B = (50, 50, 60, 60)


def film(*drawn, looked=("effusion",)):
    """Make a case of readers R1, R2 …, each with boxes of effusion."""
    readings = [
        Reading.of_boxes(f"R{n}", FRAME, [("effusion", Box(*box)) for box in boxes], looked)
        for n, boxes in enumerate(drawn, 1)
    ]
    return Case("film", "set", "patient", tuple(readings), frame=FRAME)


# films at least 1, 2, 3 readers boxed · boxes · mean IoU · matched where both · matched, misses counted · spots · alone
@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        ([film([A], [A])], ((1, 1), 2, 1.0, 1.0, 1.0, 1, 0.0)),
        ([film([A], [A_HALF])], ((1, 1), 2, 0.5, 1.0, 1.0, 1, 0.0)),
        ([film([A], [B])], ((1, 1), 2, 0.0, 0.0, 0.0, 2, 1.0)),
        ([film([A], [])], ((1, 0), 1, None, None, 0.0, 1, 1.0)),
        ([film([A], [A], [])], ((1, 1, 0), 2, 1.0, 1.0, 0.5, 1, 0.0)),
        # R1's two boxes against R2's one: 1 of 2 there, 1 of 1 back
        (
            [film([A, B], [A_NEAR])],
            ((1, 1), 3, pytest.approx(1.6 / 3), pytest.approx(2 / 3), pytest.approx(2 / 3), 2, 0.5),
        ),
        ([film([A])], ((1,), 1, None, None, None, 1, None)),
        ([film([A], [A]), film([A], [])], ((2, 1), 3, 1.0, 1.0, pytest.approx(2 / 3), 2, 0.5)),
    ],
)
def test_table(cases, expected):
    (row,) = reader_agreement(cases)
    assert (row.films, row.boxes, row.mean_iou, row.match_both, row.match, row.spots, row.alone) == expected


def test_threshold_counts_from_itself_on():
    assert reader_agreement([film([A], [A_HALF])], iou=0.5)[0].match == 1.0
    assert reader_agreement([film([A], [A_HALF])], iou=0.51)[0].match == 0.0


def test_who_did_not_look_or_did_not_box_is_not_compared():
    boxed = film([A]).readings[0]
    others = (
        Reading("mined", states={"effusion": State.PRESENT}),
        Reading("elsewhere", states={"edema": State.ABSENT}),
    )
    case = Case("film", "set", "patient", (boxed, *others), frame=FRAME)
    (row,) = reader_agreement([case])
    assert (row.films, row.match) == ((1,), None)


def test_nobody_boxed_anything():
    assert reader_agreement([film([], [])]) == ()


@pytest.mark.parametrize("iou", [0, 1.1])
def test_threshold_is_refused(iou):
    with pytest.raises(InputError, match="threshold"):
        reader_agreement([], iou=iou)


@pytest.fixture(scope="module")
def vindr(real):
    return {row.label: row for row in reader_agreement(real("vindr"))}


# label · films any, two, three readers boxed · boxes · mean IoU and match where both marked · match with misses
@pytest.mark.parametrize(
    ("label", "films", "boxes", "iou"),
    [
        ("cardiomegaly", (2300, 1817, 1297), 5427, (0.732, 0.989, 0.806)),
        ("aortic_enlargement", (3067, 2346, 1744), 7162, (0.685, 0.960, 0.783)),
        ("pneumothorax", (96, 58, 45), 226, (0.663, 0.776, 0.591)),
        ("effusion", (1032, 634, 439), 2476, (0.479, 0.652, 0.467)),
        ("fibrosis", (1617, 1017, 633), 4655, (0.433, 0.581, 0.424)),
        ("interstitial_lung_disease", (386, 152, 71), 1000, (0.560, 0.782, 0.408)),
        ("nodule_mass", (826, 405, 181), 2580, (0.447, 0.596, 0.372)),
        ("infiltration", (613, 245, 91), 1247, (0.522, 0.719, 0.337)),
        ("consolidation", (353, 121, 31), 556, (0.566, 0.731, 0.272)),
        ("pleural_thickening", (1981, 882, 365), 4842, (0.360, 0.496, 0.264)),
        ("opacity", (1322, 547, 167), 2483, (0.438, 0.573, 0.255)),
        ("atelectasis", (186, 62, 18), 279, (0.501, 0.637, 0.229)),
    ],
)
def test_vindr_human_ceiling(vindr, label, films, boxes, iou):
    row = vindr[label]
    assert (row.films, row.boxes) == (films, boxes)
    assert (row.mean_iou, row.match_both, row.match) == pytest.approx(iou, abs=0.0006)


# after fusion at IoU .4, by an independent clustering: groups, and the share of one reader's (detection, 5.3)
@pytest.mark.parametrize(
    ("label", "spots", "alone"),
    [
        ("cardiomegaly", 2334, 0.22),
        ("effusion", 1607, 0.63),
        ("atelectasis", 226, 0.81),
        ("nodule_mass", 1820, 0.69),
        ("consolidation", 428, 0.75),
    ],
)
def test_vindr_spots(vindr, label, spots, alone):
    assert vindr[label].spots == pytest.approx(spots, abs=3)
    assert vindr[label].alone == pytest.approx(alone, abs=0.005)
