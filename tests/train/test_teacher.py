from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from lungspot.findings import ABSENT, DISEASES, PRESENT, UNKNOWN
from lungspot.formats.case import Split
from lungspot.train.augment import plain
from lungspot.train.data import OUTLINE, Films
from lungspot.train.loop import train
from lungspot.train.model import Mirrored, Network, Output, points
from lungspot.train.teacher import LEAST, SOURCED, Committee, ask, hint_organs, outline_lungs, teach

LABELS = ("effusion", "edema")
SIZE = 64


class Sure(nn.Module):
    """A teacher who sees on every film one effusion of its own making, with a score of its own."""

    def __init__(self, score, film=0.9):
        super().__init__()
        self.score, self.film = score, film

    def forward(self, image):
        count = len(points(SIZE, SIZE)[0])
        boxes = torch.zeros(len(image), count, 4)
        boxes[:, 0] = torch.tensor([8.0, 16.0, 24.0, 40.0])
        scores = torch.full((len(image), count, 2), -20.0)
        scores[:, 0] = torch.tensor(self.score).logit()
        says = torch.tensor([[self.film, 0.3]]).logit().expand(len(image), 2)
        return Output(boxes, scores, says, torch.zeros(len(image), 2, 4, 4), torch.zeros(len(image), 8))


def present(films):
    """Take the boxes away: effusion is present where it was boxed."""
    bare = [
        replace(f, boxes=f.boxes[:0], labels=f.labels[:0], states=np.minimum(f.states, PRESENT)) for f in films.films
    ]
    bare[0] = films.films[0]  # one film is boxed, so that the label can be
    return Films(tuple(bare), films.pixels)


def test_a_committee_has_all_boxes_and_the_mean_of_its_members(tiny):
    one, two = Network(tiny).eval(), Network(tiny).eval()
    films = torch.rand(2, 1, SIZE, SIZE)
    with torch.no_grad():
        said, first, second = Committee([one, two])(films), one(films), two(films)
    assert torch.equal(said.boxes, torch.cat((first.boxes, second.boxes), 1))
    assert torch.equal(said.scores, torch.cat((first.scores, second.scores), 1))
    torch.testing.assert_close(said.image.sigmoid(), (first.image.sigmoid() + second.image.sigmoid()) / 2)
    assert torch.equal(said.maps, first.maps)


def test_an_opinion_counts_on_the_film_alone(tiny):
    """A model file's second network has no box head: what it would box is drawn by lot."""
    one, other, films = Network(tiny).eval(), Network(tiny).eval(), torch.rand(2, 1, SIZE, SIZE)
    with torch.no_grad():
        said, alone, second = Committee([one], [other])(films), one(films), other(films)
    assert torch.equal(said.boxes, alone.boxes)
    assert torch.equal(said.scores, alone.scores)
    torch.testing.assert_close(said.image.sigmoid(), (alone.image.sigmoid() + second.image.sigmoid()) / 2)


def test_a_teacher_boxes_what_is_there_and_not_boxed(generated_films):
    films = present(generated_films)
    told = teach(films, ask(Sure(0.8), films, LABELS, SIZE))
    gained = 0
    for before, after in zip(films.films, told.films, strict=True):
        assert after.states.tolist() == before.states.tolist()
        if before.split is not Split.TRAIN:
            assert after.soft is None
        else:
            np.testing.assert_allclose(after.soft, [0.9, 0.3], atol=0.01)
        if before.split is Split.TRAIN and before.states[0] == PRESENT:
            np.testing.assert_allclose(after.boxes, [[8 / 64, 16 / 64, 24 / 64, 40 / 64]], atol=1e-3)
            assert after.labels.tolist() == [0]
            gained += 1
        else:
            assert after.labels.tolist() == before.labels.tolist()
    assert gained > 3


@pytest.mark.parametrize("score", [LEAST - 0.01, 0.01])
def test_an_unsure_teacher_boxes_nothing(generated_films, score):
    films = present(generated_films)
    assert not len(ask(Sure(score, 0.999), films, LABELS, SIZE).boxes)


