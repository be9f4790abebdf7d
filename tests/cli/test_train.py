"""From a folder of films to a finding in JSON: train, export, detect, with a network that takes seconds."""

import json
import signal
import subprocess
import sys
import time
from subprocess import DEVNULL

import pytest
from tests.generated import write_normal_films

from lungspot.cli.app import run
from lungspot.train.loop import load_checkpoint

SETTINGS = (
    *("labels=['effusion','edema']", "steps=2", "sizes=[[0.0, 64]]", "batch=2", "widths=[32,32,32,32]"),
    *("depths=[1,1,1,1]", "neck=32", "cache_size=64"),
)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A folder as `--data` takes it: normal films of one dataset, and their split."""
    return write_normal_films(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(films, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    words = [word for setting in SETTINGS for word in ("-s", setting)]
    assert run(["train", "-o", str(out), "--data", str(films), *words]) == 0
    return out


def test_train_leaves_a_run_that_resume_finds_done(trained, films, capsys):
    facts = json.loads((trained / "run.json").read_text())
    assert facts["films"] == 9
    assert len(facts["data"]) == 64
    words = [word for setting in SETTINGS for word in ("-s", setting)]
    assert run(["train", "-o", str(trained), "--data", str(films), "--resume", *words]) == 0
    assert "2 steps" in capsys.readouterr().err
    assert steps_of(trained / "val.csv") == ["2"]


def test_a_run_that_was_killed_goes_on_as_if_it_had_not_been(films, tmp_path, capsys):
    """By SIGKILL, while a checkpoint is being written."""
    settings = (*SETTINGS[:1], "steps=30", *SETTINGS[2:], "checkpoint_minutes=0.0")
    command = ["train", "--data", str(films), "--cache", str(tmp_path / "cache")]
    command += [word for setting in settings for word in ("-s", setting)]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run([*command, "-o", str(whole)]) == 0
    with subprocess.Popen([sys.executable, "-m", "lungspot", *command, "-o", str(parts)], stderr=DEVNULL) as process:
        while not ((parts / "last.pt").exists() and (parts / "last.tmp").exists()):
            assert process.poll() is None
            time.sleep(0.0005)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    kept = load_checkpoint(parts)
    assert 1 <= kept.step < 30
    capsys.readouterr()
    assert run([*command, "-o", str(parts), "--resume"]) == 0
    assert "30 steps" in capsys.readouterr().err
    assert load_checkpoint(parts).step == 30
    for name in ("losses.csv", "val.csv"):
        assert steps_of(parts / name) == steps_of(whole / name)
    assert (whole / "losses.csv").read_text() == (parts / "losses.csv").read_text()
    assert steps_of(parts / "log.csv") == ["25"]


def steps_of(path):
    return [line.split(",")[0] for line in path.read_text("utf-8").splitlines()[1:]]


def test_a_teacher_is_asked_once_about_the_films(trained, films, tmp_path, capsys):
    words = [word for setting in SETTINGS for word in ("-s", setting)]
    command = ["train", "--data", str(films), "--cache", str(tmp_path / "cache"), "--teacher", str(trained), *words]
    assert run([*command, "-o", str(tmp_path / "a")]) == 0
    assert run([*command, "-o", str(tmp_path / "b")]) == 0
    assert len(list((tmp_path / "cache").glob("taught-64-*.npz"))) == 1
    facts = [json.loads((tmp_path / name / "run.json").read_text()) for name in "ab"]
    assert facts[0]["teachers"] == [str(trained)]
    assert facts[0]["data"] == facts[1]["data"] != json.loads((trained / "run.json").read_text())["data"]
    other = [word.replace("'edema'", "'covid19'") for word in words]
    assert run(["train", "--data", str(films), "--teacher", str(trained), "-o", str(tmp_path / "c"), *other]) == 3
    assert "the teacher has the labels" in capsys.readouterr().err


def test_export_makes_a_file_that_detect_reads(trained, films, tmp_path, capsys):
    model = tmp_path / "weights" / "model.onnx"
    command = ["export", str(trained), "--average", str(trained), "-o", str(model), "--data", str(films), "--pin"]
    assert run(command) == 0  # the mean of a run and itself is that run
    said = json.loads(capsys.readouterr().out)
    assert said["bytes"] == model.stat().st_size
    assert max(said["differences"].values()) <= 1e-4
    assert json.loads((model.parent / "manifest.json").read_text())["file"] == "model.onnx"
    film = next((films / "rsna-normals").iterdir())
    assert run(["detect", str(film), "--model", str(model), "--format", "json"]) in {0, 1}
    document = json.loads(capsys.readouterr().out)
    assert [row["label"] for row in document["image_scores"]] == ["effusion", "edema"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["train", "-o", "out", "--data", "nowhere"], 3, "nowhere"),
        (["train", "-o", "out", "-s", "batch="], 3, "BAD_VALUE"),
        (["train", "-o", "out", "-s", "bach=3"], 3, "unknown settings"),
        (["export", "nowhere", "-o", "model.onnx"], 3, "NOT_FOUND"),
    ],
)
def test_refusals(words, code, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(words) == code
    assert says in capsys.readouterr().err
