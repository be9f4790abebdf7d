import json
from datetime import UTC, datetime

import pytest
from defusedxml import ElementTree
from fhir.resources.bundle import Bundle as R5Bundle
from fhir.resources.R4B.bundle import Bundle as R4BBundle
from fhirclient.models.bundle import Bundle as R4Bundle  # HL7's 4.0.1; fhir.resources says the same in the drill
from pydicom import config

from lungspot.errors import FilmError
from lungspot.report import Before, Refusal, Review, Verdict, fhir_bundle
from lungspot.report.fhir_r5 import as_r5

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def resources(bundle, kind=None):
    found = [entry["resource"] for entry in bundle["entry"]]
    return [each for each in found if kind in {None, each["resourceType"]}]


def check(bundle):
    R4Bundle(json.loads(json.dumps(bundle)))
    R4BBundle.model_validate(bundle)
    R5Bundle.model_validate(as_r5(bundle))
    assert json.loads(json.dumps(bundle, allow_nan=False)) == bundle
    names = {entry["fullUrl"] for entry in bundle["entry"]}
    assert len(names) == len(bundle["entry"])
    pointed = {part.split('"')[0] for part in json.dumps(bundle).split('"reference": "')[1:]}
    assert pointed <= names
    assert "Research use only" in json.dumps(bundle)


def test_every_film_s_bundle_is_valid(header, on):
    check(fhir_bundle(on(header), header))


def test_a_bundle_says_what_was_found_where_and_how_surely(rg1_header, on):
    bundle = fhir_bundle(on(rg1_header), rg1_header, now=NOW)
    (report,) = resources(bundle, "DiagnosticReport")
    assert (report["status"], report["issued"]) == ("preliminary", "2026-01-02T03:04:05+00:00")
    assert report["conclusion"].startswith("Pleural effusion, left lower zone. Not looked for: ")
    assert report["conclusion"].endswith("training sets. Research use only, not for clinical use.")
    assert [concept["coding"][0]["code"] for concept in report["conclusionCode"]] == ["60046008"]
    box, below, *labels = resources(bundle, "Observation")
    assert box["valueCodeableConcept"]["coding"][0]["display"] == "Present"
    assert below["valueCodeableConcept"]["coding"][0]["display"] == "Undetermined"
    assert [each["valueCodeableConcept"]["coding"][0]["display"] for each in labels] == [
        "Present",
        "Undetermined",  # a box below its threshold makes nothing present
        "Absent",
    ]
    assert box["component"][0]["valueQuantity"]["value"] == 0.9
    assert box["component"][1]["valueString"] == "1104.60, 1368.50, 1656.90, 1759.50"
    assert box["bodySite"]["text"] == "left lower zone"
    assert [coding["display"] for coding in box["bodySite"]["coding"]] == ["Lung", "Left"]
    (patient,) = resources(bundle, "Patient")
    assert (patient["gender"], patient["birthDate"], patient["name"][0]["text"]) == (
        "female",
        "1940-03-05",
        "CompressedSamples RG1",
    )
    (study,) = resources(bundle, "ImagingStudy")
    assert study["identifier"][0]["value"] == f"urn:oid:{rg1_header.StudyInstanceUID}"
    assert study["started"] == "2004-08-26"
    (device,) = resources(bundle, "Device")
    assert {"type": {"text": "weights sha256"}, "value": "b" * 64} in device["version"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("=山田^太郎", "山田 太郎"),  # a name without letters was none
        ("==やまだ^たろう", "やまだ たろう"),
        ("Doe^John=Y=Z", "Doe John"),
        ("^^=Y", "Y"),
        ("==", None),
        ("", None),
    ],
)
def test_a_patient_is_named_by_the_first_group_of_a_name(rg1_header, on, name, says):
    rg1_header.SpecificCharacterSet, rg1_header.PatientName = "ISO_IR 192", name
    bundle = fhir_bundle(on(rg1_header), rg1_header)
    (patient,) = (each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == "Patient")
    assert patient.get("name") == (None if says is None else [{"text": says}])


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"PatientID": ["A1", "B2"]}, ("A1", "Doe", "7")),
        ({"PatientID": ["", " B2 "]}, ("B2", "Doe", "7")),
        ({"PatientID": "  "}, (None, "Doe", "7")),
        ({"PatientName": ["DOE^A", "ROE^B"]}, ("1", "DOE A", "7")),
        ({"PatientName": ["^^", "ROE^B"]}, ("1", "ROE B", "7")),
        ({"PatientName": "^^^"}, ("1", None, "7")),
        ({"AccessionNumber": ["1", "2"]}, ("1", "Doe", "1")),
        ({"AccessionNumber": ["", ""]}, ("1", "Doe", None)),
        ({"AccessionNumber": "  "}, ("1", "Doe", None)),
    ],
)
def test_of_several_values_the_first_counts(rg1_header, on, tags, said):
    """They were written as Python writes a list."""
    for keyword, value in ({"PatientID": "1", "PatientName": "Doe", "AccessionNumber": "7"} | tags).items():
        setattr(rg1_header, keyword, value)
    bundle = fhir_bundle(on(rg1_header), rg1_header)
    check(bundle)
    (patient,), (study,) = resources(bundle, "Patient"), resources(bundle, "ImagingStudy")
    found = [patient.get("identifier"), patient.get("name"), study["identifier"][1:]]
    assert tuple((one and (one[0].get("value") or one[0]["text"])) or None for one in found) == said


