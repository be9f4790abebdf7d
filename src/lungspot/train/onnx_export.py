"""From a trained network to one sealed ONNX file, refused unless onnxruntime says what torch says.

Batch normalisation is folded into the convolutions and the weights are stored in half precision (cast back where the
file is loaded; the network itself computes in single precision). The network that is compared is the rounded one, and
the numbers in the card are those of the file. The layout is docs/reference/model-format.md.
"""

from __future__ import annotations

import copy
import tempfile
import warnings
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lungspot.detect import INPUT, METADATA_KEY, ModelCard, NetworkSession, examine, seal_model
from lungspot.errors import ModelError

__all__ = ["OUTPUTS", "Served", "build", "compare_outputs", "serving"]

OUTPUTS: Final = ("boxes", "scores", "image_scores", "maps", "features", "organs", "mirrored", "gate")
TOLERANCE: Final = 1e-4
_OPSET = 17
_LARGE = 512  # values: smaller tensors stay in single precision


class Served(nn.Module):
    """The network as the file holds it: probabilities instead of logits, and the gate's where there is a gate."""

    def __init__(self, network: nn.Module, gate: nn.Module | None) -> None:
        super().__init__()
        self.network = network
        self.gate = gate

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs of docs/reference/model-format.md, in the order of :data:`OUTPUTS`."""
        said = self.network(image)
        found = [said.boxes, said.scores.sigmoid(), said.image.sigmoid(), said.maps.sigmoid(), said.features]
        if said.organs is not None:
            found += [said.organs.sigmoid(), said.mirrored.sigmoid()[:, None]]
        return (*found,) if self.gate is None else (*found, self.gate(image))

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what it gives, in order."""
        inner = getattr(self.network, "network", self.network)  # the one that also looks at the mirrored film holds it
        missing = {"organs", "mirrored"} if getattr(inner, "anatomy", None) is None else set()
        return tuple(name for name in OUTPUTS if name not in missing | ({"gate"} if self.gate is None else set()))


@dataclass(frozen=True, slots=True)
class LargestDifferences:
    """The largest difference between torch and onnxruntime per output; of boxes as a share of the input size."""

    films: int
    largest: dict[str, float]


def serving(network: nn.Module, gate: nn.Module | None = None) -> Served:
    """Return a copy ready to be exported: normalisation folded, weights rounded to what half precision can hold."""
    # eval() on the whole: the exporter leaves every part in the mode of the whole, and the gate has a dropout.
    served = Served(copy.deepcopy(network).float(), None if gate is None else copy.deepcopy(gate).float()).eval()
    _fold(served)
    with torch.no_grad():
        for value in served.parameters():
            value.requires_grad = False
            if value.numel() >= _LARGE:
                value.copy_(value.half().float())
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
    _halve(model)
    del model.metadata_props[:]
    model.metadata_props.add(key=METADATA_KEY, value=card.to_json())
    model.doc_string = card.intended_use
    onnx.checker.check_model(model, full_check=True)
    return seal_model(model.SerializeToString())


def compare_outputs(served: Served, data: bytes, films: NDArray[np.float32]) -> LargestDifferences:
    """Run both on films (N, 1, S, S), 0 to 1; raises ``MODEL_NUMERIC`` where they differ by more than 1e-4."""
    session = NetworkSession(examine(data, "export"), "export", 1)
    largest: dict[str, float] = {}
    for film in films:
        image = np.ascontiguousarray(film[None])
        with torch.inference_mode():
            mine = dict(zip(served.outputs, served(torch.from_numpy(image)), strict=True))
        for name, values in session.run(image).items():
            scale = image.shape[2] if name == "boxes" else max(1.0, float(mine[name].abs().max()))
            gap = float(np.abs(values - mine[name].numpy()).max()) / scale
            largest[name] = max(largest.get(name, 0.0), gap)
    worst = max(largest, key=lambda name: largest[name])
    if not largest[worst] <= TOLERANCE:
        raise ModelError("MODEL_NUMERIC", worst, f"onnxruntime and torch differ by {largest[worst]:.2g}")
    return LargestDifferences(len(films), largest)


def _fold(module: nn.Module) -> None:
    """Fold each normalisation into the convolution before it, in place."""
    children: list[tuple[str, Any]] = list(module.named_children())
    for (name, first), (following, second) in pairwise(children):
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(first, second))
            setattr(module, following, nn.Identity())
    for _, child in children:
        _fold(child)


def _halve(model: onnx.ModelProto) -> None:
    """Store every large weight in half precision, with a cast to single in front of its use."""
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < _LARGE or not np.array_equal(values.astype(np.float16), values):
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
