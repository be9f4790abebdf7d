"""From a run folder and a data folder to a model file, without a verb."""

from dataclasses import replace
from importlib import import_module

import pytest
import torch
from tests.generated import write_normal_films

from lungspot.detect import load_detector
from lungspot.errors import InputError
from lungspot.train import average_weights, export_run, open_checkpoint, run

MODULE = import_module("lungspot.train.export_run")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data folder of one public set: normal films, and their split."""
    return write_normal_films(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def runs(tiny, data, tmp_path_factory):
    """Two runs on these films that began alike."""
    folder = tmp_path_factory.mktemp("runs")
    config = replace(tiny, steps=1, sizes=((0.0, 64),), batch=2, cache_size=96)
    for name, rate in (("one", 1e-3), ("two", 2e-3)):
        run(replace(config, rate=rate), data, folder / name, cache=folder / "cache")
    return folder / "one", folder / "two"


@pytest.fixture
def exported(monkeypatch):
    """What the room would export: the arguments of ``export_model``, which is not run."""
    asked = {}

    def note(checkpoint, films, **options):
        asked.update(checkpoint=checkpoint, films=films, **options)

    monkeypatch.setattr(MODULE, "export_model", note)
    return asked


def test_a_run_is_exported_with_the_films_that_it_learnt_from(runs, data, tmp_path):
    said = []
    made = export_run(
        runs[0], data, tmp_path / "cache", name="mine", version="3", notes=("Of noise.",), say=said.append
    )
    (path := tmp_path / "model.onnx").write_bytes(made.data)
    card = load_detector(path).card
    assert (card.name, card.version, card.notes, card.input_size) == ("mine", "3", ("Of noise.",), 64)
    assert card.training_data == ("rsna_normals: 3 films",)
    assert [line.split(":")[0] for line in said] == ["val", "test"]


def test_films_are_packed_as_served_and_once_more_for_parts(runs, data, tmp_path, exported):
    export_run(runs[0], data, tmp_path / "cache")
    assert exported["films"].pixels.shape == (9, 64, 64)
    assert (exported["size"], exported["parts"], exported["fine"]) == (64, None, None)
    export_run(runs[0], data, tmp_path / "cache", size=128, parts=[runs[0]])
    assert (exported["films"].pixels.shape, exported["size"]) == ((9, 128, 128), 128)
    assert exported["parts"].look.size == 96
    assert exported["fine"].pixels.shape == (9, 96, 96)
    assert sorted(path.name.split("-")[2] for path in (tmp_path / "cache").glob("*.json")) == ["128", "64", "96"]


def test_other_networks_are_opened_and_the_mean_of_several_runs_counts(runs, data, tmp_path, exported, monkeypatch):
    monkeypatch.setattr(MODULE, "load_gate", lambda *asked: asked)
    one, two = map(open_checkpoint, runs)
    export_run(runs[0], data, tmp_path / "cache", average=[runs[1]], opinion=runs[1], gate=tmp_path / "g.npz")
    assert exported["gate"] == (tmp_path / "g.npz", 64)
    mean = average_weights([one, two]).network.state_dict()
    for name, value in exported["checkpoint"].network.state_dict().items():
        torch.testing.assert_close(value, mean[name])
    first = one.network.state_dict()
    assert any(not torch.equal(value, first[name]) for name, value in two.network.state_dict().items())
    for name, value in exported["opinion"].network.state_dict().items():
        torch.testing.assert_close(value, two.network.state_dict()[name])
    export_run(runs[0], data, tmp_path / "cache", average=[runs[1]], parts=runs)
    for name, value in exported["parts"].boxes.state_dict().items():
        torch.testing.assert_close(value, mean[name])


def test_a_site_s_films_alone_make_no_model(runs, tmp_path):
    (tmp_path / "annotations.json").write_text("{}")
    with pytest.raises(InputError, match="say --taught-from"):
        export_run(runs[0], tmp_path, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
