"""The report of a film over HTTP: as the model alone has it, as a draft of a review changes it, as a saved one does."""

import json

import pytest

from lungspot.findings import taxonomy


@pytest.fixture(scope="module")
def read(server, film):
    """The real chest film's reading, read by the generated model."""
    return server.read(("chest.dcm", film))[0]


def words(answer):
    assert answer.status == 200, answer.body
    return answer.json


def test_the_report_is_a_draft_that_nobody_reviewed(server, read):
    plain = words(server.get(f"/v1/readings/{read['id']}/report?reader="))
    assert plain["head"].endswith("reviewed by nobody. Research use only, not for clinical use.")
    assert plain["text"].startswith(plain["head"])
    assert {**plain, "text": ""} == {**read["result"]["report"], "text": "", "not_for_clinical_use": True}
    german = server.get(f"/v1/readings/{read['id']}/report.txt?language=de&reader=")
    assert german.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "\nBEFUND:\nLungen: " in german.body.decode()
    assert words(server.get("/v1/model"))["report_languages"] == {"en": "English", "de": "Deutsch"}
    for wrong in ("language=xx", "point=none", f"reader={'x' * 65}"):
        assert server.get(f"/v1/readings/{read['id']}/report?{wrong}").status == 422
    assert server.get("/v1/readings/none/report").code == "NO_READING"


def test_a_draft_changes_it_and_a_saved_review_stays(server, read):
    path = f"/v1/readings/{read['id']}"
    first, *others = read["candidates"]
    assert others
    name = taxonomy()[first["label"]].name
    verdicts = [
        {"action": "accept", "candidate": 0},
        *({"action": "reject", "candidate": n + 1} for n in range(len(others))),
    ]
    draft = words(server.ask("POST", f"{path}/report", {"verdicts": verdicts, "note": "so"}))
    assert draft["impression"][0].startswith(name)
    assert "[not reviewed]" not in draft["impression"][0]
    assert draft["head"].count("reviewed, reader not named") == 1
    assert draft["note"].startswith("so")
    assert server.get(f"{path}/reviews").json["reviews"] == [], "a draft is not kept"
    nothing = words(server.ask("POST", f"{path}/report", {}))
    assert nothing["head"].count("reviewed by nobody") == 1

    body = {"reader": "R1", "verdicts": verdicts, "note": "so"}
    assert server.ask("POST", f"{path}/review", body).status == 201
    kept = words(server.get(f"{path}/report"))
    assert kept["impression"] == draft["impression"]
    assert kept["head"].count("reviewed by R1") == 1
    assert words(server.get(f"{path}/report?reader=R1"))["text"] == kept["text"]
    assert words(server.get(f"{path}/report?reader=R2"))["head"].count("reviewed by nobody") == 1
    page = server.get(f"{path}/report.html?language=de").body.decode()
    assert "geprüft von R1" in page
    bundle = json.loads(server.get(f"{path}/fhir").body)
    (report,) = [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "DiagnosticReport"]
    assert report["resultsInterpreter"] == [{"display": "R1"}]
    assert "reviewed by R1" in report["text"]["div"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"verdicts": [{"action": "accept", "candidate": 99_999}]}, "BAD_VALUE"),
        ({"verdicts": [{"action": "add", "label": "nothing"}]}, "UNKNOWN_LABEL"),
        ({"verdicts": [{"action": "add", "label": "edema", "box": [-9, -9, -5, -5]}]}, "BAD_BOX"),
        ({"reader": "x" * 65}, "BAD_VALUE"),
        ({"other": 1}, "BAD_VALUE"),
    ],
)
def test_a_draft_that_cannot_be_meant_is_refused(server, read, body, code):
    answer = server.ask("POST", f"/v1/readings/{read['id']}/report", body)
    assert (answer.status, answer.code) == (422, code)


def test_what_was_not_assessed_or_could_not_be_read_says_so(server):
    (value,) = server.read(("no.png", b"no film at all"))
    for part in ("report", "fhir"):
        text = server.get(f"/v1/readings/{value['id']}/{part}").body.decode()
        assert "Not assessed by lungspot" in text
        assert " %" not in text
    assert server.get(f"/v1/readings/{value['id']}/report.html").code == "NO_PICTURE"
