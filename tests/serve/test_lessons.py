"""Teaching: what counts as found, wrong or neither; the truth only after the answer; how learners do."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from lungspot.cli.app import run
from lungspot.findings import Box, Finding, Frame, Reading
from lungspot.formats import Case, FilmTransfer
from lungspot.formats.catalog import ANNOTATION_FORMATS
from lungspot.serve import choose_lessons
from lungspot.serve.lessons import Score, score

HERE, NEAR, THERE = Box(0, 0, 40, 40), Box(5, 0, 45, 40), Box(60, 60, 90, 90)
FRAME = Frame(100, 100)


def truth(states, *boxes):
    return Reading("truth", tuple(Finding(label, box) for label, box in boxes), states, FRAME)


BOXED = truth({"pneumonia": "boxed", "effusion": "absent"}, ("pneumonia", HERE))
SCORES = [
    ([], BOXED, Score(places=1, findings=1)),
    ([("pneumonia", NEAR)], BOXED, Score(places=1, found=1, findings=1, named=1, overlap=HERE.iou(NEAR))),
    ([("covid19", NEAR)], BOXED, Score(places=1, found=1, findings=1, named=1, overlap=HERE.iou(NEAR))),  # look-alikes
    ([("effusion", HERE)], BOXED, Score(places=1, extra=1, findings=1)),
    ([("nodule", HERE)], BOXED, Score(places=1, uncounted=1, findings=1)),  # nobody looked for nodules
    (
        [("pneumonia", NEAR), ("opacity", HERE)],
        BOXED,
        Score(1, 1, 1, 0, 1, 1, HERE.iou(NEAR)),
    ),  # twice is once too often
    ([("effusion", None)], BOXED, Score(places=1, extra=1, findings=1)),
    ([("pneumonia", None)], BOXED, Score(places=1, findings=1, named=1)),
    ([("effusion", THERE)], truth({"effusion": "present"}), Score(uncounted=1, findings=1, named=1)),
    ([("effusion", THERE)], truth({"effusion": "absent"}), Score(extra=1)),
    (
        [("effusion", THERE), ("effusion", NEAR)],  # a list that boxes one of perhaps several: the other may be true
        truth({"effusion": "present"}, ("effusion", HERE)),
        Score(places=1, found=1, uncounted=1, findings=1, named=1, overlap=HERE.iou(NEAR)),
    ),
]


@pytest.mark.parametrize(("marks", "true", "value"), SCORES)
def test_what_is_found_wrong_or_neither(marks, true, value):
    assert score(marks, true) == value


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, picture):
    """A COCO folder of four films of 300 x 300, stored so, native 600 x 600: two with a pneumonia, two without."""
    films = tmp_path_factory.mktemp("films")
    cases = []
    for number in range(4):
        path = films / f"{'sick' if number < 2 else 'well'}{number}.png"
        path.write_bytes(picture(500 + number, (300, 300)))
        native = Frame(600, 600)
        box = (("pneumonia", Box(20, 20, 280, 280)),) if number < 2 else ()
        reading = Reading.of_boxes("R", native, box, ("pneumonia", "effusion"))
        cases.append(Case(path.stem, "mine", path.stem, (reading,), path, native))
    out = tmp_path_factory.mktemp("coco") / "set"
    ANNOTATION_FORMATS["coco"].write(cases, out, films=FilmTransfer.COPY)
    return out


@pytest.fixture(scope="module")
def school(start, dataset):
    """A server that teaches with the dataset, and its films once they are read."""
    server = start("--teach", f"coco:{dataset}", "--keep-identifiers")
    rows = server.get("/v1/readings?sort=oldest").json["readings"]
    return server, [server.whole(row["id"]) for row in rows]


def test_the_truth_is_told_to_those_who_have_answered(school):
    server, films = school
    assert len(films) == server.get("/v1/model").json["teaching_cases"] == 4
    assert not any("sick" in json.dumps(server.get(f"/v1/readings/{film['id']}").json) for film in films), "names tell"
    film = films[0]
    assert film["truth"] is None
    answer = server.ask("POST", f"/v1/readings/{film['id']}/answer", {"learner": "S1", "seconds": 4}).json
    (place,) = [each["box"] for each in answer["truth"]["findings"]] or [None]
    assert answer["score"]["places"] == (0 if place is None else 1)
    assert server.get(f"/v1/readings/{film['id']}?learner=S1").json["truth"] == answer["truth"]
    for other in ("", "?learner=S2"):
        assert server.get(f"/v1/readings/{film['id']}{other}").json["truth"] is None


def test_a_session_is_counted_from_first_answers_and_goes_out_as_csv(school):
    server, films = school
    found = places = 0
    for film in films:
        marks = [{"label": "covid19", "box": [12, 12, 140, 140]}]  # truth: 10 to 140, in the film's own 300 pixels
        path = f"/v1/readings/{film['id']}/answer"
        answer = server.ask("POST", path, {"learner": "=S3", "marks": marks, "seconds": 10}).json
        places, found = places + answer["score"]["places"], found + answer["score"]["found"]
        again = server.ask("POST", path, {"learner": "=S3", "marks": []}).json
        assert (again["score"], again["marks"]) == (answer["score"], answer["marks"])
        assert answer["marks"] == marks
    assert (places, found) == (2, 2)
    session = answer["session"]
    assert (session["films"], session["sensitivity"], session["extra_per_film"]) == (4, 1.0, 0.5)
    assert 0 <= session["model_sensitivity"] <= 1
    assert session["model_extra_per_film"] <= 0.5
    rows = list(csv.DictReader(io.StringIO(server.get("/v1/lessons.csv").body.decode())))
    mine = next(row for row in rows if row["learner"] == "'=S3")
    assert (mine["films"], mine["found"], mine["seconds_per_film"]) == ("4", "2", "10.0")
    assert [each["learner"] for each in server.get("/v1/lessons").json["sessions"]] == [
        row["learner"].removeprefix("'") for row in rows
    ]
    rows = list(csv.DictReader(io.StringIO(server.get("/v1/lessons.csv?by=film").body.decode())))
    assert {row["case"] for row in rows if row["learner"] == "'=S3"} == {f"mine/{name}" for name in NAMES}
    assert server.get("/v1/lessons?learner=nobody").json["sessions"] == []


NAMES = ("sick0", "sick1", "well2", "well3")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"learner": " "}, "BAD_VALUE"),
        ({"learner": "S", "marks": [{"label": "x"}]}, "UNKNOWN_LABEL"),
        ({"learner": "S", "marks": [{"label": "edema", "box": [900, 900, 950, 950]}]}, "BAD_BOX"),
        ({"learner": "S", "seconds": -1}, "BAD_VALUE"),
    ],
)
def test_an_answer_that_cannot_be_meant_is_refused(school, body, code):
    server, films = school
    assert server.ask("POST", f"/v1/readings/{films[0]['id']}/answer", body).code == code


def test_a_film_whose_truth_nobody_knows_cannot_be_answered(server, picture):
    (film,) = server.read(("a.png", picture(7701)))
    path = f"/v1/readings/{film['id']}"
    answer = server.ask("POST", f"{path}/answer", {"learner": "S"})
    assert (answer.status, answer.code) == (404, "NO_TRUTH")
    server.ask("POST", f"{path}/truth", {"reader": "t", "states": {"edema": "absent"}})
    assert server.get(path).json["truth"]["states"] == {"edema": "absent"}, "what was given outright is not hidden"
    assert server.ask("POST", f"{path}/answer", {"learner": "S"}).json["score"]["findings"] == 0


def test_cases_are_half_with_places_and_half_without_and_the_same_each_time(tmp_path):
    cases = []
    for number in range(12):
        path = tmp_path / f"{number}.png"
        Image.fromarray(np.zeros((64 if number == 11 else 300, 300), np.uint8)).save(path)
        boxes = [("effusion", Box(0, 0, 9, 9))] if number < 3 else []
        reading = Reading.of_boxes("r", FRAME, boxes, ("effusion",))
        cases.append((Case(str(number), "d", "p", (reading,), path, FRAME), reading))
    lessons = choose_lessons(cases, 6)
    assert lessons == choose_lessons(cases, 6)
    assert sum(bool(lesson.truth.findings) for lesson in lessons) == 3
    assert "d/11" not in {lesson.name for lesson in lessons}
    assert len(choose_lessons(cases, 50)) == 12
    assert len({lesson.name for lesson in choose_lessons(cases, 50)}) == 12


def test_a_stranger_s_classes_are_mapped(start, picture, tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(picture(7, (300, 300)))
    value = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "spot"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [20, 20, 100, 100]}],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(value))
    words = ("--teach", f"coco:{tmp_path}")
    assert run(["serve", "--port", "0", "--data", str(tmp_path / "data"), *words]) == 3
    assert "--class-map 'spot=LABEL'" in capsys.readouterr().err
    server = start(*words, "--class-map", "spot=pneumonia")
    assert server.get("/v1/model").json["teaching_cases"] == 1


def test_a_dataset_that_is_none_ends_with_one_line(tmp_path, capsys):
    options = ["--port", "0", "--data", str(tmp_path / "data")]
    assert run(["serve", *options, "--teach", f"nothing:{tmp_path}"]) == 2
    assert run(["serve", *options, "--teach", f"nih:{tmp_path}"]) == 3
    assert "DATASET" in capsys.readouterr().err
