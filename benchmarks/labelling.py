"""What active learning saves: boxes that people must draw for a given AP, against a random order, by simulation.

`python benchmarks/labelling.py OUT --data ../shared/data`: ChestX-Det's films of train are the pool, their boxes what
people answer; its films of val and test, looked at by nobody who chooses, are judged on. Each arm begins with the same
films drawn at random, trains a small network (EfficientNet-Lite0 from ImageNet) for some steps, lets
`lungspot.labelling.choose` name the next films, and goes on from its own weights. The full set is learnt in as many
rounds of as many steps. Needs `[train]`, and half an hour of an idle core a seed. Stopped, it goes on at the next
round.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import matplotlib.pyplot as plt
import numpy as np

from lungspot.datasets import load_with_splits
from lungspot.findings import Box, Frame
from lungspot.formats import PredictedFinding, Prediction, Split
from lungspot.labelling import PoolFilm, choose
from lungspot.train import Films, TrainConfig
from lungspot.train.data import pack
from lungspot.train.loop import load_checkpoint, train
from lungspot.train.model import Network
from lungspot.train.validate import Predictions, precision, predict

LABELS: Final = ("atelectasis", "cardiomegaly", "effusion", "emphysema", "pneumonia", "pneumothorax")
READER: Final = "chestxdet"
BUDGETS: Final = (100, 200, 400, 800)
ARMS: Final = ("mixed", "random")
SIZE: Final = 128
_SHARE: Final = 0.9  # of the full set's AP, to be reached
LEAST: Final = 0.05  # score from which on a box counts as said
CONFIG: Final = TrainConfig(
    labels=LABELS,
    backbone="lite0",
    neck=64,
    anatomy=False,
    sizes=((0.0, SIZE),),
    cache_size=SIZE,
    batch=16,
    rate=2e-3,
    warmup=20,
    ema=0.98,
    evaluate_minutes=1e6,
    checkpoint_minutes=1e6,
)


def main() -> None:
    """Run what is not there yet, print the table, and draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1200, help="of each round")
    asked = parser.parse_args()
    films = pool_of(asked.data, asked.out / "cache")
    rows = [
        row
        for seed in range(asked.seeds)
        for arm in ("full", *ARMS)
        for row in one_arm(films, arm, seed, asked.steps, asked.out)
    ]
    (asked.out / "rows.json").write_text(json.dumps(rows, indent=1))
    report(rows, asked.out)


def pool_of(data: Path, cache: Path) -> Films:
    """Return ChestX-Det's films, small, with the boxes of its three radiologists alone."""
    cases = load_with_splits(data)
    read_by = [
        replace(case, readings=tuple(one for one in case.readings if one.reader.startswith(READER))) for case in cases
    ]
    kept = [case for case in read_by if case.readings]
    films, _ = pack(kept, LABELS, SIZE, cache)
    return films


def one_arm(films: Films, arm: str, seed: int, steps: int, out: Path) -> list[dict[str, Any]]:
    """Return a row a round: films and boxes that people gave, and the mean AP on films that none of them chose."""
    folder = out / f"{seed}-{arm}"
    done = folder / "rows.json"
    if done.exists():
        rows: list[dict[str, Any]] = json.loads(done.read_text())
        return rows
    pool = films.of(Split.TRAIN)
    lots = np.random.default_rng(seed).permutation(pool)
    budgets = (len(pool),) * len(BUDGETS) if arm == "full" else BUDGETS
    config = replace(CONFIG, seed=seed, steps=steps)
    answered, rows, begin = list(lots[: budgets[0]]), [], None
    for number, budget in enumerate(budgets):
        if begin is not None and budget > len(answered):
            before = load_checkpoint(begin).network
            answered += next_ones(before, films, pool, answered, budget - len(answered), arm, seed + number)
        given = Films(tuple(films.films[n] for n in answered), films.pixels[np.array(answered)])
        # The first round is the same whoever chooses the next.
        run = folder / f"round-{number}" if number or arm == "full" else out / f"{seed}-first"
        if not (run / "last.pt").exists():
            train(replace(config, rate=config.rate / (1 + number)), given, run, begin=begin)
        rows.append(judged(films, load_checkpoint(run).network, answered, arm, seed))
        print(f"{arm} {seed}: {rows[-1]['films']} films, {rows[-1]['boxes']} boxes: {rows[-1]['map']:.3f}", flush=True)
        begin = run
    done.write_text(json.dumps(rows))
    return rows


def judged(films: Films, network: Network, answered: Sequence[int], arm: str, seed: int) -> dict[str, Any]:
    """Return how good a network is that learnt so many films, on those of val and test."""
    found = predict(network, films, np.concatenate([films.of(Split.VAL), films.of(Split.TEST)]), SIZE)
    ap = {label: precision(found, column, 0.4) for column, label in enumerate(LABELS)}
    boxes = sum(len(films.films[n].boxes) for n in answered)
    mean = float(np.mean(list(ap.values())))
    return {"arm": arm, "seed": seed, "films": len(answered), "boxes": boxes, "ap": ap, "map": mean}


