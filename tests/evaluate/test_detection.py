import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from lungspot.evaluate import average_precision, match_film
from lungspot.findings import State

A, B = (0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 30.0, 10.0)


def judged(found, true, state):
    boxes = np.array([box for box, _ in found], float).reshape(-1, 4)
    return match_film(boxes, np.array([s for _, s in found], float), np.array(true, float).reshape(-1, 4), state, 0.5)


@pytest.mark.parametrize(
    ("films", "expected"),
    [
        ([], np.nan),
        ([([(A, 0.9)], [], State.ABSENT)], np.nan),  # no true box anywhere
        ([([(A, 0.9)], [A], State.BOXED)], 1.0),
        ([([], [A], State.BOXED)], 0.0),
        ([([(A, 0.9)], [A, B], State.BOXED)], 51 / 101),  # recalls 0 to 0.5 are reached
        ([([(B, 0.9), (A, 0.8)], [A], State.BOXED)], 0.5),  # a surer wrong one first
        ([([(A, 0.9)], [A], State.BOXED), ([(B, 0.95)], [], State.ABSENT)], 0.5),
        ([([(A, 0.9)], [A], State.BOXED), ([(B, 0.95)], [], State.NOT_LOOKED_FOR)], 1.0),
        ([([(A, 0.9), (B, 0.95)], [A], State.PRESENT)], 1.0),  # B may be the one that has no box
        ([([(A, 0.9), (B, 0.95)], [A], State.BOXED)], 0.5),
    ],
)
def test_average_precision(films, expected):
    results = [result for film in films if (result := judged(*film)) is not None]
    assert average_precision(results) == pytest.approx(expected, nan_ok=True)


def test_not_looked_for_is_not_judged():
    assert judged([(A, 0.9)], [], State.NOT_LOOKED_FOR) is None


@pytest.mark.parametrize("seed", range(5))
def test_as_pycocotools(seed):
    """LVIS's rule is COCO's `ignore` for a film whose boxes are not all there: an unmatched box does not count."""
    rng = np.random.default_rng(seed)
    images, annotations, results, mine = [], [], [], []
    for image in range(1, 31):
        images.append({"id": image, "width": 100, "height": 100})
        corner = rng.uniform(0, 60, (rng.integers(0, 4), 2))
        true = np.concatenate((corner, corner + rng.uniform(8, 40, corner.shape)), 1)
        noise = rng.normal(0, 4, true.shape)
        corner = rng.uniform(0, 60, (rng.integers(0, 4), 2))
        found = np.concatenate((true + noise, np.concatenate((corner, corner + 20), 1)))
        found = found[(found[:, 2:] > found[:, :2] + 1).all(1)]
        scores = np.round(rng.random(len(found)), 6)
        for box in true:
            annotations.append(coco_box(box) | {"id": len(annotations) + 1, "image_id": image, "iscrowd": 0})
        results += [
            coco_box(box) | {"image_id": image, "score": float(s)} for box, s in zip(found, scores, strict=True)
        ]
        mine.append(match_film(found, scores, true, State.BOXED if len(true) else State.ABSENT, 0.4))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "effusion"}]}
        coco.createIndex()
        judge_of_coco = COCOeval(coco, coco.loadRes(results), "bbox")
        judge_of_coco.params.iouThrs = np.array([0.4])
        judge_of_coco.params.areaRng = [[0, 1e10]]
        judge_of_coco.params.areaRngLbl = ["all"]
        judge_of_coco.evaluate()
        judge_of_coco.accumulate()
    theirs = judge_of_coco.eval["precision"][0, :, 0, 0, -1].mean()
    assert average_precision(mine) == pytest.approx(theirs, abs=1e-9)


def coco_box(box):
    x0, y0, x1, y1 = map(float, box)
    return {"category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)}
