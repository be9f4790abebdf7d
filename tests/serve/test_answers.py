"""The OpenAPI description has types for every answer, and no answer holds a key that they do not name."""

import json
from typing import get_args

import jsonschema
import pytest
from pydantic import BaseModel, RootModel, TypeAdapter

from lungspot.detect import load_detector
from lungspot.serve import answers, model_answers, review_answers
from lungspot.serve.app import create_app
from lungspot.serve.model_answers import LabelAnswer, ModelAnswer
from lungspot.serve.remote_films import FilmHost
from lungspot.serve.settings import Settings
from lungspot.serve.store import QueueState
from lungspot.web import model_facts

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
def shipped():
    """The detector that lungspot ships, whose card holds all that a card of lungspot's own does."""
    return load_detector("default", threads=1)


# Where an answer is another's form, and so has no type of ours: why.
FREE = {
    "GET /v1/reviews.coco 200": "COCO's own form, or a zip",
    "POST /v1/reviews.coco 200": "the same",
    "GET /v1/readings/{identifier}/fhir 200": "a bundle, whose types HL7 publishes",
}

# Where a model card says what it likes, as a tree of numbers and words.
OF_CARDS = {
    "ModelAnswer.metrics": "each export counts what it counts",
    "GateAnswer.tested_on": "named by the films and pictures that the gate was tried on",
    "LabelAnswer.reliability": "of another's card; of ours ReliabilityBins",
    "LabelAnswer.evidence": "of another's card; of ours Evidence",
}


@pytest.fixture(scope="module")
def openapi(tmp_path_factory):
    """The description of a server with every route that one can have."""
    settings = Settings(tmp_path_factory.mktemp("data"), label_studio=FilmHost("http", "studio", 8080))
    return create_app(settings).openapi()


def answers_in_json(openapi):
    """Yield each answer of a route, as "METHOD PATH STATUS", and the schema of its JSON."""
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                for kind, content in answer.get("content", {}).items():
                    if kind.endswith("json"):
                        yield f"{method.upper()} {path} {status}", content.get("schema", {})


