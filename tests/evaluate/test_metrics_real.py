"""On the real annotations: AP as the reference programs have it, and the human ceiling of the published readers."""

from dataclasses import replace

import faster_coco_eval
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from lungspot.datasets import apply_splits, read_splits
from lungspot.datasets.catalog import load
from lungspot.datasets.truth import truth
from lungspot.evaluate.matched import Pair, ScoreLimits, tabulate
from lungspot.evaluate.metrics import metrics_of
from lungspot.evaluate.pairing import people
from lungspot.evaluate.resample import unit_weights
from lungspot.findings import DISEASES, Box, Finding, Reading, State
from lungspot.formats.case import Split

from .test_metrics import run_coco


def made_up(true, rng):
    """Return a finding: two true boxes of three, moved a little, and false boxes of every label."""
    findings = []
    width, height = true.frame.width, true.frame.height
    for finding in true.findings:
        if finding.box is not None and rng.random() < 0.67:
            x0, y0, x1, y1 = finding.box.corners
            dx, dy, grow = rng.normal(0, 0.15, 3)
            w, h = (x1 - x0) * max(0.3, 1 + grow), (y1 - y0) * max(0.3, 1 + grow)
            x, y = x0 + dx * w, y0 + dy * h
            findings.append(Finding(finding.label, Box(x, y, x + w, y + h), float(rng.random() ** 0.5)))
    for label in DISEASES:
        if rng.random() < 0.4:
            x, y = rng.uniform(0, 0.7, 2)
            box = Box(x * width, y * height, (x + 0.25) * width, (y + 0.25) * height)
            findings.append(Finding(label, box, float(rng.random() ** 2)))
    return Reading("made up", tuple(findings), dict.fromkeys(DISEASES, State.PRESENT), true.frame)


def as_coco(pairs):
    images, annotations, results = [], [], []
    for number, pair in enumerate(pairs, 1):
        states = [pair.true.state(label) for label in DISEASES]
        lists = {
            "neg_category_ids": [i for i, state in enumerate(states, 1) if state is State.ABSENT],
            "not_exhaustive_category_ids": [i for i, state in enumerate(states, 1) if state is State.PRESENT],
        }
        images.append({"id": number, "width": pair.true.frame.width, "height": pair.true.frame.height} | lists)
        for reading, rows in ((pair.true, annotations), (pair.found, results)):
            for finding in reading.findings:
                if finding.box is not None:
                    row = {"image_id": number, "category_id": DISEASES.index(finding.label) + 1, "iscrowd": 0}
                    row |= {"bbox": list(finding.box.xywh), "area": finding.box.area, "id": len(rows) + 1}
                    rows.append(row | ({} if finding.score is None else {"score": finding.score}))
    categories = [{"id": i, "name": label, "frequency": "f"} for i, label in enumerate(DISEASES, 1)]
    return {"images": images, "annotations": annotations, "categories": categories}, results


def test_average_precision_on_the_whole_test_split(shared_data, real_cases):
    rng = np.random.default_rng(0)
    cases = apply_splits(real_cases, read_splits(shared_data / "splits.csv"), shared_data)
    trues = [(case, truth(case)) for case in cases if case.split is Split.TEST]
    pairs = [
        Pair(case.id, case.patient, true, made_up(true, rng), {"source": case.dataset})
        for case, true in trues
        if true.frame is not None
    ]
    assert len(pairs) > 1400
    theirs = run_coco(faster_coco_eval.COCOeval_faster, faster_coco_eval.COCO, *as_coco(pairs), lvis_style=True)
    # pycocotools knows no partly labelled films: it judges those that are boxed exhaustively or without the label
    plain = {label: [p for p in pairs if p.true.state(label) in {State.BOXED, State.ABSENT}] for label in DISEASES}
    judged = 0
    for column, label in enumerate(DISEASES):
        if any(pair.true.boxes(label) for pair in plain[label]):
            one = [replace(p, true=p.true.only([label]), found=p.found.only([label])) for p in plain[label]]
            wanted = run_coco(COCOeval, COCO, *as_coco(one))[:, :, DISEASES.index(label)]
            sure = metrics_of(tabulate(one, label, ScoreLimits()), unit_weights(len(one)))
            assert sure["ap0.4"][0] == pytest.approx(wanted[0].mean(), abs=1e-6), label
            assert sure["ap0.5:0.95"][0] == pytest.approx(wanted[1:].mean(), abs=1e-6), label
        mine = metrics_of(tabulate(pairs, label, ScoreLimits()), unit_weights(len(pairs)))
        if np.isfinite(mine["ap0.4"][0]):
            judged += 1
            assert mine["ap0.4"][0] == pytest.approx(theirs[0, :, column].mean(), abs=1e-6), label
            assert mine["ap0.5:0.95"][0] == pytest.approx(theirs[1:, :, column].mean(), abs=1e-6), label
    assert judged == 9  # edema has no box


@pytest.mark.parametrize(
    ("label", "ceiling"),
    [("cardiomegaly", 0.806), ("pneumothorax", 0.591), ("effusion", 0.467), ("atelectasis", 0.229)],
)
def test_people_are_judged_as_models_are(shared_data, vindr_pairs, label, ceiling):
    """The share of one reader's boxes that another drew, misses counted: detection.md 3.4."""
    del shared_data
    some = [pair for pair in vindr_pairs if pair.true.boxes(label) or pair.found.boxes(label)]
    found = metrics_of(tabulate(some, label, ScoreLimits()), unit_weights(len(some)))
    assert found["t_iou0.4"][0] == pytest.approx(ceiling, abs=0.0005)


@pytest.fixture(scope="module")
def vindr_pairs(shared_data):
    return people(load("vindr", shared_data / "vindr"), None)
