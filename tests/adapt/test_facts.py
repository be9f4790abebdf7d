import json

import pytest
from pydicom import dcmread

from lungspot import analyze
from lungspot.adapt import film_facts
from lungspot.detect import load_detector
from lungspot.errors import FilmError
from lungspot.report import Refusal, document


def test_facts_are_small_and_name_nobody(rg1, model_file):
    film = rg1["UNCR"]
    facts = film_facts(document(analyze(film, load_detector(model_file))))
    text = json.dumps(facts)
    assert len(text) < 1200
    header = dcmread(film, stop_before_pixels=True)
    for keyword in ("PatientID", "PatientName", "StudyDate", "SOPInstanceUID"):
        assert str(header[keyword].value) not in text
    assert str(film) not in text
    assert facts["device"].startswith(header.Manufacturer.strip())
    assert (facts["size"], facts["bits"], facts["view"]) == ([1841, 1955], 15, "PA")
    assert set(facts["scores"]) == {"effusion", "edema", "nodule_mass"}
    assert facts["statistics"]["entropy"] > 5
    assert len(facts["features"]) == 16


def test_a_film_that_could_not_be_read_has_facts_too():
    error = FilmError("TRUNCATED", "x.dcm", "ends early")
    facts = film_facts(document(Refusal("x.dcm", error, "2026-01-02T03:04:05Z")))
    assert (facts["status"], facts["reasons"], facts["scores"]) == ("not_assessed", ["TRUNCATED"], {})
    assert (facts["made"], facts["device"], facts["size"], facts["model"]) == ("2026-01-02T03:04:05Z", None, None, None)


def test_what_earlier_versions_wrote_is_understood():
    old = {
        "schema": "lungspot/1",
        "status": "assessed",
        "reasons": [],
        "image": {"path": "a.png", "sha256": "a" * 64, "width": 9, "height": 9, "view": "UNKNOWN"},
        "findings": [],
        "image_scores": [{"label": "edema", "probability": 0.7, "threshold": 0.5, "positive": True}],
        "model": {"name": "m", "version": "1", "sha256": "b" * 64, "card_sha256": "c" * 64},
    }
    facts = film_facts(old)
    assert (facts["made"], facts["statistics"], facts["features"]) == (None, None, None)
    assert (facts["positive"], facts["abnormal"], facts["model"]) == (["edema"], True, "m 1 (bbbbbbbb)")


@pytest.mark.parametrize("wrong", [{}, {"image": {}}, {"image": None}])
def test_what_is_no_document_is_refused(wrong):
    with pytest.raises((KeyError, TypeError, AttributeError)):
        film_facts(wrong)
