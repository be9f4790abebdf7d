"""The words that every form of a result shares: names, places, reasons."""

from __future__ import annotations

from typing import Final

from lungspot.detect import REASONS
from lungspot.errors import CODES
from lungspot.findings import Finding, taxonomy
from lungspot.report.analysis import Analysis

__all__ = ["NOT_ASSESSED", "headline", "name_of", "place_of", "refused_because", "why"]

# What is said of a film that was not judged, in every form; never "normal".
NOT_ASSESSED: Final = "Not assessed"


def name_of(label: str) -> str:
    """Return a label's name for people."""
    return taxonomy()[label].name


def place_of(finding: Finding) -> str:
    """Return side and zone in words: ``right lower zone``, ``both sides``; empty where neither is known."""
    side = "both sides" if finding.side == "bilateral" else finding.side or ""
    zone = f"{finding.zone} zone" if finding.zone else ""
    joined = ", ".join(filter(None, (side, zone))) if finding.side == "bilateral" else f"{side} {zone}"
    return joined.strip()


def why(code: str) -> str:
    """Return what a reason code says to a person."""
    return REASONS.get(code) or CODES.get(code) or code


def refused_because(*reasons: str) -> str:
    """Return the sentence of a film that was not assessed; ``reasons`` are in words."""
    return f"{NOT_ASSESSED}: {'; '.join(reasons)}"


def headline(result: Analysis) -> str:
    """Return one sentence: what was found, or why the film was not assessed."""
    if not result.assessed:
        return refused_because(*map(why, result.reasons))
    positive = [finding for finding in result.boxed if result.is_positive(finding)]
    names = list(dict.fromkeys(name_of(finding.label) for finding in positive))
    if names:
        return ", ".join(names)
    whole = () if result.reading is None else result.reading.findings
    unboxed = [name_of(finding.label) for finding in whole if finding.box is None and result.is_positive(finding)]
    if unboxed:
        return ", ".join(unboxed) + " (no box)"
    return f"No finding at the {result.point} operating point"
