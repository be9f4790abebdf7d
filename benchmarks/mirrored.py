"""How often a film that is stored the right way round is called a mirror image, by source, over val and test.

Reads every film of both splits (or of one dataset), asks the network, and counts by source those called mirrored (from
the card's threshold on) and those that stay unsure; names those called mirrored, so that somebody can look at them.
About four minutes.

    .venv/bin/python benchmarks/mirrored.py [--data ../shared/data] [--model default] [--dataset NAME]
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from lungspot.datasets import apply_splits, load_all, read_splits
from lungspot.detect import load_detector
from lungspot.formats import Split
from lungspot.images import prepare, read


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--model", default="default")
    parser.add_argument("--dataset")
    asked = parser.parse_args()
    if not asked.data.is_dir():
        print(f"{asked.data}: the films are not here; nothing measured")
        return
    detector = load_detector(asked.model)
    if detector.card.anatomy is None:
        print("this model knows no mirror images; nothing measured")
        return
    sure = detector.card.anatomy.sure
    cases = apply_splits(load_all(asked.data), read_splits(asked.data / "splits.csv"), asked.data)
    likely: dict[str, list[float]] = defaultdict(list)
    print(f"{detector.card.name} {detector.card.version}, mirrored from {sure} on")
    for case in cases:
        if case.split in {Split.VAL, Split.TEST} and asked.dataset in {None, case.dataset}:
            film = read(case.image, sandboxed=False)
            raw = detector.run(prepare(film, detector.card.input_size).tensor)
            likely[case.dataset].append(float(raw.mirrored[0]))
            if raw.mirrored[0] >= sure:
                print(f"  {case.split} {case.dataset}/{case.id} {raw.mirrored[0]:.3f}")
    for source, values in sorted(likely.items()):
        found = np.array(values)
        unsure = (found > 1 - sure) & (found < sure)
        print(f"  {source:14}{len(found):5} films, {(found >= sure).sum():3} called mirrored, {unsure.sum():3} unsure")


if __name__ == "__main__":
    main()
