"""How a run is started: what its teachers are asked, and how often."""

from dataclasses import replace

import pytest

from lungspot.train import export_model, open_checkpoint
from lungspot.train import start as start_room
from lungspot.train.loop import train
from lungspot.train.start import run


@pytest.fixture(scope="module")
def two_networks(tiny, generated_films, tmp_path_factory):
    """A model file with a second network, whose box head no file holds."""
    folder = tmp_path_factory.mktemp("two")
    ends = [train(replace(tiny, steps=2, seed=seed), generated_films, folder / str(seed)) for seed in (0, 1)]
    (path := folder / "model.onnx").write_bytes(export_model(ends[0], generated_films, opinion=ends[1]).data)
    assert open_checkpoint(path).opinion is not None
    return path


def test_a_teacher_of_two_networks_is_asked_once(two_networks, tiny, generated_films, tmp_path, monkeypatch):
    asked = []
    ask = start_room.ask
    monkeypatch.setattr(start_room, "gather", lambda *_: (generated_films, ()))
    monkeypatch.setattr(start_room, "ask", lambda *given: asked.append(given) or ask(*given))
    for name in ("first", "again"):
        run(replace(tiny, steps=1), tmp_path, tmp_path / name, cache=tmp_path / "cache", teachers=[two_networks])
    assert len(asked) == 1
    assert len(list((tmp_path / "cache").glob("taught-*.npz"))) == 1
