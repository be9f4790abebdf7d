"""The whole study: look at val and test, choose on val, measure on test, and write what was found."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from lungspot.datasets import DATASETS, load, load_with_splits
from lungspot.detect import Detector
from lungspot.errors import InputError
from lungspot.evaluate import Value
from lungspot.formats import Case, Column, CroissantTable, Split, write_croissant
from lungspot.study.choose import choose_maps
from lungspot.study.compare import ceiling, locate, measured, p_values
from lungspot.study.films import StudyFilm, look
from lungspot.study.gallery import panels
from lungspot.study.page import bars, page
from lungspot.study.parts import agreeing, by_source
from lungspot.train import Checkpoint

__all__ = ["run", "write"]


def run(  # noqa: PLR0913 - two networks, their films, how many, and where the gallery goes
    detector: Detector,
    classifier: Checkpoint,
    data: Path,
    *,
    resamples: int = 1000,
    films: int = 0,
    gallery: Path | None = None,
    own: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Return the study's results as a JSON document, read from the datasets below ``data`` and its ``splits.csv``.

    ``classifier``: the run of a network that saw no box (``lungspot train --no-boxes``), or, where it is the detector's
    ``own`` network, what its head for the film looks at. ``films``: only about so many
    of each split, to try it; 0: all. ``gallery``: a folder for pictures of films, never to be committed. ``say`` is
    told how far it is. Raises ``BAD_VALUE`` where the two networks know different labels.
    """
    labels, size = detector.card.labels, classifier.config.input_size
    if tuple(classifier.config.labels) != tuple(labels):
        advice = "train it anew with the detector's labels"
        raise InputError("BAD_VALUE", None, f"the classifier's labels are {classifier.config.labels}", advice=advice)
    cases = load_with_splits(data)
    seen: dict[Split, list[StudyFilm]] = {}
    for split in (Split.VAL, Split.TEST):
        some = [case for case in cases if case.split is split]
        some = some[:: max(1, len(some) // films)] if films else some
        say(f"{split}: {len(some)} films")
        seen[split] = look(some, detector, classifier.network, size, say)
    heat = choose_maps(seen[Split.VAL], labels)
    control = choose_maps(seen[Split.VAL], labels, control=True)
    say("chosen on val")
    test = seen[Split.TEST]
    ways = locate(test, labels, heat, control)
    numbers = measured(test, ways, detector, resamples)
    say("measured on test")
    several = _read_by_several(data)
    people = ceiling(several, labels, resamples) if several else {}
    if gallery is not None:
        say(f"{panels(test, ways, gallery)} pictures of films in {gallery}")
    return {
        "films": len(test),
        "patients": len({film.case.patient for film in test}),
        "labels": list(heat),
        "ways": {way: {label: _json(row) for label, row in of.items()} for way, of in numbers.items()},
        "p": p_values(test, ways, resamples),
        "sources": by_source(test, ways, resamples),
        "agreement": agreeing(test, detector, resamples),
        "people": {label: _json(row) for label, row in people.items()},
        "chosen": {label: asdict(choice) for label, choice in heat.items()},
        "chosen_random": {label: asdict(choice) for label, choice in control.items()},
        "detector": {"name": detector.card.name, "version": detector.card.version, "sha256": detector.sha256},
        "classifier": {
            "own": own,
            "steps": classifier.step,
            "minutes": round(classifier.seconds / 60, 1),
            "pixels": size,
        },
        "not_for_clinical_use": True,
    }


def _read_by_several(data: Path) -> list[Case]:
    """Return the films below ``data`` of which several people's readings are there, each reader's kept."""
    several = [known for known in DATASETS.values() if known.several_readers and (data / known.folder).is_dir()]
    return [case for known in several for case in load(known.name, data / known.folder)]


def write(results: Mapping[str, Any], out: Path) -> None:
    """Write ``results.json``, its numbers as ``results.csv``, the page and its picture into the folder ``out``.

    ``croissant.jsonld`` beside them says what they are. OSError where that is impossible.

    ``out``: a folder that :meth:`lungspot.outputs.Outputs.folder` gives, so that nothing there is replaced.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    (out / "boxes-vs-heatmaps.md").write_text(page(results), "utf-8")
    (out / "boxes-vs-heatmaps.svg").write_bytes(bars(results))
    with (out / "results.csv").open("w", encoding="utf-8", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow([column.name for column in _COLUMNS])
        rows.writerows(_rows(results))
    write_croissant(
        out,
        "lungspot-boxes-against-heat-maps",
        f"Boxes against boxes cut from heat maps, on {results['films']} test films of public sets.",
        licence="https://www.apache.org/licenses/LICENSE-2.0",  # numbers of ours; no film
        files=("results.csv", "results.json", "boxes-vs-heatmaps.md", "boxes-vs-heatmaps.svg"),
        tables=(CroissantTable("numbers", "results.csv", "One number with its interval a row.", _COLUMNS),),
    )


_COLUMNS: Final = (
    Column("way", "boxes, heat (from heat maps), random (a control), difference (boxes less heat), people (readers)"),
    Column("label", "the finding, or mean over all"),
    Column("metric", "what was counted: docs/reference/metrics.md"),
    Column("value", "the number; empty where it does not exist", "Float"),
    Column("low", "where its 95 % interval begins; empty where it has none", "Float"),
    Column("high", "where it ends", "Float"),
)


def _rows(results: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Yield the numbers of the JSON document as rows of a table."""
    for way, labels in (*results["ways"].items(), ("people", results["people"])):
        for label, numbers in labels.items():
            for metric, number in numbers.items():
                yield way, label, metric, number["value"], *(number["interval"] or (None, None))


def _json(row: Mapping[str, Value]) -> dict[str, Any]:
    return {name: value.to_json() for name, value in row.items()}
