"""Heads for heart and lungs that learnt anew, beside those of a network that stays as it is (tools/outlines.toml).

The mean of what old and new heads say of a place outlines better than either, and heads this small cost little.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import torch
from torch import Tensor

from lungspot.errors import InputError
from lungspot.train.loop import Checkpoint
from lungspot.train.model import Network
from lungspot.train.onnx_export import folded
from lungspot.train.parts import require_same_backbone

__all__ = ["with_outlines"]

_LEARN: Final = ("anatomy",)
_PART: Final = "anatomy.outline."
_OWN: Final = (0.65, 0.5, 0.5)  # how much the checkpoint's heart and lungs count, chosen on val (training-log.md)
_LAST: Final = f"{_PART}2."  # the layer whose outputs are the logits; each head has inputs of its own in it


def with_outlines(checkpoint: Checkpoint, run: Checkpoint) -> Checkpoint:
    """Return a checkpoint whose outlines of heart and lungs are the mean of its own logits and those of ``run``.

    The terms are those of both. Raises ``BAD_VALUE`` where one of the two knows no anatomy, where more than that learnt
    in the run, or where their backbones differ.
    """
    network, learnt = folded(checkpoint.network), folded(run.network)
    advice = "begin the run with the model, and let only the anatomy learn (tools/outlines.toml)"
    if network.anatomy is None or learnt.anatomy is None:
        raise InputError("BAD_VALUE", "outlines", "the run or the model knows no anatomy", advice=advice)
    if run.config.learn != _LEARN:
        raise InputError("BAD_VALUE", "outlines", "more than the anatomy learnt in the run", advice=advice)
    require_same_backbone(learnt, network, "outlines", advice)
    state, added = network.state_dict(), learnt.state_dict()

    def joined(name: str) -> Tensor:
        own, new = state[name], added[name]
        if not name.startswith(_LAST):
            return torch.cat((own, new))
        share = torch.tensor(_OWN).reshape(-1, *[1] * (own.ndim - 1))
        own, new = own * share, new * (1 - share)
        return own + new if name.endswith("bias") else torch.cat((own, new), 1)

    config = replace(checkpoint.config, outlines=checkpoint.config.outlines + run.config.outlines)
    both = folded(Network(config))
    both.load_state_dict(state | {name: joined(name) for name in state if name.startswith(_PART)})
    return replace(checkpoint, config=config, network=both, terms=checkpoint.terms | run.terms)
