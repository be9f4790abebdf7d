"""What the worklist says of films that an earlier version read: this version's words, of the result that was kept."""

import json
import shutil
import sqlite3
from dataclasses import replace

import pytest

from lungspot.detect import Standing

SHOWN = ("headline", "top", "labels", "urgency", "status", "model")


@pytest.fixture(scope="module")
def kept(start, picture):
    """The folder of a server that has read two films and refused a text, and its rows."""
    server = start()
    server.read(("a.png", picture(1)), ("b.png", picture(2)), ("c.txt", b"no film"))
    rows = server.get("/v1/readings").json["readings"]
    assert server.stop() == 0
    return server.data, {row["id"]: row for row in rows}


@pytest.fixture
def served(kept, tmp_path):
    """The same, for a test to change."""
    folder, rows = kept
    return shutil.copytree(folder, tmp_path / "served"), rows


def as_of_0_1(folder, change=lambda card: card):
    """Make a server's database one of 0.1: other words, other order, no ``said_by``; and a card that was then valid."""
    db = sqlite3.connect(folder / "lungspot.db")
    db.execute("DROP INDEX readings_listed")
    later = {
        "readings": ("found_by", "facts", "said_by", "issuer", "born", "second", "instance"),
        "truths": ("hidden", "name"),
    }
    for table, column in ((table, column) for table, columns in later.items() for column in columns):
        db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    for table in ("answers", "decisions"):
        db.execute(f"DROP TABLE {table}")
    db.execute("UPDATE readings SET headline = 'Pneumothorax', urgency = 3.9, top_label = 'mass', top_score = 0.5")
    db.execute("UPDATE scores SET positive = 1 - positive")
    (card,) = db.execute("SELECT card FROM models").fetchone()
    db.execute("INSERT INTO models VALUES ('old', ?, '1.22')", (json.dumps(change(json.loads(card))),))
    db.execute("UPDATE readings SET model = 'old' WHERE model IS NOT NULL")
    db.execute("PRAGMA user_version = 3")
    db.commit()
    db.close()


def test_films_of_another_version_are_put_into_words_anew(start, served):
    folder, before = served
    assert {row["status"] for row in before.values()} == {"assessed", "not_assessed"}
    as_of_0_1(folder)
    server = start(data=folder)
    after = server.get("/v1/readings").json["readings"]
    assert {row["id"]: [row[key] for key in SHOWN] for row in after} == {
        identifier: [row[key] for key in SHOWN] for identifier, row in before.items()
    }
    assert (
        len(server.ask("POST", "/v1/worklist", {"search": "text"}).json["readings"]) == 1
    )  # found by what is said now
    assert not server.ask("POST", "/v1/worklist", {"search": "pneumothorax"}).json["readings"]
    assert [row["urgency"] for row in after] == sorted((row["urgency"] for row in after), reverse=True)
    assert "3 films of another version of lungspot are put into words anew" in server.log.read_text()
    assert server.stop() == 0
    assert "put into words" not in start(data=folder).log.read_text()  # once


def test_a_card_out_of_order_and_without_standings_does_not_lock_its_films_away(
    start, served, write_model, generated_card, tmp_path
):
    """The file of 0.1.0 has points out of order: its films could not be opened, and named what nobody judged."""

    def old(card):
        card["thresholds"]["sensitive"]["effusion"] = {"box": 0.9, "image": 0.9}
        del card["standing"]
        return card | {"name": "before", "version": "1"}

    folder, _ = served
    as_of_0_1(folder, old)
    today = replace(generated_card, standing=dict.fromkeys(generated_card.labels, Standing.EXPERIMENTAL))
    server = start(data=folder, model=write_model(tmp_path / "today.onnx", today))
    rows = [row for row in server.get("/v1/readings").json["readings"] if row["status"] == "assessed"]
    assert [row["model"] for row in rows] == ["before 1"] * 2
    for row in rows:
        answer = server.get(f"/v1/readings/{row['id']}")
        assert answer.status == 200, answer.body
        assert answer.json["result"]["statement"]["headline"] == row["headline"]
        assert not row["labels"]
        limits = answer.json["image_thresholds"]["effusion"]
        assert limits["sensitive"] == limits["balanced"] == generated_card.threshold("effusion").image
        assert server.get(f"/v1/readings/{row['id']}/report.html").status == 200


def test_a_result_that_cannot_be_understood_keeps_its_words(start, served):
    folder, _ = served
    as_of_0_1(folder)
    db = sqlite3.connect(folder / "lungspot.db")
    db.execute("UPDATE readings SET record = '{}' WHERE number = 1")
    db.commit()
    db.close()
    server = start(data=folder)
    rows = {row["number"]: row for row in server.get("/v1/readings").json["readings"]}
    assert [rows[number]["headline"] == "Pneumothorax" for number in (1, 2, 3)] == [True, False, False]
    assert "film 1: its result cannot be put into words" in server.log.read_text()


def test_a_side_that_was_taken_for_granted_is_not_said(start, film):
    """Records of 0.1 do not say how the film lies, and called the left of every picture the patient's right."""
    server = start()
    server.read(("film.dcm", film))
    assert server.stop() == 0
    db = sqlite3.connect(server.data / "lungspot.db")
    ((record,),) = db.execute("SELECT record FROM readings").fetchall()
    value = json.loads(record)
    del value["film"]["orientation"]
    assert any(finding.get("side") for finding in value["reading"]["findings"])
    db.execute("UPDATE readings SET record = ?, said_by = NULL", (json.dumps(value),))
    db.commit()
    db.close()
    again = start(data=server.data)
    (row,) = again.get("/v1/readings").json["readings"]
    whole = again.get(f"/v1/readings/{row['id']}").json
    assert whole["edges"] == {}
    assert {finding["side"] for finding in whole["candidates"]} <= {None, "bilateral"}
    assert "of the picture" in row["headline"]
