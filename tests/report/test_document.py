import dataclasses
import json
from pathlib import Path

import jsonschema
import pytest

from lungspot.detect import REASONS
from lungspot.errors import FilmError
from lungspot.images import Device, ImageStatistics, image_statistics
from lungspot.report import Refusal, document, schema


def check(value):
    jsonschema.Draft202012Validator(schema()).validate(value)


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(schema())


def test_a_result_meets_the_schema_and_says_what_is_known(make):
    value = document(make())
    check(value)
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    assert value["status"] == "assessed"
    first = value["findings"][0]
    assert first["box"] == [120, 210, 180, 270]
    assert (first["label"], first["score"], first["threshold"], first["positive"]) == ("effusion", 0.9, 0.5, True)
    assert (first["standing"], first["place"], first["judged"]) == ("reported", 1, True)
    assert first["codes"]["SCT"] == "60046008"
    assert first["side"] == "left"
    assert [score["label"] for score in value["image_scores"]] == ["effusion", "cardiomegaly", "edema"]
    assert {score["standing"] for score in value["image_scores"]} == {"reported"}
    said = value["statement"]
    assert said["headline"] == "Pleural effusion, left lower zone"
    assert [(each["place"], each["label"], each["side"]) for each in said["said"]] == [(1, "effusion", "left")]
    assert said["urgency"] == 1.9
    report = value["report"]
    assert (report["language"], report["impression"]) == ("en", ["Pleural effusion, left lower zone [not reviewed]."])
    assert [each["region"] for each in report["findings"]][:2] == ["Lungs", "Pleura"]
    assert document(make(), language="de")["report"]["impression"] == ["Pleuraerguss im linken Unterfeld [ungeprüft]."]
    assert value["warnings"] == [{"code": "LOSSY", "text": "<b>x</b>"}]
    assert value["not_for_clinical_use"] is True
    assert value["image"]["width"] == 200


def test_what_a_watch_needs_is_in_it(make):
    plain = make()
    value = document(plain)
    assert (value["image"]["bits"], value["image"]["device"], value["image"]["statistics"]) == (8, None, None)
    assert (value["features"], value["made"]) == (None, None)
    film = dataclasses.replace(plain.radiograph, device=Device("Maker", "", "ROOM 1"))
    looks = image_statistics(film.pixels)
    more = {"statistics": looks, "features": (0.5, -1.0), "made": "2026-01-02T03:04:05Z"}
    value = document(dataclasses.replace(plain, radiograph=film, **more))
    check(value)
    assert value["image"]["device"] == {"manufacturer": "Maker", "model": "", "station": "ROOM 1"}
    assert ImageStatistics.from_json(value["image"]["statistics"]) == looks
    assert (value["features"], value["made"]) == ([0.5, -1.0], "2026-01-02T03:04:05Z")


def test_a_film_that_is_not_assessed_has_no_score_anywhere(make):
    value = document(make(reasons=("LATERAL", "BLANK")))
    check(value)
    assert value["reasons"] == ["LATERAL", "BLANK"]
    assert value["findings"] == value["image_scores"] == []
    assert "score" not in json.dumps({key: each for key, each in value.items() if key != "image_scores"})
    assert value["report"]["findings"] == []
    assert value["features"] is None


def test_a_file_that_could_not_be_read_has_a_document_too():
    value = document(Refusal("x.dcm", FilmError("TRUNCATED", "x.dcm", "ends early")))
    check(value)
    assert value["reasons"] == ["TRUNCATED"]
    assert value["image"]["path"] == "x.dcm"
    assert value["model"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"status": "not_assessed"},
        {"reasons": ["LATERAL"]},
        {"not_for_clinical_use": False},
        {"schema": "lungspot/2"},
        {"more": 1},
        {"image_scores": []},
        {"operating_point": "guess"},
        {"findings": [{"label": "effusion"}]},
    ],
)
def test_the_schema_refuses_what_no_result_is(make, change):
    with pytest.raises(jsonschema.ValidationError):
        check(document(make()) | change)


def test_every_reason_and_key_is_documented():
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
    for code, meaning in REASONS.items():
        assert f"| `{code}` | {meaning}" in page
    for key in schema()["properties"]:
        assert f'"{key}"' in page
    for part in ("finding", "image_score"):
        for key in schema()["$defs"][part]["properties"]:
            assert f'"{key}"' in page
