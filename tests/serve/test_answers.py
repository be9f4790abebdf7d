"""The OpenAPI description has types for every answer, and no answer holds a key that they do not name."""

from typing import get_args

import pytest
from pydantic import BaseModel

from lungspot.serve import answers, review_answers

ROUTES = {
    ("POST", "/v1/readings"): (202, "UploadAnswer"),
    ("GET", "/v1/readings"): (200, "WorklistAnswer"),
    ("GET", "/v1/readings/{identifier}"): (200, "ReadingAnswer"),
    ("POST", "/v1/readings/{identifier}/review"): (201, "ReviewAnswer"),
    ("GET", "/v1/readings/{identifier}/reviews"): (200, "ReviewsAnswer"),
    ("GET", "/v1/model"): (200, "ModelAnswer"),
    ("GET", "/healthz"): (200, "Health"),
    ("GET", "/readyz"): (200, "Health"),
}


@pytest.fixture(scope="module")
def openapi(server):
    return server.get("/openapi.json").json


def test_every_answer_in_json_has_a_type(openapi):
    untyped = []
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                schema = answer.get("content", {}).get("application/json", {"schema": {"$ref": "x"}})
                if not schema.get("schema") and path != "/v1/reviews.coco":  # COCO's own form
                    untyped.append((method, path, status))
    assert untyped == []
    for (method, path), (status, name) in ROUTES.items():
        content = openapi["paths"][path][method.lower()]["responses"][str(status)]["content"]
        assert content["application/json"]["schema"]["$ref"].rpartition("/")[2] == name


# What is another's form, or whatever a card may hold; all else has a type.
OPEN = {
    *("LabelAnswer.evidence", "LabelAnswer.reliability", "ModelAnswer.metrics", "GateAnswer.tested_on"),
    "ReportAnswer.changes",  # as the document's schema has them
}


def test_what_answers_hold_has_a_type(openapi):
    schemas = openapi["components"]["schemas"]
    kept = {
        f"{name}.{key}"
        for name, schema in schemas.items()
        for key, value in schema.get("properties", {}).items()
        for part in (value, value.get("items", {}), *value.get("anyOf", ()))
        if part.get("type") == "object" and part.get("additionalProperties") is True
    }
    assert kept == OPEN


def test_the_result_is_typed_as_the_published_schema_has_it(openapi):
    result = openapi["components"]["schemas"]["ReadingAnswer"]["properties"]["result"]["anyOf"][0]
    finding = result["properties"]["findings"]["items"]
    assert finding["properties"]["score"]["maximum"] == 1
    assert "$ref" not in str(result)


def unnamed(model, value, where=""):
    """Return the keys of an answer that its model does not name, as paths."""
    found = []
    for key, each in value.items():
        if key not in model.model_fields:
            found.append(f"{where}.{key}")
            continue
        for inner in models_in(model.model_fields[key].annotation):
            parts = each if isinstance(each, list) else each.values() if is_table(model, key) else [each]
            found += [
                path for part in parts if isinstance(part, dict) for path in unnamed(inner, part, f"{where}.{key}")
            ]
    return found


def is_table(model, key):
    return str(model.model_fields[key].annotation).startswith("dict")


def models_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in models_in(part)]


def test_answers_hold_what_their_models_name(server, film, picture):
    upload = server.send(("a.dcm", film), ("b.zip", b"PK\x03\x04 no zip"), ("c.png", picture(4)))
    identifier = upload.json["readings"][0]["id"]
    server.whole(identifier)
    verdicts = [{"action": "accept", "candidate": 0}, {"action": "add", "label": "edema"}]
    review = server.ask("POST", f"/v1/readings/{identifier}/review", {"reader": "R1", "verdicts": verdicts})
    said = {
        "UploadAnswer": upload.json,
        "ReviewAnswer": review.json,
        "WorklistAnswer": server.get("/v1/readings").json,
        "ReadingAnswer": server.whole(identifier),
        "ReviewsAnswer": server.get(f"/v1/readings/{identifier}/reviews").json,
        "ModelAnswer": server.get("/v1/model").json,
        "Health": server.get("/readyz").json,
    }
    assert {
        name: unnamed(getattr(review_answers if hasattr(review_answers, name) else answers, name), value)
        for name, value in said.items()
    } == {name: [] for name in said}
    assert upload.json["refused"]
    assert said["ReadingAnswer"]["candidates"]
    assert said["ReadingAnswer"]["reviews"][0]["verdicts"][0]["offered"]
