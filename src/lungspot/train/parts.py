"""A pyramid and a box head of their own for parts of films, beside those for whole films, on the same backbone.

A run learns them that begins with the model, learns the labels for whose sake films are looked at again, is shown parts
alone (``crop_share`` 1) and keeps the backbone as it is (``learn``); tools/parts.toml is one. `lungspot export --parts`
puts them into the model file (:mod:`lungspot.detect.second_look`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor

from lungspot.detect import ModelCard, SecondLook
from lungspot.errors import InputError
from lungspot.train.backbones import BACKBONES
from lungspot.train.config import TrainConfig
from lungspot.train.data import FINE
from lungspot.train.model import Boxes, Network
from lungspot.train.onnx_export import fold, folded
from lungspot.train.onnx_import import restore
from lungspot.train.terms import NO_TERMS, Terms

__all__ = ["PartsHead", "parts_head", "parts_in", "require_same_backbone"]

# Of the largest value: by how much two copies of one backbone may differ, for normalisations measure films anew.
_SAME: Final = 0.02


@dataclass(frozen=True, slots=True)
class PartsHead:
    """What boxes parts of films, and which parts, for the sake of which labels, under the terms of what it learnt."""

    boxes: Boxes
    look: SecondLook
    terms: Terms = NO_TERMS


def parts_head(
    config: TrainConfig,
    learnt: Network,
    network: Network,
    terms: Terms,
) -> PartsHead:
    """Return what a run of ``config``, whose network is ``learnt``, knows of parts of films, to serve with ``network``.

    ``terms``: the run's. Raises ``BAD_VALUE`` where the two have not the same backbone.
    """
    advice = "begin the run with the model, and let only pyramid and box head learn (tools/parts.toml)"
    require_same_backbone(learnt, network, "parts", advice)
    made = _boxes(config)
    weights = folded(learnt).state_dict()
    fold(made)
    made.load_state_dict({name: weights[name] for name in made.state_dict()})
    return PartsHead(made, SecondLook(config.labels, config.cache_size, FINE), terms)


def require_same_backbone(learnt: Network, network: Network, option: str, advice: str) -> None:
    """Raise ``BAD_VALUE``, about an ``option``, where two backbones differ: a head of one is none for the other."""
    films = torch.rand((2, 1, 128, 128), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        sides = (learnt.eval()(films).levels, network.eval()(films).levels)
    for mine, other in zip(*sides, strict=True):
        if mine.shape != other.shape or float((mine - other).abs().max()) > _SAME * float(other.abs().max()):
            raise InputError("BAD_VALUE", option, "the run has another backbone than the model", advice=advice)


def parts_in(config: TrainConfig, card: ModelCard, weights: Mapping[str, Tensor]) -> PartsHead:
    """Return what a model file has for parts of films: its ``weights``, by their names in :class:`Boxes`."""
    if card.second_look is None:  # `examine` lets no such file pass
        raise InputError("BAD_VALUE", "second_look", "the card has none")
    made = _boxes(replace(config, labels=card.second_look.labels, neck=len(weights["smooth.0.0.weight"])))
    restore(made, weights)
    return PartsHead(made, card.second_look)


def _boxes(config: TrainConfig) -> Boxes:
    backbone: Any = BACKBONES[config.backbone](config)
    return Boxes(backbone.widths, config.neck, len(config.labels)).eval()
