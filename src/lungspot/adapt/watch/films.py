"""Many films as columns: when, where, by which model, and the numbers that are watched.

Every number has a name and belongs to a family. A name with a colon is of a label (``score:effusion``) or of the
picture (``image:p50``). Shares are 0 or 1 a film. NaN: not known of this film.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungspot.detect import REASONS
from lungspot.findings import name_of

__all__ = [
    "FAMILIES",
    "FilmHistory",
    "FilmRow",
    "Reviewed",
    "family_of",
    "film_history",
    "is_share",
    "needs_model",
    "title_of",
]

# family → its part of the false alarms that are allowed for
FAMILIES: Final[dict[str, float]] = {
    "volume": 0.10,
    "acceptance": 0.15,
    "image": 0.25,
    "scores": 0.30,
    "features": 0.10,
    "readers": 0.10,
}
# what is 0 or 1 a film → what its share is called
_SHARES: Final[dict[str, tuple[str, str]]] = {
    "not_assessed": ("acceptance", "Films not assessed, of those that were read"),
    "unreadable": ("acceptance", "Files that could not be read"),
    "greys_swapped": ("acceptance", "Films with swapped greys"),
    "turned": ("acceptance", "Films that were turned"),
    "ap": ("acceptance", "AP among films whose view is known"),
    "abnormal": ("scores", "Films read abnormal"),
    "accepted": ("readers", "Reviewed films accepted as they were"),
    "rejected": ("readers", "Reviewed films with a box rejected"),
    "edited": ("readers", "Reviewed films with a box or label changed"),
    "added": ("readers", "Reviewed films with a finding added"),
}
_IMAGE: Final[dict[str, str]] = {
    "p5": "Dark parts (5th percentile)",
    "p25": "25th percentile of the greys",
    "p50": "Median grey",
    "p75": "75th percentile of the greys",
    "p95": "Bright parts (95th percentile)",
    "entropy": "Entropy of the greys, bits",
    "roughness": "Difference of neighbouring pixels",
    "levels": "Number of different greys",
    "clipped": "Share of pixels pure black or white",
    "long_side": "Longer side, pixels",
    "aspect": "Width over height",
    "bits": "Bits a pixel",
}
_FEATURES: Final = 16
# In the middle of many, the 25th and 75th percentiles say what the other five say.
_NOT_WATCHED: Final = frozenset({"image:p25", "image:p75"})


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a reader did on one film: whether a box was rejected, one changed, a finding added."""

    rejected: bool
    edited: bool
    added: bool


@dataclass(frozen=True, slots=True)
class FilmRow:
    """One result, or one review of one: seconds since 1970 (UTC), site, and :func:`lungspot.adapt.film_facts`."""

    time: float
    site: str
    facts: Mapping[str, Any]
    review: Reviewed | None = None


@dataclass(frozen=True, slots=True)
class FilmHistory:
    """Columns of n rows, oldest first; ``site``, ``device``, ``model`` and ``software`` are indices of ``names``.

    ``review``: which rows are reviews, and no films. ``features``: (n, 16), NaN where not known.
    """

    time: NDArray[np.float64]
    site: NDArray[np.int64]
    device: NDArray[np.int64]
    model: NDArray[np.int64]
    software: NDArray[np.int64]
    review: NDArray[np.bool_]
    values: Mapping[str, NDArray[np.float32]]
    features: NDArray[np.float32]
    names: tuple[str, ...]

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.time)


def film_history(rows: Iterable[FilmRow]) -> FilmHistory:
    """Return rows as columns; of 100,000 films about 30 MB. Raises TypeError or ValueError at facts that are none."""
    names: dict[str, int] = {}
    time, features = array("d"), array("f")
    codes = [array("q") for _ in range(4)]
    review = array("b")
    columns: dict[str, array[float]] = {}
    unknown = [float("nan")] * _FEATURES
    for count, row in enumerate(rows):
        facts = row.facts
        time.append(row.time)
        review.append(row.review is not None)
        words = (row.site, facts.get("device"), facts.get("model"), facts.get("software"))
        for column, word in zip(codes, words, strict=True):
            column.append(names.setdefault(word or "", len(names)))
        for name, value in _values(facts) if row.review is None else _said(row.review):
            column_of = columns.get(name)
            if column_of is None:
                column_of = columns[name] = array("f")
            if len(column_of) < count:
                column_of.extend([float("nan")] * (count - len(column_of)))
            column_of.append(value)
        kept = facts.get("features") if row.review is None else None
        features.extend(kept if kept is not None and len(kept) == _FEATURES else unknown)
    n = len(time)
    for column_of in columns.values():
        column_of.extend([float("nan")] * (n - len(column_of)))
    moments = np.array(time, dtype=np.float64)
    order = np.argsort(moments, kind="stable")
    site, device, model, software = (np.array(code, dtype=np.int64)[order] for code in codes)
    return FilmHistory(
        moments[order],
        *(site, device, model, software),
        np.array(review, dtype=np.bool_)[order],
        {name: np.array(column, dtype=np.float32)[order] for name, column in sorted(columns.items())},
        np.array(features, dtype=np.float32).reshape(n, _FEATURES)[order],
        tuple(names),
    )


def family_of(name: str) -> str:
    """Return the family that a number belongs to."""
    if name in _SHARES:
        return _SHARES[name][0]
    head = name.partition(":")[0]
    return {"films": "volume", "image": "image", "features": "features"}.get(head, "scores")


def needs_model(name: str) -> bool:
    """Say whether a number depends on the model that read the film, so that a new model begins a new baseline."""
    return name not in {"films", "unreadable", "ap"} and not name.startswith("image:")


def is_share(name: str) -> bool:
    """Say whether a number is 0 or 1 a film."""
    return name in _SHARES or name.startswith("positive:")


def title_of(name: str) -> str:
    """Return what a number is called."""
    if name in _SHARES:
        return _SHARES[name][1]
    head, _, tail = name.partition(":")
    if head == "image":
        return _IMAGE.get(tail, tail)
    label = name_of(tail)
    return {
        "films": "Films a week",
        "features": "What the network sees (features)",
        "score": f"{label}: scores",
        "positive": f"{label}: films above threshold",
    }.get(head, name)


def _values(facts: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield what is known of a film, by name."""
    assessed = facts["status"] == "assessed"
    reasons, warnings = facts["reasons"], facts["warnings"]
    readable = assessed or any(reason in REASONS for reason in reasons)
    yield "unreadable", not readable
    if readable:
        yield "not_assessed", not assessed
        yield "greys_swapped", "GREYS_SWAPPED" in warnings or "INVERTED" in reasons
        yield "turned", "TURNED" in warnings or "ROTATED" in reasons
        if facts["view"] in {"AP", "PA"}:
            yield "ap", facts["view"] == "AP"
        yield from _of_picture(facts)
    if assessed:
        yield "abnormal", facts["abnormal"]
        positive = facts["positive"]
        for label, score in facts["scores"].items():
            yield f"score:{label}", score
            yield f"positive:{label}", label in positive


def _of_picture(facts: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in (facts["statistics"] or {}).items():
        if f"image:{name}" not in _NOT_WATCHED:
            yield f"image:{name}", value
    if facts["size"]:
        width, height = facts["size"]
        yield "image:long_side", max(width, height)
        yield "image:aspect", width / height
    if facts["bits"]:
        yield "image:bits", facts["bits"]


def _said(review: Reviewed) -> Iterator[tuple[str, float]]:
    yield "accepted", not (review.rejected or review.edited or review.added)
    yield "rejected", review.rejected
    yield "edited", review.edited
    yield "added", review.added
