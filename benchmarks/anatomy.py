"""Of how many films a cardiothoracic ratio is said, and how many of the ratios can hardly be true.

First the rule alone, on what people outlined (JSRT and Wingspan): how many of their outlines it takes for a chest
(``lungspot.detect.is_plausible``). Then the detector on every film of a split: films; those on which heart and both
lungs were outlined at all, each of which would have a ratio without the rule; absurd ratios among these; ratios said;
absurd ones among these, and how many of them the report says are contradicted by its probability of cardiomegaly. A
ratio is absurd where it is below .3 or above .75, or above .58 on a film with a probability of cardiomegaly below .25.

Eight minutes for val on two busy cores.

    .venv/bin/python benchmarks/anatomy.py [--data ../shared/data] [--split val] [--model default]
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from lungspot.datasets import load_with_splits
from lungspot.datasets.anatomy import anatomy_of
from lungspot.detect import Detector, cardiothoracic_ratio, is_plausible, load_detector
from lungspot.errors import LungspotError
from lungspot.findings import Frame
from lungspot.formats import Case, Split
from lungspot.images import read
from lungspot.pipeline import assess
from lungspot.report.ratio import ratio_of
from real_films import are_here, options

UNIT = Frame(1000, 1000)
LABEL = "cardiomegaly"


def outlined(cases: Iterable[Case]) -> None:
    """Print how many films' outlines by people look like a chest, by source and split."""
    found: Counter[tuple[str, str, bool]] = Counter()
    for case in cases:
        boxes = anatomy_of(case, UNIT)
        if len(boxes) == 3 and case.split is not None:
            first, second = sorted((boxes["left_lung"], boxes["right_lung"]), key=lambda box: box.x0)
            found[case.dataset, str(case.split), is_plausible(boxes["heart"], first, second)] += 1
    print("| outlined by people | split | films | taken for a chest |\n|---|---|---|---|")
    for dataset, split in sorted({key[:2] for key in found}):
        yes, no = found[dataset, split, True], found[dataset, split, False]
        print(f"| {dataset} | {split} | {yes + no} | {yes} |")


def absurd(ratio: float, probability: float) -> bool:
    """Say whether a ratio can hardly be true."""
    return not 0.3 <= ratio <= 0.75 or (ratio > 0.58 and probability < 0.25)


def count(case: Case, detector: Detector) -> Counter[str]:
    """Return what is counted of one film."""
    result = assess(read(case.image, sandboxed=False), detector)
    if result.anatomy is None:
        return Counter()
    probability, lungs = result.probabilities[LABEL], result.anatomy.lungs
    outlines = cardiothoracic_ratio(result.anatomy.heart, *lungs) if len(lungs) == 2 else None
    told = ratio_of(result, None)
    found = Counter(films=1)
    if outlines is not None:
        found += Counter(outlined=1, absurd=absurd(outlines, probability))
    if told is not None and told.value is not None:
        wrong = absurd(told.value, probability)
        found += Counter(said=1, absurd_said=wrong, contradicted=wrong and "LARGE" in told.notes)
    return found


def main() -> None:
    """Print both tables."""
    given = options(__doc__, Split.VAL).parse_args()
    if not are_here(given.data):
        return
    cases = load_with_splits(given.data)
    outlined(cases)
    detector = load_detector(given.model, threads=1)
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        if case.split is given.split and case.image is not None:
            try:
                found = count(case, detector)
            except LungspotError:
                continue
            for name in (case.dataset, "all"):
                sums[name] += found
    columns = ("films", "outlined", "absurd", "said", "absurd_said", "contradicted")
    print(f"\n| source | {' | '.join(columns)} |\n|---{'|---' * len(columns)}|")
    for name, row in sums.items():
        print(f"| {name} | {' | '.join(str(row[column]) for column in columns)} |")


if __name__ == "__main__":
    main()
