"""A result as a FHIR R4 bundle: a report, an observation a box and a label, the device, and a DICOM film's patient.

R4 has no type for a region of an image; a box is a component that holds its corners as text, in pixels of the film as
its file stores it (docs/conventions.md). Ids follow from film, model, settings and version: a rerun gives the same.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, MutableSequence
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any, Final

from lungspot import BANNER, __version__
from lungspot.findings import name_of
from lungspot.report.analysis import Analysis, Refusal
from lungspot.report.changes import Before
from lungspot.report.coded import OWN_SCHEME, TERMS, Term, quality_of, reason_term, side_term, site_term, term_of
from lungspot.report.observations import Review, observations
from lungspot.report.statement import Said, Statement, statement
from lungspot.report.text import ReportText, report_text
from lungspot.report.words import why

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["REGION", "fhir_bundle"]

JsonObject = dict[str, Any]

# The code of the component that holds a box: its corners x0, y0, x1, y1 as text, joined by commas.
REGION: Final = Term("111030", "DCM", "Image Region")
_SYSTEMS: Final = {
    "SCT": "http://snomed.info/sct",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "LN": "http://loinc.org",
    OWN_SCHEME: "urn:oid:2.25.167264579340824028094579654174061193254",
}
_HL7: Final = "http://terminology.hl7.org/CodeSystem"
_UNKNOWN: Final = {"coding": [{"system": f"{_HL7}/data-absent-reason", "code": "not-performed"}]}
_MODALITY: Final = re.compile(r"(?=.{1,16}$)[A-Z0-9_]+( [A-Z0-9_]+)*")  # what is both a CS and a code of FHIR's
_GENDERS: Final = {"F": "female", "M": "male", "O": "other"}


def fhir_bundle(  # noqa: PLR0913 - each choice has a name
    result: Analysis | Refusal,
    source: Dataset | None = None,
    *,
    experimental: bool = False,
    language: str = "en",
    review: Review | None = None,
    now: datetime | None = None,
    before: Before | None = None,
) -> JsonObject:
    """Return the result as JSON values of a FHIR R4 ``Bundle`` (a collection).

    ``source``: the film's DICOM header, for patient and study; without one the bundle says nothing of either.
    ``experimental``: say experimental labels too, marked as such. ``language``: of the report's narrative.
    ``review``: a reader's, whose word counts in narrative and conclusion; the observations stay the model's.
    ``before``: the patient's film that the narrative compares with. A film that was not assessed gives a cancelled
    report with a reason and no probability. Raises FilmError ``NO_STUDY``.
    """
    from lungspot.report.source import against_of, key_of, source_of  # noqa: PLC0415 - loads pydicom

    film = None if source is None else source_of(source)
    key = key_of(result, film, experimental=experimental)
    told = statement(result, experimental=experimental)
    moment = (datetime.now().astimezone() if now is None else now).isoformat(timespec="seconds")

    def url(*parts: str | int) -> str:
        return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, '/'.join(map(str, (key, *parts))))}"

    links: JsonObject = {"device": {"reference": url("device")}}
    entries = {url("device"): _device(result)}
    if film is not None:
        links |= {"subject": {"reference": url("patient")}, "derivedFrom": [{"reference": url("study")}]}
        entries[url("patient")] = _patient(film)
        entries[url("study")] = _study(film, url("patient"))
    seen = {url("observation", name): each | links for name, each in _observations(result, told)}
    words = report_text(result, language=language, experimental=experimental, review=review, before=before)
    report = _report(told, moment, list(seen))
    if review is not None:
        report.pop("conclusionCode", None)
        report |= _reviewed(result, told, words, review)
    report |= {"language": language, "text": {"status": "generated", "div": _narrative(words)}}
    if film is not None:
        report |= {"subject": links["subject"], "imagingStudy": links["derivedFrom"]}
        if film.StudyDate:
            report["effectiveDateTime"] = _date(film.StudyDate)
    whose = [*([] if review is None else ["review", review.reader, review.created or ""]), *against_of(before)]
    everything = {url("report", *whose): report} | seen | entries
    return {
        "resourceType": "Bundle",
        "id": url("bundle", *whose).removeprefix("urn:uuid:"),
        "type": "collection",
        "timestamp": moment,
        "entry": [{"fullUrl": name, "resource": resource} for name, resource in everything.items()],
    }


def _report(told: Statement, moment: str, observations: list[str]) -> JsonObject:
    words = [f"{told.headline}.", *told.caveats, *([told.percentages] if told.assessed else []), BANNER]
    report: JsonObject = {
        "resourceType": "DiagnosticReport",
        "status": "preliminary" if told.assessed else "cancelled",
        "category": [{"coding": [{"system": f"{_HL7}/v2-0074", "code": "RAD", "display": "Radiology"}]}],
        "code": _concept(TERMS["chest_film"]),
        "issued": moment,
        "result": [{"reference": each} for each in observations],
        "conclusion": " ".join(words),
    }
    codes = [_concept(term_of(name.label)) | {"text": said.short} for said in told.said for name in said.told]
    return report | ({"conclusionCode": codes} if codes else {})


def _reviewed(result: Analysis | Refusal, told: Statement, words: ReportText, review: Review) -> JsonObject:
    """Return what a reader's review changes in the report: who concludes, what, and its codes."""
    lines = observations(result, told, review) if isinstance(result, Analysis) else ()
    codes = [_concept(term_of(label)) for line in lines if line.judged for label in line.labels]
    changed: JsonObject = {"conclusion": " ".join((*words.impression, *filter(None, (words.note, words.head))))}
    changed |= {"resultsInterpreter": [{"display": review.reader}]} if review.reader else {}
    return changed | ({"conclusionCode": codes} if codes else {})


