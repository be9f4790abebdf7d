"""A labelling loop on small films: what to answer next, as files of the tools; answers learnt from, round by round."""

import csv
import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lungspot import labelling
from lungspot.cli.app import run
from lungspot.detect import load_detector
from lungspot.errors import DatasetError
from lungspot.findings import Box, Finding, Frame, Reading
from lungspot.formats import ANNOTATION_FORMATS, Split
from lungspot.formats.case import Case
from lungspot.train import cases_of

ROOT = Path(__file__).resolve().parents[2]
FILMS = 24
SIZE = Frame(90, 80)
SMALL = (
    *("labels=['effusion','edema']", "steps=1", "sizes=[[0.0, 64]]", "batch=2", "widths=[32,32,32,32]"),
    *("depths=[1,1,1,1]", "neck=32", "cache_size=64"),
)
SHORT = ("-s", "steps=1", "-s", "cache_size=64", "-s", "batch=2")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small real model file, trained for one step."""
    root = tmp_path_factory.mktemp("public")
    (root / "rsna-normals").mkdir()
    rows = ["image,patient,split"]
    for number in range(6):
        name = f"rsna-normals/rsna_Normal-{number:08x}.png"
        film(root / name, number)
        rows.append(f"{name},p{number},{('train', 'val', 'test')[number % 3]}")
    (root / "splits.csv").write_text("\n".join(rows) + "\n")
    words = [word for setting in SMALL for word in ("-s", setting)]
    assert run(["train", "-o", str(root / "run"), "--data", str(root), "--quiet", *words]) == 0
    assert run(["export", str(root / "run"), "-o", str(root / "first.onnx"), "--data", str(root)]) == 0
    return root / "first.onnx"


def film(path, seed):
    pixels = np.random.default_rng(seed).integers(0, 255, (SIZE.height, SIZE.width), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Cases that show an effusion nobody has boxed, a person each."""
    folder = tmp_path_factory.mktemp("films")
    cases = []
    for number in range(FILMS):
        path = folder / f"{number:02}.png"
        film(path, 100 + number)
        said = Reading("text", (), {"effusion": "present"}, SIZE)
        cases.append(Case(f"{number:02}", "nih", f"p{number}", (said,), path, SIZE))
    return cases


@pytest.fixture
def pool(films, tmp_path):
    """A function that makes the pool for a tool."""

    def make(tool="labelstudio"):
        labelling.make(labelling.select_tasks(films, ["effusion"]), tmp_path / tool, tool=tool)
        return tmp_path / tool

    return make


def answer(folder, numbers, who="ann"):
    """Hand in a box, as Label Studio exports it, for the films of these numbers."""
    tasks = json.loads((folder / "tasks.json").read_text())
    for number in numbers:
        region = {
            "id": "x",
            "type": "rectanglelabels",
            "from_name": "label",
            "to_name": "image",
            "original_width": SIZE.width,
            "original_height": SIZE.height,
            "value": {"x": 10, "y": 10, "width": 40, "height": 50, "rotation": 0, "rectanglelabels": ["effusion"]},
        }
        tasks[number]["annotations"] = [{"was_cancelled": False, "lungspot_reader": who, "result": [region]}]
    export = folder.parent / "export.json"
    export.write_text(json.dumps(tasks))
    return export


def table(path):
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def document(name, probability):
    """What a model said of a film, as `lungspot detect --json` writes it."""
    image = {"path": f"elsewhere/{name}", "sha256": None, "width": SIZE.width, "height": SIZE.height}
    score = {"label": "effusion", "probability": probability, "threshold": 0.5, "positive": probability > 0.5}
    return {"schema": "lungspot/1", "status": "assessed", "image": image, "findings": [], "image_scores": [score]}


