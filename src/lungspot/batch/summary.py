"""What a folder of results holds, counted shard by shard: as values, as JSON, and as one HTML file."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungspot import BANNER, __version__
from lungspot.findings import name_of
from lungspot.formats import GIVEN, film_columns, finding_columns, shard_files
from lungspot.pages import fill_page

__all__ = ["BatchSummary", "batch_page", "batch_summary"]

_SCHEMA: Final = "lungspot-batch/1"
_BINS: Final = 20  # of a histogram of scores
_SLOWEST: Final = 20
_MOST_WORDS: Final = 50  # different words that a column of the caller's may have, to be counted
_STEPS: Final = ("read_ms", "detect_ms", "explain_ms")
_COLUMNS: Final = ("film", "status", "reasons", "manufacturer", "device", "station", "model", "model_version", "site")


@dataclass(slots=True)
class BatchSummary:
    """Counts of films.

    ``standing``: of labels, ``reported`` or ``experimental``. ``scores``: by label, how many films lie in each
    twentieth from 0 to 1; ``labels``, ``boxes``: how many films and boxes reach their threshold. ``given``: by column
    that came with the films, its words, where they are few; ``crowded``: the other columns. ``slowest``: seconds and
    film.
    """

    films: int = 0
    shards: int = 0
    status: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    scanners: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    boxes: Counter[str] = field(default_factory=Counter)
    scores: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    standing: dict[str, str] = field(default_factory=dict)
    given: dict[str, Counter[str]] = field(default_factory=dict)
    crowded: list[str] = field(default_factory=list)
    slowest: list[tuple[float, str]] = field(default_factory=list)

    def to_json(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """Return the counts as JSON values; ``run``: what is said of the run that was just made."""
        return {
            "schema": _SCHEMA,
            "lungspot": __version__,
            "films": self.films,
            "shards": self.shards,
            "status": dict(self.status),
            "errors": dict(self.codes.most_common()),
            "labels": {
                label: {
                    "standing": self.standing[label],
                    "films": self.labels[label],
                    "boxes": self.boxes[label],
                    "histogram": self.scores[label].tolist(),
                }
                for label in sorted(self.scores)
            },
            "scanners": dict(self.scanners.most_common()),
            "models": dict(self.models.most_common()),
            "given": {name: dict(words.most_common()) for name, words in self.given.items()},
            "given_not_counted": self.crowded,
            "slowest": [{"seconds": round(seconds, 2), "film": film} for seconds, film in self.slowest],
            "run": dict(run),
            "not_for_clinical_use": True,
        }


def batch_summary(folder: Path, given: tuple[str, ...] = ()) -> BatchSummary:
    """Return what the tables of a folder hold, one shard at a time; raises DatasetError at a damaged one."""
    said = BatchSummary(given={name: Counter() for name in given})
    for file in shard_files(folder):
        said.shards += 1
        _films(said, film_columns(file, (*_COLUMNS, *_STEPS, *(GIVEN + name for name in said.given))))
        _findings(said, finding_columns(file, ("level", "label", "standing", "score", "positive")))
    said.slowest.sort(reverse=True)
    return said


def _films(said: BatchSummary, rows: Mapping[str, list[Any]]) -> None:
    said.films += len(rows["film"])
    said.status.update(rows["status"])
    said.codes.update(code for reasons in rows["reasons"] for code in reasons)
    for words in zip(rows["manufacturer"], rows["device"], rows["station"], strict=True):
        if device := " ".join(filter(None, words)):
            said.scanners[device] += 1
    for model, version, site in zip(rows["model"], rows["model_version"], rows["site"], strict=True):
        if model is not None:
            said.models[f"{model} {version}" + (f", thresholds of {site}" if site else "")] += 1
    for name in list(said.given):
        said.given[name].update(value or "" for value in rows[GIVEN + name])
        if len(said.given[name]) > _MOST_WORDS:  # an id or a name
            del said.given[name]
            said.crowded.append(name)
    took = zip(*(rows[step] for step in _STEPS), rows["film"], strict=True)
    for *steps, film in took:
        seconds = sum(step or 0.0 for step in steps) / 1000
        if seconds:
            add = heapq.heappush if len(said.slowest) < _SLOWEST else heapq.heappushpop
            add(said.slowest, (seconds, film))


def _findings(said: BatchSummary, rows: Mapping[str, list[Any]]) -> None:
    scores: dict[str, list[float]] = {}
    for level, label, standing, score, positive in zip(*rows.values(), strict=True):
        said.standing[label] = standing
        if level == "film":
            scores.setdefault(label, []).append(score)
            said.labels[label] += bool(positive)
        else:
            said.boxes[label] += bool(positive)
    for label, values in scores.items():
        counted = np.histogram(values, bins=_BINS, range=(0, 1))[0]
        said.scores[label] = said.scores.get(label, np.zeros(_BINS, dtype=np.int64)) + counted


def batch_page(value: Mapping[str, Any], *, title: str = "lungspot batch") -> str:
    """Return a summary's JSON values as an HTML text, without scripts or anything from a network.

    Raises ``MISSING_EXTRA`` without Jinja2 (the ``[batch]`` extra).
    """
    tables = [
        ("Status", "status", value["status"]),
        ("Errors and reasons, by code", "code", value["errors"]),
        ("Scanners", "manufacturer, model, station", value["scanners"]),
        ("Read by", "model", value["models"]),
        *((f"By {name}", name, words) for name, words in value["given"].items()),
    ]
    return fill_page(
        "lungspot.batch",
        "batch",
        "a summary",
        charts=True,
        title=title,
        banner=BANNER,
        value=value,
        lines=_lines(value),
        tables=[(name, head, rows) for name, head, rows in tables if rows],
        labels=[_label(label, of) for label, of in value["labels"].items()],
    )


def _lines(value: Mapping[str, Any]) -> list[str]:
    run = value["run"]
    speed = f"{_count(run['films'], 'film')} in {run['seconds']:.0f} s, {run['films_per_second']:.1f} a second"
    lines = [
        f"{_count(value['films'], 'row')} in {_count(value['shards'], 'shard')}.",
        f"The last run read {speed}, with {_count(run['workers'], 'worker')} ({run['on']}).",
    ]
    if value["given_not_counted"]:
        lines.append(f"Not counted, of more than {_MOST_WORDS} values: {', '.join(value['given_not_counted'])}.")
    if run["timed_out"]:
        lines.append(f"Stopped after {run['timeout']:g} s: {_count(run['timed_out'], 'film')}.")
    if run["worker_deaths"]:
        lines.append(f"{_count(run['worker_deaths'], 'worker')} died; what they held was done again.")
    return lines


def _label(label: str, of: Mapping[str, Any]) -> dict[str, Any]:
    """Return a label's line and histogram; heights are by the square root, so that few films are seen beside many."""
    most = max(of["histogram"]) or 1
    bars = [
        {
            "x": 4 + 22 * at,
            "height": round(60 * (count / most) ** 0.5, 1),
            "says": f"{at / _BINS:.2f} to {(at + 1) / _BINS:.2f}: {_count(count, 'film')}",
        }
        for at, count in enumerate(of["histogram"])
    ]
    name = name_of(label)
    found = f"{_count(of['films'], 'film')}, {_count(of['boxes'], 'box', 'boxes')}"
    return {"name": name, "standing": of["standing"], "found": found, "bars": bars}


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
