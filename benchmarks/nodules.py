"""How well small things are found where films are fine enough to show them: nodules, and pneumothoraces beside them.

Reads the films of a split that are stored at 512 pixels (NIH, JSRT), each once with the model's second look and once
without, and prints AP at IoU 0.3 with its interval over patients, and the share of true boxes found at one false box a
film, for JSRT's nodules also by how hard they are to see. About two minutes. With --look-again a model whose card asks
for no second look is given one for both labels.

    .venv/bin/python benchmarks/nodules.py [--data ../shared/data] [--split test] [--model default] [--look-again]
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lungspot.datasets import load_with_splits
from lungspot.datasets.jsrt import subtlety
from lungspot.detect import Detector, SecondLook, decode, load_detector, look_again
from lungspot.evaluate import FilmBoxes, ScoreLimits, by_patient, interval, tabulate_arrays, unit_weights
from lungspot.evaluate.froc import ThresholdSweep, coco_precision, sensitivities
from lungspot.findings import State
from lungspot.formats.case import Case, Split
from lungspot.images import prepare, read
from lungspot.train.data import known
from real_films import are_here, options

IOU = 0.3
FINE = 512
LABELS = ("nodule_mass", "pneumothorax")


class Looked(NamedTuple):
    """What is true and what was found of one label on one film."""

    case: Case
    film: FilmBoxes


def main() -> None:
    """Measure and print."""
    parser = options(__doc__, Split.TEST)
    parser.add_argument("--look-again", action="store_true", help="a second look, though the card asks for none")
    asked = parser.parse_args()
    if not are_here(asked.data):
        return
    detector = load_detector(asked.model)
    asks = detector.card.second_look
    if asked.look_again and asks is None:
        detector = detector.with_card(replace(detector.card, second_look=SecondLook(LABELS)))
    cases = load_with_splits(asked.data)
    mine = [case for case in cases if case.split is asked.split and case.dataset in {"nih", "jsrt"}]
    grades = subtlety(asked.data / "jsrt")
    print(f"{detector.card.name} {detector.card.version}, {asked.split}; second look: {asks}")
    for again in (False, True) if detector.card.second_look else (False,):
        looked = look(detector, mine, again=again)
        for label in LABELS:
            print(f"{label}, {'with' if again else 'without'} the second look")
            for source in ("jsrt", "nih", None):
                said = [one for one in looked[label] if source in {None, one.case.dataset}]
                show(source or "all", said)
            if label == "nodule_mass":
                clear = [one for one in looked[label] if one.case.dataset == "jsrt" and grades.get(one.case.id, 3) >= 3]
                show("jsrt 3 to 5", clear)


def look(detector: Detector, cases: list[Case], *, again: bool) -> dict[str, list[Looked]]:
    """Return, by label, what is found on the fine ones of the films."""
    card = detector.card
    found: dict[str, list[Looked]] = {label: [] for label in LABELS}
    for case in cases:
        film = read(case.image, sandboxed=False)
        if min(film.pixels.shape) < FINE:
            continue
        prepared = prepare(film, card.input_size)
        raw = detector.run(prepared.tensor)
        raw = look_again(raw, film, detector) if again else raw
        reading = decode(raw, prepared.placement, card, min_score=0.0)
        size = np.array([film.frame.width, film.frame.height] * 2, dtype=np.float64)
        truth = known(case, card.labels)
        for label in LABELS:
            column = card.labels.index(label)
            boxed = [one for one in reading.of(label) if one.box is not None]
            corners = np.array([one.box.corners for one in boxed], dtype=np.float64).reshape(-1, 4) / size
            scores = np.array([one.score for one in boxed], dtype=np.float64)
            true = truth.boxes[truth.labels == column].astype(np.float64)
            film_boxes = FilmBoxes(State.of_code(int(truth.states[column])), true, corners, scores, 0.0)
            found[label].append(Looked(case, film_boxes))
    return found


def show(name: str, looked: list[Looked]) -> None:
    """Print one row: AP at IoU 0.3, and the share of true boxes found at one false box a film, with intervals."""
    matched = tabulate_arrays([one.film for one in looked], "", ScoreLimits())
    true = len(matched.true_film)
    if not true:
        return
    rows = (unit_weights(len(looked)), by_patient([one.case.patient for one in looked], 500, 0))
    texts = []
    for metric in (_precision, _at_one):
        point, spread = (metric(ThresholdSweep(matched, weights)) for weights in rows)
        low, high = interval(spread) or (float("nan"), float("nan"))
        texts.append(f"{float(point[0]):.3f} ({low:.3f} to {high:.3f})")
    print(
        f"  {name:12}{len(looked):5} films {true:4} boxes   AP@.3 {texts[0]}   found at one false box a film {texts[1]}"
    )


def _precision(sweep: ThresholdSweep) -> NDArray[np.float64]:
    return coco_precision(sweep.counts(IOU))


def _at_one(sweep: ThresholdSweep) -> NDArray[np.float64]:
    return sensitivities(sweep, IOU, (1.0,))[:, 0]


if __name__ == "__main__":
    main()
