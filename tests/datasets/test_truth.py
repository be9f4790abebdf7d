import collections

import pytest

from lungspot.datasets import chestxdet, nih, nlm_tb, rsna, siim_covid, tbx11k
from lungspot.datasets.catalog import load
from lungspot.datasets.truth import noisy, truth
from lungspot.errors import InputError
from lungspot.findings import DISEASES, Box, Finding, Frame, Reading, State
from lungspot.formats.case import Case, everything_absent

FRAME = Frame(1024, 1024)
ONE, TWO, THREE = Box(0, 0, 10, 10), Box(20, 20, 40, 40), Box(50, 50, 90, 90)
ABSENT, BOXED, PRESENT, UNSAID = State.ABSENT, State.BOXED, State.PRESENT, State.NOT_LOOKED_FOR


def reports(*positive):
    states = {label: PRESENT if label in positive else ABSENT for label in nih.LABELS.values()}
    return Reading(nih.REPORTS, tuple(map(Finding, positive)), states, FRAME)


def listed(label, box=ONE):
    return Reading(nih.BOXES, (Finding(label, box),), {label: PRESENT}, FRAME)


def drawn(*boxes):
    return Reading.of_boxes(chestxdet.READER, FRAME, boxes, chestxdet.LABELS.values())


def opacity(*boxes):
    return Reading.of_boxes(rsna.READER, FRAME, [("opacity", box) for box in boxes], ("opacity",))


NORMAL = everything_absent(rsna.READER, FRAME)


@pytest.mark.parametrize(
    ("readings", "label", "state", "boxes", "doubtful"),
    [
        # NIH's labels alone: an absence is noisy, a presence is not, and what it never mined nobody looked for.
        ([reports("edema")], "edema", PRESENT, [], False),
        ([reports()], "edema", ABSENT, [], True),
        ([reports()], "covid19", UNSAID, [], False),
        ([reports()], "tuberculosis", UNSAID, [], False),
        ([reports("mass")], "nodule_mass", PRESENT, [], False),
        ([reports()], "nodule_mass", ABSENT, [], True),
        ([reports("consolidation", "infiltration")], "pneumonia", ABSENT, [], True),
        # NIH's box list: a box, but never all boxes.
        ([reports("effusion"), listed("effusion")], "effusion", PRESENT, [ONE], False),
        ([reports("mass"), listed("mass")], "nodule_mass", PRESENT, [ONE], False),
        ([listed("pneumonia")], "pneumonia", PRESENT, [ONE], False),
        ([listed("pneumonia")], "effusion", UNSAID, [], False),
        # ChestX-Det: boxed exhaustively or absent; NIH's positives remain where it did not look.
        ([reports("effusion"), drawn(("effusion", ONE))], "effusion", BOXED, [ONE], False),
        ([reports(), drawn(("effusion", ONE))], "effusion", BOXED, [ONE], False),
        ([reports(), drawn()], "effusion", ABSENT, [], False),
        ([reports("effusion"), drawn()], "effusion", ABSENT, [], True),
        ([reports("edema"), drawn()], "edema", PRESENT, [], False),
        ([reports(), drawn()], "edema", ABSENT, [], True),
        (
            [reports("mass"), drawn(("nodule", ONE), ("mass", TWO), ("diffuse_nodule", THREE))],
            "nodule_mass",
            BOXED,
            [ONE, TWO, THREE],
            False,
        ),
        # A box of NIH's list counts only where nobody else boxed that label.
        ([listed("effusion", TWO), drawn(("effusion", ONE))], "effusion", BOXED, [ONE], False),
        ([listed("atelectasis", TWO), drawn(("effusion", ONE))], "atelectasis", PRESENT, [TWO], True),
        # Pneumonia: RSNA's opacity; ChestX-Det's Consolidation only where RSNA did not read.
        ([reports("pneumonia"), drawn(("consolidation", ONE))], "pneumonia", BOXED, [ONE], False),
        ([reports(), drawn()], "pneumonia", ABSENT, [], False),
        ([reports(), drawn(("consolidation", ONE)), opacity(TWO)], "pneumonia", BOXED, [TWO], False),
        ([reports(), drawn(("consolidation", ONE)), opacity()], "pneumonia", ABSENT, [], False),
        ([reports("pneumonia"), opacity()], "pneumonia", ABSENT, [], True),
        ([reports("pneumonia"), listed("pneumonia"), opacity(TWO)], "pneumonia", BOXED, [TWO], False),
        ([reports("pneumonia"), listed("pneumonia"), opacity()], "pneumonia", PRESENT, [ONE], True),
        ([reports("effusion"), opacity()], "effusion", PRESENT, [], False),
        # RSNA's Normal: everything is absent, also what NIH never mined.
        ([reports(), NORMAL], "edema", ABSENT, [], False),
        ([reports(), NORMAL], "covid19", ABSENT, [], False),
        ([reports(), NORMAL], "tuberculosis", ABSENT, [], False),
        ([reports("effusion"), NORMAL], "effusion", ABSENT, [], True),
        ([reports(), NORMAL, drawn(("effusion", ONE))], "effusion", BOXED, [ONE], True),
        ([reports(), drawn(("effusion", ONE)), NORMAL], "effusion", BOXED, [ONE], True),
        # The same reader under other names: a fused reading, an own dataset.
        ([Reading("me", (Finding("nodule", ONE),), {"nodule": BOXED}, FRAME)], "nodule_mass", BOXED, [ONE], False),
        ([Reading("me", (), {"nodule": ABSENT})], "nodule_mass", UNSAID, [], False),
        ([Reading("me", (), {"nodule_mass": ABSENT})], "nodule_mass", ABSENT, [], False),
        ([Reading("me", (), {"opacity": ABSENT})], "pneumonia", UNSAID, [], False),
        (
            [Reading("me", (Finding("nodule", ONE), Finding("mass")), {"nodule": BOXED, "mass": PRESENT}, FRAME)],
            "nodule_mass",
            PRESENT,
            [ONE],
            False,
        ),
        # Of two people who see it, the one with boxes.
        (
            [Reading("me", (Finding("effusion"),), {"effusion": PRESENT}), drawn(("effusion", ONE))],
            "effusion",
            BOXED,
            [ONE],
            False,
        ),
        ([], "edema", UNSAID, [], False),
    ],
)
def test_what_counts(readings, label, state, boxes, doubtful):
    case = Case("1", "nih", "p", tuple(readings), None, FRAME)
    reading = truth(case)
    assert reading.state(label) is state
    assert list(reading.boxes(label)) == boxes
    assert (label in noisy(case)) is doubtful
    assert set(reading.states) <= set(DISEASES)
    assert noisy(case) <= set(reading.states)


