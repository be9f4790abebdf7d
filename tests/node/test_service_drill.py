"""A small instance of benchmarks/node.py: the node's own process, ended by `kill -9` a few times."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = int(os.environ.get("LUNGSPOT_KILLS", "2"))
DRILL = Path(__file__).resolve().parents[2] / "benchmarks" / "node.py"


@pytest.mark.drill
def test_nothing_acknowledged_is_lost_or_doubled_by_kills(program, model_file):
    program("storescp", "dcmtk")
    films = str(max(12, 2 * KILLS))
    command = [
        sys.executable,
        DRILL,
        "--parts",
        "storm",
        "--films",
        films,
        "--associations",
        "3",
        "--kills",
        str(KILLS),
    ]
    done = subprocess.run([*command, "--down", "1", "--model", model_file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    said = {"acknowledged": films, "results": films, "lost": 0, "doubled": 0, "kills": KILLS}
    for what, number in said.items():
        assert f"| {what} | {number} |" in done.stdout
