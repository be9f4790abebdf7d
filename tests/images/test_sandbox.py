import contextlib
import ctypes
import errno
import gc
import mmap
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from lungspot.errors import FilmError, SetupError
from lungspot.findings import Box, State
from lungspot.images import sandbox
from lungspot.images.sandbox import Limits, run

MIB = 1 << 20


class PanicError(BaseException):
    """What pyo3 raises when Rust panics: not an Exception."""


def raise_panic():
    raise PanicError("attempt to subtract with overflow")


def raise_secret():
    raise ValueError("ZZSECRET^NAME")


def raise_film():
    raise FilmError("TRUNCATED", None, "cut")


def raise_film_elsewhere():
    raise FilmError("TRUNCATED", "inner.dcm", "cut")


def recurse():
    return recurse()


def segfault():
    ctypes.string_at(0)


def spin():
    while True:
        pass


def sleep():
    time.sleep(60)


def stop():
    os.kill(os.getpid(), signal.SIGSTOP)


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def allocate():
    return [np.ones(16 * MIB, np.uint8) for _ in range(64)]


def end_early():
    os._exit(0)


def leave():
    sys.exit(3)


@pytest.mark.parametrize(
    ("function", "limits", "code", "says"),
    [
        (raise_film, Limits(), "TRUNCATED", "film.dcm: TRUNCATED: cut"),
        (raise_film_elsewhere, Limits(), "TRUNCATED", "inner.dcm: TRUNCATED: cut"),
        (raise_secret, Limits(), "NOT_DECODABLE", "ValueError"),
        (raise_panic, Limits(), "NOT_DECODABLE", "PanicError"),
        (recurse, Limits(), "NOT_DECODABLE", "RecursionError"),
        (leave, Limits(), "NOT_DECODABLE", "SystemExit"),
        (os.abort, Limits(), "CRASHED", "SIGABRT"),
        (segfault, Limits(), "CRASHED", "SIGSEGV"),
        (end_early, Limits(), "CRASHED", "ended the process"),
        (kill, Limits(), "OUT_OF_MEMORY", "the system stopped"),
        (spin, Limits(cpu=1), "TIMED_OUT", "1 s of computing"),
        (spin, Limits(wall=0.2), "TIMED_OUT", "0.2 s"),
        (sleep, Limits(wall=0.2), "TIMED_OUT", "0.2 s"),
        (stop, Limits(wall=0.2), "TIMED_OUT", "0.2 s"),
        (allocate, Limits(memory=128 * MIB), "OUT_OF_MEMORY", "128 MiB"),
        (lambda: np.zeros(8 * MIB, np.uint8), Limits(result=MIB), "TOO_LARGE", "1 MiB"),
        (lambda: [np.zeros(1) for _ in range(5000)], Limits(), "TOO_LARGE", "512 MiB"),
        (lambda: print, Limits(), "CRASHED", "makes no sense"),  # a value of a kind that may not come back
        (lambda: os.path, Limits(), "NOT_DECODABLE", "TypeError"),  # a value that cannot be sent
    ],
)
def test_each_way_to_fail_has_its_code_and_one_line(function, limits, code, says):
    with pytest.raises(FilmError) as caught:
        run(function, limits=limits, where="film.dcm")
    assert caught.value.code == code
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "ZZSECRET" not in str(caught.value)


