"""One archive from end to end: every film has its row, whatever happens to it, its worker or its driver."""

import csv
import fcntl
import json
import os
import signal
import time
import zipfile
from collections import Counter

import numpy as np
import pytest

from lungspot.batch import Ledger, ShardResult, entries_in, shards_of
from lungspot.batch.run import RunEvent, _Held, _Run
from lungspot.cli.console import Exit
from lungspot.errors import SetupError
from lungspot.outputs import is_ours

KILLS = int(os.environ.get("LUNGSPOT_KILLS", "2"))


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory, small_archive, upright_film):
    """Films in a folder, a zip and a table; a duplicate, two that are no films, one cut short, a result of ours."""
    root = tmp_path_factory.mktemp("archive")
    films = small_archive(root / "films", 5)
    (films / "again.png").write_bytes((films / "0001.png").read_bytes())
    (films / "text.txt").write_text("no film")
    (films / "cut.png").write_bytes((films / "0002.png").read_bytes()[:900])
    (films / "empty.dcm").write_bytes(b"")
    (films / "result.json").write_text('{"schema": "lungspot/1"}')
    (films / ".hidden").write_text("not looked at")
    upright_film(20).save(root / "a.png")
    with zipfile.ZipFile(root / "more.zip", "w") as archive:
        archive.write(root / "a.png", "inner/a.png")
    upright_film(21).save(root / "b.png")
    with (root / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "hospital"), ("b.png", "=North"), ("gone.png", "South"), ("", "South")])
    return root


@pytest.fixture(scope="module")
def read(poisoned, batch_of, tmp_path_factory):
    """That archive, read."""
    out = tmp_path_factory.mktemp("read") / "out"
    words = (poisoned / "films", poisoned / "more.zip", poisoned / "list.csv")
    options = ("--workers", 1, "--shard-films", 5, "--format", "jsonl,json", "--screen", "effusion")
    code, run = batch_of(out, *words, *options)
    return out, code, run, (*words, *options)


def test_every_film_has_its_row(read, rows_in, poisoned):
    out, code, run, _ = read
    rows = rows_in(out, "given_hospital", "error", "model", "width")
    by_name = {row["film"].rpartition("/")[2]: row for row in rows}
    assert code == Exit.SOME_REFUSED
    assert run["films"] == len(rows) == 14
    twins = [by_name[name] for name in ("0001.png", "again.png")]
    assert sorted(row["status"] for row in twins) == ["assessed", "duplicate"]
    assert twins[0]["sha256"] == twins[1]["sha256"]
    assert by_name["result.json"]["status"] == "left_out"
    assert {
        name: by_name[name]["reasons"] for name in ("text.txt", "cut.png", "empty.dcm", "gone.png", "list.csv")
    } == {
        "text.txt": ["NOT_AN_IMAGE"],
        "cut.png": ["TRUNCATED"],
        "empty.dcm": ["NOT_AN_IMAGE"],
        "gone.png": ["NOT_FOUND"],
        "list.csv": ["NOT_FOUND"],
    }
    assert by_name["text.txt"]["sha256"] is not None
    assert by_name["a.png"]["film"] == f"{poisoned / 'more.zip'}/inner/a.png"
    assert {name: by_name[name]["given_hospital"] for name in ("0000.png", "b.png", "gone.png")} == {
        "0000.png": None,
        "b.png": "=North",
        "gone.png": "South",
    }
    assert by_name["0000.png"]["width"] == 100


def test_what_is_written_beside_the_tables(read):
    out, _, _, _ = read
    lines = [json.loads(line) for file in (out / "jsonl").iterdir() for line in file.read_text().splitlines()]
    assert len(lines) == 12  # neither the duplicate nor the result of ours
    assert all(line["schema"] == "lungspot/1" for line in lines)
    assert len(list((out / "files").rglob("*.json"))) == 12
    assert not list((out / ".partial").iterdir())
    page = (out / "summary.html").read_text()
    assert "Research use only" in page
    assert "=North" in page
    register = list(csv.DictReader((out / "register.csv").read_text().splitlines()))
    assert len(register) == 12
    scores = [row["score"] for row in register if row["score"]]
    assert scores == sorted(scores, reverse=True)
    assert [row["advice"] for row in register[:5]] == ["repeat film"] * 5
    ours = [path for path in out.rglob("*") if path.is_file() and path.name not in {".lock", "register.csv"}]
    assert [path for path in ours if not is_ours(path)] == []


