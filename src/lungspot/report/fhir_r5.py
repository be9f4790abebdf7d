"""A FHIR R4 bundle as R5: the same resources with what R5 names or types otherwise, and each box as a region.

R5 has ImagingSelection: the film's instance, the finding's code, and the box as a closed polyline in pixels, where R4
has words only.
"""

from __future__ import annotations

import uuid
from typing import Any

from lungspot.report.fhir import REGION

__all__ = ["as_r5"]

JsonObject = dict[str, Any]


def as_r5(bundle: JsonObject) -> JsonObject:
    """Return a bundle of ``fhir_bundle`` in R5; the one given is not changed."""
    entries = [{**entry, "resource": _resource(entry["resource"])} for entry in bundle["entry"]]
    studies = [entry for entry in entries if entry["resource"]["resourceType"] == "ImagingStudy"]
    if studies:
        selected: list[JsonObject] = []
        for entry in entries:
            if corners := _corners(entry["resource"]):
                selected.append(_selection(entry, studies[0], corners))
                at = {"reference": selected[-1]["fullUrl"]}
                derived = [*entry["resource"].get("derivedFrom", []), at]
                entry["resource"] = {**entry["resource"], "derivedFrom": derived}
        entries += selected
    return {**bundle, "entry": entries}


def _resource(resource: JsonObject) -> JsonObject:
    kind, made = resource["resourceType"], dict(resource)
    if kind == "DiagnosticReport" and "imagingStudy" in made:
        made["study"] = made.pop("imagingStudy")
    if kind == "Device":
        made["type"] = [made["type"]]
    if kind == "ImagingStudy":
        made["series"] = [{**each, "modality": {"coding": [each["modality"]]}} for each in made["series"]]
    return made


def _corners(resource: JsonObject) -> list[float]:
    """Return x0, y0, x1, y1 of an observation that is a place; else nothing."""
    for part in resource.get("component", ()) if resource["resourceType"] == "Observation" else ():
        if any(coding["code"] == REGION.value for coding in part["code"]["coding"]):
            return [float(number) for number in part["valueString"].split(",")]
    return []


def _selection(entry: JsonObject, study: JsonObject, corners: list[float]) -> JsonObject:
    x0, y0, x1, y1 = corners
    place, film = entry["resource"], study["resource"]
    series = film["series"][0]
    instance = series["instance"][0]
    outline = [x0, y0, x1, y0, x1, y1, x0, y1, x0, y0]
    return {
        "fullUrl": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, entry['fullUrl'] + '/selection')}",
        "resource": {
            "resourceType": "ImagingSelection",
            "status": "available",
            "code": place["code"],
            "subject": film["subject"],
            "derivedFrom": [{"reference": study["fullUrl"]}],
            "studyUid": film["identifier"][0]["value"].removeprefix("urn:oid:"),
            "seriesUid": series["uid"],
            "instance": [
                {
                    "uid": instance["uid"],
                    "sopClass": instance["sopClass"],
                    "imageRegion2D": [{"regionType": "polyline", "coordinate": outline}],
                }
            ],
        },
    }
