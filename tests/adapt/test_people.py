"""A programme's CSV in the ways that spreadsheets and registers write it."""

import gzip

import numpy as np
import pytest

from lungspot.adapt.tb import read_people
from lungspot.errors import DatasetError

NAN = float("nan")


@pytest.mark.parametrize(
    ("text", "score", "reference"),
    [
        ("score,reference\n0.5,1\n0.25,0\n0.75,\n", [0.5, 0.25, 0.75], [1, 0, -1]),
        ("\ufeffCAD Score;Xpert\n45,5;positive\n;Not Done\n", [45.5, NAN], [1, -1]),  # Excel in German or French
        ("qXR\tReference Standard\n0.5\tMTB NOT DETECTED\n0.9\tmtb detected\n", [0.5, 0.9], [0, 1]),
        ('tb_score,culture\n"45,5 %",pos\n7%,neg\nnot assessed,NA\n', [45.5, 7, NAN], [1, 0, -1]),
        ("score,reference,extra\n0.5,1,a\n,,\n\n0.6,0,b\n", [0.5, 0.6], [1, 0]),  # empty rows at the end of a sheet
        ("reference,score\r\n1.0,1e-3\r\n0.0,-2\r\n", [0.001, -2], [1, 0]),
    ],
)
def test_columns_and_words_that_are_understood(tmp_path, text, score, reference):
    path = tmp_path / "people.csv"
    path.write_text(text, encoding="utf-8", newline="")
    people = read_people(path)
    assert people.score.tolist() == pytest.approx(score, nan_ok=True)
    assert people.reference.tolist() == reference


def test_what_is_not_understood_is_a_further_column(tmp_path):
    path = tmp_path / "people.csv.gz"
    path.write_bytes(gzip.compress(b"ID,score,truth,Age,Reader,Date,HIV\n1,1,1,34,normal,2026-01-31,neg\n2,2,0,,,,\n"))
    people = read_people(path)
    assert people.columns == {"Age": ("34", ""), "HIV": ("neg", "")}
    assert people.reader.tolist() == [0, -1]
    assert np.datetime_as_string(people.date).tolist() == ["2026-01-31", "NaT"]
    assert people.named == {"score": "score", "reference": "truth", "id": "ID", "reader": "Reader", "date": "Date"}
    named = read_people(path, {"score": "Age", "reference": "HIV"})
    assert named.score.tolist() == pytest.approx([34, NAN], nan_ok=True)
    assert named.columns == {"score": ("1", "2"), "truth": ("1", "0")}


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("score\n1\n", "DATASET_COLUMNS", "no column reference (found: score); say which it is with --reference NAME"),
        ("a,b\n1,2\n", "DATASET_COLUMNS", "no column score (found: a, b)"),
        ("CAD4TB,qXR,truth\n1,2,1\n", "DATASET_COLUMNS", "several columns may be the score: CAD4TB, qXR"),
        ("score,score,truth\n1,2,1\n", "DATASET_COLUMNS", "two columns are called score"),
        ("score,reference\n", "DATASET_INCOMPLETE", "no people in it"),
        ("score,reference\n,1\nNA,0\n", "DATASET_INCOMPLETE", "nobody has a score"),
        ("", "DATASET_COLUMNS", "found: nothing"),
        (
            "score,reference\nhigh,1\n2,trace\ninf,0\n",
            "DATASET_ROW",
            "3 rows cannot be used: line 2: the score is 'high'",
        ),
        ("score,reference\n2,trace\n", "DATASET_ROW", "line 2: reference is 'trace': 1, 0, or empty"),
        ("score,reference\n" + "x,1\n" * 9, "DATASET_ROW", "9 rows cannot be used"),
        ("score,reference\n" + "x,1\n" * 9, "DATASET_ROW", "and 4 more"),
        ("id,score,reference\na,1,1\nb,2,0\na,3,0\n", "DATASET_ROW", "line 4: id is that of line 2"),
        ("score,reference,date\n1,1,yesterday\n", "DATASET_ROW", "'yesterday' is no date: write 2026-11-30"),
        ("score,reference,date\n1,1,03/04/2026\n", "DATASET_ROW", "'03/04/2026' may be two days"),
        ("score,reference,date\n1,1,2026-02-30\n", "DATASET_ROW", "no date"),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path, text, code, says):
    path = tmp_path / "people.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError) as caught:
        read_people(path)
    assert caught.value.code == code
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_in_an_older_encoding_says_how_to_save_it(tmp_path):
    path = tmp_path / "people.csv"
    path.write_bytes("score,reference,prénom\n5,1,x\n".encode("cp1252"))
    with pytest.raises(DatasetError, match="not text in UTF-8; save it as CSV UTF-8"):
        read_people(path)


@pytest.mark.parametrize("named", [{"score": "Score"}, {"reference": "cad"}])
def test_a_column_that_is_named_must_be_there(tmp_path, named):
    path = tmp_path / "people.csv"
    path.write_text("score,truth\n1,1\n")
    with pytest.raises(DatasetError, match="no column"):
        read_people(path, named)


def test_one_column_cannot_be_two_things(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("score,truth\n1,1\n")
    with pytest.raises(DatasetError, match="two things"):
        read_people(path, {"reference": "score"})
