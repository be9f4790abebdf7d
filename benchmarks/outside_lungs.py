"""How much of the boxes of lung findings lies outside the lungs, on films whose lungs people outlined (JSRT, Wingspan).

Reads the films of a split that have masks of both lungs and counts, by label, the boxes of lung findings that the
detector shows at an operating point, experimental labels too, and those with more than a tenth of their area outside
the lungs' outlines, and outside the box around both lungs. The same for the boxes that people drew on these films.

    .venv/bin/python benchmarks/outside_lungs.py [--data ../shared/data] [--split test] [--model default]
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lungspot.datasets import anatomy_masks, load_with_splits, truth
from lungspot.detect import load_detector
from lungspot.findings import Finding, Frame, taxonomy
from lungspot.formats import Case, Split
from lungspot.images import read
from lungspot.pipeline import assess
from real_films import are_here, options

LUNGS = ("left_lung", "right_lung")
POINTS = ("balanced", "sensitive")
MOST = 0.1  # of a box's area, that may lie outside


class Outside(NamedTuple):
    """What of a box's area lies outside the lungs' outlines, and outside the box around both lungs."""

    outlines: float
    around: float


def main() -> None:
    """Measure and print."""
    asked = options(__doc__, Split.TEST).parse_args()
    if not are_here(asked.data):
        return
    detector = load_detector(asked.model)
    cases = load_with_splits(asked.data)
    mine = [case for case in cases if case.split is asked.split and anatomy_masks(case).keys() >= set(LUNGS)]
    print(f"{detector.card.name} {detector.card.version}, {asked.split}, {len(mine)} films with outlined lungs")
    found: dict[str, dict[str, list[Outside]]] = {who: defaultdict(list) for who in (*POINTS, "people")}
    for case in mine:
        film, lungs = read(case.image, sandboxed=False), both_lungs(case)
        said = {point: assess(film, detector, point=point).boxed for point in POINTS}
        said["people"] = [finding for finding in truth(case).findings if finding.box is not None]
        for who, findings in said.items():
            frame = case.frame if who == "people" else film.frame
            for finding in findings:
                if taxonomy()[finding.label].in_lungs:
                    found[who][finding.label].append(outside(finding, frame, lungs))
    for who, by_label in found.items():
        show(who, "all", [one for of in by_label.values() for one in of])
        for label, of in sorted(by_label.items()):
            show(who, label, of)


def both_lungs(case: Case) -> NDArray[np.bool_]:
    """Return where either lung of a film is, in the pixels of its masks."""
    layers = []
    for organ in LUNGS:
        with Image.open(anatomy_masks(case)[organ]) as mask:
            layers.append(np.asarray(mask.convert("L")) > 0)
    return np.logical_or(*layers)


def outside(finding: Finding, frame: Frame, lungs: NDArray[np.bool_]) -> Outside:
    """Return what of a finding's box, in pixels of ``frame``, lies outside; parts of a mask's pixel count as parts."""
    height, width = lungs.shape
    box = finding.box.scale(width / frame.width, height / frame.height)
    down, across = (_cover(*ends, count) for ends, count in (((box.y0, box.y1), height), ((box.x0, box.x1), width)))
    weight = np.outer(down, across)
    rows, columns = np.flatnonzero(lungs.any(axis=1)), np.flatnonzero(lungs.any(axis=0))
    around = weight[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Outside(1 - weight[lungs].sum() / box.area, 1 - around.sum() / box.area)


def show(who: str, label: str, found: list[Outside]) -> None:
    """Print one row."""
    if found:
        far = [sum(one[kind] > MOST for one in found) for kind in range(2)]
        middle = np.median([one.outlines for one in found])
        shares = ", ".join(f"{count} ({count / len(found):.1%})" for count in far)
        print(
            f"  {who:10}{label:14}{len(found):5} boxes; more than a tenth outside outlines, both lungs' box: {shares}"
            f"; median outside outlines {middle:.2f}"
        )


def _cover(start: float, end: float, count: int) -> NDArray[np.float64]:
    edges = np.arange(count + 1)
    return np.clip(np.minimum(edges[1:], end) - np.maximum(edges[:-1], start), 0, None)


if __name__ == "__main__":
    main()
