"""A run counted by its events, and the files of its end."""

import json

import pytest

from lungspot.batch import BatchFolder, BatchSettings, RunCounts, asked_for, finish_run, usable_processors
from lungspot.detect import load_detector
from lungspot.formats import films_parquet, findings_parquet

EVENTS = [
    *[{"event": "film"}] * 5,
    {"event": "shard", "codes": {"NOT_AN_IMAGE": 2}, "notes": []},
    {"event": "timed_out", "film": "a", "back": 1},
    {"event": "worker_died", "film": None, "back": 2},
    {"event": "film"},
    {"event": "shard", "codes": {"NOT_AN_IMAGE": 1, "DUPLICATE": 1}, "notes": []},
]


def test_films_that_are_read_again_count_once():
    counts = RunCounts()
    for event in EVENTS:
        counts.take(event)
    assert counts.codes == {"NOT_AN_IMAGE": 3, "DUPLICATE": 1}
    told = counts.to_json(on="local", workers=2, timeout=9.0)
    assert told.pop("seconds") >= 0
    assert told.pop("films_per_second") > 0
    assert told == {
        "on": "local",
        "workers": 2,
        "films": 3,
        "timeout": 9.0,
        "timed_out": 1,
        "worker_deaths": 1,
    }


def test_a_run_of_nothing_has_a_rate():
    assert RunCounts().to_json(on="ray", workers=0, timeout=1.0)["films_per_second"] == 0


@pytest.mark.parametrize("screen", [None, "effusion"])
def test_the_end_of_a_run_is_tidied_and_summed_up(tmp_path, model_file, screen):
    detector = load_detector(str(model_file))
    settings = BatchSettings(str(model_file), None, "balanced", (), screen, (), 500, 120.0)
    asked = asked_for(settings, detector.card, detector.sha256)
    folder = BatchFolder(tmp_path / "out", asked, inputs=[], resume=False)
    try:
        film = {"film": "a.png", "status": "assessed", "reasons": []}
        scored = {"level": "film", "label": "effusion", "score": 0.9, "positive": True, "standing": "reported"}
        (tmp_path / "out/films/k.parquet").write_bytes(films_parquet([film]))
        (tmp_path / "out/findings/k.parquet").write_bytes(findings_parquet([scored | {"threshold": 0.5}]))
        (tmp_path / "out/.partial/left").write_text("of a worker that is gone")
        report = finish_run(folder, settings, RunCounts().to_json(on="local", workers=1, timeout=120.0))
    finally:
        folder.close()
    assert not (tmp_path / "out/.partial/left").exists()
    assert json.loads((tmp_path / "out/summary.json").read_text()) == report.value
    assert (report.value["films"], report.value["run"]["on"]) == (1, "local")
    assert report.page == tmp_path / "out/summary.html"
    assert "1 row in 1 shard" in report.page.read_text()
    register = tmp_path / "out/register.csv"
    assert report.register == (None if screen is None else register)
    assert register.exists() == (screen is not None)


def test_there_is_a_processor():
    assert usable_processors() >= 1
