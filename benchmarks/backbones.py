"""Light backbones against each other: the same films, steps and sizes, three seeds each, judged on val.

`python benchmarks/backbones.py OUT --data ../shared/data`: each arm draws the same number of films at one size (160
pixels unless asked otherwise) and is judged on all films of val at that size. Arms: ours from random weights (``csp``),
EfficientNet-Lite0 from random weights (its stem, first two stages and 5 x 5 depthwise filters stay random, for those
never learn here), Lite0, 1 and 2 from ImageNet, Lite0 without the sources that came with the second generation, Lite0
with a third more pixels a side. Box scores are multiplied by the film's probability. Small runs: they rank beginnings,
not what a long run ends with. Needs `[train]`; three to ten minutes of a core an arm and seed. Stopped, it goes on
at the next arm.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from lungspot.datasets import load_with_splits
from lungspot.findings import DISEASES
from lungspot.formats import Split
from lungspot.train import Films, TrainConfig
from lungspot.train.accuracy import WELL_BOXED
from lungspot.train.data import pack
from lungspot.train.loop import load_checkpoint, train
from lungspot.train.validate import detect_all, predict

NEW: Final = frozenset({"jsrt", "wingspan", "lidc_drr"})  # sources of the second generation
CACHE: Final = 320
CONFIG: Final = TrainConfig(
    neck=96,
    anatomy=False,
    cache_size=CACHE,
    batch=16,
    rate=1.5e-3,
    backbone_rate=0.5,
    warmup=60,
    ema=0.99,
    evaluate_minutes=1e6,
    checkpoint_minutes=1e6,
)
ARMS: Final[Mapping[str, Mapping[str, Any]]] = {
    "lite0": {"backbone": "lite0"},
    "csp": {"backbone": "csp", "backbone_rate": 1.0},
    "lite2": {"backbone": "lite2"},
    "lite1": {"backbone": "lite1"},
    "lite0 random": {"backbone": "lite0", "imagenet": False, "backbone_rate": 1.0},
    "lite0 without new films": {"backbone": "lite0"},
    "lite0 larger": {"backbone": "lite0"},
}
BACKBONES: Final = ("lite0", "csp", "lite2", "lite1", "lite0 random")  # first, with every seed


def main() -> None:
    """Run what is not there yet, a seed after the other, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, help="packed films; OUT/cache unless given")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=600, help="of 16 films")
    parser.add_argument("--size", type=int, default=160)
    asked = parser.parse_args()
    cases = load_with_splits(asked.data)
    cache = asked.cache or asked.out / "cache"
    films, _ = pack(cases, DISEASES, CACHE, cache)
    rows = []
    for arms in (BACKBONES, [arm for arm in ARMS if arm not in BACKBONES]):
        for seed in range(asked.seeds):
            for arm in arms:
                size = asked.size if arm != "lite0 larger" else 32 * round(asked.size * 4 / 3 / 32)
                rows.append(one_run(films, arm, seed, asked.steps, size, asked.out))
                print(json.dumps({key: rows[-1][key] for key in ("arm", "seed", "map", "four", "auroc")}), flush=True)
    report(rows)


def one_run(  # noqa: PLR0913, PLR0917 - which run, and how long
    films: Films, arm: str, seed: int, steps: int, size: int, out: Path
) -> dict[str, Any]:
    """Train an arm with a seed, and judge it on val."""
    folder = out / f"{arm.replace(' ', '-')}-{seed}"
    done = folder / "row.json"
    if done.exists():
        row: dict[str, Any] = json.loads(done.read_text())
        return row
    config = replace(CONFIG, **ARMS[arm], seed=seed, steps=steps, sizes=((0.0, size),))
    given = films
    if arm.endswith("without new films"):
        kept = np.array([number for number, film in enumerate(films.films) if film.source not in NEW])
        given = Films(tuple(films.films[number] for number in kept), films.pixels[kept])
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was stopped
    began = time.process_time()
    train(config, given, folder)
    spent = time.process_time() - began
    found = detect_all(predict(load_checkpoint(folder).network, films, films.of(Split.VAL), size), DISEASES)
    row = {"arm": arm, "seed": seed, "steps": steps, "size": size, "seconds": spent, **found}
    row["four"] = float(np.mean([found[f"ap/{label}"] for label in WELL_BOXED]))
    done.write_text(json.dumps(row))
    (folder / "last.pt").unlink()
    return row


def report(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print a row an arm: means over the seeds, lowest and highest, and films a second of processor time."""
    print("| arm | px | films/s | mAP@0.4 | four labels | AUROC |\n|---|---|---|---|---|---|")
    every = list(rows)
    for arm in ARMS:
        mine = [row for row in every if row["arm"] == arm]
        if not mine:
            continue
        speed = np.mean([row["steps"] * CONFIG.batch / row["seconds"] for row in mine])
        cells = []
        for key in ("map", "four", "auroc"):
            values = [row[key] for row in mine]
            cells.append(f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})")
        print(f"| {arm} | {mine[0]['size']} | {speed:.0f} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
