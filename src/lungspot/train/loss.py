"""What a film teaches: task-aligned assignment, and losses that never punish what nobody looked for.

Per film and label, ``states`` says what is known (:class:`lungspot.findings.State`):

=================  =========================  ===========================  ==============================
state              points without a box       points of a box              the film's probability
=================  =========================  ===========================  ==============================
boxed              pushed down                pulled up                    1
present            nothing                    pulled up; with no box,      1
                                              the best points (MIL)
absent             pushed down                (there is none)              0
not looked for     nothing                    (there is none)              nothing
=================  =========================  ===========================  ==============================

What is doubtful (``weight`` below 1) pushes and pulls less.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional

from lungspot.findings import ABSENT, BOXED, PRESENT, UNKNOWN, taxonomy
from lungspot.train.config import TrainConfig
from lungspot.train.model import Output, points

__all__ = ["Assigned", "Target", "assign", "generalised_iou", "losses"]

_SMALLEST = 1e-9
_MIL_POINTS = 5
_BORDER = 0.08  # of a box's width and height at each edge, which says nothing of where lungs are
_ENOUGH = 0.65  # how likely a place need be lung
_COLD, _HOT = 0.03, 0.7  # what a network says is believed below the first and above the second


@dataclass(frozen=True, slots=True)
class Target:
    """What is known about N films, with at most M boxes a film and C labels.

    ``boxes``: (N, M, 4) in input pixels. ``labels``: (N, M) indices. ``real``: (N, M), False where there is no box.
    ``states``: (N, C), one of UNKNOWN, ABSENT, PRESENT, BOXED. ``weight``: (N, C), 0 to 1, how much to believe it.
    ``organs``: (N, 3, h, w), 0 to 1, heart, lung at the picture's left, lung at its right, of the films that are
    ``outlined``, (N,). ``hint``: as ``organs``, what a network says of those that are ``hinted``, (N,). ``mirrored``:
    (N,), whether the picture shows the film in a mirror, NaN where it shows too little of it to tell. ``soft``: (N, C),
    how likely a teacher finds each label, NaN where it was not asked.
    """

    boxes: Tensor
    labels: Tensor
    real: Tensor
    states: Tensor
    weight: Tensor
    organs: Tensor
    outlined: Tensor
    hint: Tensor
    hinted: Tensor
    mirrored: Tensor
    soft: Tensor

    def to(self, device: torch.device) -> Target:
        """Return the target on a device."""
        return Target(*(getattr(self, field.name).to(device) for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Assigned:
    """Which box each point answers for: ``box`` (N, P) indices; ``quality`` (N, P), 0 where it answers for none."""

    box: Tensor
    quality: Tensor


def assign(boxes: Tensor, scores: Tensor, target: Target, size: int, candidates: int) -> Assigned:
    """Give each true box the points that already see it best (task-aligned assignment, Feng et al. 2021).

    ``boxes``: (N, P, 4) and ``scores``: (N, P, C) probabilities of the points of a ``size`` x ``size`` input, both
    without gradient. A point may answer for a box
    when its centre is inside it (a box smaller than the stride counts as large as the stride). Alignment is
    ``score ** 0.5 * iou ** 4``; the ``candidates`` best points of a box take it, and a point that two boxes want goes
    to the one it overlaps more. The quality of a box's best point is its IoU, that of the others falls with alignment.
    """
    films, places = boxes.shape[:2]
    centres, strides = (value.to(boxes.device) for value in points(size, size))
    most = target.boxes.shape[1]
    if most == 0 or not bool(target.real.any()):
        none = torch.zeros((films, places), device=boxes.device)
        return Assigned(none.long(), none)
    overlap = _iou(target.boxes[:, :, None], boxes[:, None])  # (N, M, P)
    chosen = target.labels[:, :, None].expand(films, most, places)
    score = scores.transpose(1, 2).gather(1, chosen)
    middle = (target.boxes[..., :2] + target.boxes[..., 2:]) / 2
    half = (target.boxes[..., 2:] - target.boxes[..., :2]) / 2
    reach = torch.maximum(half[:, :, None], strides[None, None, :, None] / 2)
    inside = ((centres[None, None] - middle[:, :, None]).abs() < reach).all(-1) & target.real[:, :, None]
    aligned = score.sqrt() * overlap.pow(4) * inside
    # where nothing overlaps yet, the nearest point inside must begin
    ranked = aligned + inside * 1e-6 * (1 / (1 + (centres[None, None] - middle[:, :, None]).norm(dim=-1)))
    best = ranked.topk(min(candidates, places), dim=2)
    taken = torch.zeros_like(ranked).scatter_(2, best.indices, 1.0) * (ranked > 0) * inside
    contested = torch.where(taken > 0, overlap + _SMALLEST, torch.zeros_like(overlap))
    owner = contested.argmax(1)
    owned = contested.gather(1, owner[:, None])[:, 0] > 0
    mine = taken * functional.one_hot(owner, most).permute(0, 2, 1) * owned[:, None]
    top_aligned = (aligned * mine).amax(2, keepdim=True)
    top_overlap = (overlap * mine).amax(2, keepdim=True)
    quality = (aligned * mine / (top_aligned + _SMALLEST) * top_overlap).amax(1)
    return Assigned(owner, torch.where(owned, quality.clamp(min=1e-3), torch.zeros_like(quality)))


def losses(output: Output, target: Target, config: TrainConfig, size: int) -> dict[str, Tensor]:
    """Return the named parts of the loss; their sum is what is minimised.

    ``score`` (quality focal loss), ``box`` (GIoU), ``image`` (film's cross-entropy), ``mil`` (best points of a present
    label without boxes), ``organ`` (cross-entropy and Dice of heart and lungs, where they are outlined), ``mirror``,
    ``cover`` (where lungs lie by what people boxed).
    """
    with torch.no_grad():
        found = assign(output.boxes, output.scores.sigmoid(), target, size, config.candidates)
    films, places, count = output.scores.shape
    owned = found.quality > 0
    known = (target.states == ABSENT) | (target.states == BOXED)
    weight = (known * target.weight)[:, None].expand(films, places, count).clone()
    wanted = torch.zeros_like(output.scores)
    total = found.quality.sum().clamp(min=1.0)
    box = output.boxes.sum() * 0
    if bool(owned.any()):
        film, place = owned.nonzero(as_tuple=True)
        owner = found.box[film, place]
        label = target.labels[film, owner]
        quality = found.quality[film, place]
        wanted[film, place, label] = quality
        weight[film, place, label] = 1.0
        gap = 1 - generalised_iou(output.boxes[film, place], target.boxes[film, owner])
        box = (gap * quality).sum() / total
    cross = functional.binary_cross_entropy_with_logits(output.scores, wanted, reduction="none")
    score = (cross * (output.scores.sigmoid() - wanted).square() * weight).sum() / total
    there = target.states >= PRESENT
    wanted_image, believed = _believed(target, config)
    cross = functional.binary_cross_entropy_with_logits(output.image, wanted_image, reduction="none")
    image = (cross * believed).sum() / films
    boxless = there & ~_has_box(target)
    best = output.scores.topk(min(_MIL_POINTS, places), dim=1).values.mean(1)
    mil = (functional.softplus(-best) * boxless * target.weight).sum() / films
    parts = {
        "score": score,
        "box": box * config.box_gain,
        "image": image * config.image_gain,
        "mil": mil * config.mil_gain,
    }
    if output.organs is not None and output.mirrored is not None:
        told = target.mirrored.isfinite()
        cross = functional.binary_cross_entropy_with_logits(
            output.mirrored, target.mirrored.nan_to_num(), reduction="none"
        )
        mirror = (cross * told).sum() / told.sum().clamp(min=1)
        parts |= {"organ": _outlined(output.organs, target) * config.organ_gain, "mirror": mirror * config.mirror_gain}
        if config.cover_gain:
            parts["cover"] = _covering(output.organs, target, config, size)
    return parts


def _believed(target: Target, config: TrainConfig) -> tuple[Tensor, Tensor]:
    """Return what the film's probabilities should be and how much that weighs, (N, C); a teacher may have a say."""
    there = (target.states >= PRESENT).float()
    known = target.states != UNKNOWN
    asked = target.soft.isfinite()
    share = torch.where(known, (1 - target.weight) * config.soft_share, torch.ones_like(there)) * asked
    wanted = torch.where(asked, there * (1 - share) + target.soft.nan_to_num() * share, there)
    return wanted, torch.where(known, target.weight, config.soft_unknown * asked.float())


