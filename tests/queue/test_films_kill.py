"""`kill -9` at random moments while films come in and are worked on: nothing accepted is lost, none is done twice."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.queue.owner import bytes_of, open_queue, result_of

KILLS = int(os.environ.get("LUNGSPOT_KILLS", "8"))
OWNER = Path(__file__).with_name("owner.py")


@pytest.mark.drill
def test_a_killed_owner_loses_and_doubles_nothing(tmp_path):
    rng = np.random.default_rng(3)
    accepted, results, number = set(), [], 0
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    for _ in range(KILLS):
        command = [sys.executable, OWNER, tmp_path / "q", str(number)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
            first = process.stdout.readline()  # it works
            time.sleep(rng.uniform(0.0, 0.4))
            process.send_signal(signal.SIGKILL)
            lines = [first, *process.stdout]
        words = [line.decode().split() for line in lines if line.endswith(b"\n")]
        accepted |= {key for what, key in words if what == "in"}
        results += [key for what, key in words if what == "out"]
        number += 10_000
    assert accepted
    folder, queue = open_queue(tmp_path / "q")
    rows = {row["name"]: row for row in folder.all("SELECT * FROM film")}
    assert accepted <= set(rows)  # and at most one more a kill: accepted, and the word of it cut off
    assert len(rows) - len(accepted) <= KILLS
    assert {row["state"] for row in rows.values()} <= {"new", "done"}
    for name, row in rows.items():
        assert row["made"] == (row["state"] == "done"), f"{name} was finished twice"
        if row["state"] == "done":
            assert not queue.path(name).exists()
            assert (tmp_path / "q" / "results" / name).read_bytes() == result_of(bytes_of(name))
        else:
            assert queue.path(name).read_bytes() == bytes_of(name)
    repeated = len(results) - len(set(results))
    assert repeated <= KILLS  # work that was cut off before its row was written is done again, one film a kill
    assert not folder.all("SELECT * FROM film WHERE attempts > ?", (KILLS,))
    assert list(folder.incoming.iterdir()) == []
    assert folder.all("PRAGMA integrity_check")[0][0] == "ok"
    folder.close()
