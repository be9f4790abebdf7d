"""``lungspot`` without its start: a process that has imported what verbs need forks one for each command of the tests.

A start takes a processor about a second, and the tests of the server and of the documents make a hundred. What a
command does, its streams, its folder, its environment and its end are those of a program started anew. What a start
itself does is tried elsewhere: tests/test_network.py, tests/test_base_install.py, tests/test_architecture.py and every
test that starts ``python -m lungspot``.

This file is a module for tests (:class:`Warm`), the program that forks (``warm.py fork SOCKET``), and the command that
stands on the path as ``lungspot`` (``warm.py run SOCKET WORD...``).
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

_MOST = 1 << 20  # bytes of a command with its environment
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Warm:
    """One running command, as subprocess.Popen has it; ``pid`` is the command's own."""

    def __init__(self, address, words, *, stdin=0, stderr=2, env=None):
        asked = {"words": list(map(str, words)), "cwd": str(Path.cwd()), "env": dict(env or os.environ)}
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.connect(address)
        socket.send_fds(self._line, [json.dumps(asked).encode()], [stdin, 1, stderr])
        self.pid = int(self._line.recv(64))
        self.returncode = None

    def poll(self):
        """Return the exit status if it has ended, as Popen counts it, else None."""
        if self.returncode is None and select.select([self._line], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout=None):
        """Return the exit status; raises TimeoutError where it runs for longer than ``timeout`` seconds."""
        if self.returncode is None:
            self._line.settimeout(timeout)
            self.returncode = int(self._line.recv(64))
            self._line.close()
        return self.returncode

    def send_signal(self, number):
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        """End it at once."""
        self.send_signal(signal.SIGKILL)


@contextlib.contextmanager
def forking():
    """Run the program that forks, while it is in use; gives its address."""
    with tempfile.TemporaryDirectory() as folder:  # the name of a socket must be short
        address = f"{folder}/socket"
        command = [sys.executable, __file__, "fork", address]
        alone = os.environ | {"OMP_NUM_THREADS": "1"}  # else OpenBLAS has threads, and what forks may have none
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=alone) as forks:  # it ends when nobody reads it
            assert forks.stdout.readline()
            yield address


def _run(address, *words):
    """Be ``lungspot``: pass on words, streams and signals, and end as it ends."""
    command = Warm(address, words)
    for number in _PASSED_ON:
        signal.signal(number, lambda number, _: command.send_signal(number))
    status = command.wait()
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


def _fork(address):
    """Answer at ``address`` until nobody reads standard output any more: a child for each command that comes."""
    _import()
    threads = Path("/proc/self/task")
    assert (
        not threads.exists() or len(list(threads.iterdir())) == 1
    )  # else a child may wait for what none of its own holds
    told, tell = socket.socketpair()
    tell.settimeout(0)
    signal.set_wakeup_fd(tell.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running = {}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asked:
        asked.bind(address)
        asked.listen(64)
        os.write(1, b"ready\n")
        waited = select.poll()
        waited.register(asked, select.POLLIN)
        waited.register(told, select.POLLIN)
        waited.register(1, 0)  # says when nobody reads any more
        while 1 not in (ready := {descriptor for descriptor, _ in waited.poll()}):
            if told.fileno() in ready:
                told.recv(4096)
                _tell_ends(running)
            if asked.fileno() in ready:
                line, _ = asked.accept()
                said, streams, _, _ = socket.recv_fds(line, _MOST, 3)
                child = os.fork()
                if child == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for each in (asked, told, tell, line, *running.values()):
                        each.close()
                    return _become(streams, **json.loads(said))
                for each in streams:
                    os.close(each)
                line.send(str(child).encode())
                running[child] = line
    return None


def _tell_ends(running):
    """Say of every child that has ended how."""
    while running:
        child, status = os.waitpid(-1, os.WNOHANG)
        if child == 0:
            break
        with running.pop(child) as line, contextlib.suppress(BrokenPipeError):  # nobody waits for it
            line.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(streams, words, cwd, env):
    """Be the command, in the child."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["lungspot", *words]
    importlib.import_module("lungspot.cli").main()


def _import():
    """Import what verbs import when they run, onnxruntime's telemetry off as `lungspot.detect.session` has it."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    for name in (
        *("lungspot.cli", "lungspot.serve", "lungspot.pipeline", "lungspot.results", "lungspot.images.dicom"),
        *("lungspot.report.sr", "lungspot.report.seg", "lungspot.report.capture", "onnxruntime", "typer._adapters"),
    ):
        importlib.import_module(name)
    gc.freeze()


if __name__ == "__main__":
    {"fork": _fork, "run": _run}[sys.argv[1]](*sys.argv[2:])
