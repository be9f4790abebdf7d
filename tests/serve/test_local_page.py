"""The page without a server, given by one."""

import json

import pytest


@pytest.fixture(scope="module")
def local(server, web_runtime):
    assert web_runtime
    return server


def test_the_page_comes_with_what_its_threads_need(local):
    answer = local.get("/local/")
    assert answer.status == 200
    assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "'wasm-unsafe-eval'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("asked", ["{}", "W/{}", '"other", {}', 'W/"other", W/{}', "*"])
def test_who_has_a_file_already_hears_so(local, asked):
    etag = local.get("/local/").headers["ETag"]
    again = local.get("/local/", **{"If-None-Match": asked.format(etag)})
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", etag)


def test_who_has_another_version_gets_the_file(local):
    assert local.get("/local/", **{"If-None-Match": 'W/"other"'}).status == 200


def test_its_model_is_the_servers(local):
    facts = json.loads(local.get("/local/facts.json").body)
    assert facts["model"]["sha256"] == local.get("/v1/model").json["sha256"]
    assert len(local.get("/local/model/lungspot.onnx").body) == facts["sizes"]["model"]


def test_its_address_ends_with_a_slash(local):
    answer = local.get("/local")
    assert (answer.status, answer.headers["Location"]) == (307, "local/")


@pytest.mark.parametrize("name", ["nothing.js", "../store.py", "viewer/../../store.py"])
def test_there_is_nothing_else(local, name):
    answer = local.get(f"/local/{name}")
    assert answer.status == 404
