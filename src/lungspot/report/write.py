"""One result in one of the forms that it can be written in."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lungspot.durable import write_atomic
from lungspot.report.analysis import Analysis, Refusal
from lungspot.report.dicom import DICOM_KINDS, dicom_bytes, dicom_results
from lungspot.report.document import document
from lungspot.report.fhir import fhir_bundle
from lungspot.report.overlay import overlay
from lungspot.report.page import page

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["FORMATS", "ending_of", "write"]

# The forms that a result can be written in.
FORMATS = ("json", "png", "html", *DICOM_KINDS, "fhir")


def ending_of(kind: str) -> str:
    """Return what the name of a result's file ends with, after the dot."""
    return f"{kind}.dcm" if kind in DICOM_KINDS else "fhir.json" if kind == "fhir" else kind


def write(  # noqa: PLR0913 - each form has an option of its own
    result: Analysis | Refusal,
    target: Path,
    kind: str,
    *,
    heatmap: bool = False,
    source: Dataset | None = None,
    sr_class: str = "comprehensive3d",
    experimental: bool = False,
) -> Path | None:
    """Write one result in one of :data:`FORMATS` to ``target`` and return it; OSError where that is impossible.

    ``heatmap``: the PNG shows the activation maps too. ``source``: the film's DICOM header, without which there is no
    DICOM object, and no patient in a FHIR bundle. ``experimental``: say experimental labels too (JSON always holds
    them). Where there is nothing to show, nothing is written and None returned
    (docs/reference/dicom-results.md). Of a file that could not be read there are JSON, FHIR and an SR only.
    """
    if kind == "json":
        data = _json(document(result))
    elif kind == "fhir":
        data = _json(fhir_bundle(result, source, experimental=experimental))
    elif kind in DICOM_KINDS:
        if source is None:
            raise ValueError(f"no {kind} without the film's header")
        made = dicom_results(source, result, kinds=(kind,), sr_class=sr_class, experimental=experimental)
        if not made:
            return None
        data = dicom_bytes(made[0])
    elif isinstance(result, Refusal):
        raise ValueError(f"no {kind} of a file that could not be read")
    elif kind == "png":
        buffer = io.BytesIO()
        overlay(result, heatmap=heatmap, experimental=experimental).save(buffer, "png", compress_level=3)
        data = buffer.getvalue()
    elif kind == "html":
        data = page(result, experimental=experimental).encode()
    else:
        raise ValueError(f"no format {kind!r}")
    write_atomic(target, data)
    return target


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode()
