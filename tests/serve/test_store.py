import sqlite3

import pytest

from lungspot.errors import RequestError, SetupError
from lungspot.serve.migrations import MIGRATIONS
from lungspot.serve.store import Arrived, QueueState, Store


def arrive(store, name):
    path = store.folder / "incoming" / name
    path.write_bytes(name.encode())
    return Arrived(path, f"{name}.dcm", f"sha of {name}")


def finished(status="assessed", readable=1):
    return {"status": status, "readable": readable, "headline": "x", "record": "{}"}


@pytest.fixture
def open_store(tmp_path):
    """A function that opens the folder as the next process would: what was open lets go, nothing is put in order."""
    opened = []

    def again(**options):
        while opened:
            opened.pop().close()
        opened.append(Store(tmp_path / "data", **{"queue": 3, **options}))
        return opened[-1]

    yield again
    while opened:
        opened.pop().close()


@pytest.fixture
def store(open_store):
    return open_store()


def test_the_table_takes_the_words_of_states_and_no_others(store):
    made = store.one("SELECT sql FROM sqlite_schema WHERE name = 'readings'")[0]
    assert f"state IN ({', '.join(map(repr, map(str, QueueState)))})" in made


def test_a_film_lives_from_acceptance_to_its_end(store):
    (accepted,) = store.accept([arrive(store, "a")])
    assert (accepted.state, accepted.duplicate, store.waiting) == ("queued", False, 1)
    task = store.claim()
    assert (task.id, task.path.read_bytes(), task.name) == (accepted.id, b"a", "film 1")
    assert store.claim() is None
    assert store.finish(task, finished(), [("edema", 0.5, True)])
    assert store.waiting == 0
    assert not task.path.exists()
    assert store.one("SELECT finished > created FROM readings")[0] == 1
    store.delete(accepted.id)
    assert store.all("SELECT * FROM scores") == []
    with pytest.raises(RequestError, match="NO_READING"):
        store.delete(accepted.id)


@pytest.mark.parametrize("kept", [False, True])
def test_the_film_as_it_came_and_its_name_are_kept_where_that_is_asked_for(open_store, kept):
    store = open_store(keep_identifiers=kept)
    (accepted,) = store.accept([arrive(store, "a")])
    task = store.claim()
    assert task.name == ("a.dcm" if kept else "film 1")
    store.finish(task, finished(), [])
    assert [path.read_bytes() for path in (store.folder / "originals").iterdir()] == [b"a"] * kept
    store.delete(accepted.id)
    assert not list((store.folder / "originals").iterdir())


def test_a_film_deleted_before_it_is_read_leaves_nothing(store):
    (accepted,) = store.accept([arrive(store, "a")])
    store.delete(accepted.id)
    assert not list((store.folder / "spool").iterdir())
    assert (store.waiting, store.claim()) == (0, None)


def test_the_first_card_of_a_model_is_remembered(store):
    for card in ("first", "second"):
        store.remember_model("sha", card, "1.0")
    assert [tuple(row) for row in store.all("SELECT card FROM models")] == [("first",)]


def test_the_same_bytes_are_the_same_reading(store):
    first, second = store.accept([arrive(store, "a"), Arrived(arrive(store, "b").path, "b.dcm", "sha of a")])
    assert first.id == second.id
    assert (first.duplicate, second.duplicate) == (False, True)
    assert store.accept([arrive(store, "a")])[0].duplicate
    assert store.waiting == 1


def test_a_film_that_could_not_be_read_is_tried_again(store):
    (first,) = store.accept([arrive(store, "a")])
    store.finish(store.claim(), finished("not_assessed", readable=0), [])
    (again,) = store.accept([arrive(store, "a")])
    assert (again.id, again.state, again.duplicate) == (first.id, "queued", True)
    task = store.claim()
    assert (task.path.read_bytes(), task.attempts) == (b"a", 0)


def test_all_of_an_upload_or_nothing(store):
    store.accept([arrive(store, "a")])
    films = [arrive(store, name) for name in "bcd"]
    with pytest.raises(RequestError, match="BUSY"):
        store.accept(films)
    assert store.waiting == 1
    assert all(film.path.exists() for film in films)  # the caller removes them
    store.accept(films[:2])
    assert store.waiting == 3


