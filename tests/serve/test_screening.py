"""Screening: a queue by one label's score, one decision a person, and the register, out of a real server."""

import csv
import io
import sqlite3
from contextlib import closing

import pytest
from tests.generated import generated_film

LABEL = "effusion"


@pytest.fixture(scope="module")
def screening(start):
    return start("--screen", LABEL, "--keep-identifiers")


@pytest.fixture
def empty(screening):
    """A server that screens, without a film: what the test before left there is deleted."""
    for row in screening.get("/v1/readings").json["readings"]:
        assert screening.ask("DELETE", f"/v1/readings/{row['id']}").status == 204
    return screening


@pytest.fixture(scope="module")
def clinic(start, picture):
    """A server that screens, and its people: two films that can be judged, and one that cannot."""
    server = start("--screen", LABEL, "--keep-identifiers")
    server.read(("P1.png", picture(1)), ("P2.png", picture(2)), ("P3.txt", b"no film"))
    return server


def register(server, names=None):
    answer = server.get("/v1/register.csv") if names is None else server.ask("POST", "/v1/register.csv", names)
    assert answer.status == 200, answer.body
    return {row["id"]: row for row in csv.DictReader(io.StringIO(answer.body.decode(), newline=""))}


def queue(server):
    return server.get("/v1/readings?sort=screening").json["readings"]


def decide(server, identifier, decision, **more):
    body = {"reader": "R1", "decision": decision} | more
    return server.ask("POST", f"/v1/readings/{identifier}/decision", body)


def test_the_queue_has_repeats_first_then_scores_then_those_decided(clinic):
    rows = queue(clinic)
    assert rows[0]["name"] == "P3.txt"
    assert rows[0]["screened"] is None
    scores = [row["screened"] for row in rows[1:]]
    assert scores == sorted(scores, reverse=True)
    for row in rows[1:]:
        found = clinic.whole(row["id"])["result"]["image_scores"]
        assert row["screened"] == next(each["probability"] for each in found if each["label"] == LABEL)
    said = clinic.get("/v1/model").json["screening"]
    assert said["thresholds_of"] == "model"
    first = rows[0]["id"]
    assert decide(clinic, first, "repeat film", why="moved").status == 201
    assert [row["id"] for row in queue(clinic)][-1] == first
    assert queue(clinic)[-1]["decision"] == "repeat film"
    open_ones = clinic.get("/v1/readings?reviewed=false").json
    assert open_ones["total"] == 2
    assert open_ones["counts"]["reviewed"] == 1


def test_the_register_has_one_row_a_person_and_the_last_decision(clinic):
    rows = register(clinic)
    assert set(rows) == {"P1", "P2", "P3"}
    limit = clinic.get("/v1/model").json["screening"]["threshold"]
    for person in ("P1", "P2"):
        row = rows[person]
        assert float(row["threshold"]) == pytest.approx(limit, abs=1e-4)
        assert row["advice"] == ("refer" if float(row["score"]) >= limit else "do not refer")
        assert (row["decision"], row["why_repeat"]) == ("", "")
    assert rows["P3"]["advice"] == "repeat film"
    one = next(row["id"] for row in queue(clinic) if row["name"] == "P1.png")
    for decision in ("refer", "do not refer"):
        assert decide(clinic, one, decision).status == 201
    said = register(clinic)["P1"]
    assert (said["decision"], said["decided_by"]) == ("do not refer", "R1")
    assert said["decided_at"].endswith("Z")
    listed = clinic.get(f"/v1/readings/{one}/decisions").json["decisions"]
    assert [each["decision"] for each in listed] == ["refer", "do not refer"]


@pytest.mark.parametrize(
    "body",
    [
        {"reader": "R", "decision": "maybe"},
        {"reader": " ", "decision": "refer"},
        {"decision": "refer"},
        {"reader": "R", "decision": "refer", "more": 1},
    ],
)
def test_what_is_no_decision_is_refused(clinic, body):
    one = queue(clinic)[0]["id"]
    answer = clinic.ask("POST", f"/v1/readings/{one}/decision", body)
    assert (answer.status, answer.code) == (422, "BAD_VALUE")


def test_a_person_filmed_again_is_open_again_and_stays_one_row(start):
    server = start("--screen", LABEL, "--keep-identifiers")
    film = generated_film(PatientID="P7")

    def send():
        buffer = io.BytesIO()
        film.save_as(buffer)
        return server.read(("film.dcm", buffer.getvalue()))[0]["id"]

    first = send()
    assert decide(server, first, "repeat film").status == 201
    assert register(server)["P7"]["decision"] == "repeat film"
    film.SeriesDescription = "again"
    second = send()
    assert second != first
    assert list(register(server)) == ["P7"]
    assert register(server)["P7"]["decision"] == ""
    assert decide(server, second, "refer").status == 201
    assert register(server)["P7"]["decision"] == "refer"
    assert server.stop() == 0
    again = start("--screen", LABEL, "--keep-identifiers", data=server.data)
    assert register(again)["P7"]["decision"] == "refer"


