import sqlite3
import subprocess
import sys

import pytest

from lungspot.serve.store import Arrived, Store
from lungspot.serve.worklist import SORTS, Worklist, WorklistQuery


@pytest.fixture(scope="module")
def server(start, picture):
    server = start()
    films = [("a.png", picture(number, peak=0.62 + number / 30)) for number in range(8)]
    server.rows = server.read(*films, ("notes.txt", b"Dear Sir"))
    server.ask("POST", f"/v1/readings/{server.rows[3]['id']}/review", {"reader": "R1"})
    return server


def listed(server, query):
    return server.get(f"/v1/readings?{query}").json["readings"]


def test_the_films_differ(server):
    assert len({row["top"]["score"] for row in server.rows if row["top"]}) > 3
    assert len({tuple(row["labels"]) for row in server.rows}) > 1


def test_the_percentage_of_a_row_is_the_surest_that_is_said_of_its_film(server):
    """No other number than the headline's, the table's and the report's: of a place its box's, else the film's."""
    told = 0
    for row in server.rows:
        said = server.get(f"/v1/readings/{row['id']}").json["result"]["statement"]["said"]
        pairs = {(name["label"], name["score"] or name["probability"]) for one in said for name in one["names"]}
        if said:
            assert (row["top"]["label"], row["top"]["score"]) in pairs
            assert row["top"]["score"] == max(score for _, score in pairs)
            told += 1
    assert told > 3


@pytest.mark.parametrize(
    ("sort", "key"),
    [
        ("urgency", lambda row: (row["reviewed"], -row["urgency"], row["number"])),
        ("newest", lambda row: -row["number"]),
        ("oldest", lambda row: row["number"]),
        ("score", lambda row: (-row["top"]["score"] if row["top"] else 1, row["number"])),
        ("name", lambda row: row["name"]),
        ("date", lambda row: -row["number"]),
        ("status", lambda row: (row["reviewed"], row["status"] == "not_assessed", -row["urgency"], row["number"])),
    ],
)
def test_sorting(server, sort, key):
    rows = listed(server, f"sort={sort}")
    assert len(rows) == 9
    assert rows == sorted(rows, key=key)


def test_pages_are_parts_of_the_whole(server):
    whole = listed(server, "sort=oldest")
    pages = [server.get(f"/v1/readings?sort=oldest&per_page=4&page={page}").json for page in (1, 2, 3, 4)]
    assert [row for page in pages for row in page["readings"]] == whole
    assert [len(page["readings"]) for page in pages] == [4, 4, 1, 0]
    assert {page["total"] for page in pages} == {9}
    assert pages[0]["counts"] == {"queued": 0, "reading": 0, "done": 9, "reviewed": 1, "not_assessed": 1}


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("status=assessed", lambda row: row["status"] == "assessed"),
        ("status=not_assessed", lambda row: row["status"] == "not_assessed"),
        ("state=queued", lambda _: False),
        ("state=done", lambda _: True),
        ("reviewed=true", lambda row: row["reviewed"]),
        ("reviewed=false", lambda row: not row["reviewed"]),
        ("label=effusion", lambda row: "effusion" in row["labels"]),
        ("label=sadness", lambda _: False),
        ("min_score=0.8", lambda row: row["top"] is not None and row["top"]["score"] >= 0.8),
        ("patient=nobody", lambda _: False),
    ],
)
def test_filters(server, query, kept):
    rows = listed(server, "sort=oldest")
    assert listed(server, f"sort=oldest&{query}") == [row for row in rows if kept(row)]


def test_a_score_of_one_label(server):
    scores = {row["id"]: {s["label"]: s["probability"] for s in row["result"]["image_scores"]} for row in server.rows}
    least = sorted(each["nodule_mass"] for each in scores.values() if each)[3]
    found = {row["id"] for row in listed(server, f"label=nodule_mass&min_score={least}")}
    assert found >= {film for film, each in scores.items() if each and each["nodule_mass"] > least}
    assert 0 < len(found) < 8


def test_some_films_alone(server):
    ids = [server.rows[5]["id"], server.rows[1]["id"], "nobody"]
    assert {row["id"] for row in listed(server, f"ids={','.join(ids)}")} == set(ids[:2])
    assert listed(server, "ids=,") == []


def searched(server, **given):
    return server.ask("POST", "/v1/worklist", given).json


def test_words_are_found_in_names_that_only_the_page_knows(server):
    rows = listed(server, "sort=oldest")
    names = {row["id"]: f"day.zip/{9 - at}/Müller {at}.dcm" for at, row in enumerate(rows)}
    assert searched(server, search="müller")["total"] == 0
    assert searched(server, search="MÜLLER 3.dcm", names=names)["readings"] == [rows[3]]
    by_name = searched(server, names=names, sort="name")["readings"]
    assert [row["id"] for row in by_name] == list(names), "by the last part"
    effusion = searched(server, search="EFFUSION", per_page=200)["readings"]
    assert effusion
    assert {row["id"] for row in effusion} == {row["id"] for row in rows if "ffusion" in row["headline"]}
    assert rows[3] in searched(server, search="film 4")["readings"]


def test_what_stands_beside_a_film(server):
    rows = listed(server, "sort=urgency")
    ids = [row["id"] for row in rows]
    assert rows[-1]["reviewed"]
    told = [server.get(f"/v1/readings?beside={each}&per_page=1").json["beside"] for each in ids]
    assert [each["position"] for each in told] == list(range(9))
    assert [each["next"] for each in told] == [*ids[1:], None]
    assert [each["previous"] for each in told] == [None, *ids[:-1]]
    assert [each["next_unread"] for each in told] == [*ids[1:-1], ids[0], ids[0]]
    assert server.get("/v1/readings?beside=nobody").json["beside"]["position"] is None
    assert "beside" not in server.get("/v1/readings").json
    alone = searched(server, reviewed=True, beside=ids[0])
    assert (alone["beside"]["position"], alone["beside"]["next"], alone["beside"]["next_unread"]) == (
        None,
        ids[-1],
        None,
    )
    assert alone["counts"] == {"queued": 0, "reading": 0, "done": 9, "reviewed": 1, "not_assessed": 1}


