"""Our average precision beside faster-coco-eval's (LVIS mode) and pycocotools', on the real test films.

Reads every test film with the shipped detector (about two minutes), and prints per label AP at IoU 0.4 and 0.50:0.95
with the differences. pycocotools knows no partial labels: it judges the films where the label is boxed or absent.

    .venv/bin/python benchmarks/average_precision.py [--data ../shared/data]
"""

from __future__ import annotations

import contextlib
import io

import faster_coco_eval
import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from lungspot.datasets import load_with_splits
from lungspot.datasets.truth import truth
from lungspot.detect import decode, load_detector
from lungspot.evaluate import Pair, ScoreLimits, metrics_of, tabulate, unit_weights
from lungspot.findings import State
from lungspot.formats.case import Split
from lungspot.images import prepare, read
from real_films import are_here, options


def main() -> None:
    """Read the real test films with the shipped detector and compare AP with the two reference programs."""
    asked = options(__doc__).parse_args()
    if not are_here(asked.data):
        return
    detector = load_detector(asked.model)
    cases = load_with_splits(asked.data)
    pairs = []
    for case in (case for case in cases if case.split is Split.TEST):
        prepared = prepare(read(case.image, sandboxed=False), detector.card.input_size)
        found = decode(detector.run(prepared.tensor), prepared.placement, detector.card, min_score=1e-3)
        found = found if case.frame is None else found.to_frame(case.frame)
        pairs.append(Pair(case.id, case.patient, truth(case), found, {"source": case.dataset}))
    worst = 0.0
    for label in detector.card.labels:
        mine = metrics_of(tabulate(pairs, label, ScoreLimits()), unit_weights(len(pairs)))
        sure = [pair for pair in pairs if pair.true.state(label) in {State.BOXED, State.ABSENT}]
        theirs_lvis = coco(faster_coco_eval.COCOeval_faster, faster_coco_eval.COCO, pairs, label, lvis_style=True)
        alone = metrics_of(tabulate(sure, label, ScoreLimits()), unit_weights(len(sure)))
        theirs = coco(COCOeval, COCO, sure, label)
        if np.isfinite(mine["ap0.4"][0]):
            for name, column in (("ap0.4", slice(0, 1)), ("ap0.5:0.95", slice(1, None))):
                gaps = mine[name][0] - theirs_lvis[column].mean(), alone[name][0] - theirs[column].mean()
                worst = max(worst, *map(abs, gaps))
                print(f"{label:14} {name:11} {mine[name][0]:.6f}  differs by {gaps[0]:.1e} and {gaps[1]:.1e}")
    print(f"{len(pairs)} films; the largest difference is {worst:.1e}")


def coco(evaluator: type, dataset: type, pairs: list, label: str, **options: bool) -> np.ndarray:
    """Return AP at 0.4 and at COCO's ten thresholds, (11,), by a reference program."""
    images, true, results = [], [], []
    for number, pair in enumerate(pairs, 1):
        state = str(pair.true.state(label))
        lists = {
            "neg_category_ids": [1] * (state == "absent"),
            "not_exhaustive_category_ids": [1] * (state == "present"),
        }
        images.append({"id": number, "width": 1000, "height": 1000} | lists)
        true += [exact(number, box) | {"id": len(true) + i} for i, box in enumerate(pair.true.boxes(label), 1)]
        boxed = [finding for finding in pair.found.of(label) if finding.box is not None]
        results += [exact(number, finding.box) | {"score": finding.score} for finding in boxed]
    with contextlib.redirect_stdout(io.StringIO()):
        whole = dataset()
        whole.dataset = {
            "images": images,
            "annotations": true,
            "categories": [{"id": 1, "name": label, "frequency": "f"}],
        }
        whole.createIndex()
        judge = evaluator(whole, whole.loadRes(results), "bbox", **options)
        judge.params.iouThrs = np.array([0.4, *np.arange(0.5, 0.96, 0.05)])
        judge.params.maxDets = [10_000] * 3
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e12]], ["all"]
        judge.evaluate()
        judge.accumulate()
    return judge.eval["precision"][:, :, 0, 0, -1].mean(1)


def exact(image: int, box: object) -> dict:
    """Return a box as COCO has it, unrounded."""
    return {"image_id": image, "category_id": 1, "bbox": list(box.xywh), "area": box.area, "iscrowd": 0}


if __name__ == "__main__":
    main()
