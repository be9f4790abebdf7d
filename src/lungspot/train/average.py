"""One network out of several runs that began with the same weights: the mean of their weights.

Runs that begin together end in one basin of the loss, and the mean of their weights is often better than any of them
("model soups", Wortsman et al. 2022), at the price of one network. Runs that began apart have no such mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import or_

import torch

from lungspot.errors import InputError
from lungspot.train.loop import Checkpoint
from lungspot.train.onnx_export import folded

__all__ = ["average_weights"]


def average_weights(checkpoints: Sequence[Checkpoint]) -> Checkpoint:
    """Return the first checkpoint with the mean of the networks' weights, batch normalisations folded before.

    Its terms are those of all. Folded, weights can be compared: a run that began with a model file has normalisations
    of its own. Raises ``BAD_VALUE`` where the networks have other labels or another shape.
    """
    first = checkpoints[0]
    networks = [folded(one.network) for one in checkpoints]
    states = [network.state_dict() for network in networks]
    for one, state in zip(checkpoints[1:], states[1:], strict=True):
        if one.config.labels != first.config.labels:
            raise InputError("BAD_VALUE", "average", f"a network has the labels {', '.join(one.config.labels)}")
        if {k: v.shape for k, v in state.items()} != {k: v.shape for k, v in states[0].items()}:
            raise InputError("BAD_VALUE", "average", "a network has another shape; runs that began together have one")
    mean = {name: torch.stack([state[name].float() for state in states]).mean(0) for name in states[0]}
    networks[0].load_state_dict(mean)
    return replace(first, network=networks[0], terms=reduce(or_, (one.terms for one in checkpoints)))
