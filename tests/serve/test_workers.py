"""Whose film it is: tied together by digests, kept only where that was asked for."""

import contextlib
import hashlib
import io
import json
import re
import sqlite3
import time

import pydicom
import pytest

from lungspot.detect import load_detector
from lungspot.serve.store import Arrived, Store
from lungspot.serve.workers import Workers

SECRET = "ZZSECRET"  # noqa: S105 - stands for a patient


@pytest.fixture(scope="module")
def dicom(rg1):
    """A function that makes the real film over: with these attributes, at a size that is quickly read."""
    original = pydicom.dcmread(rg1["UNCR"])
    pixels = original.pixel_array[::8, ::8]

    def make(**attributes):
        dataset = pydicom.dcmread(rg1["UNCR"])
        dataset.Rows, dataset.Columns = pixels.shape
        dataset.PixelData = pixels.tobytes()
        dataset.update(attributes)
        buffer = io.BytesIO()
        dataset.save_as(buffer)
        return buffer.getvalue()

    return make


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    yield store
    store.close()


PATIENT = {"PatientID": f"{SECRET}1", "PatientName": f"{SECRET}^Jane", "PatientBirthDate": "19500102"}
TEXTS = ("InstitutionName", "ReferringPhysicianName", "StudyDescription", "OperatorsName", "PatientComments")
DEVICE = ("Manufacturer", "ManufacturerModelName", "StationName")


