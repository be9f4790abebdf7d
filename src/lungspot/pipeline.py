"""One film from file to result: the line that the command line, servers and archives all call."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from lungspot.detect import (
    DEFAULT_POINT,
    Anatomy,
    Detector,
    Raw,
    anatomy,
    compact_features,
    decode,
    left_side,
    load_detector,
    lungs_cut_off,
    run_gated,
    sided,
)
from lungspot.errors import FilmError
from lungspot.explain import Agreement, agree_all, cam
from lungspot.findings import Frame, Reading, Side
from lungspot.images import Notice, Radiograph, image_statistics, read
from lungspot.report import Analysis, Model, Refusal

__all__ = ["Film", "analyze", "analyze_all", "assess"]

Readable = str | os.PathLike[str] | bytes | BinaryIO
Heat = NDArray[np.float32]
T = TypeVar("T")

_AHEAD = 4  # films that are read ahead of the one that is judged
_READERS = 2  # each waits for a child process that decodes


@dataclass(frozen=True, slots=True)
class Film:
    """A film still to be read: its name for people and results, and how to open it when its turn comes."""

    name: str
    open: Callable[[], Readable]


def analyze(
    source: Readable, detector: Detector | None = None, *, point: str = DEFAULT_POINT, min_score: float | None = None
) -> Analysis:
    """Return everything that can be said about the film in ``source``: a path, the bytes of a file, or an open file.

    ``detector``: the shipped one where None. ``point``: ``sensitive``, ``balanced`` or ``specific``. ``min_score``:
    report boxes from this score instead of the operating point's thresholds. Raises
    :class:`~lungspot.errors.FilmError` where there is no film; a film that cannot be judged is an answer, not an error.
    """
    detector = _shipped() if detector is None else detector
    start = time.perf_counter()
    radiograph = read(source)
    return assess(radiograph, detector, point=point, min_score=min_score, read_ms=_since(start))


def assess(
    radiograph: Radiograph,
    detector: Detector,
    *,
    point: str = DEFAULT_POINT,
    min_score: float | None = None,
    read_ms: float = 0.0,
) -> Analysis:
    """Return the result of a film that has been read; ``read_ms`` is how long that took."""
    start = time.perf_counter()
    model = Model(detector.card, detector.sha256, detector.runtime)
    gated = run_gated(radiograph, detector)
    timings = {"read": read_ms, "detect": _since(start)}
    looks, made = image_statistics(radiograph.pixels), _now()
    if gated.raw is None or gated.placement is None:
        said = (radiograph, model, None, gated.reasons, gated.notices)
        return Analysis(*said, point=point, timings=timings, min_score=min_score, statistics=looks, made=made)
    start = time.perf_counter()
    card, turns = detector.card, gated.correction.quarter_turns
    left = radiograph.orientation.upright_left_side(turns)
    seen = None if card.anatomy is None else anatomy(gated.raw, gated.placement, card.anatomy.sure, left)
    upright = decode(gated.raw, gated.placement, card, point=point, min_score=min_score)
    reading = gated.correction.reading(sided(upright, left_side(left, seen)))
    heat = cam(gated.raw, detector.card, gated.correction)
    agreement = tuple(each.to_json() for each in _agreement(reading, heat, radiograph.frame))
    timings["explain"] = _since(start)
    return Analysis(
        *(
            radiograph,
            model,
            reading,
            (),
            (*gated.notices, *_heart_side(left, seen), *_cut_off(gated.raw)),
            heat,
            agreement,
        ),
        *(point, timings, min_score, turns),
        anatomy=None if seen is None else seen.moved(partial(gated.correction.box, upright=gated.placement.source)),
        statistics=looks,
        features=compact_features(gated.raw.features),
        made=made,
    )


def _heart_side(said: Side | None, seen: Anatomy | None) -> tuple[Notice, ...]:
    """Return the warning that the heart lies where the file, or custom where it does not say, does not put it."""
    if seen is None or seen.mirrored is None or seen.mirrored == (said is Side.LEFT):
        return ()
    where = "as on a mirrored film" if seen.mirrored else "as on a film that is not mirrored, and the file says it is"
    return (Notice("HEART_SIDE", f"the heart lies {where}: check left and right, which are not said"),)


def _cut_off(raw: Raw) -> tuple[Notice, ...]:
    if not lungs_cut_off(raw):
        return ()
    return (Notice("LUNGS_CUT_OFF", "the picture's edge cuts off a lung: what lies beyond it was not judged"),)


def analyze_all(
    films: Iterable[Film], detector: Detector, *, point: str = DEFAULT_POINT, min_score: float | None = None
) -> Iterator[Analysis | Refusal]:
    """Yield, in the order given, each film's result or what refused it; one bad film never stops the rest.

    Films are decoded ahead while one is judged; the results do not depend on it. Raises what is wrong with this machine
    or the model, for that would refuse every film.
    """
    for film, done in _ahead(_open_and_read, films):
        try:
            radiograph, read_ms = done.result()
            yield assess(radiograph, detector, point=point, min_score=min_score, read_ms=read_ms)
        except FilmError as error:
            yield Refusal(film.name, error.at(film.name), _now())


def _agreement(reading: Reading, heat: Mapping[str, Heat], frame: Frame) -> Iterator[Agreement]:
    """Yield, box by box in the order of the reading, how box and map agree; each map is looked at once."""
    boxed = [finding.label for finding in reading.findings if finding.box is not None]
    by_label = {label: iter(agree_all(heat[label], reading.boxes(label), frame)) for label in set(boxed)}
    return (next(by_label[label]) for label in boxed)


def _open_and_read(film: Film) -> tuple[Radiograph, float]:
    start = time.perf_counter()
    radiograph = read(film.open())
    if radiograph.origin.path is None:
        radiograph = replace(radiograph, origin=replace(radiograph.origin, path=film.name))
    return radiograph, _since(start)


def _ahead(work: Callable[[Film], T], films: Iterable[Film]) -> Iterator[tuple[Film, Future[T]]]:
    with ThreadPoolExecutor(_READERS, thread_name_prefix="lungspot-read") as pool:
        waiting: deque[tuple[Film, Future[T]]] = deque()
        try:
            for film in films:
                waiting.append((film, pool.submit(work, film)))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for _, left in waiting:
                left.cancel()


@lru_cache(maxsize=1)
def _shipped() -> Detector:
    return load_detector()


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _since(start: float) -> float:
    return 1000 * (time.perf_counter() - start)