def test_a_run_that_goes_on_reads_what_is_missing(read, batch_of, rows_in, poisoned, upright_film):
    out, _, _, words = read
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    register = (out / "register.csv").read_bytes()
    assert batch_of(out, *words)[0] == Exit.USAGE  # results are there
    assert batch_of(out, *words, "--resume", "--operating-point", "sensitive")[0] == Exit.USAGE
    code, run = batch_of(out, *words, "--resume")
    assert (code, run["films"]) == (Exit.SOME_REFUSED, 0)
    upright_film(30).save(poisoned / "films" / "0003.png")  # another film of that name
    upright_film(1).save(poisoned / "films" / "twin.png")  # the same as 0001
    assert batch_of(out, *words, "--resume")[1]["films"] == 2
    assert before.items() <= {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}.items()
    rows = {row["film"].rpartition("/")[2]: row for row in rows_in(out)}
    assert rows["twin.png"]["status"] == "duplicate"
    assert (out / "register.csv").read_bytes() == register  # people write in it
    assert (out / "register-2.csv").is_file()


def test_a_run_reads_no_results_of_its_own_and_its_register_has_each_film(
    small_archive, batch_of, tmp_path, monkeypatch
):
    monkeypatch.chdir(small_archive(tmp_path / "films", 1))
    words = (tmp_path / "films" / "out", ".", "--workers", 1, "--screen", "effusion")
    assert batch_of(*words)[1]["films"] == 1
    assert batch_of(*words, "--resume")[1]["films"] == 0
    for person in ("p1", "p2"):
        (tmp_path / "films" / person).mkdir()
        (tmp_path / "films" / person / "view1.png").write_bytes(person.encode())
    assert batch_of(*words, "--resume")[1]["films"] == 2
    register = csv.DictReader((tmp_path / "films" / "out" / "register-2.csv").read_text().splitlines())
    assert {row["id"] for row in register} == {"p1/view1", "p2/view1", "0000"}


def test_a_worker_that_stands_still_is_ended(small_archive, batch_command, start, children_of, rows_in, tmp_path):
    """A stopped process is a film that hangs: it is given up after the time allowed, and the others are read."""
    out = tmp_path / "out"
    command = batch_command(small_archive(tmp_path / "films", 6), "-o", out, "--workers", 1, "--timeout", "8")
    driver = start([*command, "--shard-films", "30"])
    stopped, until = None, time.monotonic() + 120
    while stopped is None and driver.poll() is None and time.monotonic() < until:
        # The worker is the one whose small process forks for it; the other is Python's own tracker of resources.
        stopped = next((child for child in children_of(driver.pid) if children_of(child)), None)
        time.sleep(0.02)
    os.kill(stopped, signal.SIGSTOP)
    assert driver.wait(600) == Exit.SOME_REFUSED
    rows = rows_in(out, "error")
    assert len(rows) == 6
    late = [row for row in rows if row["status"] != "assessed"]
    assert {(*row["reasons"], row["error"]) for row in late} == {("TIMED_OUT", "not read within 8 s")}


@pytest.mark.parametrize("whom", ["driver", "worker"])
@pytest.mark.long
def test_killed_again_and_again_each_film_is_read_once(
    whom, small_archive, batch_command, start, children_of, each_once, tmp_path
):
    _kill_and_resume(whom, KILLS, small_archive(tmp_path / "films", 200), batch_command, start, children_of, tmp_path)
    each_once(tmp_path / "out", 200)


@pytest.mark.parametrize("whom", ["driver", "worker"])
def test_killed_once_each_film_is_read_once(
    whom, small_archive, batch_command, start, children_of, each_once, batch_of, tmp_path, capsys
):
    films = small_archive(tmp_path / "films", 80)  # a quick machine has read a dozen before the kill comes
    killed = _kill_and_resume(whom, 1, films, batch_command, start, children_of, tmp_path, workers=1)
    assert killed == {whom: 1}
    each_once(tmp_path / "out", 80)
    with (tmp_path / "out" / ".lock").open() as held:  # another driver
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        code, _ = batch_of(tmp_path / "out", films, "--resume")
    assert (code, "IN_USE" in capsys.readouterr().err) == (Exit.ENVIRONMENT, True)


def _kill_and_resume(whom, kills, films, batch_command, start, children_of, tmp_path, workers=2):
    """Kill at random once a shard is there, so often; then let it end. Return whom it killed, how often."""
    dice, killed = np.random.default_rng(1), Counter()
    command = batch_command(films, "-o", tmp_path / "out", "--workers", workers, "--shard-films", 5, "--resume")
    done = 0
    driver = start(command)
    for _ in range(kills):
        until = time.monotonic() + 120
        while driver.poll() is None and time.monotonic() < until:
            if len(list((tmp_path / "out" / "films").glob("*.parquet"))) > done:
                break
            time.sleep(0.02)
        time.sleep(dice.random() / 4)
        workers = [child for child in children_of(driver.pid) if children_of(child)]
        target = driver.pid if whom == "driver" or not workers else int(dice.choice(workers))
        try:
            os.kill(target, signal.SIGKILL)
        except ProcessLookupError:
            continue
        killed["driver" if target == driver.pid else "worker"] += 1
        if target == driver.pid:
            driver.wait()
            driver = start(command)
        done = len(list((tmp_path / "out" / "films").glob("*.parquet")))
    assert driver.wait(600) == 0
    assert start(command).wait(300) == 0  # there is nothing left to do
    return killed


