import json
from copy import deepcopy

import pytest
from fhir.resources.bundle import Bundle  # R5

from lungspot.errors import FilmError
from lungspot.report import Refusal, Review, fhir_bundle
from lungspot.report.fhir_r5 import as_r5


def of_kind(bundle, kind):
    return [entry for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def test_every_film_s_bundle_is_valid_r5_and_a_box_is_a_region(header, on):
    given = fhir_bundle(on(header), header)
    before = deepcopy(given)
    made = as_r5(given)
    assert given == before
    Bundle.model_validate(made)
    names = {entry["fullUrl"] for entry in made["entry"]}
    assert len(names) == len(made["entry"])
    assert {part.split('"')[0] for part in json.dumps(made).split('"reference": "')[1:]} <= names
    first, second = of_kind(made, "ImagingSelection")
    for entry in of_kind(given, "Observation"):  # a region is known by its code, not by our words
        for part in entry["resource"].get("component", ()):
            part["code"].pop("text")
    assert of_kind(as_r5(given), "ImagingSelection") == [first, second]
    (film,) = first["resource"]["instance"]
    assert film["uid"] == header.SOPInstanceUID
    x, y = header.Columns, header.Rows
    expected = [0.6 * x, 0.7 * y, 0.9 * x, 0.7 * y, 0.9 * x, 0.9 * y, 0.6 * x, 0.9 * y, 0.6 * x, 0.7 * y]
    assert film["imageRegion2D"][0]["coordinate"] == pytest.approx(expected, abs=0.01)
    pointing = [e["resource"]["derivedFrom"][-1]["reference"] for e in of_kind(made, "Observation")[:2]]
    assert pointing == [first["fullUrl"], second["fullUrl"]]


def test_refusals_reviews_and_films_without_a_study_are_valid_too(rg1_header, on):
    results = (
        fhir_bundle(on(rg1_header, reasons=("LATERAL",)), rg1_header),
        fhir_bundle(Refusal("x", FilmError("TRUNCATED", "x", "ends early"))),
        fhir_bundle(on(rg1_header)),
        fhir_bundle(on(rg1_header), rg1_header, review=Review("Dr. R", created="2026-01-02")),
    )
    for given in results:
        made = as_r5(given)
        Bundle.model_validate(made)
        assert bool(of_kind(made, "ImagingSelection")) == (given is results[3])
    (report,) = of_kind(as_r5(results[3]), "DiagnosticReport")
    assert "study" in report["resource"]
    assert "imagingStudy" not in report["resource"]