def test_what_a_decoder_said_travels_as_a_note():
    with pytest.raises(FilmError) as caught:
        run(raise_secret)
    assert any("raise_secret" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("limits", [Limits(), None])
def test_values_come_back(limits):
    given = {
        "plain": [1, 2.5, "x", b"y", None, True, (1, 2), {3}, frozenset({4}), range(5), 1j],
        "box": Box(1, 2, 3, 4),
        "scalar": np.float32(0.5),
        "text": np.array(["a", "bc"]),
        "empty": np.zeros((0, 3)),
        "strided": np.arange(10)[::2],
        "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "big": np.arange(3 * MIB, dtype=np.float32).reshape(3, -1),
    }
    found = run(lambda: given, limits=limits)
    assert list(found) == list(given)
    assert found["plain"] == given["plain"]
    assert found["box"] == given["box"]
    for name in ("scalar", "text", "empty", "strided", "fortran", "big"):
        np.testing.assert_array_equal(found[name], given[name])
        assert found[name].dtype == given[name].dtype


def test_a_large_array_is_not_copied_into_the_parent_and_outlives_the_call():
    film = run(lambda: np.full((1024, 1024), 0.25, np.float32))
    base = film
    while getattr(base, "base", None) is not None:
        base = base.base
    assert isinstance(base.obj, mmap.mmap)
    gc.collect()
    assert film.sum() == 1024 * 1024 / 4
    assert len(base.obj) < 6 * MIB  # what the child did not use was given back
    frozen = np.zeros(4)
    frozen.flags.writeable = False
    assert not run(lambda: frozen).flags.writeable


def test_a_child_may_name_only_plain_values():
    class Sneaky:
        def __init__(self, *what):
            self.what = what

        def __reduce__(self):
            return self.what

    for what in [(os.getpid, ()), (eval, ("1",)), (run, (os.getpid,)), (np.load, ("x",)), (Path, ("x",))]:
        with pytest.raises(FilmError, match="CRASHED"):
            run(Sneaky, *what)


def test_a_decoder_is_silent(capfd):
    def talk():
        sys.stdout.write("to stdout")
        sys.stderr.write("to stderr")
        os.write(1, b"raw out")
        os.write(2, b"raw err")
        return os.read(0, 1)

    assert run(talk) == b""
    with pytest.raises(FilmError):
        run(segfault)  # pytest's faulthandler would print the stack
    assert capfd.readouterr() == ("", "")


def test_unflushed_output_of_the_parent_appears_once():
    code = "import sys; sys.stdout.write('once '); from lungspot.images.sandbox import run; run(print)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout == "once "


def test_no_file_can_be_written_and_no_core_is_dumped(tmp_path):
    def write():
        with (tmp_path / "found").open("wb", buffering=0) as file:
            file.write(b"x" * 10)

    with pytest.raises(FilmError, match="OSError"):
        run(write)
    assert (tmp_path / "found").stat().st_size == 0
    assert run(lambda: resource.getrlimit(resource.RLIMIT_CORE)) == (0, 0)


def test_no_descriptor_is_inherited():
    with Path(os.devnull).open("rb") as file:
        held = file.fileno()

        def descriptors():
            return [int(name) for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")]  # noqa: PTH110, PTH208

        found = run(descriptors)
    assert held not in found or found.index(held) > 2
    assert sorted(found)[:3] == [0, 1, 2]
    assert len(found) <= 4  # and the pipe


def descriptors_and_children():
    children = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text()
    return len(os.listdir("/proc/self/fd")), children.split()  # noqa: PTH208


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc, which this system lacks")
def test_nothing_is_left_behind_not_a_descriptor_not_a_zombie_not_memory():
    def grown():
        with contextlib.suppress(FilmError):
            run(segfault)
        with contextlib.suppress(FilmError):
            run(sleep, limits=Limits(wall=0.01))
        run(lambda: np.zeros(MIB))
        with contextlib.suppress(FilmError):
            run(lambda: np.zeros(8 * MIB, np.uint8), limits=Limits(result=MIB))

    grown()
    gc.collect()
    before, maps = descriptors_and_children(), Path("/proc/self/maps").read_text().count("\n")
    for _ in range(20):
        grown()
    gc.collect()
    assert descriptors_and_children() == before
    assert Path("/proc/self/maps").read_text().count("\n") < maps + 10


def test_a_parent_that_is_interrupted_takes_its_child_along():
    pid_file = mmap.mmap(-1, 8)

    def linger():
        pid_file[:8] = os.getpid().to_bytes(8, "little")
        time.sleep(60)

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(linger)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    child = int.from_bytes(pid_file[:8], "little")
    assert child
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_the_parents_handlers_do_not_run_in_the_child():
    ran = mmap.mmap(-1, 1)
    before = {
        number: signal.signal(number, lambda *_: ran.__setitem__(0, 1)) for number in (signal.SIGTERM, signal.SIGUSR1)
    }
    try:
        run(lambda: os.kill(os.getpid(), signal.SIGTERM))  # a stop request is the parent's to act on
        with pytest.raises(FilmError, match="SIGUSR1"):
            run(lambda: os.kill(os.getpid(), signal.SIGUSR1))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert ran[0] == 0


def test_signals_held_back_by_the_parent_still_end_the_child():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGXCPU})
    try:
        with pytest.raises(FilmError, match="TIMED_OUT"):
            run(spin, limits=Limits(cpu=1))
        assert signal.SIGALRM in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_a_program_that_ignores_its_children_gets_its_value():
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert run(lambda: np.arange(3)).tolist() == [0, 1, 2]
        with pytest.raises(FilmError, match="CRASHED"):
            run(segfault)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_many_threads_fork_at_once():
    found = {}

    def work(name):
        for i in range(10):
            found[name, i] = int(run(np.full, 1000, name * 100 + i).sum()) // 1000

    threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {(name, i): name * 100 + i for name in range(6) for i in range(10)}


