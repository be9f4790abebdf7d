"""The terms of all that a model learnt from stand in its card, on whatever way that came in."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from lungspot.datasets import terms_of
from lungspot.detect import ModelCard, SecondLook, load_detector
from lungspot.formats import Split
from lungspot.train import average_weights, export_model, load_gate, open_checkpoint, parts_head, save_gate
from lungspot.train.data import Films
from lungspot.train.gate import GateNet, judge_gate, learn_gate
from lungspot.train.gate_films import PACKED, GateFilms, _films
from lungspot.train.loop import load_checkpoint, train
from lungspot.train.onnx_export import LargestDifferences
from lungspot.train.start import run
from lungspot.train.teach import teach_model
from lungspot.train.terms import NO_TERMS, Terms, card_terms, dataset_terms, film_terms
from lungspot.train.validate import ask

EXPORT = sys.modules[export_model.__module__]  # whose name in its room is that of the function
FREE, BOUND = "hannover", "tbx11k"  # CC BY 3.0; research, non-commercial
(OF_FREE,), (OF_BOUND,) = terms_of([FREE]), terms_of([BOUND])


@pytest.fixture(scope="module")
def films(generated_films):
    return _of(generated_films, FREE)


@pytest.fixture(scope="module")
def bound_run(tiny, generated_films, tmp_path_factory):
    """A run that learnt from films for research alone."""
    folder = tmp_path_factory.mktemp("bound") / "run"
    train(replace(tiny, steps=1), _of(generated_films, BOUND), folder)
    return folder


@pytest.fixture(scope="module")
def bound_model(bound_run, films, tmp_path_factory):
    """A model file of that run, exported with films that are free."""
    (path := tmp_path_factory.mktemp("model") / "model.onnx").write_bytes(
        export_model(open_checkpoint(bound_run), films).data
    )
    return path


@pytest.fixture(scope="module")
def free(tiny, films, tmp_path_factory):
    return train(replace(tiny, steps=1), films, tmp_path_factory.mktemp("free"))


@pytest.fixture(scope="module")
def gate_films():
    pixels = np.random.default_rng(0).integers(0, 255, (6, PACKED, PACKED)).astype(np.uint8)
    return GateFilms(pixels, np.array(["film"] * 6), np.array(["train", "val", "test"] * 2))


@pytest.fixture(scope="module")
def free_model(free, films, tmp_path_factory):
    """A model file that learnt from free films alone."""
    (path := tmp_path_factory.mktemp("model") / "free.onnx").write_bytes(export_model(free, films).data)
    return path


def _of(films, *names):
    return Films(tuple(replace(film, datasets=frozenset(names)) for film in films.films[:16]), films.pixels[:16])


def _card_of(checkpoint, films, made, **named):
    """Export for the card alone: its numbers are those of a file ``made`` before, for building one takes a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EXPORT, "build", lambda *_: made)
        patch.setattr(EXPORT, "compare_outputs", lambda *_: LargestDifferences(0, {}))
        return export_model(checkpoint, films, **named).card


def _assert_bound(card):
    assert card.licence == dataset_terms([BOUND]).licence
    assert card.terms == f"{OF_BOUND} {OF_FREE}"


def _assert_both(checkpoint):
    """Check what an export puts in a card, without one, which takes seconds."""
    assert checkpoint.terms.licence == dataset_terms([BOUND]).licence
    assert checkpoint.terms.text == f"{OF_BOUND} {OF_FREE}"


def test_a_free_model_is_free(free_model):
    card = load_detector(free_model).card
    assert (card.licence, card.terms) == (dataset_terms([FREE]).licence, OF_FREE)
    assert "non-commercial" not in card.licence


def test_a_runs_own_films_count_whatever_it_is_exported_with(bound_run, bound_model):
    _assert_bound(load_detector(bound_model).card)
    assert json.loads((bound_run / "run.json").read_text())["terms"] == dataset_terms([BOUND]).to_dict()


def test_a_model_file_is_exported_anew_with_its_own(bound_model):
    _assert_both(open_checkpoint(bound_model))


@pytest.mark.parametrize("begin", ["bound_run", "bound_model"])
def test_a_run_keeps_those_of_what_it_began_with(begin, tiny, films, tmp_path, request):
    begin = request.getfixturevalue(begin)
    end = train(replace(tiny, steps=1), films, tmp_path / "run", begin=begin)
    _assert_both(end)
    _assert_both(open_checkpoint(tmp_path / "run"))
    train(replace(tiny, steps=1), films, tmp_path / "run", resume=True)  # resumed without being told again
    _assert_both(load_checkpoint(tmp_path / "run"))


@pytest.mark.parametrize("teacher", ["bound_run", "bound_model"])
def test_a_teacher_brings_its_own(teacher, tiny, films, tmp_path, monkeypatch, request):
    monkeypatch.setattr("lungspot.train.start.gather", lambda *_: (films, ()))
    run(replace(tiny, steps=1), tmp_path, tmp_path / "run", teachers=[request.getfixturevalue(teacher)])
    _assert_both(open_checkpoint(tmp_path / "run"))


def test_another_opinion_brings_its_own(free, free_model, bound_run, films):
    _assert_bound(_card_of(free, films, free_model.read_bytes(), opinion=load_checkpoint(bound_run)))


def test_a_mean_has_those_of_every_run(free, bound_run):
    _assert_both(average_weights([free, load_checkpoint(bound_run)]))