def _narrative(words: ReportText) -> str:
    """Return a report in words as XHTML, a paragraph a line."""
    lines = "".join(f"<p>{escape(line)}</p>" for line in words.text.splitlines() if line)
    return (
        f'<div xmlns="http://www.w3.org/1999/xhtml" lang="{words.language}" xml:lang="{words.language}">{lines}</div>'
    )


def _observations(result: Analysis | Refusal, told: Statement) -> Iterator[tuple[str, JsonObject]]:
    """Yield what is said, in its order; then every other thing that was found or looked for."""
    if isinstance(result, Refusal):
        yield "summary", _absent((result.error.code,), "error")
    elif result.reading is None:
        yield "summary", _absent(result.reasons, "not-performed")
    else:
        whole: set[str] = set()
        for said in (*told.said, *told.below):
            if said.box is None:
                whole |= {name.label for name in said.names}
                for name in said.names:
                    yield f"label {name.label}", _label(result, told, name.label, said)
            else:
                yield f"place {said.place}", _place(said)
        for label in result.reading.states:
            if label not in whole and label not in told.unsaid:
                yield f"label {label}", _label(result, told, label)


def _place(said: Said) -> JsonObject:
    """Return a place as one observation, with a component a name that has a probability of its own."""
    observation = _observation(said.label, "present" if said.positive else "undetermined", said.text)
    codings = _concept(site_term(said.label))["coding"]
    if said.side is not None:
        codings += _concept(side_term(said.side))["coding"]
    observation["bodySite"] = {"coding": codings} | ({"text": said.where} if said.where else {})
    parts: list[JsonObject] = []
    for name in said.names:
        one: JsonObject = _concept(TERMS["probability"]) if len(said.names) == 1 else _concept(term_of(name.label))
        of = f"{name_of(name.label)}: probability, of the box"
        if name.score is not None:
            parts.append({"code": one | {"text": of}, "valueQuantity": _quantity(name.score)})
        else:
            parts.append({"code": one | {"text": f"{of}: not judged by itself"}, "dataAbsentReason": _UNKNOWN})
    if said.box is not None:
        corners = ", ".join(f"{corner:.2f}" for corner in said.box.corners)
        parts.append({"code": _concept(REGION) | {"text": "x0, y0, x1, y1 in pixels"}, "valueString": corners})
    return observation | {"component": parts}


def _label(result: Analysis, told: Statement, label: str, said: Said | None = None) -> JsonObject:
    """Return what is known of a label on the film as a whole; ``said`` where nothing else speaks of it."""
    observation = _observation(label, told.word_of(label), *([] if said is None else [said.text]))
    if (probability := result.probabilities.get(label)) is not None:
        code = _concept(TERMS["probability"]) | {"text": "probability, of the whole film"}
        observation["component"] = [{"code": code, "valueQuantity": _quantity(probability)}]
    return observation


