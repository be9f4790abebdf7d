import errno
import os
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from tests.queue.owner import enter

from lungspot.queue import ATTEMPTS, IN_A_ROW, back_off


def put(queue, *names):
    for name in names:
        enter(queue._folder, queue, name, f"bytes of {name}".encode())


def states(queue):
    return {row["name"]: row["state"] for row in queue._folder.all("SELECT * FROM film ORDER BY number")}


def files(queue):
    return sorted(path.name for path in queue._files.iterdir())


def test_a_film_lives_from_acceptance_to_its_end(queue):
    put(queue, "a")
    assert (queue.count, states(queue)) == (1, {"a": "new"})
    claim = queue.claim()
    assert (claim.key, claim.attempts, claim.row["number"], claim.exhausted) == ("a", 0, 1, False)
    assert queue.path("a").read_bytes() == b"bytes of a"
    assert (queue.claim(), queue.count) == (None, 1)
    assert queue.finish("a", "done", {"made": 1})
    assert (queue.count, states(queue)) == (0, {"a": "done"})


def test_all_films_of_one_acceptance_or_none(queue):
    paths = {name: queue._folder.incoming / name for name in "ab"}
    for path in paths.values():
        path.write_bytes(b"x")
    with pytest.raises(sqlite3.IntegrityError), queue.entering(paths) as db:
        db.executemany("INSERT INTO film (name, state) VALUES (?, ?)", [("a", "new"), ("b", None)])
    assert (states(queue), files(queue), queue.count) == ({}, [], 0)


@pytest.mark.parametrize("call", ["fsync", "replace", "writing"])
def test_a_disk_that_fails_at_any_step_leaves_nothing(queue, monkeypatch, call):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = queue._folder.incoming / "a"
    path.write_bytes(b"x")
    monkeypatch.setattr({"fsync": os, "replace": Path, "writing": queue._folder}[call], call, fail)
    with pytest.raises(OSError, match="space"), queue.entering({"a": path}) as db:
        db.execute("INSERT INTO film (name, state) VALUES ('a', 'new')")
    monkeypatch.undo()
    assert (states(queue), files(queue), queue.count) == ({}, [], 0)


def test_the_file_is_on_the_disk_before_its_row(queue, monkeypatch):
    """In the order of the calls that bring them there; a kill between any two is met in test_films_kill.py."""
    calls = []
    real = os.fsync, queue._folder.writing

    def sync(descriptor):
        calls.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real[0](descriptor)

    def writing():
        calls.append("row")
        return real[1]()

    path = queue._folder.incoming / "a"
    path.write_bytes(b"x")
    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(queue._folder, "writing", writing)
    with queue.entering({"a": path}) as db:
        assert files(queue) == ["a.dcm"]
        db.execute("INSERT INTO film (name, state) VALUES ('a', 'new')")
    assert calls == ["films", "row"]


def test_what_was_being_worked_on_waits_again_and_its_attempt_counts(queue, reopen):
    put(queue, "a", "b")
    assert queue.claim().key == "a"
    again = reopen()
    assert (again.count, states(again)) == (2, {"a": "new", "b": "new"})
    claim = again.claim()
    assert (claim.key, claim.attempts) == ("a", 1)


def test_a_film_that_ends_the_process_lets_others_go_first_and_is_exhausted_in_the_end(queue, reopen):
    put(queue, "a", "b")
    claims = [reopen().claim() for _ in range(2 * ATTEMPTS + 2)]
    order = (["a"] * IN_A_ROW + ["b"] * IN_A_ROW) * (ATTEMPTS // IN_A_ROW)
    assert [claim.key for claim in claims[: 2 * ATTEMPTS]] == order
    assert not any(claim.exhausted for claim in claims[: 2 * ATTEMPTS])
    assert claims[-1].exhausted


def test_released_films_are_due_later(queue, monkeypatch):
    put(queue, "a", "b")
    claim = queue.claim()
    assert queue.release("a", attempts=claim.attempts, seconds=100)
    assert queue.claim().key == "b"
    assert queue.claim() is None
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 101)
    claim = queue.claim()
    assert (claim.key, claim.attempts) == ("a", 0)
    assert queue.release("a", attempts=claim.attempts + 1)
    assert queue.claim().attempts == 1
    assert not queue.release("b", attempts=0, states=("done", "new"))


