"""benchmarks/ups.py in small: the node's own process, ended by `kill -9` between what a server did and its answer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

DRILL = Path(__file__).resolve().parents[2] / "benchmarks" / "ups.py"


def drilled(items, kills, model):
    command = [sys.executable, DRILL, "--items", str(items), "--kills", str(kills), "--model", str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_items_are_performed_once_through_kills_before_a_claim_and_a_result_are_answered(model_file):
    said = drilled(4, 2, model_file)
    for moment in ("PUT state", "POST studies"):
        assert f"| killed at {moment} | 1 |" in said


@pytest.mark.long
def test_items_are_performed_once_through_many_kills(model_file):
    items, kills = int(os.environ.get("LUNGSPOT_ITEMS", "50")), int(os.environ.get("LUNGSPOT_ITEM_KILLS", "10"))
    said = drilled(items, kills, model_file)
    assert f"| completed | {items} |" in said
    assert "| compared with an earlier film | 0 |" not in said
