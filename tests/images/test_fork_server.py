"""The sandbox's children, forked by a small process: the same values and errors, and nobody is left behind."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from lungspot.errors import FilmError, LungspotError
from lungspot.images import read, use_fork_server
from lungspot.images.sandbox import Limits, run

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="only Linux has memfd_create")


@pytest.fixture
def server():
    """The process id of a running fork server."""
    with use_fork_server() as started:
        assert started
        yield run(os.getppid)


def gone(pid, patience=10.0):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def children(pid):
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def idle(pid, patience=10.0):
    """Wait until a fork server has no child, and has let go of the last one's descriptors."""
    end = time.monotonic() + patience
    while (left := children(pid)) and time.monotonic() < end:
        time.sleep(0.02)
    assert not left
    time.sleep(0.1)  # it lets go just after


def outcome(data):
    try:
        film = read(data)
    except LungspotError as error:
        return error.code, error.reason
    return film.pixels.tobytes(), film.origin, film.bits, film.notices


def test_children_are_forked_there_and_only_meanwhile(server):
    assert server not in {os.getpid(), run(os.getpid)}
    assert run(os.getppid) == server
    with use_fork_server():
        assert run(os.getppid) not in {server, os.getpid()}
    assert run(os.getppid) == server


def test_afterwards_this_process_forks_again_and_the_other_is_gone():
    with use_fork_server():
        pid = run(os.getppid)
    assert gone(pid)
    assert run(os.getppid) == os.getpid()


@pytest.mark.no_cover
def test_every_encoding_gives_the_same(seeds, server):
    made = [seed for seed in seeds if not seed[0].endswith(".dcm")]  # in every syntax and form; and some found films
    seeds = [*made, *[seed for seed in seeds if seed[0].endswith(".dcm")][::3]]
    there = [outcome(data) for _, data in seeds]
    assert run(os.getppid) == server
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lungspot.images.sandbox._backend", None)
        here = [outcome(data) for _, data in seeds]
    for (name, _), a, b in zip(seeds, there, here, strict=True):
        assert a == b, name
    assert sum(isinstance(each[0], bytes) for each in here) > 20


@pytest.mark.parametrize(
    ("function", "args", "limits", "code"),
    [
        (os.abort, (), Limits(), "CRASHED"),
        (os._exit, (0,), Limits(), "CRASHED"),
        (signal.raise_signal, (signal.SIGKILL,), Limits(), "OUT_OF_MEMORY"),
        (time.sleep, (60,), Limits(wall=0.3), "TIMED_OUT"),
        (bytearray, (1 << 34,), Limits(), "OUT_OF_MEMORY"),
        (bytes, (1 << 22,), Limits(result=1 << 20), "TOO_LARGE"),
        (int, ("x",), Limits(), "NOT_DECODABLE"),
    ],
)
def test_each_way_to_fail_has_the_same_code(function, args, limits, code, server):
    for place in (server, None):
        with pytest.MonkeyPatch.context() as patch:
            if place is None:
                patch.setattr("lungspot.images.sandbox._backend", None)
            with pytest.raises(FilmError) as caught:
                run(function, *args, limits=limits, where="film")
        assert (caught.value.code, caught.value.where) == (code, "film")
    assert run(os.getppid) == server


def test_a_child_that_is_too_slow_is_gone_soon(server):
    with pytest.raises(FilmError, match="TIMED_OUT"):
        run(time.sleep, 60, limits=Limits(wall=0.2, cpu=60))
    idle(server)


def test_many_threads_ask_at_once(server):
    blocks = [bytes([n]) * (1 << 18) for n in range(64)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda block: run(bytes.upper, block), blocks)) == [block.upper() for block in blocks]
    assert run(os.getppid) == server


def test_no_descriptor_stays_once_a_film_is_dropped(server, gradient):
    def count():
        return [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in ("self", server)]

    run(np.add, gradient, 1)
    idle(server)
    before = count()
    for _ in range(20):
        run(np.add, gradient, 1)
        with pytest.raises(FilmError):
            run(os.abort)
    idle(server)
    assert count() == before


def test_a_fork_server_that_is_killed_is_done_without(server):
    os.kill(server, signal.SIGKILL)
    assert gone(server)
    assert run(os.getppid) == os.getpid()
    with pytest.raises(FilmError, match="CRASHED"):
        run(os.abort)


def test_a_fork_server_that_is_killed_meanwhile_costs_no_film(server):
    with ThreadPoolExecutor(1) as pool:
        film = pool.submit(run, time.sleep, 1)
        time.sleep(0.3)
        os.kill(server, signal.SIGKILL)
        assert film.result() is None


def test_what_has_no_name_there_is_forked_here(server):
    assert run(lambda: [os.getppid()]) == [os.getpid()]
    assert run(os.getppid) == server


def test_where_it_cannot_start_everything_is_as_without_it(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/does/not/exist")
    with use_fork_server() as started:
        assert not started
        assert run(os.getppid) == os.getpid()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with use_fork_server():
        assert run(os.getppid) == os.getpid()


def test_the_current_folder_gives_it_no_modules(tmp_path):
    (tmp_path / "numpy.py").write_text("raise SystemExit('taken over')")
    (tmp_path / "lungspot.py").write_text("raise SystemExit('taken over')")
    code = "import os; from lungspot.images import use_fork_server; from lungspot.images.sandbox import run\n"
    code += "with use_fork_server(): print(run(os.getppid) != os.getpid())"
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("True\n", "")


LEAVE = """
import os, sys, threading, time
from lungspot.images import use_fork_server
from lungspot.images.sandbox import run

with use_fork_server():
    print(run(os.getppid), flush=True)
    run(time.sleep, 60)
"""


def test_nobody_outlives_a_killed_caller():
    with subprocess.Popen([sys.executable, "-c", LEAVE], stdout=subprocess.PIPE, text=True) as caller:
        server = int(caller.stdout.readline())
        end = time.monotonic() + 10
        while not (left := children(server)) and time.monotonic() < end:
            time.sleep(0.02)
        caller.kill()
    assert left
    assert all(map(gone, [server, *left]))
