"""The founding claim measured: lungspot's boxes against boxes cut from heat maps, on the test films.

    .venv/bin/lungspot train -o runs/classifier --data ../shared/data --no-boxes      # once; see the training log
    .venv/bin/python tools/study.py --classifier runs/classifier [--data ../shared/data] [-o runs/study] [--write]

Writes ``results.json``, the page, its picture and a gallery of films into the run folder; ``--write`` (``make study``)
also writes docs/explanation/boxes-vs-heatmaps.md and the table of the README. The gallery shows films: never commit it.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from lungspot.datasets.catalog import load, load_all
from lungspot.datasets.splits import apply_splits, read_splits
from lungspot.detect import load_detector
from lungspot.formats.case import Case, Split
from lungspot.train.loop import load_checkpoint
from lungspot.train.study import Seen, ceiling, chances, choose, look, measured
from lungspot.train.study_gallery import panels
from lungspot.train.study_page import bars, page, summary_table
from lungspot.train.study_parts import agreeing, by_source

ROOT = Path(__file__).resolve().parents[1]
README = re.compile(r"(<!-- study -->\n).*?(<!-- /study -->)", re.DOTALL)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classifier", type=Path, default=ROOT / "runs" / "classifier")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--model", default="default")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "runs" / "study")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--films", type=int, default=0, help="only so many of each split, to try the script")
    parser.add_argument("--write", action="store_true", help="write the committed page, picture and table too")
    asked = parser.parse_args()
    if not asked.data.is_dir() or not (asked.classifier / "last.pt").is_file():
        print(f"{asked.data} or {asked.classifier}: the films or the classifier are not here; nothing measured")
        return
    torch.set_num_threads(1)  # two wait for each other at every operator where anything else runs; one is enough
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{(time.monotonic() - began) / 60:5.1f} min  {text}", flush=True)

    detector, classifier = load_detector(asked.model), load_checkpoint(asked.classifier)
    labels, size = detector.card.labels, classifier.config.input_size
    if tuple(classifier.config.labels) != tuple(labels):
        raise SystemExit(f"the classifier's labels {classifier.config.labels} are not the detector's {labels}")
    cases = apply_splits(load_all(asked.data), read_splits(asked.data / "splits.csv"), asked.data)
    seen: dict[Split, list[Seen]] = {}
    for split in (Split.VAL, Split.TEST):
        some: list[Case] = [case for case in cases if case.split is split]
        some = some[:: max(1, len(some) // asked.films)] if asked.films else some
        seen[split] = look(some, detector, classifier.network, size, lambda text, s=split: say(f"{s}: {text}"))
    heat = choose(seen[Split.VAL], labels)
    control = choose(seen[Split.VAL], labels, control=True)
    say("chosen on val")
    test = seen[Split.TEST]
    ways = measured(test, detector, heat, control, asked.resamples)
    chosen = {"boxes": dict.fromkeys(heat), "heat": heat, "random": control}
    say("measured on test")
    vindr = asked.data / "vindr"
    people = ceiling(load("vindr", vindr), labels, asked.resamples) if vindr.is_dir() else {}
    results: dict[str, Any] = {
        "films": len(test),
        "patients": len({film.case.patient for film in test}),
        "labels": list(heat),
        "ways": {way: {label: _json(row) for label, row in of.items()} for way, of in ways.items()},
        "p": chances(test, detector, heat, asked.resamples),
        "sources": by_source(test, labels, chosen, asked.resamples),
        "agreement": agreeing(test, detector, asked.resamples),
        "people": {label: _json(row) for label, row in people.items()},
        "chosen": {label: asdict(choice) for label, choice in heat.items()},
        "chosen_random": {label: asdict(choice) for label, choice in control.items()},
        "detector": {"name": detector.card.name, "version": detector.card.version, "sha256": detector.sha256},
        "classifier": {"steps": classifier.step, "minutes": round(classifier.seconds / 60, 1), "pixels": size},
        "not_for_clinical_use": True,
    }
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "results.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    (asked.out / "boxes-vs-heatmaps.md").write_text(page(results), "utf-8")
    (asked.out / "boxes-vs-heatmaps.svg").write_bytes(bars(results))
    say(f"{panels(test, labels, heat, asked.out / 'gallery')} pictures of films in {asked.out / 'gallery'}")
    print(summary_table(results))
    if asked.write:
        (ROOT / "docs" / "explanation" / "boxes-vs-heatmaps.md").write_text(page(results), "utf-8")
        (ROOT / "docs" / "images" / "boxes-vs-heatmaps.svg").write_bytes(bars(results))
        readme = ROOT / "README.md"
        table = summary_table(results)
        readme.write_text(README.sub(lambda m: m[1] + table + m[2], readme.read_text("utf-8")), "utf-8")
    say("done")


def _json(row: Any) -> dict[str, Any]:  # noqa: ANN401 - name → Value
    return {name: value.to_json() for name, value in row.items()}


if __name__ == "__main__":
    main()