def test_stored_predictions_order_the_films_for_label_studio(pool, tmp_path, capsys):
    folder = pool()
    said = tmp_path / "said.jsonl"
    said.write_text("".join(json.dumps(document(f"{n:02}.png", n / 50)) + "\n" for n in range(FILMS)))
    export = answer(folder, [FILMS - 1])
    command = ["labelling", "next", str(folder), "-n", "4", "--predictions", str(said), "--by", "uncertainty"]
    assert run([*command, "--random", "0.25", "--answers", str(export), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["waiting"] == FILMS - 1
    rows = table(folder / "next.csv")
    assert [row["film"] for row in rows] == [one["film"] for one in told["next"]]
    assert [row["film"] for row in rows if row["why"] == "uncertainty"] == ["22.png", "21.png", "20.png"]
    tasks = json.loads((folder / "next.json").read_text())
    assert [task["data"]["image"].rpartition("/")[2] for task in tasks] == [row["film"] for row in rows]
    assert [task["predictions"][0]["score"] for task in tasks] == [0.25, 0.5, 0.75, 1.0]
    assert run(command) == 2  # an earlier run's files stay
    assert "EXISTS: a result of an earlier run" in capsys.readouterr().err
    assert run([*command, "--overwrite", "--quiet"]) == 0
    everything = answer(folder, range(FILMS))
    assert run([*command, "--answers", str(everything), "--overwrite"]) == 3
    assert "all 24 films are answered" in capsys.readouterr().err


def test_every_film_of_the_order_is_of_the_version_that_the_project_chooses(films, tmp_path):
    """Label Studio orders by the predictions of one version: a model's boxes and a task without any are both of it."""

    def propose(case):
        boxed = (Finding("effusion", Box(10, 10, 50, 50), 0.7),)
        return Reading("default 1", boxed, {"effusion": "present"}, SIZE) if case.id in {"00", "02"} else None

    labelling.make(labelling.select_tasks(films[:4], ["effusion"]), tmp_path / "p", tool="labelstudio", propose=propose)
    pool = labelling.open_pool(tmp_path / "p")
    chosen = [labelling.Choice(name, "random", 0.5, labelling.Uncertainty()) for name in reversed(pool.films)]
    tasks = json.loads(labelling.next_tasks(pool, chosen))
    made = [(one["model_version"], one["score"], len(one["result"])) for task in tasks for one in task["predictions"]]
    version = labelling.NEXT_VERSION
    assert made == [(version, 0.25, 0), (version, 0.5, 1), (version, 0.75, 0), (version, 1.0, 1)]
    assert version in (ROOT / "docs/how-to/label-next.md").read_text()  # where people are told to choose it


def test_a_model_reads_films_of_another_tool_and_their_mirror_images(pool, model, capsys):
    folder = pool("labelme")
    assert run(["labelling", "next", str(folder), "-n", "5", "--model", str(model), "--random", "0"]) == 0
    rows = table(folder / "next.csv")
    assert len(rows) == 5
    assert all(0 < float(row["film_entropy"]) <= 1 and float(row["mirrored"]) >= 0 for row in rows)
    assert float(rows[0]["score"]) >= float(rows[-1]["score"])
    assert not (folder / "next.json").exists()
    assert "5 of 24 films that wait, 0 of them at random" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--by", "entropy"], 2, "--by"),
        (["--random", "2"], 2, "--random"),
        (["--model", "gone.onnx"], 4, "MODEL_MISSING"),
        (["--predictions", "gone.jsonl"], 3, "DATASET_NOT_FOUND"),
    ],
)
def test_what_cannot_be_ordered_is_refused_and_nothing_is_written(pool, words, code, said, capsys):
    folder = pool()
    assert run(["labelling", "next", str(folder), *words]) == code
    assert said in capsys.readouterr().err
    assert not (folder / "next.csv").exists()


def test_predictions_of_other_films_order_nothing(pool, tmp_path, capsys):
    said = tmp_path / "said.json"
    said.write_text(json.dumps(document("stranger.png", 0.5)))
    assert run(["labelling", "next", str(pool()), "--predictions", str(said)]) == 3
    assert "no prediction is of one of its 24 films" in capsys.readouterr().err
    twice = tmp_path / "twice.jsonl"
    twice.write_text(2 * (json.dumps(document("01.png", 0.5)) + "\n"))
    assert run(["labelling", "next", str(pool("coco")), "--predictions", str(twice)]) == 3
    assert "two predictions for the film '01.png'" in capsys.readouterr().err


def test_rounds_learn_from_the_answers_and_say_what_is_next(pool, model, tmp_path, capsys):
    folder, rounds = pool(), tmp_path / "rounds"
    command = ["labelling", "round", str(folder), "-o", str(rounds), "--from", str(model), "-n", "3", "--worse", "1"]
    assert run([*command, *SHORT]) == 3
    assert "none of 24 films is answered" in capsys.readouterr().err
    assert not rounds.exists()
    for number, answered in ((1, 12), (2, 16)):
        export = answer(folder, range(answered))
        assert run([*command, *SHORT, "--answers", str(export), "--json"]) == 0
        row = json.loads(capsys.readouterr().out)
        assert (row["round"], row["answered"], row["waiting"]) == (number, answered, FILMS - answered)
        assert row["boxes"] == {"human": answered}
        assert row["readers"] == ["ann"]
        here = rounds / f"round-{number}"
        assert load_detector(here / "model.onnx").card.version == row["model"]["version"] == f"0+round{number}"
        assert {entry["film"] for entry in table(here / "next.csv")} <= {f"{n:02}.png" for n in range(answered, FILMS)}
        assert len(json.loads((here / "next.json").read_text())) == 3
        assert "auroc" in row["judged"]["locked films of the site"]["mean"]
    log = [json.loads(line) for line in (rounds / "rounds.jsonl").read_text().splitlines()]
    assert log[1] == row
    read = ANNOTATION_FORMATS["coco"].read(rounds / "round-2" / "answers")
    assert [(one.readings[0].reader, one.readings[0].findings[0].source) for one in read] == [("ann", "human")] * 16


