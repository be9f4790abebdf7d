"""Small archives that the generated network reads, and the verb that reads them."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from lungspot.cli.app import run
from lungspot.formats import film_columns, shard_files


@pytest.fixture(scope="session")
def small_archive(upright_film):
    """A function that writes so many different films into a folder, and returns it."""

    def make(folder, number, first=0):
        folder.mkdir(parents=True, exist_ok=True)
        for seed in range(first, first + number):
            upright_film(seed).save(folder / f"{seed:04d}.png")
        return folder

    return make


@pytest.fixture(scope="session")
def batch_command(model_file):
    """The words of a run, for a process of its own."""
    return lambda *words: [sys.executable, "-m", "lungspot", "batch", *map(str, words), "--model", str(model_file)]


@pytest.fixture(scope="session")
def batch_of(model_file):
    """A function that runs the verb here; returns its exit code and the numbers of the run that it writes down."""

    def call(out, *words):
        code = run(["batch", *map(str, words), "-o", str(out), "--model", str(model_file), "-q"])
        summary = out / "summary.json"
        return code, json.loads(summary.read_text())["run"] if summary.exists() else None

    return call


@pytest.fixture(scope="session")
def rows_in():
    """A function that returns the rows of all films in a folder of results, by the name of the film's file."""

    def rows(out, *columns):
        found = []
        wanted = ("film", "status", "sha256", "reasons", *columns)
        for file in shard_files(out):
            columns = film_columns(file, wanted).values()
            found += [dict(zip(wanted, values, strict=True)) for values in zip(*columns, strict=True)]
        return found

    return rows


@pytest.fixture(scope="session")
def each_once(rows_in):
    """A function that asserts that every film of so many has one row, and each SHA-256 was judged once."""

    def check(out, number):
        rows = rows_in(out)
        assert Counter(row["film"] for row in rows).most_common(1)[0][1] == 1
        assert len(rows) == number
        judged = Counter(row["sha256"] for row in rows if row["status"] in {"assessed", "not_assessed"})
        assert set(judged.values()) == {1}

    return check


@pytest.fixture(scope="session")
def children_of():
    """A function that returns the process ids whose parent a process is (Linux)."""

    def children(pid):
        try:
            return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]
        except OSError:
            return []

    return children


@pytest.fixture(scope="session")
def start():
    """A function that starts a program; its output goes nowhere, its errors into a ``log`` where one is given."""

    def begin(command, more=(), log=os.devnull):
        with Path(log).open("ab") as errors:
            return subprocess.Popen(command, env=os.environ | dict(more), stdout=subprocess.DEVNULL, stderr=errors)

    return begin
