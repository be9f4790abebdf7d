"""What `lungspot calibrate` promises, and what comes true: at simulated sites, on real films, and how long it takes.

Simulated sites differ in prevalence and in device (their scores are moved and stretched); the true sensitivity of every
threshold is known. Real films: thresholds are chosen on val and judged on test, by source; the predictions are those of
`lungspot detect FILM… --min-score 0.01 --format json` on the films of the two splits. 100,000 rows are one table.

    .venv/bin/python benchmarks/calibrate.py simulated [--sites 200]
    .venv/bin/python benchmarks/calibrate.py real VAL.jsonl TEST.jsonl --data ../shared/data
    .venv/bin/python benchmarks/calibrate.py speed [--rows 100000]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import NormalDist

import numpy as np

from lungspot.adapt import (
    LocalLabel,
    Sample,
    by_person,
    model_of,
    of_films,
    of_pairs,
    parse_goal,
    performance_of_choice,
    threshold_for,
)
from lungspot.adapt.site.prediction_sets import prediction_sets
from lungspot.datasets import load_with_splits, merge
from lungspot.errors import DatasetError
from lungspot.evaluate import Pair, pair_up, read_predicted, truths

ILL, WELL = 1.5, -1.0  # where the two bells of log odds lie
NORMAL = NormalDist()
GOALS = (
    *(("film", goal) for goal in ("sensitivity=0.9", "sensitivity=0.9@90", "specificity=0.9@90")),
    *(("box", goal) for goal in ("sensitivity=0.5@90", "fp=0.25")),
)
Truth = Callable[[float], tuple[float, float]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="what", required=True)
    one = verbs.add_parser("simulated")
    one.add_argument("--sites", type=int, default=200)
    one = verbs.add_parser("real")
    one.add_argument("val", type=Path)
    one.add_argument("test", type=Path)
    one.add_argument("--data", type=Path, default=Path("../shared/data"))
    one = verbs.add_parser("speed")
    one.add_argument("--rows", type=int, default=100_000)
    asked = parser.parse_args()
    if asked.what == "simulated":
        simulated(asked.sites)
    elif asked.what == "real":
        real(asked.val, asked.test, asked.data)
    else:
        speed(asked.rows)


def site(
    rng: np.random.Generator, people: int, *, several: bool
) -> tuple[Sample, Callable[[float], tuple[float, float]]]:
    """Return a site's films and what gives the true sensitivity and specificity of a threshold there."""
    shift, slope, prevalence = rng.normal(), rng.uniform(0.5, 1.5), rng.uniform(0.1, 0.4)
    person = np.repeat(np.arange(people), rng.geometric(0.4, people).clip(1, 12)) if several else np.arange(people)
    ill = (rng.random(people) < prevalence)[person]
    own = rng.normal(size=people)[person] if several else 0.0
    odds = np.where(ill, ILL, WELL) + np.sqrt(0.5 if several else 0.0) * own
    odds = odds + np.sqrt(0.5 if several else 1.0) * rng.normal(size=len(person))
    score = 1 / (1 + np.exp(-(slope * odds + shift)))

    def true(threshold: float) -> tuple[float, float]:
        if not 0 < threshold < 1:
            return (1.0, 0.0) if threshold <= 0 else (0.0, 1.0)
        at = (np.log(threshold / (1 - threshold)) - shift) / slope
        return 1 - NORMAL.cdf(at - ILL), NORMAL.cdf(at - WELL)

    return of_films(score, ill, person), true


def simulated(sites: int) -> None:
    """Print how often intervals cover and promises hold, nominal 90 %."""
    head("people", "films each", "goal", "intervals cover: sensitivity", "specificity", "goal met", "mean missed")
    for several in (False, True):
        for people in (150, 600):
            for goal in ("sensitivity=0.9", "sensitivity=0.9@90", "specificity=0.9", "specificity=0.9@90", "cost=5"):
                row(sites, people, goal, several=several)
    print()
    transported(sites)


def row(sites: int, people: int, text: str, *, several: bool) -> None:
    """Print one line: a goal at so many sites."""
    goal = parse_goal(f"film:balanced:{text}")[3]
    rng = np.random.default_rng(0)
    inside, met, missed, few = [], [], [], 0
    for _ in range(sites):
        sample, true = site(rng, people, several=several)
        try:
            threshold = threshold_for(sample, goal)
        except DatasetError:
            few += 1
            continue
        measured, at = performance_of_choice(sample, goal, threshold, 90), true(threshold)
        pairs = zip((measured.sensitivity, measured.specificity), at, strict=True)
        inside.append([value.interval[0] <= share <= value.interval[1] for value, share in pairs if value.interval])
        aimed = at[0] if "sensitivity" in text else at[1]
        met.append(aimed >= 0.9)
        missed.append(1 - aimed)
    cover = 100 * np.mean(inside, axis=0)
    held, mean = ("", "") if "cost" in text else (f"{100 * np.mean(met):.1f} %", f"{100 * np.mean(missed):.2f} %")
    refused = f" ({few} sites refused)" if few else ""
    each = "1 to 12" if several else "1"
    print(f"| {people} | {each} | {text}{refused} | {cover[0]:.1f} % | {cover[1]:.1f} % | {held} | {mean} |")


def transported(sites: int) -> None:
    """Print what becomes of a threshold that is taken to another site."""
    goal = parse_goal("film:balanced:sensitivity=0.9")[3]
    rng = np.random.default_rng(1)
    here, there = [], []
    for _ in range(sites):
        sample, true = site(rng, 600, several=False)
        threshold = threshold_for(sample, goal)
        here.append(true(threshold)[0])
        there.append(site(rng, 600, several=False)[1](threshold)[0])
    for name, shares in (("at its own site", here), ("taken to another", there)):
        low, high = np.percentile(shares, (5, 95))
        spread = f"{100 * np.mean(shares):.1f} % ({100 * low:.0f} to {100 * high:.0f})"
        print(f"A threshold for a sensitivity of 90 %, {name}: {spread}")


