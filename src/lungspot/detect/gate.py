"""Is this a frontal chest film that the detector can judge? Said before, and instead of, any score.

A film passes in three steps: its pixels are worth reading (:func:`unfit`), it is turned upright and its polarity set
right where the network sees that they are not (:func:`run_gated` runs it again after the correction), and the network's
``gate`` output calls it frontal. DICOM headers are believed where they refuse, never where they accept.

The gate's columns are ``group:value`` (``GateCard.classes``), each group's probabilities summing to 1:

============  =======================================================================================================
``what``      ``frontal``, ``lateral``, ``partial`` (heavily cropped), ``other_xray``, ``not_xray``
``turn``      ``0``, ``90``, ``180``, ``270``: degrees clockwise that the film is turned away from upright
``polarity``  ``normal``, ``inverted``
============  =======================================================================================================

Thresholds: ``frontal`` (accepted from this ``what:frontal``), ``turn`` (believed from this probability of the most
likely turn), ``inverted`` (believed from this ``polarity:inverted``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from lungspot.detect.card import GateCard
from lungspot.detect.correction import Correction
from lungspot.detect.detector import Detector, Raw
from lungspot.detect.second_look import look_again
from lungspot.errors import ModelError
from lungspot.images import Notice, Pixels, Placement, Radiograph, View, prepare

__all__ = ["REASONS", "GateResult", "run_gated", "unfit"]

# code → why a film is not assessed. docs/reference/json.md lists them; a test keeps the two in step.
REASONS: Final[dict[str, str]] = {
    "BLANK": "the picture is nearly one grey",
    "SATURATED": "most of the picture is pure black or white",
    "TOO_SMALL": "a side is shorter than 64 pixels",
    "SHAPE": "the picture is more than two and a half times as long as wide",
    "LATERAL": "a lateral view",
    "CROPPED": "only a part of a chest film",
    "NOT_A_CHEST_FILM": "an X-ray, but not of a chest from the front",
    "NOT_AN_XRAY": "not a projection X-ray",
    "ROTATED": "it lies on its side or upside down and could not be set upright",
    "INVERTED": "its greys are swapped and could not be set right",
    "MODEL_NUMERIC": "the network gave a value that is not a number",
}

_SMALLEST, _LONGEST = 64, 2.5
_BLANK, _SATURATED = 0.02, 0.8
_WHAT = {
    "lateral": "LATERAL",
    "partial": "CROPPED",
    "other_xray": "NOT_A_CHEST_FILM",
    "not_xray": "NOT_AN_XRAY",
}
_CHILD = 16
_ATTEMPTS = 2  # swapped greys can hide the turn; it shows once they are set right


@dataclass(frozen=True, slots=True)
class GateResult:
    """What the network said of a film that the film gate let through, or why it did not.

    ``reasons``: codes of :data:`REASONS`; where there are any, ``raw`` is None, so that no score can leak. ``raw`` and
    ``placement`` speak of the upright film; ``correction`` leads back to the file.
    """

    reasons: tuple[str, ...] = ()
    raw: Raw | None = None
    placement: Placement | None = None
    correction: Correction = field(default_factory=Correction)
    notices: tuple[Notice, ...] = ()


def run_gated(radiograph: Radiograph, detector: Detector) -> GateResult:
    """Run the detector on the film, set upright where it must be, and say whether the answer may be used."""
    notices = _notices(radiograph, detector.card.gate)
    if reasons := unfit(radiograph):
        return GateResult(reasons, notices=notices)
    try:
        correction = Correction()
        raw, placement = _run(radiograph.pixels, radiograph, detector)
        first = _not_frontal(raw, detector.card.gate)
        for _ in range(_ATTEMPTS):
            if first or not (step := _correction(raw, detector.card.gate)):
                break
            correction = correction.then(step)
            raw, placement = _run(correction.pixels(radiograph.pixels), radiograph, detector)
        reasons = first or _reasons(raw, detector.card.gate)
        if not reasons:
            upright = correction.pixels(radiograph.pixels) if correction else radiograph.pixels
            raw = look_again(raw, _film(upright, radiograph), detector)
    except ModelError as error:
        if error.code != "MODEL_NUMERIC":
            raise
        return GateResult((error.code,), notices=notices)
    if reasons:
        return GateResult(reasons, notices=notices)
    return GateResult((), raw, placement, correction, notices + _corrected(correction))


def unfit(radiograph: Radiograph) -> tuple[str, ...]:
    """Return the reasons not to run the detector at all, from the pixels and the header."""
    height, width = radiograph.pixels.shape
    sample = radiograph.pixels[:: max(height // 256, 1), :: max(width // 256, 1)]
    low, high = np.percentile(sample, (1, 99))
    blank = high - low < _BLANK
    checks = {
        "TOO_SMALL": min(height, width) < _SMALLEST,
        "SHAPE": max(height, width) > _LONGEST * min(height, width),
        "BLANK": blank,
        "SATURATED": not blank and np.mean((sample <= 0) | (sample >= 1)) > _SATURATED,
        "LATERAL": radiograph.view is View.LATERAL,
        "NOT_A_CHEST_FILM": any(notice.code == "BODY_PART" for notice in radiograph.notices),
    }
    return tuple(code for code, failed in checks.items() if failed)


def _run(pixels: Pixels, radiograph: Radiograph, detector: Detector) -> tuple[Raw, Placement]:
    prepared = prepare(_film(pixels, radiograph), detector.card.input_size)
    return detector.run(prepared.tensor), prepared.placement


def _film(pixels: Pixels, radiograph: Radiograph) -> Radiograph:
    return radiograph if pixels is radiograph.pixels else Radiograph(pixels, radiograph.origin, radiograph.bits)


def _groups(raw: Raw, gate: GateCard) -> Mapping[str, Mapping[str, float]]:
    groups: dict[str, dict[str, float]] = {}
    values = () if raw.gate is None else raw.gate
    for name, value in zip(gate.classes, values, strict=True):
        group, _, which = name.partition(":")
        groups.setdefault(group, {})[which] = float(value)
    return groups


def _correction(raw: Raw, gate: GateCard | None) -> Correction:
    if gate is None:
        return Correction()
    groups = _groups(raw, gate)
    turns = groups.get("turn", {"0": 1.0})
    turn = max(turns, key=turns.__getitem__)
    believed = turns[turn] >= gate.thresholds.get("turn", 0.5)
    inverted = groups.get("polarity", {}).get("inverted", 0.0) >= gate.thresholds.get("inverted", 0.5)
    return Correction(int(turn) // 90 % 4 if believed else 0, inverted)


def _reasons(raw: Raw, gate: GateCard | None) -> tuple[str, ...]:
    """Return why a film that has been set right, as far as that goes, cannot be judged."""
    if reasons := _not_frontal(raw, gate):
        return reasons
    again = _correction(raw, gate)
    return (("ROTATED",) if again.quarter_turns else ()) + (("INVERTED",) if again.invert else ())


def _not_frontal(raw: Raw, gate: GateCard | None) -> tuple[str, ...]:
    """Return what the picture is instead of a frontal chest film; asked before and after any correction."""
    what = {"frontal": 1.0} if gate is None else _groups(raw, gate).get("what", {"frontal": 1.0})
    if gate is None or what.get("frontal", 0.0) >= gate.thresholds.get("frontal", 0.5):
        return ()
    others = {name: value for name, value in what.items() if name != "frontal"}
    return (_WHAT.get(max(others, key=others.__getitem__), "NOT_A_CHEST_FILM"),)


def _notices(radiograph: Radiograph, gate: GateCard | None) -> tuple[Notice, ...]:
    found = []
    age = radiograph.age_years
    if age is not None and age < _CHILD and all(notice.code != "CHILD" for notice in radiograph.notices):
        found.append(Notice("CHILD", f"{age:g} years"))
    if gate is None:
        found.append(
            Notice("NO_GATE", "gate: not available; nothing checked that this is an upright frontal chest film")
        )
    return tuple(found)


def _corrected(correction: Correction) -> tuple[Notice, ...]:
    found = []
    if correction.quarter_turns:
        degrees = 90 * correction.quarter_turns
        found.append(Notice("TURNED", f"turned {degrees} degrees clockwise in the file; boxes are in the file's frame"))
    if correction.invert:
        found.append(Notice("GREYS_SWAPPED", "dense was dark in the file although it does not say so"))
    return tuple(found)
