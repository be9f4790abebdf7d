from dataclasses import replace

import pytest
import torch

from lungspot.errors import InputError
from lungspot.train.augment import plain
from lungspot.train.export_model import export_model, open_checkpoint
from lungspot.train.loop import train
from lungspot.train.model import Network
from lungspot.train.outlines import with_outlines

HEADS = {"learn": ("anatomy",), "outlined_share": 0.5, "opacity_share": 0.5, "cover_gain": 0.25}


@pytest.fixture(scope="module")
def model(model_of, generated_films, tmp_path_factory):
    return model_of(generated_films, tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def learnt(tiny, model, generated_films, tmp_path_factory):
    run = tmp_path_factory.mktemp("heads")
    return train(replace(tiny, steps=12, rate=1e-2, **HEADS), generated_films, run, begin=model)


def says(checkpoint, films):
    with torch.inference_mode():
        return checkpoint.network.eval()(films)


def mean(own, new):
    return torch.lerp(new.organs, own.organs, torch.tensor([0.65, 0.5, 0.5])[:, None, None])


def test_outlines_are_the_mean_of_the_model_s_own_and_a_run_s(learnt, model, generated_films):
    before, films = open_checkpoint(model), plain(generated_films.pixels[:4], 64)
    after = with_outlines(before, learnt)
    own, both, new = (says(each, films) for each in (before, after, learnt))
    off, apart = (both.organs - mean(own, new)).abs().mean(), (new.organs - own.organs).abs().mean()
    assert off < apart / 10, "but for normalisations that measured films anew"
    for name in ("boxes", "scores", "image", "maps"):
        torch.testing.assert_close(getattr(both, name), getattr(own, name), rtol=1e-4, atol=1e-4)
    assert after.terms == before.terms | learnt.terms


def test_a_file_with_two_heads_is_opened_with_both_and_takes_a_third(learnt, model, generated_films, tmp_path):
    films = plain(generated_films.pixels[:4], 64)
    two = with_outlines(open_checkpoint(model), learnt)
    (tmp_path / "two.onnx").write_bytes(export_model(two, generated_films).data)
    opened = open_checkpoint(tmp_path / "two.onnx")
    assert opened.config.outlines == 2
    assert (says(opened, films).organs - says(two, films).organs).abs().mean() < 0.05, "weights are stored in bytes"
    three = with_outlines(opened, learnt)
    wanted = mean(says(opened, films), says(learnt, films))
    assert (says(three, films).organs - wanted).abs().mean() < 0.05


def test_a_run_of_another_network_has_none_to_give(tiny, learnt, model):
    torch.manual_seed(1)
    before = open_checkpoint(model)
    with pytest.raises(InputError, match="another backbone"):
        with_outlines(before, replace(learnt, network=Network(tiny)))
    with pytest.raises(InputError, match="more than the anatomy"):
        with_outlines(before, replace(learnt, config=tiny))
    with pytest.raises(InputError, match="knows no anatomy"):
        with_outlines(before, replace(learnt, network=Network(replace(tiny, anatomy=False))))
