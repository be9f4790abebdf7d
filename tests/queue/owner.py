"""The smallest owner of a queue; run as a program, it works on its queue until it is killed and says what it did.

    python tests/queue/owner.py FOLDER FIRST

accepts films from number FIRST on by one thread, and works on them by another. A line `in KEY` is printed after a film
was accepted, `out KEY` before its result is written down (it is on the disk by then).
"""

import hashlib
import os
import sys
import threading
from itertools import count
from pathlib import Path

from lungspot.durable import write_atomic
from lungspot.queue import FilmQueue, QueueFolder


def make_table(db):
    db.execute(
        """CREATE TABLE film (
            number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, state TEXT NOT NULL,
            attempts INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL DEFAULT 0, made INTEGER NOT NULL DEFAULT 0
        ) STRICT"""
    )


def open_queue(path):
    """Return the folder and the queue, put in order as `serve` and `node` do."""
    folder = QueueFolder(path, "q.db", (make_table,), folders=("films", "results"), owner="test", option="--q")
    queue = FilmQueue(folder, "films", table="film", key="name", waiting="new", working="busy", suffix=".dcm")
    for orphan, _ in queue.orphans(("new", "busy")):
        orphan.unlink()
    return folder, queue


def enter(folder, queue, name, data):
    """Accept one film."""
    path = folder.incoming / name
    write_atomic(path, data)
    with queue.entering({name: path}) as db:
        db.execute("INSERT INTO film (name, state) VALUES (?, 'new')", (name,))


def bytes_of(name):
    return name.encode() * 10_000


def result_of(data):
    return hashlib.sha256(data).digest()


def say(*words):
    os.write(1, (" ".join(words) + "\n").encode())  # one write: a kill cuts no line in two


def main():
    path = Path(sys.argv[1])
    folder, queue = open_queue(path)

    def accept():
        for number in count(int(sys.argv[2])):
            enter(folder, queue, f"{number:016x}", bytes_of(f"{number:016x}"))
            say("in", f"{number:016x}")

    threading.Thread(target=accept, daemon=True).start()
    while True:
        claim = queue.claim()
        if claim is None:
            queue.pause(1)
            continue
        write_atomic(path / "results" / claim.key, result_of(queue.path(claim.key).read_bytes()))
        say("out", claim.key)
        queue.finish(claim.key, "done", {"made": claim.row["made"] + 1})
        queue.path(claim.key).unlink()


if __name__ == "__main__":
    main()
