import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from lungspot import labelling
from lungspot.cli.app import run
from lungspot.findings import Box, Finding, Frame, Reading
from lungspot.formats import ANNOTATION_FORMATS, Case

FRAME = Frame(100, 80)


def reading(reader, boxed, month):
    found = (Finding("edema", Box(10, 10, 50, 50)),) if boxed else ()
    states = {"edema": "boxed" if boxed else "absent"}
    return Reading(reader, found, states, FRAME, created=f"2026-0{month}-02T03:04:05Z")


@pytest.fixture
def answered(tmp_path):
    """Four films of two readers, in COCO: they agree on three of them."""
    Image.new("L", (100, 80)).save(tmp_path / "film.png")
    cases = [
        Case(str(n), "site", f"p{n}", (reading("A", one, n), reading("B", two, n)), tmp_path / "film.png", FRAME)
        for n, (one, two) in enumerate(((True, True), (False, False), (True, False), (True, True)), 1)
    ]
    ANNOTATION_FORMATS["coco"].write(cases, tmp_path / "answered")
    return tmp_path / "answered"


def test_readers_are_compared_and_what_they_dispute_is_listed(answered, tmp_path, capsys):
    out = tmp_path / "adjudicate.csv"
    command = ["data", "readers", "coco", str(answered), "-o", str(out)]
    assert run([*command, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    (edema,) = said["labels"]
    assert (edema["label"], edema["films"], edema["match"]) == ("edema", 4, 0.8)  # of 5 boxes, 4 are met
    assert edema["kappa"] == pytest.approx((3 / 4 - 34 / 64) / (1 - 34 / 64))
    assert [row["period"] for row in said["periods"]] == ["2026-01", "2026-02", "2026-03", "2026-04"]
    assert out.read_text().splitlines()[1:] == ["site,3,edema,presence,A,B,no"]
    assert run(command) == 2  # it is there
    assert run([*command, "--overwrite", "--by", "year"]) == 0
    printed = capsys.readouterr()
    assert "2026" in printed.out
    assert "1 of 4 films are disputed, 1 undecided" in printed.err


def test_a_set_of_one_reader_has_nothing_to_compare(answered, tmp_path, capsys):
    fused = ["data", "fuse", "coco", str(answered), "-o", str(tmp_path / "one"), "--quiet"]
    assert run(fused) == 0
    assert run(["data", "readers", "coco", str(tmp_path / "one")]) == 3
    assert "no film has two readers" in capsys.readouterr().err


def test_the_label_that_a_pool_was_chosen_by_does_not_vote(tmp_path, capsys):
    """A pool's film carries what the report said; two people who contradict each other need a third."""
    Image.new("L", (100, 80)).save(tmp_path / "film.png")
    mined = Reading("nih", (), {"edema": "present", "hernia": "present"}, FRAME)
    two = (mined, reading("ann", boxed=True, month=1), reading("bob", boxed=False, month=1))
    for name, readings in (("two", two), ("one", two[:2])):
        case = Case("1", "nih", "p", readings, tmp_path / "film.png", FRAME)
        ANNOTATION_FORMATS["coco"].write([case], tmp_path / name)
    out = tmp_path / "adjudicate.csv"
    assert run(["data", "readers", "coco", str(tmp_path / "two"), "-o", str(out)]) == 0
    assert out.read_text().splitlines()[1:] == ["nih,1,edema,presence,ann,bob,no"]
    assert run(["data", "readers", "coco", str(tmp_path / "one")]) == 3
    capsys.readouterr()
    assert run(["data", "fuse", "coco", str(tmp_path / "two"), "--how", "majority", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["reading"]["states"] == {"hernia": "present"}
    assert run(["data", "fuse", "coco", str(tmp_path / "two"), "--how", "wbf", "--quiet"]) == 0
    spot = [f for f in json.loads(capsys.readouterr().out)["reading"]["findings"] if f["label"] == "edema"]
    assert [(one["score"], one["source"]) for one in spot] == [(0.5, "ann")]


def test_two_people_with_a_copy_of_the_pool_each_as_it_is_written_down(tmp_path, monkeypatch, capsys):
    """LabelMe and CVAT name nobody: each person's answers are collected under a name, and merged."""
    page = (Path(__file__).resolve().parents[2] / "docs/how-to/datasets.md").read_text()
    (steps,) = [block for block in re.findall(r"(?:^    .*\n)+", page, re.MULTILINE) if "--reader bob" in block]
    monkeypatch.chdir(tmp_path)
    Image.new("L", (100, 80)).save("film.png")
    mined = Reading("nih", (), {"edema": "present"}, FRAME)
    cases = [Case(str(n), "nih", f"p{n}", (mined,), Path("film.png").resolve(), FRAME) for n in (1, 2)]
    labelling.make(labelling.select_tasks(cases, ["edema"]), Path("pool"), tool="labelme")
    copy, *commands = [shlex.split(line, comments=True) for line in steps.splitlines()]
    assert copy == ["cp", "-r", "pool", "pool-bob"]
    subprocess.run(copy, check=True)
    for folder, films in (("pool", "12"), ("pool-bob", "1")):
        for path in Path(folder).glob("[12].json"):
            value = json.loads(path.read_text())
            drawn = {"label": "edema", "points": [[10, 10], [50, 50]], "shape_type": "rectangle", "flags": {}}
            value["shapes"], value["flags"]["done"] = [drawn] * (path.stem in films), True
            path.write_text(json.dumps(value))
    for words in commands:
        assert words[0] == "lungspot"
        assert run(words[1:]) == 0
    assert Path("adjudicate.csv").read_text().splitlines()[1:] == ["nih,2,edema,presence,ann,bob,no"]
    capsys.readouterr()
    assert run(["data", "fuse", "coco", "answered", "--quiet"]) == 0
    fused = [json.loads(line)["reading"] for line in capsys.readouterr().out.splitlines()]
    assert {one["source"] for reading in fused for one in reading["findings"]} == {"ann+bob", "ann"}
