"""From a trained network to one sealed ONNX file, refused unless onnxruntime says what torch says.

Batch normalisation is folded into the convolutions, and large weights are stored in eight bits with a scale for each
output channel (those of the gate, whose thresholds were chosen before, in half precision). They become single precision
again where the file is loaded, and in that the network computes. The network that is compared is the rounded one, and
the numbers in the card are those of the file. The layout is docs/reference/model-format.md.
"""

from __future__ import annotations

import copy
import tempfile
import warnings
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lungspot.detect import (
    INPUT,
    METADATA_KEY,
    PART_INPUT,
    PART_OUTPUTS,
    ModelCard,
    NetworkSession,
    examine,
    seal_model,
)
from lungspot.errors import ModelError
from lungspot.train.model import Boxes
from lungspot.train.onnx_branch import branch

__all__ = ["BYTES", "HALF", "OUTPUTS", "SCALE", "Served", "build", "compare_outputs", "fold", "folded", "serving"]

Module = TypeVar("Module", bound=nn.Module)

OUTPUTS: Final = (
    "boxes",
    "scores",
    "image_scores",
    "maps",
    "features",
    "organs",
    "mirrored",
    "gate",
    "part_boxes",
    "part_scores",
)
TOLERANCE: Final = 1e-4
# Outlines are sharp: a cell on the border goes from 0 to 1 within few units, and a box around it hears nothing of this.
_TOLERANCES: Final = {"organs": 5e-4}
_OPSET = 17
_LARGE = 512  # values: smaller tensors stay in single precision
_TOP = 127  # of eight bits with a sign
_GATE = "gate."
BYTES, SCALE, HALF = ".bytes", ".scale", ".half"  # what a weight's name ends with in the file, as it is stored


class Served(nn.Module):
    """The network as the file holds it: probabilities instead of logits, and the gate's where there is a gate.

    ``opinion``: another network, whose view of the film counts as much as the first's (the mean of their logits);
    boxes, maps, features and organs are the first's alone. ``parts``: what boxes parts of films by its backbone.
    """

    def __init__(
        self, network: nn.Module, gate: nn.Module | None, opinion: nn.Module | None = None, parts: Boxes | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self.gate = gate
        self.opinion = opinion
        self.parts = parts

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs of docs/reference/model-format.md, in the order of :data:`OUTPUTS`."""
        said = self.network(image)
        film = said.image if self.opinion is None else (said.image + self.opinion(image).image) / 2
        found = [said.boxes, said.scores.sigmoid(), film.sigmoid(), said.maps.sigmoid(), said.features]
        if said.organs is not None:
            sides = getattr(self.gate, "sides", None)  # which knows mirror images better, where it is there
            found += [said.organs.sigmoid(), (said.mirrored if sides is None else sides(image)).sigmoid()[:, None]]
        if self.gate is not None:
            found.append(self.gate(image))
        if self.parts is not None:
            boxes, scores = self.parts.boxed(self.parts.pyramid(said.levels), image.shape[2:])
            found += [boxes, scores.sigmoid()]
        return (*found,)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what it gives, in order."""
        inner = getattr(self.network, "network", self.network)  # the one that also looks at the mirrored film holds it
        missing = {"organs", "mirrored"} if getattr(inner, "anatomy", None) is None else set()
        missing |= {"gate"} if self.gate is None else set()
        missing |= PART_OUTPUTS if self.parts is None else set()
        return tuple(name for name in OUTPUTS if name not in missing)


@dataclass(frozen=True, slots=True)
class LargestDifferences:
    """The largest difference between torch and onnxruntime per output; of boxes as a share of the input size."""

    films: int
    largest: dict[str, float]


def serving(
    network: nn.Module, gate: nn.Module | None = None, opinion: nn.Module | None = None, parts: Boxes | None = None
) -> Served:
    """Return a copy ready to be exported: normalisation folded, large weights rounded to what the file can hold."""
    # eval() on the whole: the exporter leaves every part in the mode of the whole, and the gate has a dropout.
    served = folded(Served(network, gate, opinion, parts))
    with torch.no_grad():
        for name, value in served.named_parameters():
            value.requires_grad = False
            if value.numel() >= _LARGE:
                value.copy_(
                    value.half().float() if name.startswith(_GATE) else torch.from_numpy(_rounded(value.numpy()))
                )
    return served.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload, no-any-return]