def test_a_clock_that_is_set_back_holds_up_no_film(queue, monkeypatch):
    put(queue, "a")
    queue.claim()
    queue.release("a", attempts=0, seconds=5)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 86400)
    assert queue.claim().key == "a"


def test_who_holds_no_claim_finishes_nothing(queue):
    put(queue, "a", "b")
    assert not queue.finish("a", "done")  # it waits, and nobody claimed it
    claim = queue.claim()
    assert queue.remove("a") == "busy"
    assert not queue.finish(claim.key, "done")
    assert not queue.release(claim.key, attempts=0)
    assert queue.remove("a") is None
    assert (states(queue), files(queue), queue.count) == ({"b": "new"}, ["b.dcm"], 1)


def test_a_result_and_what_goes_with_it_are_one_transaction(queue):
    def fail(db):
        db.execute("UPDATE film SET made = 5")
        raise ZeroDivisionError

    put(queue, "a")
    queue.claim()
    with pytest.raises(ZeroDivisionError):
        queue.finish("a", "done", also=fail)
    assert [tuple(row) for row in queue._folder.all("SELECT state, made FROM film")] == [("busy", 0)]
    assert queue.count == 1


def test_moves_are_counted(queue):
    put(queue, "a", "b")
    queue.claim()
    queue.move("a", "failed")
    assert queue.count == 1
    queue.move("a", "new", {"attempts": 0})
    assert queue.count == 2
    assert not queue.move("b", "done", only_from=("busy",))
    assert not queue.move("nobody", "done")
    assert queue.count == 2


def test_what_a_crash_left_is_told_apart(queue):
    put(queue, "a", "b", "c")
    queue.claim()
    queue.finish("a", "done")
    queue.path("b").unlink()
    queue.path("0" * 16).write_bytes(b"renamed, and its row never written")
    queue.path("stranger").write_bytes(b"somebody's")
    found = sorted((path.name, state) for path, state in queue.orphans(("new", "busy")))
    assert found == [(f"{'0' * 16}.dcm", None), ("a.dcm", "done")]
    assert queue.missing(("new", "busy")) == ["b"]


def test_threads_share_the_films(queue):
    put(queue, *(f"f{number}" for number in range(30)))
    claimed = []

    def work():
        while (claim := queue.claim()) is not None:
            claimed.append(claim.key)
            queue.finish(claim.key, "done")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(states(queue))
    assert queue.count == 0


@pytest.mark.parametrize(
    "happens",
    [
        lambda queue: put(queue, "b"),
        lambda queue: queue.finish("a", "done"),
        lambda queue: queue.release("a", attempts=0),
        lambda queue: queue.wake(),
    ],
    ids=["a new film", "a film done", "a film given back", "wake"],
)
def test_what_happens_to_films_ends_a_pause(queue, monkeypatch, happens):
    put(queue, "a")
    assert queue.claim().key == "a"
    waits, wait = threading.Event(), queue._changed.wait
    monkeypatch.setattr(queue._changed, "wait", lambda seconds: (waits.set(), wait(seconds)))  # the lock is held
    waiter = threading.Thread(target=queue.pause, args=(600,), daemon=True)
    waiter.start()
    assert waits.wait(60)
    waiter.join(0.2)
    assert waiter.is_alive()  # nothing has happened
    happens(queue)
    waiter.join(10)
    assert not waiter.is_alive()


def test_back_off():
    assert [back_off(count) for count in (0, 1, 2, 3, 9, 10, 1000)] == [0, 1, 2, 4, 256, 300, 300]
