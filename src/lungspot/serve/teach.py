"""Cases for teaching: films of a dataset with what is true on them, put into the store, the truth behind a curtain."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from lungspot.durable import sync_path
from lungspot.errors import DatasetError, FilmError
from lungspot.findings import Reading, reading_to_json
from lungspot.formats import Case, film_size
from lungspot.inputs import regular
from lungspot.serve.settings import Lesson
from lungspot.serve.store import Arrived, Store

__all__ = ["choose_lessons", "enrol"]

_FINE: Final = 256  # pixels that a side should have for people to see something


def choose_lessons(cases: Sequence[tuple[Case, Reading]], count: int) -> tuple[Lesson, ...]:
    """Return up to ``count`` cases, the same ones each time: half with boxed places, half where nothing was found.

    ``cases``: each with its truth. Films whose file is not here, or of which nothing is known, are none; films of a
    side under 256 pixels are taken only where there are not enough others. Raises ``DATASET_INCOMPLETE`` where none is
    left.
    """
    known = [(case, true) for case, true in cases if case.image is not None and true.states]
    order = np.random.default_rng(0).permutation(len(known))
    kinds: dict[str, list[Lesson]] = {"places": [], "nothing": [], "other": []}
    coarse: list[Lesson] = []
    for index in order:
        case, true = known[index]
        if len(kinds["places"]) >= count and len(kinds["nothing"]) >= count:
            break
        lesson = Lesson(Path(case.image or ""), true, f"{case.dataset}/{case.id}")
        try:
            size = film_size(lesson.film)
        except DatasetError:
            continue
        if min(size.width, size.height) < _FINE:
            coarse.append(lesson)
            continue
        kinds[_kind(true)].append(lesson)
    half = count // 2
    chosen = [*kinds["places"][: count - half], *kinds["nothing"][:half]]
    spare = [*kinds["places"][count - half :], *kinds["nothing"][half:], *kinds["other"], *coarse]
    chosen += spare[: count - len(chosen)]
    if not chosen:
        raise DatasetError("DATASET_INCOMPLETE", None, "no film of it is here of which anything is known")
    mixed = np.random.default_rng(1).permutation(len(chosen))
    return tuple(chosen[index] for index in mixed)


def _kind(truth: Reading) -> str:
    if any(finding.box is not None for finding in truth.findings):
        return "places"
    return "other" if any(state.is_positive for state in truth.states.values()) else "nothing"


def enrol(store: Store, lessons: Sequence[Lesson]) -> int:
    """Put cases into the store, those that are there already too, with their truth hidden; return how many there are.

    Names of files stay behind, for some give the truth away. Raises RequestError ``BUSY`` where the queue is too short.
    """
    arrived: list[Arrived] = []
    try:
        arrived.extend(_arrived(store, lesson) for lesson in lessons)
        accepted = store.accept(arrived)
    finally:
        for film in arrived:  # what was accepted lies elsewhere now
            film.path.unlink(missing_ok=True)
    with store.writing() as db:
        for lesson, kept in zip(lessons, accepted, strict=True):
            body = json.dumps(reading_to_json(lesson.truth), ensure_ascii=False, allow_nan=False)
            db.execute(
                "INSERT OR REPLACE INTO truths (reading, body, hidden, name)"
                " SELECT number, ?, 1, ? FROM readings WHERE id = ?",
                (body, lesson.name, kept.id),
            )
    return len({kept.id for kept in accepted})


def _arrived(store: Store, lesson: Lesson) -> Arrived:
    path = store.folder / "incoming" / f"lesson-{secrets.token_hex(8)}"
    try:
        shutil.copyfile(regular(lesson.film), path)
    except OSError as error:
        raise FilmError("NOT_READABLE", lesson.film, error.strerror or "cannot be copied") from error
    sync_path(path)
    return Arrived(path, "", hashlib.sha256(path.read_bytes()).hexdigest())
