"""How often `lungspot watch` is wrong where nothing changes, how soon it is right where something does, and its cost.

The numbers are those of real films: SIIM's films of val and test are the site, its baseline and its ordinary weeks;
NIH's are another device. A week is drawn from them with replacement, with a hospital's days. `read` sends the spoilt
films through the pipeline once; the others are what `lungspot detect --format json` said of val and test.

    .venv/bin/python benchmarks/watch.py read VAL.jsonl TEST.jsonl CACHE --data ../shared/data
    .venv/bin/python benchmarks/watch.py stationary CACHE [--years 40]
    .venv/bin/python benchmarks/watch.py changes CACHE [--runs 20]
    .venv/bin/python benchmarks/watch.py rows [--rows 100000]

Give OMP_NUM_THREADS=1 to all but `rows`: the arrays are small, and threads only wait for each other.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lungspot.adapt import FilmRow, Watch, film_facts, film_history, watch_films
from lungspot.detect import Detector, load_detector
from lungspot.errors import FilmError
from lungspot.pipeline import analyze
from lungspot.report import Refusal, document

Grey = NDArray[np.uint8]
Facts = dict[str, Any]
SIIM, NIH = "siim-covid/train/", "nih/images/"
DAY = 86400.0
FIRST = date(2026, 1, 5)  # a Monday
BASELINE = 8  # weeks
PER_WEEK = 100
PER_DAY = np.array((0.19, 0.18, 0.18, 0.18, 0.17, 0.06, 0.04))  # Monday to Sunday: a hospital's week
TENTH = 0.1
SPOILT: dict[str, Callable[[Grey], Grey]] = {
    "inverted": lambda grey: 255 - grey,
    "upper bit lost": lambda grey: (grey & 0x7F) * 2,
}
SPOILT_FILMS = 150


def main() -> None:
    """Read films, simulate, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="what", required=True)
    one = verbs.add_parser("read")
    one.add_argument("results", type=Path, nargs=2)
    one.add_argument("cache", type=Path)
    one.add_argument("--data", type=Path, default=Path("../shared/data"))
    one = verbs.add_parser("stationary")
    one.add_argument("cache", type=Path)
    one.add_argument("--years", type=int, default=40)
    one = verbs.add_parser("changes")
    one.add_argument("cache", type=Path)
    one.add_argument("--runs", type=int, default=20)
    one = verbs.add_parser("rows")
    one.add_argument("--rows", type=int, default=100_000)
    asked = parser.parse_args()
    if asked.what == "read":
        read_films(asked.results, asked.data, asked.cache)
    elif asked.what == "stationary":
        stationary(asked.cache, asked.years)
    elif asked.what == "changes":
        changes(asked.cache, asked.runs)
    else:
        cost(asked.rows)


def read_films(results: Sequence[Path], data: Path, cache: Path) -> None:
    """Keep what is watched of each film, a file a kind: the site, another device, films of the site that are spoilt."""
    cache.mkdir(parents=True, exist_ok=True)
    well = _negative(data)
    kinds: dict[str, list[tuple[Facts, Path]]] = {"site": [], "device": []}
    for path in results:
        with path.open(encoding="utf-8") as lines:
            for value in map(json.loads, lines):
                film = value["image"]["path"]
                kind = "site" if SIIM in film else "device" if NIH in film else None
                if kind is not None:
                    facts = film_facts(value) | {"negative": well.get(Path(film).stem)}
                    kinds[kind].append((facts, Path(film)))
    for kind, rows in kinds.items():
        _keep(cache / f"{kind}.jsonl", (facts for facts, _ in rows))
    detector = load_detector(threads=1)
    chosen = np.random.default_rng(3).permutation(len(kinds["site"]))[:SPOILT_FILMS]
    for kind, change in SPOILT.items():
        _keep(cache / f"{kind}.jsonl", (_spoilt(kinds["site"][n][1], detector, change) for n in chosen))


def _keep(target: Path, rows: Iterator[Facts]) -> None:
    with target.open("w", encoding="utf-8") as out:
        count = sum(bool(out.write(json.dumps(row) + "\n")) for row in rows)
    print(f"{target.stem}: {count} films", flush=True)