def real(val: Path, test: Path, data: Path) -> None:
    """Print, label by label and source by source, what thresholds of val do on test."""
    cases = merge(load_with_splits(data))
    sides = []
    for path, split in ((val, "val"), (test, "test")):
        found, _ = read_predicted(path)
        sides.append(pair_up(truths([case for case in cases if case.split == split], "all"), found).pairs)
    model = model_of(read_predicted(test)[0])
    print(f"model {model and model['sha256'][:12]}: {len(sides[0])} films of val, {len(sides[1])} of test\n")
    for level, goal in GOALS:
        print(f"### {level}, {goal}\n")
        head("films", "label", "people on val", "threshold", "on val", "on test", "promise")
        for line in judged(sides[0], sides[1], level, goal):
            print("| " + " | ".join(line) + " |")
        print()
    print("### Prediction sets over look-alikes, 90 %\n")
    head("films", "label", "people on val", "kept on test", "other names beside")
    for line in sets(sides[0], sides[1]):
        print("| " + " | ".join(line) + " |")


def head(*names: str) -> None:
    """Print the head of a table."""
    print(f"| {' | '.join(names)} |\n{'|---' * len(names)}|")


def judged(val: Sequence[Pair], test: Sequence[Pair], level: str, text: str) -> Iterator[list[str]]:
    """Yield the rows of one goal: chosen and judged on all films, in one source, and chosen on all, judged in one."""
    goal = parse_goal(f"{level}:balanced:{text}")[3]
    aim = {"sensitivity": "sensitivity", "specificity": "specificity", "fp": "false_per_film"}[str(goal.wish)]
    crossed = ((f"all → {source}", val, films) for source, films in by_source(test))
    for name, mine, theirs in (*parts(val, test), *crossed):
        chosen_on, judged_on = (of_pairs(films, None).labels for films in (mine, theirs))
        for label, here in chosen_on.items():
            samples = [
                one and (one.films if level == "film" else one.boxes(0.4)) for one in (here, judged_on.get(label))
            ]
            if None in samples or not len(samples[1].target) or (level == "film" and not len(samples[1].false)):
                continue
            people = str(samples[0].people[goal.wish == "specificity"])
            try:
                threshold = threshold_for(samples[0], goal)
            except DatasetError as error:
                if name in {"all", *dict(by_source(val))}:
                    yield [name, label, people, error.code, "", "", ""]
                continue
            chosen, found = (getattr(performance_of_choice(one, goal, threshold, 90), aim) for one in samples)
            low, high = found.interval
            kept = low <= goal.value if aim == "false_per_film" else high >= goal.value
            percent = 1 if aim == "false_per_film" else 100
            shown = f"{percent * found.value:.3g} ({percent * low:.3g} to {percent * high:.3g})"
            verdict = "" if kept else "**broken**"
            yield [name, label, people, f"{threshold:.3f}", f"{percent * chosen.value:.3g}", shown, verdict]


def parts(val: Sequence[Pair], test: Sequence[Pair]) -> Iterator[tuple[str, Sequence[Pair], Sequence[Pair]]]:
    """Yield all films, and those of each source, of both splits."""
    yield "all", val, test
    there = dict(by_source(test))
    for source, films in by_source(val):
        if source in there:
            yield source, films, there[source]


def by_source(pairs: Sequence[Pair]) -> list[tuple[str, list[Pair]]]:
    """Return the films of each source."""
    names = sorted({pair.groups["source"] for pair in pairs})
    return [(name, [pair for pair in pairs if pair.groups["source"] == name]) for name in names]


def sets(val: Sequence[Pair], test: Sequence[Pair]) -> Iterator[list[str]]:
    """Yield how often a set that keeps 90 % on val keeps the true name on test."""
    here, there = of_pairs(val, None).labels, of_pairs(test, None).labels
    for of in prediction_sets(here, 90.0).values():
        for label, limit in of.thresholds.items():
            for name, films in (("all", test), *by_source(test)):
                one: LocalLabel | None = there.get(label) if name == "all" else of_pairs(films, None).labels.get(label)
                if one is None or not (one.known & one.positive).any():
                    continue
                shown = one.films
                kept = shown.target >= limit
                low, high = by_person(kept, shown.target_person, 90)
                share = f"{100 * kept.mean():.0f} ({100 * low:.0f} to {100 * high:.0f}) %"
                yield [name, label, str(here[label].films.people[0]), share, f"{of.size[label]:.2f}"]


def speed(rows: int) -> None:
    """Print what a table of so many rows costs."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cad.csv"
        ill = rng.random(rows) < 0.05
        score = 1 / (1 + np.exp(-rng.normal(np.where(ill, ILL, WELL))))
        lines = [f"{n},{n // 2},{s:.4f},{int(p)}" for n, (s, p) in enumerate(zip(score, ill, strict=True))]
        path.write_text("\n".join(["id,patient,score,reference", *lines]))
        words = ["calibrate", str(path), str(path), "--label", "tuberculosis", "-o", f"{folder}/site.json", "--quiet"]
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "lungspot", *words], check=True, stdout=subprocess.DEVNULL)
        wall = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    print(f"{rows} rows: {wall:.1f} s on the clock, {cpu:.1f} CPU s, {used.ru_maxrss / 1024:.0f} MiB at most")


if __name__ == "__main__":
    main()
