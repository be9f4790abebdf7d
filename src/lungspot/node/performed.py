"""What the node says of a work item (PS3.4 CC.2, PS3.3 C.30): its progress, and what was done, as DICOM JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from lungspot import BANNER, __version__
from lungspot.node.states import FilmState
from lungspot.node.workitems import ItemFilm, Reference, WorkItem
from lungspot.report import OWN_SCHEME

__all__ = [
    "NOT_GIVEN",
    "NO_SUCH_KIND",
    "Retrieval",
    "by_dicom",
    "by_wado",
    "canceled",
    "completed",
    "progress",
    "why_nothing",
    "why_partly",
]

Retrieval = Callable[[str, str], Dataset]  # of study and series: the sequence that says how their objects are had

# Why an item is canceled: codes of CID 9300 Procedure Discontinuation Reason.
_REASONS: Final = {
    "110501": Code("110501", "DCM", "Equipment failure"),
    "110513": Code("110513", "DCM", "Discontinued for unspecified reason"),
    "110521": Code("110521", "DCM", "Objects incorrectly formatted"),
    "110522": Code("110522", "DCM", "Object Types not supported"),
    "110523": Code("110523", "DCM", "Object Set incomplete"),
}
_DETECTION: Final = Code("110004", "DCM", "Computer Aided Detection")
_DONE: Final = f"lungspot {__version__}: {BANNER.lower().removesuffix('.')}"
_LONGEST: Final = 1024  # characters of an ST
NOT_GIVEN: Final = "NOT_GIVEN"  # an input that the archive does not give
NO_SUCH_KIND: Final = "no result of the kinds asked for"  # a film that was read
_UNKNOWN_CLASS: Final = "NOT_A_RADIOGRAPH"


def by_wado(root: str) -> Retrieval:
    """Return what says that objects are had by WADO-RS at a DICOMweb root."""

    def retrieval(study: str, series: str) -> Dataset:
        access, found = Dataset(), Dataset()
        access.RetrieveURL = f"{root}/studies/{study}/series/{series}"
        found.WADORSRetrievalSequence = [access]
        return found

    return retrieval


def by_dicom(title: str) -> Retrieval:
    """Return what says that objects are had from the application entity ``title``."""

    def retrieval(*_: str) -> Dataset:
        access, found = Dataset(), Dataset()
        access.RetrieveAETitle = title
        found.DICOMRetrievalSequence = [access]
        return found

    return retrieval


def progress(percent: int, words: str, *, more: Dataset | None = None) -> dict[str, Any]:
    """Return the change that says how far an item has come; ``more``: attributes of the same item of the sequence."""
    step = Dataset() if more is None else more
    step.ProcedureStepProgress = str(percent)
    step.ProcedureStepProgressDescription = words[:_LONGEST]
    change = Dataset()
    change.ProcedureStepProgressInformationSequence = [step]
    return change.to_json_dict()


def completed(
    item: WorkItem, outputs: Sequence[Reference], station: str, retrieval: Retrieval, ended: datetime
) -> dict[str, Any]:
    """Return the change before an item is completed: what was done, when, by whom, and what came of it.

    ``station``: the node's AE title.
    """
    return {**progress(100, item.reason or "done"), **_performed(item, outputs, station, retrieval, ended)}


def canceled(item: WorkItem, station: str, retrieval: Retrieval, ended: datetime) -> dict[str, Any]:
    """Return the change before an item is canceled: why, and that nothing came of it."""
    more = Dataset()
    more.ProcedureStepCancellationDateTime = _when(ended)
    more.ReasonForCancellation = item.reason[:_LONGEST]
    more.ProcedureStepDiscontinuationReasonCodeSequence = [_coded(_REASONS.get(item.code, _REASONS["110513"]))]
    return {**progress(100, item.reason, more=more), **_performed(item, (), station, retrieval, ended)}


def why_nothing(films: Sequence[ItemFilm]) -> tuple[str, str]:
    """Return in words, and as one of :data:`_REASONS`, why nothing came of an item."""
    if not films:
        return "the item names no radiograph", "110522"
    words = f"no result of {len(films)} film{'s' * (len(films) != 1)}: {_reasons(films)}"
    if any(film.state == FilmState.FAILED for film in films):
        return words, "110501"
    said = {film.reason for film in films}
    if NOT_GIVEN in said:
        return words, "110523"
    if said <= {_UNKNOWN_CLASS, ""}:
        return words, "110522"
    return words, "110513" if said <= {_UNKNOWN_CLASS, "", NO_SUCH_KIND} else "110521"


def why_partly(films: Sequence[ItemFilm]) -> str:
    """Return in words which films gave nothing; empty where all gave something."""
    without = [film for film in films if not film.outputs]
    return f"no result of {len(without)} of {len(films)} films: {_reasons(without)}" if without else ""


def _reasons(films: Iterable[ItemFilm]) -> str:
    """Return each film's reason once; one without was passed over, or is no chest film, and those are kept silent."""
    return ", ".join(sorted({film.reason or "passed over" for film in films}))


def _performed(
    item: WorkItem, outputs: Sequence[Reference], station: str, retrieval: Retrieval, ended: datetime
) -> dict[str, Any]:
    done = Dataset()
    done.PerformedStationNameCodeSequence = [_coded(Code(station, OWN_SCHEME, station))]
    done.PerformedProcedureStepStartDateTime = _when(datetime.fromtimestamp(item.began).astimezone())
    done.PerformedProcedureStepEndDateTime = _when(ended)
    done.PerformedProcedureStepDescription = _DONE[:64]
    if item.reason:
        done.CommentsOnThePerformedProcedureStep = item.reason[:_LONGEST]
    done.PerformedWorkitemCodeSequence = [_coded(_DETECTION)]
    done.OutputInformationSequence = list(_series(outputs, retrieval))
    change = Dataset()
    change.UnifiedProcedureStepPerformedProcedureSequence = [done]
    found: dict[str, Any] = change.to_json_dict()
    if item.scheduled:  # what was asked for was done: its own code, as the work list wrote it
        found["00741216"]["Value"][0]["00404019"] = json.loads(item.scheduled)
    return found


def _series(outputs: Sequence[Reference], retrieval: Retrieval) -> Iterable[Dataset]:
    """Yield an item of the Output Information Sequence for each series."""
    by_series: dict[tuple[str, str], list[Reference]] = {}
    for each in outputs:
        by_series.setdefault((each.study, each.series), []).append(each)
    for (study, series), members in by_series.items():
        found = Dataset()
        found.TypeOfInstances, found.StudyInstanceUID, found.SeriesInstanceUID = "DICOM", study, series
        found.ReferencedSOPSequence = [_referenced(each) for each in members]
        found.update(retrieval(study, series))
        yield found


def _referenced(output: Reference) -> Dataset:
    found = Dataset()
    found.ReferencedSOPClassUID, found.ReferencedSOPInstanceUID = output.sop_class, output.instance
    return found


def _coded(code: Code) -> Dataset:
    found = Dataset()
    found.CodeValue, found.CodingSchemeDesignator, found.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return found


def _when(moment: datetime) -> str:
    return moment.strftime("%Y%m%d%H%M%S%z")
