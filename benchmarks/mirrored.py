"""How often a film that is stored the right way round is called a mirror image, by source, over val and test.

Reads every film of both splits (or of one dataset), asks the network, and counts by source those called mirrored (from
the card's threshold on) and those that stay unsure; names those called mirrored, so that somebody can look at them.
About four minutes.

    .venv/bin/python benchmarks/mirrored.py [--data ../shared/data] [--model default] [--dataset NAME]
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from lungspot.datasets import load_with_splits
from lungspot.detect import load_detector
from lungspot.formats import Split
from lungspot.images import prepare, read
from real_films import are_here, options


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--dataset")
    asked = parser.parse_args()
    if not are_here(asked.data):
        return
    detector = load_detector(asked.model)
    if detector.card.anatomy is None:
        print("this model knows no mirror images; nothing measured")
        return
    sure = detector.card.anatomy.sure
    cases = load_with_splits(asked.data)
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
