"""Two small networks that say whether a picture is a mirror image: the heart points to the picture's left.

The detector learns from mirrored films too, so its features hardly tell them apart; these see the picture itself, as
the gate does, and stand beside the gate in one file. Each may only use the difference between what speaks for a film
and what speaks for the film in a mirror; they learn from different draws, and their mean counts. Letters at the edge
(L, R, names) are covered at random while they learn, for a film without them must be known too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as nnf
from numpy.typing import NDArray
from torch import Tensor, nn

from lungspot.train.gate_films import SIZE, GateFilms, equalise, sample_sides
from lungspot.train.small_nets import Shrink, convolutions, learn, require_films, shrunk

__all__ = ["SideNet", "fit_sides", "judge_sides"]

_WIDTH: Final = 12
_PLAN: Final = ((1, 1, 2), (1, 2, 2), (2, 2, 1), (2, 4, 2), (4, 4, 1), (4, 6, 2))
_ZOOMS: Final = (1.0, 1.12, 0.92)  # looked at so large, each from the middle; the answer is the mean (training-log.md)
_NETWORKS: Final = 2
_CERTAIN: Final = 0.99  # the most that a film's label is taken for: some are stored in a mirror, some hearts lie right


class _Asymmetry(nn.Module):
    """What speaks for a mirror image in pictures (N, 1, 96, 96), less what does when they are mirrored: (N, 1)."""

    def __init__(self) -> None:
        super().__init__()
        places = (SIZE // 16) ** 2
        self.body = nn.Sequential(*convolutions(_PLAN, _WIDTH), nn.Flatten(), nn.Dropout(0.3))
        self.head = nn.Linear(_PLAN[-1][1] * _WIDTH * places, 1)  # its bias counts for nothing

    def forward(self, seen: Tensor) -> Tensor:
        difference: Tensor = self.head(self.body(seen)) - self.head(self.body(seen.flip(3)))
        return difference


class SideNet(nn.Module):
    """For inputs of ``input_size`` pixels; float (N, 1, S, S), 0 to 1, gives (N,) logits of a mirror image.

    The mean of ``count`` networks. While they learn they see a picture once, and else in three sizes.
    """

    def __init__(self, input_size: int = SIZE, count: int = 1) -> None:
        super().__init__()
        self.shrink = Shrink(input_size)
        self.register_buffer("zooms", torch.stack([_zoomed(by) for by in _ZOOMS]), persistent=False)
        self.networks = nn.ModuleList(_Asymmetry() for _ in range(count))

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits; those of a film and of its mirror image differ in their sign alone."""
        small = self.shrink(image) * 4 - 2
        zooms = list(self.get_buffer("zooms")) if not self.training else []
        seen = torch.cat([rows @ small @ rows.T for rows in zooms]) if zooms else small
        logits = torch.cat([network(seen) for network in self.networks])
        return logits.reshape(len(self.networks) * max(len(zooms), 1), -1).mean(0)


def _zoomed(by: float) -> Tensor:
    """Return the rows (96, 96) by which a picture grows from its middle; what lies outside is as its edge."""
    at = ((torch.arange(SIZE) - (SIZE - 1) / 2) / by + (SIZE - 1) / 2).clamp(0, SIZE - 1)
    places = torch.arange(SIZE)
    return (1 - (at[:, None] - places).abs()).clamp(min=0)


def fit_sides(
    films: GateFilms,
    *,
    steps: int = 5000,
    batch: int = 64,
    seed: int = 0,
    watch: Callable[[int, float], None] | None = None,
) -> SideNet:
    """Return two networks trained on the ``train`` split, one after the other, each for ``steps``.

    ``seed``: of the first, one more is the second's. ``watch`` is called with every hundredth step and its loss. Raises
    ``DATASET_INCOMPLETE`` without films to train on.
    """
    require_films(films)

    def learnt(seed: int) -> SideNet:
        torch.manual_seed(seed)
        random = np.random.default_rng(seed)
        net = SideNet()

        def loss() -> Tensor:
            images, mirrored = sample_sides(films, batch, random)
            return nnf.binary_cross_entropy_with_logits(net(images), mirrored.float().clamp(1 - _CERTAIN, _CERTAIN))

        return learn(net, loss, steps, rising=min(0.05, 200 / steps), longest=math.inf, keep=_kept, watch=watch)

    both = SideNet(count=0)
    for number in range(_NETWORKS):
        both.networks.extend(learnt(seed + number).networks)
    return both.eval()


def _kept(updates: int) -> float:
    return 0.998 if updates else 0.0


@torch.no_grad()
def judge_sides(net: SideNet, films: GateFilms) -> dict[str, Any]:
    """Return by split the share of films, as they are stored, that are told from their mirror images."""
    net.eval()
    told = {}
    for split in ("val", "test"):
        chosen: NDArray[np.intp] = films.of(split)
        if len(chosen):
            parts = np.array_split(chosen, max(len(chosen) // 256, 1))
            logits = torch.cat([net(equalise(shrunk(films.pixels[part]))) for part in parts])
            told[split] = round(float((logits < 0).float().mean()), 5)
    return told
