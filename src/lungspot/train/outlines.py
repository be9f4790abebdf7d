"""Heads for heart and lungs that learnt anew, on a network whose other parts stay as they are (tools/outlines.toml)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from lungspot.errors import InputError
from lungspot.train.loop import Checkpoint
from lungspot.train.onnx_export import folded
from lungspot.train.parts import require_same_backbone

__all__ = ["with_outlines"]

_LEARN: Final = ("anatomy",)


def with_outlines(checkpoint: Checkpoint, run: Checkpoint) -> Checkpoint:
    """Return a checkpoint that outlines heart and lungs as ``run`` learnt to; its terms are those of both.

    Raises ``BAD_VALUE`` where one of the two knows no anatomy, where more than that learnt in the run, or where their
    backbones differ.
    """
    network, learnt = folded(checkpoint.network), folded(run.network)
    advice = "begin the run with the model, and let only the anatomy learn (tools/outlines.toml)"
    if network.anatomy is None or learnt.anatomy is None:
        raise InputError("BAD_VALUE", "outlines", "the run or the model knows no anatomy", advice=advice)
    if run.config.learn != _LEARN:
        raise InputError("BAD_VALUE", "outlines", "more than the anatomy learnt in the run", advice=advice)
    require_same_backbone(learnt, network, "outlines", advice)
    network.anatomy = learnt.anatomy
    return replace(checkpoint, network=network, terms=checkpoint.terms | run.terms)
