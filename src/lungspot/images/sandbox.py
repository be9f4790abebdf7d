"""Run the decoder of an untrusted film in a forked child with limits, so that no film can take this process along.

Decoders are native code that believes what a file says: one of 644 bytes aborts the process, one of 6 kB asks for
3 GB. :func:`run` forks, limits the child, runs the function there and brings its value back:

- **memory**: ``RLIMIT_AS``, counted from what the process already uses; the kernel's OOM killer takes the child first
- **time**: ``RLIMIT_CPU``; the parent's deadline, which leaves out the time in which others had the processor; a timer
- **files**: ``RLIMIT_FSIZE`` 0 (nothing can be written), no core dump, every inherited descriptor closed; standard
  input, output and error are the null device, so that no decoder talks into the user's terminal or a server's log
- **signals**: the child ignores SIGINT, SIGTERM and SIGHUP (the parent decides, and kills it); no handler is inherited

It guards against crashes, hangs and greed, not against code that takes over the child: that would run as this user.

The value comes back through anonymous shared memory: arrays are used where the child left them, without a copy. Only
plain data, numpy arrays and lungspot's own values can come back.

A process that has grown large forks slowly: :func:`lungspot.images.fork_server.use_fork_server` has a small one do it.

A caller with threads (a server) may call :func:`run` from any of them. Import what the function needs **before** the
call: an import that another thread has half done at the moment of the fork can never finish in the child.

Where the system cannot fork (Windows), :func:`run` refuses with ``NO_SANDBOX``; ``limits=None`` runs a function here
and now without a child or limits, for films that the caller trusts.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import faulthandler
import gc
import mmap
import os
import pickle
import select
import signal
import struct
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

from lungspot.errors import FilmError, LungspotError, SetupError
from lungspot.images.result_transfer import copy_parts, pack, unpack

if sys.platform != "win32":
    import resource

__all__ = ["DEFAULT", "ForkBackend", "Limits", "no_process", "run", "run_child", "set_fork_backend", "time_left"]

T = TypeVar("T")

_MIB = 1 << 20
_HEADER = struct.Struct("<BI")  # kind of outcome, number of parts that lie in the shared memory
_PART = struct.Struct("<QQ")  # offset and length of one part
_VALUE, _ERROR, _OTHER, _MEMORY, _TOO_MUCH = range(5)
_LONGEST = 10  # times ``wall`` that a child may take on a machine that gives it no processor
_SHORTEST = 0.1  # seconds between two looks at how long a child has waited for a processor
_PATIENCE = 1.0  # seconds that a child may take to end once it has answered
_IGNORED = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may use: ``memory`` and ``result`` in bytes, ``cpu`` and ``wall`` in seconds.

    ``memory`` counts from what the process uses at the fork; ``result`` bounds the value that comes back. ``wall``
    leaves out the time in which the child waited for a processor that others had (Linux); ten times ``wall`` is the end
    in any case.
    """

    memory: int = 1024 * _MIB
    cpu: float = 10.0
    wall: float = 30.0
    result: int = 512 * _MIB


DEFAULT = Limits()

# What forks in this process's place, if anything does (:mod:`lungspot.images.fork_server`): given a function, its
# arguments, limits and the film's name, it returns what the child said, how it ended, and the area; None where it is
# gone.
ForkBackend = Callable[
    [Callable[..., object], Sequence[object], Limits, object], tuple[bytes, int | None, mmap.mmap] | None
]
_backend: ForkBackend | None = None


def set_fork_backend(backend: ForkBackend | None) -> ForkBackend | None:
    """Have ``backend`` start the children of :func:`run` from now on (None: this process does); return the one before.

    It holds for the whole process, all threads.
    """
    global _backend
    before, _backend = _backend, backend
    return before


def run(function: Callable[..., T], *args: object, limits: Limits | None = DEFAULT, where: object = None) -> T:
    """Return ``function(*args)``, run in a limited child; with ``limits=None``, run here.

    ``where`` names the film in errors. Raises what the function raises if it is a LungspotError; FilmError with
    NOT_DECODABLE for any other exception (with ``limits=None`` too), CRASHED, TIMED_OUT, OUT_OF_MEMORY, or TOO_LARGE
    for a value beyond ``limits.result``; SetupError NO_SANDBOX where no child can be started.
    """
    if limits is None:
        return _run_here(function, args, where)
    if not hasattr(os, "fork"):
        raise SetupError("NO_SANDBOX", where, f"{sys.platform} cannot fork")
    backend = _backend
    if backend is not None and (found := backend(function, args, limits, where)) is not None:
        said, status, area = found
        return cast("T", _receive(said, status, area, limits, where))
    began = time.monotonic()
    flags = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
    area = mmap.mmap(-1, max(limits.result, mmap.PAGESIZE), flags=flags)
    source, sink = os.pipe()
    try:
        child = _fork(where)
        if child == 0:
            run_child(function, args, limits, sink, area)
        os.close(sink)
        sink = -1
        outcome, status = _await(child, source, began, limits)
    finally:
        os.close(source)
        if sink >= 0:
            os.close(sink)
    return cast("T", _receive(outcome, status, area, limits, where))


