"""What every form says of a site's thresholds: the same words, beside the same hash."""

import dataclasses
import json

import pytest
from pydicom import dcmread

from lungspot.detect import SiteMark
from lungspot.report import dicom_results, document, fhir_bundle, page, report_text, statement, table
from lungspot.report.overlay import _strip

MARK = SiteMark(
    *("St. Elsewhere", "2026-11-29", "c" * 64, "d" * 64, 412),
    thresholds={"effusion": ("film", "box")},
    probabilities=("effusion",),
    sets={"opacity": {"covid19": 0.2, "pneumonia": 0.35, "tuberculosis": 0.3}},
    coverage=90.0,
)
WORDS = "Thresholds by 412 films of St. Elsewhere (2026-11-29): Pleural effusion; the model's own for the others."
PERCENT = "on films of St. Elsewhere for Pleural effusion, and on validation films for the others"


@pytest.fixture
def there(make):
    """The generated film's result, judged by a site's thresholds."""
    return judged_there(make())


def judged_there(result, mark=MARK):
    card = dataclasses.replace(result.model.card, site=mark)
    return dataclasses.replace(result, model=dataclasses.replace(result.model, card=card))


def test_the_statement_says_whose_thresholds_and_percentages_they_are(there):
    told = statement(there)
    assert told.thresholds == WORDS
    assert told.caveats[0] == WORDS
    assert PERCENT in told.percentages
    assert WORDS in told.text


def test_without_a_site_nothing_of_one_is_said(make):
    told, value = statement(make()), document(make())
    assert (told.thresholds, told.sets, value["site"], value["statement"]["thresholds"]) == (None, (), None, None)
    assert "validation films" in told.percentages


def test_a_site_of_all_labels_says_so_and_one_of_none_too(make):
    labels = dict.fromkeys(make().model.card.labels, ("film",))
    every = statement(judged_there(make(), dataclasses.replace(MARK, thresholds=labels, probabilities=tuple(labels))))
    assert every.thresholds.endswith(": all labels.")
    assert "validation" not in every.percentages
    none = statement(judged_there(make(), dataclasses.replace(MARK, thresholds={}))).thresholds
    assert none == "Thresholds: the model's own; probabilities by 412 films of St. Elsewhere (2026-11-29)."


def test_the_document_names_the_site_file_and_the_sealed_card(there):
    value = document(there)
    assert value["site"]["name"] == "St. Elsewhere"
    assert value["site"]["sha256"] == "c" * 64
    assert value["site"]["thresholds"] == {"effusion": ["film", "box"]}
    assert value["model"]["card_sha256"] == "d" * 64
    assert value["statement"]["thresholds"] == WORDS


def test_every_form_for_people_says_so(there):
    assert WORDS in " ".join(str(there_table(there)).split())
    assert WORDS in json.loads(data_of_page(page(there)))["notes"]
    assert WORDS in " ".join(text for text, *_ in _strip(there, statement(there), None))
    for language, words in (("en", "Thresholds by films of"), ("de", "Schwellenwerte nach Aufnahmen von")):
        told = report_text(there, language=language)
        assert f"{words} St. Elsewhere (2026-11-29)." in told.technique
        assert "St. Elsewhere" in told.note


def there_table(result):
    return table(result, "film").caption


def data_of_page(text):
    start = text.index('{"assessed"')
    return text[start : text.index("</script>", start)]


def test_every_form_for_machines_says_so(there, rg1):
    film = dcmread(rg1["UNCR"])
    bundle = fhir_bundle(there)
    (report,) = (each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == "DiagnosticReport")
    (device,) = (each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == "Device")
    assert WORDS in report["conclusion"]
    assert "c" * 64 in [each["value"] for each in device["version"]]
    (sr,) = dicom_results(film, there, kinds=("sr",))
    (gsps,) = dicom_results(film, there, kinds=("gsps",))
    texts = [str(each.value) for each in sr.iterall()]
    assert WORDS in texts
    assert any(text.startswith("thresholds ") and f"of site file sha256 {'c' * 16}" in text for text in texts)
    assert f"card sha256 {'d' * 64}" in texts
    assert any(WORDS in str(each.value) for each in gsps.iterall())


@pytest.fixture
def alike(make):
    """A film that shows COVID-19, and may show pneumonia, by the sets of a site."""

    def result(covid19, pneumonia, tuberculosis):
        made = judged_there(make(boxes=()))
        labels = ("covid19", "pneumonia", "tuberculosis")
        card = dataclasses.replace(made.model.card, labels=labels, thresholds={})
        scores = dict(zip(labels, (covid19, pneumonia, tuberculosis), strict=True))
        findings = tuple(
            dataclasses.replace(made.reading.findings[0], label=each, score=p) for each, p in scores.items()
        )
        states = {label: "present" if p >= 0.5 else "absent" for label, p in scores.items()}
        reading = dataclasses.replace(made.reading, findings=findings, states=states)
        model = dataclasses.replace(made.model, card=card)
        return dataclasses.replace(made, model=model, reading=reading, agreement=(), heat={})

    return result


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        ((0.6, 0.4, 0.1), ["covid19", "pneumonia"]),
        ((0.6, 0.7, 0.3), ["pneumonia", "covid19", "tuberculosis"]),
        ((0.1, 0.2, 0.2), []),
    ],
)
def test_a_prediction_set_holds_what_reaches_its_own_line(alike, scores, kept):
    result = alike(*scores)
    assert document(result)["site"]["prediction_sets"] == [{"group": "opacity", "kept": kept}]
    sentences = statement(result).sets
    assert len(sentences) == (max(scores) >= 0.5)  # it is said where one of them is
    if sentences:
        names = {"covid19": "COVID-19", "pneumonia": "Pneumonia", "tuberculosis": "Pulmonary tuberculosis"}
        assert sentences[0].endswith(
            f"the set that keeps 90 % of true names at St. Elsewhere holds {', '.join(names[each] for each in kept)}."
        )
