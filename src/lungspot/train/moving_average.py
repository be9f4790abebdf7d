"""The moving average of a network that learns: its weights are what is judged, kept and shipped."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

__all__ = ["moving_average"]

_Tensors = tuple[Tensor, ...] | list[Tensor]


def moving_average(
    network: nn.Module, keep: Callable[[int], float], *, device: torch.device | None = None, begun: bool = False
) -> AveragedModel:
    """Return a copy of ``network`` whose weights and statistics follow its own, by ``update_parameters``.

    ``keep``: by the number of updates before, the share of the average, 0 to 1, that stays at an update; whole numbers,
    such as counts of batches, are copied. ``device``: where the copy lies; the network's own if None. ``begun``: the
    weights that the network has now are the average's first ones; else those at the first update are, whatever
    ``keep`` says, and that update counts.
    """

    def follow(mine: _Tensors, theirs: _Tensors, count: Tensor | int) -> None:
        if mine[0].is_floating_point():
            get_ema_multi_avg_fn(keep(int(count) - begun))(mine, theirs, count)  # type: ignore[no-untyped-call]
        else:
            for own, other in zip(mine, theirs, strict=True):
                own.copy_(other)

    average = AveragedModel(network, device, multi_avg_fn=follow, use_buffers=True)
    if begun:
        average.n_averaged.fill_(1)
    return average
