"""A result as a structured report: TID 1500, in Comprehensive SR or Comprehensive 3D SR.

Imaging Measurements hold what has a place on the film, each with its tracking id: one group of TID 1410 a place, with
all its names, in order of urgency, those below their thresholds last; then what a reader measured
(``sr_measurements``); on request heart and lungs (``sr_anatomy``). Everything else stands in Qualitative Evaluations
(``sr_evaluations``). Every number is inferred from the coordinates of its place, and its name says what it is the
probability of: what viewers read and show.
``sr_read`` reads all of it back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any, Final

from highdicom import sr
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from lungspot import BANNER
from lungspot.findings import Box
from lungspot.report.analysis import Analysis, Refusal
from lungspot.report.changes import Change
from lungspot.report.coded import OWN_SCHEME, TERMS, side_term, site_term, term_of, zone_term
from lungspot.report.source import ReportContext, finish, threshold_set
from lungspot.report.sr_anatomy import anatomy_groups
from lungspot.report.sr_changes import changed, changes_of
from lungspot.report.sr_evaluations import algorithm_of, evaluations, probability_of
from lungspot.report.sr_measurements import Group, measurement_groups, outline_of, reader_of, with_places
from lungspot.report.statement import Said

__all__ = ["make_sr"]

_CLASSES: Final = {"comprehensive": sr.ComprehensiveSR, "comprehensive3d": sr.Comprehensive3DSR}
_CODES: Final = {name: Code(*term) for name, term in TERMS.items()}
_NOTHING: Final = "No place of the film is marked."


def make_sr(context: ReportContext, *, sr_class: str = "comprehensive") -> Dataset:
    """Return the result as an SR of ``comprehensive`` or ``comprehensive3d``."""
    assessed = isinstance(context.result, Analysis) and context.result.assessed
    made = _CLASSES[sr_class](
        evidence=[context.film],
        content=_content(context)[0],
        is_complete=assessed,
        coding_schemes=[
            CodingSchemeIdentificationItem(OWN_SCHEME, name="lungspot", responsible_organization="lungspot")
        ],
        specific_character_set="ISO_IR 192",
        **context.about("sr", 9901, f"lungspot findings. {BANNER}", sr_class, *context.whose),
    )
    if not assessed:
        made.CompletionFlagDescription = "The film was not assessed"
    return finish(made, context)


def _content(context: ReportContext) -> sr.MeasurementReport:
    known = _parameters(context)
    film, frames = _film(context.source), _frames(context.source)
    measured = measurement_groups(context, film, frames)
    groups = [*_places(context, known), *measured, *anatomy_groups(context, known, film, frames)]
    content = sr.MeasurementReport(
        observation_context=_observer(context),
        procedure_reported=_CODES["chest_film"],
        imaging_measurements=groups or [sr.MeasurementsAndQualitativeEvaluations(_tracking(context, "nothing"))],
        referenced_images=[_library_entry(context.film)],
    )
    items = content[0].ContentSequence
    if not groups:  # highdicom wants one; viewers look into the container, and are to find no group without a place
        nothing = sr.TextContentItem(_CODES["comment"], _NOTHING, sr.RelationshipTypeValues.CONTAINS)
        items[-1].ContentSequence = sr.ContentSequence([nothing])
    items.append(evaluations(context, known))
    return content


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


def _places(context: ReportContext, known: list[str]) -> Iterator[Group]:
    """Yield the places that are said, in order of urgency, then those below their thresholds."""
    if not isinstance(context.result, Analysis) or context.result.reading is None:
        return
    changes = changes_of(context)
    for said in (*context.told.said, *context.told.below):
        if said.box is not None:
            yield _place(context, known, context.result, said, said.box, changes.get(said.place or 0, ()))


def _place(  # noqa: PLR0913, PLR0917 - a place, and what is known of it
    context: ReportContext, known: list[str], result: Analysis, said: Said, box: Box, changes: Sequence[Change]
) -> Group:
    limits = [
        f"{name.label}: box threshold {result.model.card.threshold(name.label, result.point).box:g}"
        for name in said.names
    ]
    film, frames = _film(context.source), _frames(context.source)
    group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_followed(context, said, changes),
        referenced_region=sr.ImageRegion(
            graphic_type=sr.GraphicTypeValues.POLYLINE,
            graphic_data=outline_of((box.corners[:2], box.corners[2:])),
            source_image=sr.SourceImageForRegion(*film, **frames),
        ),
        finding_type=Code(*term_of(said.label)),
        algorithm_id=algorithm_of(context, [*known, *limits]),
        finding_sites=[_site(said)],
        measurements=[probability_of(name.label, name.probability, of_film=name.score is None) for name in said.names],
        qualitative_evaluations=[
            *(_evaluation(name.label, "present" if name.positive else "undetermined") for name in said.names),
            *changed(changes),
        ],
        geometric_purpose=_CODES["bounding_box"],
    )
    return _with_words(with_places(group, outline_of((box.corners[:2], box.corners[2:])), film, frames), said)


def _evaluation(label: str, word: str) -> sr.QualitativeEvaluation:
    return sr.QualitativeEvaluation(Code(*term_of(label)), _CODES[word])


def _with_words(group: Group, said: Said) -> Group:
    """Return a group with what is said in words, for readers who look at text: briefly beside the box, and in full."""
    short = sr.TextContentItem(_CODES["short_label"], said.title, sr.RelationshipTypeValues.HAS_CONCEPT_MOD)
    comment = sr.TextContentItem(_CODES["comment"], said.text, sr.RelationshipTypeValues.CONTAINS)
    items = group[0].ContentSequence
    items.insert(next(i for i, item in enumerate(items) if item.ValueType == "SCOORD"), comment)
    items.insert(next(i for i, item in enumerate(items) if item.ValueType == "UIDREF") + 1, short)
    return group


def _tracking(context: ReportContext, name: str, *parts: str | int) -> sr.TrackingIdentifier:
    return sr.TrackingIdentifier(uid=context.uid("tracking", *(parts or (name,))), identifier=f"lungspot: {name}")


def _followed(context: ReportContext, said: Said, changes: Sequence[Change]) -> sr.TrackingIdentifier:
    """Return the place's tracking id: the earlier film's UID where that film has it, so that it can be followed."""
    own = _tracking(context, f"{said.title} (place {said.place})", "place", said.place or 0)
    before = context.before
    uids = [uid for each in changes if before and each.follows is not None and (uid := before.uid_of(each))]
    if uids:
        own[1].UID = uids[0]
    return own


def _site(said: Said) -> sr.FindingSite:
    """Return organ, side and zone; a side only where it is known which side of the patient that is."""
    return sr.FindingSite(
        Code(*site_term(said.label)),
        laterality=None if said.side is None else Code(*side_term(said.side)),
        topographical_modifier=None if said.zone is None else Code(*zone_term(said.zone)),
    )


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
