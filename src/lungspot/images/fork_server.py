"""A small process that forks the sandbox's children, so that a large one need not.

A fork copies the page tables of its process, and each page that it then writes to while the child lives: 5 to 20 ms a
film for a server that holds a network. :func:`use_fork_server` starts another Python that holds the decoders alone;
within it :func:`lungspot.images.sandbox.run` has its children forked there. Limits, errors and values are the same.

The two speak over Unix sockets that keep messages apart. A request brings three descriptors: the film (pickled
arguments), the area for the value, and a socket of its own, on which the child writes its outcome and the fork server
how it ended. A request whose socket the caller closes is over: its child is killed. When the caller is gone, the fork
server and all children go too; when the fork server is gone, :func:`run` forks as it does without.

Linux only; elsewhere, or where it cannot start, everything is as without it. The bytes that come back are judged as any
child's: nothing that a film could say is trusted here.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import math
import mmap
import os
import pickle
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from lungspot.images import sandbox

__all__ = ["use_fork_server"]

# First bytes of what the fork server itself says; a child's outcome begins with less.
_ENDED, _NO_CHILD, _BEGUN = 255, 254, 253
_SAID: Final = struct.Struct("<Bi")  # one of these, and a wait status, an errno or a process id
_GRACE: Final = 1.0  # seconds that a child may take to end once its caller is content, or gone
_LONGEST: Final = 1 << 17  # bytes of one message
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@contextlib.contextmanager
def use_fork_server() -> Iterator[bool]:
    """Have the sandbox's children forked by a small process meanwhile; give whether that could be started.

    Not for use by several threads at once; the films within may be read by any.
    """
    started = _start()
    if started is None:
        yield False
        return
    process, control = started
    before = sandbox.set_fork_backend(_Backend(control))
    try:
        yield True
    finally:
        sandbox.set_fork_backend(before)
        control.close()
        process.wait()


def _start() -> tuple[subprocess.Popen[bytes], socket.socket] | None:
    if not (hasattr(os, "memfd_create") and hasattr(os, "pidfd_open") and sys.executable):
        return None
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    alone = "-I" if sys.flags.isolated else "-P"  # the current folder may hold anything, modules too
    command = [sys.executable, alone, "-m", "lungspot.images.fork_server", str(theirs.fileno())]
    few = os.environ | dict.fromkeys(_THREADS, "1")
    with theirs:
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], env=few)  # noqa: S603 - ourselves
        except OSError:
            mine.close()
            return None
    return process, mine


# ---------------------------------------------------------------------------------------------------------- the caller


@dataclass(frozen=True, slots=True)
class _Backend:
    """The fork backend: what :func:`sandbox.run` calls in place of its own fork. ``control``: socket to the server."""

    control: socket.socket

    def __call__(
        self, function: Callable[..., object], args: Sequence[object], limits: sandbox.Limits, where: object
    ) -> tuple[bytes, int | None, mmap.mmap] | None:
        """Return outcome, wait status (None: not known) and area of one child; None where the fork server is gone."""
        began = time.monotonic()
        with contextlib.ExitStack() as left:
            try:
                mine, area = self._ask(left, function, args, limits)
            except (OSError, pickle.PicklingError, AttributeError, TypeError):
                return None  # no memory, no fork server, or a function that has no name there
            outcome = _await_outcome(mine, began, limits, where)
            return None if outcome is None else (*outcome, area)

    def _ask(
        self,
        left: contextlib.ExitStack,
        function: Callable[..., object],
        args: Sequence[object],
        limits: sandbox.Limits,
    ) -> tuple[socket.socket, mmap.mmap]:
        film, area = (_memory(left, name) for name in ("film", "value"))
        with open(film, "wb", closefd=False) as file:
            pickle.dump(args, file, protocol=5)
        os.lseek(film, 0, os.SEEK_SET)  # its place in the file travels along
        size = max(limits.result, mmap.PAGESIZE)
        os.truncate(area, size)
        mapped = mmap.mmap(area, size)
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        left.enter_context(mine)
        with theirs:
            socket.send_fds(self.control, [pickle.dumps((function, limits))], [film, area, theirs.fileno()])
        return mine, mapped


def _memory(left: contextlib.ExitStack, name: str) -> int:
    descriptor = os.memfd_create(f"lungspot-{name}")
    left.callback(os.close, descriptor)
    return descriptor


def _await_outcome(
    mine: socket.socket, began: float, limits: sandbox.Limits, where: object
) -> tuple[bytes, int | None] | None:
    """Return what the child said, or how it ended without a word; None where the fork server is gone."""
    child: int | None = None
    while (left := sandbox.time_left(began, limits, child)) > 0:
        mine.settimeout(left)
        try:
            message = mine.recv(_LONGEST)
        except TimeoutError:
            continue
        except OSError:
            return None
        if not message:
            return None
        kind, number = _SAID.unpack(message) if len(message) == _SAID.size else (0, 0)
        if kind == _NO_CHILD:
            raise sandbox.no_process(OSError(number, ""), where)
        if kind != _BEGUN:
            return (b"", number) if kind == _ENDED else (message, None)
        child = number
    return b"", signal.SIGALRM


# ----------------------------------------------------------------------------------------------------- the fork server


@dataclass(slots=True)
class _Child:
    """One child: the descriptor that tells its death, its caller's socket, and when it is killed, if then it lives."""

    pid: int
    death: int
    caller: socket.socket
    until: float = math.inf


