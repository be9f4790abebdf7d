"""From a hospital's own films to its thresholds, and back onto films: as it is typed."""

import csv
import json
import shutil

import jsonschema
import numpy as np
import pytest

from lungspot.adapt import schema_of_site
from lungspot.cli.app import run
from lungspot.detect import load_detector
from lungspot.formats import result_documents
from lungspot.report import schema

FILMS = 240


@pytest.fixture(scope="module")
def scored():
    """Films with an effusion, or without, and what a tool says of each."""
    rng = np.random.default_rng(5)
    positive = rng.random(FILMS) < 0.4
    score = 1 / (1 + np.exp(-(np.where(positive, 1.5, -1.0) + rng.normal(size=FILMS))))
    return [
        (f"film{number:03}.png", f"p{number // 2}", int(p), round(s, 4))
        for number, (p, s) in enumerate(zip(positive, score, strict=True))
    ]


def write_table(path, head, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return path


@pytest.fixture
def tables(tmp_path, scored):
    """Truth and scores as two tables, and as one."""
    truth = write_table(tmp_path / "truth.csv", ("image", "patient", "Effusion"), [row[:3] for row in scored])
    scores = write_table(tmp_path / "scores.csv", ("film", "effusion"), [(f, s) for f, _, _, s in scored])
    both = write_table(
        tmp_path / "both.csv", ("id", "patient_id", "reference", "score"), [(f, p, t, 100 * s) for f, p, t, s in scored]
    )
    return truth, scores, both


@pytest.fixture(scope="module")
def one(model_file, upright_film, tmp_path_factory):
    """What the generated model says of a film, as `lungspot detect` writes it."""
    folder = tmp_path_factory.mktemp("one")
    upright_film().save(folder / "one.png")
    words = ("--model", str(model_file), "--min-score", "0", "--format", "json", "-o", str(folder / "out"), "-q")
    assert run(["detect", str(folder / "one.png"), *words]) == 0
    return json.loads((folder / "out" / "one.json").read_text())


@pytest.fixture(scope="module")
def write_documents(scored, one):
    """A function that writes what the generated model might have said of the films."""

    def write(path, **changed):
        lines = []
        for film, _, positive, score in scored:
            value = json.loads(json.dumps(one)) | changed
            value["image"] |= {"path": film, "width": 100, "height": 100}
            value["image_scores"] = [
                each | {"probability": score} for each in one["image_scores"] if each["label"] == "effusion"
            ]
            (first, *_) = (each for each in one["findings"] if each["label"] == "effusion")
            hit = [first | {"box": [10, 10, 40, 40], "score": score}] if positive else []
            value["findings"] = [*hit, first | {"box": [60, 60, 90, 90], "score": round(score / 3, 4)}]
            lines.append(json.dumps(value))
        path.write_text("\n".join(lines))
        return path

    return write


@pytest.fixture
def documents(tmp_path, write_documents):
    """The same, by name in the test's own folder."""
    return lambda name="found.jsonl", **changed: write_documents(tmp_path / name, **changed)


@pytest.fixture(scope="module")
def truth_file(scored, tmp_path_factory):
    """The films as COCO, with a box where there is an effusion."""
    images, annotations = [], []
    for number, (film, patient, positive, _) in enumerate(scored, 1):
        here = {"neg_category_ids": [] if positive else [1], "not_exhaustive_category_ids": []}
        images.append({"id": number, "file_name": film, "width": 100, "height": 100, "patient_id": patient} | here)
        if positive:
            annotations.append(
                {"id": number, "image_id": number, "category_id": 1, "bbox": [10, 10, 30, 30], "area": 900}
            )
    value = {"images": images, "categories": [{"id": 1, "name": "effusion"}], "annotations": annotations}
    path = tmp_path_factory.mktemp("truth") / "truth.json"
    path.write_text(json.dumps(value))
    return path


@pytest.fixture
def boxed_truth(truth_file, tmp_path):
    return shutil.copy(truth_file, tmp_path / "truth.json")


def calibrate(*words):
    return run(["calibrate", *map(str, words)])


def test_two_tables_make_a_site_file_that_says_it_is_for_no_model(tables, tmp_path, capsys):
    truth, scores, _ = tables
    assert calibrate(truth, scores, "-o", tmp_path / "a site.json") == 0
    said = capsys.readouterr()
    summary = json.loads(said.out)
    assert (summary["films"], summary["people"], summary["thresholds"], summary["refused"]) == (FILMS, FILMS // 2, 3, 0)
    assert "no --site can take this file" in said.err
    value = json.loads((tmp_path / "a site.json").read_text())
    jsonschema.Draft202012Validator(schema_of_site()).validate(value)
    assert (value["name"], value["films"]["truth"], value["model"]) == ("a site", "truth.csv", {})
    table = [line.split() for line in said.err.splitlines() if line.startswith("effusion")]
    assert [row[2] for row in table] == ["sensitive", "balanced", "specific"]


def test_one_table_of_any_tool_is_both_in_the_tools_own_numbers(tables, tmp_path, capsys):
    truth, scores, both = tables
    assert calibrate(truth, scores, "-o", tmp_path / "two.json", "--name", "x", "-q") == 0
    assert calibrate(both, both, "--label", "effusion", "-o", tmp_path / "one.json", "--name", "x", "-q") == 0
    assert capsys.readouterr().err == ""
    two, one = (json.loads((tmp_path / name).read_text()) for name in ("two.json", "one.json"))
    for point in ("sensitive", "balanced", "specific"):
        theirs, mine = (each["labels"]["effusion"]["film"]["points"][point] for each in (two, one))
        assert mine["score"] == pytest.approx(100 * theirs["score"])
        assert mine["measured"] == theirs["measured"]
    assert one["settings"]["scale"] == 100


def test_lungspots_own_predictions_make_thresholds_of_films_and_boxes(
    boxed_truth, documents, tmp_path, model_file, capsys
):
    found = documents()
    goals = ("film:balanced:sensitivity=0.8@90", "effusion:box:balanced:sensitivity=0.5", "box:specific:fp=0.5")
    words = [word for goal in goals for word in ("--goal", goal)]
    assert (
        calibrate(
            boxed_truth, found, "-o", tmp_path / "site.json", "--name", "St. E", *words, "--prevalence", "effusion=0.1"
        )
        == 0
    )
    value = json.loads((tmp_path / "site.json").read_text())
    jsonschema.Draft202012Validator(schema_of_site()).validate(value)
    assert value["model"]["sha256"] == load_detector(model_file).sha256
    film, box = (value["labels"]["effusion"][level] for level in ("film", "box"))
    assert (
        film["points"]["balanced"]["promise"] == "at most 20 % of films that show it are missed, with 90 % confidence"
    )
    assert box["points"]["balanced"]["measured"]["sensitivity"]["value"] >= 0.5
    assert box["points"]["specific"]["measured"]["false_per_film"]["value"] <= 0.5
    assert film["prevalence"] == 0.1
    assert "effusion  box" in capsys.readouterr().err


def test_what_too_few_films_can_promise_is_refused_and_the_rest_is_written(tables, tmp_path, capsys):
    truth, scores, _ = tables
    goal = "film:sensitive:sensitivity=0.99@95"
    assert calibrate(truth, scores, "-o", tmp_path / "s.json", "--goal", goal) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["not_promised"] == [{"where": "effusion, film, sensitive", "code": "TOO_FEW"}]
    assert "effusion, film, sensitive: TOO_FEW" in said.err
    assert "299 are the fewest" in said.err


def test_where_nothing_can_be_promised_nothing_is_written(tmp_path, capsys):
    few = write_table(tmp_path / "few.csv", ("id", "reference", "score"), [(1, 1, 0.9), (2, 0, 0.1), (3, "", 0.5)])
    assert calibrate(few, few, "--label", "tuberculosis", "-o", tmp_path / "s.json") == 3
    assert "TOO_FEW" in capsys.readouterr().err
    assert not (tmp_path / "s.json").exists()


def test_films_of_one_side_are_named_and_left_out(tables, tmp_path, capsys):
    truth, scores, _ = tables
    short = tmp_path / "short.csv"
    short.write_text("\n".join(scores.read_text().splitlines()[:-3]))
    assert calibrate(truth, short, "-o", tmp_path / "s.json") == 1
    said = capsys.readouterr()
    assert (json.loads(said.out)["films"], json.loads(said.out)["refused"]) == (FILMS - 3, 3)
    assert "film239.png: DATASET_INCOMPLETE: no score of this film" in said.err


def test_a_table_may_stand_beside_predictions_or_a_dataset(tables, boxed_truth, documents, tmp_path):
    measured = []
    sides = [(tables[0], documents()), (boxed_truth, tables[1]), tables[:2]]
    for number, (truth, found) in enumerate(sides):
        out = tmp_path / f"{number}.json"
        assert calibrate(truth, found, "-o", out, "-q") == 0
        label = json.loads(out.read_text())["labels"]["effusion"]
        assert list(label) == ["film"]
        measured.append([point["measured"] for point in label["film"]["points"].values()])
    assert measured[0] == measured[1] == measured[2]


@pytest.mark.parametrize(
    ("words", "exit_code", "says"),
    [
        (["--goal", "film:balanced:f1=0.9"], 3, "BAD_VALUE"),
        (["--prevalence", "effusion"], 3, "write tuberculosis=0.02"),
        (["--prevalence", "effusion=2"], 3, "BAD_VALUE"),
        (["--prevalence", "gout=0.2"], 3, "UNKNOWN_LABEL"),
        (["--label", "gout"], 3, "UNKNOWN_LABEL"),
        (["--iou", "0.42"], 3, "BAD_VALUE"),
        (["--ci", "10"], 2, "--ci"),
        (["-o", "scores.csv"], 2, "IS_INPUT"),
    ],
)
def test_what_is_typed_wrongly_is_one_line(
    tables, boxed_truth, documents, tmp_path, words, exit_code, says, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    found = documents() if "--iou" in words else tables[1]
    truth = boxed_truth if "--iou" in words else tables[0]
    assert calibrate(truth, found, *words) == exit_code
    assert says in capsys.readouterr().err
    assert not (tmp_path / "site.json").exists()


def test_an_earlier_site_file_is_replaced_only_where_asked(tables, tmp_path, capsys):
    words = (tables[0], tables[1], "-o", tmp_path / "s.json", "-q")
    assert calibrate(*words) == 0
    assert calibrate(*words) == 2
    assert "EXISTS" in capsys.readouterr().err
    assert calibrate(*words, "--overwrite") == 0


# --- judged by a site -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site_file(truth_file, write_documents, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    found = write_documents(folder / "found.jsonl")
    assert calibrate(truth_file, found, "-o", folder / "site.json", "--name", "St. E", "-q") == 0
    return folder / "site.json"


@pytest.fixture
def site(site_file, tmp_path):
    """A site file of the generated model, which the test may change."""
    return shutil.copy(site_file, tmp_path / "site.json")


@pytest.fixture
def detect(model_file, tmp_path, upright_film, capsys):
    """A function that reads a film with the generated model: exit code, document, stderr."""
    upright_film(3).save(tmp_path / "new.png")

    def call(*words, model=model_file, name="new.png"):
        code = run(["detect", str(tmp_path / name), "--format", "json", "--model", str(model), *map(str, words)])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else None, said.err

    return call


def test_films_are_judged_by_the_sites_thresholds_and_say_so(detect, site):
    value = json.loads(site.read_text())["labels"]["effusion"]
    _, own, _ = detect()
    code, here, _ = detect("--site", site)
    assert code == 0
    jsonschema.Draft202012Validator(schema()).validate(here)
    assert own["site"] is None
    assert (here["site"]["name"], here["site"]["films"]) == ("St. E", FILMS)
    assert here["model"] == own["model"]
    (score,) = (each for each in here["image_scores"] if each["label"] == "effusion")
    (before,) = (each for each in own["image_scores"] if each["label"] == "effusion")
    assert score["threshold"] == pytest.approx(value["film"]["points"]["balanced"]["threshold"], abs=1e-4)
    curve = value["film"]["probability"]["curve"]
    odds = np.log(before["probability"] / (1 - before["probability"]))
    assert score["probability"] == pytest.approx(1 / (1 + np.exp(-(curve["a"] * odds + curve["b"]))), abs=1e-3)
    boxes = [each["threshold"] for each in here["findings"] if each["label"] == "effusion"]
    assert boxes
    assert boxes[0] == pytest.approx(value["box"]["points"]["balanced"]["threshold"], abs=1e-4)
    assert here["statement"]["thresholds"].startswith("Thresholds by 240 films of St. E")


def test_an_archive_is_judged_by_the_sites_thresholds_too(detect, site, model_file, tmp_path):
    _, here, _ = detect("--site", site)
    words = ["batch", tmp_path / "new.png", "-o", tmp_path / "archive", "--model", model_file, "--site", site]
    assert run([*map(str, words), "--screen", "effusion", "--workers", "1", "-q"]) == 0
    ((found, _),) = result_documents(tmp_path / "archive")
    assert found["site"] == here["site"]
    for part in ("image_scores", "findings"):
        assert [{key: row[key] for key in mine} for row, mine in zip(here[part], found[part], strict=True)] == found[
            part
        ]
    (person,) = csv.DictReader((tmp_path / "archive" / "register.csv").read_text().splitlines())
    limit = next(row["threshold"] for row in here["image_scores"] if row["label"] == "effusion")
    assert (person["thresholds_of"], float(person["threshold"])) == ("St. E", limit)


def test_the_site_may_stand_in_the_environment(detect, site, monkeypatch):
    monkeypatch.setenv("LUNGSPOT_SITE", str(site))
    assert detect()[1]["site"]["name"] == "St. E"


@pytest.mark.parametrize(
    "words",
    [
        ("serve", "--port", "0", "--data"),
        ("node", "--port", "0", "--allow", "*@127.0.0.1", "--send-to", "A@127.0.0.1:1", "--spool"),
    ],
)
def test_services_take_it_from_the_environment_too(site, words, model_file, tmp_path, capsys, monkeypatch):
    value = json.loads(site.read_text())
    value["model"]["sha256"] = "0" * 64
    site.write_text(json.dumps(value))
    monkeypatch.setenv("LUNGSPOT_SITE", str(site))
    monkeypatch.setattr("lungspot.cli.node._become_service", lambda _: None)
    assert run([*words, str(tmp_path / "there"), "--model", str(model_file)]) == 4
    assert "SITE_MODEL" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda value: value["model"].update(sha256="0" * 64), "SITE_MODEL"),
        (lambda value: value.update(model={}), "SITE_MODEL"),
        (lambda value: value["labels"].update(tuberculosis=value["labels"]["effusion"]), "SITE_MODEL"),
        (lambda value: value.update(schema="lungspot-site/9"), "SITE_FORMAT"),
        (lambda value: value["labels"]["effusion"]["film"]["points"]["balanced"].update(threshold=2), "SITE_FORMAT"),
    ],
)
def test_a_site_file_of_another_model_or_a_damaged_one_ends_the_run(detect, site, change, code):
    value = json.loads(site.read_text())
    change(value)
    site.write_text(json.dumps(value))
    exit_code, found, said = detect("--site", site)
    assert (exit_code, found) == (4, None)
    assert code in said


def test_predictions_made_by_a_site_are_no_ground_for_another(detect, site, boxed_truth, documents, tmp_path, capsys):
    _, here, _ = detect("--site", site)
    assert calibrate(boxed_truth, documents("second.jsonl", site=here["site"]), "-o", tmp_path / "again.json") == 3
    assert "predict again without --site" in capsys.readouterr().err


def test_the_node_takes_a_site_and_refuses_another_models(site, tmp_path, capsys):
    words = ["node", "--allow", "*@127.0.0.1", "--send-to", "A@127.0.0.1:1", "--spool", str(tmp_path / "spool")]
    assert run([*words, "--site", str(site)]) == 4  # it was made for the generated model, and this is the shipped one
    assert "SITE_MODEL" in capsys.readouterr().err