def _spoilt(path: Path, detector: Detector, change: Callable[[Grey], Grey]) -> Facts:
    with Image.open(path) as picture:
        grey = Image.fromarray(change(np.asarray(picture.convert("L"))))
    buffer = io.BytesIO()
    grey.save(buffer, "png")
    try:
        return film_facts(document(analyze(buffer.getvalue(), detector)))
    except FilmError as error:
        return film_facts(document(Refusal(path.name, error)))


def _negative(data: Path) -> dict[str, bool]:
    """Return by SIIM film whether its study is negative for pneumonia."""
    folder = data / "siim-covid"
    with (folder / "train_study_level.csv").open(encoding="utf-8", newline="") as file:
        study = {row["id"].removesuffix("_study"): row["Negative for Pneumonia"] == "1" for row in csv.DictReader(file)}
    with (folder / "train_image_level.csv").open(encoding="utf-8", newline="") as file:
        return {row["id"].removesuffix("_image"): study[row["StudyInstanceUID"]] for row in csv.DictReader(file)}


def load(cache: Path, kind: str) -> list[Facts]:
    """Return what was kept of the films of one kind."""
    with (cache / f"{kind}.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


class Site:
    """Films to draw weeks from, and which of them are of ill people."""

    def __init__(self, cache: Path) -> None:
        films = [facts for facts in load(cache, "site") if facts["negative"] is not None]
        self.ill = [facts for facts in films if not facts["negative"]]
        self.well = [facts for facts in films if facts["negative"]]

    def draw(self, rng: np.random.Generator, share: float) -> Facts:
        """Return a film, of an ill person with the chance ``share``."""
        pool = self.ill if rng.random() < share else self.well
        return pool[rng.integers(len(pool))]


Draw = Callable[[np.random.Generator], Facts]


def stream(rng: np.random.Generator, weeks: int, usual: Draw, later: Draw, changed: int) -> list[FilmRow]:
    """Return so many weeks of films; those from the week ``changed`` on are drawn by ``later``."""
    start = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC).timestamp()
    rows = []
    for week in range(weeks):
        for _ in range(rng.poisson(PER_WEEK)):
            moment = start + DAY * (7 * week + rng.choice(7, p=PER_DAY) + rng.uniform(0.3, 0.8))
            rows.append(FilmRow(moment, "Site", (later if week >= changed else usual)(rng)))
    return rows


def watched(rows: list[FilmRow], weeks: int) -> Watch:
    """Return what the watch says at the end."""
    return watch_films(film_history(rows), FIRST + timedelta(weeks=weeks))


def stationary(cache: Path, years: int) -> None:
    """Print how many false alarms a year there are where nothing changes."""
    site = Site(cache)
    counts: list[int] = []
    by: Counter[str] = Counter()
    weeks = BASELINE + 52
    for year in range(years):
        rng = np.random.default_rng(year)
        found = watched(stream(rng, weeks, lambda r: site.draw(r, 0.3), lambda r: site.draw(r, 0.3), weeks), weeks)
        counts.append(len(found.alarms))
        by.update(alarm.chart.name for alarm in found.alarms)
        charts = len(found.charts)
    high = (sum(counts) + 1.645**2 / 2 + 1.645 * (sum(counts) + 1.645**2 / 4) ** 0.5) / years
    print(f"{years} years of {PER_WEEK} films a week, {charts} charts: {sum(counts)} false alarms,", end=" ")
    print(f"{sum(counts) / years:.2f} a year (95 % one-sided: at most {high:.2f}); {dict(by)}")


