"""What the optimiser of a run learns, how fast, and how fast the average follows."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from lungspot.train.config import TrainConfig
from lungspot.train.model import Network

__all__ = ["kept_share", "parameter_groups", "rate_at"]


def parameter_groups(network: Network, config: TrainConfig) -> list[dict[str, Any]]:
    """Return the optimiser's groups of what learns: the backbone at a ``share`` of the rate, and matrices decay."""
    parts: dict[tuple[bool, bool], list[Tensor]] = {}
    for name, value in network.named_parameters():
        if value.requires_grad:
            parts.setdefault((name.startswith("backbone."), value.ndim > 1), []).append(value)
    return [
        {
            "params": values,
            "share": config.backbone_rate if backbone else 1.0,
            "weight_decay": config.weight_decay if matrix else 0.0,
        }
        for (backbone, matrix), values in parts.items()
    ]


def rate_at(config: TrainConfig, step: int, done: float) -> float:
    """Return the learning rate at a step, where ``done`` (0 to 1) of the run is: it rises, then falls as a cosine."""
    warm = min(1.0, (step + 1) / max(config.warmup, 1))
    return warm * (config.final_rate + (config.rate - config.final_rate) * (1 + math.cos(math.pi * done)) / 2)


def kept_share(ema: float, count: int) -> float:
    """Return how much of the average stays at an update: less while it is young (``count`` updates old)."""
    return min(ema, (1 + count) / (10 + count))
