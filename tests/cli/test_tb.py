"""From a programme's CSV to its report, and the size of a study."""

import csv
import json
import re
import runpy
from pathlib import Path

import pytest

from lungspot.cli.app import run

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "how-to" / "people.csv"
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def table(tmp_path):
    """A function that writes a CSV of people and returns its path."""

    def write(text, name="people.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    return write


def test_the_example_is_what_its_tool_makes():
    tool = runpy.run_path(str(ROOT / "tools" / "made_up_people.py"))
    rows = [tool["HEAD"], *tool["people"](600, 1)]
    assert [[str(cell) for cell in row] for row in rows] == list(csv.reader(EXAMPLE.read_text("utf-8").splitlines()))


def test_a_report_of_the_example(tmp_path, capsys):
    words = ["tb", str(EXAMPLE), "--triage", "40", "--cost-test", "12", "--cost-screen", "2", "-o", str(tmp_path)]
    assert run([*words, "--by", "HIV", "--by", "age"]) == 0
    said = capsys.readouterr()
    line = json.loads(said.out)
    assert (line["people"], line["confirmed"], line["not_for_clinical_use"]) == (600, 272, True)
    assert "Of 600 people screened" in said.err
    document = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert list(document["parts"]) == ["HIV", "age"]
    rows = list(csv.DictReader((tmp_path / "thresholds.csv").read_text("utf-8").splitlines()))
    assert len(rows) == len(document["thresholds"]) > 100
    for row in rows:
        tested, tp, fp, tn, fn = (float(row[name]) for name in ("tested", "tp", "fp", "tn", "fn"))
        assert tested == pytest.approx(tp + fp, rel=1e-6)
        assert tp + fp + tn + fn == pytest.approx(600, rel=1e-6)
        assert float(row["cost"]) == pytest.approx(2 * 600 + 12 * tested)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "Research use only" in page
    assert not re.search(r"(?:src|href)=['\"](?!data:)", page), "nothing from outside"
    assert run(words) == 2
    assert "EXISTS" in capsys.readouterr().err
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert run([*words, "--by", "HIV", "--by", "age", "--overwrite", "--quiet"]) == 0
    assert not capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert sorted(before) == ["report.html", "report.json", "thresholds.csv"]


def test_words_of_the_table_are_no_markup(table, tmp_path):
    people = table(f'score,reference,"{EVIL}"\n' + f'9,1,"{EVIL}"\n1,0,b\n' * 3, f"{EVIL.replace('/', '')}.csv")
    assert run(["tb", people, "-o", str(tmp_path / "out"), "-q"]) == 0
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert EVIL not in page
    assert "&lt;img" in page


def test_words_of_any_length_and_signs_stand_beside_the_figures(table, tmp_path):
    long, odd = "the file could not be read, send it again " * 9, r"$\frac{1$"
    people = table(f'score,reference,"why {odd}",स्थान\n' + f'9,1,"{long}",नई दिल्ली\n1,0,{odd},北京\n' * 3)
    assert run(["tb", people, "-o", str(tmp_path / "out"), "-q"]) == 0  # warnings of matplotlib are errors here
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert long.strip() in page
    assert "北京" in page


def test_three_people_are_enough_to_say_that_they_are_too_few(table, tmp_path, capsys):
    people = table("\ufeffCAD Score;Xpert\n0,9;1\n0,2;0\n0,1;0\n")
    assert run(["tb", people, "-o", str(tmp_path / "out")]) == 0
    assert "Only 1 case is confirmed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "options", "code", "says"),
    [
        ("score,reference\n9,1\n1,\n", [], 3, "1 of 2 people are not confirmed"),
        ("score\n9\n", [], 3, "say which it is with --reference NAME"),
        ("a,b\n9,1\n", ["--score", "a", "--reference", "c"], 3, "no column c (found: a, b)"),
        ("score,reference\nx,1\n", [], 3, "people.csv: DATASET_ROW: 1 row cannot be used: line 2: the score is 'x'"),
        ("score,reference\n9,1\n", ["--by", "sex"], 3, "sex: BAD_VALUE: no such column"),
        ("score,reference\n9,1\n", ["--bands", "age"], 2, "write COLUMN=NUMBER,NUMBER"),
        ("score,reference\n9,1\n", ["--bands", "age=1,nan"], 2, "write COLUMN=NUMBER,NUMBER"),
        ("score,reference\n9,1\n", ["--threshold", "nan"], 2, "is no score"),
        ("score,reference\n9,1\n", ["--cost-screen", "3"], 2, "where --cost-test is given"),
        ("score,reference\n9,1\n", ["--targets", "none.toml"], 3, "none.toml: DATASET_INCOMPLETE"),
    ],
)
def test_what_cannot_be_done_is_said(table, tmp_path, capsys, text, options, code, says):
    assert run(["tb", table(text), "-o", str(tmp_path / "out"), *options]) == code
    assert says in re.sub(r"[\s│]+", " ", capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_table_that_is_not_there(tmp_path, capsys):
    assert run(["tb", str(tmp_path / "none.csv"), "-o", str(tmp_path / "out")]) == 3
    assert "none.csv: DATASET_INCOMPLETE" in capsys.readouterr().err


def test_the_table_itself_is_never_replaced(table, tmp_path, capsys):
    people = table("threshold,share_tested,tested,score,reference\n1,1,1,9,1\n", "thresholds.csv")
    before = Path(people).read_bytes()
    assert run(["tb", people, "-o", str(tmp_path), "--overwrite"]) == 2
    assert "IS_INPUT" in capsys.readouterr().err
    assert Path(people).read_bytes() == before


def test_the_size_of_a_study(capsys):
    assert run(["tb-plan", "--prevalence", "0.02", "--confirm", "1,0.1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [plan["confirmed_below"] for plan in found["plans"]] == [1, 0.1]
    assert run(["tb-plan"]) == 0
    assert "people to screen" in capsys.readouterr().out
    assert run(["tb-plan", "--confirm", "all"]) == 2
    assert run(["tb-plan", "--sensitivity", "90"]) == 3
