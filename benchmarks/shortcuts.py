"""What of a film's probability hangs on things that are not the disease: fineness, corners, sides, what lies outside.

Asks the detector about every film of a split as it is and changed, and prints for each label the AUROC within the
source that judges it, and by how much the film's logit moves (mean of the absolute change; mean change).

* ``96 pixels``: brought to 96 pixels and back, so that a source cannot be known by its sharpness.
* ``no corners``: a square of an eighth of the side painted black in each corner, where letters stand.
* ``mirrored``: left and right exchanged.
* ``frame alone``: everything but the outer tenth painted grey. What can still be told is a shortcut: .5 is none.

Seven minutes for test on two quiet cores.

    .venv/bin/python benchmarks/shortcuts.py [--data ../shared/data] [--split test] [--model default] [--films N]
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lungspot.datasets import load_with_splits
from lungspot.detect import load_detector
from lungspot.evaluate import auroc
from lungspot.findings import PRESENT, UNKNOWN
from lungspot.formats.case import Split
from lungspot.images import prepare, read
from lungspot.train.data import known
from real_films import are_here, options

COARSE = 96  # pixels
FEW = 10  # films that show a label, and as many that do not, for a source to judge it by

Picture = NDArray[np.float32]


def coarse(film: Picture) -> Picture:
    """Return the film as if it had been stored at 96 pixels."""
    small = Image.fromarray(film).resize((COARSE, COARSE), Image.Resampling.BOX)
    return np.asarray(small.resize(film.shape[::-1], Image.Resampling.BILINEAR), dtype=np.float32)


def without_corners(film: Picture) -> Picture:
    """Return the film with black corners."""
    changed, eighth = film.copy(), len(film) // 8
    for rows in (slice(None, eighth), slice(-eighth, None)):
        for columns in (slice(None, eighth), slice(-eighth, None)):
            changed[rows, columns] = 0
    return changed


def frame_alone(film: Picture) -> Picture:
    """Return the outer tenth of the film around grey."""
    changed, tenth = film.copy(), len(film) // 10
    changed[tenth:-tenth, tenth:-tenth] = film.mean()
    return changed


CHANGES: dict[str, Callable[[Picture], Picture]] = {
    "as it is": lambda film: film,
    "96 pixels": coarse,
    "no corners": without_corners,
    "mirrored": lambda film: film[:, ::-1],
    "frame alone": frame_alone,
}


def main() -> None:
    """Measure and print."""
    parser = options(__doc__, Split.TEST)
    parser.add_argument("--films", type=int, default=0, help="only so many, drawn at random")
    asked = parser.parse_args()
    if not are_here(asked.data):
        return
    detector = load_detector(asked.model)
    labels = detector.card.labels
    cases = load_with_splits(asked.data)
    cases = [case for case in cases if case.split is asked.split]
    if asked.films:
        chosen = np.random.default_rng(0).choice(len(cases), min(asked.films, len(cases)), replace=False)
        cases = [cases[at] for at in sorted(chosen)]
    said: dict[str, list[Picture]] = {name: [] for name in CHANGES}
    for case in cases:
        film = prepare(read(case.image, sandboxed=False), detector.card.input_size).tensor[0, 0]
        for name, change in CHANGES.items():
            said[name].append(detector.run(np.ascontiguousarray(change(film))[None, None]).image_scores)
    logits = {name: _logit(np.array(rows, dtype=np.float64)) for name, rows in said.items()}
    states = np.array([known(case, labels).states for case in cases])
    sources = np.array([case.dataset for case in cases])
    print(f"{detector.card.name} {detector.card.version}, {asked.split}: {len(cases)} films")
    print("| label | source | " + " | ".join(f"{name}: AUROC, change (mean)" for name in CHANGES) + " |")
    print("|---" * (len(CHANGES) + 2) + "|")
    for column, label in enumerate(labels):
        told = [(source, _of(states[:, column], sources == source)) for source in sorted(set(sources))]
        for source, rows in told:
            positive = states[rows, column] >= PRESENT
            if min(positive.sum(), (~positive).sum()) < FEW:
                continue
            cells = []
            for name in CHANGES:
                moved = logits[name][rows, column] - logits["as it is"][rows, column]
                area = auroc(logits[name][rows, column], positive)
                cells.append(f"{area:.3f}, {np.abs(moved).mean():.2f} ({moved.mean():+.2f})")
            print(f"| {label} | {source} | {' | '.join(cells)} |")


def _of(states: NDArray[np.int_], source: NDArray[np.bool_]) -> NDArray[np.intp]:
    return np.flatnonzero(source & (states != UNKNOWN))


def _logit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    safe = np.clip(values, 1e-6, 1 - 1e-6)
    return np.log(safe / (1 - safe))


if __name__ == "__main__":
    main()
