"""Which other films are a patient's, and which of them is the earlier one that a report compares with."""

import io
import json
import sqlite3

import numpy as np
import pydicom
import pytest

from lungspot.images import read_header, read_identity
from lungspot.report import whose
from lungspot.serve.migrations import MIGRATIONS
from lungspot.serve.priors import priors_of
from lungspot.serve.pseudonyms import pseudonym
from lungspot.serve.store import Store

BORN_IS_STEP = 9  # the migration that keeps the date of birth, from 0; the one after it keeps the film's UID
DATES = ("StudyDate", "AcquisitionDate", "ContentDate", "SeriesDate")
TIMES = ("StudyTime", "AcquisitionTime", "ContentTime", "SeriesTime")


@pytest.fixture(scope="module")
def taken(film):
    """A function that makes a real film over: of a patient, a day (and a time), with these attributes.

    It has every fourth row and column of the film: what is read again and again here is its header.
    """
    numbers = iter(range(1, 100))
    data = pydicom.dcmread(io.BytesIO(film))
    pixels = np.ascontiguousarray(data.pixel_array[::4, ::4])
    data.Rows, data.Columns = pixels.shape
    data.PixelData = pixels.tobytes()
    buffer = io.BytesIO()
    data.save_as(buffer)
    film = buffer.getvalue()

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
        taken("clock", "20200131", "1200"),  # to the minute only, which the server does not keep
        taken("clock", "20200101", "235959"),
    )
    assert [days(server, film) for film in films] == [30, 0, 30, None]
    assert priors(server, films[0]) == [films[3]["id"], films[2]["id"], films[1]["id"]]
    assert priors(server, films[1]) == [films[0]["id"], films[3]["id"], films[2]["id"]]
    two = read(server, taken("clock 2", "20200131", "080000"), taken("clock 2", "20200131", "170000"))
    assert [days(server, film) for film in two] == [None, 0]
    month = read(server, taken("clock 2", "20200101", "120000"))
    assert [days(server, film) for film in (*two, *month)] == [30, 0, None]


@pytest.mark.parametrize(
    ("patient", "then", "now", "apart"),
    [
        ("undated", ("",), ("",), None),
        ("one undated", ("",), ("20200131", "080000"), None),
        ("no time", ("20200131",), ("20200131",), 0),
        ("one without a time", ("20200131", "080000"), ("20200131",), 0),
        ("one time", ("20200131", "080000"), ("20200131", "080000"), 0),
    ],
)
def test_two_films_of_which_nothing_says_which_is_earlier_are_compared_only_where_one_is_named(
    server, taken, patient, then, now, apart
):
    """As `detect` and `node` do; each was the other's earlier film, or the one that came last was."""
    films = read(server, taken(patient, *then), taken(patient, *now))
    assert [days(server, film) for film in films] == [None, None]
    for film, other in (films, films[::-1]):
        assert priors(server, film) == [other["id"]]
        named = server.get(f"/v1/readings/{film['id']}/report?prior={other['id']}").json["changes"]
        assert (named["days_earlier"], named["compared"]) == (apart, True)


def test_beside_films_of_which_nothing_says_it_the_newest_earlier_one_counts(server, taken):
    films = read(
        server,
        taken("beside", "20200131", "080000"),
        taken("beside", ""),
        taken("beside", "20200131"),
        taken("beside", "20200101"),
        taken("beside", "20200111"),
    )
    assert [days(server, film) for film in films] == [20, None, 20, None, 10]
    ids = [film["id"] for film in films]
    assert priors(server, films[0]) == [ids[4], ids[3], ids[2], ids[1]]
    assert priors(server, films[3]) == [ids[1], ids[4], ids[2], ids[0]]


def test_the_same_film_once_more_is_not_compared_with(server, taken):
    """A film that was sent again with another header was its own earlier film."""
    films = read(
        server,
        taken("again", "20200101", SOPInstanceUID="2.25.1"),
        taken("again", "20200131", SOPInstanceUID="2.25.1"),
        taken("again", "20200131", SOPInstanceUID="2.25.2"),
        taken("another", "20200131", SOPInstanceUID="2.25.1"),
    )
    assert [days(server, film) for film in films] == [None, None, 30, None]
    assert set(priors(server, films[1])) == {films[0]["id"], films[2]["id"]}
    named = server.get(f"/v1/readings/{films[1]['id']}/report?prior={films[0]['id']}").json["changes"]
    assert (named["days_earlier"], named["compared"]) == (30, False)
    with sqlite3.connect(server.data / "lungspot.db") as db:
        instances = [row[0] for row in db.execute("SELECT instance FROM readings ORDER BY number DESC LIMIT 4")]
    assert len(set(instances)) == 3  # a digest ties no two patients
    assert all(len(each) == 16 for each in instances)


