"""The report of a film over HTTP: as the model alone has it, as a draft of a review changes it, as a saved one does."""

import csv
import io
import json

import numpy as np
import pydicom
import pytest

from lungspot.cli.app import run
from lungspot.findings import taxonomy
from lungspot.report import read_sr, reviews_by_film


@pytest.fixture(scope="module")
def read(server, film):
    """The real chest film's reading, read by the generated model."""
    return server.read(("chest.dcm", film))[0]


@pytest.fixture(scope="module")
def keeping(start):
    """A server that keeps identifiers, which structured reports need."""
    return start("--keep-identifiers")


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


def test_only_another_film_of_the_patient_is_compared_with(server, read, picture):
    path = f"/v1/readings/{read['id']}"
    (stranger,) = server.read(("stranger.png", picture(5)))
    (deleted,) = server.read(("deleted.png", picture(6)))
    assert server.ask("DELETE", f"/v1/readings/{deleted['id']}").status < 300
    for prior in ("none", stranger["id"], deleted["id"], read["id"]):
        for route in ("report", "report.txt", "report.html", "fhir"):
            answer = server.get(f"{path}/{route}?prior={prior}")
            assert (answer.status, answer.code) == (404, "NO_READING"), route
        assert server.ask("POST", f"{path}/report?prior={prior}", {}).code == "NO_READING"


