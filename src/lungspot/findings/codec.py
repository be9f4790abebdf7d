"""A :class:`~lungspot.findings.reading.Reading` as plain JSON values, and back; nothing is lost and nothing invented.

{"reader": "R8", "frame": [2336, 2836], "states": {"effusion": "boxed"},
"findings": [{"label": "effusion", "box": [x0, y0, x1, y1], "score": 0.8, "side": "left", "zone": "lower"}]}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lungspot.errors import InputError
from lungspot.findings.boxes import Box, Frame
from lungspot.findings.labels import Label
from lungspot.findings.reading import Finding, Reading, Side, State, Zone

__all__ = ["finding_from_json", "finding_to_json", "label_to_json", "reading_from_json", "reading_to_json"]


_WHEN: Final = ("created", "basis")


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON values; keys without a value are left out."""
    values = {
        "label": finding.label,
        "box": None if finding.box is None else list(finding.box.corners),
        "score": finding.score,
        "side": finding.side,
        "zone": finding.zone,
        "source": finding.source,
        "judged": None if finding.judged else False,
        "crowd": finding.crowd or None,
    }
    return {key: value for key, value in values.items() if value is not None}


def finding_from_json(value: Mapping[str, Any]) -> Finding:
    """Return the finding of :func:`finding_to_json`'s value; raises :class:`InputError` where it is not one."""
    try:
        return Finding(
            label=value["label"],
            box=Box(*map(_number, value["box"])) if "box" in value else None,
            score=_number(value["score"]) if "score" in value else None,
            side=Side(value["side"]) if "side" in value else None,
            zone=Zone(value["zone"]) if "zone" in value else None,
            source=_text(value["source"]) if "source" in value else None,
            judged=_truth(value["judged"]) if "judged" in value else True,
            crowd=_truth(value["crowd"]) if "crowd" in value else False,
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _malformed("finding", error) from error


def label_to_json(label: Label) -> dict[str, Any]:
    """Return what a label is called, as JSON values: id, names, the wider label, and codes by their scheme."""
    return {
        "id": label.id,
        "name": label.name,
        "parent": label.parent,
        "disease": label.disease,
        "codes": {code.scheme: code.value for code in label.codes},
        "aliases": list(label.aliases),
    }


def reading_to_json(reading: Reading) -> dict[str, Any]:
    """Return a reading as JSON values; ``rejected``, ``created`` and ``basis`` only where there are any."""
    value: dict[str, Any] = {"reader": reading.reader}
    if reading.frame is not None:
        value["frame"] = [reading.frame.width, reading.frame.height]
    value["states"] = {label: str(state) for label, state in reading.states.items()}
    value["findings"] = [finding_to_json(finding) for finding in reading.findings]
    if reading.rejected:
        value["rejected"] = [finding_to_json(finding) for finding in reading.rejected]
    value |= {key: text for key in _WHEN if (text := getattr(reading, key)) is not None}
    return value


def reading_from_json(value: Mapping[str, Any]) -> Reading:
    """Return the reading of :func:`reading_to_json`'s value; raises :class:`InputError` where it is not one."""
    try:
        return Reading(
            reader=_text(value["reader"]),
            findings=tuple(finding_from_json(item) for item in value["findings"]),
            states={label: State(state) for label, state in value["states"].items()},
            frame=Frame(*value["frame"]) if "frame" in value else None,
            rejected=tuple(finding_from_json(item) for item in value.get("rejected", ())),
            **{key: _text(value[key]) for key in _WHEN if value.get(key) is not None},
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise _malformed("reading", error) from error


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


def _malformed(what: str, error: Exception) -> InputError:
    if isinstance(error, InputError):
        return error
    return InputError("BAD_VALUE", None, f"not a {what} ({type(error).__name__}: {error})")