def test_a_child_may_fork_in_turn():
    assert run(lambda: run(lambda: 7, limits=Limits(result=MIB))) == 7


def test_a_lower_limit_of_the_system_stays():
    def inner():
        resource.setrlimit(resource.RLIMIT_CPU, (3, 3))
        return run(lambda: resource.getrlimit(resource.RLIMIT_CPU), limits=Limits(cpu=10, result=MIB))

    assert run(inner) == (3, 3)


def test_a_system_without_fork_refuses_and_a_trusting_caller_runs_here(monkeypatch):
    monkeypatch.delattr(os, "fork")
    with pytest.raises(SetupError, match=r"film\.dcm: NO_SANDBOX"):
        run(int, where="film.dcm")
    assert run(os.getpid, limits=None) == os.getpid()


def test_a_system_without_room_for_a_process_says_so(monkeypatch):
    def refuse():
        raise OSError(errno.EAGAIN, "no")

    monkeypatch.setattr(os, "fork", refuse)
    with pytest.raises(SetupError, match=r"NO_SANDBOX: no process can be started \(EAGAIN\); free memory"):
        run(int)
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_system_without_pidfd_or_proc_still_runs(monkeypatch):
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    monkeypatch.setattr(sandbox, "_address_space", int)
    assert run(lambda: 7) == 7
    with pytest.raises(FilmError, match="SIGSEGV"):
        run(segfault)


@pytest.mark.parametrize(
    ("function", "code"),
    [(raise_film, "TRUNCATED"), (raise_secret, "NOT_DECODABLE"), (raise_panic, "NOT_DECODABLE")],
)
def test_without_a_fence_the_errors_are_the_same(function, code):
    with pytest.raises(FilmError) as caught:
        run(function, limits=None, where="film.dcm")
    assert (caught.value.code, caught.value.where) == (code, "film.dcm")


def test_without_a_fence_memory_and_the_users_interrupt_keep_their_meaning():
    def want_more():
        raise MemoryError

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(FilmError, match="OUT_OF_MEMORY"):
        run(want_more, limits=None)
    with pytest.raises(KeyboardInterrupt):
        run(interrupt, limits=None)


def test_a_child_does_not_outlive_a_killed_parent_for_long():
    code = """
import os, signal, threading, time
from pathlib import Path
from lungspot.images.sandbox import Limits, run
def die():
    children = ""
    while not children:
        time.sleep(0.01)
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    os.write(1, children.encode())
    os.kill(os.getpid(), signal.SIGKILL)
threading.Thread(target=die).start()
run(time.sleep, 60, limits=Limits(wall=0.5))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    child = Path(f"/proc/{int(done.stdout)}/stat")
    until = time.monotonic() + 20
    while child.exists() and child.read_text().split()[2] != "Z" and time.monotonic() < until:
        time.sleep(0.05)
    assert not child.exists() or child.read_text().split()[2] == "Z"  # Z: dead, though nobody has asked for its status


def test_an_enumeration_comes_back_as_itself():
    assert run(lambda: State.BOXED) is State.BOXED
