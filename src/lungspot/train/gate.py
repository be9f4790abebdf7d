"""The gate: a small network beside the detector that says what kind of picture it is, which way up, which polarity.

It has a stem of its own (docs/adr/0013): the detector's features are trained to ignore much of what the gate must see,
and would have to be fitted anew with every detector. It reads the detector's input, brought down to 96 x 96 by one
fixed pair of matrix products, so that one ONNX file holds both and only standard operators are needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import torch
import torch.nn.functional as nnf
from numpy.typing import NDArray
from torch import Tensor, nn

from lungspot.detect import GateCard
from lungspot.errors import InputError
from lungspot.inputs import regular
from lungspot.train.gate_films import SIZE, WHAT, GateBatch, GateFilms, equalise, sample_batch
from lungspot.train.onnx_import import SUFFIX, read_model_file, restore
from lungspot.train.sides import SideNet, fit_sides, judge_sides
from lungspot.train.small_nets import Shrink, convolutions, learn, require_films, shrunk
from lungspot.train.terms import NO_TERMS, Terms, card_terms, dataset_terms

__all__ = ["CLASSES", "GateNet", "LearntGate", "fit_gate", "judge_gate", "learn_gate", "load_gate", "save_gate"]

_GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "what": WHAT,
    "turn": ("0", "90", "180", "270"),
    "polarity": ("normal", "inverted"),
}
CLASSES: Final = tuple(f"{group}:{value}" for group, values in _GROUPS.items() for value in values)
_SIZES: Final = [len(values) for values in _GROUPS.values()]
_ACCEPT: Final = 0.993  # of the films of val; the threshold is never above a half
_WIDTH: Final = 16
_PART: Final = "gate."  # in the names of a model file
_SIDES: Final = "sides.networks."  # a number follows
_ONE: Final = re.compile(r"^sides\.(?=body|head)")  # in files up to 2.8, where one network knew mirror images


class GateNet(nn.Module):
    """A gate for inputs of ``input_size`` pixels; (N, 1, S, S), 0 to 1, gives (N, 11) probabilities, CLASSES' order.

    ``sides``: the network beside it that knows mirror images, where there is one. ``terms``: of what they learnt from.
    """

    def __init__(self, input_size: int = SIZE, width: int = _WIDTH) -> None:
        super().__init__()
        self.shrink = Shrink(input_size)
        layers = convolutions(((1, 1, 2), (1, 2, 2), (2, 2, 1), (2, 4, 2), (4, 4, 1), (4, 5, 2)), width)
        self.body = nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten(), nn.Dropout(0.3))
        self.head = nn.Linear(5 * width * 9, len(CLASSES))
        self.sides: SideNet | None = None
        self.terms = NO_TERMS

    def logits(self, small: Tensor) -> Tensor:
        """Return (N, 11) logits of images (N, 1, 96, 96)."""
        logits: Tensor = self.head(self.body(small * 4 - 2))
        return logits

    def forward(self, image: Tensor) -> Tensor:
        """Return (N, 11) probabilities; those of each group sum to 1."""
        groups = torch.split(self.logits(self.shrink(image)), _SIZES, dim=1)
        return torch.cat([group.softmax(dim=1) for group in groups], dim=1)


@dataclass(frozen=True, slots=True)
class LearntGate:
    """A gate with what knows mirror images beside it, its card, and how well it tells them (:func:`judge_sides`)."""

    net: GateNet
    card: GateCard
    told_mirrored: Mapping[str, Any]


def learn_gate(
    films: GateFilms,
    keep: Path | None = None,
    *,
    steps: int = 1500,
    side_steps: int = 5000,
    watch: Callable[[int, float], None] | None = None,
) -> LearntGate:
    """Return a gate that learnt from films, with what knows mirror images beside it.

    ``keep``: a file whose gate is kept (:func:`load_gate`), its threshold too: it is judged anew on these films, and
    only mirror images are learnt. ``steps`` of the gate, ``side_steps`` of what knows mirror images, where 0 keeps
    that of ``keep``, too; ``watch`` as for :func:`fit_gate`. Raises ``DATASET_INCOMPLETE`` without films to train on,
    ``BAD_VALUE`` for 0 ``side_steps`` where nothing is there to keep.
    """
    if not side_steps and (keep is None or load_gate(keep)[0].sides is None):
        raise InputError("BAD_VALUE", keep, "nothing here knows mirror images: 0 steps keep nothing")
    if keep is None:
        net, threshold = fit_gate(films, steps=steps, watch=watch), None
    else:
        net, before = load_gate(keep)
        threshold = before.thresholds["frontal"]
    card = judge_gate(net, films, threshold)
    if (sides := net.sides) is None or side_steps:
        net.sides = sides = fit_sides(films, steps=side_steps, watch=watch)
        net.terms |= dataset_terms(films.datasets)
    return LearntGate(net, card, judge_sides(sides, films))


def fit_gate(
    films: GateFilms,
    *,
    steps: int = 1500,
    batch: int = 64,
    seed: int = 0,
    watch: Callable[[int, float], None] | None = None,
) -> GateNet:
    """Return a gate trained on the ``train`` split; ``watch`` is called with every hundredth step and its loss."""
    require_films(films)
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    net = GateNet()

    def keep(updates: int) -> float:
        return min(0.998, (updates + 1) / (updates + 20))

    def loss() -> Tensor:
        return _loss(net, sample_batch(films, batch, random))

    net.terms = dataset_terms(films.datasets)
    return learn(net, loss, steps, rising=0.1, longest=2.0, keep=keep, watch=watch)


def judge_gate(net: GateNet, films: GateFilms, threshold: float | None = None) -> GateCard:
    """Return the gate's card: how it does on val, test and other pictures, and from where on a film is frontal.

    ``threshold``: that of the card of a gate that is kept; chosen on val if None.
    """
    if threshold is None:
        frontal = _probabilities(net, films, films.of("val"))[:, 0]
        threshold = round(min(0.5, float(np.quantile(frontal, 1 - _ACCEPT))), 4)
    tested: dict[str, Any] = {f"films of {split}": _judged(net, films, split, threshold) for split in ("val", "test")}
    tested["out-of-distribution pictures of test, refused of all"] = {
        kind: [int((_probabilities(net, films, chosen)[:, 0] < threshold).sum()), len(chosen)]
        for kind in films.others
        if len(chosen := films.of("test", kind))
    }
    return GateCard(CLASSES, {"frontal": threshold, "turn": 0.5, "inverted": 0.5}, tested)


def _judged(net: GateNet, films: GateFilms, split: str, threshold: float) -> dict[str, Any]:
    chosen = films.of(split)
    if not len(chosen):
        return {"films": 0}
    upright = _probabilities(net, films, chosen)
    turned = [_probabilities(net, films, chosen, turn=turn)[:, 5:9].argmax(1) == turn for turn in (1, 2, 3)]
    inverted = _probabilities(net, films, chosen, invert=True)[:, 10] >= 0.5
    return {
        "films": len(chosen),
        "accepted": _share(upright[:, 0] >= threshold),
        "upright called upright": _share(upright[:, 5:9].argmax(1) == 0),
        "turned by 90, 180, 270 found": [_share(each) for each in turned],
        "normal polarity called normal": _share(upright[:, 10] < 0.5),
        "inverted found": _share(inverted),
    }


def save_gate(path: Path | BinaryIO, net: GateNet, card: GateCard) -> None:
    """Write weights, those of ``net.sides`` too, card and terms as one .npz without pickles, to a path or open file."""
    arrays = {name: value.numpy() for name, value in net.state_dict().items()}
    about = {"classes": card.classes, "thresholds": dict(card.thresholds), "tested_on": dict(card.tested_on)}
    about["terms"] = net.terms.to_dict()
    np.savez(path, card=np.array(json.dumps(about)), **arrays)


def load_gate(path: Path, input_size: int = SIZE) -> tuple[GateNet, GateCard]:
    """Return the gate of :func:`save_gate`'s file, or of a model file, for a detector of ``input_size`` pixels."""
    if path.suffix == SUFFIX:
        return _gate_of(path, input_size)
    with np.load(regular(path), allow_pickle=False) as packed:
        about: Mapping[str, Any] = json.loads(str(packed["card"]))
        state = _numbered({name: torch.from_numpy(packed[name]) for name in packed.files if name != "card"})
    net = _empty(input_size, state)
    net.load_state_dict(state)
    net.terms = Terms.from_dict(about.get("terms"))
    return net.eval(), GateCard(tuple(about["classes"]), about["thresholds"], about["tested_on"])


