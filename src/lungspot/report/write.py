"""One result in one of the forms that it can be written in."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lungspot.durable import write_atomic
from lungspot.outputs import DRAWN, png_info
from lungspot.report.analysis import Analysis, Refusal
from lungspot.report.dicom import DICOM_KINDS, dicom_bytes, dicom_results
from lungspot.report.document import document
from lungspot.report.fhir import fhir_bundle
from lungspot.report.observations import Review
from lungspot.report.overlay import overlay
from lungspot.report.page import page
from lungspot.report.text import report_text

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["FORMATS", "data_of", "ending_of", "write"]

# The forms that a result can be written in.
FORMATS = ("json", "png", "html", "text", *DICOM_KINDS, "fhir")


def ending_of(kind: str) -> str:
    """Return what the name of a result's file ends with, after the dot."""
    return f"{kind}.dcm" if kind in DICOM_KINDS else {"fhir": "fhir.json", "text": "txt"}.get(kind, kind)


def write(  # noqa: PLR0913 - each form has an option of its own
    result: Analysis | Refusal,
    target: Path,
    kind: str,
    *,
    heatmap: bool = False,
    source: Dataset | None = None,
    sr_class: str = "comprehensive3d",
    experimental: bool = False,
    language: str = "en",
    review: Review | None = None,
) -> Path | None:
    """Write :func:`data_of` to ``target``, over what is there, and return it; OSError where that is impossible.

    Where there is nothing to show, nothing is written and None returned.
    """
    looks: dict[str, Any] = {"heatmap": heatmap, "experimental": experimental, "language": language}
    data = data_of(result, kind, source=source, sr_class=sr_class, review=review, **looks)
    if data is None:
        return None
    write_atomic(target, data)
    return target


def data_of(  # noqa: PLR0913 - each form has an option of its own
    result: Analysis | Refusal,
    kind: str,
    *,
    heatmap: bool = False,
    source: Dataset | None = None,
    sr_class: str = "comprehensive3d",
    experimental: bool = False,
    language: str = "en",
    review: Review | None = None,
) -> bytes | None:
    """Return one result in one of :data:`FORMATS` as the bytes of a file; None where there is nothing to show.

    ``heatmap``: the PNG shows the activation maps too. ``source``: the film's DICOM header, without which there is no
    DICOM object, and no patient in a FHIR bundle (docs/reference/dicom-results.md). ``experimental``: say experimental
    labels too (JSON always holds them). ``language``: of the report's text, one of ``LANGUAGES``. ``review``: a
    reader's, whose word counts in that text, and whose measurements are in the SR. Of a file that could not be read
    there are JSON, text, FHIR and an SR only.
    """
    if kind == "json":
        return _json(document(result, language=language, review=review))
    if kind == "text":
        return report_text(result, language=language, experimental=experimental, review=review).text.encode()
    if kind == "fhir":
        return _json(fhir_bundle(result, source, experimental=experimental, language=language, review=review))
    if kind in DICOM_KINDS:
        if source is None:
            raise ValueError(f"no {kind} without the film's header")
        made = dicom_results(source, result, kinds=(kind,), sr_class=sr_class, experimental=experimental, review=review)
        return dicom_bytes(made[0]) if made else None
    if isinstance(result, Refusal):
        raise ValueError(f"no {kind} of a file that could not be read")  # noqa: TRY004 - a kind, of a result without it
    if kind == "png":
        buffer = io.BytesIO()
        drawn = overlay(result, heatmap=heatmap, experimental=experimental)
        drawn.save(buffer, "png", compress_level=3, pnginfo=png_info(DRAWN))  # no film: lungspot.outputs knows it again
        return buffer.getvalue()
    if kind == "html":
        return page(result, experimental=experimental, review=review, language=language).encode(
            errors="backslashreplace"
        )  # a file's name may be no Unicode
    raise ValueError(f"no format {kind!r}")


def _json(value: dict[str, Any]) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    return text.encode(
        errors="backslashreplace"
    )  # a file's name may be no Unicode; JSON says such bytes in the same way
