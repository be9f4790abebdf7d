"""What a run folder holds, what a new run may not replace there, and which run can go on."""

import json
import os

import pytest

from lungspot.errors import OutputError
from lungspot.train import RUN_FOLDER_FILES, checkpoint_file, require_new_run, stands_ready
from lungspot.train.config import TrainConfig

FACTS = '{"data": "' + "0" * 64 + '", "films": 3}'


@pytest.fixture
def run(tmp_path):
    """A folder with every file of a run, whose facts are as lungspot writes them."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in RUN_FOLDER_FILES:
        (folder / name).write_text(FACTS if name == "run.json" else "x")
    return folder


def test_the_weights_are_in_the_checkpoint_of_a_folder_or_in_the_file(run, tmp_path):
    assert checkpoint_file(run) == run / "last.pt"
    assert checkpoint_file(tmp_path / "model.onnx") == tmp_path / "model.onnx"


def test_a_new_folder_and_one_without_a_run_are_free(tmp_path):
    require_new_run(tmp_path / "new")
    (tmp_path / "notes.txt").write_text("mine")
    require_new_run(tmp_path)


def test_an_earlier_run_goes_only_where_the_caller_says_so(run):
    with pytest.raises(OutputError, match="EXISTS"):
        require_new_run(run)
    require_new_run(run, overwrite=True)


@pytest.mark.parametrize("name", RUN_FOLDER_FILES)
def test_a_file_that_leads_elsewhere_is_never_a_run_s(run, tmp_path, name):
    (tmp_path / "mine").write_text("mine")
    (run / name).unlink()
    (run / name).symlink_to(tmp_path / "mine")
    with pytest.raises(OutputError, match="EXISTS"):
        require_new_run(run, overwrite=True)


def test_without_the_facts_nothing_says_that_the_files_are_a_run_s(run):
    (run / "run.json").unlink()
    with pytest.raises(OutputError, match="EXISTS"):
        require_new_run(run, overwrite=True)


def test_a_run_never_replaces_what_it_begins_with(run, tmp_path):
    with pytest.raises(OutputError, match="IS_INPUT"):
        require_new_run(run, run, overwrite=True)
    with pytest.raises(OutputError, match="IS_INPUT"):
        require_new_run(run, run / "last.pt", overwrite=True)
    os.link(run / "last.pt", tmp_path / "model.pt")
    with pytest.raises(OutputError, match="IS_INPUT"):
        require_new_run(run, tmp_path / "model.pt", overwrite=True)
    (tmp_path / "other").write_text("x")
    require_new_run(run, tmp_path / "other", overwrite=True)


def test_a_run_goes_on_where_settings_and_films_are_the_same(run):
    config = TrainConfig(steps=3)
    (run / "config.json").write_text(json.dumps(config.to_dict()))
    assert stands_ready(run, config, "0" * 64)
    assert not stands_ready(run, TrainConfig(steps=4), "0" * 64)
    assert not stands_ready(run, config, "1" * 64)
    (run / "last.pt").unlink()
    assert not stands_ready(run, config, "0" * 64)
    (run / "run.json").write_text("no JSON")
    assert not stands_ready(run, config, "0" * 64)
