"""Which other films are a patient's, and which of them is the earlier one that a report compares with."""

import io
import json
import sqlite3

import pydicom
import pytest

from lungspot.images import read_identity
from lungspot.serve.migrations import MIGRATIONS
from lungspot.serve.pseudonyms import pseudonym
from lungspot.serve.store import Store

DATES = ("StudyDate", "AcquisitionDate", "ContentDate", "SeriesDate")
TIMES = ("StudyTime", "AcquisitionTime", "ContentTime", "SeriesTime")


@pytest.fixture(scope="module")
def taken(film):
    """A function that makes a real film over: of a patient, a day (and a time), with these attributes."""
    numbers = iter(range(1, 100))

    def make(patient, day, clock="", **attributes):
        data = pydicom.dcmread(io.BytesIO(film))
        data.PatientID, data.SOPInstanceUID = patient, f"2.25.77{next(numbers)}"
        for keyword in ("IssuerOfPatientID", "PatientBirthDate", "ViewPosition", "AcquisitionDateTime"):
            setattr(data, keyword, "")
        for keyword in DATES:
            setattr(data, keyword, day)
        for keyword in TIMES:
            setattr(data, keyword, clock)
        buffer = io.BytesIO()
        with pydicom.config.disable_value_validation():
            for keyword, value in attributes.items():
                del data[keyword]  # an element keeps its validation
                setattr(data, keyword, value)
            data.save_as(buffer)
        return buffer.getvalue()

    return make


def read(server, *films):
    return server.read(*((f"{number}.dcm", data) for number, data in enumerate(films)))


def priors(server, value):
    return [prior["id"] for prior in server.whole(value["id"])["priors"]]


def days(server, value):
    changes = server.whole(value["id"])["result"]["report"]["changes"]
    return None if changes is None else changes["days_earlier"]


@pytest.mark.parametrize(
    ("then", "now", "tied"),
    [
        ({"PatientBirthDate": "19500101"}, {"PatientBirthDate": "19900505"}, False),
        ({"IssuerOfPatientID": "A"}, {"IssuerOfPatientID": "B"}, False),
        ({"PatientBirthDate": "19500101", "IssuerOfPatientID": "A"}, {"PatientBirthDate": "19900505"}, False),
        ({"PatientBirthDate": "19500101", "IssuerOfPatientID": "A"}, {"IssuerOfPatientID": "A"}, True),
        ({"PatientBirthDate": "19500101"}, {"PatientBirthDate": "1950.01.01"}, True),
        ({"IssuerOfPatientID": "A "}, {"IssuerOfPatientID": "A"}, True),
        ({}, {"PatientBirthDate": "19900505", "IssuerOfPatientID": "B"}, True),
        ({}, {}, True),
    ],
)
def test_two_people_with_one_id_are_not_compared(server, taken, request, then, now, tied):
    patient = request.node.callspec.id
    films = read(server, taken(patient, "20200101", **then), taken(patient, "20200109", **now))
    assert films[0]["patient"] == films[1]["patient"]
    assert priors(server, films[1]) == [films[0]["id"]] * tied
    assert priors(server, films[0]) == [films[1]["id"]] * tied
    assert days(server, films[1]) == (8 if tied else None)
    if not tied:
        answer = server.get(f"/v1/readings/{films[1]['id']}/report?prior={films[0]['id']}")
        assert (answer.status, answer.code) == (404, "NO_READING")


def test_a_digest_of_a_birth_date_ties_no_two_patients(server, taken):
    read(server, *(taken(patient, "20200101", PatientBirthDate="19500101") for patient in ("born a", "born b")))
    with sqlite3.connect(server.data / "lungspot.db") as db:
        born = [row[0] for row in db.execute("SELECT born FROM readings ORDER BY number DESC LIMIT 2")]
    assert len(set(born)) == 2
    assert all(len(each) == 16 for each in born)


