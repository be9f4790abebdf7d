"""The detector, whole: a backbone (:mod:`.backbones`), a feature pyramid, one box head, and a head for the film.

The film's head pools one activation map per label, so the maps that explain a film come for free.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from lungspot.errors import InputError
from lungspot.train.backbones import BACKBONES, ConvNorm
from lungspot.train.config import TrainConfig

__all__ = ["STRIDES", "Boxes", "Mirrored", "Network", "Output", "points"]

STRIDES = (8, 16, 32)
_SHARPNESS = 4.0  # of the pooling between mean (0) and maximum (infinite)
_PRIOR = 0.01  # the probability that an untrained head gives
_REDUCED = 32  # channels of the coarse 3 x 3 picture among the features
_SEEN = 6  # cells each way of the picture by which a mirror image is known


@dataclass(frozen=True, slots=True)
class Output:
    """What the network says about N films, before any sigmoid.

    ``boxes``: (N, P, 4), x0 y0 x1 y1 in input pixels. ``scores``: (N, P, C) logits. ``image``: (N, C) logits.
    ``maps``: (N, C, h, w) logits at stride 16. ``features``: (N, D). ``organs``: (N, 3, h, w) logits at stride 8 of
    heart, lung at the picture's left, lung at its right. ``mirrored``: (N,) logits that the picture is a mirror image,
    so that the patient's right lung is at the picture's right; both None where the network was not taught anatomy.
    ``levels``: what the backbone says, for another box head.
    """

    boxes: Tensor
    scores: Tensor
    image: Tensor
    maps: Tensor
    features: Tensor
    organs: Tensor | None = None
    mirrored: Tensor | None = None
    levels: tuple[Tensor, ...] = ()


def points(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return the points of an input: (P, 2) centres x, y in pixels and (P,) strides, stride by stride, row by row."""
    centres, strides = [], []
    for stride in STRIDES:
        y = (torch.arange(height // stride, dtype=torch.float32) + 0.5) * stride
        x = (torch.arange(width // stride, dtype=torch.float32) + 0.5) * stride
        grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
        centres.append(torch.stack((grid_x, grid_y), -1).reshape(-1, 2))
        strides.append(torch.full((len(y) * len(x),), float(stride)))
    return torch.cat(centres), torch.cat(strides)


class _Context(nn.Module):
    """Adds to every place what the whole film looks like."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // 4)
        self.excite = nn.Linear(channels // 4, channels)
        nn.init.zeros_(self.excite.weight)
        nn.init.zeros_(self.excite.bias)

    def forward(self, x: Tensor) -> Tensor:
        whole = self.excite(functional.relu(self.squeeze(x.mean((2, 3)))))
        return functional.relu(x + whole[:, :, None, None])


class _Anatomy(nn.Module):
    """Where heart and lungs are, and whether the film is shown in a mirror (the heart points to the patient's left).

    What speaks for a mirror image is what the features say less what they say when they are mirrored themselves: only
    the difference between the sides can count. ``count``: heads that outline, side by side (:mod:`.outlines`).
    """

    def __init__(self, neck: int, deep: int, count: int) -> None:
        super().__init__()
        self.outline = nn.Sequential(
            ConvNorm(neck + 4, 64 * count), ConvNorm(64 * count, 32 * count, groups=count), nn.Conv2d(32 * count, 3, 1)
        )
        self.reduce = ConvNorm(deep, _REDUCED, 1)
        self.mirror = nn.Sequential(nn.Linear((_REDUCED + 3) * _SEEN**2, 64), nn.SiLU(), nn.Linear(64, 1))

    def forward(self, fine: Tensor, deep: Tensor) -> tuple[Tensor, Tensor]:
        organs = self.outline(_placed(fine)).float()
        seen = torch.cat((self.reduce(deep).float(), _sized(organs.detach().sigmoid(), deep.shape[2:])), 1)
        seen = _sized(seen, (_SEEN, _SEEN))
        mirrored = self.mirror(seen.flatten(1)).float() - self.mirror(seen.flip(3).flatten(1)).float()
        return organs, mirrored[:, 0]


class Boxes(nn.Module):
    """The feature pyramid, and the one box head that its three strides share.

    ``widths``: channels of the features at :data:`STRIDES`. ``neck``: channels of the pyramid. ``labels``: how many.
    """

    def __init__(self, widths: Sequence[int], neck: int, labels: int) -> None:
        super().__init__()
        self._add(widths, neck, labels)

    def _add(self, widths: Sequence[int], neck: int, labels: int) -> None:
        # Four more channels say where on the film a place is: a heart is not at the apex.
        self.lateral = nn.ModuleList(ConvNorm(width + 4, neck, 1) for width in widths)
        self.smooth = nn.ModuleList(ConvNorm(neck, neck) for _ in range(3))
        self.down = nn.ModuleList(ConvNorm(neck, neck, stride=2) for _ in range(2))
        self.tower = ConvNorm(neck, neck)
        self.classify = nn.Sequential(ConvNorm(neck, neck), nn.Conv2d(neck, labels, 1))
        self.regress = nn.Sequential(ConvNorm(neck, neck), nn.Conv2d(neck, 4, 1))
        self.reach = nn.Parameter(torch.ones(3))

    def pyramid(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Return the features of a backbone, (N, C, h, w) a stride, each having seen those of the other strides."""
        found = [lateral(_placed(level)) for lateral, level in zip(self.lateral, levels, strict=True)]
        for i in (1, 0):
            found[i] = found[i] + functional.interpolate(found[i + 1], scale_factor=2.0, mode="nearest")
        found = [smooth(level) for smooth, level in zip(self.smooth, found, strict=True)]
        for i in (0, 1):
            found[i + 1] = found[i + 1] + self.down[i](found[i])
        return found

    def boxed(self, pyramid: Sequence[Tensor], size: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return boxes, (N, P, 4), in pixels of an input of ``size``, and logits of their labels, (N, P, C)."""
        scores, boxes = [], []
        for level, stride, reach in zip(pyramid, STRIDES, self.reach, strict=True):
            shared = self.tower(level)
            scores.append(_flat(self.classify(shared)))
            boxes.append(torch.exp((_flat(self.regress(shared)).float() * reach).clamp(max=5.5)) * stride)
        centre = points(*size)[0].to(pyramid[0].device)
        sides = torch.cat(boxes, 1)
        return torch.cat((centre - sides[..., :2], centre + sides[..., 2:]), -1), torch.cat(scores, 1).float()


class Network(Boxes):
    """The detector; ``forward`` takes float (N, 1, S, S) in 0 to 1, S a multiple of 32, and gives :class:`Output`."""

    def __init__(self, config: TrainConfig) -> None:
        nn.Module.__init__(self)  # its own parts come first, for what a run begins with depends on their order
        labels, neck = len(config.labels), config.neck
        if config.backbone not in BACKBONES:
            raise InputError("BAD_VALUE", "backbone", f"{config.backbone!r} is none of {', '.join(BACKBONES)}")
        self.backbone = BACKBONES[config.backbone](config)
        widths: tuple[int, int, int] = self.backbone.widths  # type: ignore[assignment]
        self.middle = nn.Identity()  # what the backbone sees at stride 16, for hooks
        self.context = _Context(widths[2])
        self._add(widths, neck, labels)
        self.film = nn.Sequential(ConvNorm(widths[1] + neck, 128, 1), nn.Conv2d(128, labels, 1))
        self.whole = nn.Linear(widths[2] + 9 * _REDUCED, labels)
        self.reduce = ConvNorm(widths[2], _REDUCED, 1)
        self.anatomy = _Anatomy(neck, widths[2], config.outlines) if config.anatomy else None
        self._start()

    def _start(self) -> None:
        for name, part in self.named_children():
            for module in part.modules():
                if isinstance(module, nn.Conv2d) and name != "backbone":  # which begins in its own way
                    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                    if module.bias is not None:
                        nn.init.zeros_(module.bias)
        heads = [self.classify[1], self.regress[1], self.film[1], *([self.anatomy.outline[2]] if self.anatomy else [])]
        for head in heads:
            nn.init.normal_(head.weight, std=0.01)  # type: ignore[arg-type]
        nn.init.constant_(self.classify[1].bias, -math.log((1 - _PRIOR) / _PRIOR))  # type: ignore[arg-type]
        nn.init.constant_(self.regress[1].bias, 1.4)  # type: ignore[arg-type]
        nn.init.constant_(self.film[1].bias, -2.0)  # type: ignore[arg-type]
        nn.init.zeros_(self.whole.weight)
        nn.init.zeros_(self.whole.bias)

    def forward(self, image: Tensor) -> Output:
        """Return what the network says about the films."""
        levels = self.backbone(image)
        levels[1] = self.middle(levels[1])
        levels[2] = deep = self.context(levels[2])
        pyramid = self.pyramid(levels)
        corners, scores = self.boxed(pyramid, image.shape[2:])
        maps = self.film(torch.cat((levels[1], pyramid[1]), 1)).float()
        coarse = _sized(self.reduce(deep), (6, 6))
        features = torch.cat((deep.mean((2, 3)), functional.avg_pool2d(coarse, 2).flatten(1)), 1)
        sharp = _SHARPNESS * maps.flatten(2)
        film = (torch.logsumexp(sharp, 2) - math.log(sharp.shape[2])) / _SHARPNESS + self.whole(features).float()
        organs, mirrored = (None, None) if self.anatomy is None else self.anatomy(pyramid[0], deep)
        return Output(corners, scores, film, maps, features.float(), organs, mirrored, tuple(levels))


class Mirrored(nn.Module):
    """A network that also looks at the mirrored film and gives the mean of both; takes inputs of one ``size`` only."""

    def __init__(self, network: Network, size: int) -> None:
        super().__init__()
        self.network = network
        self.size = size
        # the place of the mirrored film that sees what a place of the film sees
        places, first = [], 0
        for stride in STRIDES:
            across = size // stride
            places.append(first + torch.arange(across**2).reshape(across, across).flip(1).reshape(-1))
            first += across**2
        self.twin: Tensor
        self.register_buffer("twin", torch.cat(places), persistent=False)

    def forward(self, image: Tensor) -> Output:
        """Return the mean of what the network says about the films and their mirror images."""
        one, two = self.network(image), self.network(image.flip(3))
        x0, y0, x1, y1 = two.boxes[:, self.twin].unbind(2)
        boxes = torch.stack((self.size - x1, y0, self.size - x0, y1), 2)
        return Output(
            (one.boxes + boxes) / 2,
            (one.scores + two.scores[:, self.twin]) / 2,
            (one.image + two.image) / 2,
            (one.maps + two.maps.flip(3)) / 2,
            one.features,
            None if one.organs is None else (one.organs + two.organs.flip(3)[:, [0, 2, 1]]) / 2,
            None if one.mirrored is None else (one.mirrored - two.mirrored) / 2,
            one.levels,
        )


def _sized(x: Tensor, size: Sequence[int]) -> Tensor:
    return functional.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


def _flat(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def _placed(x: Tensor) -> Tensor:
    height, width = x.shape[2:]
    y = torch.linspace(-1, 1, height, device=x.device, dtype=x.dtype)[:, None].expand(height, width)
    across = torch.linspace(-1, 1, width, device=x.device, dtype=x.dtype)[None, :].expand(height, width)
    where = torch.stack((across, y, across.abs(), across.square() + y.square()))
    return torch.cat((x, where.expand(x.shape[0], 4, height, width)), 1)