def traces(server):
    """Return where the secret stands: in the server's files, its log, or an answer."""
    found = [str(path) for path in server.data.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    found += ["log"] if SECRET in server.log.read_text() else []
    rows = server.get("/v1/readings").json["readings"]
    for path in ["/v1/readings", "/metrics", *(f"/v1/readings/{row['id']}" for row in rows)]:
        found += [path] if SECRET.encode() in server.get(path).body else []
    for row in rows:
        report = f"/v1/readings/{row['id']}/report.html"
        found += [report] if SECRET.encode() in server.get(report).body else []
    return found


def test_nothing_about_the_patient_is_kept(start, dicom):
    server = start()
    secrets = PATIENT | dict.fromkeys((*TEXTS, *DEVICE), SECRET) | {"StudyDate": "20200101"}
    films = [dicom(**secrets), dicom(**secrets, BodyPartExamined=f"HAND {SECRET}"), b"GIF8" + SECRET.encode()]
    films.append(dicom(**secrets, SOPInstanceUID="1.2.3.4.5.6.7.8.9"))
    values = server.read(*((f"{SECRET} {number}.dcm", data) for number, data in enumerate(films)))
    assert [value["status"] for value in values] == ["assessed", "not_assessed", "not_assessed", "assessed"]
    assert traces(server) == []
    assert all(value["identity"] is None for value in values)
    assert values[3]["result"]["image"]["sop_instance_uid"] is None
    assert not list((server.data / "originals").iterdir())
    assert server.stop() == 0
    assert b"1.2.3.4.5.6.7.8.9" not in b"".join(path.read_bytes() for path in server.data.rglob("*") if path.is_file())
    assert b"2020-01-01" not in (server.data / "lungspot.db").read_bytes()
    facts = facts_of(server.data)
    assert [fact["status"] for fact in facts] == [value["status"] for value in values]
    assert re.fullmatch("device [0-9a-f]{8}", facts[0]["device"])
    assert facts[0]["device"] == facts[3]["device"]
    assert facts[0]["scores"]
    assert facts[2]["reasons"] == values[2]["reasons"]


def facts_of(folder):
    with contextlib.closing(sqlite3.connect(folder / "lungspot.db")) as db:
        return [json.loads(row[0]) for row in db.execute("SELECT facts FROM readings ORDER BY number")]


def test_identifiers_are_kept_where_asked_for(start, dicom):
    server = start("--keep-identifiers")
    device = {"StationName": "ROOM 1", "Manufacturer": "", "ManufacturerModelName": "X"}
    data = dicom(**PATIENT, **device, StudyDate="20200101", AccessionNumber="A17")
    value = server.read((f"<script>{SECRET}.dcm", data))[0]
    assert value["name"] == f"<script>{SECRET}.dcm"
    assert value["identity"] == {
        "patient_id": f"{SECRET}1",
        "patient_name": f"{SECRET}^Jane",
        "birth_date": "1950-01-02",
        "study_date": "2020-01-01",
        "accession": "A17",
        "age_years": pytest.approx(70, abs=0.01),
    }
    found = {}
    for words in (
        f"{SECRET} jane",
        "2020-01-01",
        "20200101",
        "a17",
        value["id"][:9],
        "<SCRIPT>",
        "nobody",
        "jane 2021",
    ):
        rows = server.ask("POST", "/v1/worklist", {"search": words}).json["readings"]
        found[words] = [(row["id"], row["study_date"]) for row in rows]
    assert found == {words: [(value["id"], "2020-01-01")] for words in found} | {"nobody": [], "jane 2021": []}
    assert (server.data / "originals" / value["id"]).read_bytes() == data
    assert SECRET not in server.log.read_text()
    assert [fact["device"] for fact in facts_of(server.data)] == ["X ROOM 1"]
    assert value["result"]["image"]["device"]["station"] == "ROOM 1"
    server.ask("DELETE", f"/v1/readings/{value['id']}")
    assert not [path for path in server.data.rglob("*") if value["id"] in path.name]


def test_films_of_one_patient_are_tied_by_a_digest(server, dicom):
    days = ("20200101", "20200410", "20190101", "")
    films = [
        dicom(**PATIENT, StudyDate=day, ContentDate=day, SOPInstanceUID=f"2.25.{at}") for at, day in enumerate(days, 1)
    ]
    other = dicom(**{**PATIENT, "PatientID": "another"}, StudyDate="20200102")
    values = server.read(*(("a.dcm", data) for data in [*films, other]))
    first = server.whole(values[0]["id"])
    assert len({value["patient"] for value in values[:4]}) == 1
    assert values[4]["patient"] != values[0]["patient"]
    told = [(prior["id"], prior["days_earlier"]) for prior in first["priors"]]
    assert told == [(values[2]["id"], 365), (values[3]["id"], None), (values[1]["id"], -100)]
    assert {row["id"] for row in server.get(f"/v1/readings?patient={first['patient']}").json["readings"]} == {
        value["id"] for value in values[:4]
    }


def test_two_servers_have_different_digests(start, server, dicom):
    film = ("a.dcm", dicom(**PATIENT))
    assert start().read(film)[0]["patient"] != server.read(film)[0]["patient"]


def test_a_film_whose_bytes_are_gone_stops_no_other(store, picture, model_file):
    (lost, _) = store.accept([arrived(store, "a", b"a"), arrived(store, "b", picture(1))])
    store.spooled(lost.id).unlink()
    rows = read_all(store, model_file)
    assert [row["status"] for row in rows] == ["not_assessed", "assessed"]
    assert rows[0]["headline"] == "Not assessed: its bytes are no longer in the server's folder"


def test_a_database_that_refuses_for_a_while_strands_no_film(tmp_path, picture, model_file):
    class Failing(Store):
        left = 3

        def _fail(self):
            if self.left:
                self.left -= 1
                raise sqlite3.OperationalError("database or disk is full")

        def finish(self, *values):
            self._fail()
            return super().finish(*values)

        def give_back(self, *values, **more):
            self._fail()
            super().give_back(*values, **more)

    store = Failing(tmp_path)
    store.accept([arrived(store, "a", picture(1))])
    assert [row["status"] for row in read_all(store, model_file)] == ["assessed"]
    store.close()


def arrived(store, name, data):
    path = store.folder / "incoming" / name
    path.write_bytes(data)
    return Arrived(path, name, hashlib.sha256(data).hexdigest())


def read_all(store, model_file):
    """Let one reader read what waits, for a minute at most, and return the rows."""
    detector = load_detector(model_file)
    store.remember_model(detector.sha256, detector.card.to_json(), detector.runtime)
    workers = Workers(store, detector, 1)
    deadline = time.monotonic() + 60
    while store.waiting and time.monotonic() < deadline:
        time.sleep(0.05)
    workers.stop(60)
    return store.all("SELECT status, headline FROM readings ORDER BY number")
