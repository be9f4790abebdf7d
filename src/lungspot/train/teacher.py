"""What other networks say of the films that this one is to learn from: self-training and distillation.

Two things are taken from a committee of teachers, each of whom also looks at the film's mirror image:

- **boxes** of a label that is known to be on a film and that nobody boxed (self-training; Sohn et al. 2020): those that
  score at least :data:`LEAST`, and half of the best. The label stays ``present``, so that a place without a box is not
  pushed down for it;
- the **film's probability** of every label (distillation; Hinton et al. 2015), with which doubtful and unknown states
  are taught (``soft_share`` and ``soft_unknown`` of the config), but for :data:`SOURCED`.

And from the network that a run begins with **outlines** of lungs, into which made nodules are pasted
(:func:`outline_lungs`), or hints where heart and lungs are (:func:`hint_organs`).

Only films of train are asked about: no teacher tells anything about val or test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from lungspot.detect import is_plausible, organ_box
from lungspot.findings import ABSENT, PRESENT, Frame, taxonomy
from lungspot.formats import Split
from lungspot.train.augment import plain
from lungspot.train.data import FINE, OUTLINE, Films
from lungspot.train.model import Network, Output
from lungspot.train.validate import Found, predict

__all__ = ["LEAST", "SOURCED", "Committee", "PseudoLabels", "ask", "hint_organs", "outline_lungs", "teach"]

LEAST: Final = 0.15  # of a box's score times the film's probability
# Diseases of one germ: here the source is the label (no negatives of TBX11K, no NIH film of 2020), and a teacher would
# teach the source.
SOURCED: Final = frozenset(label.id for label in taxonomy() if label.germ is not None)
_MOST: Final = 3  # boxes a label and film
_BACKGROUND: Final = 8  # of 255: less is believed to be neither heart nor lung
_UNBELIEVED: Final = 128


class Committee(nn.Module):
    """Several networks as one: all of their boxes, the mean of the films' probabilities; the rest is the first's.

    ``opinions``: more networks, which have a say on the films' probabilities alone.
    """

    def __init__(self, members: Sequence[nn.Module], opinions: Sequence[nn.Module] = ()) -> None:
        super().__init__()
        self.members, self.opinions = nn.ModuleList(members), nn.ModuleList(opinions)

    def forward(self, image: Tensor) -> Output:
        """Return what the committee says about films (N, 1, S, S)."""
        said: list[Output] = [member(image) for member in self.members]
        films = [one.image for one in said] + [opinion(image).image for opinion in self.opinions]
        mean = torch.stack([film.sigmoid() for film in films]).mean(0)
        boxes, scores = torch.cat([one.boxes for one in said], 1), torch.cat([one.scores for one in said], 1)
        return replace(said[0], boxes=boxes, scores=scores, image=mean.logit(eps=1e-6))


@dataclass(frozen=True, slots=True)
class PseudoLabels:
    """What a teacher adds to N films. ``soft``: float32 (N, C), NaN where it was not asked.

    K boxes, float32 (K, 4), as fractions of the film that ``film`` (K,) numbers, of ``label`` (K,).
    """

    soft: NDArray[np.float32]
    boxes: NDArray[np.float32]
    film: NDArray[np.int64]
    label: NDArray[np.int64]


def ask(teacher: nn.Module, films: Films, labels: Sequence[str], size: int) -> PseudoLabels:
    """Return what the teacher, looking at ``size`` pixels, says of the films of train."""
    train = films.of(Split.TRAIN)
    said = predict(teacher, films, train, size)
    soft = np.full((len(films), len(labels)), np.nan, dtype=np.float32)
    soft[train] = np.where([label in SOURCED for label in labels], np.nan, said.image)
    boxable = {int(label) for film in films.films for label in film.labels}
    found = []
    for row, index in enumerate(train):
        film = films.films[index]
        for label in boxable:
            if film.states[label] == PRESENT and not (film.labels == label).any():
                boxes = _best(said.found[row][label], float(said.image[row, label]))
                found += [(box, index, label) for box in boxes]
    corners, owners, names = zip(*found, strict=True) if found else ((), (), ())
    boxes = np.array(corners, dtype=np.float32).reshape(-1, 4)
    return PseudoLabels(soft, boxes, np.array(owners, dtype=np.int64), np.array(names, dtype=np.int64))


def teach(films: Films, answers: PseudoLabels) -> Films:
    """Return the films with what the teacher added to each."""
    known = []
    for number, film in enumerate(films.films):
        mine = answers.film == number
        boxes = np.concatenate((film.boxes, answers.boxes[mine]))
        owners = np.concatenate((film.labels, answers.label[mine]))
        soft = answers.soft[number]
        known.append(replace(film, boxes=boxes, labels=owners, soft=soft if np.isfinite(soft).any() else None))
    return Films(tuple(known), films.pixels)


def _best(found: Found, probability: float) -> NDArray[np.float32]:
    scores = found.scores * probability
    if not len(scores) or scores.max() < LEAST:
        return np.zeros((0, 4), np.float32)
    chosen = scores >= max(LEAST, scores.max() / 2)
    return np.asarray(found.boxes[chosen][:_MOST], dtype=np.float32)


def outline_lungs(films: Films, network: Network, label: int, size: int) -> Films:
    """Return the films with a network's outlines where nobody drew any and people found no ``label``.

    Made nodules are pasted into lungs (:mod:`lungspot.train.lesions`). Only films of train that are fine enough to be
    shown in part are asked about, and none where the network knows no anatomy.
    """
    if network.anatomy is None:
        return films
    known = list(films.films)
    for i in films.of(Split.TRAIN):
        film = known[i]
        if film.outlines is None and film.stored >= FINE and film.states[label] == ABSENT:
            known[i] = replace(film, outlines=_asked(network, films, i, size)[0])
    return replace(films, films=tuple(known))


def hint_organs(films: Films, network: Network, size: int) -> Films:
    """Return the films with what a network says of heart and lungs where nobody outlined them.

    Of a film that shows nothing the hint counts as its outlines where heart and lungs lie as in a chest; where they do
    not, the background alone is believed. Only films of train are asked about, none if the network knows no anatomy.
    """
    if network.anatomy is None:
        return films
    known = list(films.films)
    for i in films.of(Split.TRAIN):
        film = known[i]
        if film.outlines is None:
            hint, plausible = _asked(network, films, i, size)
            shown = bool((film.states >= PRESENT).any()) or not (film.states == ABSENT).any()
            if plausible:
                known[i] = replace(film, hint=hint, outlines=None if shown else hint)
            else:
                known[i] = replace(film, hint=np.where(hint < _BACKGROUND, hint, _UNBELIEVED).astype(np.uint8))
    return replace(films, films=tuple(known))


def _asked(network: Network, films: Films, index: int, size: int) -> tuple[NDArray[np.uint8], bool]:
    """Return a network's outlines of a film, and whether heart and lungs lie as in a chest."""
    with torch.inference_mode():
        organs = network.eval()(plain(films.pixels[index : index + 1], size)).organs.sigmoid()
    grown = functional.interpolate(organs, (OUTLINE, OUTLINE), mode="bilinear", align_corners=False)
    boxes = [organ_box(each, Frame(size, size)) for each in organs[0].numpy()]
    return (grown[0] * 255).byte().numpy(), is_plausible(*boxes)