class _ForkServer:
    """The loop of the small process, until the other end of ``control`` is closed."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, _Child] = {}  # by the descriptor that tells their death
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    def run(self) -> None:
        """Fork for each request, tell how each child ended, and kill those that nobody waits for."""
        asked = True
        while asked:
            for number, event in self._events():
                if number == self._control.fileno():
                    asked = self._accept()
                elif number in self._children:
                    self._reap(self._children.pop(number))
                elif event & (select.POLLHUP | select.POLLERR):
                    self._orphan(number)
            self._kill_late(math.inf if not asked else time.monotonic())

    def _events(self) -> list[tuple[int, int]]:
        """Wait; return what happened, requests last: they open descriptors, whose numbers must mean nothing before."""
        soonest = min((child.until for child in self._children.values()), default=math.inf)
        patience = None if soonest == math.inf else max(soonest - time.monotonic(), 0) * 1000
        return sorted(self._poll.poll(patience), key=lambda each: each[0] == self._control.fileno())

    def _accept(self) -> bool:
        """Fork for one request; False where there will be no more."""
        message: bytes = b""
        with contextlib.suppress(OSError):
            message, descriptors, _, _ = socket.recv_fds(self._control, _LONGEST, 3)
        if not message:
            return False
        film, area, answer = descriptors
        caller = socket.socket(fileno=answer)
        try:
            function, limits = pickle.loads(message)  # noqa: S301 - from the process that started this one
            pid = os.fork()
        except OSError as error:
            with contextlib.suppress(OSError):
                caller.send(_SAID.pack(_NO_CHILD, error.errno or errno.EAGAIN))
            caller.close()
        except (ImportError, AttributeError):
            caller.close()  # the caller forks by itself
        else:
            if pid == 0:
                _become_child(function, film, area, caller, limits)
            with contextlib.suppress(OSError):  # the caller is gone
                caller.send(_SAID.pack(_BEGUN, pid))
            child = _Child(pid, os.pidfd_open(pid), caller)
            self._children[child.death] = child
            self._poll.register(child.death, select.POLLIN)
            self._poll.register(caller, 0)  # hang-ups are told without asking
        os.close(film)
        os.close(area)
        return True

    def _reap(self, child: _Child) -> None:
        """Collect a child that has ended, tell its caller how, and close what belongs to it."""
        _, status = os.waitpid(child.pid, 0)
        self._poll.unregister(child.death)
        os.close(child.death)
        with contextlib.suppress(OSError):  # it has what it wanted, or is gone
            child.caller.send(_SAID.pack(_ENDED, status))
        with contextlib.suppress(KeyError):
            self._poll.unregister(child.caller)
        child.caller.close()

    def _orphan(self, number: int) -> None:
        """Give the child whose caller hung up a moment to end; ``number`` is the descriptor of the caller's socket."""
        with contextlib.suppress(KeyError):
            self._poll.unregister(number)
        for child in self._children.values():
            if child.caller.fileno() == number:
                child.until = time.monotonic() + _GRACE

    def _kill_late(self, now: float) -> None:
        for child in self._children.values():
            if child.until <= now:
                os.kill(child.pid, signal.SIGKILL)
                child.until = math.inf


def _become_child(
    function: Callable[..., object], film: int, area: int, caller: socket.socket, limits: sandbox.Limits
) -> NoReturn:
    """Read the arguments and run the function in this process, a child of the fork server."""
    try:
        with open(film, "rb", closefd=False) as file:
            args = pickle.load(file)  # noqa: S301 - from our caller: the arguments, not the film's format
        mapped = mmap.mmap(area, os.fstat(area).st_size)
        sandbox.run_child(function, args, limits, caller.fileno(), mapped)
    finally:
        os._exit(1)


def _main(descriptor: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the caller decides when this ends
        signal.signal(number, signal.SIG_IGN)
    import lungspot.images.read  # noqa: F401, PLC0415 - the decoders, for the children alone

    gc.collect()
    gc.freeze()  # else a collection would write to every page that the children share
    with socket.socket(fileno=descriptor) as control:
        _ForkServer(control).run()


if __name__ == "__main__":
    _main(int(sys.argv[1]))
