import io
import json
import threading
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler

import pytest

from lungspot.dicomweb import open_client
from lungspot.errors import InputError
from lungspot.node import AuditLog, Spool
from lungspot.node.context import NodeContext
from lungspot.node.pull import QidoQuery, pull


def test_every_value_is_a_query_of_its_own():
    question = QidoQuery.parse(["StationName=A,B", "Modality=CR,DX"], "2026-01-31")
    assert list(question.queries()) == [
        {"StationName": station, "Modality": modality, "StudyDate": "20260131-"}
        for station in "AB"
        for modality in ("CR", "DX")
    ]


def test_films_are_asked_for_where_nothing_is_said():
    assert [query["Modality"] for query in QidoQuery.parse([], "1d").queries()] == ["CR", "DX", "DR"]


def test_days_count_back_from_today():
    question = QidoQuery.parse([], "7d")
    assert question.since == timedelta(days=7)
    first = date.today() - timedelta(days=7)  # noqa: DTZ011 - DICOM dates are local
    assert next(question.queries())["StudyDate"] in {f"{first:%Y%m%d}-", f"{first + timedelta(days=1):%Y%m%d}-"}


@pytest.mark.parametrize(
    ("texts", "since"),
    [
        (["Modality"], "1d"),
        (["=CR"], "1d"),
        (["Modality="], "1d"),
        (["A b=C"], "1d"),
        (["Modality=CR,"], "1d"),  # it asked for those of no modality
        (["StationName=,A"], "1d"),
        (["StudyDate=20260101"], "1d"),  # --since took its place, without a word
        (["00080020=20260101"], "1d"),
        ([], "yesterday"),
        ([], "xd"),
        ([], "999999999d"),
        ([], "1000000d"),
    ],
)
def test_what_is_no_question(texts, since):
    with pytest.raises(InputError):
        QidoQuery.parse(texts, since)


@pytest.fixture
def archive(make_film, serving):
    """A DICOMweb archive of one series with three films; `cannot` says what answers it gives instead of some."""
    films = {str(film.SOPInstanceUID): film for film in map(make_film, range(3))}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.requests.append(self.path)
            path = self.path.partition("?")[0]
            kind, status, instance = "application/dicom+json", 200, path.rpartition("/")[2]
            if instance in films:
                self.server.asked.append(instance)
                buffer = io.BytesIO()
                films[instance].save_as(buffer, enforce_file_format=True)
                status, body = self.server.cannot.get(instance, (200, buffer.getvalue()))
                body = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + body + b"\r\n--x--"
                kind = 'multipart/related; type="application/dicom"; boundary=x'
            elif "offset" in self.path and not self.server.ignores_offset:
                body = b"[]"
            else:
                one = {"0020000D": {"vr": "UI", "Value": ["1.2"]}, "0020000E": {"vr": "UI", "Value": ["1.3"]}}
                each = [one | {"00080018": {"vr": "UI", "Value": [uid]}} for uid in films]
                body = json.dumps(each if path.endswith("instances") else [one]).encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with serving(Handler, asked=[], films=list(films), cannot={}, ignores_offset=False, requests=[]) as running:
        yield running


@pytest.fixture
def fetch(archive, tmp_path, monkeypatch, lines):
    """A function that asks once; returns the films by state, what the log says, and the audit log's text."""
    monkeypatch.setattr("lungspot.node.pull.back_off", lambda _: 0.0)

    def once(*filters):
        lines.clear()
        spool = Spool(tmp_path / "spool")
        audit = AuditLog(tmp_path / "audit.jsonl", source="LUNGSPOT")
        client = open_client(f"http://127.0.0.1:{archive.server_port}", "--from-dicomweb")
        question = QidoQuery.parse(["Modality=CR", *filters], "1d")
        pull(NodeContext(spool, audit, threading.Event()), client, question, every=1, once=True)
        counts = spool.counts()
        spool.close()
        audit.close()
        return counts, list(lines), (tmp_path / "audit.jsonl").read_text()

    return once


@pytest.mark.parametrize("answer", [(500, b""), (404, b""), (200, b"no DICOM")])
def test_a_film_that_the_archive_cannot_give_does_not_hold_up_the_others(archive, fetch, answer):
    archive.cannot[archive.films[0]] = answer
    counts, lines, audit = fetch()
    assert counts["received"] == 2
    assert archive.asked.count(archive.films[0]) == 3  # rounds, then `once` has an end
    assert [archive.asked.count(uid) for uid in archive.films[1:]] == [1, 1]
    assert len([line for line in lines if "cannot be fetched" in line]) == 3
    assert '"outcome":8' in audit
    archive.cannot.clear()
    assert fetch()[0]["received"] == 3  # and asked for again, later


def test_an_archive_that_ignores_offset_is_asked_to_an_end(archive, fetch):
    archive.ignores_offset = True
    counts, _, audit = fetch()
    assert counts["received"] == 3
    assert sorted(archive.asked) == sorted(archive.films)  # each once
    assert len(archive.requests) == 2 + 2 + 3  # two of series, two of instances, and the films
    assert audit.count('"110112"') == 1
    assert fetch()[0]["received"] == 3
    assert len(archive.asked) == 3


def test_the_first_date_has_eight_digits():
    assert next(QidoQuery.parse([], "0901-01-31").queries())["StudyDate"] == "09010131-"


def test_the_audit_log_names_no_patient_that_was_asked_for(fetch):
    *_, audit = fetch("PatientID=ZZSECRET")
    assert '"PatientID":' in audit
    assert '"Modality":"CR"' in audit
    assert "ZZSECRET" not in audit
