"""Splitting by patient."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lungspot.datasets.split import leaks, refuse_leaks, side, split, split_base, write_splits
from lungspot.datasets.splits import apply_splits, read_splits
from lungspot.errors import DatasetError, InputError
from lungspot.formats.case import Case, Split

TRAIN, VAL, TEST = Split


def film(name, patient, where=None, image=None):
    return Case(name, "set", patient, (), split=where, image=image)


# Written down on the day the rule was made: a change would move every patient of every split made since.
@pytest.mark.parametrize(
    ("patient", "expected"),
    [("nih_00000001", "train"), ("nih_00000002", "train"), ("siim_1", "val"), ("tbx_4", "test"), ("p3", "train")],
)
def test_side_is_the_same_for_ever(patient, expected):
    assert side(patient) == expected


def test_sides_have_the_sizes_that_were_asked_for():
    sides = [side(f"p{n}", fractions={TRAIN: 0.7, VAL: 0.2, TEST: 0.1}) for n in range(10_000)]
    assert [round(sides.count(name) / 10_000, 2) for name in Split] == pytest.approx([0.7, 0.2, 0.1], abs=0.02)
    other = [side(f"p{n}", fractions={TRAIN: 0.7, VAL: 0.2, TEST: 0.1}, salt="b") for n in range(10_000)]
    assert 0.5 < sum(a == b for a, b in zip(sides, other, strict=True)) / 10_000 < 0.58  # .54 by chance


def test_all_in_one_split():
    assert {side(f"p{n}", fractions={TRAIN: 0, TEST: 1.0}) for n in range(100)} == {TEST}


@pytest.mark.parametrize("fractions", [{}, {TRAIN: 0.5}, {TRAIN: 1.5, TEST: -0.5}])
def test_fractions_are_refused(fractions):
    with pytest.raises(InputError, match="split fractions"):
        side("p1", fractions=fractions)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)), max_size=40), st.randoms())
def test_slip_no_patient_in_two_splits_whatever_the_order(films, random):
    """The originating classifier split films at random: 271 of ChestX-Det's 429 test patients are in train, too."""
    cases = [film(f"{n}_{m}", f"p{n}") for n, m in films]
    first = {case.id: case.split for case in split(cases)}
    random.shuffle(cases)
    again = split(cases[: len(cases) // 2])
    assert all(first[case.id] is case.split for case in again)
    assert leaks(split(cases)) == ()


def test_entries_that_share_a_film_s_file_are_on_one_side():
    """Two people's files of one film, each under a name of its own: the film may not be in train and in test."""
    names = [f"p{n}" for n in range(300)]
    assert side("p1") is not side("p4")
    pairs = [
        [film(f"{name}/a", name, image=Path(f"{name}.png")), film("x", f"other_{name}", image=Path(f"{name}.png"))]
        for name in names
    ]
    assert all(one.split is other.split for one, other in map(split, pairs))
    assert [case.patient for case in split(pairs[0])] == ["p0", "other_p0"]
    chain = [film(str(n), f"p{n // 2}", image=Path(f"{(n + 1) // 2}.png")) for n in range(40)]
    assert len({case.split for case in split(chain)}) == 1
    alone = [film(name, name, image=Path(f"{name}.png")) for name in names]
    assert [case.split for case in split(alone)] == [side(name) for name in names]


def test_a_given_split_counts_first_and_its_patients_bring_their_other_films():
    root = Path("data")
    given = {"a/1.png": ("p17", TRAIN), "a/2.png": ("group", VAL)}
    cases = [
        film("1", "p17", image=root / "a/1.png"),
        film("1b", "p17"),
        film("2", "p2", TEST, image=root / "a/2.png"),
        film("3", "p17b"),
        film("4", "p4", image=Path("elsewhere/4.png")),
    ]
    found = split(cases, given=given, root=root)
    assert [(case.patient, case.split) for case in found] == [
        ("p17", TRAIN),
        ("p17", TRAIN),
        ("group", VAL),
        ("p17b", side("p17b")),
        ("p4", side("p4")),
    ]


def test_a_given_split_that_leaks_is_refused():
    with pytest.raises(DatasetError, match="p1 is in train and in test") as caught:
        split([], given={"1.png": ("p1", TRAIN), "2.png": ("p1", TEST)})
    assert caught.value.code == "DATASET_LEAK"


def test_leaks_name_the_films():
    cases = [
        film("1", "p1", TRAIN),
        film("2", "p1", TEST),
        film("3", "p1", TEST),
        film("4", "p2", TEST),
        film("5", "p2"),
    ]
    (leak,) = leaks(cases)
    assert leak.films == ((TRAIN, ("1",)), (TEST, ("2", "3")))
    assert str(leak) == "p1 has 1 in train, 2 in test"
    with pytest.raises(DatasetError, match=r"set\.csv: DATASET_LEAK: p1 has 1 in train, 2 in test; split again"):
        refuse_leaks(cases, "set.csv")


def test_write_and_read_back(tmp_path):
    cases = split(film(str(n), f"p{n % 7}", image=tmp_path / "films" / f"{n}.png") for n in range(30))
    assert write_splits([*cases, film("x", "p1")], tmp_path / "splits.csv", tmp_path) == 30
    given = read_splits(tmp_path / "splits.csv")
    assert apply_splits([film(c.id, "?", image=c.image) for c in cases], given, tmp_path) == cases


def test_write_refuses_before_it_writes(tmp_path):
    leaky = [film("1", "p1", TRAIN, tmp_path / "1.png"), film("2", "p1", TEST, tmp_path / "2.png")]
    with pytest.raises(DatasetError, match="DATASET_LEAK"):
        write_splits(leaky, tmp_path / "splits.csv", tmp_path)
    with pytest.raises(InputError, match="not below"):
        write_splits(leaky[:1], tmp_path / "splits.csv", tmp_path / "other")
    assert not (tmp_path / "splits.csv").exists()


def test_official_split_of_chestxdet_leaks_and_the_given_one_does_not(shared_data, real):
    """271 of 429 test patients are in train; patients are withheld here, and some films have no NIH name."""
    folder = shared_data / "chestx-det"
    names = dict(line.split(",") for line in (folder / "nih_names.csv").read_text().split())
    train, test = (
        {(names.get(film["file_name"]) or film["file_name"])[:8] for film in json.loads((folder / name).read_text())}
        for name in ("ChestX_Det_train.json", "ChestX_Det_test.json")
    )
    assert (len(test & train), len(test)) == (261, 428)
    cases = real("chestxdet")
    assert [leak.patient.removeprefix("nih_") for leak in leaks(cases)] == sorted(test & train)
    with pytest.raises(DatasetError, match="DATASET_LEAK"):
        refuse_leaks(cases)
    given = read_splits(shared_data / "splits.csv")
    films = [*real("nih"), *cases]
    known = apply_splits(films, given, shared_data)
    assert len(known) > 8000
    assert leaks(known) == ()
    assert leaks(split(films, given=given, root=shared_data)) == ()


def test_a_film_whose_name_is_no_unicode_has_a_split_too(tmp_path):
    names = [os.fsdecode(b"\xff.png"), "two\nlines.png", "-o.png", "\u202e.png"]
    cases = [film(name, f"set_{name}", image=tmp_path / name) for name in names]
    found = split(cases)
    write_splits(found, tmp_path / "splits.csv", tmp_path)
    assert apply_splits(cases, read_splits(tmp_path / "splits.csv"), tmp_path) == list(found)


@pytest.mark.parametrize(
    ("images", "base"),
    [
        (["data/nih/a.png", "data/nih/b/c.png"], "data/nih"),
        (["data/nih/a.png", "data/rsna/b.png"], "data"),
        (["data/nih/out/a.png"], "data/nih/out"),
        ([None, "data/nih/a.png"], "data/nih"),
        (["elsewhere/a.png"], "data/nih/out"),
        ([None], "data/nih/out"),
    ],
)
def test_paths_of_a_split_start_where_all_films_are_below(images, base):
    cases = [film(str(number), "p", image=None if path is None else Path(path)) for number, path in enumerate(images)]
    assert split_base(cases, Path("data/nih/out/splits.csv"), Path("data/nih")) == Path(base)