@pytest.mark.parametrize("kept", [True, False])
def test_parts_bring_their_own_where_they_are_kept(kept, tiny, free, free_model, films, monkeypatch):
    head = parts_head(replace(tiny, labels=("effusion", "edema")), free.network, free.network, dataset_terms([BOUND]))
    look = SecondLook(("effusion",), 64, 384) if kept else None
    monkeypatch.setattr(EXPORT, "_looked", _as_if(look, films))
    card = _card_of(free, films, free_model.read_bytes(), parts=head, fine=films)
    if kept:
        _assert_bound(card)
    else:
        assert card.terms == OF_FREE


def _as_if(look, films):
    """Return what finds that parts are to be looked at, or not, without looking."""

    def looked(answer, _part, _films, _fine, card, **_):
        return ask(answer, films, films.of(Split.VAL), card.input_size), look

    return looked


def test_a_gate_brings_its_own_from_a_file_of_its_own_and_from_a_model(free, films, gate_films, tmp_path):
    net = learn_gate(replace(gate_films, datasets=frozenset({BOUND})), steps=1, side_steps=1).net
    save_gate(tmp_path / "gate.npz", net, judge_gate(net, gate_films))
    made = export_model(free, films, gate=load_gate(tmp_path / "gate.npz", 64))
    _assert_bound(made.card)
    (path := tmp_path / "model.onnx").write_bytes(made.data)
    _assert_bound(_card_of(free, films, made.data, gate=load_gate(path, 64)))


def test_a_gate_that_is_kept_keeps_its_own(gate_films, tmp_path):
    net = GateNet()
    net.terms = dataset_terms([BOUND])
    save_gate(tmp_path / "gate.npz", net, judge_gate(net, gate_films))
    found = learn_gate(replace(gate_films, datasets=frozenset({FREE})), tmp_path / "gate.npz", side_steps=1)
    assert set(found.net.terms.lines) == {OF_BOUND, OF_FREE}


def test_a_gates_films_are_of_the_sets_whose_folders_they_lie_in():
    rows = [("hannover/a.png", "film", "train"), ("tb-extra/b.png", "film", "train"), ("mine/c.png", "film", "train")]
    of_others = [("tbx11k/d.png", "film", "val"), ("ood/jsrt/e.png", "lateral", "train")]
    pixels = np.zeros((5, 4, 4), np.uint8)
    assert _films(pixels, [*rows, *of_others], np.ones(5, bool)).datasets == {"hannover", "nlm_tb"}
    inner = [("tb-extra/dadb/b.png", "film", "train")]
    assert _films(pixels[:1], inner, np.ones(1, bool)).datasets == {"dadb"}


def test_a_taught_model_has_those_of_its_run_too(tiny, films, free_model, bound_model, tmp_path):
    """A site's films have none of a publisher's; what else the run began with does."""
    path = free_model
    ends = [train(replace(tiny, steps=1), _of(films, "coco"), tmp_path / x.stem, begin=x) for x in (path, bound_model)]
    plain, bound = (teach_model(end, films, path, worse=1.0).card for end in ends)
    assert plain.terms == OF_FREE
    _assert_bound(bound)


def test_runs_and_gates_from_before_are_opened_and_have_none(bound_run, films, gate_films, tmp_path):
    state = torch.load(bound_run / "last.pt", weights_only=True)
    del state["terms"]
    torch.save(state, tmp_path / "last.pt")
    old = load_checkpoint(tmp_path)
    assert old.terms == NO_TERMS
    train(old.config, _of(films, FREE), tmp_path, resume=True)
    assert load_checkpoint(tmp_path).terms == film_terms(films)
    save_gate(tmp_path / "gate.npz", GateNet(), judge_gate(GateNet(), gate_films))
    with np.load(tmp_path / "gate.npz") as packed:
        arrays = dict(packed)
    about = json.loads(str(arrays["card"]))
    del about["terms"]
    np.savez(tmp_path / "old.npz", **{**arrays, "card": np.array(json.dumps(about))})
    assert load_gate(tmp_path / "old.npz")[0].terms == NO_TERMS


def test_a_card_is_taken_apart_and_put_together_without_doubles():
    own = Terms(("Weights: MIT.",), ("my films: ask me.", "others: ask them."))
    both = own | dataset_terms([FREE]) | dataset_terms([BOUND])
    card = ModelCard("m", "1", ("edema",), 64, licence=both.licence, terms=both.text)
    assert card.licence == f"Weights: MIT. {dataset_terms([BOUND]).licence}"
    assert card.terms == f"{OF_BOUND} {OF_FREE} my films: ask me. others: ask them."
    again = card_terms(card)
    assert (again.licence, again.text) == (f"{dataset_terms([BOUND]).licence} Weights: MIT.", card.terms)
    for more in (own, dataset_terms([FREE]), again):
        assert ((again | more).licence, (again | more).text) == (again.licence, card.terms)
    assert Terms.from_dict(json.loads(json.dumps(own.to_dict()))) == own


def test_a_card_that_names_a_set_for_research_alone_is_bound_whatever_its_licence_says():
    card = ModelCard("m", "1", ("edema",), 64, licence="", terms=OF_BOUND)
    assert card_terms(card).licence == dataset_terms([BOUND]).licence
    assert card_terms(replace(card, terms="")) == NO_TERMS
