"""A real Ray cluster on this machine, of one node and of two, one of which dies."""

import json
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lungspot.cli.console import Exit

pytestmark = pytest.mark.drill
# A cluster of our own, which takes in whoever has its token.
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
KILLS = int(os.environ.get("LUNGSPOT_KILLS", "3"))
ACTOR = "ray::_Worker"
PATIENT = {"RAY_raylet_start_wait_time_s": "90"}  # seconds for a node to begin; a busy machine takes more than 30
ENVIRONMENT = os.environ | {"RAY_USAGE_STATS_ENABLED": "0"} | PATIENT | TOKEN


@pytest.fixture(autouse=True)
def _ray():
    pytest.importorskip("ray", reason="Ray is not installed (pip install 'lungspot[ray]')")


def test_without_ray_it_is_said(small_archive, batch_of, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    code, _ = batch_of(tmp_path / "out", small_archive(tmp_path / "films", 1), "--on", "ray")
    assert (code, "lungspot[ray]" in capsys.readouterr().err) == (Exit.ENVIRONMENT, True)


@pytest.fixture
def short():
    """A folder for Ray's sockets, whose paths must be short."""
    folder = Path(tempfile.mkdtemp(prefix="ls-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_a_cluster_of_this_machine(small_archive, batch_command, each_once, short, tmp_path):
    films = small_archive(tmp_path / "films", 12)
    (films / "again.png").write_bytes((films / "0003.png").read_bytes())
    (films / "text.txt").write_text("no film")
    out = tmp_path / "out"
    command = batch_command(films, "-o", out, "--on", "ray", "--workers", "2", "--shard-films", "4")
    (tmp_path / "home").mkdir()
    (short / "ray").mkdir()
    (short / "ray" / "ray_current_cluster").write_text("127.0.0.1:1")  # somebody's, which is not joined
    ours = {"HOME": str(tmp_path / "home"), "RAY_TMPDIR": str(short), "RAY_ADDRESS": ""}
    alone = {name: value for name, value in ENVIRONMENT.items() if name not in TOKEN} | ours
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=alone, timeout=600)
    assert done.returncode == Exit.SOME_REFUSED, done.stderr
    finished = json.loads(done.stdout.splitlines()[-1])
    assert finished["run"]["workers"] == 2
    assert finished["status"] == {"assessed": 12, "duplicate": 1, "not_assessed": 1}
    each_once(out, 14)
    assert not list((tmp_path / "home").iterdir())


WITHOUT_A_MODEL = """
import sys, time
from pathlib import Path
from lungspot.batch import BatchSettings, RayPool

pool = RayPool(1, BatchSettings(sys.argv[1]), Path(sys.argv[2]), lambda *_: None)
until = time.monotonic() + 300
while not (events := pool.wait(1)) and time.monotonic() < until:
    pass
pool.close()
print([(event.kind, type(event.value).__name__) for event in events])
"""


def test_what_no_worker_can_load_is_said(tmp_path):
    command = [sys.executable, "-c", WITHOUT_A_MODEL, tmp_path / "gone.onnx", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT, timeout=600)
    assert done.stdout.strip() == str([("failed", "ModelError")]), done.stderr


WITHOUT_A_DESK = """
import sys
from pathlib import Path
from lungspot.batch import BatchSettings, RayPool
from lungspot.errors import SetupError

pool = RayPool(1, BatchSettings(sys.argv[1]), Path(sys.argv[2]), lambda *_: None)
pool._ray.kill(pool._keeper)
try:
    pool.wait(1)
except SetupError as error:
    print(error.code)
pool.close()
"""


def test_a_cluster_that_no_longer_answers_is_said(model_file, tmp_path):
    command = [sys.executable, "-c", WITHOUT_A_DESK, model_file, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT, timeout=600)
    assert done.stdout.strip() == "WORKERS", done.stderr


@pytest.fixture
def cluster():
    """Two nodes of one processor each; gives the address, the second's raylet, and a function that adds a node."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ray = Path(sys.executable).with_name("ray")
    session = tempfile.mkdtemp(prefix="ls-")  # Ray's sockets need a short path

    def node(*words):
        """Start a node, and return its raylet; a raylet now and then ends as it begins, on a machine that is busy."""
        command = [ray, "start", "--num-cpus=1", "--disable-usage-stats", *words]
        for _ in range(3):
            before, others = raylets_of(session), _of(session)
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT, timeout=300)
            if not done.returncode:
                (raylet,) = raylets_of(session) - before
                return raylet
            for pid in {*_of(session)}.difference(others):
                _end(pid)
        return pytest.fail(done.stdout + done.stderr)

    try:
        node("--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={session}")
        more = partial(node, f"--address=127.0.0.1:{port}")
        yield f"127.0.0.1:{port}", more(), more
    finally:
        for pid in _of(session):
            _end(pid)
        shutil.rmtree(session, ignore_errors=True)


@pytest.fixture
def actors_of(children_of):
    """A function that returns our workers on the node of a raylet: those that have begun."""
    return lambda raylet: [pid for pid in children_of(raylet) if _words(Path(f"/proc/{pid}"))[0].startswith(ACTOR)]


def raylets_of(session):
    return {pid for pid in _of(session) if "raylet" in _words(Path(f"/proc/{pid}"))[0]}


def _words(path):
    try:
        return (path / "cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return [""]


def _of(session):
    """Return the processes that were started with the folder of our cluster."""
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if any(session in word for word in _words(path))]


def _end(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def test_a_node_dies_and_its_films_are_read_by_another(
    small_archive, batch_command, start, cluster, each_once, tmp_path
):
    address, second, _ = cluster
    out = tmp_path / "out"
    command = batch_command(small_archive(tmp_path / "films", 60), "-o", out, "--on", f"ray://{address}")
    driver = start([*command, "--shard-films", "5"], TOKEN)
    until = time.monotonic() + 300
    while len(list((out / "films").glob("*.parquet"))) < 3 and driver.poll() is None and time.monotonic() < until:
        time.sleep(0.1)
    os.kill(second, signal.SIGKILL)
    assert driver.wait(600) == Exit.DONE
    each_once(out, 60)
    assert json.loads((out / "summary.json").read_text())["run"]["workers"] == 2  # one a processor, as none was said


def test_drivers_workers_and_nodes_killed_at_random_each_film_is_read_once(
    small_archive, batch_command, start, cluster, actors_of, each_once, tmp_path
):
    """A driver that is killed is begun anew (`--resume`), and a node is replaced by another; the head stays."""
    address, node, another = cluster
    dice, killed, films, out = np.random.default_rng(1), Counter(), 0, tmp_path / "out"
    command = batch_command(tmp_path / "films", "-o", out, "--on", f"ray://{address}", "--resume")
    command += ["--workers", "2", "--shard-films", "5"]
    driver, log = None, tmp_path / "stderr"
    while killed.total() < KILLS:
        if driver is None or driver.poll() == Exit.DONE:  # all that there was is read: more comes in
            small_archive(tmp_path / "films", 40, films)
            films, driver = films + 40, start(command, TOKEN, log)
        if not _words(Path(f"/proc/{node}"))[0]:  # a raylet that the head no longer hears of ends itself
            node = another()
        done, until = shards_in(out), time.monotonic() + 600
        while driver.poll() is None and (shards_in(out) <= done or not actors_of(node)):
            assert time.monotonic() < until, killed
            time.sleep(0.05)
        time.sleep(dice.random() / 2)
        if driver.poll() is not None:
            assert driver.poll() == Exit.DONE, log.read_text()
            continue
        whom = str(dice.choice(["driver", "worker", "node"]))
        killed[whom] += 1
        logging.getLogger(__name__).info("%s after %d shards, of %d films", killed, shards_in(out), films)
        _end({"driver": driver.pid, "worker": next(iter(actors_of(node)), node), "node": node}[whom])
        if whom == "driver":
            driver.wait()
            driver = start(command, TOKEN, log)
        elif whom == "node":
            node = another()
    assert driver.wait(600) == Exit.DONE
    each_once(out, films)
    assert start(command, TOKEN).wait(300) == Exit.DONE  # there is nothing left to do


def shards_in(out):
    return len(list((out / "films").glob("*.parquet")))
