"""The mean of several runs' weights is one network, compared and exported like any other."""

from dataclasses import replace

import pytest
import torch

from lungspot.errors import InputError
from lungspot.train import average_weights, export_model, open_checkpoint
from lungspot.train.augment import plain
from lungspot.train.loop import train


@pytest.fixture(scope="module")
def runs(tiny, generated_films, tmp_path_factory):
    """Two runs that began with the same model file."""
    folder = tmp_path_factory.mktemp("runs")
    begin = folder / "begin.onnx"
    begin.write_bytes(export_model(train(tiny, generated_films, folder / "begin"), generated_films).data)
    return [
        train(replace(tiny, seed=seed, rate=1e-3), generated_films, folder / str(seed), begin=begin) for seed in (1, 2)
    ]


def test_the_mean_lies_between_the_runs(runs, generated_films):
    films = plain(generated_films.pixels[:4], 64)
    with torch.no_grad():
        one, two, mean = (
            network(films).image for network in (*(r.network for r in runs), average_weights(runs).network)
        )
    assert not torch.allclose(one, two, atol=1e-3)
    far = (one - two).abs().max()
    assert (mean - one).abs().max() < far
    assert (mean - two).abs().max() < far


def test_the_mean_of_a_network_with_itself_says_the_same(runs, generated_films):
    films = plain(generated_films.pixels[:4], 64)
    with torch.no_grad():
        assert torch.allclose(
            average_weights([runs[0], runs[0]]).network(films).image, runs[0].network(films).image, atol=1e-4
        )


def test_the_mean_is_exported_and_opened_again(runs, generated_films, tmp_path):
    made = export_model(average_weights(runs), generated_films)
    path = tmp_path / "mean.onnx"
    path.write_bytes(made.data)
    films = plain(generated_films.pixels[:4], 64)
    with torch.no_grad():
        again, mean = open_checkpoint(path).network(films), average_weights(runs).network(films)
    assert torch.allclose(again.scores, mean.scores, atol=0.05)  # the file holds eight bits


def test_networks_that_are_not_alike_have_no_mean(runs, tiny, generated_films, tmp_path):
    other = train(replace(tiny, steps=1, neck=64), generated_films, tmp_path / "other")
    with pytest.raises(InputError, match="another shape"):
        average_weights([runs[0], other])
    with pytest.raises(InputError, match="labels"):
        average_weights([runs[0], replace(other, config=replace(tiny, labels=("edema", "effusion")))])