def test_of_what_is_detected_two_diseases_are_known_by_their_source():
    assert set(DISEASES) & SOURCED == {"tuberculosis", "covid19"}
    assert {"tuberculosis_active", "tuberculosis_old"} < SOURCED  # of the same germ and the same films


def test_a_teacher_is_not_asked_where_the_source_is_the_label(generated_films):
    labels = ("tuberculosis", "edema")
    soft = ask(Sure(0.8), present(generated_films), labels, SIZE).soft
    train = generated_films.of(Split.TRAIN)
    assert np.isnan(soft[:, 0]).all()
    assert np.isfinite(soft[train, 1]).all()
    assert {"tuberculosis", "covid19"} < set(DISEASES)


def test_a_run_learns_from_what_it_was_told(tiny, generated_films, tmp_path):
    told = teach(generated_films, ask(Sure(0.8), generated_films, LABELS, SIZE))
    first = train(replace(tiny, soft_unknown=1.0, steps=20, rate=1e-2), generated_films, tmp_path / "a")
    second = train(replace(tiny, soft_unknown=1.0, steps=20, rate=1e-2), told, tmp_path / "b")
    films = plain(generated_films.pixels[:4], SIZE)
    with torch.no_grad():
        assert not torch.equal(first.network(films).image, second.network(films).image)
        assert Mirrored(second.network, SIZE)(films).image.isfinite().all()


def test_lungs_are_outlined_where_nobody_did_and_a_nodule_may_be_pasted(tiny, generated_films):
    told = {"outlines": None, "stored": 512, "split": Split.TRAIN, "states": np.array([ABSENT, UNKNOWN])}
    base = replace(generated_films.films[0], **told)
    drawn = np.full((3, OUTLINE, OUTLINE), 255, np.uint8)
    others = {
        "coarse": replace(base, stored=128),
        "of val": replace(base, split=Split.VAL),
        "not looked for": replace(base, states=np.array([UNKNOWN, ABSENT])),
        "outlined": replace(base, outlines=drawn),
    }
    films = Films((base, *others.values()), generated_films.pixels[: 1 + len(others)])
    network = Network(tiny)
    known = outline_lungs(films, network, 0, SIZE).films
    with torch.inference_mode():
        organs = network.eval()(plain(films.pixels[:1], SIZE)).organs.sigmoid()[0]
    assert known[0].outlines.shape == (3, OUTLINE, OUTLINE)
    said = known[0].outlines.reshape(3, 8, OUTLINE // 8, 8, OUTLINE // 8).mean((2, 4)) / 255
    np.testing.assert_allclose(said, organs, atol=0.05)
    assert known[1:] == films.films[1:]
    without = Network(replace(tiny, anatomy=False))
    assert outline_lungs(films, without, 0, SIZE) is films


@pytest.mark.parametrize("plausible", [True, False])
def test_a_hint_counts_as_outlines_where_a_film_shows_nothing(tiny, generated_films, plausible, monkeypatch):
    monkeypatch.setattr("lungspot.train.teacher.is_plausible", lambda *_: plausible)
    base = replace(generated_films.films[0], outlines=None, split=Split.TRAIN, states=np.array([ABSENT, UNKNOWN]))
    films = Films(
        (
            base,
            replace(base, states=np.array([ABSENT, PRESENT])),
            replace(base, states=np.array([UNKNOWN, UNKNOWN])),
            replace(base, split=Split.VAL),
            generated_films.films[0],
        ),
        generated_films.pixels[:5],
    )
    network = Network(tiny)
    clear, ill, unknown, of_val, outlined = hint_organs(films, network, SIZE).films
    assert (of_val, outlined) == (films.films[3], films.films[4])
    assert ill.outlines is unknown.outlines is None
    for film in (clear, ill, unknown):
        assert film.hint.shape == (3, OUTLINE, OUTLINE)
        assert plausible or ((film.hint < 8) | (film.hint == 128)).all()
    assert (clear.outlines is clear.hint) if plausible else clear.outlines is None
    assert hint_organs(films, Network(replace(tiny, anatomy=False)), SIZE) is films
