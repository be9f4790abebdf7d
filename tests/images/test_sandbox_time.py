"""A film has its time on a machine that others use, and no more than ten times as long."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lungspot.errors import FilmError
from lungspot.images import use_fork_server
from lungspot.images.sandbox import Limits, run

# Work until a clock says so, with a tenth of the processor that this runs on: another program works there too.
STARVE = """
import os, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.nice(10)
end = time.monotonic() + SECONDS
while time.monotonic() < end: pass
"""


@pytest.fixture
def busy_processor():
    """A program that never leaves the processor that STARVE runs on."""
    code = "import os\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code]) as program:
        yield
        program.kill()


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the kernel does not say how long one waited")
@pytest.mark.usefixtures("busy_processor")
@pytest.mark.parametrize("where", [contextlib.nullcontext, use_fork_server])
def test_a_film_is_not_refused_because_others_have_the_processor(where):
    with where():
        run(os.getpid)
        run(exec, STARVE.replace("SECONDS", "1.5"), limits=Limits(wall=0.5))
        with pytest.raises(FilmError, match=r"TIMED_OUT: not decoded within 0.2 s"):
            run(exec, STARVE.replace("SECONDS", "60"), limits=Limits(wall=0.2))  # ten times as long is the end


def test_who_sleeps_has_not_waited_for_a_processor():
    began = time.monotonic()
    with pytest.raises(FilmError, match="TIMED_OUT"):
        run(time.sleep, 60, limits=Limits(wall=1))
    assert time.monotonic() - began < 9