def test_films_at_the_ends_of_the_calendar_are_compared_all_the_same(server, taken):
    films = read(server, taken("ends", "00010102"), taken("ends", "20200101"), taken("ends", "99991230"))
    assert [days(server, film) is None for film in films] == [True, False, False]
    assert priors(server, films[1]) == [films[0]["id"], films[2]["id"]]


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ({"AcquisitionTime": "101500.5"}, ("2020-01-31", "101500")),
        ({"AcquisitionTime": "10:15:00", "StudyTime": "090000"}, ("2020-01-31", "101500")),
        ({"AcquisitionTime": "1015", "StudyTime": "090000"}, ("2020-01-31", "1015")),
        ({"AcquisitionTime": "235960"}, ("2020-01-31", "235960")),
        ({"AcquisitionDate": "20200130", "AcquisitionTime": "2359", "StudyTime": "000100"}, ("2020-01-30", "2359")),
        ({"AcquisitionDate": "", "ContentTime": "10", "StudyTime": "090000"}, ("2020-01-31", "10")),
        ({"AcquisitionDate": "", "ContentDate": "", "StudyTime": "090000"}, ("2020-01-31", "090000")),
        ({"AcquisitionTime": "240000"}, ("2020-01-31", "")),
        ({"AcquisitionTime": "9"}, ("2020-01-31", "")),
        (dict.fromkeys(("AcquisitionDate", "ContentDate", "StudyDate"), "") | {"StudyTime": "090000"}, ("", "")),
        ({}, ("2020-01-31", "")),
    ],
)
def test_the_day_and_the_time_that_belong_together_say_when_a_film_was_taken(taken, tags, found):
    """By the server's reading as by that of `detect` and `node`: one said StudyDate, the others AcquisitionDate."""
    data = taken("x", "20200131", **tags)
    identity = read_identity(data, "film")
    assert (identity.taken, identity.clock) == found
    day, clock = whose(read_header(data)).taken
    assert ("" if day is None else day.isoformat(), clock) == found


def test_an_earlier_versions_films_keep_what_was_said_of_them(tmp_path):
    db = sqlite3.connect(tmp_path / "lungspot.db")
    for step in MIGRATIONS[:BORN_IS_STEP]:
        step(db)
    kept = {"patient_id": "1", "birth_date": "1950-01-01"}
    rows = [("a", "p1", json.dumps(kept)), ("b", "p1", json.dumps({**kept, "birth_date": ""})), ("c", "p1", None)]
    for name, patient, identity in rows:
        db.execute(
            "INSERT INTO readings (id, sha256, state, created, patient, identity) VALUES (?, ?, 'done', 'z', ?, ?)",
            (name, name, patient, identity),
        )
    db.execute(f"PRAGMA user_version = {BORN_IS_STEP}")
    db.commit()
    db.close()
    store = Store(tmp_path)
    born = {row["id"]: row["born"] for row in store.all("SELECT id, born FROM readings")}
    assert born == {"a": pseudonym(store.salt, b"born", "1\n1950-01-01")[:16], "b": "", "c": ""}
    store.close()


def test_of_an_earlier_versions_films_the_same_film_is_known_where_identifiers_are_kept(tmp_path):
    db = sqlite3.connect(tmp_path / "lungspot.db")
    for step in MIGRATIONS[: BORN_IS_STEP + 1]:
        step(db)
    kept, film = json.dumps({"patient_id": "1"}), json.dumps({"film": {"sop_instance_uid": "1.2"}})
    rows = [("a", "p1", kept, film), ("b", "p1", None, film), ("c", None, kept, film), ("d", "p1", kept, None)]
    rows += [("e", "p1", kept, json.dumps({"film": {"sop_instance_uid": None}})), ("f", "p1", kept, '{"refused": {}}')]
    for name, patient, identity, record in rows:
        db.execute(
            "INSERT INTO readings (id, sha256, state, created, patient, identity, record, day)"
            " VALUES (?, ?, 'done', 'z', ?, ?, ?, 1)",
            (name, name, patient, identity, record),
        )
    db.execute(f"PRAGMA user_version = {BORN_IS_STEP + 1}")
    db.commit()
    db.close()
    store = Store(tmp_path)
    found = {row["id"]: row["instance"] for row in store.all("SELECT id, instance FROM readings")}
    assert found == {"a": pseudonym(store.salt, b"film", "1\n1.2")[:16]} | dict.fromkeys("bcdef", "")
    (row,) = store.all("SELECT * FROM readings WHERE id = 'a'")
    assert [each["id"] for each in priors_of(store, row)] == ["f", "e", "d", "b"]
    store.close()
