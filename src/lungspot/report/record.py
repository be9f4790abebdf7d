"""A result as it is kept: enough to make every view of it again (JSON, picture, page), less who the patient is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungspot.detect import Anatomy, sided
from lungspot.errors import CODES, FilmError
from lungspot.findings import Box, reading_from_json, reading_to_json
from lungspot.images import WARNINGS, Device, ImageStatistics, Notice, Orientation, Origin, Radiograph, View
from lungspot.report.analysis import Analysis, Model, Refusal

__all__ = ["from_record", "pixels_of", "refusal_of", "save_arrays", "to_record"]

_ORGANS: Final = ("heart", "left_lung", "right_lung")
_WHITE: Final = np.float32(65535)
# Notices whose particulars quote the header's own words, which are nobody's to keep.
_QUOTING: Final = frozenset({"BODY_PART", "POLARITY"})


def to_record(result: Analysis | Refusal, *, keep_identifiers: bool) -> dict[str, Any]:
    """Return a result as JSON values, less its arrays."""
    if isinstance(result, Refusal):
        error = result.error
        return {"refused": {"code": error.code, "reason": error.reason, "advice": error.advice}, "made": result.made}
    film, origin = result.radiograph, result.radiograph.origin
    notices = [
        (n.code, n.text if keep_identifiers or n.code not in _QUOTING else WARNINGS[n.code]) for n in film.notices
    ]
    return {
        "film": {
            "sha256": origin.sha256,
            "kind": origin.kind,
            "sop_instance_uid": origin.sop_instance_uid if keep_identifiers else None,
            "width": film.frame.width,
            "height": film.frame.height,
            "bits": film.bits,
            "pixel_spacing_mm": film.pixel_spacing_mm,
            "pixel_aspect": film.pixel_aspect,
            "orientation": (film.orientation.right, film.orientation.bottom),
            "view": film.view,
            "device": asdict(film.device) if keep_identifiers and film.device else None,
            "notices": notices,
        },
        "statistics": None if result.statistics is None else result.statistics.to_json(),
        "features": list(result.features),
        "made": result.made,
        "quarter_turns": result.quarter_turns,
        "reasons": list(result.reasons),
        "notices": [(notice.code, notice.text) for notice in result.notices],
        "reading": None if result.reading is None else reading_to_json(result.reading),
        "agreement": [dict(each) for each in result.agreement],
        "anatomy": None if result.anatomy is None else _anatomy_to_json(result.anatomy),
        "timings": dict(result.timings),
    }


def save_arrays(result: Analysis, pixels: Path, maps: Path) -> None:
    """Write a film's pixels and maps, each whole and on the disk."""
    stored = np.rint(result.radiograph.pixels * _WHITE).astype("<u2")
    heat = np.stack(list(result.heat.values())) if result.heat else np.zeros((0, 1, 1), np.float32)
    with pixels.open("wb") as file:
        stored.tofile(file)
        os.fsync(file.fileno())
    with maps.open("wb") as file:
        np.save(file, heat.astype(np.float32))
        file.flush()
        os.fsync(file.fileno())


def pixels_of(path: Path, width: int, height: int) -> NDArray[np.uint16]:
    """Return a film's stored pixels, uint16, shape (height, width), read from the disk where they are used."""
    return np.memmap(path, dtype="<u2", mode="r", shape=(height, width))


def from_record(
    record: Mapping[str, Any], model: Model, name: str, pixels: Path | None, maps: Path | None
) -> Analysis | Refusal:
    """Return the result that :func:`to_record` and :func:`save_arrays` kept.

    ``pixels`` and ``maps`` None: the radiograph is of one grey and there are no heat maps, which is enough for JSON.
    """
    if (refusal := refusal_of(record, name)) is not None:
        return refusal
    film = record["film"]
    width, height = film["width"], film["height"]
    grey = _flat(height, width) if pixels is None else pixels_of(pixels, width, height).astype(np.float32) / _WHITE
    spacing, aspect = film["pixel_spacing_mm"], film.get("pixel_aspect", (1, 1))
    radiograph = Radiograph(
        grey,
        Origin(name, film["sha256"], film["kind"], film["sop_instance_uid"]),
        film["bits"],
        None if spacing is None else (spacing[0], spacing[1]),
        View(film["view"]),
        orientation=Orientation(*film.get("orientation", ())),  # records of 0.1 have none
        pixel_aspect=(aspect[0], aspect[1]),
        device=Device(**(film.get("device") or {})),
        notices=tuple(Notice(*each) for each in film["notices"]),
    )
    reading = None if record["reading"] is None else reading_from_json(record["reading"])
    if reading is not None and "orientation" not in film:
        reading = sided(reading, None)  # its sides were taken for granted
    looks = record.get("statistics")  # records of 0.1 have none of these three
    heat: dict[str, NDArray[np.float32]] = {}
    if maps is not None and reading is not None:
        heat = dict(zip(model.card.labels, np.load(maps, allow_pickle=False), strict=True))
    return Analysis(
        radiograph,
        model,
        reading,
        tuple(record["reasons"]),
        tuple(Notice(*each) for each in record["notices"]),
        heat,
        tuple(record["agreement"]),
        timings=record["timings"],
        quarter_turns=record.get("quarter_turns", 0),
        statistics=None if looks is None else ImageStatistics.from_json(looks),
        features=tuple(record.get("features", ())),
        made=record.get("made"),
        anatomy=_anatomy_from_json(record.get("anatomy")),  # records of 0.1 have none
    )


def refusal_of(record: Mapping[str, Any], name: str) -> Refusal | None:
    """Return what refused a film, None where it was read."""
    said = record.get("refused")
    if said is None:
        return None
    code = said["code"] if said["code"] in CODES else "NOT_READABLE"
    return Refusal(name, FilmError(code, name, said["reason"], advice=said["advice"]), record.get("made"))


def _anatomy_to_json(seen: Anatomy) -> dict[str, Any]:
    boxes = {name: getattr(seen, name) for name in _ORGANS}
    corners = {name: None if box is None else list(box.corners) for name, box in boxes.items()}
    unsided = [list(box.corners) for box in seen.unsided]
    return corners | {
        "unsided": unsided,
        "cardiothoracic_ratio": seen.cardiothoracic_ratio,
        "mirrored": seen.mirrored,
    }


def _anatomy_from_json(value: Mapping[str, Any] | None) -> Anatomy | None:
    if value is None:
        return None
    boxes = {name: None if value[name] is None else Box(*value[name]) for name in _ORGANS}
    unsided = tuple(Box(*corners) for corners in value.get("unsided", ()))
    ratio, mirrored = value["cardiothoracic_ratio"], value["mirrored"]
    if "unsided" not in value:  # of a version that asked neither whose side a lung is on, nor whether a ratio can be
        unsided = tuple(lung for name in ("left_lung", "right_lung") if (lung := boxes.pop(name)) is not None)
        boxes, ratio = {"left_lung": None, "right_lung": None, **boxes}, None
    return Anatomy(**boxes, cardiothoracic_ratio=ratio, mirrored=mirrored, unsided=unsided)


def _flat(height: int, width: int) -> NDArray[np.float32]:
    """Return a film of one grey that takes no memory."""
    return np.broadcast_to(np.zeros(1, np.float32), (height, width)).view()
