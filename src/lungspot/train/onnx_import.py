"""From a sealed model file back to a network that can learn: what ``--from model.onnx`` and ``--gate model.onnx`` read.

Export folds every batch normalisation into the convolution before it, so a file holds plain convolutions with a bias.
:func:`restore` puts them back with normalisations that do nothing; :func:`recalibrate_batchnorm` then lets each
normalisation measure a batch of films and scales it to give on them what it gave before, so that training goes on where
the file stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from lungspot.detect import ModelCard, examine
from lungspot.errors import InputError
from lungspot.inputs import regular
from lungspot.train.backbones import BACKBONES
from lungspot.train.config import TrainConfig
from lungspot.train.onnx_export import BYTES, HALF, SCALE

__all__ = [
    "ANATOMY",
    "OPINION",
    "PARTS",
    "SUFFIX",
    "WEIGHTS",
    "is_mirrored",
    "of_labels",
    "read_model_file",
    "read_weights",
    "recalibrate_batchnorm",
    "restore",
    "shape_of",
]

SUFFIX: Final = ".onnx"
WEIGHTS: Final = ".npz"  # bare weights by their names in ``Network``, in half precision
ANATOMY: Final = "anatomy."  # the part of the network that older files do not have
OPINION: Final = "opinion."  # the other network of a file of two
PARTS: Final = "parts."  # what boxes parts of films, in a file that has it
_BY_LABEL: Final = ("classify.1", "film.1", "whole")  # the layers that have a row for each label
_SIDES: Final = (f"{ANATOMY}reduce.", f"{ANATOMY}mirror.")  # nor that, where the gate's neighbour knows mirror images
_NETWORK: Final = "network."
_BACKBONE: Final = "backbone."


def read_model_file(path: Path) -> tuple[ModelCard, dict[str, Tensor]]:
    """Return a sealed model file's card and its weights, float32, by the names they have in ``Network``.

    The gate's are called ``gate.*``, those of a second network ``opinion.*``, those for parts of films ``parts.*``.

    Raises ``NOT_FOUND``, and what :func:`~lungspot.detect.modelfile.examine` raises for a file that is not one of ours.
    """
    try:
        data = regular(path).read_bytes()
    except OSError as error:
        raise InputError("NOT_FOUND", path, error.strerror or "cannot be read") from error
    file = examine(data, str(path))
    found: dict[str, Tensor] = {}
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in _weights(onnx.load_from_string(file.data).graph)}
    for given, values in stored.items():
        if given.endswith(SCALE):
            continue
        name = given.removesuffix(HALF).removesuffix(BYTES)
        single = np.array(values, dtype=np.float32) * stored.get(name + SCALE, np.float32(1))
        while name.startswith(_NETWORK):  # one more where the file looks at the mirrored film too
            name = name.removeprefix(_NETWORK)
        if name.startswith(("stem.", "stages.")):  # files before version 2 had one backbone, and no name for it
            name = f"backbone.{name}"
        found[name] = torch.from_numpy(single)
    return file.card, found


def of_labels(weights: Mapping[str, Tensor], had: Sequence[str], wanted: Sequence[str]) -> dict[str, Tensor]:
    """Return the weights of a network that knows the labels ``had``, for one that knows some of them in their order."""
    rows = [had.index(label) for label in wanted]
    of_rows = {f"{layer}.{part}" for layer in _BY_LABEL for part in ("weight", "bias")}
    return {name: value[rows] if name in of_rows else value for name, value in weights.items()}


def is_mirrored(path: Path) -> bool:
    """Say whether a model file looks at the mirrored film too: it then holds a network in a network."""
    graph = onnx.load_from_string(regular(path).read_bytes()).graph
    return any(tensor.name.startswith(_NETWORK * 2) for tensor in _weights(graph))


def _weights(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Yield the weights of a graph and of those within it, where a file that is asked about parts of films has some."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _weights(attribute.g)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the bare weights of a ``.npz`` file, floats as float32; raises ``NOT_FOUND`` and ``BAD_VALUE``."""
    try:
        with np.load(regular(path), allow_pickle=False) as file:
            found = {name: torch.from_numpy(np.array(file[name])) for name in file.files}
    except FileNotFoundError as error:
        raise InputError("NOT_FOUND", path, "no weights here") from error
    except (OSError, ValueError) as error:
        raise InputError("BAD_VALUE", path, f"not a file of weights ({error})") from error
    return {name: value.float() if value.is_floating_point() else value for name, value in found.items()}


