"""What a full evaluation costs: 5,000 films, 10 labels, 1,000 resamples of patients, from predictions to report.

The films are made up (boxes, misses, false boxes, two films a patient); nothing is read but the prediction file. The
bound that the project holds itself to is 2 minutes and 2 GB on two cores.

    .venv/bin/python benchmarks/evaluate.py [--films 5000] [--resamples 1000]
"""

from __future__ import annotations

import argparse
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
    asked = parser.parse_args()
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


if __name__ == "__main__":
    main()
