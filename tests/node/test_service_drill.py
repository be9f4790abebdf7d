"""A small instance of benchmarks/node.py: the node's own process, ended by `kill -9` five times."""

import subprocess
import sys
from pathlib import Path

DRILL = Path(__file__).resolve().parents[2] / "benchmarks" / "node.py"


def test_nothing_acknowledged_is_lost_or_doubled_by_five_kills(program, model_file):
    program("storescp", "dcmtk")
    command = [sys.executable, DRILL, "--parts", "storm", "--films", "12", "--associations", "3", "--kills", "5"]
    done = subprocess.run([*command, "--down", "1", "--model", model_file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in ("| acknowledged | 12 |", "| results | 12 |", "| lost | 0 |", "| doubled | 0 |", "| kills | 5 |"):
        assert line in done.stdout
