"""A result as a FHIR R4 bundle: a report, an observation a box and a label, the device, and a DICOM film's patient.

R4 has no type for a region of an image; a box is a component that holds its corners as text, in pixels of the film as
its file stores it (docs/conventions.md). Ids follow from film, model, settings and version: a rerun gives the same.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from lungspot import BANNER, __version__
from lungspot.findings import Finding, State
from lungspot.report.analysis import Analysis, Refusal
from lungspot.report.coded import OWN, TERMS, Term, quality_of, reason_term, side_term, site_term, term_of
from lungspot.report.words import headline, place_of, refused_because, why

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["fhir_bundle"]

Json = dict[str, Any]

_SYSTEMS: Final = {
    "SCT": "http://snomed.info/sct",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "LN": "http://loinc.org",
    OWN: "urn:oid:2.25.167264579340824028094579654174061193254",
}
_HL7: Final = "http://terminology.hl7.org/CodeSystem"
_REGION: Final = Term("111030", "DCM", "Image Region")
_GENDERS: Final = {"F": "female", "M": "male", "O": "other"}


def fhir_bundle(result: Analysis | Refusal, source: Dataset | None = None, *, now: datetime | None = None) -> Json:
    """Return the result as JSON values of a FHIR R4 ``Bundle`` (a collection).

    ``source``: the film's DICOM header, for patient and study; without one the bundle says nothing of either. A film
    that was not assessed gives a cancelled report with a reason and no probability. Raises FilmError ``NO_STUDY``.
    """
    from lungspot.report.source import key_of, source_of  # noqa: PLC0415 - loads pydicom

    film = None if source is None else source_of(source)
    key = key_of(result, film)
    moment = (datetime.now().astimezone() if now is None else now).isoformat(timespec="seconds")

    def url(*parts: str | int) -> str:
        return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, '/'.join(map(str, (key, *parts))))}"

    links: Json = {"device": {"reference": url("device")}}
    entries = {url("device"): _device(result)}
    if film is not None:
        links |= {"subject": {"reference": url("patient")}, "derivedFrom": [{"reference": url("study")}]}
        entries[url("patient")] = _patient(film)
        entries[url("study")] = _study(film, url("patient"))
    observations = {url("observation", name): each | links for name, each in _observations(result)}
    report = _report(result, moment, list(observations))
    if film is not None:
        report |= {"subject": links["subject"], "imagingStudy": links["derivedFrom"]}
        if film.StudyDate:
            report["effectiveDateTime"] = _date(film.StudyDate)
    everything = {url("report"): report} | observations | entries
    return {
        "resourceType": "Bundle",
        "id": url("bundle").removeprefix("urn:uuid:"),
        "type": "collection",
        "timestamp": moment,
        "entry": [{"fullUrl": name, "resource": resource} for name, resource in everything.items()],
    }


def _report(result: Analysis | Refusal, moment: str, observations: list[str]) -> Json:
    assessed = isinstance(result, Analysis) and result.assessed
    said = headline(result) if isinstance(result, Analysis) else refused_because(why(result.error.code))
    report: Json = {
        "resourceType": "DiagnosticReport",
        "status": "preliminary" if assessed else "cancelled",
        "category": [{"coding": [{"system": f"{_HL7}/v2-0074", "code": "RAD", "display": "Radiology"}]}],
        "code": _concept(TERMS["chest_film"]),
        "issued": moment,
        "result": [{"reference": each} for each in observations],
        "conclusion": f"{said}. {BANNER}",
    }
    if isinstance(result, Analysis) and result.reading is not None:
        positive = [label for label, state in result.reading.states.items() if state is State.PRESENT]
        positive += [finding.label for finding in result.boxed if result.is_positive(finding)]
        if positive:
            report["conclusionCode"] = [_concept(term_of(label)) for label in dict.fromkeys(positive)]
    return report


def _observations(result: Analysis | Refusal) -> Iterator[tuple[str, Json]]:
    if isinstance(result, Refusal):
        yield "summary", _absent((result.error.code,), "error")
    elif result.reading is None:
        yield "summary", _absent(result.reasons, "not-performed")
    else:
        for number, finding in enumerate(result.boxed, 1):
            said = "present" if result.is_positive(finding) else "undetermined"
            yield f"box {number}", _observation(finding.label, said) | _place(finding) | {"component": _parts(finding)}
        for label, state in result.reading.states.items():
            whole = next((each for each in result.reading.of(label) if each.box is None), None)
            observation = _observation(label, "present" if state.is_positive else "absent")
            yield f"label {label}", observation | ({} if whole is None else {"component": _parts(whole)})


def _observation(label: str, said: str) -> Json:
    return {
        "resourceType": "Observation",
        "status": "preliminary",
        "category": [{"coding": [{"system": f"{_HL7}/observation-category", "code": "imaging", "display": "Imaging"}]}],
        "code": _concept(term_of(label)),
        "valueCodeableConcept": _concept(TERMS[said]),
        "note": [{"text": BANNER}],
    }


def _absent(reasons: tuple[str, ...], why_absent: str) -> Json:
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


def _place(finding: Finding) -> Json:
    codings = _concept(site_term(finding.label))["coding"]
    if finding.side is not None:
        codings += _concept(side_term(finding.side))["coding"]
    words = place_of(finding)
    return {"bodySite": {"coding": codings} | ({"text": words} if words else {})}


def _parts(finding: Finding) -> list[Json]:
    parts: list[Json] = []
    if finding.score is not None:
        number = {"value": round(finding.score, 4), "system": "http://unitsofmeasure.org", "code": "1"}
        parts.append({"code": _concept(TERMS["probability"]), "valueQuantity": number})
    if finding.box is not None:
        corners = ", ".join(f"{corner:.2f}" for corner in finding.box.corners)
        parts.append({"code": _concept(_REGION) | {"text": "x0, y0, x1, y1 in pixels"}, "valueString": corners})
    return parts


def _device(result: Analysis | Refusal) -> Json:
    versions = [{"type": {"text": "lungspot"}, "value": __version__}]
    device: Json = {
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
    return device | {"version": versions}


def _patient(film: Dataset) -> Json:
    patient: Json = {"resourceType": "Patient"}
    if film.PatientID:
        patient["identifier"] = [{"value": str(film.PatientID)}]
    if name := str(film.PatientName).partition("=")[0].replace("^", " ").strip():
        patient["name"] = [{"text": name}]
    if film.PatientBirthDate:
        patient["birthDate"] = _date(film.PatientBirthDate)
    return patient | {"gender": _GENDERS.get(film.PatientSex, "unknown")}


def _study(film: Dataset, patient: str) -> Json:
    study: Json = {
        "resourceType": "ImagingStudy",
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{film.StudyInstanceUID}"}],
        "status": "available",
        "subject": {"reference": patient},
        "series": [
            {
                "uid": film.SeriesInstanceUID,
                "modality": {"system": _SYSTEMS["DCM"], "code": film.Modality or "OT"},
                "instance": [
                    {
                        "uid": film.SOPInstanceUID,
                        "sopClass": {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{film.SOPClassUID}"},
                    }
                ],
            }
        ],
    }
    if film.AccessionNumber:
        kind = {"coding": [{"system": f"{_HL7}/v2-0203", "code": "ACSN"}]}
        study["identifier"].append({"type": kind, "value": str(film.AccessionNumber)})
    return study | ({"started": _date(film.StudyDate)} if film.StudyDate else {})


def _concept(term: Term) -> Json:
    return {"coding": [{"system": _SYSTEMS[term.scheme], "code": term.value, "display": term.meaning}]}


def _date(dicom: str) -> str:
    return re.sub(r"(\d{4})(\d{2})(\d{2})", r"\1-\2-\3", str(dicom))
