"""`lungspot tb`: what 100,000 people cost, and how often its intervals hold the truth.

The first part makes people up (tools/made_up_people.py) and runs the command in a process of its own; the bound that
the project holds itself to is 10 s and 500 MB. The second simulates programmes whose truth is known: cases in a share
of the people, scores normal and higher by a shift in cases, everybody from a triage score up confirmed and a share of
those below. It counts how often the 95 % interval of each number at a threshold holds that number's true value.

    .venv/bin/python benchmarks/screening.py [--people 100000] [--programmes 1000]
"""

from __future__ import annotations

import argparse
import csv
import resource
import runpy
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import NormalDist

import numpy as np

from lungspot.adapt.tb import area_under_roc, screening_table, verification_weights

ROOT = Path(__file__).resolve().parent.parent

# People, share of cases, shift of their scores, triage score, share confirmed below it.
DESIGNS = [
    (2000, 0.05, 1.8, 0.7, 1.0),
    (2000, 0.05, 1.8, 0.7, 0.25),
    (2000, 0.05, 1.8, 0.7, 0.10),
    (5000, 0.02, 2.0, 0.7, 0.05),
    (1000, 0.10, 2.2, 0.7, 0.10),
    (300, 0.10, 1.5, 0.7, 0.30),
]
AT = np.array([0.4, 0.7, 1.0])  # below, at and above the triage score


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--programmes", type=int, default=1000)
    asked = parser.parse_args()
    if asked.people:
        cost(asked.people)
    if asked.programmes:
        coverage(asked.programmes)


def cost(people: int) -> None:
    """Print the seconds and the memory of one run."""
    tool = runpy.run_path(str(ROOT / "tools" / "made_up_people.py"))
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "people.csv"
        with table.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(tool["HEAD"])
            rows.writerows(tool["people"](people, 1))
        words = ["tb", str(table), "--triage", "40", "--cost-test", "12", "--cost-screen", "2", "-o", f"{folder}/out"]
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "lungspot", *words, "--quiet"], check=True)
        wall = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = used.ru_utime + used.ru_stime
    print(f"{people} people: {wall:.1f} s on the clock, {seconds:.1f} CPU s, {used.ru_maxrss / 1024:.0f} MiB at most")


def coverage(programmes: int) -> None:
    """Print how often each interval holds the truth, in per cent of the programmes."""
    names = ("sensitivity", "specificity", "ppv", "npv", "missed")
    print("| people | cases | confirmed below | threshold |", " | ".join(names), "| area |")
    for people, share, shift, triage, below in DESIGNS:
        rng = np.random.default_rng(1)
        held = np.zeros((len(AT), len(names)))
        area = 0
        truth = [of(people, share, shift, threshold) for threshold in AT.tolist()]
        true_area = NormalDist().cdf(shift / 2**0.5)
        for number in range(programmes):
            sick = rng.random(people) < share
            score = rng.normal(shift * sick, 1)
            reference = np.where((score >= triage) | (rng.random(people) < below), sick, -1).astype(np.int8)
            verification = verification_weights(score, reference, triage)
            for at, row in enumerate(screening_table(score, reference, verification, AT, seed=number)):
                for column, name in enumerate(names):
                    cell = row.measures[name]
                    held[at, column] += cell.low is not None and cell.low <= truth[at][name] <= cell.high
            found = area_under_roc(score, reference, verification, seed=number)
            area += found.low is not None and found.low <= true_area <= found.high
        for at, threshold in enumerate(AT.tolist()):
            cells = " | ".join(f"{100 * each / programmes:.1f}" for each in held[at])
            print(f"| {people} | {share:.0%} | {below:.0%} | {threshold} | {cells} | {100 * area / programmes:.1f} |")


def of(people: int, share: float, shift: float, threshold: float) -> dict[str, float]:
    """Return the true numbers at a threshold."""
    found, cleared = 1 - NormalDist(shift).cdf(threshold), NormalDist().cdf(threshold)
    tp, fn, tn, fp = share * found, share * (1 - found), (1 - share) * cleared, (1 - share) * (1 - cleared)
    return {
        "sensitivity": found,
        "specificity": cleared,
        "ppv": tp / (tp + fp),
        "npv": tn / (tn + fn),
        "missed": people * fn,
    }


if __name__ == "__main__":
    main()