def _quantity(probability: float) -> JsonObject:
    return {"value": round(probability, 4), "system": "http://unitsofmeasure.org", "code": "1"}


def _observation(label: str, said: str, *notes: str) -> JsonObject:
    return {
        "resourceType": "Observation",
        "status": "preliminary",
        "category": [{"coding": [{"system": f"{_HL7}/observation-category", "code": "imaging", "display": "Imaging"}]}],
        "code": _concept(term_of(label)),
        "valueCodeableConcept": _concept(TERMS[said]),
        "note": [{"text": text} for text in (*notes, BANNER)],
    }


def _absent(reasons: tuple[str, ...], why_absent: str) -> JsonObject:
    """Return the observation that was not made: why, as FHIR, DICOM and we say it."""
    codings = [
        coding
        for reason in reasons
        for term in (reason_term(reason), quality_of(reason))
        for coding in _concept(term)["coding"]
    ]
    return {
        "resourceType": "Observation",
        "status": "cancelled",
        "code": _concept(TERMS["summary"]),
        "dataAbsentReason": {"coding": [{"system": f"{_HL7}/data-absent-reason", "code": why_absent}, *codings]},
        "note": [{"text": f"{'; '.join(map(why, reasons))}. {BANNER}"}],
    }


def _device(result: Analysis | Refusal) -> JsonObject:
    versions = [{"type": {"text": "lungspot"}, "value": __version__}]
    device: JsonObject = {
        "resourceType": "Device",
        "manufacturer": "lungspot",
        "type": _concept(TERMS["artificial_intelligence"]),
        "note": [{"text": BANNER}],
    }
    if isinstance(result, Analysis):
        model = result.model
        versions.append({"type": {"text": f"model {model.card.name}"}, "value": model.card.version})
        versions.append({"type": {"text": "weights sha256"}, "value": model.sha256})
        versions.append({"type": {"text": "operating point"}, "value": result.point})
        if (site := model.card.site) is not None:
            versions.append({"type": {"text": f"site file of {site.name}, sha256"}, "value": site.sha256})
    return device | {"version": versions}


def _patient(film: Dataset) -> JsonObject:
    patient: JsonObject = {"resourceType": "Patient"}
    if identifier := next(_texts(film, "PatientID"), ""):
        patient["identifier"] = [{"value": identifier}]
    groups = (  # of each name letters, ideographs, sound
        group.replace("^", " ").strip() for name in _texts(film, "PatientName") for group in name.split("=")
    )
    if name := next(filter(None, groups), ""):
        patient["name"] = [{"text": name}]
    if film.PatientBirthDate:
        patient["birthDate"] = _date(film.PatientBirthDate)
    return patient | {"gender": _GENDERS.get(film.PatientSex, "unknown")}


def _study(film: Dataset, patient: str) -> JsonObject:
    study: JsonObject = {
        "resourceType": "ImagingStudy",
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{film.StudyInstanceUID}"}],
        "status": "available",
        "subject": {"reference": patient},
        "series": [
            {
                "uid": film.SeriesInstanceUID,
                "modality": {
                    "system": _SYSTEMS["DCM"],
                    "code": film.Modality if _MODALITY.fullmatch(film.Modality) else "OT",
                },
                "instance": [
                    {
                        "uid": film.SOPInstanceUID,
                        "sopClass": {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{film.SOPClassUID}"},
                    }
                ],
            }
        ],
    }
    if accession := next(_texts(film, "AccessionNumber"), ""):
        kind = {"coding": [{"system": f"{_HL7}/v2-0203", "code": "ACSN"}]}
        study["identifier"].append({"type": kind, "value": accession})
    return study | ({"started": _date(film.StudyDate)} if film.StudyDate else {})


def _texts(film: Dataset, keyword: str) -> Iterator[str]:
    """Yield the values of an attribute that are not empty, stripped; a header may have several where one belongs."""
    value = film[keyword].value
    for each in value if isinstance(value, MutableSequence) else [value]:
        if text := str(each).strip():
            yield text


def _concept(term: Term) -> JsonObject:
    return {"coding": [{"system": _SYSTEMS[term.scheme], "code": term.value, "display": term.meaning}]}


def _date(dicom: str) -> str:
    return re.sub(r"(\d{4})(\d{2})(\d{2})", r"\1-\2-\3", str(dicom))
