import collections
import csv
import json

import pytest

from lungspot.datasets import chestxdet as adapter
from lungspot.errors import DatasetError
from lungspot.findings import Box, State
from lungspot.formats.case import Split


def test_findings_names_and_films_of_nih(chestxdet, nih):
    first, empty, unknown = adapter.cases(chestxdet)
    assert (first.id, first.patient, first.split) == ("00000001_000", "nih_00000001", Split.TRAIN)
    assert first.image == nih / "images_001" / "images" / "00000001_000.png"
    reading = first.readings[0]
    assert reading.boxes("effusion") == (Box(10, 20, 110, 220),)
    assert reading.state("nodule") is State.BOXED
    assert reading.state("mass") is State.ABSENT
    assert reading.state("edema") is State.NOT_LOOKED_FOR
    assert set(empty.readings[0].states.values()) == {State.ABSENT}
    assert len(empty.readings[0].states) == 13
    assert (unknown.id, unknown.patient, unknown.image, unknown.split) == ("40000", "cxd_40000", None, Split.TEST)


def test_without_nih_names_every_film_keeps_its_own(chestxdet):
    (chestxdet / "nih_names.csv").unlink()
    assert [case.id for case in adapter.cases(chestxdet)] == ["36204", "36205", "40000"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"Nodule"', '"Knot"', "ChestX_Det_train.json:36204.png: DATASET_ROW: unknown label 'Knot'"),
        ("[5, 6, 7, 8]", "[5, 6, 5, 8]", "ChestX_Det_train.json:36204.png: DATASET_ROW: a box from"),
        ("[5, 6, 7, 8]", "[5, 6, 7]", "ChestX_Det_train.json:36204.png: DATASET_ROW"),
        (", [5, 6, 7, 8]]", "]", "ChestX_Det_train.json:0: DATASET_ROW: no film with"),
        ('"file_name"', '"name"', "ChestX_Det_train.json:0: DATASET_ROW: no film with"),
        ('"polygons"', "", "ChestX_Det_train.json: DATASET_INCOMPLETE: not whole JSON"),
    ],
)
def test_a_corrupted_file_is_one_line(chestxdet, old, new, words):
    path = chestxdet / "ChestX_Det_train.json"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DatasetError) as caught:
        list(adapter.cases(chestxdet))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_counts_equal_the_raw_files(shared_data):
    root = shared_data / "chestx-det"
    entries = [e for part in ("train", "test") for e in json.loads((root / f"ChestX_Det_{part}.json").read_text())]
    raw = collections.Counter(name for entry in entries for name in entry["syms"])
    films = collections.Counter(name for entry in entries for name in set(entry["syms"]))
    cases = list(adapter.cases(root))
    assert len(cases) == len(entries) == 3430
    found = collections.Counter(f.label for case in cases for f in case.readings[0].findings)
    assert found == {adapter.LABELS[name]: count for name, count in raw.items()}
    for name, label in adapter.LABELS.items():
        states = collections.Counter(case.readings[0].state(label) for case in cases)
        assert states == {State.BOXED: films[name], State.ABSENT: len(entries) - films[name]}
    with (root / "nih_names.csv").open(newline="") as file:
        names = {row["nih_image"][:-4] for row in csv.DictReader(file)} - {""}
    here = {path.stem for path in (shared_data / "nih" / "images").iterdir()}
    assert {case.id for case in cases if case.image is not None} == names & here
