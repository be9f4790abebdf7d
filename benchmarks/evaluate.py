"""What a full evaluation costs: 5,000 films, 10 labels, 1,000 resamples of patients, from predictions to report.

The films are made up (boxes, misses, false boxes, two films a patient); nothing is read but the prediction file. The
bound that the project holds itself to is 2 minutes and 2 GB on two cores. `--real` judges the shipped detector's
findings on the real test films instead and compares AP with faster-coco-eval and pycocotools.

    .venv/bin/python benchmarks/evaluate.py [--films 5000] [--resamples 1000] [--real ../shared/data]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from lungspot.findings import DISEASES

SIZE = 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=5000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--real", type=Path, help="the folder of real films")
    asked = parser.parse_args()
    if asked.real is not None:
        real(asked.real)
        return
    with tempfile.TemporaryDirectory() as folder:
        truth, found = Path(folder) / "truth.json", Path(folder) / "found.json"
        write(truth, found, asked.films)
        words = ["eval", str(truth), str(found), "-o", f"{folder}/report", "--resamples", str(asked.resamples)]
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "lungspot", *words, "--quiet"], check=True)
        wall = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{asked.films} films, {len(DISEASES)} labels, {asked.resamples} resamples: {wall:.0f} s on the clock, ", end=""
    )
    print(f"{used.ru_utime + used.ru_stime:.0f} CPU s, {used.ru_maxrss / 1024:.0f} MiB at most")


def write(truth: Path, found: Path, films: int) -> None:
    """Write a COCO truth and results: a label in three films of ten, found in two of three, and false boxes."""
    rng = np.random.default_rng(0)
    images, true, results = [], [], []
    for number in range(1, films + 1):
        absent = []
        for label in range(1, len(DISEASES) + 1):
            count = int(rng.integers(1, 4)) if rng.random() < 0.3 else 0
            absent += [] if count else [label]
            for _ in range(count):
                box = [*rng.uniform(0, 700, 2), *rng.uniform(40, 290, 2)]
                true.append(row(len(true) + 1, number, label, box))
                if rng.random() < 0.67:
                    moved = np.array(box) + rng.normal(0, 0.12, 4) * np.array([box[2], box[3], box[2], box[3]])
                    results.append(
                        row(0, number, label, np.clip(moved, 1, 700)) | {"score": float(rng.random() ** 0.5)}
                    )
            for _ in range(int(rng.integers(0, 5))):
                box = [*rng.uniform(0, 700, 2), *rng.uniform(40, 290, 2)]
                results.append(row(0, number, label, box) | {"score": float(rng.random() ** 2)})
        image = {
            "id": number,
            "file_name": f"{number}.png",
            "width": SIZE,
            "height": SIZE,
            "patient_id": f"p{number // 2}",
        }
        images.append(image | {"neg_category_ids": absent, "not_exhaustive_category_ids": []})
    categories = [{"id": i, "name": label} for i, label in enumerate(DISEASES, 1)]
    truth.write_text(json.dumps({"images": images, "categories": categories, "annotations": true}), "utf-8")
    found.write_text(json.dumps(results), "utf-8")


def row(number: int, image: int, label: int, box: object) -> dict:
    """Return one annotation of COCO."""
    x, y, width, height = (round(float(side), 2) for side in box)
    return {
        "id": number,
        "image_id": image,
        "category_id": label,
        "bbox": [x, y, width, height],
        "area": width * height,
        "iscrowd": 0,
    }


def real(data: Path) -> None:
    """Read the real test films with the shipped detector and compare AP with the two reference programs."""
    import faster_coco_eval
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    from lungspot.datasets.case import Split
    from lungspot.datasets.catalog import load_all
    from lungspot.datasets.splits import apply_splits, read_splits
    from lungspot.datasets.truth import truth
    from lungspot.detect import decode, load_detector
    from lungspot.evaluate import Limits, Pair, measure, once, tabulate
    from lungspot.findings import State
    from lungspot.images import prepare, read

    detector = load_detector()
    cases = apply_splits(load_all(data), read_splits(data / "splits.csv"), data)
    pairs = []
    for case in (case for case in cases if case.split is Split.TEST):
        prepared = prepare(read(case.image, sandboxed=False), detector.card.input_size)
        found = decode(detector.run(prepared.tensor), prepared.placement, detector.card, min_score=1e-3)
        found = found if case.frame is None else found.to_frame(case.frame)
        pairs.append(Pair(case.id, case.patient, truth(case), found, {"source": case.dataset}))
    worst = 0.0
    for label in detector.card.labels:
        mine = measure(tabulate(pairs, label, Limits()), once(len(pairs)))
        sure = [pair for pair in pairs if pair.true.state(label) in {State.BOXED, State.ABSENT}]
        theirs_lvis = coco(faster_coco_eval.COCOeval_faster, faster_coco_eval.COCO, pairs, label, lvis_style=True)
        alone = measure(tabulate(sure, label, Limits()), once(len(sure)))
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
        images.append({"id": number, "width": SIZE, "height": SIZE} | lists)
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
