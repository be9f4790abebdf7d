"""The simulation of an archive agrees with what was measured, and its document with the simulation."""

import re
import runpy
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = runpy.run_path(str(ROOT / "benchmarks" / "simulate_archive.py"))
DOCUMENT = (ROOT / "docs" / "explanation" / "archive-scale.md").read_text(encoding="utf-8")
S3, outcome = SCRIPT["S3"], SCRIPT["outcome"]


@pytest.mark.parametrize(("what", "cluster", "workers", "measured"), SCRIPT["CHECKS"])
def test_one_and_two_workers_are_as_fast_as_measured(what, cluster, workers, measured):
    simulated = SCRIPT["rate"](workers, cluster).rate
    assert simulated == pytest.approx(measured, rel=0.05), what
    told = re.search(rf"^\| {re.escape(what)} \| {measured:.1f} \| ([\d.]+) \|$", DOCUMENT, re.MULTILINE)
    assert float(told.group(1)) == pytest.approx(simulated, rel=0.01)


@pytest.mark.parametrize(
    ("slow", "limits"),
    [
        ("link", {"link": 2.5 * S3.film_bytes}),  # of each of two machines
        ("requests", {"request_rate": 10.0}),
        ("bytes", {"store": 5 * S3.film_bytes}),
        ("keeper", {"claim": 0.2}),
        ("driver", {"commit": 4.0}),
        ("driver", {"commit": 0.0, "claim": 0.2, "keeper": False}),  # which answers the claims too
    ],
)
def test_what_is_slow_limits_all_workers(slow, limits):
    """Eight workers, which have all else for 35 films a second, do what the one server bears: five."""
    seen = outcome(2000, 8, replace(S3, machine=4, shard_films=20, **limits))
    assert seen.rate == pytest.approx(5, rel=0.03)
    assert seen.busy[slow] > 0.95
    others = {*seen.busy} - {slow} - ({"keeper"} if slow == "driver" else set())
    assert max(seen.busy[name] for name in others) < 0.5


def test_where_films_are_near_cores_limit():
    near = replace(S3, first_byte=0.0, connection=inf)
    seen = outcome(4000, 8, near)
    assert seen.rate == pytest.approx(8 / (near.decode + near.judge + near.engine), rel=0.03)
    assert seen.busy["cores"] > 0.95


def test_every_film_is_read_though_the_last_shard_is_small():
    one = replace(S3, spread=0.0, shard_films=7)
    whole = outcome(72, 3, one)
    assert whole.busy["cores"] * 3 * (whole.seconds - one.start) == pytest.approx(
        72 * (one.decode + one.judge + one.engine) + 11 * one.write
    )


def test_ten_times_as_many_films_take_ten_times_as_long_and_cost_as_much():
    some, more = (SCRIPT["hours"](films, 2, S3) for films in (10_000_000, 100_000_000))
    assert more == pytest.approx(10 * some, rel=0.001)
    assert SCRIPT["cost"](13.39, 100, 0.04) == pytest.approx(53.56)


def test_costs_in_the_document_are_hours_of_workers():
    """A hundred workers that wait for the store are paid for: they once cost as much as one."""
    rows = re.findall(r"^\| (1[0,]+) \| (.+ h, .+ USD) \|$", DOCUMENT, re.MULTILINE)
    assert [row[0] for row in rows] == ["100,000", "1,000,000", "10,000,000"]
    for _, cells in rows:
        for workers, cell in zip((1, 10, 100), cells.split(" | "), strict=True):
            taken, paid = (float(word.replace(",", "")) for word in re.findall(r"[\d.,]*\d", cell))
            rounding = 0.006 * (workers * SCRIPT["PRICE"] + 1)
            assert paid == pytest.approx(taken * workers * SCRIPT["PRICE"], abs=rounding), cell


def test_figures_are_those_of_the_benchmarks():
    benchmarks = " ".join((ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8").split())
    disk = SCRIPT["DISK"]
    assert f"Of a claim the driver has {1e6 * disk.claim:.0f} µs" in benchmarks
    assert f"of naming and syncing a shard {1e3 * S3.commit:.0f} ms" in benchmarks
    assert f"take a worker {1e3 * S3.write:.0f} ms" in benchmarks
    row = re.search(
        r"\| DICOM JPEG lossless \| ([\d.]+) \| 3.6 \| ([\d.]+) \| [\d.]+ \| [\d.]+ \| ([\d.]+)", benchmarks
    )
    megabytes, read, prepare = map(float, row.groups())
    assert pytest.approx((1e6 * megabytes, read / 1e3), rel=0.01) == (S3.film_bytes, S3.decode)
    assert pytest.approx(disk.judge + prepare / 1e3, rel=0.01) == S3.judge
