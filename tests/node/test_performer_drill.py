"""benchmarks/ups.py in small: the node's own process, ended by `kill -9` between what a server did and its answer."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.node.worklist_manager import Manager

DRILL = Path(__file__).resolve().parents[2] / "benchmarks" / "ups.py"


def drilled(items, kills, model):
    command = [sys.executable, DRILL, "--items", str(items), "--kills", str(kills), "--model", str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def stow(*results):
    parts = b"".join(b"--x\r\nContent-Type: application/dicom\r\n\r\n" + each + b"\r\n" for each in results)
    return "multipart/related; boundary=x", parts + b"--x--"


def test_the_drill_s_server_tells_a_result_made_anew_from_another(make_film):
    """Nothing was ever counted: an object that was held already counted as none."""

    def made(**tags):
        buffer = io.BytesIO()
        make_film(1, **tags).save_as(buffer, enforce_file_format=True)
        return buffer.getvalue()

    manager = Manager()
    uid = str(make_film(1).SOPInstanceUID)
    for result, contents in (
        (made(ContentTime="101500"), 1),
        (made(ContentTime="101501"), 1),
        (made(SeriesDescription="another"), 2),
        (made(ContentTime="101502"), 2),
    ):
        manager.store(*stow(result))
        assert manager.stored == {uid: contents}
    assert len(manager.held) == 1


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
