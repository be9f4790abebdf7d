"""The founding claim measured: lungspot's boxes against boxes cut from heat maps, on the test films.

    .venv/bin/python tools/study.py [--data ../shared/data] [-o runs/study] [--write]      # the detector's own heat map
    .venv/bin/lungspot train -o runs/classifier --data ../shared/data --no-boxes            # or that of a classifier
    .venv/bin/python tools/study.py --classifier runs/classifier [--data ../shared/data] [-o runs/study] [--write]

Writes ``results.json``, the page, its picture and a gallery of films into the run folder; ``--write`` (``make study``)
also writes docs/explanation/boxes-vs-heatmaps.md and the table of the README. The gallery shows films: never commit it.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from lungspot.detect import default_weights, load_detector
from lungspot.outputs import Outputs
from lungspot.study.page import bars, page, summary_table
from lungspot.study.run import run, write
from lungspot.train import open_checkpoint

ROOT = Path(__file__).resolve().parents[1]
README = re.compile(r"(<!-- study -->\n).*?(<!-- /study -->)", re.DOTALL)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classifier", type=Path, help="a run without boxes; the detector itself if not given")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--model", default="default")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "runs" / "study")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--films", type=int, default=0, help="only so many of each split, to try the script")
    parser.add_argument("--overwrite", action="store_true", help="replace what an earlier run wrote there")
    parser.add_argument("--write", action="store_true", help="write the committed page, picture and table too")
    asked = parser.parse_args()
    network = asked.classifier or (default_weights()[0] if asked.model == "default" else Path(asked.model))
    if not asked.data.is_dir() or not network.exists():
        print(f"{asked.data} or {network}: the films or the network are not here; nothing measured")
        return
    torch.set_num_threads(1)  # two wait for each other at every operator where anything else runs; one is enough
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{(time.monotonic() - began) / 60:5.1f} min  {text}", flush=True)

    detector, classifier = load_detector(asked.model), open_checkpoint(network)
    outputs = Outputs([asked.data, network], overwrite=asked.overwrite)
    with outputs.folder(asked.out) as folder:
        results = run(
            detector,
            classifier,
            asked.data,
            resamples=asked.resamples,
            films=asked.films,
            gallery=folder / "gallery",
            own=asked.classifier is None,
            say=say,
        )
        write(results, folder)
    print(summary_table(results))
    if asked.write:
        write_page(results)
    say("done")


def write_page(results: Mapping[str, Any]) -> None:
    """Write the committed page, its picture and the table of the README."""
    (ROOT / "docs" / "explanation" / "boxes-vs-heatmaps.md").write_text(page(results), "utf-8")
    (ROOT / "docs" / "images" / "boxes-vs-heatmaps.svg").write_bytes(bars(results))
    readme = ROOT / "README.md"
    table = summary_table(results)
    readme.write_text(README.sub(lambda m: m[1] + table + m[2], readme.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
