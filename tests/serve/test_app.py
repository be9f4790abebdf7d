"""The interface as its own OpenAPI describes it: whatever a client makes of it, the answers are the documented ones."""

import os
from collections import Counter
from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi import checks

REQUESTS = int(os.environ.get("LUNGSPOT_REQUESTS", "100"))
EACH = max(REQUESTS // 20, 5)  # some routes have hardly anything to vary
SEEN = Counter()

load_all_checks()


@pytest.fixture(scope="module")
def known(server, picture):
    """A film that is there, for what hangs below one."""
    return server.read(("a.png", picture(77)))[0]["id"]


@pytest.fixture(scope="module")
def api(server):
    return schemathesis.openapi.from_url(f"{server.address}openapi.json")


@pytest.mark.drill
def test_generated_requests_get_documented_answers_and_the_server_lives(api, known, server):
    for operation in (result.ok() for result in api.get_all_operations()):
        for mode in GenerationMode:

            @settings(
                max_examples=EACH,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(operation.as_strategy(mode))
            def each_is_answered(case):
                check(case, known)

            with suppress(Unsatisfiable):  # a route without parameters cannot be asked wrongly
                each_is_answered()
    assert SEEN.total() >= REQUESTS
    assert len({route for route, _ in SEEN}) >= 20
    assert {200, 202, 204, 404, 422} <= {status for _, status in SEEN}
    assert server.get("/healthz").status == 200
    assert "bug" not in server.log.read_text()


def check(case, known):
    """Ask, three times in four about a film that is there, and compare the answer with the description."""
    route = f"{case.method.upper()} {case.path}"
    if "identifier" in case.path_parameters and SEEN.total() % 4 and route != "DELETE /v1/readings/{identifier}":
        case.path_parameters["identifier"] = known
    answer = case.call(timeout=60)
    SEEN[route, answer.status_code] += 1
    assert answer.status_code < 500 or answer.status_code == 503
    if answer.status_code >= 400 and case.method.upper() != "HEAD":
        assert set(answer.json()["error"]) == {"code", "where", "reason", "advice"}
    told = [checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance]
    case.validate_response(answer, checks=told)
