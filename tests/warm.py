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
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=alone) as forks:
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
    """Answer at ``address`` until standard input ends: for each command a process, and one that attends to it."""
    _import()
    # A process that is forked has one thread, and may wait for the others that its parent had.
    assert len(list(Path("/proc/self").glob("task/*"))) <= 1
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how attendants end
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asked:
        asked.bind(address)
        asked.listen(64)
        os.write(1, b"ready\n")
        while sys.stdin not in select.select([asked, sys.stdin], [], [])[0]:
            line, _ = asked.accept()
            if os.fork() == 0:
                asked.close()
                return _attend(line)
            line.close()
    return None


def _attend(line):
    """Fork the command that is asked for, say its process id, and how it ended; in the fork be the command."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    said, streams, _, _ = socket.recv_fds(line, _MOST, 3)
    command = os.fork()
    if command == 0:
        line.close()
        return _become(streams, **json.loads(said))
    for each in streams:
        os.close(each)
    line.send(str(command).encode())
    _, status = os.waitpid(command, 0)
    with contextlib.suppress(BrokenPipeError):  # nobody waits for it
        line.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


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
