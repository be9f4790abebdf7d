"""What a viewer must show of our results, held against what it showed: boxes one to one, names, no errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset

from lungspot.findings import name_of
from lungspot.report import Statement

__all__ = ["Place", "complaints", "furthest", "matched", "places_of"]

NEAR = 1.0  # pixels of the film that a corner may lie off


@dataclass(frozen=True)
class Place:
    """A place that a report holds: its corners x0, y0, x1, y1, and names of which a label must say one."""

    corners: tuple[float, ...]
    names: tuple[str, ...] = ()


def places_of(report: Path, told: Statement) -> list[Place]:
    """Return a report's places in its order; ``told``: what was said of the film, whose names they have."""
    named = [(said.box.corners, said.names) for said in (*told.said, *told.below) if said.box is not None]
    found = []
    for part in dcmread(report).ContentSequence:
        if part.ConceptNameCodeSequence[0].CodeValue == "126010":
            for group in part.ContentSequence:
                for item in group.get("ContentSequence", ()):
                    if item.ValueType == "SCOORD":
                        xs, ys = item.GraphicData[0::2], item.GraphicData[1::2]
                        corners = (min(xs), min(ys), max(xs), max(ys))
                        labels = [one.label for box, every in named if _off(box, corners) < NEAR for one in every]
                        found.append(Place(corners, (*map(name_of, labels), *_finding(group, labels))))
    return found


def _finding(group: Dataset, labels: Sequence[str]) -> list[str]:
    """Return the coded finding of a group that has labels of ours."""
    codes = [each for each in group.ContentSequence if each.ConceptNameCodeSequence[0].CodeValue == "121071"]
    return [each.ConceptCodeSequence[0].CodeMeaning for each in codes if labels]


def _off(one: Sequence[float], other: Sequence[float]) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def matched(wanted: Sequence[Place], drawn: Sequence[Mapping[str, Any]]) -> dict[int, tuple[int, float]]:
    """Return by the number of a place which drawing shows it and how far off, the nearest first, each once."""
    pairs = []
    for index, each in enumerate(drawn):
        if each.get("corners"):
            xs, ys = zip(*(point[:2] for point in each["corners"]), strict=True)
            box = (min(xs), min(ys), max(xs), max(ys))
            pairs += [(_off(box, place.corners), number, index) for number, place in enumerate(wanted)]
    found: dict[int, tuple[int, float]] = {}
    for off, number, index in sorted(pairs):
        if number not in found and index not in {other for other, _ in found.values()}:
            found[number] = index, off
    return {number: pair for number, pair in found.items() if pair[1] < NEAR}


def furthest(wanted: Sequence[Place], drawn: Sequence[Mapping[str, Any]]) -> str:
    """Return how many places were found, and how many pixels their corners lie away from those written, at most."""
    found = matched(wanted, drawn)
    off = f", {max(off for _, off in found.values()):.3f} px" if found else ""
    return f"{len(found)} of {len(wanted)}{off}"


def complaints(seen: Mapping[str, Any], wanted: Sequence[Place], states: Iterable[str]) -> list[str]:
    """Return what is wrong with what a viewer showed: ``seen`` holds drawings by state, ``errors`` and ``stopped``."""
    wrong = [f"error: {error}" for error in seen.get("errors") or ()]
    if seen.get("stopped"):
        wrong.append(f"stopped: {seen['stopped']}")
    for state in states:
        drawn = seen.get(state) or []
        found = matched(wanted, drawn)
        if len(found) < len(wanted):
            wrong.append(f"{state}: {len(found)} of {len(wanted)} boxes")
        for number, (index, _) in found.items():
            words = str([drawn[index].get(key) for key in ("label", "lines", "finding", "text")]).casefold()
            if wanted[number].names and not any(name.casefold() in words for name in wanted[number].names):
                wrong.append(f"{state}: no name of {wanted[number].names} in {words}")
    return wrong
