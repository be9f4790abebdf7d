import pytest

from lungspot.datasets import nih, rsna
from lungspot.evaluate.truths import truths
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats.case import Case

FRAME = Frame(100, 100)
BOX = Box(10, 10, 40, 40)


def boxed(reader, label="cardiomegaly"):
    return Reading.of_boxes(reader, FRAME, [(label, BOX)], [label])


def absent(reader, label="cardiomegaly"):
    return Reading(reader, (), {label: State.ABSENT}, FRAME)


def only(readings, name, **options):
    case = Case("a", "set", "p", tuple(readings), None, FRAME)
    ((of, reading),) = truths([case], name, **options)
    assert of is case
    return reading


def test_one_reader_of_a_folder_is_the_truth():
    reading = boxed("somebody")
    assert only([reading], "coco") is reading


def test_of_several_readers_the_majority_is_the_truth():
    readings = [boxed("R1"), boxed("R2"), absent("R3")]
    for name in ("coco", "vindr"):
        assert only(readings, name).state("cardiomegaly") is State.BOXED
        assert only([*readings[1:], absent("R4")], name).state("cardiomegaly") is State.ABSENT


@pytest.mark.parametrize("name", ["rsna", "all", "coco"])
def test_a_public_sets_opacity_is_pneumonia_wherever_it_was_written_to(name):
    reading = only([boxed(rsna.READER, "opacity")], name)
    assert reading.state("pneumonia") is State.BOXED
    assert reading.boxes("pneumonia") == (BOX,)


def test_what_is_doubtful_on_a_film_is_left_out_on_request():
    mined = Reading(nih.REPORTS, (Finding("effusion"),), {"effusion": State.PRESENT, "edema": State.ABSENT}, FRAME)
    assert only([mined], "nih").state("edema") is State.ABSENT
    certain = only([mined], "nih", certain=True)
    assert certain.state("edema") is State.NOT_LOOKED_FOR  # absent by text mining alone
    assert certain.state("effusion") is State.PRESENT
