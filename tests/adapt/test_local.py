import json

import numpy as np
import pytest

from lungspot.adapt import FilmTable, cases_of_table, local_films, model_of, of_pairs, of_tables, predictions_of_table
from lungspot.errors import DatasetError
from lungspot.evaluate import Pair, Predicted
from lungspot.findings import Box, Finding, Frame, Reading, State

FRAME = Frame(100, 100)
HERE, THERE = Box(10, 10, 40, 40), Box(60, 60, 90, 90)


def pair(film, patient, true, found, state="boxed", film_score=0.5, *, judged=True):
    """One film: true boxes of an effusion, and found ones with their scores."""
    truth = Reading("r", tuple(Finding("effusion", box) for box in true), {"effusion": State(state)}, FRAME)
    boxes = tuple(Finding("effusion", box, score, judged=judged) for box, score in found)
    states = {"effusion": State.BOXED if boxes else State.PRESENT}
    said = Reading("m", (*boxes, Finding("effusion", score=film_score)), states, FRAME)
    return Pair(film, patient, truth, said, {"source": "x"})


def test_films_and_boxes_are_counted_once_each_with_their_people():
    pairs = [
        pair("a", "p", [HERE, THERE], [(HERE, 0.9), (Box(0, 50, 20, 70), 0.3)], film_score=0.8),
        pair("b", "q", [], [(HERE, 0.4)], "absent", film_score=0.2),
        pair("c", "p", [], [(HERE, 0.7)], "present", film_score=0.6),  # a box that hits nothing may be right there
        pair("d", "r", [], [(HERE, 0.6)], "not_looked_for", film_score=0.99),
    ]
    local = of_pairs(pairs, None)
    one = local.labels["effusion"]
    assert (local.films, local.people, local.model, local.half_digit) == (4, 3, None, 0)
    films = one.films
    assert (films.target.tolist(), films.false.tolist(), films.people) == ([0.8, 0.6], [0.2], (1, 1))
    boxes = one.boxes(0.4)
    assert sorted(boxes.target.tolist()) == [-np.inf, 0.9]
    assert sorted(boxes.false.tolist()) == [0.3, 0.4]
    assert (boxes.people, len(boxes.film_person), boxes.floor) == ((1, 2), 2, 0.3)
    assert one.best_box().tolist() == [0.9, 0.4, 0.7, -np.inf]


def test_boxes_that_nobody_judged_or_drew_are_no_boxes_to_calibrate():
    unjudged = of_pairs([pair("a", "p", [HERE], [(HERE, 0.9)], judged=False)], {"sha256": "x"})
    assert unjudged.labels["effusion"].boxes(0.4) is None
    assert unjudged.labels["effusion"].unjudged
    assert unjudged.half_digit == 5e-5
    undrawn = of_pairs([pair("a", "p", [], [(HERE, 0.9)], "present")], None)
    assert undrawn.labels["effusion"].boxes(0.4) is None


def test_labels_of_one_side_only_are_nothing_to_calibrate():
    alone = Pair("a", "p", Reading("r", (), {"edema": State.ABSENT}, FRAME), pair("a", "p", [], [], "absent").found)
    with pytest.raises(DatasetError, match="no label in common"):
        of_pairs([alone], None)


def table(values, films=("a", "b", "c"), patients=("p", "p", "q"), scale=1.0):
    return FilmTable(
        films, patients, {label: np.array(each, dtype=float) for label, each in values.items()}, "t.csv", scale
    )


def test_two_tables_are_films_without_boxes():
    truth = table({"edema": [1, 0, np.nan], "effusion": [0, 0, 0]})
    scores = table({"edema": [0.3, 0.4], "nodule": [0.1, 0.1]}, ("a", "b"), ("a", "b"), 100.0)
    local, refused = of_tables(truth, scores)
    assert list(local.labels) == ["edema"]
    assert (local.films, local.people, local.scale) == (2, 1, 100)
    assert local.labels["edema"].films.target.tolist() == [0.3]
    assert [str(each.where) for each in refused] == ["c"]


def test_a_table_may_stand_for_either_side():
    ((case, reading), *_) = cases_of_table(table({"edema": [1, 0, np.nan], "effusion": [np.nan, 0, 1]}))
    assert (case.id, case.patient, dict(reading.states)) == ("a", "csv_p", {"edema": "present"})
    first, *_ = predictions_of_table(table({"edema": [0.3, np.nan, 1]}))
    assert (first.film, first.reading.findings) == ("a", (Finding("edema", score=0.3),))


BY = {"name": "m", "version": "2", "sha256": "a"}


def test_predictions_are_of_one_model_and_of_no_site():
    one, other = (Predicted("f", f"p:{n}", None, by=by) for n, by in enumerate((BY, None)))
    assert model_of([other, one, one]) == BY
    assert model_of([other]) is None
    with pytest.raises(DatasetError, match="another model"):
        model_of([one, Predicted("f", "p:3", None, by=BY | {"sha256": "b"})])
    with pytest.raises(DatasetError, match="--site"):
        model_of([Predicted("f", "p:3", None, by=BY | {"site": {"name": "x"}})])


def test_tables_are_joined_and_films_with_boxes_are_paired(tmp_path):
    scores, boxes = tmp_path / "scores.csv", tmp_path / "boxes.json"
    scores.write_text("film,effusion,edema\na,0.9,0.1\nb,0.2,0.3\nx,0.5,0.5\n")
    known = FilmTable(("a", "b"), ("p", "q"), {"effusion": np.array([1.0, 0.0])}, tmp_path / "truth.csv")
    joined, refused = local_films(known, scores, ["effusion"])
    assert (joined.films, joined.people, list(joined.labels)) == (2, 2, ["effusion"])
    assert len(refused) == 1  # x is of no film
    paired, refused = local_films(cases_of_table(known), scores)
    assert (paired.films, len(refused)) == (2, 1)
    found = [{"image_id": 1, "category_id": 1, "bbox": [10, 10, 30, 30], "score": 0.8}]
    images = [{"id": 1, "file_name": "a.png", "width": 100, "height": 100}]
    boxes.write_text(
        json.dumps({"images": images, "categories": [{"id": 1, "name": "effusion"}], "annotations": found})
    )
    with_boxes, _ = local_films(known, boxes)
    assert list(with_boxes.labels) == ["effusion"]


def test_where_no_film_can_be_judged_the_reasons_are_all_there_is(tmp_path):
    scores = tmp_path / "scores.csv"
    scores.write_text("film,effusion\nx,0.9\ny,0.9\n")
    truth = cases_of_table(FilmTable(("a",), ("p",), {"effusion": np.array([1.0])}, tmp_path / "t.csv"))
    local, refused = local_films(truth, scores)
    assert local is None
    assert len(refused) == 3  # two strangers, and a film that nobody predicted