def test_what_changed_is_in_every_json_of_the_film(server, film):
    """The whole result of a film said that no earlier one was at hand, where its report compared with one."""

    def taken(date, pixels):
        data = pydicom.dcmread(io.BytesIO(film))
        data.PatientID, data.ContentDate, data.SOPInstanceUID = "compared", date, f"2.25.{date}"
        data.PixelData = (data.pixel_array // 2 * 2 + pixels).tobytes()
        buffer = io.BytesIO()
        data.save_as(buffer)
        return buffer.getvalue()

    then, now = server.read(("then.dcm", taken("20200101", 0)), ("now.dcm", taken("20200131", 1)))
    assert then["patient"] == now["patient"]
    path = f"/v1/readings/{now['id']}"
    found = words(server.get(path))["result"]["report"]
    assert (found["changes"]["days_earlier"], found["changes"]["compared"]) == (30, True)
    assert found["comparison"].startswith("A film of 30 days before. ")
    report = words(server.get(f"{path}/report?reader="))
    assert {key: report[key] for key in found} == found
    assert words(server.get(f"/v1/readings/{then['id']}"))["result"]["report"]["changes"] is None
    both = found["changes"]["both"]
    assert both, "one film twice"
    boxes = [{"action": "reject", "candidate": at} for at, _ in enumerate(then["candidates"])]
    review = {"reader": "R", "verdicts": boxes, "absent": [label for line in both for label in line["labels"]]}
    assert server.ask("POST", f"/v1/readings/{then['id']}/review", review).status < 300
    after = words(server.get(path))["result"]["report"]["changes"]
    assert len(on_now_alone(after)) > len(on_now_alone(found["changes"])), "that film's reader counts"
    assert np.array(found["changes"]["alignment"]["matrix"]) == pytest.approx(np.eye(2, 3), abs=2), "one film twice"
    assert found["changes"]["sentence"] in found["comparison"]
    assert {each["word"] for each in found["changes"]["every"]} <= {"same", "both"}


def on_now_alone(changes):
    return [each for each in changes["every"] if each["marked"] == "now"]


def test_a_draft_changes_it_and_a_saved_review_stays(server, read):
    path = f"/v1/readings/{read['id']}"
    first, *others = read["candidates"]
    assert others
    name = taxonomy()[first["label"]].name
    verdicts = [
        {"action": "accept", "candidate": 0},
        *({"action": "reject", "candidate": n + 1} for n in range(len(others))),
    ]
    before = server.get(f"{path}/reviews").json["reviews"]
    draft = words(server.ask("POST", f"{path}/report", {"verdicts": verdicts, "note": "so"}))
    assert draft["impression"][0].startswith(name)
    assert "[not reviewed]" not in draft["impression"][0]
    assert draft["head"].count("reviewed, reader not named") == 1
    assert draft["note"].startswith("so")
    assert server.get(f"{path}/reviews").json["reviews"] == before, "a draft is not kept"
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


def test_measurements_are_counted_by_the_server_and_stay_with_the_review(server, read):
    path, spacing = f"/v1/readings/{read['id']}", read["result"]["image"]["pixel_spacing_mm"]
    drawn = [
        {"kind": "length", "points": [[100, 100], [100, 400]]},
        {"kind": "region", "points": [[500, 500], [520, 520]]},
        {"kind": "cardiothoracic_ratio", "points": [[600, 900], [1100, 900], [300, 1000], [1500, 1000]], "by": "model"},
    ]
    draft = words(server.ask("POST", f"{path}/report", {"measurements": drawn}))
    assert draft["measurements"].startswith("Distance 1: 300 px." if spacing is None else "Distance 1: ")
    assert "that lungspot found and the reader accepted" in draft["text"]
    kept = server.ask("POST", f"{path}/review", {"reader": "ruler", "measurements": drawn}).json["measurements"]
    assert [each["unit"] for each in kept] == (["px", "px2", "1"] if spacing is None else ["mm", "mm2", "1"])
    assert kept[2]["value"] == pytest.approx(500 / 1200, abs=1e-4)
    assert list(kept[2]["widths"]) == ["heart", "chest", "unit"]
    assert kept[2]["widths"]["heart"] / kept[2]["widths"]["chest"] == pytest.approx(kept[2]["value"], abs=1e-4)
    assert 0 <= kept[1]["greys"]["least"] <= kept[1]["greys"]["mean"] <= kept[1]["greys"]["most"] <= 100
    assert server.get(f"{path}/reviews").json["reviews"][-1]["measurements"] == kept
    rows = [
        row
        for row in csv.DictReader(io.StringIO(server.get("/v1/reviews.csv").body.decode()))
        if row["reader"] == "ruler"
    ]
    assert [(row["action"], row["measured"]) for row in rows] == [("measure", each["kind"]) for each in drawn]
    assert rows[0]["points"] == "100,100 100,400"
    page = server.get(f"{path}/report.html?reader=ruler").body.decode()
    assert "Cardiothoracic ratio 0.42" in page
    for wrong in (
        [{"kind": "length", "points": [[0, 0], [99999, 0]]}],
        [{"kind": "angle", "points": [[0, 0], [9, 0]]}],
    ):
        assert server.ask("POST", f"{path}/review", {"reader": "r", "measurements": wrong}).code == "BAD_VALUE"


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


def test_a_structured_report_needs_the_films_header_and_holds_what_was_measured(server, read, keeping, film):
    answer = server.get(f"/v1/readings/{read['id']}/sr")
    assert (answer.status, answer.code) == (422, "NO_STUDY")
    assert "--reviews" in answer.json["error"]["advice"]
    (value,) = keeping.read(("chest.dcm", film))
    line = {"kind": "length", "points": [[100, 100], [100, 400]]}
    keeping.ask("POST", f"/v1/readings/{value['id']}/review", {"reader": "R1", "measurements": [line]})
    answer = keeping.get(f"/v1/readings/{value['id']}/sr")
    assert answer.headers["Content-Type"] == "application/dicom"
    report = read_sr(answer.body)
    assert [each.points for each in report.measurements] == [((100, 100), (100, 400))]
    assert report.outcome == "assessed"
    assert keeping.get(f"/v1/readings/{value['id']}/sr?reader=").status == 200


def test_a_place_keeps_its_uid_from_one_films_structured_report_to_the_next(keeping, film, model_file, tmp_path):
    """Two films of one day and time among them, of which neither is the earlier; and as `detect` writes them."""
    paths = []
    for number, day in enumerate(("20200101", "20200131", "20200131"), 1):
        data = pydicom.dcmread(io.BytesIO(film))
        data.PatientID, data.ContentDate, data.SOPInstanceUID = "followed", day, f"2.25.{number}"
        paths.append(tmp_path / f"{number}.dcm")
        data.save_as(paths[-1])
    films = [keeping.read((path.name, path.read_bytes()))[0] for path in paths]
    reports = [read_sr(keeping.get(f"/v1/readings/{each['id']}/sr").body) for each in films]
    assert [report.against for report in reports] == [None, "2.25.1", "2.25.1"]
    followed = [{uid for uid, _ in report.tracking} for report in reports]
    assert followed[0]
    assert followed[0] == followed[1] == followed[2]
    wanted = ["--model", str(model_file), "--format", "sr", "-o", str(tmp_path / "out")]
    assert run(["detect", str(paths[1]), "--prior", str(paths[0]), *wanted]) == 0
    assert {uid for uid, _ in read_sr(tmp_path / "out" / "2.sr.dcm").tracking} == followed[1]


def test_films_that_cannot_be_followed_keep_uids_of_their_own(keeping, film, model_file, tmp_path):
    """Two without a date, of which neither is the earlier; and one after a film whose header allows no report."""
    names = ("undated-1", "undated-2", "unheaded", "later")
    films = {}
    for number, name in enumerate(names, 1):
        data = pydicom.dcmread(io.BytesIO(film))
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"2.25.{number}"
        data.PatientID = "undated" if number < 3 else "unheaded"
        for keyword in ("StudyDate", "SeriesDate", "AcquisitionDate", "AcquisitionDateTime", "ContentDate"):
            setattr(data, keyword, "" if number < 3 else f"2020010{number}")
        if name == "unheaded":
            del data.StudyInstanceUID
        data.save_as(tmp_path / f"{name}.dcm")
        films[name] = keeping.read((f"{name}.dcm", (tmp_path / f"{name}.dcm").read_bytes()))[0]
    answers = {name: keeping.get(f"/v1/readings/{films[name]['id']}/sr") for name in names}
    assert [answers[name].status for name in names] == [200, 200, 422, 200]
    followed = {name: {uid for uid, _ in read_sr(answers[name].body).tracking} for name in names if name != "unheaded"}
    for name, uids in followed.items():
        alone = ["--model", str(model_file), "--format", "sr", "-o", str(tmp_path / "out")]
        assert run(["detect", str(tmp_path / f"{name}.dcm"), *alone]) == 0
        assert {uid for uid, _ in read_sr(tmp_path / "out" / f"{name}.sr.dcm").tracking} == uids != set()


def test_reviews_go_out_as_they_were_kept_with_their_films_digest(server, read):
    value = words(server.get("/v1/reviews.json"))
    mine = [row for row in value["reviews"] if row["film_sha256"] == read["result"]["image"]["sha256"]]
    review = reviews_by_film(value)[read["result"]["image"]["sha256"]]
    assert review.created == max(row["created"] for row in mine)
    named = words(server.ask("POST", "/v1/reviews.json", {"names": {read["id"]: "mine.dcm"}}))
    assert [row.get("film_name") for row in named["reviews"]].count("mine.dcm") == len(mine)
