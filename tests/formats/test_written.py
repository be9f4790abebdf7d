"""What is written of cases in a tool's format: no bad film stops the rest, and what a tool cannot say is counted."""

import pytest
from PIL import Image

from lungspot.errors import DatasetError, OutputError
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats import (
    ANNOTATION_FORMATS,
    Case,
    FilmTransfer,
    boxes_unsaid,
    sayable_cases,
    whole_films,
    write_cases,
)
from lungspot.outputs import Outputs

FRAME = Frame(100, 80)
HERE, CROWD = Finding("effusion", Box(10, 10, 40, 30)), Finding("effusion", Box(5, 5, 90, 70), crowd=True)
BESIDE = Finding("effusion", Box(10, 10, 10.0001, 30))  # no tool's numbers can say its width


@pytest.fixture
def case(tmp_path):
    """A function that makes a case of a film that is there, broken, or annotated only."""

    def make(name, *findings, film="whole"):
        path = None if film is None else tmp_path / f"{name}.png"
        if film == "whole":
            Image.new("L", (FRAME.width, FRAME.height), 9).save(path)
        elif path is not None:
            path.write_bytes(b"broken")
        reading = Reading("R1", findings, {"effusion": State.BOXED}, FRAME)
        return Case(name, "site", f"p{name}", (reading,), path, FRAME)

    return make


def test_one_bad_film_never_stops_the_rest_and_none_is_an_error(case):
    cases = [case("a", HERE), case("b", HERE, film="broken"), case("c", HERE, film=None)]
    told = []
    assert whole_films(cases, told.append) == [cases[0], cases[2]]
    assert [(error.code, error.where) for error in told] == [("NOT_AN_IMAGE", str(cases[1].image))]
    with pytest.raises(DatasetError, match="NOT_AN_IMAGE"):
        whole_films(cases[1:2], told.append)
    assert len(told) == 1
    assert whole_films([]) == []


@pytest.mark.parametrize(("to", "boxes", "gone"), [("coco", 2, 0), ("yolo", 1, 1), ("labelme", 1, 1)])
def test_boxes_around_several_instances_are_coco_s_alone(case, to, boxes, gone):
    (kept,), crowds = sayable_cases([case("a", HERE, CROWD)], to)
    assert (len(kept.readings[0].findings), crowds) == (boxes, gone)
    assert kept.readings[0].state("effusion") is (State.PRESENT if gone else State.BOXED)


@pytest.mark.parametrize("to", ANNOTATION_FORMATS)
def test_what_was_written_is_what_is_read_back(case, tmp_path, to):
    cases = [case("a", HERE, CROWD), case("b", HERE, film="broken"), case("c", HERE)]
    refused, crowds, drawn = [], [], []

    def bar(given):
        drawn.extend(given)
        return given

    out = tmp_path / "out"
    how = {"films": FilmTransfer.COPY, "refuse": refused.append, "left_out": crowds.append}
    written = write_cases(cases, out, to, progress=bar, outputs=Outputs(), **how)
    assert [one.id for one in written] == ["a", "c"]
    assert drawn == written
    assert [error.where for error in refused] == [str(cases[1].image)]
    assert crowds == ([] if to == "coco" else [1])
    back = ANNOTATION_FORMATS[to].read(out)
    assert [one.readings for one in back] == [one.readings for one in written]
    assert boxes_unsaid(written, out, to) == 0
    with pytest.raises(OutputError, match="EXISTS"):
        write_cases(cases, out, to)


@pytest.mark.parametrize("to", ANNOTATION_FORMATS)
def test_boxes_that_a_tool_has_no_words_for_are_counted(case, tmp_path, to):
    written = write_cases([case("a", HERE, BESIDE), case("c", BESIDE)], tmp_path / "out", to)
    assert boxes_unsaid(written, tmp_path / "out", to) == 2