class _Silent:
    """Takes what the driver gives, and says nothing."""

    def __init__(self):
        self.given = []
        self.killed = []

    def kill(self, worker):
        self.killed.append(worker)

    def give(self, worker, shard):
        self.given.append((worker, shard))


def test_a_film_at_which_workers_die_is_given_up(small_archive, tmp_path):
    ledger, pool, told = Ledger(), _Silent(), []
    (shard,) = shards_of(entries_in([str(small_archive(tmp_path, 3))]), 10, ledger.take)
    ledger.claim("ab" * 32, shard.key, 1, "a film")
    run = _Run(pool, None, ledger, iter(()), 60.0, told.append)
    for worker in range(3):
        run.held[worker] = _Held(run.again.popleft() if worker else shard, shard.key)
        run._take(RunEvent("film", worker, ("of the shard before", 2)))
        run._take(RunEvent("film", worker, (shard.key, 0)))
        run._take(RunEvent("died", worker))
    (again,) = run.again
    assert (again.key, again.struck[1].code, again.struck[1].sha256) == (shard.key, "CRASHED", "ab" * 32)
    assert [event["event"] for event in told if event["event"] != "film"] == ["worker_died"] * 3


def test_a_shard_over_which_workers_die_at_ever_other_films_ends_the_run(small_archive, tmp_path):
    """As where memory runs out: nobody is to blame, and without an end it would be done again for ever."""
    ledger, pool = Ledger(), _Silent()
    (shard,) = shards_of(entries_in([str(small_archive(tmp_path, 11))]), 20, ledger.take)
    run = _Run(pool, None, ledger, iter(()), 60.0, lambda _: None)
    for worker in range(20):
        run.held[worker] = _Held(run.again.popleft() if worker else shard, shard.key, films=worker % 12)
        if worker < 19:
            run._take(RunEvent("died", worker))
    with pytest.raises(SetupError, match="20 workers in a row"):
        run._take(RunEvent("died", 19))


@pytest.fixture
def timed(small_archive, tmp_path):
    """A run of one worker that holds three films; its pool says nothing, and what the driver tells is kept."""
    ledger, told = Ledger(), []
    (shard,) = shards_of(entries_in([str(small_archive(tmp_path, 3))]), 10, ledger.take)
    run = _Run(_Silent(), None, ledger, iter(()), 0.2, told.append)
    run.held[0] = _Held(shard, shard.key)
    return run, shard, told


@pytest.mark.parametrize("seconds", [0.0, 0.4])
def test_what_the_driver_takes_to_draw_is_not_the_workers_time(timed, seconds):
    run, shard, _ = timed

    def slow():
        time.sleep(seconds)
        yield shard

    run.shards = slow()
    assert run._next() is shard
    run._end_the_late()
    assert run.pool.killed == []
    run.held[0].since -= 0.3
    run._end_the_late()
    assert run.pool.killed == [0]


def test_what_the_driver_takes_to_give_names_is_not_the_workers_time(timed):
    run, shard, _ = timed
    run.held[1] = _Held(shard, shard.key)

    class _Slow:
        def commit(self, _):
            time.sleep(0.4)

    run.folder = _Slow()
    run._done(1, ShardResult(shard.key, 3, (), Counter(), Counter()))
    run._end_the_late()
    assert run.pool.killed == []


@pytest.mark.parametrize(("came", "struck"), [((), {0: "TIMED_OUT"}), ((0,), {}), ((0, 1), {})])
def test_a_film_whose_row_comes_as_its_worker_is_ended_is_not_the_next_one_s_fault(timed, came, struck):
    run, shard, told = timed
    run.held[0].since -= 1
    run._end_the_late()
    assert run.pool.killed == [0]
    for at in came:
        run._take(RunEvent("film", 0, (shard.key, at)))
    run._take(RunEvent("died", 0))
    (again,) = run.again
    assert {at: each.code for at, each in again.struck.items()} == struck
    assert not run.deaths
    event = {"event": "timed_out" if struck else "worker_died", "film": shard.entries[0].name, "back": len(came)}
    assert told[-1] == event