def _outlined(organs: Tensor, target: Target) -> Tensor:
    """Return the mean cross-entropy, plus one less the Dice coefficient, of the organs that somebody outlined."""
    if not bool(target.outlined.any()):
        return organs.sum() * 0
    said, true = organs[target.outlined], target.organs[target.outlined]
    cross = functional.binary_cross_entropy_with_logits(said, true)
    shared, total = (said.sigmoid() * true).sum((2, 3)), (said.sigmoid() + true).sum((2, 3))
    return cross + (1 - (2 * shared + 1) / (total + 1)).mean()


def _covering(organs: Tensor, target: Target, config: TrainConfig, size: int) -> Tensor:
    """Return how far lungs fall short of people's boxes, on films that nobody outlined, and stray from the hints.

    Nobody says which lung a box lies in; what the heart hides is none's. From :data:`_ENOUGH` on a place is covered.
    """
    in_lungs = torch.tensor([taxonomy()[label].in_lungs for label in config.labels], device=organs.device)
    cells = organs.shape[-1]
    middles = (torch.arange(cells, device=organs.device) + 0.5) * (size / cells)
    centre = (target.boxes[..., :2] + target.boxes[..., 2:]) / 2
    reach = (target.boxes[..., 2:] - target.boxes[..., :2]) * (0.5 - _BORDER)
    across, down = ((middles - centre[..., i, None]).abs() < reach[..., i, None] for i in (0, 1))
    counts = target.real & in_lungs[target.labels] & ~target.outlined[:, None]
    inside = (down[..., None] & across[..., None, :] & counts[..., None, None]).any(1)
    likely = organs.sigmoid()
    seen = 1 - (1 - likely[:, 1]) * (1 - likely[:, 2]) * (1 - likely[:, 0].detach())
    short = -((seen.clamp(min=1e-4) / _ENOUGH).clamp(max=1).log() * inside).sum() / inside.sum().clamp(min=1)
    hot, cold = target.hint > _HOT, target.hint < _COLD
    believed = (hot | cold) & target.hinted[:, None, None, None] & ~target.outlined[:, None, None, None]
    cross = functional.binary_cross_entropy_with_logits(organs, hot.float(), reduction="none")
    stray = (cross * (believed & ~inside[:, None])).mean()
    return config.cover_gain * short + config.hint_gain * stray


def generalised_iou(a: Tensor, b: Tensor) -> Tensor:
    """Return the GIoU of pairs of boxes, (..., 4) each: IoU less the share of their hull that neither covers."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    union = _area(a) + _area(b) - shared
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    return shared / (union + _SMALLEST) - (hull - union) / (hull + _SMALLEST)


def _iou(a: Tensor, b: Tensor) -> Tensor:
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    return shared / (_area(a) + _area(b) - shared + _SMALLEST)


def _area(box: Tensor) -> Tensor:
    return (box[..., 2:] - box[..., :2]).prod(-1)


def _has_box(target: Target) -> Tensor:
    count = torch.zeros_like(target.weight)
    return count.scatter_add_(1, target.labels, target.real.to(count.dtype)) > 0