def test_of_two_films_of_one_person_one_is_to_be_decided_on(empty):
    server = empty

    def send(person, series):
        buffer = io.BytesIO()
        generated_film(PatientID=person, SeriesDescription=series).save_as(buffer)
        return server.read(("film.dcm", buffer.getvalue()))[0]["id"]

    def to_read():
        counts = server.get("/v1/readings").json["counts"]
        open_ones = server.get("/v1/readings?reviewed=false&sort=screening").json
        assert counts["done"] - counts["reviewed"] == open_ones["total"]
        return [row["id"] for row in open_ones["readings"]]

    earlier, later, other = send("P1", "first"), send("P1", "second"), send("P2", "first")
    assert sorted(to_read()) == sorted([later, other])
    assert {row["id"] for row in queue(server)[-1:]} == {earlier}
    assert decide(server, earlier, "do not refer").status == 201  # opened by hand: the person is decided on
    assert to_read() == [other]
    third = send("P1", "third")  # nobody has seen it
    assert to_read() == sorted([third, other], key=[row["id"] for row in queue(server)].index)
    assert register(server)["P1"]["decision"] == "do not refer"
    assert decide(server, third, "repeat film").status == 201
    assert to_read() == [other]
    fourth = send("P1", "fourth")
    assert set(to_read()) == {fourth, other}
    assert register(server)["P1"]["decision"] == ""
    assert decide(server, fourth, "refer").status == 201
    assert (register(server)["P1"]["decision"], to_read()) == ("refer", [other])


def test_a_film_that_cannot_be_judged_waits_behind_one_of_the_same_person_that_can(empty):
    server = empty

    def send(**told):
        film = generated_film(PatientID="P1", **told)
        buffer = io.BytesIO()
        film.save_as(buffer)
        return server.read(("film.dcm", buffer.getvalue()))[0]["id"]

    good, bad = send(), send(BodyPartExamined="ANKLE")
    assert server.whole(bad)["result"]["status"] == "not_assessed"
    rows = server.get("/v1/readings?reviewed=false").json["readings"]
    assert [row["id"] for row in rows] == [good]
    assert decide(server, good, "repeat film").status == 201
    assert server.get("/v1/readings?reviewed=false").json["total"] == 0
    (row,) = register(server).values()
    assert row["decision"] == "repeat film"
    assert row["score"]  # of the film that was decided on


def test_a_film_that_is_read_anew_is_no_other_film(empty):
    server = empty

    def of(series):
        buffer = io.BytesIO()
        generated_film(PatientID="P1", SeriesDescription=series).save_as(buffer)
        return "film.dcm", buffer.getvalue()

    def to_read():
        return [row["id"] for row in server.get("/v1/readings?reviewed=false&sort=screening").json["readings"]]

    def said():
        return {name: row["decision"] for name, row in register(server).items()}

    text = ("P3.txt", b"no film")
    first, second, none = (server.read(each)[0] for each in (of("first"), of("second"), text))
    for each in (second, none):
        assert decide(server, each["id"], "repeat film").status == 201
    with closing(sqlite3.connect(server.data / "lungspot.db")) as db, db:
        db.execute("UPDATE readings SET readable = 0")  # as if an earlier version had read none of them
    again = server.read(of("second"), text)
    assert [each["id"] for each in again] == [second["id"], none["id"]]
    assert all(new["finished"] > old["finished"] for new, old in zip(again, (second, none), strict=True))
    assert (said(), to_read()) == ({"P1": "repeat film", "P3": "repeat film"}, [])
    server.read(of("first"))  # nobody has decided on this one, and it is read after the decision
    assert (said(), to_read()) == ({"P1": "", "P3": "repeat film"}, [first["id"]])
    third = server.read(of("third"))[0]["id"]
    assert (said(), to_read()) == ({"P1": "", "P3": "repeat film"}, [third])


def test_names_that_only_the_caller_knows_become_ids(start, picture):
    server = start("--screen", LABEL)
    one = server.read(("secret.png", picture(3)))[0]["id"]
    assert list(register(server)) == ["film 1"]
    assert list(register(server, {"names": {one: "day/P9.png"}})) == ["P9"]
    assert b"secret" not in b"".join(path.read_bytes() for path in server.data.glob("lungspot.db*"))


def test_a_server_that_screens_nobody_says_so(server, picture):
    one = server.read(("a.png", picture(5)))[0]
    assert one["screened"] is None
    assert server.get("/v1/model").json["screening"] is None
    for answer in (server.get("/v1/register.csv"), decide(server, one["id"], "refer")):
        assert (answer.status, answer.code) == (404, "NO_SCREENING")


def test_a_label_that_the_model_does_not_know_stops_the_start(start):
    with pytest.raises(AssertionError, match="UNKNOWN_LABEL"):
        start("--screen", "fracture")
