"""How well the detector that ships reads films it has not seen: per label and source, from file to decoded finding.

Reads every film of a split of ../shared/data the way `lungspot detect` does (the gate's answers left aside), decodes
with a score of 0 as the only threshold, and prints AP at IoU 0.3, 0.4 and 0.5 and AUROC. About two minutes. With
--apart LABEL it reads the films alone on which the label is known, and prints AP and AUROC with their intervals by who
boxed it: a dataset's own readers, or NIH's own list of boxes (against NIH films that no other dataset's reader boxed).

    .venv/bin/python benchmarks/accuracy.py [--data ../shared/data] [--split test] [--model default] [--json OUT]
    .venv/bin/python benchmarks/accuracy.py --apart cardiomegaly
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from lungspot.datasets import chestxdet, load_with_splits, nih, truth
from lungspot.detect import Detector, decode, load_detector
from lungspot.evaluate import by_patient, chosen_metrics, counts, interval, select_films, unit_weights
from lungspot.findings import State
from lungspot.formats.case import Case, Split
from lungspot.images import prepare, read
from lungspot.train.accuracy import accuracy, match_label
from lungspot.train.calibrate import Fitted
from lungspot.train.data import known
from lungspot.train.validate import Found, Predictions
from real_films import are_here, options

RESAMPLES = 500


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = options(__doc__, Split.TEST)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--apart", metavar="LABEL", help="one label by who boxed it, and nothing else")
    asked = parser.parse_args()
    if not are_here(asked.data):
        return
    detector = load_detector(asked.model)
    cases = load_with_splits(asked.data)
    mine, labels = [case for case in cases if case.split is asked.split], detector.card.labels
    if asked.apart:
        mine = [case for case in mine if truth(case).state(asked.apart) is not State.NOT_LOOKED_FOR]
        apart(predictions(detector, mine), mine, labels, asked.apart)
        return
    found = predictions(detector, mine)
    plain = Fitted(dict.fromkeys(labels, 0.0), {}, {}, {}, {}, {})
    table = accuracy(found, labels, plain)
    show(table)
    if asked.json:
        asked.json.write_text(json.dumps(table, indent=1), "utf-8")


def predictions(detector: Detector, cases: list[Case]) -> Predictions:
    """Return what the detector finds on each film, in the form that the training room judges."""
    labels = detector.card.labels
    found, image, features = [], [], []
    for case in cases:
        film = read(case.image, sandboxed=False)
        prepared = prepare(film, detector.card.input_size)
        raw = detector.run(prepared.tensor)
        reading = decode(raw, prepared.placement, detector.card, min_score=0.0)
        size = np.array([film.frame.width, film.frame.height] * 2, dtype=np.float64)
        whole = {finding.label: finding.score for finding in reading.findings if finding.box is None}
        image.append([whole[label] for label in labels])
        features.append(raw.features)
        boxed = [[f for f in reading.of(label) if f.box is not None] for label in labels]
        found.append(
            tuple(
                Found(
                    np.array([f.box.corners for f in of], dtype=np.float64).reshape(-1, 4) / size,
                    np.array([f.score for f in of], dtype=np.float64),
                )
                for of in boxed
            )
        )
    films = tuple(known(case, labels) for case in cases)
    return Predictions(films, tuple(found), np.array(image), np.stack(features))


def apart(found: Predictions, cases: list[Case], labels: tuple[str, ...], label: str) -> None:
    """Print one label's numbers on the films of each group of readers that boxed it."""
    matched = match_label(found, labels.index(label), label, 0.0)
    groups = [boxed_by(case, label) for case in cases]
    rows = (unit_weights(len(cases)), by_patient([case.patient for case in cases], RESAMPLES, 0))
    print(f"{label}, {len(cases)} films")
    for name in sorted({name for name in groups if name}):
        chosen = np.array([name == group for group in groups], dtype=np.bool_)
        part = select_films(matched, chosen)
        names = ("ap0.4", "auroc")
        point, spread = (chosen_metrics(part, weights, names) for weights in rows)
        texts = []
        for metric in names:
            low, high = interval(spread[metric]) or (float("nan"), float("nan"))
            texts.append(f"{metric} {float(point[metric][0]):.3f} ({low:.3f} to {high:.3f})")
        of = counts(part)
        if of["boxes"]:
            print(f"  {name:12}{of['boxes']:4} boxes, films {of['positive']} / {of['negative']}   {'   '.join(texts)}")


def boxed_by(case: Case, label: str) -> str:
    """Return the group of a film: whose people looked for the label on it, NIH's box list where they are nobody else's.

    A positive film without a box is in no group of NIH's: the list has one box a film and label, not all.
    """
    readers = {reading.reader for reading in case.readings}
    if case.dataset != nih.DATASET.name:
        return case.dataset
    if chestxdet.DATASET.name in readers:
        return chestxdet.DATASET.name
    known = truth(case)
    boxed = any(finding.box is not None for finding in known.of(label))
    return nih.BOXES if boxed or known.state(label) is State.ABSENT else ""


def show(table: dict) -> None:
    """Print the table."""

    def cell(value: float | None) -> str:
        return "    -" if value is None else f"{value:5.3f}"

    print(f"{'label':14}{'source':14}{'boxes':>6}{'films+':>7}{'films-':>7}  AP@.3  AP@.4  AP@.5  AUROC  (95 % CI)")
    for label, row in table["labels"].items():
        interval = row["ci95"]["auroc"]
        print(
            f"{label:14}{'all':14}{row['boxes']:6}{row['positive']:7}{row['negative']:7}  {cell(row['ap0.3'])}  "
            f"{cell(row['ap0.4'])}  {cell(row['ap0.5'])}  {cell(row['auroc'])}  {interval or ''}"
        )
        sure = row["certain"]
        print(f"{'':14}{'certain':14}{'':20}         {cell(sure['ap0.4'])}         {cell(sure['auroc'])}")
        for source, part in row["source"].items():
            print(
                f"{'':14}{source:14}{part['boxes']:6}{part['positive']:7}{part['negative']:7}         "
                f"{cell(part['ap0.4'])}         {cell(part['auroc'])}"
            )
    print(
        f"mean: AP@.3 {table['map0.3']}, AP@.4 {table['map0.4']} (four labels {table['map0.4_four']}), "
        f"AP@.5 {table['map0.5']}, AUROC {table['auroc']}; {table['films']} films"
    )
    sure = table["certain"]
    print(f"without doubtful films: AP@.4 {sure['map0.4']} (four labels {sure['map0.4_four']}), AUROC {sure['auroc']}")


if __name__ == "__main__":
    main()