# ---------------------------------------------------------------------------------------------------------- the parent


def _fork(where: object) -> int:
    """Fork with every signal held back, so that no Python handler of the parent runs in the child."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    child = -1
    try:
        with warnings.catch_warnings():  # Python 3.12 warns of locks that other threads hold; the child takes none
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
    except OSError as error:
        raise no_process(error, where) from None
    finally:
        if child != 0:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return child


def no_process(error: OSError, where: object) -> SetupError:
    """Return the error for a system that gives no process."""
    reason = errno.errorcode.get(error.errno or 0, "?")
    said = f"no process can be started ({reason})"
    return SetupError("NO_SANDBOX", where, said, advice="free memory or raise `ulimit -u`")


def time_left(began: float, limits: Limits, child: int | None) -> float:
    """Return the seconds that a child (its process id, None: not known) still has; 0 where its time is over.

    ``began``: when, by ``time.monotonic``. Asked again after so many seconds the answer may be longer: a child that
    waits for a processor is not counted as working.
    """
    passed = time.monotonic() - began
    left = limits.wall - passed
    if left <= 0 and child is not None:
        left = max(min(limits.wall + _waited(child), _LONGEST * limits.wall) - passed, 0)
        return max(left, _SHORTEST) if left else 0
    return max(left, 0)


def _waited(child: int) -> float:
    """Return the seconds that the busiest thread of a process was ready to run and did not; 0 where nobody says."""
    longest = 0
    with contextlib.suppress(OSError, ValueError):
        for thread in Path(f"/proc/{child}/task").iterdir():
            _, off_it, *_ = (thread / "schedstat").read_text("ascii").split()
            longest = max(longest, int(off_it))
    return longest / 1e9


def _await(child: int, source: int, began: float, limits: Limits) -> tuple[bytes, int | None]:
    """Return what the child said and its exit status (None: not known); it is gone when this returns or raises."""
    said = b""
    ended = False
    with _watch(child) as death:
        try:
            poll = select.poll()
            poll.register(source, select.POLLIN)
            if death >= 0:  # another process may hold the pipe open; the death of the child is certain
                poll.register(death, select.POLLIN)
            while not ended and (left := time_left(began, limits, child)) > 0:
                ready = {descriptor for descriptor, _ in poll.poll(left * 1000)}
                piece = os.read(source, 65536) if source in ready else b""
                said += piece
                ended = bool(ready) and (not piece or _is_whole(said))
        finally:  # also on KeyboardInterrupt
            status = _reap(child, death, patience=_PATIENCE if ended else 0.0)
    return said, status if ended else signal.SIGALRM


@contextlib.contextmanager
def _watch(child: int) -> Iterator[int]:
    """Give a descriptor that becomes readable when the child dies, or -1 where the system has none."""
    descriptor = -1
    if hasattr(os, "pidfd_open"):
        with contextlib.suppress(OSError):
            descriptor = os.pidfd_open(child)
    try:
        yield descriptor
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _reap(child: int, death: int, patience: float) -> int | None:
    """Let the child end within ``patience`` seconds, else kill it (then None); leave no zombie."""
    until = time.monotonic() + patience
    with contextlib.suppress(ChildProcessError, ProcessLookupError):  # the program ignores SIGCHLD, or reaps any child
        while (left := until - time.monotonic()) > 0:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return status
            if death >= 0:
                select.select([death], [], [], left)
            else:
                time.sleep(0.001)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return None


def _is_whole(said: bytes) -> bool:
    return len(said) >= _HEADER.size and len(said) >= _HEADER.size + int(_HEADER.unpack_from(said)[1]) * _PART.size


def _receive(said: bytes, status: int | None, area: mmap.mmap, limits: Limits, where: object) -> Any:  # noqa: ANN401 - any value
    """Return the child's value, or raise what became of it."""
    if not _is_whole(said):
        raise _death(status, limits, where)
    kind, count = _HEADER.unpack_from(said)
    parts = [_PART.unpack_from(said, _HEADER.size + i * _PART.size) for i in range(count)]
    used = max((offset + length for offset, length in parts), default=0)
    if kind == _MEMORY:
        raise FilmError("OUT_OF_MEMORY", where, f"it needs more than {limits.memory // _MIB} MiB")
    if kind == _TOO_MUCH:
        raise FilmError("TOO_LARGE", where, f"its value needs more than {limits.result // _MIB} MiB")
    if kind not in {_VALUE, _ERROR, _OTHER} or not parts or used > len(area):
        raise FilmError("CRASHED", where, "the decoder's answer makes no sense")
    with contextlib.suppress(OSError, SystemError, ValueError):  # give the unused addresses back, where one can
        area.resize(max(used, 1))
    view = memoryview(area)
    views = [view[offset : offset + length] for offset, length in parts]
    try:
        value = unpack(views)
    except (pickle.UnpicklingError, ValueError, EOFError, AttributeError, ImportError, IndexError) as error:
        raise FilmError("CRASHED", where, f"the decoder's answer makes no sense ({type(error).__name__})") from None
    if kind == _VALUE:
        return value
    if kind == _ERROR and isinstance(value, LungspotError):
        value.where = value.where or ("" if where is None else str(where))
        raise value
    raise _refusal(*value, where=where)