def untyped(schema, where, schemas, seen):
    """Yield the places of a schema that say nothing of what is there: no type, any object, a list of anything."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        inner = [] if name in seen else [(schemas[name], name)]
        seen.add(name)
    elif any(key in schema for key in ("anyOf", "oneOf", "allOf")):
        inner = [(part, where) for key in ("anyOf", "oneOf", "allOf") for part in schema.get(key, ())]
    else:
        inner = [*within_array(schema, where), *within_object(schema, where)]
        kinds = kinds_of(schema)
        if (not kinds and not {"const", "enum"} & schema.keys()) or (kinds & {"array", "object"} and not inner):
            yield where
    for part, place in inner:
        yield from untyped(part, place, schemas, seen)


def kinds_of(schema):
    kinds = schema.get("type", ())
    return {kinds} if isinstance(kinds, str) else {*kinds}


def within_array(schema, where):
    items = [*schema.get("prefixItems", ()), *([schema["items"]] if "items" in schema else [])]
    return [(item, f"{where}[]") for item in items]


def within_object(schema, where):
    others = schema.get("additionalProperties")
    parts = [(value, f"{where}.{key}") for key, value in schema.get("properties", {}).items()]
    return [*parts, *([(others, f"{where}.*")] if isinstance(others, dict) else [])]


def test_states_are_the_words_of_the_store():
    assert get_args(answers.QueueState) == tuple(QueueState)


def test_every_answer_in_json_has_a_type(openapi):
    schemas, seen = openapi["components"]["schemas"], set()
    found = [place for where, schema in answers_in_json(openapi) for place in untyped(schema, where, schemas, seen)]
    assert sorted(found) == sorted(FREE)
    assert {"ModelAnswer", "ReportAnswer", "StudioSuggestions", "CardValue", "ReviewsFile"} <= seen
    trees = {
        f"{name}.{key}"
        for name, schema in schemas.items()
        for key, value in schema.get("properties", {}).items()
        if "/CardValue" in str(value)
    }
    assert trees == OF_CARDS.keys()
    for (method, path), (status, name) in ROUTES.items():
        content = openapi["paths"][path][method.lower()]["responses"][str(status)]["content"]
        assert content["application/json"]["schema"]["$ref"].rpartition("/")[2] == name


@pytest.mark.parametrize(
    ("schema", "places"),
    [
        ({}, ["x"]),
        ({"type": "object"}, ["x"]),
        ({"type": "object", "additionalProperties": True}, ["x"]),
        ({"type": "object", "properties": {"a": {"title": "A"}}}, ["x.a"]),
        ({"type": "object", "additionalProperties": {"type": "object"}}, ["x.*"]),
        ({"type": ["array", "null"]}, ["x"]),
        ({"anyOf": [{"type": "array", "items": {}}, {"type": "null"}]}, ["x[]"]),
        ({"$ref": "#/components/schemas/B"}, ["B.b"]),
        ({"type": "object", "properties": {"a": {"const": 1}}, "additionalProperties": True}, []),
    ],
)
def test_the_walk_sees_what_has_no_type(schema, places):
    schemas = {"B": {"type": "object", "properties": {"b": {}, "c": {"$ref": "#/components/schemas/B"}}}}
    assert list(untyped(schema, "x", schemas, set())) == places


def test_the_numbers_of_a_card_go_out_as_the_card_has_them(openapi, shipped):
    """Order and kind of number too: 1577.0 stays 1577.0, and 151 stays 151."""
    facts = model_facts(shipped)
    more = {"limits": {"upload_bytes": 1, "films": 2, "parts": 3, "queue": 4}, "teaching_cases": 0}
    told = facts | more | {"screening": None, "keeps_identifiers": False}
    answer = json.loads(ModelAnswer.model_validate(told).model_dump_json(exclude_unset=True))
    for label, fact in zip(answer["labels"], facts["labels"], strict=True):
        assert json.dumps([label["reliability"], label["evidence"]]) == json.dumps(
            [fact["reliability"], fact["evidence"]]
        )
    assert json.dumps([answer["metrics"], answer["gate"]]) == json.dumps([facts["metrics"], facts["gate"]])
    assert answer == told
    for name, values in (
        ("ReliabilityBins", [bins for each in facts["labels"] for bins in each["reliability"].values()]),
        ("Evidence", [each["evidence"] for each in facts["labels"]]),
        ("ModelAnswer", [answer]),
    ):
        schema = {"$ref": f"#/components/schemas/{name}", "components": openapi["components"]}
        for value in values:
            jsonschema.validate(value, schema)


@pytest.mark.parametrize(
    ("reliability", "evidence"),
    [
        ({}, {}),
        ([{"score": 1, "observed": 0.5, "count": 10}], 3),
        ({"image": {"score": [1], "observed": [0.0], "count": [3], "more": [True, None]}}, {"auroc": 1, "called": 2.5}),
    ],
)
def test_what_another_s_card_says_goes_out_unchanged(reliability, evidence):
    thresholds = {point: {"box": 0.5, "image": 0.5} for point in ("sensitive", "balanced", "specific")}
    label = {"id": "edema", "name": "Edema", "color": "#000000", "codes": {}, "thresholds": thresholds}
    told = label | {"reliability": reliability, "standing": "reported", "evidence": evidence}
    answer = json.loads(LabelAnswer.model_validate(told).model_dump_json(exclude_unset=True))
    said = [answer["reliability"], answer["evidence"]]
    assert json.dumps(said, sort_keys=True) == json.dumps([reliability, evidence], sort_keys=True)


def test_the_result_is_typed_as_the_published_schema_has_it(openapi):
    result = openapi["components"]["schemas"]["ReadingAnswer"]["properties"]["result"]["anyOf"][0]
    finding = result["properties"]["findings"]["items"]
    assert finding["properties"]["score"]["maximum"] == 1
    assert "$ref" not in str(result)


def unnamed(model, value, where=""):
    """Return the keys of an answer that its model does not name, as paths."""
    found = []
    known = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    for key, each in value.items():
        if key not in known:
            found.append(f"{where}.{key}")
            continue
        for inner in models_in(known[key]):
            if issubclass(inner, RootModel):
                continue  # whatever names a card gives
            parts = each if isinstance(each, list) else each.values() if is_table(known[key]) else [each]
            found += [
                path for part in parts if isinstance(part, dict) for path in unnamed(inner, part, f"{where}.{key}")
            ]
    return found


def is_table(annotation):
    return any(str(each).startswith("dict[") for each in (annotation, *get_args(annotation)))


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
        "ReviewsFile": server.get("/v1/reviews.json").json,
    }
    models = {**vars(answers), **vars(review_answers), **vars(model_answers)}
    assert {name: unnamed(models[name], value) for name, value in said.items()} == {name: [] for name in said}
    for name in ("ReviewsAnswer", "ReviewsFile"):
        assert models[name].model_validate(said[name]).reviews
    assert upload.json["refused"]
    assert said["ReadingAnswer"]["candidates"]
    assert said["ReadingAnswer"]["reviews"][0]["verdicts"][0]["offered"]


@pytest.mark.parametrize("said", [{"auroc": True}, {"called": True}, {"count": [True, 1], "observed": [], "score": []}])
def test_what_another_card_says_of_a_label_stays_as_it_is(said):
    """A word that is true is no 1."""
    for name in ("evidence", "reliability"):
        kind = TypeAdapter(LabelAnswer.model_fields[name].rebuild_annotation())
        assert json.dumps(kind.dump_python(kind.validate_python(said), exclude_unset=True)) == json.dumps(said)