@pytest.mark.parametrize(
    ("modality", "code"),
    [("DX", "DX"), ("dx ", "DX"), ("CR  X", "OT"), ("CR X", "CR X"), ("C-R", "OT"), ("", "OT"), ("A" * 17, "OT")],
)
def test_a_modality_that_is_none_is_other(rg1_header, on, modality, code):
    with config.disable_value_validation():
        del rg1_header.Modality  # an element keeps its validation
        rg1_header.Modality = modality
        bundle = fhir_bundle(on(rg1_header), rg1_header)
    check(bundle)
    (study,) = resources(bundle, "ImagingStudy")
    assert study["series"][0]["modality"]["code"] == code


def test_a_report_against_an_earlier_film_is_another_report(rg1_header, on):
    """Both had one id, and their narratives differ."""
    result = on(rg1_header)
    review = Review("R. Ader", (), created="2026-11-29T01:02:03Z")
    those = [None, Before(30), Before(31), Before(30, film="2.25.1"), Before(30, film="2.25.2")]
    bundles = [
        fhir_bundle(result, rg1_header, now=NOW, before=before, review=each)
        for before in those
        for each in (None, review)
    ]
    assert len({bundle["id"] for bundle in bundles}) == len({bundle["entry"][0]["fullUrl"] for bundle in bundles}) == 10
    again = fhir_bundle(result, rg1_header, now=NOW, before=Before(30))
    assert again == bundles[2]
    for bundle in bundles:
        check(bundle)
        assert [entry["fullUrl"] for entry in bundle["entry"][1:]] == [
            entry["fullUrl"] for entry in bundles[0]["entry"][1:]
        ]


def test_a_picture_s_bundle_says_nothing_of_a_patient(make):
    bundle = fhir_bundle(make())
    check(bundle)
    assert {each["resourceType"] for each in resources(bundle)} == {"DiagnosticReport", "Observation", "Device"}
    assert "subject" not in json.dumps(bundle)


@pytest.mark.parametrize(
    ("result", "absent", "code"),
    [
        ("refused", "not-performed", "LATERAL"),
        (Refusal("x.dcm", FilmError("TRUNCATED", "x.dcm", "ends early")), "error", "TRUNCATED"),
    ],
)
def test_a_film_that_was_not_assessed_is_a_cancelled_report(make, result, absent, code):
    bundle = fhir_bundle(make(reasons=("LATERAL",)) if result == "refused" else result)
    check(bundle)
    (report,) = resources(bundle, "DiagnosticReport")
    (observation,) = resources(bundle, "Observation")
    assert report["status"] == observation["status"] == "cancelled"
    codes = [coding["code"] for coding in observation["dataAbsentReason"]["coding"]]
    assert codes[:2] == [absent, code]
    assert "122157" not in json.dumps(bundle)


def test_a_rerun_gives_the_same_bundle(rg1_header, on, make):
    assert fhir_bundle(on(rg1_header), rg1_header, now=NOW) == fhir_bundle(on(rg1_header), rg1_header, now=NOW)
    assert fhir_bundle(make())["id"] == fhir_bundle(make())["id"] != fhir_bundle(make(reasons=("BLANK",)))["id"]


def test_a_header_without_a_study_is_refused(rg1_header, on):
    result = on(rg1_header)
    del rg1_header.StudyInstanceUID
    with pytest.raises(FilmError, match="NO_STUDY"):
        fhir_bundle(result, rg1_header)


@pytest.mark.parametrize(
    ("language", "words"), [("en", "Pleural effusion, left lower zone"), ("de", "Pleuraerguss im linken Unterfeld")]
)
def test_the_report_is_its_narrative(rg1_header, on, language, words):
    bundle = fhir_bundle(on(rg1_header, path="<&>"), rg1_header, language=language)
    check(bundle)
    (report,) = resources(bundle, "DiagnosticReport")
    paragraphs = [each.text for each in ElementTree.fromstring(report["text"]["div"])]
    assert report["language"] == language
    assert any(words in each and "90 %" in each for each in paragraphs)
    assert "lungspot, mod" in paragraphs[0].lower()


def test_a_readers_word_counts_in_the_report_and_leaves_the_models_observations(rg1_header, on):
    result = on(rg1_header)
    wrong = result.boxed[0]
    verdicts = (Verdict("reject", "effusion", wrong.box, ("effusion", wrong.box)), Verdict("add", "rib_fracture"))
    review = Review("R. Ader", verdicts, created="2026-11-29T01:02:03Z")
    bundle, plain = (fhir_bundle(result, rg1_header, review=each, now=NOW) for each in (review, None))
    check(bundle)
    (report,), (model,) = resources(bundle, "DiagnosticReport"), resources(plain, "DiagnosticReport")
    assert report["conclusion"].startswith("Rib fracture (on the film as a whole, no place marked).")
    assert report["resultsInterpreter"] == [{"display": "R. Ader"}]
    codes = [concept["coding"][0]["code"] for concept in report["conclusionCode"]]
    assert codes == ["rib_fracture"]  # a label of ours without a code of its own
    assert "effusion" not in report["text"]["div"].partition("IMPRESSION")[2]
    assert resources(bundle, "Observation") == resources(plain, "Observation")
    assert bundle["id"] != plain["id"]
    assert report["result"] == model["result"]