def shape_of(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the settings of a ``TrainConfig`` that make a network of these weights: backbone, widths, neck and so on.

    Raises ``BAD_VALUE`` where no backbone has weights of these names and shapes.
    """
    shapes = {
        name.removeprefix(_BACKBONE): value.shape for name, value in weights.items() if name.startswith(_BACKBONE)
    }
    entries = ["stem.1.0.weight", *(f"stages.{i}.0.0.weight" for i in range(3))]
    neck: dict[str, Any] = {}
    if "smooth.0.0.weight" in weights:
        neck = {"neck": len(weights["smooth.0.0.weight"]), "anatomy": any(n.startswith(ANATOMY) for n in weights)}
    if (first := weights.get(f"{ANATOMY}outline.0.0.weight")) is not None and neck:
        neck["outlines"] = len(first) // weights[f"{ANATOMY}outline.1.0.weight"].shape[1]
    if neck and all(name in shapes for name in entries):
        blocks = ["stem.2.blocks.", *(f"stages.{i}.1.blocks." for i in range(3))]
        depths = tuple(
            len({name.split(start)[1].split(".")[0] for name in shapes if start in name}) for start in blocks
        )
        return {"backbone": "csp", "widths": tuple(shapes[name][0] for name in entries), "depths": depths, **neck}
    for name, make in BACKBONES.items():
        if neck and shapes == _folded_shapes(make(TrainConfig())):
            return {"backbone": name, **neck}
    raise InputError("BAD_VALUE", "network", "the model file's network is not one of ours")


def _folded_shapes(module: nn.Module) -> dict[str, torch.Size]:
    """Return the shapes that an exported file has of a module, whose normalisations are folded into convolutions."""
    norms = _normalised(module)
    shapes = {}
    for name, value in module.state_dict().items():
        owner, _, part = name.rpartition(".")
        if owner not in norms:
            shapes[name] = value.shape
        elif part == "bias":
            shapes[f"{norms[owner]}.bias"] = value.shape
    return shapes


def restore(module: nn.Module, weights: Mapping[str, Tensor], *, partly: bool = False) -> None:
    """Load folded weights into a module with normalisations, in place: in evaluation it says what the file says.

    Where the file knows no anatomy, or not by this module's own means, that part of the module stays as it is;
    ``partly``: and every other part that the file does not have (a second network has no boxes there).

    Raises ``BAD_VALUE`` where the module has another shape.
    """
    lacking = tuple(part for part in (ANATOMY, *_SIDES) if not any(name.startswith(part) for name in weights))
    state = {name: value for name, value in module.state_dict().items() if not name.startswith(lacking)}
    norms = _normalised(module)
    for name, value in state.items():
        owner, _, part = name.rpartition(".")
        if owner in norms:
            folded = weights.get(f"{norms[owner]}.bias")
            if part == "bias" and folded is not None and folded.shape == value.shape:
                value.copy_(folded)
            elif part == "weight":
                value.fill_((1 + module.get_submodule(owner).eps) ** 0.5)  # type: ignore[operator]
            elif part == "running_mean":
                value.zero_()
            elif part == "running_var":
                value.fill_(1)
        elif name in weights and weights[name].shape == value.shape:
            value.copy_(weights[name])
        elif not partly or name in weights:
            raise InputError("BAD_VALUE", name, "the model file's network has another shape")


def recalibrate_batchnorm(network: nn.Module, films: Tensor) -> None:
    """Let every normalisation before which :func:`restore` put a folded convolution measure ``films``, in place.

    ``films``: float32 (N, 1, S, S), 0 to 1. Afterwards the network in training mode says of these films what it said
    in evaluation (its box head, which three strides share, roughly so), and its filters have the length of freshly
    drawn ones, for which the learning rate is meant.
    """
    hooks = []
    with torch.no_grad():
        for name, conv in _normalised(network).items():
            weight: Any = network.get_submodule(conv).weight
            length = (2 * weight.shape[1] / weight.shape[0]) ** 0.5  # Kaiming's, fan out
            longer = length / weight.flatten(1).norm(dim=1).clamp(min=1e-6)
            weight.mul_(longer[:, None, None, None])
            hooks.append(network.get_submodule(name).register_forward_pre_hook(partial(_measure, longer, [])))
        network.train()
        network(films)
    for hook in hooks:
        hook.remove()


def _measure(longer: Tensor, seen: list[bool], norm: Any, given: tuple[Tensor]) -> None:  # noqa: ANN401 - a BatchNorm2d
    """Let a normalisation undo what it does to its first input, and that its filters grew ``longer``."""
    if seen:
        return
    seen.append(True)
    x = given[0].float()
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(x.var((0, 2, 3)))
    norm.weight.copy_((var + norm.eps).sqrt() / longer)
    norm.bias.add_(mean / longer)


def _normalised(module: nn.Module) -> dict[str, str]:
    """Return the name of each normalisation → the name of the convolution before it."""
    found = {}
    for prefix, parent in module.named_modules():
        for (name, first), (following, second) in pairwise(parent.named_children()):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                found[f"{prefix}.{following}".lstrip(".")] = f"{prefix}.{name}".lstrip(".")
    return found
