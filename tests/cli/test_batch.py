"""The folder that the verb writes is what other verbs read."""

import json

import pytest

from lungspot.cli.app import run
from lungspot.cli.console import Exit
from lungspot.formats import film_row, films_parquet, finding_rows, findings_parquet


@pytest.fixture
def folder(tmp_path, watched_film):
    """Ten weeks of forty films, as a run writes them."""
    rows, found = [], []
    for week in range(10):
        for number in range(40):
            document = watched_film(week, number, (number * 7 + week) % 40 / 50)
            document["image"]["path"] = f"{week:02d}{number:02d}.png"
            told = document["image_scores"][0] | {"standing": "reported"}
            whole = {"warnings": [], "software": {"lungspot": "0", "onnxruntime": "1"}, "timing_ms": {}}
            said = {"statement": {"headline": "", "urgency": 0.0, "said": []}, "image_scores": [told]}
            rows.append(film_row(document | whole | said))
            found += finding_rows(document | whole | said)
    for name, data in (("films", films_parquet(rows)), ("findings", findings_parquet(found))):
        (tmp_path / "archive" / name).mkdir(parents=True)
        (tmp_path / "archive" / name / "k.parquet").write_bytes(data)
    return tmp_path / "archive"


def test_watch_reads_it(folder, tmp_path, capsys):
    assert run(["watch", f"North={folder}", "-o", str(tmp_path / "w"), "--until", "2026-03-13"]) == Exit.DONE
    said = json.loads(capsys.readouterr().out)
    assert (said["films"], said["alarm"], said["refused"]) == (400, False, 0)
    (folder / "findings" / "k.parquet").unlink()
    assert run(["watch", str(folder), "-o", str(tmp_path / "w2")]) == Exit.NOTHING_DONE
    assert "DATASET_INCOMPLETE" in capsys.readouterr().err


def test_stats_count_it(folder, capsys):
    assert run(["data", "stats", "predictions", str(folder), "--json"]) == Exit.DONE
    counts = {row["state"]: row["films"] for row in json.loads(capsys.readouterr().out)["counts"]}
    assert counts == {"present": 140, "absent": 260}


def test_eval_judges_it(folder, tmp_path, capsys):
    films = [{"id": number, "file_name": f"00{number:02d}.png", "width": 2000, "height": 2400} for number in range(40)]
    truth = {
        "images": films,
        "categories": [{"id": 1, "name": "effusion"}],
        "annotations": [
            {"id": number, "image_id": number, "category_id": 1, "bbox": [10, 10, 90, 90], "area": 8100, "iscrowd": 0}
            for number in range(0, 40, 3)
        ],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    words = ["eval", str(tmp_path / "truth.json"), str(folder), "-o", str(tmp_path / "r"), "--exhaustive"]
    assert run([*words, "--resamples", "10"]) == Exit.SOME_REFUSED  # the other 360 films have no truth
    assert json.loads(capsys.readouterr().out)["films"] == 40


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--on", "spark"], "none of local, ray"),
        (["--format", "pdf"], "none of parquet, jsonl, json"),
        (["--operating-point", "x"], "none of"),
        (["--screen", "fracture"], "does not look for"),
    ],
)
def test_what_cannot_be_asked(words, says, tmp_path, model_file, capsys):
    assert run(["batch", str(tmp_path), "-o", str(tmp_path / "out"), "--model", str(model_file), *words])
    assert says in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()
