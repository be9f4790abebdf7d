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
from lungspot.report.coded import OWN_SCHEME, TERMS, label_of
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
_ORGAN: Final = TERMS["anatomical_structure"][:2]
_SITE, _LATERALITY, _ZONE = ("363698007", "SCT"), ("272741003", "SCT"), ("106233006", "SCT")
_OUTCOME, _REASON = ("outcome", OWN_SCHEME), ("reason", OWN_SCHEME)
_PROBABILITY: Final = TERMS["probability"][:2]
_ABSENT: Final = TERMS["absent"][:2]
_SIDES: Final = {TERMS[side.value][:2]: side for side in Side}
_ZONES: Final = {TERMS[zone.value][:2]: zone for zone in Zone}
_TRACKING: Final = TERMS["tracking_uid"][:2]
_EARLIER: Final = ("earlier_film", OWN_SCHEME)
_DEEPEST: Final = 16
_SIZES: Final = {
    Kind.RATIO: ("cardiothoracic_ratio", OWN_SCHEME),
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


class _Item:
    """A content item, or the whole document: the name of its concept, found once, and the items below it."""

    __slots__ = ("below", "dataset", "name")

    def __init__(self, dataset: Dataset, depth: int = 0) -> None:
        if depth > _DEEPEST:
            raise InputError("BAD_VALUE", None, "content items nested too deeply")
        self.dataset = dataset
        self.name = _code(dataset.get("ConceptNameCodeSequence"))
        self.below: list[_Item] = [_Item(each, depth + 1) for each in dataset.get("ContentSequence", ())]

    @property
    def value(self) -> Key | None:
        """Its coded value, None where it has none."""
        return _code(self.dataset.get("ConceptCodeSequence"))

    def all(self) -> Iterator[_Item]:
        """Yield every item below it, in the order of the document."""
        for item in self.below:
            yield item
            yield from item.all()

    def items(self, name: Key) -> list[_Item]:
        """Return the items right below it that have a concept name."""
        return [item for item in self.below if item.name == name]

    def values(self, name: Key) -> list[Key]:
        """Return the coded values of a concept right below it."""
        return [value for item in self.items(name) if (value := item.value) is not None]


def _read(dataset: Dataset, frame: Frame | None) -> StructuredReport:
    if dataset.get("Modality") != "SR" or _code(dataset.get("ConceptNameCodeSequence")) != _TITLE:
        raise InputError("BAD_VALUE", None, "not a DICOM imaging measurement report (TID 1500)")
    report = _Item(dataset)
    groups = [group for part in report.items(_MEASUREMENTS) for group in part.items(_GROUP)]
    whole = report.items(_EVALUATIONS)  # before 0.2 the film as a whole had measurement groups, too
    outcome = next((value[0] for part in (*groups, *whole) for value in part.values(_OUTCOME)), None)
    reasons = tuple(value[0] for part in (*groups, *whole) for value in part.values(_REASON))
    film = next((item.dataset for item in report.all() if item.dataset.ValueType == "IMAGE"), None)
    uid = None if film is None else str(film.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
    made = f"{dataset.get('ContentDate') or ''}{dataset.get('ContentTime') or ''}"
    sizes = tuple(found for group in groups if (found := _measured(group)) is not None)
    if outcome in {"refused", "failed"}:
        return StructuredReport(uid, outcome, reasons, None, sizes, made=made)
    against = next((str(item.dataset.UID) for part in whole for item in part.items(_EARLIER)), None)
    findings: list[Finding] = []
    states: dict[str, State] = {}
    for group in groups:
        for key in group.values(_FINDING)[:1]:
            if (label := label_of(*key)) is not None:
                _take(group, label, findings, states)
    for part in whole:
        for item in part.below:
            name, word = item.name, item.value
            if name is not None and word is not None and (label := label_of(*name)) is not None:
                score = next(iter(_probabilities(item).values()), None)
                if score is not None:
                    findings.append(Finding(label, score=score))
                _say(states, label, word)
    reading = Reading(_reader(report), tuple(findings), states, frame or _frame(report))
    return StructuredReport(uid, outcome, reasons, reading, sizes, tuple(_tracking(groups)), against, made)


def _tracking(groups: Sequence[_Item]) -> Iterator[tuple[str, Box]]:
    for group in groups:
        if _ORGAN in group.values(_FINDING):  # a heart is no place that a finding goes on at
            continue
        for item in group.items(_TRACKING)[:1]:
            if (box := _box(group)) is not None:
                yield str(item.dataset.UID), box


def _measured(group: _Item) -> Measurement | None:
    """Return what a group measures, None where we know no such thing, or where it does not say at which points."""
    names = {name: group.items(key) for name, key in _SIZES.items()}
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
                by = "model" if group.items(_ALGORITHM) else "reader"
                return Measurement(kind, points, value, unit, by, widths=widths)
    return None


def _number(item: _Item) -> tuple[float, str]:
    measured = item.dataset.MeasuredValueSequence[0]
    unit = _code(measured.get("MeasurementUnitsCodeSequence")) or ("", "")
    return float(measured.get("FloatingPointValue", measured.NumericValue)), _UNITS.get(unit[0], unit[0])


def _lines(item: _Item) -> Iterator[list[tuple[float, float]]]:
    for each in item.below:
        if each.dataset.get("ValueType") == "SCOORD" and each.dataset.get("GraphicType") in {"POLYLINE", "MULTIPOINT"}:
            numbers = [float(number) for number in each.dataset.GraphicData]
            yield list(zip(numbers[0::2], numbers[1::2], strict=True))


def _take(group: _Item, label: str, findings: list[Finding], states: dict[str, State]) -> None:
    """Add one group's findings and what it says of their labels; a box outweighs every other word about a label.

    A place of ours has several names, each with an evaluation and perhaps a probability that says of which it is.
    """
    box, site = _box(group), next(iter(group.items(_SITE)), None)
    side = next((_SIDES.get(value) for value in ([] if site is None else site.values(_LATERALITY))), None)
    zone = next((_ZONES.get(value) for value in ([] if site is None else site.values(_ZONE))), None)
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


def _evaluations(group: _Item) -> dict[str, Key | None]:
    """Return by label what a group says of it, in the order in which it does."""
    found: dict[str, Key | None] = {}
    for item in group.below:
        name, value = item.name, item.value
        if name is not None and value is not None and (label := label_of(*name)) is not None:
            found.setdefault(label, value)
    return found


def _box(group: _Item) -> Box | None:
    """Return the smallest box around the group's first region, or None where it has none with an area."""
    for item in group.below:
        shape = item.dataset
        if shape.get("ValueType") != "SCOORD" or shape.get("GraphicType") not in {"POLYLINE", "MULTIPOINT"}:
            continue
        numbers = [float(each) for each in shape.GraphicData]
        xs, ys = numbers[0::2], numbers[1::2]
        if len(xs) == len(ys) and min(xs) < max(xs) and min(ys) < max(ys):
            return Box.from_points(zip(xs, ys, strict=True))
    return None


def _probabilities(group: _Item) -> dict[str | None, float]:
    """Return the probabilities of a group by the label that they are of; None: it does not say."""
    found: dict[str | None, float] = {}
    for item in group.items(_PROBABILITY):
        measured = item.dataset.MeasuredValueSequence[0]
        value = float(measured.get("FloatingPointValue", measured.NumericValue))
        if math.isfinite(value) and 0 <= value <= 1:
            of = next((label_of(*key) for key in item.values(_FINDING)), None)
            found.setdefault(of, value)
    return found


def _reader(report: _Item) -> str:
    """Return who reads: name and version of the algorithm, else the observer's name."""
    for names in ((_ALGORITHM, _VERSION), (_OBSERVER,)):
        words = [
            next((str(item.dataset.TextValue) for item in report.all() if item.name == name), "") for name in names
        ]
        if words[0]:
            return " ".join(words).strip()
    return "unknown"


def _frame(report: _Item) -> Frame | None:
    sizes = {
        item.name: int(float(item.dataset.MeasuredValueSequence[0].NumericValue))
        for item in report.all()
        if item.name in {_ROWS, _COLUMNS}
    }
    return Frame(sizes[_COLUMNS], sizes[_ROWS]) if len(sizes) == 2 else None


def _code(sequence: Sequence[Dataset] | None) -> Key | None:
    if not sequence:
        return None
    item = sequence[0]
    value = item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue")
    return str(value), str(item.get("CodingSchemeDesignator", ""))
