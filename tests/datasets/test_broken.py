"""Whatever is wrong with a download or a tool's files, the answer is one line that says where, and never a bug."""

import numpy as np
import pytest
from PIL import Image

from lungspot.datasets.catalog import load
from lungspot.datasets.check import check_tables
from lungspot.errors import LungspotError
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats.case import Case, Split
from lungspot.formats.catalog import ANNOTATION_FORMATS

SMALL = {
    "hannover": {"data.csv": "patient_id,image_id,sex,age,projection\np1,a,m,61,ap\np2,b,f,,pa\n"},
    "siim_acr": {"train-rle.csv": "ImageId, EncodedPixels\na,-1\nb,10 2 1022 2\nb,90 3\n"},
    "csv": {"labels.csv": "image,Effusion,labels,patient,age,split\na.png,1,Mass,p,61,val\nb.png,0,,q,,train\n"},
    "nlm_tb": {
        "CHNCXR_0001_1.png": "",
        "via.json": {
            "k": {
                "filename": "CHNCXR_0001_1.png",
                "regions": [
                    {"shape_attributes": {"name": "polygon", "all_points_x": [1, 20, 9], "all_points_y": [3, 4, 50]}}
                ],
            }
        },
    },
    "tbx11k": {
        "annotations/json/TBX11K_train.json": {
            "categories": [{"id": 1, "name": "ActiveTuberculosis"}],
            "images": [{"id": 7, "file_name": "tb/tb0001.png", "width": 512, "height": 512}],
            "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "bbox": [10, 20, 30.5, 40]}],
        },
        "annotations/json/TBX11K_val.json": {"categories": [], "images": [], "annotations": []},
    },
}
# dataset → the fixture of its download, or files
SETS = {
    "nih": "nih",
    "chestxdet": "chestxdet",
    "rsna": "rsna",
    "siim_covid": "siim_covid",
    "tbx11k": "tbx11k",
    "vindr": "vindr_physionet",
}
TEXT = {".csv", ".json", ".xml", ".txt", ".yaml", ".jsonl"}
ROUNDS = 60  # for each file
WORDS = (
    "",
    "nan",
    "-1",
    "0",
    "1e999",
    "inf",
    "9" * 20,
    "null",
    "\0",
    "é",
    '"',
    "[",
    "{}",
    "<",
    ",",
    "\n",
    "[]",
    "true",
)


def broken(text, chance):
    """Return a text with one fault: cut, a part gone, a byte that no text has, or a word replaced."""
    start, end = sorted(chance.integers(len(text) + 1, size=2))
    kind = chance.integers(5)
    if kind == 0:
        return text[:start].encode()
    if kind == 1:
        return (text[:start] + text[end:]).encode()
    if kind == 2:
        return text[:start].encode() + b"\xff\xfe" + text[start:].encode()
    place = chance.choice([-1, *(place for place, mark in enumerate(text) if mark in ',":>\n ')])
    stop = min(found for mark in ',"<\n }' if (found := f"{text}{mark}".find(mark, place + 1)) >= 0)
    return (text[: place + 1] + chance.choice(WORDS) + text[stop:]).encode()


def refusals(call, root, folder):
    """Break each file below ``folder`` again and again, and return how often ``call`` refused that, in one line."""
    said = []
    for number, path in enumerate(sorted(path for path in folder.rglob("*") if path.suffix in TEXT)):
        whole, chance = path.read_bytes(), np.random.default_rng(number)
        for _ in range(ROUNDS):
            path.write_bytes(broken(whole.decode(), chance))
            try:
                call()
            except LungspotError as error:
                said.append(str(error))
        path.write_bytes(whole)
    assert [line for line in said if "\n" in line or str(root) not in line] == []
    return len(said)


@pytest.mark.parametrize(("name", "fixture"), [*SETS.items(), *((name, None) for name in SMALL)])
def test_a_broken_download_is_refused_with_its_place(name, fixture, request, download):
    root = request.getfixturevalue(fixture) if fixture else download(SMALL[name])

    def look():
        list(check_tables(name, root))  # gives problems, never an error
        load(name, root)

    assert load(name, root)
    assert refusals(look, root, root) > ROUNDS / 5


@pytest.mark.parametrize("tool", ANNOTATION_FORMATS)
def test_broken_files_of_a_tool_are_refused_with_their_place(tool, tmp_path):
    film = tmp_path / "a.png"
    Image.fromarray(np.zeros((80, 100), np.uint8)).save(film)
    findings = (Finding("effusion", Box(1.5, 2, 30, 40), 0.5), Finding("mass", Box(5, 6, 70, 80)), Finding("edema"))
    states = {"effusion": State.BOXED, "mass": State.BOXED, "edema": State.PRESENT, "fibrosis": State.ABSENT}
    reading = Reading("R8", findings, states, Frame(100, 80))
    case = Case("a", "mine", "p", (reading,), film, Frame(100, 80), Split.VAL)
    out = tmp_path / "out"
    ANNOTATION_FORMATS[tool].write([case], out)
    assert refusals(lambda: ANNOTATION_FORMATS[tool].read(out), tmp_path, out) > ROUNDS / 5
    assert ANNOTATION_FORMATS[tool].read(out) == [case]
