"""One reading a film, by each of the rules, and the films that nobody asked for read."""

import pytest

from lungspot.cli.data_options import How
from lungspot.datasets import FUSIONS, fuse_readers, nih
from lungspot.errors import InputError
from lungspot.findings import Box, Finding, Frame, Reading, majority, union, weighted
from lungspot.formats import Case

FRAME = Frame(100, 100)


def film(identifier, **boxes):
    readings = (
        Reading(name, tuple(Finding("edema", Box(*box)) for box in drawn), {"edema": "boxed"}, FRAME)
        for name, drawn in boxes.items()
    )
    return Case(identifier, "site", f"p{identifier}", tuple(readings), None, FRAME)


TWO = film("two", a=[(0, 0, 20, 20)], b=[(0, 0, 20, 24), (50, 50, 90, 90)])
ONE = film("one", b=[(10, 10, 30, 30)])


@pytest.mark.parametrize(
    ("how", "options", "expected"),
    [
        ("wbf", {"iou": 0.9}, lambda readings: weighted(readings, iou=0.9)),
        ("majority", {"least": 1, "iou": 0.3}, lambda readings: majority(readings, least=1, iou=0.3)),
        ("union", {}, union),
    ],
)
def test_a_rule_is_that_of_findings_with_what_was_asked(how, options, expected):
    cases = list(fuse_readers([TWO, ONE], how, **options))
    assert [case.readings for case in cases] == [(expected(case.readings),) for case in (TWO, ONE)]
    assert [case.id for case in cases] == ["two", "one"]


def test_one_reader_counts_and_the_next_where_that_one_did_not_read():
    assert [case.readings for case in fuse_readers([TWO, ONE], "one", readers=["a"])] == [TWO.readings[:1]]
    both = list(fuse_readers([TWO, ONE], "one", readers=["a", "b"]))
    assert [case.readings[0].reader for case in both] == ["a", "b"]
    assert list(fuse_readers([TWO, ONE], "one", readers=["nobody"])) == []


@pytest.mark.parametrize("how", ["mean", "", "one"])
def test_unknown_rules_and_one_reader_without_a_name_are_refused(how):
    assert [each.value for each in How] == list(FUSIONS)
    with pytest.raises(InputError, match="BAD_VALUE"):
        list(fuse_readers([TWO], how))


@pytest.mark.parametrize(("how", "state"), [("wbf", "absent"), ("majority", "absent"), ("union", "present")])
def test_people_vote_before_labels_mined_from_reports(how, state):
    person = Reading("R1", (), {"effusion": "absent"}, FRAME)
    mined = Reading(nih.REPORTS, (Finding("effusion"),), {"effusion": "present"}, FRAME)
    (fused,) = fuse_readers([Case("a", "nih", "p", (person, mined), None, FRAME)], how)
    assert fused.readings[0].state("effusion") == state