def next_ones(  # noqa: PLR0913, PLR0917 - what is chosen of, and how
    network: Network, films: Films, pool: Sequence[int], answered: Sequence[int], count: int, arm: str, seed: int
) -> list[int]:
    """Return the films that people answer next, as `lungspot labelling next` names them."""
    turned = Films(films.films, np.ascontiguousarray(films.pixels[:, :, ::-1]))
    seen, mirrored = (said(predict(network, each, pool, SIZE)) for each in (films, turned))
    done = set(answered)
    ones = [
        PoolFilm(str(n), seen[row], mirrored[row], answered=n in done)
        for row, n in enumerate(int(index) for index in pool)
    ]
    share = 1.0 if arm == "random" else 0.2
    return [int(one.film) for one in choose(ones, count, LABELS, by=arm, random_share=share, seed=seed)]


def said(found: Predictions) -> list[Prediction]:
    """Return what a network said of films as predictions, in thousandths of their sides."""
    frame = Frame(1000, 1000)
    every = []
    for film, boxes, image, features in zip(found.films, found.found, found.image, found.features, strict=True):
        findings = tuple(
            PredictedFinding(label, float(score), Box(*(1000 * np.array(corners))))
            for label, of in zip(LABELS, boxes, strict=True)
            for corners, score in zip(of.boxes, of.scores, strict=True)
            if score >= LEAST and (corners[2:] > corners[:2]).all()
        )
        scores = tuple(PredictedFinding(label, float(score)) for label, score in zip(LABELS, image, strict=True))
        told = tuple(float(value) for value in features)
        every.append(Prediction(film.id, frame, True, findings, film_scores=scores, features=told))  # noqa: FBT003
    return every


def report(rows: Sequence[dict[str, Any]], out: Path) -> None:
    """Print the table, with the boxes to nine tenths of the full set's AP, and draw the curves."""
    full = {row["seed"]: row for row in rows if row["arm"] == "full"}  # the last round of each
    figure, axes = plt.subplots(figsize=(7, 4.5))
    print("| arm | films | boxes | mAP@0.4, mean (lowest to highest seed) |\n|---|---|---|---|")
    for arm in (*ARMS, "full"):
        points = []
        for films in sorted({row["films"] for row in rows if row["arm"] == arm}):
            of = list({row["seed"]: row for row in rows if row["arm"] == arm and row["films"] == films}.values())
            value, boxes = [row["map"] for row in of], float(np.mean([row["boxes"] for row in of]))
            points.append((boxes, float(np.mean(value)), min(value), max(value)))
            print(f"| {arm} | {films} | {boxes:.0f} | {points[-1][1]:.3f} ({min(value):.3f} to {max(value):.3f}) |")
        xs, mean, low, high = zip(*points, strict=True)
        axes.errorbar(xs, mean, (np.array(mean) - low, np.array(high) - mean), marker="o", capsize=3, label=arm)
    goals = {seed: _SHARE * row["map"] for seed, row in full.items()}
    for arm in ARMS:
        needed = [reached([row for row in rows if row["arm"] == arm and row["seed"] == s], goals[s]) for s in goals]
        for what, which in (("boxes", 0), ("films", 1)):
            words = [f"not within {max(BUDGETS)} films" if one is None else f"{one[which]:,}" for one in needed]
            print(f"{arm}: {what} to {_SHARE:.0%} of the full set's AP, by seed: {'; '.join(words)}")
        crossed = [(one[0], goal) for one, goal in zip(needed, goals.values(), strict=True) if one is not None]
        if crossed:
            axes.plot(*zip(*crossed, strict=True), "x", color="black")  # where a seed reaches its goal
    axes.axhline(float(np.mean(list(goals.values()))), linestyle=":", color="grey")
    axes.set(xlabel="boxes that people drew", ylabel="mean AP at IoU 0.4")
    axes.legend()
    figure.savefig(out / "curves.png", dpi=120, bbox_inches="tight")


def reached(rows: Sequence[dict[str, Any]], goal: float) -> tuple[int, int] | None:
    """Return the boxes and the films at which an arm reaches a mean AP, between its rounds by a line.

    None where no round of it does: beyond the last one nothing is known, for the full set is learnt otherwise.
    """
    before: dict[str, Any] | None = None
    for row in rows:
        if row["map"] >= goal:
            share = 1.0 if before is None else (goal - before["map"]) / (row["map"] - before["map"])
            boxes, films = (
                round((before or row)[key] + share * (row[key] - (before or row)[key])) for key in ("boxes", "films")
            )
            return boxes, films
        before = row
    return None


if __name__ == "__main__":
    main()
