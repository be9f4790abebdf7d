import gzip

import numpy as np
import pytest

from lungspot.adapt import is_table, read_scores, read_truth
from lungspot.adapt.site.score_table import join
from lungspot.errors import DatasetError
from lungspot.formats import read_class_map

CLASSES = read_class_map(None)


@pytest.fixture
def table(tmp_path):
    """A function that writes a CSV file of rows."""

    def write(*rows, name="a.csv"):
        path = tmp_path / name
        path.write_text("\n".join(rows) + "\n")
        return path

    return write


def test_a_table_of_truth_has_a_column_a_label(table):
    found = read_truth(
        table("Image Index,patient_id,Effusion,TB,age", "a.png,p1,1,0,40", "b.png,p1,0,,41", "c.png,,-1,1.0,"),
        (),
        CLASSES,
    )
    assert found.films == ("a.png", "b.png", "c.png")
    assert found.patients == ("p1", "p1", "c.png")
    assert list(found.values) == ["effusion", "tuberculosis"]
    np.testing.assert_array_equal(found.values["effusion"], [1, 0, np.nan])
    np.testing.assert_array_equal(found.values["tuberculosis"], [0, np.nan, 1])


@pytest.mark.parametrize(("scores", "scale", "first"), [((0.25, 1), 1, 0.25), ((25, 99.5), 100, 0.25), ((0, 0), 1, 0)])
def test_scores_go_to_one_or_to_a_hundred(table, scores, scale, first):
    found = read_scores(table("film,tuberculosis", f"a,{scores[0]}", f"b,{scores[1]}", "c,"), (), CLASSES)
    assert (found.scale, found.values["tuberculosis"][0]) == (scale, first)
    assert np.isnan(found.values["tuberculosis"][2])


def test_one_table_may_be_both_with_score_and_reference(table):
    path = table("id,score,reference,hiv", "1,93,1,0", "2,5,0,1", "3,40,,0")
    truth, scores = read_truth(path, ["tuberculosis"], CLASSES), read_scores(path, ["tuberculosis"], CLASSES)
    np.testing.assert_array_equal(truth.values["tuberculosis"], [1, 0, np.nan])
    np.testing.assert_array_equal(scores.values["tuberculosis"], [0.93, 0.05, 0.4])
    rows, refused = join(truth, scores)
    assert (rows.tolist(), refused) == ([0, 1, 2], [])


def test_only_the_labels_asked_for_are_read(table):
    path = table("film,effusion,edema", "a,1,0")
    assert list(read_truth(path, ["edema"], CLASSES).values) == ["edema"]


def test_tables_may_be_packed(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"film,edema\na,1\n"))
    assert is_table(path)
    assert read_truth(path, (), CLASSES).films == ("a",)
    assert not is_table(tmp_path)
    assert not is_table(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("rows", "code", "says"),
    [
        (["film,age", "a,1"], "DATASET_COLUMNS", "no column of a label"),
        (["edema", "1"], "DATASET_COLUMNS", "no column film"),
        (["film,score,reference", "a,1,1"], "DATASET_COLUMNS", "--label"),
        (["film,label,score", "a,edema,1"], "DATASET_COLUMNS", "--min-score 0.01"),
        (["film,edema,Pulmonary edema", "a,1,1"], "DATASET_COLUMNS", "two columns"),
        (["film,edema", "a,2"], "DATASET_ROW", "edema is '2'"),
        (["film,edema", "a,yes"], "DATASET_ROW", "a.csv:2"),
        (["film,edema", "a,1", "a,0"], "DATASET_ROW", "twice, first in line 2"),
        (["film,edema", ",1"], "DATASET_ROW", "without a name"),
        (["film,edema"], "DATASET_INCOMPLETE", "no film"),
    ],
)
def test_what_is_no_table_of_truth_is_refused_with_its_place(table, rows, code, says):
    with pytest.raises(DatasetError, match=code) as error:
        read_truth(table(*rows), (), CLASSES)
    assert says in str(error.value)


@pytest.mark.parametrize("score", ["-0.1", "101", "nan", "inf", "high"])
def test_what_is_no_score_is_refused(table, score):
    with pytest.raises(DatasetError, match="DATASET_ROW"):
        read_scores(table("film,edema", f"a,{score}"), (), CLASSES)


def test_films_are_joined_by_name_else_by_stem_and_never_twice(table):
    truth = read_truth(table("film,edema", "x/a.dcm,1", "b,0", "c,1", "y/a.dcm,1", "d,0"), (), CLASSES)
    scores = read_scores(
        table("film,edema", "x/a.dcm,0.1", "out/b.png,0.2", "1/d.png,0.3", "2/d.png,0.4", "e,0.5", name="s.csv"),
        (),
        CLASSES,
    )
    rows, refused = join(truth, scores)
    assert rows.tolist() == [0, 1, -1, -1, -1]
    said = [str(each) for each in refused]
    assert any("c: DATASET_INCOMPLETE: no score" in each for each in said)
    assert any("any of several" in each for each in said)
    assert any("y/a.dcm" in each and "score of one film" in each for each in said)
    assert any("3 films with scores are no films of the truth" in each for each in said)
