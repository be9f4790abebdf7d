"""What a worker of this machine says when it ends of a bug."""

import re
import subprocess
import sys

A_BUG = """
import multiprocessing
from pathlib import Path
from lungspot.batch import BatchSettings, local

def forbidden(settings):
    raise ValueError("DOE^JANE is in /films/doe.dcm")

local.detector_for = forbidden
local._work(multiprocessing.Pipe()[0], BatchSettings(), Path("out"))
"""


def test_a_bug_is_logged_by_its_places_without_its_words():
    done = subprocess.run([sys.executable, "-c", A_BUG], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (1, "")
    line = (
        r"\S+Z lungspot batch: error: a worker ends of a bug \[ValueError at <string>:\d+ in forbidden < \S+local.py:"
    )
    assert re.match(line, done.stderr)
    assert "DOE" not in done.stderr.upper()