# --- a list that is kept ---------------------------------------------------------------------------------------------

ELSEWHERE = """import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as db:
    db.execute("UPDATE readings SET urgency = 9, name = 'zz' WHERE number = 1")
"""


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "data", keep_identifiers=True)
    for name in "abcd":
        accept(opened, name)
    for _ in "abc":
        read(opened)
    yield opened
    opened.close()


def accept(store, name):
    path = store.folder / "incoming" / name
    path.write_bytes(name.encode())
    return store.accept([Arrived(path, f"{name}.dcm", f"sha of {name}")])[0].id


def read(store):
    film = store.claim()
    facts = {"status": "assessed", "readable": 1, "headline": "x", "record": "{}", "urgency": film.number / 10}
    store.finish(film, facts, [("edema", 0.5, True)])


def review(store, number):
    with store.writing() as db:
        db.execute("INSERT INTO reviews (reading, created, reader, body) VALUES (?, 'now', 'R', '{}')", (number,))


def decide(store, number):
    with store.writing() as db:
        values = (number, "9999", "R", "other", "")
        db.execute("INSERT INTO decisions (reading, created, reader, decision, why) VALUES (?, ?, ?, ?, ?)", values)


def undone(store):
    with pytest.raises(sqlite3.OperationalError), store.writing() as db:
        db.executemany("DELETE FROM readings WHERE number = ?", broken_off())


def broken_off():
    yield (1,)
    raise sqlite3.OperationalError


def elsewhere(store):
    subprocess.run([sys.executable, "-c", ELSEWHERE, store.folder / "lungspot.db"], check=True)


def same_patient(store):
    with store.writing() as db:
        db.execute("INSERT INTO meta VALUES ('screen', CAST('edema' AS BLOB))")
        db.execute("UPDATE readings SET patient = 'p'")


WRITES = [
    ("a film arrives", lambda store: accept(store, "e"), True),
    ("a film is read", read, True),
    ("a film is reviewed", lambda store: review(store, 3), True),
    ("a film is decided on", lambda store: decide(store, 2), True),
    ("a film is deleted", lambda store: store.delete(store.one("SELECT id FROM readings WHERE number = 2")[0]), True),
    ("what is in other tables decides, too", same_patient, True),
    ("another process writes", elsewhere, True),
    ("a transaction is undone", undone, False),
]
QUESTIONS = [
    *(WorklistQuery(sort) for sort in SORTS),
    WorklistQuery(reviewed=False),
    WorklistQuery(state="done", per_page=1, page=2),
    WorklistQuery(label="edema"),
    WorklistQuery(words=("e.dcm",)),
    WorklistQuery("name", names={"nobody": "n"}, words=("dcm",)),
]


def asked(worklist, store):
    """Return the pages of all questions, of which each is asked beside the third film and beside none."""
    beside = store.one("SELECT id FROM readings WHERE number = 3")[0]
    return [worklist.page(question) for question in QUESTIONS] + [worklist.page(WorklistQuery(beside=beside))]


def test_a_kept_list_is_what_is_there_after_every_write(store):
    """Between two questions a film is added, read, reviewed, deleted, by this process and by another."""
    worklist = Worklist(store)
    for name, write, changes in WRITES:
        before = asked(worklist, store)
        assert before == asked(worklist, store), name
        write(store)
        after = asked(worklist, store)
        assert after == asked(Worklist(store), store), name
        assert (after != before) == changes, name


def test_every_single_write_is_seen_by_a_single_question(store):
    """No other question in between has let go of the list."""
    worklist = Worklist(store)
    for _, write, _ in WRITES:
        worklist.page(WorklistQuery())
        write(store)
        assert worklist.page(WorklistQuery()) == Worklist(store).page(WorklistQuery())


def test_films_are_looked_through_once_until_something_is_written(store):
    statements = []
    store._folder._db.set_trace_callback(statements.append)
    looks = lambda: sum("ORDER BY" in each and "FROM (SELECT NULL" in each for each in statements)  # noqa: E731
    worklist = Worklist(store)
    for page in (1, 2, 1):
        worklist.page(WorklistQuery(page=page, per_page=2))
    assert looks() == 1
    worklist.page(WorklistQuery("name"))
    worklist.page(WorklistQuery(per_page=3, beside="nobody"))
    assert looks() == 2
    review(store, 1)
    worklist.page(WorklistQuery())
    assert looks() == 3


def test_a_list_of_all_films_is_made_from_the_index(store):
    """Results, ten kilobytes a film, stand between the columns of the table: it would be read whole."""
    plans = []
    with sqlite3.connect(store.folder / "lungspot.db") as db:
        store._folder._db.set_trace_callback(plans.append)
        asked(Worklist(store), store)
        looks = {each for each in plans if " ORDER BY " in each and "SELECT r.number, (r.state" in each}
        used = {look: " ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {look}")) for look in looks}
    assert len(used) > 10
    others = [look for look, plan in used.items() if "SCAN r USING COVERING INDEX readings_listed" not in plan]
    assert {look.partition("WHERE (")[2][:7] for look in others if "facts" not in look} == {"r.state"}


def test_no_more_than_some_lists_are_kept(store):
    worklist = Worklist(store)
    for at in range(30):
        worklist.page(WorklistQuery(words=(str(at),)))
    assert len(worklist._lists) < 10