def test_a_film_of_another_view_is_not_compared_with(server, taken):
    films = read(
        server,
        taken("views", "20200101", ViewPosition="PA"),
        taken("views", "20200109", ViewPosition="AP"),
        taken("views", "20200110", ViewPosition="PA"),
        taken("views", "20200111"),
    )
    second = server.whole(films[1]["id"])["result"]["report"]
    assert (second["changes"]["days_earlier"], second["changes"]["compared"]) == (8, False)
    assert second["comparison"] == "A film of 8 days before. lungspot has not compared the two."
    third = server.whole(films[2]["id"])["result"]["report"]["changes"]
    assert (third["days_earlier"], third["compared"]) == (9, True)  # the nearest of its own view
    named = server.get(f"/v1/readings/{films[2]['id']}/report?prior={films[1]['id']}").json["changes"]
    assert (named["days_earlier"], named["compared"]) == (1, False)
    fourth = server.whole(films[3]["id"])["result"]["report"]["changes"]
    assert (fourth["days_earlier"], fourth["compared"]) == (1, True)  # which does not say its view
    assert "other_view" not in server.whole(films[2]["id"])["priors"][0]


def test_a_film_of_later_that_day_is_not_the_earlier_one(server, taken):
    films = read(
        server,
        taken("clock", "20200131", "080000"),
        taken("clock", "20200131", "170000"),
        taken("clock", "20200131", "1200"),  # to the minute only: in the order in which they came
        taken("clock", "20200101", "235959"),
    )
    assert [days(server, film) for film in films] == [0, 0, 0, None]
    first = priors(server, films[0])
    assert first == [films[2]["id"], films[3]["id"], films[1]["id"]]
    assert priors(server, films[1])[:2] == [films[2]["id"], films[0]["id"]]
    two = read(server, taken("clock 2", "20200131", "080000"), taken("clock 2", "20200131", "170000"))
    assert [days(server, film) for film in two] == [None, 0]
    month = read(server, taken("clock 2", "20200101", "120000"))
    assert [days(server, film) for film in (*two, *month)] == [30, 0, None]


@pytest.mark.parametrize(
    ("tags", "clock"),
    [
        ({"AcquisitionTime": "101500.5"}, "101500"),
        ({"AcquisitionTime": "10:15:00", "StudyTime": "090000"}, "101500"),
        ({"AcquisitionTime": "1015", "StudyTime": "090000"}, "090000"),
        ({"AcquisitionDate": "20200130", "AcquisitionTime": "235900", "StudyTime": "000100"}, "000100"),
        ({"StudyTime": "240000"}, ""),
        ({"StudyTime": "9"}, ""),
        ({"StudyDate": "", "StudyTime": "090000"}, ""),
        ({}, ""),
    ],
)
def test_the_time_of_day_belongs_to_the_studys_date(taken, tags, clock):
    assert read_identity(taken("x", "20200131", **tags), "film").clock == clock


def test_an_earlier_versions_films_keep_what_was_said_of_them(tmp_path):
    db = sqlite3.connect(tmp_path / "lungspot.db")
    for step in MIGRATIONS[:-1]:
        step(db)
    kept = {"patient_id": "1", "birth_date": "1950-01-01"}
    rows = [("a", "p1", json.dumps(kept)), ("b", "p1", json.dumps({**kept, "birth_date": ""})), ("c", "p1", None)]
    for name, patient, identity in rows:
        db.execute(
            "INSERT INTO readings (id, sha256, state, created, patient, identity) VALUES (?, ?, 'done', 'z', ?, ?)",
            (name, name, patient, identity),
        )
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS) - 1}")
    db.commit()
    db.close()
    store = Store(tmp_path)
    born = {row["id"]: row["born"] for row in store.all("SELECT id, born FROM readings")}
    assert born == {"a": pseudonym(store.salt, b"born", "1\n1950-01-01")[:16], "b": "", "c": ""}
    store.close()