def changes(cache: Path, runs: int) -> None:
    """Print after how many days each change raises an alarm."""
    site = Site(cache)
    kinds = {kind: load(cache, kind) for kind in ("device", *SPOILT)}

    def tenth(kind: str, share: float) -> Draw:
        films = kinds[kind]
        return lambda rng: films[rng.integers(len(films))] if rng.random() < share else site.draw(rng, 0.2)

    later: dict[str, Draw] = {
        "nothing": lambda rng: site.draw(rng, 0.2),
        "inverted polarity in 10 % of films": tenth("inverted", TENTH),
        "the upper bit lost in 10 % of films": tenth("upper bit lost", TENTH),
        "the upper bit lost in all films": tenth("upper bit lost", 1.0),
        "a new device (SIIM → NIH)": tenth("device", 1.0),
        "doubled prevalence (20 → 40 % ill)": lambda rng: site.draw(rng, 0.4),
    }
    weeks, at = BASELINE + 20, BASELINE + 4
    begin = FIRST + timedelta(weeks=at)
    print("| change | alarm in | days, median (10 to 90 %) | first seen in |\n|---|---|---|---|")
    for name, draw in later.items():
        days, by = [], Counter[str]()
        for run in range(runs):
            rng = np.random.default_rng(1000 + run)
            found = watched(stream(rng, weeks, lambda r: site.draw(r, 0.2), draw, at), weeks)
            after = sorted((alarm.day, alarm.p, alarm.chart.name) for alarm in found.alarms if alarm.day >= begin)
            if after:
                days.append((after[0][0] - begin).days + 1)
                by[after[0][2]] += 1
        low, middle, high = np.percentile(days, (10, 50, 90), method="nearest") if days else (0, 0, 0)
        seen = ", ".join(f"{what} {count}" for what, count in by.most_common(3))
        times = f"{middle:.0f} ({low:.0f} to {high:.0f})" if days else ""
        print(f"| {name} | {len(days)} of {runs} | {times} | {seen} |", flush=True)


def cost(rows: int) -> None:
    """Print what the command costs on so many made-up documents."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.jsonl"
        with path.open("w", encoding="utf-8") as out:
            out.writelines(json.dumps(_document(rng, number, rows)) + "\n" for number in range(rows))
        words = ["watch", str(path), "--until", "2027-01-01", "-o", f"{folder}/out", "--quiet"]
        began = time.monotonic()
        done = subprocess.run([sys.executable, "-m", "lungspot", *words], check=False, stdout=subprocess.DEVNULL)
        wall = time.monotonic() - began
        if done.returncode not in {0, 5}:
            raise SystemExit(f"lungspot watch ended with {done.returncode}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    print(f"{rows} rows: {wall:.1f} s on the clock, {cpu:.1f} CPU s, {used.ru_maxrss / 1024:.0f} MiB at most")


def _document(rng: np.random.Generator, number: int, of: int) -> dict[str, Any]:
    """Return a result with ten labels as `detect` writes it, without its boxes, the ``number``-th of a year's."""
    made = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC) + timedelta(days=355 * number / of)
    scores = rng.beta(1, 6, 10).round(4).tolist()
    labels = ("atelectasis", "cardiomegaly", "covid19", "edema", "effusion", "emphysema", "nodule_mass")
    labels = (*labels, "pneumonia", "pneumothorax", "tuberculosis")
    greys = np.sort(rng.normal(0.5, 0.1, 5)).clip(0, 1).round(4).tolist()
    looks = dict(zip(("p5", "p25", "p50", "p75", "p95"), greys, strict=True))
    said = [{"label": label, "probability": p, "positive": p > 0.5} for label, p in zip(labels, scores, strict=True)]
    return {
        "schema": "lungspot/1",
        "status": "assessed",
        "reasons": [],
        "image": {
            "sha256": f"{number:064x}",
            "width": 2000,
            "height": 2400,
            "view": "PA",
            "bits": 12,
            "device": {"manufacturer": "Maker", "model": "A", "station": f"ROOM {int(rng.integers(2))}"},
            "statistics": looks
            | {"entropy": float(rng.normal(7, 0.2)), "roughness": 0.01, "levels": 2000, "clipped": 0.01},
        },
        "findings": [],
        "image_scores": said,
        "statement": {"said": [row for row in said if row["positive"]]},
        "features": rng.normal(size=16).round(4).tolist(),
        "made": made.isoformat(),
        "model": {"name": "m", "version": "1", "sha256": "b" * 64},
        "software": {"lungspot": "0.1.0"},
        "warnings": [],
    }


if __name__ == "__main__":
    main()
