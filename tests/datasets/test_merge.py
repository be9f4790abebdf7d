import dataclasses
import itertools
from pathlib import Path

from lungspot.datasets import chestxdet, nih, rsna
from lungspot.datasets.merge import merge
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats.case import Case, Split
from lungspot.images.radiograph import View


def test_one_film_of_three_sets_keeps_every_reading(request):
    roots = {name: request.getfixturevalue(name) for name in ("nih", "chestxdet", "rsna")}
    apart = [*nih.cases(roots["nih"]), *chestxdet.cases(roots["chestxdet"]), *rsna.cases(roots["rsna"])]
    merged = merge(apart)
    assert [case.id for case in merged] == [
        "00000001_000",
        "00000001_001",
        "00000002_000",
        "00000003_000",
        "40000",
        "cccc-3",
    ]
    first = merged[0]
    assert [reading.reader for reading in first.readings] == ["nih", "nih-boxes", "chestxdet", "rsna"]
    assert (first.dataset, first.view, first.age_years) == ("nih", View.PA, 57.0)
    assert first.split is Split.TEST
    # What a reader did not look for stays not looked for, in each reading as it was.
    assert list(first.readings) == [r for case in apart if case.id == first.id for r in case.readings]
    assert merge([*apart, *apart]) == merged


def test_the_order_of_sets_changes_no_reading(request):
    parts = [
        list(module.cases(request.getfixturevalue(name)))
        for module, name in ((nih, "nih"), (chestxdet, "chestxdet"), (rsna, "rsna"))
    ]
    seen = set()
    for order in itertools.permutations(parts):
        cases = merge(itertools.chain(*order))
        seen.add(frozenset((case.id, frozenset(case.readings), case.age_years, case.image) for case in cases))
    assert len(seen) == 1


def test_frames_are_reconciled():
    small = Reading("a", (Finding("edema", Box(1, 2, 3, 4)),), {"edema": State.BOXED}, Frame(10, 20))
    large = Reading("b", (Finding("edema", Box(10, 20, 30, 40)),), {"edema": State.BOXED}, Frame(100, 200))
    film = Case("f", "nih", "p", (small,), None, Frame(10, 20))
    other = Case("f", "rsna", "p", (large,), Path("f.png"), Frame(100, 200))
    (case,) = merge([film, other])
    assert case.frame == Frame(10, 20)
    assert case.readings[1].boxes() == (Box(1, 2, 3, 4),)
    assert case.image == Path("f.png")
    assert large.boxes() == (Box(10, 20, 30, 40),)


def test_the_official_split_is_the_first_sets():
    film, other = Case("f", "nih", "p", ()), Case("f", "chestxdet", "p", (), split=Split.TRAIN)
    assert [case.split for case in (*merge([film, other]), *merge([other, film]))] == [None, Split.TRAIN]


def test_one_name_of_two_patients_is_two_films():
    case = Case("1", "a", "p1", ())
    assert len(merge([case, dataclasses.replace(case, patient="p2")])) == 2
