"""docs/reference/formats.md's table of dialects, row by row: each is read, refused or written as it says."""

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from lungspot.errors import DatasetError
from lungspot.findings import Box, Finding, Reading, State
from lungspot.formats import ANNOTATION_FORMATS, Case, Prediction, image_labels, write_predictions
from lungspot.formats.sidecar import SIDECAR

from .dialect_files import BOX, DRAWN, FRAME, PREDICTED, REFUSED, cvat, labelled, labelme, studio
from .dialects import READ
from .fuzzing import FILM

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "formats.md"
NOT = "\N{EN DASH}"
NOTES = b"\x00\x05\x16\x07\x00\x02"


def rows():
    """Return (tool, dialect) → (read, write) of the table."""
    text = PAGE.read_text(encoding="utf-8").partition("## Dialects")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:2] == "| "]
    return {(tool, dialect): (read, write) for tool, dialect, read, write, lost in cells[1:] if lost}


WRITTEN = Case(
    "a",
    "own",
    "own_1",
    (
        Reading(
            "R8",
            (Finding("effusion", Box(10, 20, 60, 80)), Finding("mass", Box(70, 10, 90, 30), crowd=True)),
            {"effusion": State.BOXED, "mass": State.BOXED, "nodule": State.ABSENT},
            FRAME,
        ),
    ),
    frame=FRAME,
)


def lay(root, files):
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def boxes(cases):
    found = [each for case in cases for one in case.readings for each in one.findings if each.box is not None]
    return [(each.label, pytest.approx(each.box.corners, abs=1e-3)) for each in found]


def test_every_row_of_the_table_has_its_test_and_every_test_its_row():
    table = rows()
    assert len(table) > 40
    assert {key for key, (read, _) in table.items() if read != NOT} == READ.keys()
    assert {read for read, _ in table.values()} <= {"yes", "refused", NOT}
    for key, outcomes in READ.items():
        assert all((expected == REFUSED) == (table[key][0] == "refused") for _, expected in outcomes), key


@pytest.mark.parametrize(
    ("key", "number"), [(key, number) for key, outcomes in READ.items() for number in range(len(outcomes))]
)
def test_a_dialect_is_read_or_refused_as_the_table_says(tmp_path, key, number):
    files, expected = READ[key][number]
    root = lay(tmp_path, files)
    read = image_labels.cases if key[0] == "csv" else ANNOTATION_FORMATS[key[0]].read
    if expected == REFUSED:
        with pytest.raises(DatasetError) as refused:
            list(read(root))
        assert refused.value.where
    else:
        assert boxes(list(read(root))) == expected


@pytest.mark.parametrize(
    ("key", "number"),
    [(key, number) for key, outcomes in READ.items() for number, (_, boxed) in enumerate(outcomes) if boxed != REFUSED],
)
def test_what_a_system_hides_beside_the_files_of_a_dialect_is_not_read(tmp_path, key, number):
    files, expected = READ[key][number]
    lay(tmp_path, files)
    for path in map(PurePosixPath, files):
        notes = path.with_name(f"._{path.name}")  # macOS keeps a file's attributes so on other people's disks
        lay(tmp_path, dict.fromkeys([notes, PurePosixPath("__MACOSX") / notes, PurePosixPath(".trash") / path], NOTES))
    read = image_labels.cases if key[0] == "csv" else ANNOTATION_FORMATS[key[0]].read
    assert boxes(list(read(tmp_path))) == expected


FLAGGED = {
    "cvat": lambda words: cvat(BOX.format(more="") + "".join(f'<tag label="{word}"/>' for word in words)),
    "labelme": lambda words: labelme(
        [[10, 20], [60, 80]], imageWidth=200, imageHeight=100, flags=dict.fromkeys(words, True)
    ),
    "labelstudio": lambda words: studio(labelled(), {"type": "choices", "value": {"choices": list(words)}}),
}


@pytest.mark.parametrize("tool", FLAGGED)
@pytest.mark.parametrize(
    ("words", "states"),
    [
        (["Mass"], {"effusion": "boxed", "mass": "present"}),
        (["Effusion", "nodule"], {"effusion": "boxed", "nodule": "present"}),  # its boxes are all there is of it
        (["No Finding", "nodule"], {"effusion": "boxed", "nodule": "present"}),
        (["Mass?", "no mass", "mass effect", "large mass", "sharp", "left"], {"effusion": "boxed"}),  # no guess
    ],
)
def test_a_flag_that_is_called_like_a_label_says_that_it_is_there(tmp_path, tool, words, states):
    (case,) = ANNOTATION_FORMATS[tool].read(lay(tmp_path, FLAGGED[tool](words)))
    assert dict(case.readings[0].states) == states


def strip(root):
    """Take lungspot's extension away, so that a file says what the tool's format can say."""
    (root / SIDECAR).unlink(missing_ok=True)
    for path in root.rglob("*.json"):
        text = path.read_text()
        value = json.loads(text)
        if isinstance(value, dict):
            value.pop("lungspot", None)
            value.pop("info", None)
            for image in value.get("images", ()):
                image.pop("readings", None)
        elif isinstance(value, list):
            for task in value:
                task.get("data", {}).pop("lungspot", None)
        path.write_text(json.dumps(value))


@pytest.mark.parametrize("key", [key for key, (_, write) in rows().items() if write == "yes"])
def test_a_dialect_is_written_with_what_the_table_says(tmp_path, key):
    (tmp_path / "a.png").write_bytes(FILM)
    tool, dialect = key
    out = tmp_path / "out"
    if "prediction" in dialect:
        one = Prediction(str(tmp_path / "a.png"), FRAME, assessed=True, findings=PREDICTED.findings, where="p.json")
        write_predictions([one], out, tool)
        (row,) = csv.DictReader(io.StringIO((out / "predictions.csv").read_text()))
        assert (row["label"], row["score"], row["standing"]) == ("effusion", "0.5", "experimental")
        if tool != "csv":
            (annotated,) = ANNOTATION_FORMATS[tool].annotated_images(out)
            assert [(mark.label, mark.box.corners) for mark in annotated.marks] == [(DRAWN[0], pytest.approx(DRAWN[1]))]
        return
    ANNOTATION_FORMATS[tool].write([replace(WRITTEN, image=tmp_path / "a.png")], out, films="copy")
    strip(out)
    (case,) = ANNOTATION_FORMATS[tool].read(out)
    assert boxes([case]) == [DRAWN, ("mass", (70, 10, 90, 30))]
    (reading,) = case.readings
    can_say_absent = tool in {"coco", "labelme", "cvat", "labelstudio"}
    assert (reading.states.get("nodule") is State.ABSENT) == can_say_absent
    assert [finding.crowd for finding in reading.findings] == [False, tool == "coco"]


def test_the_table_s_words_are_no_names_that_the_readers_do_not_have():
    tools = {tool for tool, _ in rows()}
    assert tools == {*ANNOTATION_FORMATS, "csv"}
    assert not re.findall(r"TODO|\?\?", PAGE.read_text(encoding="utf-8"))
