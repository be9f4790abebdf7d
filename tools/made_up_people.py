"""Make up people of a tuberculosis screening programme, as CSV on standard output: nobody in it is or was a person.

One in ten has tuberculosis. Scores go from 0 to 100; men, older people and people who had tuberculosis before score
higher without having it now, and cases with HIV score lower, as is known of CAD. Everybody who scores 40 or more has a
result of the reference test, and one in five of the others, at random. A reader read two films in five. What is in
docs/how-to/people.csv is the output for the default arguments; benchmarks/screening.py makes a hundred thousand.

    .venv/bin/python tools/made_up_people.py [--people 600] [--seed 1] > docs/how-to/people.csv
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator

import numpy as np

HEAD = ("id", "date", "score", "reference", "age", "sex", "HIV", "previous TB", "site", "reader")


def people(count: int, seed: int) -> Iterator[tuple[object, ...]]:
    """Yield one row a person."""
    rng = np.random.default_rng(seed)
    sick = rng.random(count) < 0.1
    age, men = rng.integers(15, 85, count), rng.random(count) < 0.5
    hiv = rng.choice(["negative", "positive", ""], count, p=[0.7, 0.2, 0.1])
    before = rng.random(count) < 0.1
    site = rng.choice(["Hilltop", "Market", "River"], count, p=[0.5, 0.3, 0.2])
    abnormal = rng.normal(0, 1, count) + sick * (2.0 - 0.6 * (hiv == "positive"))
    abnormal += 0.9 * before + 0.2 * men + 0.01 * (age - 40)
    score = np.round(100 / (1 + np.exp(1.4 - 1.1 * abnormal)), 1)
    failed = rng.random(count) < 0.005
    confirmed = (score >= 40) | (rng.random(count) < 0.2) | failed
    reader = abnormal + rng.normal(0, 0.7, count) > 1.3
    read = rng.random(count) < 0.4
    day = np.sort(np.datetime64("2026-01-05") + rng.integers(0, 180, count))
    for at in range(count):
        yield (
            f"P{at + 1:06}",
            day[at],
            "" if failed[at] else score[at],
            int(sick[at]) if confirmed[at] else "",
            age[at],
            "M" if men[at] else "F",
            hiv[at],
            "yes" if before[at] else "no",
            site[at],
            int(reader[at]) if read[at] else "",
        )


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(HEAD)
    table.writerows(people(asked.people, asked.seed))


if __name__ == "__main__":
    main()