def test_what_was_being_read_is_read_again_after_a_crash(store, open_store):
    store.accept([arrive(store, "a"), arrive(store, "b")])
    task = store.claim()
    again = open_store()
    assert again is not store
    assert again.waiting == 2
    claimed = again.claim()
    assert (claimed.id, claimed.attempts, claimed.path.read_bytes()) == (task.id, 1, b"a")


def test_a_film_that_ends_the_server_each_time_is_given_up(store, open_store):
    store.accept([arrive(store, "a")])
    exhausted = [open_store().claim().exhausted for _ in range(13)]
    assert exhausted == [False] * 12 + [True]


def test_a_film_that_ends_the_server_lets_others_go_first(store, open_store):
    store.accept([arrive(store, "a"), arrive(store, "b")])
    begun = [open_store().claim().number for _ in range(12)]
    assert begun == [1, 1, 1, 2, 2, 2] * 2


def test_a_failure_of_the_machine_is_no_attempt(store):
    store.accept([arrive(store, "a")])
    for counted, attempts in [(False, 0), (False, 0), (True, 0), (True, 1), (False, 2), (True, 2)]:
        task = store.claim()
        assert task.attempts == attempts
        store.give_back(task, count_attempt=counted)


def test_leftovers_of_a_crash_are_removed(store, open_store):
    (accepted,) = store.accept([arrive(store, "a")])
    task = store.claim()
    store.pixels(task.id).write_bytes(b"half")  # written, and not yet in the row
    store.spooled("0" * 16).write_bytes(b"renamed, and the row never committed")
    store.pixels("0" * 16).write_bytes(b"likewise")
    arrive(store, "0" * 24)
    (store.folder / "incoming" / "tmp12345678").mkdir()
    store = open_store()
    assert not list((store.folder / "incoming").iterdir())
    assert [path.name for path in (store.folder / "spool").iterdir()] == [accepted.id]
    assert not list((store.folder / "films").iterdir())
    store.finish(store.claim(), finished(), [])
    store.spooled(accepted.id).write_bytes(b"done, and not yet removed")
    store.pixels(accepted.id).write_bytes(b"result")
    store = open_store()
    assert not list((store.folder / "spool").iterdir())
    assert [path.read_bytes() for path in (store.folder / "films").iterdir()] == [b"result"]


def test_a_film_deleted_while_it_is_read_leaves_nothing(store):
    (accepted,) = store.accept([arrive(store, "a")])
    task = store.claim()
    store.delete(accepted.id)
    store.pixels(task.id).write_bytes(b"result")
    assert not store.finish(task, finished(), [])
    assert not list((store.folder / "films").iterdir())
    assert store.waiting == 0


def test_two_servers_do_not_share_a_folder(store):
    with pytest.raises(SetupError, match="IN_USE"):
        Store(store.folder)


def test_an_older_database_is_brought_up(tmp_path):
    db = sqlite3.connect(tmp_path / "lungspot.db")
    MIGRATIONS[0](db)
    db.execute("INSERT INTO readings (id, sha256, state, created) VALUES ('x', 'y', 'queued', 'z')")
    db.execute("PRAGMA user_version = 1")
    db.commit()
    db.close()
    store = Store(tmp_path)
    assert store.one("PRAGMA user_version")[0] == len(MIGRATIONS)
    assert store.claim().id == "x"
    assert store.all("SELECT * FROM reviews") == []
    store.close()


def test_a_newer_database_is_refused(tmp_path):
    db = sqlite3.connect(tmp_path / "lungspot.db")
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    with pytest.raises(SetupError, match="newer"):
        Store(tmp_path)


def test_a_damaged_database_is_refused_and_left_alone(tmp_path):
    (tmp_path / "lungspot.db").write_bytes(b"no database" * 100)
    for _ in range(2):  # the folder is given free again
        with pytest.raises(SetupError, match="NOT_READABLE: file is not a database; restore it from a backup"):
            Store(tmp_path)
    assert (tmp_path / "lungspot.db").read_bytes() == b"no database" * 100


def test_commits_reach_the_disk(store):
    assert store.one("PRAGMA synchronous")[0] == 2
    assert store.one("PRAGMA journal_mode")[0] == "wal"
    assert store.folder.stat().st_mode & 0o077 == 0
