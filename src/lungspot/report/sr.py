"""A result as a structured report: TID 1500, in Comprehensive 3D SR or Comprehensive SR.

One group of TID 1501 says whether the film was assessed and, if not, why. Then follows what is said, in its order: one
group of TID 1410 a place, with all its names, and one of TID 1501 a finding of the whole film; then the places below
their thresholds, and the labels that are not said yet, each with the probability that the film shows it at all; last
what a reader measured (``sr_measurements``).
``sr_read`` reads all of it back.
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
from lungspot.findings import Box
from lungspot.report.analysis import Analysis, Refusal
from lungspot.report.coded import OWN, TERMS, quality_of, reason_term, side_term, site_term, term_of, zone_term
from lungspot.report.source import ReportContext, finish, threshold_set
from lungspot.report.sr_measurements import Group, measurement_groups, reader_of
from lungspot.report.statement import Said
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


def make_sr(context: ReportContext, *, sr_class: str = "comprehensive3d") -> Dataset:
    """Return the result as an SR of ``comprehensive3d`` or ``comprehensive``."""
    known = _parameters(context)
    content = sr.MeasurementReport(
        observation_context=_observer(context),
        procedure_reported=_CODES["chest_film"],
        imaging_measurements=[
            _summary(context, known),
            *_findings(context, known),
            *measurement_groups(context, _film(context.source), _frames(context.source)),
        ],
        referenced_images=[_library_entry(context.film)],
    )
    assessed = isinstance(context.result, Analysis) and context.result.assessed
    made = _CLASSES[sr_class](
        evidence=[context.film],
        content=content,
        is_complete=assessed,
        coding_schemes=[CodingSchemeIdentificationItem(OWN, name="lungspot", responsible_organization="lungspot")],
        specific_character_set="ISO_IR 192",
        **context.about("sr", f"lungspot findings. {BANNER}", sr_class, *context.whose),
    )
    if not assessed:
        made.CompletionFlagDescription = "The film was not assessed"
    return finish(made, context, "sr")


def _observer(context: ReportContext) -> sr.ObservationContext:
    name, version = context.model
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=context.device_uid, name="lungspot", manufacturer_name="lungspot", model_name=f"{name} {version}"[:64]
    )
    observer = sr.ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    return sr.ObservationContext(observer_device_context=observer, observer_person_context=reader_of(context))


def _parameters(context: ReportContext) -> list[str]:
    if isinstance(context.result, Refusal):
        return [BANNER]
    model = context.result.model
    weights, card = f"weights sha256 {model.sha256}", f"card sha256 {model.card.sealed_sha256}"
    return [
        BANNER,
        weights,
        card,
        f"thresholds {threshold_set(context.result)}",
        context.told.percentages,
        *context.told.caveats,
    ]


def _algorithm(context: ReportContext, parameters: list[str]) -> sr.AlgorithmIdentification:
    name, version = context.model
    return sr.AlgorithmIdentification(name, version, parameters, family=_CODES["artificial_intelligence"])


def _summary(context: ReportContext, known: list[str]) -> Group:
    """Say whether the film was assessed, and with what outcome; if not, why."""
    result = context.result
    reasons: tuple[str, ...] = ()
    if isinstance(result, Refusal):
        outcome, found, reasons = "failed", "none_succeeded", (result.error.code,)
    elif result.reading is None:
        outcome, found, reasons = "refused", "none_succeeded", result.reasons
    else:
        outcome, found = "assessed", "with_findings" if context.told.said else "without_findings"
    said = [(_OUTCOME, _OUTCOMES[outcome]), (_CODES["summary"], _CODES[found])]
    for reason in reasons:
        said += [(_CODES["quality"], Code(*quality_of(reason))), (_REASON, Code(*reason_term(reason)))]
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(context, "summary"),
        algorithm_id=_algorithm(context, known),
        qualitative_evaluations=[sr.QualitativeEvaluation(name, value) for name, value in said],
        source_images=[sr.SourceImageForMeasurementGroup(*_film(context.source), **_frames(context.source))],
    )


def _findings(context: ReportContext, known: list[str]) -> Iterator[Group]:
    """Yield what is said, in its order; then every other thing that was found or looked for."""
    if not isinstance(context.result, Analysis) or context.result.reading is None:
        return
    told, whole = context.told, set()
    for said in (*told.said, *told.below):
        if said.box is not None:
            yield _place(context, known, context.result, said, said.box)
            continue
        for name in said.names:
            whole.add(name.label)
            yield _label(context, known, context.result, name.label, said)
    for label in context.result.reading.states:
        if label not in whole and label not in told.unsaid:
            yield _label(context, known, context.result, label)


def _place(context: ReportContext, known: list[str], result: Analysis, said: Said, box: Box) -> Group:
    limits = [
        f"{name.label}: box threshold {result.model.card.threshold(name.label, result.point).box:g}"
        for name in said.names
    ]
    group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(context, f"{said.title} (place {said.place})", "place", said.place or 0),
        referenced_region=sr.ImageRegion(
            graphic_type=sr.GraphicTypeValues.POLYLINE,
            graphic_data=_outline(box),
            source_image=sr.SourceImageForRegion(*_film(context.source), **_frames(context.source)),
        ),
        finding_type=Code(*term_of(said.label)),
        algorithm_id=_algorithm(context, [*known, *limits]),
        finding_sites=[_site(said)],
        measurements=[_probability(name.score, name.label) for name in said.names if name.score is not None] or None,
        qualitative_evaluations=[
            _evaluation(name.label, "present" if name.positive else "undetermined") for name in said.names
        ],
        geometric_purpose=_CODES["bounding_box"],
    )
    return _with_comment(group, said.text)


def _label(context: ReportContext, known: list[str], result: Analysis, label: str, said: Said | None = None) -> Group:
    """Return what is known of a label on the film as a whole; ``said`` where nothing else speaks of it."""
    limit = result.model.card.threshold(label, result.point).image
    below = {name.label for each in context.told.places for name in each.names}
    word = "present" if label in context.told.labels else "undetermined" if label in below else "absent"
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(context, f"{name_of(label)} (whole film)", "label", label),
        finding_type=Code(*term_of(label)),
        algorithm_id=_algorithm(context, [*known, f"film threshold {limit:g}"]),
        measurements=[_probability(result.probabilities[label], label)] if label in result.probabilities else None,
        qualitative_evaluations=[_evaluation(label, word)],
        source_images=[sr.SourceImageForMeasurementGroup(*_film(context.source), **_frames(context.source))],
    )
    return group if said is None else _with_comment(group, said.text)


def _evaluation(label: str, word: str) -> sr.QualitativeEvaluation:
    return sr.QualitativeEvaluation(Code(*term_of(label)), _CODES[word])


def _with_comment(group: Group, words: str) -> Group:
    """Return a group with what is said in words, for readers who look at text."""
    comment = sr.TextContentItem(
        name=_CODES["comment"], value=words, relationship_type=sr.RelationshipTypeValues.CONTAINS
    )
    items = group[0].ContentSequence
    items.insert(next((i for i, item in enumerate(items) if item.ValueType == "SCOORD"), len(items)), comment)
    return group


def _tracking(context: ReportContext, name: str, *parts: str | int) -> sr.TrackingIdentifier:
    return sr.TrackingIdentifier(uid=context.uid("tracking", *(parts or (name,))), identifier=f"lungspot: {name}")


def _probability(value: float, label: str) -> sr.Measurement:
    """Return a probability, and of which label it is."""
    measured = sr.Measurement(name=_CODES["probability"], value=float(value), unit=_UNITS)
    of = sr.CodeContentItem(
        name=_CODES["finding"],
        value=Code(*term_of(label)),
        relationship_type=sr.RelationshipTypeValues.HAS_CONCEPT_MOD,
    )
    measured[0].ContentSequence = [*measured[0].get("ContentSequence", []), of]
    return measured


def _site(said: Said) -> sr.FindingSite:
    """Return organ, side and zone; a side only where it is known which side of the patient that is."""
    return sr.FindingSite(
        Code(*site_term(said.label)),
        laterality=None if said.side is None else Code(*side_term(said.side)),
        topographical_modifier=None if said.zone is None else Code(*zone_term(said.zone)),
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
