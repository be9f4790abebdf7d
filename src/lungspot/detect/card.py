"""What a model file says about itself; it travels inside the file, so that weights and labels cannot part.

The card is JSON in the ONNX metadata entry ``lungspot.card`` (docs/reference/model-format.md). Class indices exist only
between here and the network: ``labels[i]`` names column ``i`` of every output.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Self

from lungspot import BANNER
from lungspot.detect.calibration import Curve, Knots, Platt
from lungspot.detect.positions import LEAST_INSIDE, Positions
from lungspot.detect.site_mark import SiteMark
from lungspot.errors import InputError, LungspotError, ModelError
from lungspot.findings import is_label_id

__all__ = [
    "DEFAULT_POINT",
    "METADATA_KEY",
    "OPERATING_POINTS",
    "AnatomyCard",
    "GateCard",
    "ModelCard",
    "PlaceRule",
    "SecondLook",
    "Standing",
    "Thresholds",
]

# under which a model file keeps its card
METADATA_KEY = "lungspot.card"
OPERATING_POINTS = ("sensitive", "balanced", "specific")  # lines of a score, each at or above the one before
DEFAULT_POINT = "balanced"  # what a result says unless another is asked for


_PARTS = 8  # of a film are looked at again at most


class Standing(StrEnum):
    """Whether a label is good enough to be said in every result, or is only shown to those who ask for it."""

    REPORTED = "reported"
    EXPERIMENTAL = "experimental"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which calibrated score on a box, and from which calibrated probability a film, counts as positive."""

    box: float
    image: float

    def __post_init__(self) -> None:
        """Refuse thresholds outside 0 to 1."""
        if not (0 <= self.box <= 1 and 0 <= self.image <= 1):
            raise InputError("BAD_VALUE", None, f"thresholds of {self.box} and {self.image}")


@dataclass(frozen=True, slots=True)
class PlaceRule:
    """When two boxes show one place (:mod:`lungspot.detect.places`).

    They do where their intersection over union is at least ``iou``; those of look-alikes, and of one label, also where
    the smaller lies in the larger by at least ``cover``.
    """

    iou: float = 0.5
    cover: float = 0.8

    def __post_init__(self) -> None:
        """Refuse shares outside 0 (excluded) to 1."""
        if not (0 < self.iou <= 1 and 0 < self.cover <= 1):
            raise InputError("BAD_VALUE", None, f"a place from an overlap of {self.iou} or a cover of {self.cover}")


@dataclass(frozen=True, slots=True)
class AnatomyCard:
    """What the model's ``organs`` and ``mirrored`` outputs are worth.

    ``sure``: from which probability a film counts as a mirror image, and up to 1 less it as none. ``tested_on``: how
    the outlines and the mirror images of films were found that it had not learnt from. ``lungs_trusted``: whether the
    lungs that it sees may say where boxes lie, because (nearly) all boxes that people drew on val lie in them.
    """

    sure: float
    tested_on: Mapping[str, Any] = field(default_factory=dict)
    lungs_trusted: bool = False

    def __post_init__(self) -> None:
        """Refuse a probability that both or neither could reach; make the mapping read-only."""
        _freeze(self, "tested_on")
        if not 0.5 <= self.sure <= 1:
            raise InputError("BAD_VALUE", "anatomy", f"sure from {self.sure}")

    def __reduce__(self) -> tuple[object, ...]:  # a mapping proxy cannot be pickled
        return type(self), (self.sure, dict(self.tested_on), self.lungs_trusted)


