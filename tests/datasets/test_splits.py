import collections

import pytest

from lungspot.datasets.splits import apply_splits, read_splits
from lungspot.errors import DatasetError
from lungspot.formats.case import Case, Split

HEADER = "image,patient,split,stored_px\n"


def test_the_given_split_and_patient_count(download):
    root = download({"splits.csv": HEADER + "a/1.png,group,val,64\na/1.png,group,val,512\n"})
    splits = read_splits(root / "splits.csv")
    assert splits == {"a/1.png": ("group", Split.VAL)}
    cases = [
        Case("1", "x", "p1", (), root / "a" / "1.png"),
        Case("2", "x", "p2", (), root / "a" / "2.png"),
        Case("3", "x", "p3", ()),
        Case("4", "x", "p4", (), root.parent / "1.png"),
    ]
    (case,) = apply_splits(cases, splits, root)
    assert (case.id, case.patient, case.split) == ("1", "group", Split.VAL)
    assert cases[0].split is None


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("a.png,p,dev,1\n", ":2: DATASET_ROW: split is 'dev'"),
        ("a.png,p,val,1\na.png,p,test,1\n", ":3: DATASET_ROW: a.png is here twice, and differs"),
        ("a.png,p\n", ":2: DATASET_ROW: 2 values where 3"),
    ],
)
def test_a_bad_row_is_one_line(download, row, words):
    with pytest.raises(DatasetError) as caught:
        read_splits(download({"splits.csv": HEADER + row}) / "splits.csv")
    assert words in str(caught.value)


def test_every_real_film_has_its_part_and_no_patient_two(shared_data, real_cases):
    splits = read_splits(shared_data / "splits.csv")
    cases = apply_splits(real_cases, splits, shared_data)
    assert len(cases) == len(splits) == 16850
    lines = {
        line.split(",")[0]: line.split(",")[2] for line in (shared_data / "splits.csv").read_text().splitlines()[1:]
    }
    assert collections.Counter(case.split for case in cases) == collections.Counter(lines.values())
    parts = collections.defaultdict(set)
    for case in cases:
        parts[case.patient].add(case.split)
    assert {len(found) for found in parts.values()} == {1}


def test_patients_are_those_of_the_given_split(shared_data, real_cases):
    splits = read_splits(shared_data / "splits.csv")
    differ = collections.Counter()
    for case in real_cases:
        patient, _ = splits[case.image.relative_to(shared_data).as_posix()]
        differ[case.dataset] += case.patient != patient
    # Hannover's patients are finer there (one a film); SIIM's are coarser (a near-duplicate group of two patients).
    assert {name for name, count in differ.items() if count} == {"hannover", "siim_covid"}