def _gate_of(path: Path, input_size: int) -> tuple[GateNet, GateCard]:
    card, weights = read_model_file(path)
    if card.gate is None:
        raise InputError("BAD_VALUE", path, "the model file has no gate")
    mine = _numbered({name.removeprefix(_PART): value for name, value in weights.items() if name.startswith(_PART)})
    net = _empty(input_size, mine)
    restore(net, mine)
    net.terms = card_terms(card)
    return net.eval(), card.gate


def _empty(input_size: int, weights: Mapping[str, Tensor]) -> GateNet:
    net = GateNet(input_size)
    if sides := {name.removeprefix(_SIDES).split(".")[0] for name in weights if name.startswith(_SIDES)}:
        net.sides = SideNet(input_size, len(sides))
    return net


def _numbered(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {_ONE.sub(f"{_SIDES}0.", name): value for name, value in weights.items()}


def _loss(net: GateNet, batch: GateBatch) -> Tensor:
    what, turn, polarity = torch.split(net.logits(batch.images), _SIZES, dim=1)
    loss = nnf.cross_entropy(what, batch.what)
    if bool(batch.known.any()):
        loss = loss + nnf.cross_entropy(turn[batch.known], batch.turn[batch.known])
        loss = loss + 0.7 * nnf.cross_entropy(polarity[batch.known], batch.inverted[batch.known])
    return loss


@torch.no_grad()
def _probabilities(
    net: GateNet, films: GateFilms, chosen: NDArray[np.intp], *, turn: int = 0, invert: bool = False
) -> NDArray[np.float32]:
    net.eval()
    found = []
    for part in np.array_split(chosen, max(len(chosen) // 256, 1)):
        images = shrunk(films.pixels[part])
        images = torch.rot90(equalise(1 - images if invert else images), -turn, (2, 3))
        found.append(net(images).numpy())
    return np.concatenate(found).astype(np.float32)


def _share(hits: NDArray[np.bool_]) -> float:
    return round(float(hits.mean()), 5)