@dataclass(frozen=True, slots=True)
class GateCard:
    """What the model's ``gate`` output means.

    ``classes``: one name a column, ``group:value``; the columns of one group are probabilities that sum to 1
    (``what:frontal``, ``what:lateral``, ``turn:90`` …; see :mod:`lungspot.detect.gate`). ``thresholds``: by the names
    that the gate reads. ``tested_on``: what it was tested on, and how it did.
    """

    classes: tuple[str, ...]
    thresholds: Mapping[str, float] = field(default_factory=dict)
    tested_on: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse classes without a group; make the mappings read-only."""
        _freeze(self, "thresholds", "tested_on")
        object.__setattr__(self, "classes", tuple(self.classes))
        if len(set(self.classes)) != len(self.classes) or any(":" not in name for name in self.classes):
            raise InputError("BAD_VALUE", "gate", f"classes {self.classes}")

    def __reduce__(self) -> tuple[object, ...]:  # a mapping proxy cannot be pickled
        return type(self), (self.classes, dict(self.thresholds), dict(self.tested_on))


@dataclass(frozen=True, slots=True)
class SecondLook:
    """Which parts of a film are looked at again, and for the sake of which ``labels`` (:mod:`.second_look`).

    ``size``: pixels each way of the prepared film that parts are cut from. ``least``: pixels that the shorter side of a
    film must have. ``windows``: x0 y0 x1 y1 of each part, as fractions of the prepared film; if not given one a lung,
    its hilum and some of the other side, so that what lies at the border of one is inside the other. ``least_score``:
    what the film's own score (0 to 1, before calibration) must be of one of the labels; below, nothing is to be found.
    """

    labels: tuple[str, ...]
    size: int = 512
    least: int = 384
    windows: tuple[tuple[float, float, float, float], ...] = ((0.02, 0.06, 0.56, 0.9), (0.44, 0.06, 0.98, 0.9))
    least_score: float = 0.0

    def __post_init__(self) -> None:
        """Refuse parts that are none, or too many to look at (``BAD_VALUE``)."""
        object.__setattr__(self, "labels", tuple(self.labels))
        object.__setattr__(self, "windows", tuple(tuple(map(float, window)) for window in self.windows))
        fair = all(0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1 for x0, y0, x1, y1 in self.windows)
        if not self.labels or not fair or not 1 <= len(self.windows) <= _PARTS or not 32 <= self.size <= 4096:
            raise InputError("BAD_VALUE", "second_look", f"parts {self.windows} of {self.size} pixels")
        if not 0 <= self.least_score < 1:
            raise InputError("BAD_VALUE", "second_look", f"least_score {self.least_score}: from 0 to below 1")

    def wants(self, shorter: int, score: float) -> bool:
        """Say whether to look at a film again: by pixels of its shorter side, and the best of its scores of labels."""
        return shorter >= self.least and score >= self.least_score


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Everything a model file says about itself; labels that a mapping leaves out have its neutral value.

    ``input_size``: pixels of the square input. ``box_fusion``: a box's score is multiplied by the film's probability to
    this power, per label (0: box score alone). ``box_calibration`` and ``image_calibration``: what turns the fused box
    score and the raw image probability into probabilities, fitted on the validation split. ``thresholds``: by operating
    point, then label. ``nms_iou``: of two boxes of one label that overlap more, the lower is dropped; ``vote_iou``:
    boxes that overlap the one that stays by at least this vote on its corners (:mod:`lungspot.detect.nms`; 1: none but
    itself); ``vote_ious``: the same of labels that do better with another. ``box_from_map``: labels learnt without
    boxes get theirs from the activation map, from this fraction of its peak. ``standing``: whether a label is reported
    or experimental (docs/explanation/standing.md; reported where the card does not say). ``place_rule``: which boxes
    show one place. ``positions``: where on a film boxes of a label may lie; those of a label without may lie anywhere.
    ``least_inside``: how much of a box's area must lie there. ``second_look``: which parts of a film are looked at
    again, and for which labels. ``reliability``: per label, how often a score came true (bins of ``score``,
    ``observed``, ``count``). ``metrics``, ``training_data``, ``notes``: for people. ``site``: whose thresholds and
    probabilities these are, where not the model's own; in no model file.
    """

    name: str
    version: str
    labels: tuple[str, ...]
    input_size: int
    box_fusion: Mapping[str, float] = field(default_factory=dict)
    box_calibration: Mapping[str, Curve] = field(default_factory=dict)
    image_calibration: Mapping[str, Curve] = field(default_factory=dict)
    thresholds: Mapping[str, Mapping[str, Thresholds]] = field(default_factory=dict)
    nms_iou: float = 0.4
    vote_iou: float = 1.0
    vote_ious: Mapping[str, float] = field(default_factory=dict)
    box_from_map: Mapping[str, float] = field(default_factory=dict)
    standing: Mapping[str, Standing] = field(default_factory=dict)
    place_rule: PlaceRule = field(default_factory=PlaceRule)
    positions: Mapping[str, Positions] = field(default_factory=dict)
    least_inside: float = LEAST_INSIDE
    gate: GateCard | None = None
    anatomy: AnatomyCard | None = None
    second_look: SecondLook | None = None
    reliability: Mapping[str, Any] = field(default_factory=dict)
    training_data: tuple[str, ...] = ()
    licence: str = ""
    terms: str = ""
    intended_use: str = BANNER
    notes: tuple[str, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    site: SiteMark | None = None
    _digest: str = field(default="", init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse cards that contradict themselves (``BAD_VALUE``); make the mappings read-only."""
        for name in ("labels", "training_data", "notes"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        thresholds = {point: MappingProxyType(dict(of)) for point, of in self.thresholds.items()}
        object.__setattr__(self, "thresholds", thresholds)
        per_label = (
            "box_fusion",
            "box_calibration",
            "image_calibration",
            "vote_ious",
            "box_from_map",
            "standing",
            "positions",
            "reliability",
        )
        object.__setattr__(self, "standing", {label: _standing(each) for label, each in self.standing.items()})
        _freeze(self, *per_label, "thresholds", "metrics")
        if not self.labels or len(set(self.labels)) != len(self.labels) or not all(map(is_label_id, self.labels)):
            raise InputError("BAD_VALUE", "card", f"labels {self.labels}")
        overlaps = (self.nms_iou, self.vote_iou, *self.vote_ious.values())
        if not (32 <= self.input_size <= 4096) or not all(0 < overlap <= 1 for overlap in overlaps):
            raise InputError("BAD_VALUE", "card", f"input of {self.input_size} pixels, overlaps of {overlaps}")
        unknown = {label for name in per_label for label in getattr(self, name)} - set(self.labels)
        unknown |= {label for of in thresholds.values() for label in of} - set(self.labels)
        unknown |= set(() if self.second_look is None else self.second_look.labels) - set(self.labels)
        if unknown or set(thresholds) - set(OPERATING_POINTS):
            raise InputError("BAD_VALUE", "card", f"speaks of {sorted(unknown)}, {sorted(thresholds)}")
        numbers = [*self.box_fusion.values(), *self.box_from_map.values()]
        if not all(math.isfinite(number) and number >= 0 for number in numbers):
            raise InputError("BAD_VALUE", "card", "a fusion or map fraction that is not a number from 0")
        if not (math.isfinite(self.least_inside) and 0 < self.least_inside <= 1):
            raise InputError("BAD_VALUE", "card", f"boxes of which {self.least_inside} must lie in lungs")
        for label in self.labels:
            self._check_order(label)

    def _check_order(self, label: str) -> None:
        given = [(point, of[label]) for point in OPERATING_POINTS if label in (of := self.thresholds.get(point, {}))]
        for (low, below), (high, above) in pairwise(given):
            if below.box > above.box or below.image > above.image:
                reason = f"{label}: the {low} thresholds {below} are not at or below the {high} ones {above}"
                raise InputError("BAD_VALUE", "card", reason)

    def __reduce__(self) -> tuple[object, ...]:  # a mapping proxy cannot be pickled
        return type(self).from_json, (self.to_json(),)

    @property
    def sha256(self) -> str:
        """The hash of the card's JSON; worked out once, for every result bears it."""
        if not self._digest:
            object.__setattr__(self, "_digest", hashlib.sha256(self.to_json().encode()).hexdigest())
        return self._digest

    @property
    def sealed_sha256(self) -> str:
        """The hash of the card that the model file holds: of this one, but for what a site has put in its place."""
        return self.sha256 if self.site is None else self.site.card_sha256

    def threshold(self, label: str, point: str = DEFAULT_POINT) -> Thresholds:
        """Return the thresholds of one label at an operating point; where the card has none 0.5, kept in order."""
        if (own := self.thresholds.get(point, {}).get(label)) is not None:
            return own
        at = OPERATING_POINTS.index(point)
        lower, upper = (
            [of[label] for each in part if label in (of := self.thresholds.get(each, {}))]
            for part in (OPERATING_POINTS[:at], OPERATING_POINTS[at + 1 :])
        )
        box, image = max([0.5, *(each.box for each in lower)]), max([0.5, *(each.image for each in lower)])
        return Thresholds(min([box, *(each.box for each in upper)]), min([image, *(each.image for each in upper)]))

    def vote_iou_of(self, label: str) -> float:
        """Return by how much boxes of a label overlap the one that stays to vote on its corners."""
        return self.vote_ious.get(label, self.vote_iou)

    def is_reported(self, label: str) -> bool:
        """Say whether a label is said in every result; experimental ones are shown only to those who ask for them."""
        return self.standing.get(label, Standing.REPORTED) is Standing.REPORTED

    def to_json(self) -> str:
        """Return the card as JSON text: sorted keys, so that equal cards are equal bytes."""
        return json.dumps(_plain(self), sort_keys=True, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the card of :meth:`to_json`'s text; raises ``MODEL_FORMAT``, of no file, where it is not one."""
        try:
            value = json.loads(text)
            if (gate := value.get("gate")) is not None:
                value["gate"] = GateCard(**gate)
            if (anatomy := value.get("anatomy")) is not None:
                value["anatomy"] = AnatomyCard(**anatomy)
            if (look := value.get("second_look")) is not None:
                value["second_look"] = SecondLook(**look)
            if (site := value.get("site")) is not None:
                value["site"] = SiteMark(**site)
            for name in ("box_calibration", "image_calibration"):
                value[name] = {label: _curve(of) for label, of in value.get(name, {}).items()}
            value["thresholds"] = {
                point: {label: Thresholds(**each) for label, each in of.items()}
                for point, of in value.get("thresholds", {}).items()
            }
            if "place_rule" in value:
                value["place_rule"] = PlaceRule(**value["place_rule"])
            value["positions"] = {label: Positions(**of) for label, of in value.get("positions", {}).items()}
            return cls(**value)
        except (LungspotError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ModelError("MODEL_FORMAT", None, f"the model card is not one ({error})") from error


def _curve(value: Mapping[str, Any]) -> Curve:
    return Knots(**value) if "x" in value else Platt(**value)


def _standing(value: str) -> Standing:
    try:
        return Standing(value)
    except ValueError:
        raise InputError("BAD_VALUE", "card", f"a standing of {value!r}") from None


def _freeze(target: object, *names: str) -> None:
    for name in names:
        object.__setattr__(target, name, MappingProxyType(dict(getattr(target, name))))


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a card may hold
    if isinstance(value, ModelCard | GateCard | AnatomyCard | SiteMark):
        plain = {each.name: _plain(getattr(value, each.name)) for each in fields(value) if each.init}
        if plain.get("site", "") is None:  # as cards are in model files, which know no site
            del plain["site"]
        return plain
    if isinstance(value, Platt | Knots | Thresholds | PlaceRule | Positions | SecondLook):
        return asdict(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