def test_a_round_goes_on_with_the_same_answers_and_begins_anew_with_more(pool, model, tmp_path):
    folder, settings = pool(), {"steps": 1, "cache_size": 64, "batch": 2}
    first = labelling.open_pool(folder, answer(folder, range(12)))
    labelling.play_round(first, tmp_path / "rounds", model, settings=settings, worse=1, count=1)
    for answered, resumed in ((12, True), (16, False)):
        (tmp_path / "rounds" / "rounds.jsonl").unlink()  # as if it had been stopped after its training
        opened = labelling.open_pool(folder, answer(folder, range(answered)))
        config = tmp_path / "rounds" / "round-1" / "run" / "config.json"  # written where a run begins
        before = config.stat().st_mtime_ns
        played = labelling.play_round(opened, tmp_path / "rounds", model, settings=settings, worse=1, count=1)
        assert played.row["answered"] == answered
        assert (before == config.stat().st_mtime_ns) == resumed


def test_answers_about_locked_films_and_their_people_are_not_learnt_from(pool, films, model, tmp_path):
    locked = tmp_path / "locked"
    ANNOTATION_FORMATS["coco"].write(films, locked)
    assert {case.split for case in cases_of(locked)} == set(Split)
    folder = pool()
    opened = labelling.open_pool(folder, answer(folder, range(FILMS)))
    settings = {"steps": 1, "cache_size": 64, "batch": 2}
    with pytest.raises(DatasetError, match="is locked away to judge on"):  # the people are those locked away here, too
        labelling.play_round(opened, tmp_path / "rounds", model, settings=settings, locked=locked)


def test_too_few_people_are_said_before_the_training(pool, model, tmp_path):
    folder = pool()
    opened = labelling.open_pool(folder, answer(folder, [0]))
    with pytest.raises(DatasetError, match="is locked away to judge on"):
        labelling.play_round(opened, tmp_path / "rounds", model, settings={"steps": 1})
    assert not (tmp_path / "rounds" / "round-1" / "run" / "last.pt").exists()


def test_a_film_that_cannot_be_read_is_said_and_the_others_are_ordered(pool, films, model, capsys):
    folder = pool()
    whole = films[3].image.read_bytes()
    films[3].image.write_bytes(whole[:100])
    try:
        assert run(["labelling", "next", str(folder), "-n", "3", "--model", str(model)]) == 1
    finally:
        films[3].image.write_bytes(whole)
    assert "03.png" in capsys.readouterr().err
    assert len(table(folder / "next.csv")) == 3


def test_a_model_that_got_worse_is_not_kept_and_the_first_one_chooses(pool, model, tmp_path):
    folder = pool()
    opened = labelling.open_pool(folder, answer(folder, range(12)))
    settings = {"steps": 1, "cache_size": 64, "batch": 2}
    played = labelling.play_round(opened, tmp_path / "rounds", model, settings=settings, worse=-1.0, count=2)
    assert played.row["model"] is None
    assert played.row["got_worse"]
    assert not (played.folder / "model.onnx").exists()
    assert len(played.choices) == 2


def test_a_log_that_is_none_is_refused(tmp_path):
    assert labelling.rounds_of(tmp_path) == []
    (tmp_path / "rounds.jsonl").write_text('{"schema": "lungspot-round/1", "round": 2}\n')
    with pytest.raises(DatasetError, match="not a log of rounds"):
        labelling.rounds_of(tmp_path)


@pytest.mark.parametrize(
    ("goal", "found"),
    [(0.1, (160, 100)), (0.15, (160, 100)), (0.2, (240, 150)), (0.25, (320, 200)), (0.26, None)],
)
def test_a_goal_that_no_round_of_the_simulation_reached_is_not_reached(goal, found):
    """Between two rounds the curve is a line; no line leads from the last one to a set that was learnt otherwise."""
    reached = runpy.run_path(str(ROOT / "benchmarks" / "labelling.py"))["reached"]
    rows = [{"map": 0.15, "boxes": 160, "films": 100}, {"map": 0.25, "boxes": 320, "films": 200}]
    assert reached(rows, goal) == found
    assert reached(rows[1:], goal) == (None if found is None else (320, 200))