def test_a_box_keeps_who_drew_it():
    case = Case("1", "nih", "p", (drawn(("effusion", ONE)), opacity(TWO)), None, FRAME)
    assert [(f.label, f.source) for f in truth(case).findings] == [("effusion", "chestxdet"), ("pneumonia", "rsna")]


def test_several_readers_must_be_fused_first():
    readings = tuple(Reading(name, (), {"edema": ABSENT}) for name in ("R8", "R9"))
    with pytest.raises(InputError, match="several readers"):
        truth(Case("1", "vindr", "p", readings))
    with pytest.raises(InputError, match="two readings of one reader"):
        truth(Case("1", "nih", "p", (drawn(), drawn(("effusion", ONE))), None, FRAME))


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        (
            "siim_covid",
            [
                {"covid19": BOXED},
                {"pneumonia": BOXED},
                {"pneumonia": BOXED},
                {"covid19": ABSENT, "pneumonia": ABSENT},
                {"covid19": PRESENT},
            ],
        ),
        (
            "tbx11k",
            [
                dict.fromkeys(DISEASES, ABSENT),
                {"tuberculosis": ABSENT},
                {"tuberculosis": BOXED},
                {"tuberculosis": BOXED},
                {"tuberculosis": PRESENT},
            ],
        ),
    ],
)
def test_the_truth_of_whole_sets(request, folder, expected):
    assert [dict(truth(case).states) for case in load(folder, request.getfixturevalue(folder))] == expected


def test_the_truth_of_the_real_films(shared_data, real, real_cases):
    states, boxes = collections.Counter(), collections.Counter()
    for case in real_cases:
        reading = truth(case)
        states.update(reading.states.items())
        boxes.update(finding.label for finding in reading.findings)
    siim = [case.readings[0] for case in real("siim_covid") if case.image is not None]
    assert boxes["covid19"] == sum(len(reading.boxes("covid19")) for reading in siim)
    assert states["covid19", PRESENT] == len(list((shared_data / "hannover" / "png").iterdir()))
    shenzhen = [case for case in real("nlm_tb") if case.readings[0].reader == nlm_tb.SHENZHEN]
    assert boxes["tuberculosis"] == sum(len(case.readings[0].boxes()) for case in [*real("tbx11k"), *shenzhen])
    assert {case.readings[0].reader for case in real("tbx11k")} == {tbx11k.READER}
    assert {reading.reader for reading in siim} == {siim_covid.READER}
    here = {case.id for case in real_cases}
    opacities = [case for case in real("rsna") if case.id in here]
    undecided = sum(len(reading.boxes("opacity")) for reading in siim)
    read = {case.id for case in opacities}
    consolidation = sum(
        len(case.readings[0].boxes("consolidation")) for case in real("chestxdet") if case.id in here - read
    )
    listed_alone = sum(f.source == nih.BOXES for case in real_cases for f in truth(case).of("pneumonia"))
    assert boxes["pneumonia"] - listed_alone == undecided + consolidation + sum(
        len(case.readings[0].boxes()) for case in opacities
    )
    assert {label for label, state in states if state is BOXED} == set(DISEASES) - {"edema"}
