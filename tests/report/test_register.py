"""A programme's register: what a score advises, one row a person, and CSV that spreadsheets and `lungspot tb` take."""

import csv
import io
from dataclasses import replace

import pytest

from lungspot.adapt import read_people
from lungspot.detect import REASONS
from lungspot.errors import FilmError, InputError
from lungspot.report import (
    REGISTER_COLUMNS,
    Refusal,
    RegisterRow,
    advised,
    one_row_a_person,
    register_row,
    register_text,
    require_screened,
    why_repeat,
)


def row(person, score, threshold=0.5, **more):
    kind = {"thresholds_of": "Clinic", "advice": advised(score, threshold), "why": "", "label": "tuberculosis"} | more
    return RegisterRow(person, "2026-03-02", score, threshold, **kind)


@pytest.mark.parametrize(
    ("score", "threshold", "advice"),
    [(0.5, 0.5, "refer"), (0.4999, 0.5, "do not refer"), (None, 0.5, "repeat film"), (None, None, "repeat film")],
)
def test_from_the_threshold_up_a_person_is_referred(score, threshold, advice):
    assert advised(score, threshold) == advice


@pytest.mark.parametrize("code", sorted(REASONS))
def test_each_reason_of_the_gate_says_what_to_do_at_the_next_try(code):
    reason, _, then = why_repeat([code]).rpartition(": ")
    assert reason == REASONS[code]
    assert then


def test_a_file_that_cannot_be_read_is_to_be_sent_again():
    said = register_row(Refusal("a.dcm", FilmError("TRUNCATED", "a.dcm", "it ends early")), "tuberculosis", "P1")
    assert (said.advice, said.score, said.threshold) == ("repeat film", None, None)
    assert said.why == "the file could not be read (TRUNCATED): copy or export the film again; the file ends early"


def test_a_film_s_row_has_its_probability_and_the_threshold_of_whole_films(make):
    result = make()
    card = result.model.card
    label = next(iter(result.probabilities))
    said = register_row(result, label, "P1", "2026-03-02")
    assert said.score == result.probabilities[label]
    assert said.threshold == card.threshold(label, "balanced").image
    assert said.thresholds_of == "model"
    assert said.advice == ("refer" if said.score >= said.threshold else "do not refer")


@pytest.mark.parametrize(
    ("scores", "kept"),
    [((0.2, 0.7), 0.7), ((0.7, 0.2), 0.2), ((None, 0.2), 0.2), ((0.2, None), 0.2), ((None, None), None)],
)
def test_of_a_person_s_films_the_last_that_was_assessed_counts(scores, kept):
    rows = one_row_a_person([*(row("A", score) for score in scores), row("B", 0.1)])
    assert [(each.person, each.score) for each in rows] == [("A", kept), ("B", 0.1)]


def test_films_without_an_id_are_people_of_their_own():
    assert len(one_row_a_person([row("", 0.1), row("", 0.2)])) == 2


@pytest.mark.parametrize(
    ("films", "people"),
    [
        (["/day/P1.png", "/day/P2.dcm"], ["P1", "P2"]),
        (["/day/p1/view1.png", "/day/p2/view1.png", "/day/P3.png"], ["p1/view1", "p2/view1", "P3"]),
        (["/x/day/P1.png", "/y/day/P1.png", "day/P1.png", "P1.png"], ["x/day/P1", "y/day/P1", "day/P1", "P1"]),
        (["in.zip/a/1.png", "s3://b/a/2.png", "s3://c/a/2.png"], ["1", "b/a/2", "c/a/2"]),
        (["1.2.840.1", "1.2.840.2", "P.txt", "a.b/c"], ["1.2.840.1", "1.2.840.2", "P", "c"]),
        (["P1.png", "P1.dcm", "P1.png"], ["P1"]),
    ],
)
def test_without_an_id_a_person_is_called_after_the_film_and_no_two_alike(films, people):
    rows = one_row_a_person(replace(row("", 0.1), film=film) for film in films)
    assert sorted(each.person for each in rows) == sorted(people)


def test_a_film_s_name_says_nothing_where_there_is_an_id():
    rows = [replace(row("A", 0.1), film="x/a.png"), replace(row("A", 0.2), film="y/a.png")]
    assert [(each.person, each.score) for each in one_row_a_person(rows)] == [("A", 0.2)]


def test_a_model_that_does_not_look_for_a_label_screens_nobody_for_it(make):
    card = make().model.card
    assert require_screened(card, card.labels[0]) == card.labels[0]
    for name in ("fracture", "no such thing"):
        with pytest.raises(InputError) as caught:
            require_screened(card, name)
        assert caught.value.code == "UNKNOWN_LABEL"


def test_a_register_is_csv_without_formulas_that_lungspot_tb_reads(tmp_path):
    people = [
        row("=1+1", 0.7),
        row("P2", 0.1, decision="refer", decided_by="@R"),
        row("P3", None, why="a lateral view"),
    ]
    found = list(csv.DictReader(io.StringIO(register_text(people))))
    assert tuple(found[0]) == REGISTER_COLUMNS
    assert [each["id"] for each in found] == ["'=1+1", "P2", "P3"]
    assert [each["advice"] for each in found] == ["refer", "do not refer", "repeat film"]
    assert found[1]["decided_by"] == "'@R"
    assert (found[2]["score"], found[2]["why_repeat"]) == ("", "a lateral view")
    with (tmp_path / "people.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, [*REGISTER_COLUMNS, "reference"])
        table.writeheader()
        table.writerows(each | {"reference": number % 2} for number, each in enumerate(found))
    read = read_people(tmp_path / "people.csv")
    assert len(read) == 3
    assert read.reader is None
    assert str(read.date[0]) == "2026-03-02"
