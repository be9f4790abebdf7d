"""What the two small networks beside the detector share: how they see a film, and how they learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lungspot.datasets import SPLITS_FILE
from lungspot.errors import DatasetError
from lungspot.train.gate_films import SIZE, GateFilms, resize
from lungspot.train.moving_average import moving_average

__all__ = ["Shrink", "convolutions", "learn", "require_films", "shrunk"]

Net = TypeVar("Net", bound=nn.Module)

_WATCHED: Final = 100  # steps


class Shrink(nn.Module):
    """Brings pictures (N, 1, S, S) to 96 x 96 by a fixed pair of matrix products, so that standard operators do."""

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        identity = torch.eye(input_size)[None, None]
        rows = nn.functional.interpolate(
            identity, size=(SIZE, input_size), mode="bilinear", align_corners=False, antialias=True
        )
        self.register_buffer("rows", rows[0, 0], persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Return the small pictures."""
        rows = self.get_buffer("rows")
        return image if self.input_size == SIZE else rows @ image @ rows.T


def convolutions(plan: Sequence[tuple[int, int, int]], width: int) -> list[nn.Module]:
    """Return a convolution for each (channels before, after, stride), channels by ``width``; the first is of one."""
    return [
        nn.Sequential(
            nn.Conv2d(1 if index == 0 else before * width, after * width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(after * width),
            nn.ReLU(),
        )
        for index, (before, after, stride) in enumerate(plan)
    ]


def shrunk(pixels: NDArray[np.uint8]) -> Tensor:
    """Return packed films (N, 128, 128) as pictures (N, 1, 96, 96), 0 to 1."""
    return resize(torch.from_numpy(pixels).float()[:, None] / 255, SIZE)


def require_films(films: GateFilms) -> None:
    """Raise ``DATASET_INCOMPLETE`` where there is no film to learn from."""
    if not len(films.of("train")):
        raise DatasetError("DATASET_INCOMPLETE", SPLITS_FILE, "no training film could be read")


def learn(  # noqa: PLR0913 - the recipe
    net: Net,
    loss_of: Callable[[], Tensor],
    steps: int,
    *,
    rising: float,
    longest: float,
    keep: Callable[[int], float],
    watch: Callable[[int, float], None] | None = None,
) -> Net:
    """Return the network whose weights follow those of ``net``, which learns for ``steps`` (AdamW, one cycle).

    ``loss_of``: of the next batch. ``rising``: the share of the steps in which the rate rises. ``longest``: of a
    gradient. ``keep``: by the number of updates before, the share of the average that stays. ``watch`` is called with
    every hundredth step and its loss.
    """
    mean = moving_average(net, keep, begun=True)
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps, pct_start=rising)
    for step in range(steps):
        net.train()
        loss = loss_of()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), longest)
        optimiser.step()
        schedule.step()
        mean.update_parameters(net)
        if watch is not None and step % _WATCHED == 0:
            watch(step, float(loss.detach()))
    return cast("Net", mean.module).eval()
