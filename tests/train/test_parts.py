"""A pyramid and box head for parts of films: learnt with a backbone that stays, put into a model file, used there."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lungspot.detect import PART_OUTPUTS, SecondLook, examine, load_detector, parts
from lungspot.errors import InputError
from lungspot.formats import Split
from lungspot.train.augment import plain
from lungspot.train.config import TrainConfig
from lungspot.train.data import Films
from lungspot.train.export_model import export_model, open_checkpoint
from lungspot.train.loop import train
from lungspot.train.model import Network
from lungspot.train.onnx_import import of_labels, read_model_file, restore
from lungspot.train.parts import parts_head
from lungspot.train.teach import teach_model
from lungspot.train.validate import VOTE_IOU

EXPORT = sys.modules[export_model.__module__]  # whose name in its room is that of the function
HEAD = ("lateral", "smooth", "down", "tower", "classify", "regress")


@pytest.fixture(scope="module")
def films(generated_films):
    """Films that are fine enough to be looked at in part."""
    return Films(tuple(replace(film, stored=512) for film in generated_films.films), generated_films.pixels)


@pytest.fixture(scope="module")
def model(model_of, films, tmp_path_factory):
    return model_of(films, tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def of_parts(tiny):
    """The config of a run that learns parts for one of the model's two labels, the second."""
    shown = {"crop_share": 1.0, "crop_labels": ("edema",), "learn": HEAD, "image_gain": 0.0, "mil_gain": 0.0}
    return replace(tiny, labels=("edema",), steps=12, rate=1e-2, **shown)


@pytest.fixture(scope="module")
def learnt(of_parts, model, films, tmp_path_factory):
    second = tuple(replace(f, labels=f.labels * 0, states=f.states[1:], noisy=f.noisy[1:]) for f in films.films)
    return train(of_parts, Films(second, films.pixels), tmp_path_factory.mktemp("parts"), begin=model)


def test_a_run_begins_with_the_rows_of_the_labels_that_it_learns(of_parts, model, films, tmp_path):
    card, weights = read_model_file(model)
    one, pictures = Network(of_parts).eval(), plain(films.pixels[:4], 64)
    restore(one, of_labels(weights, card.labels, of_parts.labels))
    with torch.inference_mode():
        both, mine = open_checkpoint(model).network(pictures), one(pictures)
    torch.testing.assert_close(mine.image, both.image[:, 1:])
    torch.testing.assert_close(mine.scores, both.scores[..., 1:])
    torch.testing.assert_close(mine.boxes, both.boxes)
    with pytest.raises(InputError, match="the model file has the labels"):
        train(replace(of_parts, labels=("edema", "nodule_mass")), films, tmp_path / "no", begin=model)


def test_a_file_says_of_parts_what_was_learnt_of_them_and_of_films_what_it_said(learnt, model, films, tmp_path):
    base = open_checkpoint(model)
    head = parts_head(learnt.config, learnt.network, base.network, learnt.terms)
    assert head.look == SecondLook(("edema",), learnt.config.cache_size, 384)
    keep = replace(head, look=replace(head.look, windows=((0.0, 0.0, 1.0, 0.6), (0.0, 0.4, 1.0, 1.0))))
    made = _exported(base, films, keep)
    assert max(made.largest.values()) <= 1e-4
    assert {"part_boxes", "part_scores"} <= made.largest.keys()
    (path := tmp_path / "two.onnx").write_bytes(made.data)
    before, after = load_detector(model), load_detector(path)
    shown = plain(films.pixels[:1], 64).numpy()
    one, two = before.run(shown), after.run(shown)
    for name in ("boxes", "scores", "image_scores", "maps", "features"):
        np.testing.assert_allclose(getattr(two, name), getattr(one, name), atol=1e-5, err_msg=name)
    boxes, scores = after.run_part(shown)
    assert scores.shape == (len(boxes), 1)
    with torch.inference_mode():
        said = learnt.network.eval()(torch.from_numpy(shown))
    np.testing.assert_allclose(scores, said.scores.sigmoid()[0], atol=0.02)  # eight bits
    assert np.abs(scores[:, 0] - one.scores[:, 1]).max() > 0.05, "the head learnt nothing"

    again = open_checkpoint(path)  # and it is there when the file is exported anew
    assert again.parts is not None
    assert again.parts.look == made.card.second_look == replace(keep.look, least_score=again.parts.look.least_score)
    assert _exported(again, films, None).card.second_look == again.parts.look


