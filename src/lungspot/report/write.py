"""One result in one of the forms that it can be written in."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lungspot.durable import write_atomic
from lungspot.images import dicom_bytes
from lungspot.outputs import DRAWN, png_info
from lungspot.report.analysis import Analysis, Refusal
from lungspot.report.changes import Before
from lungspot.report.dicom import DICOM_KINDS, dicom_results
from lungspot.report.document import document
from lungspot.report.fhir import fhir_bundle
from lungspot.report.fhir_r5 import as_r5
from lungspot.report.observations import Review
from lungspot.report.overlay import overlay
from lungspot.report.page import page
from lungspot.report.text import report_text

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = [
    "FORMATS",
    "FORMATS_OF_READ_FILMS",
    "FORMATS_WITH_HEADER",
    "data_of",
    "ending_of",
    "formats_in_words",
    "write",
]


@dataclass(frozen=True, slots=True)
class _Looks:
    """How a result is to look: the options of :func:`data_of`."""

    heatmap: bool
    source: Dataset | None
    sr_class: str
    experimental: bool
    language: str
    review: Review | None
    before: Before | None
    anatomy: bool

    @property
    def said(self) -> dict[str, Any]:
        """What every form of words is told."""
        return {
            "language": self.language,
            "experimental": self.experimental,
            "review": self.review,
            "before": self.before,
        }


def _json(result: Analysis | Refusal, looks: _Looks) -> bytes:
    return _json_bytes(document(result, language=looks.language, review=looks.review, before=looks.before))


def _text(result: Analysis | Refusal, looks: _Looks) -> bytes:
    return report_text(result, **looks.said).text.encode()


def _fhir(result: Analysis | Refusal, looks: _Looks) -> bytes:
    return _json_bytes(fhir_bundle(result, looks.source, **looks.said))


def _fhir_r5(result: Analysis | Refusal, looks: _Looks) -> bytes:
    return _json_bytes(as_r5(fhir_bundle(result, looks.source, **looks.said)))


def _png(result: Analysis, looks: _Looks) -> bytes:
    drawn = overlay(result, heatmap=looks.heatmap, experimental=looks.experimental, anatomy=looks.anatomy)
    buffer = io.BytesIO()
    drawn.save(buffer, "png", compress_level=3, pnginfo=png_info(DRAWN))  # no film: lungspot.outputs knows it again
    return buffer.getvalue()


def _html(result: Analysis, looks: _Looks) -> bytes:
    text = page(result, anatomy=looks.anatomy, **looks.said)
    return text.encode(errors="backslashreplace")  # a file's name may be no Unicode


def _dicom(kind: str, result: Analysis | Refusal, looks: _Looks) -> bytes | None:
    if looks.source is None:
        raise ValueError(f"no {kind} without the film's header")
    told: dict[str, Any] = {"experimental": looks.experimental, "review": looks.review, "before": looks.before}
    told["anatomy"] = looks.anatomy
    made = dicom_results(looks.source, result, kinds=(kind,), sr_class=looks.sr_class, **told)
    return dicom_bytes(made[0]) if made else None


def _json_bytes(value: dict[str, Any]) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    return text.encode(errors="backslashreplace")  # a file's name may be no Unicode; JSON says such bytes like this


@dataclass(frozen=True, slots=True)
class _Form:
    """One form: what the name of its file ends with, after the dot, and what makes it.

    ``read``: of films that could be read only. ``header``: it says what the film's DICOM header says, where there is
    one; kinds of DICOM object are made with it alone. ``note``: what its name does not say.
    """

    ending: str
    make: Callable[..., bytes | None]
    read: bool = False
    header: bool = False
    note: str = ""


_FORMS: Final[dict[str, _Form]] = {
    "json": _Form("json", _json),
    "png": _Form("png", _png, read=True),
    "html": _Form("html", _html, read=True),
    "text": _Form("txt", _text, note="a report to copy"),
    **{kind: _Form(f"{kind}.dcm", partial(_dicom, kind), header=True) for kind in DICOM_KINDS},
    "fhir": _Form("fhir.json", _fhir, header=True, note="R4"),
    "fhir-r5": _Form("fhir-r5.json", _fhir_r5, header=True),
}
# The forms that a result can be written in.
FORMATS = tuple(_FORMS)
# Those of them that a file that could not be read has not.
FORMATS_OF_READ_FILMS: Final = frozenset(kind for kind, form in _FORMS.items() if form.read)
# Those that say what the film's DICOM header says.
FORMATS_WITH_HEADER: Final = frozenset(kind for kind, form in _FORMS.items() if form.header)


def formats_in_words() -> str:
    """Return the forms as a list for people: DICOM objects apart, each with a remark where its name needs one."""
    named = {kind: f"{kind} ({form.note})" if form.note else kind for kind, form in _FORMS.items()}
    others = [words for kind, words in named.items() if kind not in DICOM_KINDS]
    return f"{', '.join(others)}; DICOM: {', '.join(named[kind] for kind in DICOM_KINDS)}"


def ending_of(kind: str) -> str:
    """Return what the name of a result's file ends with, after the dot."""
    return _FORMS[kind].ending


def write(  # noqa: PLR0913 - each form has an option of its own
    result: Analysis | Refusal,
    target: Path,
    kind: str,
    *,
    heatmap: bool = False,
    source: Dataset | None = None,
    sr_class: str = "comprehensive",
    experimental: bool = False,
    language: str = "en",
    review: Review | None = None,
    before: Before | None = None,
    anatomy: bool = False,
) -> Path | None:
    """Write :func:`data_of` to ``target``, over what is there, and return it; OSError where that is impossible.

    Where there is nothing to show, nothing is written and None returned.
    """
    looks: dict[str, Any] = {"heatmap": heatmap, "experimental": experimental, "language": language, "anatomy": anatomy}
    data = data_of(result, kind, source=source, sr_class=sr_class, review=review, before=before, **looks)
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
    sr_class: str = "comprehensive",
    experimental: bool = False,
    language: str = "en",
    review: Review | None = None,
    before: Before | None = None,
    anatomy: bool = False,
) -> bytes | None:
    """Return one result in one of :data:`FORMATS` as the bytes of a file; None where there is nothing to show.

    ``heatmap``: the PNG shows the activation maps too. ``source``: the film's DICOM header, without which there is no
    DICOM object, and no patient in a FHIR bundle (docs/reference/dicom-results.md). ``experimental``: say experimental
    labels too (JSON always holds them). ``language``: of the report's text, one of ``LANGUAGES``. ``review``: a
    reader's, whose word counts in that text, and whose measurements are in the SR. ``before``: an earlier
    film of the patient, to compare with (:func:`before_film`). ``anatomy``: PNG, page and SR show heart and lungs too,
    where they lie as in a chest. Of a file that could not be read there are JSON, text, FHIR and an SR only.
    Raises ValueError for a format that there is not, or not of such a file.
    """
    if kind not in _FORMS:
        raise ValueError(f"no format {kind!r}")
    if kind in FORMATS_OF_READ_FILMS and isinstance(result, Refusal):
        raise ValueError(f"no {kind} of a file that could not be read")
    looks = _Looks(heatmap, source, sr_class, experimental, language, review, before, anatomy)
    return _FORMS[kind].make(result, looks)