def _refusal(name: str, trace: str, *, where: object) -> FilmError:
    """Return the one error for whatever a decoder raises; the traceback travels as a note, never in the line."""
    error = FilmError("NOT_DECODABLE", where, f"the decoder refused it ({name})")
    error.add_note(trace)
    return error


def _death(status: int | None, limits: Limits, where: object) -> FilmError:
    """Return the error that says how a child without an answer died."""
    if status is None or not os.WIFSIGNALED(status):
        return FilmError("CRASHED", where, "the decoder ended the process")
    number = os.WTERMSIG(status)
    if number in {signal.SIGXCPU, signal.SIGALRM}:
        allowed = f"{limits.cpu:g} s of computing" if number == signal.SIGXCPU else f"{limits.wall:g} s"
        return FilmError("TIMED_OUT", where, f"not decoded within {allowed}")
    if number == signal.SIGKILL:
        return FilmError("OUT_OF_MEMORY", where, "the system stopped the decoder, most likely for want of memory")
    name = signal.Signals(number).name if number in signal.valid_signals() else f"signal {number}"
    return FilmError("CRASHED", where, f"the decoder died of {name}")


def _run_here(function: Callable[..., T], args: Sequence[object], where: object) -> T:
    """Run in this process, without limits, but with the same errors."""
    try:
        return function(*args)
    except LungspotError as error:
        error.where = error.where or ("" if where is None else str(where))
        raise
    except MemoryError:
        raise FilmError("OUT_OF_MEMORY", where, "it needs more memory than there is") from None
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - a Rust panic is not an Exception
        raise _refusal(type(error).__name__, traceback.format_exc(), where=where) from None


# ----------------------------------------------------------------------------------------------------------- the child


def run_child(
    function: Callable[..., object], args: Sequence[object], limits: Limits, sink: int, area: mmap.mmap
) -> NoReturn:
    """Run the function in the child, lay its value into ``area``, say where, and end."""
    code = 1
    try:
        restore = _confine(limits, sink)
        _answer(function, args, sink, area)
        restore()
        code = 0
    finally:
        os._exit(code)  # no handlers of the parent, no buffers of the parent


def _confine(limits: Limits, sink: int) -> Callable[[], None]:
    """Limit this process; return what lets it write files again, for exit hooks such as coverage's."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN if number in _IGNORED else signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write is refused with EFBIG; the decoder may then say so
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.setitimer(signal.ITIMER_REAL, _LONGEST * limits.wall)
    gc.disable()  # a collection would copy every page that the parent shares
    _drop_free_memory()
    faulthandler.disable()

    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.closerange(3, sink)
    os.closerange(sink + 1, max(_most_files(), sink + 1))
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for as long as the child lives
    sys.stdout = sys.stderr = open(1, "w", closefd=False)  # noqa: SIM115 - likewise

    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as adjust:  # noqa: PTH123 - no pathlib in a child that must be quick
        adjust.write("1000")
    seconds = max(1, round(limits.cpu + 0.499))
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_CPU, seconds, grace=1)  # SIGXCPU, and a second later SIGKILL
    used = _address_space()
    if used:
        _lower(resource.RLIMIT_AS, used + limits.memory)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _drop_free_memory() -> None:
    """Give free memory inherited from the parent back: to write to it would copy it first, page by page."""
    with contextlib.suppress(AttributeError, OSError):  # a system whose C library is not glibc
        ctypes.CDLL(None).malloc_trim(0)


def _most_files() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return int(hard) if 0 < hard < 1 << 31 else (1 << 31) - 1


def _lower(which: int, value: int, *, grace: int = 0) -> None:
    _, hard = resource.getrlimit(which)
    limits = [value if hard == resource.RLIM_INFINITY else min(value, hard) for value in (value, value + grace)]
    resource.setrlimit(which, (limits[0], limits[1]))


def _address_space() -> int:
    """Return the bytes of address space this process has, or 0 where the system does not say (then no memory limit)."""
    try:
        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - no pathlib in a child that must be quick
            return int(statm.read().split()[0]) * mmap.PAGESIZE
    except OSError:
        return 0


def _answer(function: Callable[..., object], args: Sequence[object], sink: int, area: mmap.mmap) -> None:
    try:
        try:
            parts = pack(function(*args))
            kind = _VALUE
        except LungspotError as error:
            parts, kind = pack(error), _ERROR
        except MemoryError:
            raise
        except BaseException as error:  # noqa: BLE001 - a Rust panic is not an Exception
            parts, kind = pack((type(error).__name__, traceback.format_exc(limit=-20))), _OTHER
        table = copy_parts(parts, area)
        said = _HEADER.pack(kind if table else _TOO_MUCH, len(table)) + b"".join(_PART.pack(*part) for part in table)
    except MemoryError:
        said = _HEADER.pack(_MEMORY, 0)
    while said:
        said = said[os.write(sink, said) :]