def test_films_that_hardly_show_what_parts_are_for_are_looked_at_once(learnt, model, films, tmp_path):
    """Half of the lowest score that the network gives a film of val on which people drew the label."""
    edema = 1
    drawn = Films(tuple(replace(film, labels=film.labels * 0 + edema) for film in films.films), films.pixels)
    base = open_checkpoint(model)
    made = _exported(base, drawn, parts_head(learnt.config, learnt.network, base.network, learnt.terms))
    (path := tmp_path / "two.onnx").write_bytes(made.data)
    detector = load_detector(path)
    boxed = [i for i in drawn.of(Split.VAL) if len(drawn.films[i].labels)]
    scores = [detector.run(plain(drawn.pixels[i : i + 1], 64).numpy()).image_scores[edema] for i in boxed]
    assert detector.card.second_look.least_score == pytest.approx(min(scores) / 2, abs=1e-4)


def test_a_model_that_is_taught_further_looks_at_films_once_and_says_so(tiny, learnt, model, films, tmp_path):
    """Its backbone moves, and what was learnt of parts goes with the backbone as it was."""
    base = open_checkpoint(model)
    made = _exported(base, films, parts_head(learnt.config, learnt.network, base.network, learnt.terms))
    (path := tmp_path / "two.onnx").write_bytes(made.data)
    assert made.card.second_look is not None
    taught = teach_model(train(replace(tiny, steps=2), films, tmp_path / "run", begin=path), films, path, worse=1.0)
    assert taught.card.second_look is None
    assert not PART_OUTPUTS & examine(taught.data, "taught").outputs
    assert taught.card.notes[-1].endswith("Parts of films are not looked at again.")
    from_whole = teach_model(
        train(replace(tiny, steps=2), films, tmp_path / "r2", begin=model), films, model, worse=1.0
    )
    assert "not looked at again" not in from_whole.card.notes[-1]


def _exported(checkpoint, films, head):
    """Export with a second look in any case: which finds more is not what is asked here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EXPORT, "best_vote", lambda seen, _: (VOTE_IOU, float(_has_parts(seen))))
        return export_model(checkpoint, films, parts=head, fine=films)


def _has_parts(seen):
    return sum(len(each.scores) for film in seen.found for each in film)


def test_a_head_that_finds_no_more_is_left_out(learnt, model, films):
    base = open_checkpoint(model)
    head = parts_head(learnt.config, learnt.network, base.network, learnt.terms)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EXPORT, "best_vote", lambda *_: (VOTE_IOU, 0.5))
        made = export_model(base, films, parts=head, fine=films)
    assert made.card.second_look is None
    assert not {"part_boxes", "part_scores"} & made.largest.keys()


def test_a_run_with_another_backbone_is_refused(learnt, tiny, films, tmp_path):
    other = train(replace(tiny, steps=1, seed=9), films, tmp_path / "other")
    with pytest.raises(InputError, match="another backbone"):
        parts_head(learnt.config, learnt.network, other.network, learnt.terms)


def test_a_part_is_shown_as_large_as_a_film(model, films):
    """Without a head for parts the one for whole films is asked, for the labels that are looked for."""
    detector, look = load_detector(model), SecondLook(("edema",), 64)
    looking = detector.with_card(replace(detector.card, second_look=look))
    (left, _) = parts(plain(films.pixels[:1], 64).numpy()[0, 0], look, 64)
    boxes, scores = looking.run_part(left)
    raw = detector.run(left)
    np.testing.assert_array_equal(boxes, raw.boxes)
    np.testing.assert_array_equal(scores[:, 0], raw.scores[:, 1])
    assert detector.run_part(left)[1].shape == (len(boxes), 0)  # its card has no second look


def test_the_settings_that_the_project_keeps_for_it_are_good():
    assert TrainConfig.from_toml(Path(__file__).parents[2] / "tools" / "parts.toml").crop_share == 1.0
