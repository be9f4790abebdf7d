"""A result as a structured report: TID 1500, in Comprehensive 3D SR or Comprehensive SR.

One group of TID 1501 says whether the film was assessed and, if not, why; then follow one group of TID 1410 a box and
one of TID 1501 a label, with the probability that the film shows it at all. ``sr_read`` reads all of it back.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

import numpy as np
from highdicom import sr
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from lungspot import BANNER
from lungspot.detect import limit_of
from lungspot.findings import Box, Finding, State
from lungspot.report.analysis import Analysis, Refusal
from lungspot.report.coded import OWN, TERMS, quality_of, reason_term, side_term, site_term, term_of, zone_term
from lungspot.report.source import Task, finish, threshold_set
from lungspot.report.words import NOT_ASSESSED, name_of

__all__ = ["make_sr"]

_CLASSES: Final = {"comprehensive3d": sr.Comprehensive3DSR, "comprehensive": sr.ComprehensiveSR}
_UNITS: Final = Code("1", "UCUM", "no units")
_CODES: Final = {name: Code(*term) for name, term in TERMS.items()}
_REASON: Final = Code("reason", OWN, f"Reason {NOT_ASSESSED.lower()}")
_OUTCOME: Final = Code("outcome", OWN, "Outcome")
_OUTCOMES: Final = {
    "assessed": Code("assessed", OWN, "Assessed"),
    "refused": Code("refused", OWN, "Refused: not a film that the model can judge"),
    "failed": Code("failed", OWN, "Failed: the film could not be read"),
}

Group = sr.MeasurementsAndQualitativeEvaluations | sr.PlanarROIMeasurementsAndQualitativeEvaluations


def make_sr(task: Task, *, sr_class: str = "comprehensive3d") -> Dataset:
    """Return the result as an SR of ``comprehensive3d`` or ``comprehensive``."""
    known = _parameters(task)
    content = sr.MeasurementReport(
        observation_context=_observer(task),
        procedure_reported=_CODES["chest_film"],
        imaging_measurements=[_summary(task, known), *_boxes(task, known), *_labels(task, known)],
        referenced_images=[_library_entry(task.film)],
    )
    assessed = isinstance(task.result, Analysis) and task.result.assessed
    made = _CLASSES[sr_class](
        evidence=[task.film],
        content=content,
        is_complete=assessed,
        coding_schemes=[CodingSchemeIdentificationItem(OWN, name="lungspot", responsible_organization="lungspot")],
        specific_character_set="ISO_IR 192",
        **task.about("sr", f"lungspot findings. {BANNER}", sr_class),
    )
    if not assessed:
        made.CompletionFlagDescription = "The film was not assessed"
    return finish(made, task, "sr")


def _observer(task: Task) -> sr.ObservationContext:
    name, version = task.model
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=task.device_uid, name="lungspot", manufacturer_name="lungspot", model_name=f"{name} {version}"[:64]
    )
    observer = sr.ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    return sr.ObservationContext(observer_device_context=observer)


def _parameters(task: Task) -> list[str]:
    if isinstance(task.result, Refusal):
        return [BANNER]
    model = task.result.model
    weights, card = f"weights sha256 {model.sha256}", f"card sha256 {model.card.sha256}"
    return [BANNER, weights, card, f"thresholds {threshold_set(task.result)}"]


def _algorithm(task: Task, parameters: list[str]) -> sr.AlgorithmIdentification:
    name, version = task.model
    return sr.AlgorithmIdentification(name, version, parameters, family=_CODES["artificial_intelligence"])


def _summary(task: Task, known: list[str]) -> Group:
    """Say whether the film was assessed, and with what outcome; if not, why."""
    result = task.result
    reasons: tuple[str, ...] = ()
    if isinstance(result, Refusal):
        outcome, found, reasons = "failed", "none_succeeded", (result.error.code,)
    elif result.reading is None:
        outcome, found, reasons = "refused", "none_succeeded", result.reasons
    else:
        positive = any(map(result.is_positive, result.boxed)) or State.PRESENT in result.reading.states.values()
        outcome, found = "assessed", "with_findings" if positive else "without_findings"
    said = [(_OUTCOME, _OUTCOMES[outcome]), (_CODES["summary"], _CODES[found])]
    for reason in reasons:
        said += [(_CODES["quality"], Code(*quality_of(reason))), (_REASON, Code(*reason_term(reason)))]
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(task, "summary"),
        algorithm_id=_algorithm(task, known),
        qualitative_evaluations=[sr.QualitativeEvaluation(name, value) for name, value in said],
        source_images=[sr.SourceImageForMeasurementGroup(*_film(task.source), **_frames(task.source))],
    )


def _boxes(task: Task, known: list[str]) -> Iterator[Group]:
    if not isinstance(task.result, Analysis):
        return
    result = task.result
    for number, finding in enumerate(result.boxed, 1):
        if finding.box is None:
            continue
        limit = limit_of(result.model.card, finding, result.point)
        said = _CODES["present" if result.is_positive(finding) else "undetermined"]
        name = Code(*term_of(finding.label))
        yield sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=_tracking(task, f"{name_of(finding.label)} {number}", "box", number),
            referenced_region=sr.ImageRegion(
                graphic_type=sr.GraphicTypeValues.POLYLINE,
                graphic_data=_outline(finding.box),
                source_image=sr.SourceImageForRegion(*_film(task.source), **_frames(task.source)),
            ),
            finding_type=name,
            algorithm_id=_algorithm(task, [*known, f"box threshold {limit:g}"]),
            finding_sites=[_site(finding)],
            measurements=_probability(finding),
            qualitative_evaluations=[sr.QualitativeEvaluation(name, said)],
            geometric_purpose=_CODES["bounding_box"],
        )


def _labels(task: Task, known: list[str]) -> Iterator[Group]:
    if not isinstance(task.result, Analysis) or task.result.reading is None:
        return
    result, reading = task.result, task.result.reading
    for label, state in reading.states.items():
        whole = next((each for each in reading.of(label) if each.box is None), None)
        limit = result.model.card.threshold(label, result.point).image
        name = Code(*term_of(label))
        yield sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=_tracking(task, f"{name_of(label)} (whole film)", "label", label),
            finding_type=name,
            algorithm_id=_algorithm(task, [*known, f"film threshold {limit:g}"]),
            measurements=None if whole is None else _probability(whole),
            qualitative_evaluations=[
                sr.QualitativeEvaluation(name, _CODES["present" if state.is_positive else "absent"])
            ],
            source_images=[sr.SourceImageForMeasurementGroup(*_film(task.source), **_frames(task.source))],
        )


def _tracking(task: Task, name: str, *parts: str | int) -> sr.TrackingIdentifier:
    return sr.TrackingIdentifier(uid=task.uid("tracking", *(parts or (name,))), identifier=f"lungspot: {name}")


def _probability(finding: Finding) -> list[sr.Measurement] | None:
    if finding.score is None:
        return None
    return [sr.Measurement(name=_CODES["probability"], value=float(finding.score), unit=_UNITS)]


def _site(finding: Finding) -> sr.FindingSite:
    return sr.FindingSite(
        Code(*site_term(finding.label)),
        laterality=None if finding.side is None else Code(*side_term(finding.side)),
        topographical_modifier=None if finding.zone is None else Code(*zone_term(finding.zone)),
    )


def _outline(box: Box) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the corners clockwise from the top left, shape (5, 2), the first again at the end: a closed polyline."""
    x0, y0, x1, y1 = box.corners
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)])


def _film(source: Dataset) -> tuple[str, str]:
    return source.SOPClassUID, source.SOPInstanceUID


def _frames(source: Dataset) -> dict[str, Any]:
    return {"referenced_frame_numbers": [1]} if "NumberOfFrames" in source else {}


def _library_entry(source: Dataset) -> Dataset:
    """Return what the image library is told; without orientation or spacing it knows a film by its size only."""
    if "PatientOrientation" in source and "ImagerPixelSpacing" in source:
        return source
    entry = deepcopy(source)
    entry.Modality = ""
    return entry
