"""The films of a pool to answer next: what a model says of them, stored or asked for now, and the order for the tool.

``next.csv`` names the films in order, and why. A pool for Label Studio gets ``next.json`` too: the tasks of these
films, each with a prediction whose ``score`` is its place in the order; the first has the lowest, for Label Studio's
*Uncertainty sampling* hands out the lowest score first. It heeds only predictions of the one version that the project
has chosen, so that all of these are of one version, whose boxes they ever hold.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from lungspot.detect import Detector
from lungspot.errors import DatasetError, FilmError
from lungspot.formats import READER, STUDIO_TASKS, Case, Prediction, Progress, file_key, load_json, prediction_of
from lungspot.images import read
from lungspot.labelling.answers import Answers, collect
from lungspot.labelling.choosing import Choice, PoolFilm
from lungspot.labelling.tasks import TASKS_FILE, read_tasks
from lungspot.labelling.uncertainty import Uncertainty
from lungspot.outputs import Outputs, escape_formula
from lungspot.pipeline import assess
from lungspot.report import document

__all__ = [
    "NEXT_CSV",
    "NEXT_TASKS",
    "NEXT_VERSION",
    "Pool",
    "ask",
    "matched",
    "next_csv",
    "next_tasks",
    "open_pool",
    "pool_films",
    "write_next",
]

NEXT_CSV: Final = "next.csv"  # the name of the table of films to answer next
NEXT_TASKS: Final = "next.json"  # the name of the same films' tasks for Label Studio
NEXT_VERSION: Final = "lungspot next"  # the model version under which Label Studio finds the order

_STUDIO: Final = "labelstudio"


@dataclass(frozen=True, slots=True)
class Pool:
    """A folder that :func:`lungspot.labelling.make` wrote: its tool, its labels, its films by name, and the answers."""

    folder: Path
    tool: str
    labels: tuple[str, ...]
    films: Mapping[str, Case]
    answers: Answers

    @property
    def inputs(self) -> tuple[Path, ...]:
        """What is read of the pool: its lists, where the tool has one of its own, and its films."""
        lists = (self.folder / TASKS_FILE, self.folder / STUDIO_TASKS)
        return (*lists, *(case.image for case in self.films.values() if case.image is not None))

    @property
    def next_files(self) -> tuple[str, ...]:
        """The names of the files that :func:`write_next` makes: the table, and where the tool takes them the tasks."""
        return (NEXT_CSV, NEXT_TASKS) if self.tool == _STUDIO else (NEXT_CSV,)

    @property
    def answered(self) -> frozenset[str]:
        """The names of the films that people answered."""
        done = {(case.dataset, case.id) for case in self.answers.cases}
        return frozenset(name for name, case in self.films.items() if (case.dataset, case.id) in done)


def open_pool(folder: Path, answers: Path | None = None, *, reader: str = READER, complete: bool = False) -> Pool:
    """Return the pool in ``folder``; the rest is as for :func:`lungspot.labelling.collect`."""
    tool, labels, tasks, _ = read_tasks(folder / TASKS_FILE, folder)
    films = {name: task.case for name, task in tasks.items()}
    return Pool(folder, tool, tuple(labels), films, collect(folder, answers, reader=reader, complete=complete))


def matched(pool: Pool, predictions: Iterable[Prediction]) -> dict[str, Prediction]:
    """Return predictions by the pool's films: of the file that the film is, else of the name that it has in the pool.

    Those of other films are left out. Raises :class:`DatasetError` where two are of one film, or none is of any.
    """
    by_file = {case.image.resolve(): name for name, case in pool.films.items() if case.image is not None}
    found: dict[str, Prediction] = {}
    for one in predictions:
        name = by_file.get(Path(one.film).resolve(), file_key(one.film))
        if name in found:
            raise DatasetError("DATASET_ROW", one.where, f"two predictions for the film {name!r}")
        if name in pool.films:
            found[name] = one
    if not found:
        reason = f"no prediction is of one of its {len(pool.films)} films"
        raise DatasetError("DATASET_INCOMPLETE", pool.folder, reason, advice="give `--model`, and the films are read")
    return found


def ask(
    pool: Pool, detector: Detector, progress: Progress = iter, refuse: Callable[[FilmError], None] = lambda _: None
) -> tuple[dict[str, Prediction], dict[str, Prediction]]:
    """Return by film what a model says of it, and what of its mirror image.

    At the sensitive operating point, for what it nearly says counts too. Of a film that cannot be read nothing is said;
    ``refuse`` is told of it. ``progress`` draws a bar over the films.
    """
    seen: dict[str, Prediction] = {}
    mirrored: dict[str, Prediction] = {}
    for name, case in zip(pool.films, progress(list(pool.films.values())), strict=True):
        try:
            if case.image is None:
                continue
            film = read(case.image)
            turned = replace(film, pixels=np.ascontiguousarray(film.pixels[:, ::-1]))
            said = [document(assess(one, detector, point="sensitive")) for one in (film, turned)]
        except FilmError as error:
            refuse(error.at(name))
            continue
        seen[name], mirrored[name] = (prediction_of(one, str(case.image)) for one in said)
    return seen, mirrored


def pool_films(pool: Pool, seen: Mapping[str, Prediction], mirrored: Mapping[str, Prediction]) -> list[PoolFilm]:
    """Return every film of the pool with what a model said of it, by name, and whether people answered it."""
    done = pool.answered
    return [PoolFilm(name, seen.get(name), mirrored.get(name), name in done) for name in pool.films]


def next_csv(choices: Sequence[Choice]) -> str:
    """Return the order as a table: place from 1, film, why, score, and the signs of uncertainty that are known."""
    signs = [field.name for field in fields(Uncertainty)]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, ["place", "film", "why", "score", *signs], lineterminator="\n")
    writer.writeheader()
    for place, one in enumerate(choices, 1):
        known = {name: round(value, 6) for name, value in asdict(one.uncertainty).items() if value is not None}
        film = escape_formula(one.film)
        writer.writerow({"place": place, "film": film, "why": one.why, "score": one.score} | known)
    return buffer.getvalue()


def next_tasks(pool: Pool, choices: Sequence[Choice]) -> str | None:
    """Return the chosen films' tasks for Label Studio's import, in order; None for another tool's pool, and for none.

    The pool's own proposals keep their boxes; a task without any gets one without boxes. All are scored by the place,
    and of the version :data:`NEXT_VERSION`: films of another one would not be handed out in the order. Raises
    ``DATASET_FORMAT`` where the pool's tasks are not those that it was made with, and what reading them raises.
    """
    if pool.tool != _STUDIO or not choices:
        return None
    path = pool.folder / STUDIO_TASKS
    try:
        tasks: dict[str, dict[str, Any]] = {file_key(task["data"]["image"]): task for task in load_json(path)}
        chosen = [tasks[one.film] for one in choices]
    except (KeyError, TypeError, AttributeError) as error:
        raise DatasetError("DATASET_FORMAT", path, f"not the tasks that the pool was made with ({error})") from error
    ordered = []
    for place, (choice, task) in enumerate(zip(choices, chosen, strict=True), 1):
        score = round(place / len(chosen), 6)
        place_in_order = {"model_version": NEXT_VERSION, "score": score}
        proposals = [one | place_in_order for one in task.get("predictions") or ()]
        alone = place_in_order | {"result": []}
        ordered.append({"meta": {"lungspot": f"next: {choice.why}"}, **task, "predictions": proposals or [alone]})
    return json.dumps(ordered, indent=1) + "\n"


def write_next(pool: Pool, choices: Sequence[Choice], folder: Path, outputs: Outputs) -> None:
    """Write the order into ``folder``: the table, and what :func:`next_tasks` makes of it."""
    outputs.write(folder / NEXT_CSV, next_csv(choices).encode())
    if (tasks := next_tasks(pool, choices)) is not None:
        outputs.write(folder / NEXT_TASKS, tasks.encode())