def build(served: Served, card: ModelCard) -> bytes:
    """Return the bytes of the sealed model file."""
    size = card.input_size
    names = served.outputs
    with warnings.catch_warnings(), torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        # The tracing exporter is enough for a network without branches, and needs no further package.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            served,
            (torch.zeros(1, 1, size, size),),
            Path(folder) / "model.onnx",
            input_names=[INPUT],
            output_names=list(names),
            dynamic_axes={name: {0: "N"} for name in (INPUT, *names)},
            opset_version=_OPSET,
            dynamo=False,
        )
        model = onnx.load(Path(folder) / "model.onnx")
    _shrink(model)
    if served.parts is not None:
        branch(model, PART_INPUT, PART_OUTPUTS)
    del model.metadata_props[:]
    model.metadata_props.add(key=METADATA_KEY, value=card.to_json())
    model.doc_string = card.intended_use
    onnx.checker.check_model(model, full_check=True)
    return seal_model(model.SerializeToString())


def compare_outputs(served: Served, data: bytes, films: NDArray[np.float32]) -> LargestDifferences:
    """Run both on films (N, 1, S, S), 0 to 1.

    Raises ``MODEL_NUMERIC`` where they differ by more than 1e-4, outlines by more than 5e-4.
    """
    session = NetworkSession(examine(data, "export"), 1)
    largest: dict[str, float] = {}
    for film in films:
        image = np.ascontiguousarray(film[None])
        with torch.inference_mode():
            mine = dict(zip(served.outputs, served(torch.from_numpy(image)), strict=True))
        for name, values in {**session.run(image), **session.run_part(image)}.items():
            scale = image.shape[2] if name.endswith("boxes") else max(1.0, float(mine[name].abs().max()))
            gap = float(np.abs(values - mine[name].numpy()).max()) / scale
            largest[name] = max(largest.get(name, 0.0), gap)
    worst = max(largest, key=lambda name: largest[name] / _TOLERANCES.get(name, TOLERANCE))
    if not largest[worst] <= _TOLERANCES.get(worst, TOLERANCE):
        raise ModelError("MODEL_NUMERIC", worst, f"onnxruntime and torch differ by {largest[worst]:.2g}")
    return LargestDifferences(len(films), largest)


def folded(module: Module) -> Module:
    """Return a copy to look with, in single precision, batch normalisations folded into the convolutions."""
    copied = copy.deepcopy(module).float().eval()
    fold(copied)
    return copied


def fold(module: nn.Module) -> None:
    """Fold each normalisation into the convolution before it, in place."""
    children: list[tuple[str, Any]] = list(module.named_children())
    for (name, first), (following, second) in pairwise(children):
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(first, second))
            setattr(module, following, nn.Identity())
    for _, child in children:
        fold(child)


def _scales(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (N,) scale of each of N output channels, of so few digits that the largest weight gives it again."""
    largest = np.abs(values.reshape(len(values), -1)).max(1)
    digits, exponent = np.frexp(largest / _TOP)
    return np.where(largest > 0, np.ldexp(np.ceil(digits * 2048) / 2048, exponent), 1).astype(np.float32)


def _in_bytes(values: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return weights (N, ...) as whole numbers from -127 to 127, and the scale of each, (N, 1, ...)."""
    scales = _scales(values).reshape(-1, *[1] * (values.ndim - 1))
    return np.clip(np.rint(values / scales), -_TOP, _TOP).astype(np.int8), scales


def _rounded(values: NDArray[np.float32]) -> NDArray[np.float32]:
    whole, scales = _in_bytes(values)
    return whole.astype(np.float32) * scales


def _shrink(model: onnx.ModelProto) -> None:
    """Store every large weight in eight bits or half precision, with what makes single precision of it again."""
    graph, stored, before = model.graph, [], []
    for tensor in graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        name = tensor.name
        if values.dtype != np.float32 or values.size < _LARGE:
            stored.append(tensor)
        elif np.array_equal(values.astype(np.float16), values):
            stored.append(onnx.numpy_helper.from_array(values.astype(np.float16), name + HALF))
            before.append(onnx.helper.make_node("Cast", [name + HALF], [name], to=onnx.TensorProto.FLOAT))
        elif np.array_equal(_rounded(values), values):
            whole, scales = _in_bytes(values)
            stored += [
                onnx.numpy_helper.from_array(whole, name + BYTES),
                onnx.numpy_helper.from_array(scales, name + SCALE),
            ]
            before.append(onnx.helper.make_node("Cast", [name + BYTES], [name + ".whole"], to=onnx.TensorProto.FLOAT))
            before.append(onnx.helper.make_node("Mul", [name + ".whole", name + SCALE], [name]))
        else:
            stored.append(tensor)
    nodes = [*before, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(stored)
    graph.node.extend(nodes)
