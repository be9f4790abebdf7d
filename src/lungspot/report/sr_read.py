"""A structured report read back: what ``sr`` wrote, and as much of another's TID 1500 report as our labels can say.

Only pydicom is needed. Of a region that is no rectangle the smallest box around it is taken. Findings with codes that
are none of ours are left out.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from lungspot.errors import InputError
from lungspot.findings import Box, Finding, Frame, Reading, Side, State, Zone
from lungspot.inputs import regular
from lungspot.report.coded import OWN, TERMS, label_of
from lungspot.report.measurements import Greys, Kind, Measurement, Widths

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["StructuredReport", "read_sr"]

Key = tuple[str, str]

_MEASUREMENTS: Final = ("126010", "DCM")
_GROUP: Final = ("125007", "DCM")
_EVALUATIONS: Final = TERMS["evaluations"][:2]
_TITLE: Final = ("126000", "DCM")
_ROWS, _COLUMNS = ("110910", "DCM"), ("110911", "DCM")
_ALGORITHM, _VERSION = ("111001", "DCM"), ("111003", "DCM")
_OBSERVER: Final = ("121013", "DCM")
_FINDING: Final = ("121071", "DCM")
_SITE, _LATERALITY, _ZONE = ("363698007", "SCT"), ("272741003", "SCT"), ("106233006", "SCT")
_OUTCOME, _REASON = ("outcome", OWN), ("reason", OWN)
_PROBABILITY: Final = TERMS["probability"][:2]
_ABSENT: Final = TERMS["absent"][:2]
_SIDES: Final = {TERMS[side.value][:2]: side for side in Side}
_ZONES: Final = {TERMS[zone.value][:2]: zone for zone in Zone}
_TRACKING: Final = TERMS["tracking_uid"][:2]
_EARLIER: Final = ("earlier_film", OWN)
_DEEPEST: Final = 16
_SIZES: Final = {
    Kind.RATIO: ("cardiothoracic_ratio", OWN),
    **{name: TERMS[name][:2] for name in ("length", "angle", "area", "width", "mean", "deviation")},
    **{name: TERMS[name][:2] for name in ("minimum", "maximum")},
}
_GREYS: Final = ("mean", "deviation", "minimum", "maximum")
_UNITS: Final = {"{pixels}": "px", "°": "deg"}


@dataclass(frozen=True, slots=True)
class StructuredReport:
    """What a report says: the film's SOP Instance UID, the outcome, the reasons where it was not assessed, the reading.

    ``outcome``: ``assessed``, ``refused`` (the film is none that the model can judge), ``failed`` (it could not be
    read), or None where the report does not say (another's). ``reading`` is None where there is none.
    ``measurements``: lengths, angles, regions and cardiothoracic ratios with the points that they were taken at.
    ``tracking``: the UIDs that places are followed by, with their boxes. ``against``: the SOP Instance UID of the
    earlier film that it compares with; ``made``: date and time of its content, as DICOM writes them.
    """

    film: str | None
    outcome: str | None
    reasons: tuple[str, ...]
    reading: Reading | None
    measurements: tuple[Measurement, ...] = ()
    tracking: tuple[tuple[str, Box], ...] = ()
    against: str | None = None
    made: str = ""


def read_sr(source: str | os.PathLike[str] | bytes | Dataset, *, frame: Frame | None = None) -> StructuredReport:
    """Return what a TID 1500 report says: a path, the bytes of a file, or a data set.

    Scores are as exact as they were written; boxes lie within 0.001 pixel of those that were (SCOORD holds 32-bit
    floats). ``frame``: the film's size, for reports of others that do not say it. Raises InputError ``BAD_VALUE`` where
    it is no such report, and OSError where the file cannot be read.
    """
    from pydicom import config, dcmread  # noqa: PLC0415 - costs the readers of pictures 0.2 s

    where = os.fspath(source) if isinstance(source, str | os.PathLike) else None
    data = regular(Path(where)).read_bytes() if where is not None else source
    try:
        with config.disable_value_validation():
            return _read(dcmread(BytesIO(data)) if isinstance(data, bytes) else cast("Dataset", data), frame)
    except InputError as error:
        raise error.at(where) from error
    except Exception as error:  # pydicom meets damage with many kinds, OSError among them
        raise InputError("BAD_VALUE", where, f"not a measurement report ({type(error).__name__}: {error})") from error


def _read(dataset: Dataset, frame: Frame | None) -> StructuredReport:
    if dataset.get("Modality") != "SR" or _code(dataset.get("ConceptNameCodeSequence")) != _TITLE:
        raise InputError("BAD_VALUE", None, "not a DICOM imaging measurement report (TID 1500)")
    groups = [group for part in _items(dataset, _MEASUREMENTS) for group in _items(part, _GROUP)]
    whole = _items(dataset, _EVALUATIONS)  # before 0.2 the film as a whole had measurement groups, too
    outcome = next((value[0] for part in (*groups, *whole) for value in _values(part, _OUTCOME)), None)
    reasons = tuple(value[0] for part in (*groups, *whole) for value in _values(part, _REASON))
    film = next((item for item in _all(dataset) if item.ValueType == "IMAGE"), None)
    uid = None if film is None else str(film.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
    made = f"{dataset.get('ContentDate') or ''}{dataset.get('ContentTime') or ''}"
    sizes = tuple(found for group in groups if (found := _measured(group)) is not None)
    if outcome in {"refused", "failed"}:
        return StructuredReport(uid, outcome, reasons, None, sizes, made=made)
    against = next((str(item.UID) for part in whole for item in _items(part, _EARLIER)), None)
    findings: list[Finding] = []
    states: dict[str, State] = {}
    for group in groups:
        for key in _values(group, _FINDING)[:1]:
            if (label := label_of(*key)) is not None:
                _take(group, label, findings, states)
    for part in whole:
        for item in part.get("ContentSequence", ()):
            name, word = _name(item), _code(item.get("ConceptCodeSequence"))
            if name is not None and word is not None and (label := label_of(*name)) is not None:
                score = next(iter(_probabilities(item).values()), None)
                if score is not None:
                    findings.append(Finding(label, score=score))
                _say(states, label, word)
    reading = Reading(_reader(dataset), tuple(findings), states, frame or _frame(dataset))
    return StructuredReport(uid, outcome, reasons, reading, sizes, tuple(_tracking(groups)), against, made)


def _tracking(groups: Sequence[Dataset]) -> Iterator[tuple[str, Box]]:
    for group in groups:
        for item in _items(group, _TRACKING)[:1]:
            if (box := _box(group)) is not None:
                yield str(item.UID), box


def _measured(group: Dataset) -> Measurement | None:
    """Return what a group measures, None where we know no such thing, or where it does not say at which points."""
    names = {name: _items(group, key) for name, key in _SIZES.items()}
    if (area := names["area"]) and (box := _box(group)) is not None:
        parts = [next((_number(item)[0] for item in names[name]), None) for name in _GREYS]
        greys = None if None in parts else Greys(*(float(each or 0) for each in parts))
        value, unit = _number(area[0])
        return Measurement(
            Kind.REGION, ((box.x0, box.y0), (box.x1, box.y1)), value, f"{unit.rstrip('2')}2", greys=greys
        )
    for kind in (Kind.RATIO, Kind.LENGTH, Kind.ANGLE):
        for item in names[kind]:
            value, unit = _number(item)
            points = tuple(point for line in _lines(item) for point in line)
            if len(points) == {Kind.RATIO: 4, Kind.LENGTH: 2, Kind.ANGLE: 3}[kind]:
                sizes = [_number(each) for each in names["width"]]
                widths = Widths(sizes[0][0], sizes[1][0], sizes[0][1]) if len(sizes) == 2 else None
                return Measurement(kind, points, value, unit, widths=widths)
    return None


def _number(item: Dataset) -> tuple[float, str]:
    measured = item.MeasuredValueSequence[0]
    unit = _code(measured.get("MeasurementUnitsCodeSequence")) or ("", "")
    return float(measured.get("FloatingPointValue", measured.NumericValue)), _UNITS.get(unit[0], unit[0])


def _lines(item: Dataset) -> Iterator[list[tuple[float, float]]]:
    for each in item.get("ContentSequence", ()):
        if each.get("ValueType") == "SCOORD" and each.get("GraphicType") == "POLYLINE":
            numbers = [float(number) for number in each.GraphicData]
            yield list(zip(numbers[0::2], numbers[1::2], strict=True))


def _take(group: Dataset, label: str, findings: list[Finding], states: dict[str, State]) -> None:
    """Add one group's findings and what it says of their labels; a box outweighs every other word about a label.

    A place of ours has several names, each with an evaluation and perhaps a probability that says of which it is.
    """
    box, site = _box(group), next(iter(_items(group, _SITE)), None)
    side = next((_SIDES.get(value) for value in ([] if site is None else _values(site, _LATERALITY))), None)
    zone = next((_ZONES.get(value) for value in ([] if site is None else _values(site, _ZONE))), None)
    said = _evaluations(group) or {label: None}
    scores = _probabilities(group)
    for name, word in said.items():
        score = scores.get(name, scores.get(None) if len(said) == 1 else None)
        if box is not None or score is not None:
            findings.append(Finding(name, box, score, side, zone))
        if box is not None:
            states[name] = State.BOXED
        else:
            _say(states, name, word)


def _say(states: dict[str, State], label: str, word: Key | None) -> None:
    """Note one word about a label on the whole film."""
    if states.get(label) is not State.BOXED:
        states[label] = State.ABSENT if word == _ABSENT else State.PRESENT


def _evaluations(group: Dataset) -> dict[str, Key | None]:
    """Return by label what a group says of it, in the order in which it does."""
    found: dict[str, Key | None] = {}
    for item in group.get("ContentSequence", ()):
        name, value = _name(item), _code(item.get("ConceptCodeSequence"))
        if name is not None and value is not None and (label := label_of(*name)) is not None:
            found.setdefault(label, value)
    return found


def _box(group: Dataset) -> Box | None:
    """Return the smallest box around the group's first region, or None where it has none with an area."""
    for item in group.get("ContentSequence", ()):
        if item.get("ValueType") != "SCOORD" or item.get("GraphicType") not in {"POLYLINE", "MULTIPOINT"}:
            continue
        numbers = [float(each) for each in item.GraphicData]
        xs, ys = numbers[0::2], numbers[1::2]
        if len(xs) == len(ys) and min(xs) < max(xs) and min(ys) < max(ys):
            return Box.from_points(zip(xs, ys, strict=True))
    return None


def _probabilities(group: Dataset) -> dict[str | None, float]:
    """Return the probabilities of a group by the label that they are of; None: it does not say."""
    found: dict[str | None, float] = {}
    for item in _items(group, _PROBABILITY):
        measured = item.MeasuredValueSequence[0]
        value = float(measured.get("FloatingPointValue", measured.NumericValue))
        if math.isfinite(value) and 0 <= value <= 1:
            of = next((label_of(*key) for key in _values(item, _FINDING)), None)
            found.setdefault(of, value)
    return found


def _reader(dataset: Dataset) -> str:
    """Return who reads: name and version of the algorithm, else the observer's name."""
    for names in ((_ALGORITHM, _VERSION), (_OBSERVER,)):
        words = [next((str(item.TextValue) for item in _all(dataset) if _name(item) == name), "") for name in names]
        if words[0]:
            return " ".join(words).strip()
    return "unknown"


def _frame(dataset: Dataset) -> Frame | None:
    sizes = {
        _name(item): int(float(item.MeasuredValueSequence[0].NumericValue))
        for item in _all(dataset)
        if _name(item) in {_ROWS, _COLUMNS}
    }
    return Frame(sizes[_COLUMNS], sizes[_ROWS]) if len(sizes) == 2 else None


def _all(dataset: Dataset, depth: int = 0) -> Iterator[Dataset]:
    """Yield every content item below a data set, in the order of the document."""
    if depth > _DEEPEST:
        raise InputError("BAD_VALUE", None, "content items nested too deeply")
    for item in dataset.get("ContentSequence", ()):
        yield item
        yield from _all(item, depth + 1)


def _items(dataset: Dataset, name: Key) -> list[Dataset]:
    """Return the content items right below a data set that have a concept name."""
    return [item for item in dataset.get("ContentSequence", ()) if _name(item) == name]


def _values(dataset: Dataset, name: Key) -> list[Key]:
    """Return the coded values of a concept right below a data set."""
    found = (_code(item.get("ConceptCodeSequence")) for item in _items(dataset, name))
    return [value for value in found if value is not None]


def _name(item: Dataset) -> Key | None:
    return _code(item.get("ConceptNameCodeSequence"))


def _code(sequence: Sequence[Dataset] | None) -> Key | None:
    if not sequence:
        return None
    item = sequence[0]
    value = item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue")
    return str(value), str(item.get("CodingSchemeDesignator", ""))
