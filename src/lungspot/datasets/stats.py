"""What datasets hold: films by label, source, split and state; the sizes of boxes; and where sources cannot be mixed.

Box sizes are fractions of the film. The same word means another box in another dataset (docs/explanation): a box around
the heart in one is a strip over its widest part in the next, and a detector trained on both is wrong on both.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungspot.datasets.box_sizes import Sizes
from lungspot.datasets.catalog import DATASETS, SOURCES
from lungspot.datasets.truth import truth
from lungspot.findings import State, union
from lungspot.formats import Case

__all__ = ["PUBLISHED", "Conflict", "Count", "conflicts", "count", "diseases", "medians", "number_of_films", "sizes"]

# Two sources fit where boxes of their median sizes, laid over each other, reach the IoU that a match is counted from.
FIT: Final = 0.4
SHIFT: Final = 0.2  # of the film's height: the median centres of one label lie further apart than a lung zone
FEWEST: Final = 20  # boxes; medians of fewer say nothing
_SHARED: Final = frozenset(reader for reader, source in SOURCES.items() if source.shares)  # truth() knows them apart


@dataclass(frozen=True, slots=True)
class Count:
    """How many films of a source and split are in one state for a label; ``split`` None where the source has none."""

    label: str
    source: str
    split: str | None
    state: State
    films: int


# The medians that datasets declare, for copies of them in which the films' sizes are not known.
PUBLISHED: Final = tuple(row for data in DATASETS.values() for row in data.published_sizes)


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two things that should not be trained or scored as one.

    ``code``: ``SIZE``, boxes of the median sizes overlap by ``value`` (IoU) at most; ``PLACE``, the median centres lie
    ``value`` film heights apart; ``SOURCE_IS_LABEL``, every film that was looked at for the label in the source has it
    (``value`` films) while elsewhere it is absent, so that a network can tell the label from the look of the source.
    """

    code: str
    label: str
    sources: tuple[str, ...]
    value: float
    text: str


def number_of_films(cases: Iterable[Case]) -> int:
    """Return how many films the cases are of: several entries of one file are one, as of two sets that share it."""
    return len({case.image or (case.dataset, case.id) for case in cases})


def count(cases: Iterable[Case]) -> tuple[Count, ...]:
    """Return the films in each state of each label, by source (the dataset) and split.

    A film that several readers read has its strongest state: boxed, else present, else absent.
    """
    films: Counter[tuple[str, str, str | None, State]] = Counter()
    for case in cases:
        states: dict[str, State] = {}
        for reading in case.readings:
            for label, state in reading.states.items():
                if label not in states or state.code > states[label].code:
                    states[label] = state
        split = None if case.split is None else str(case.split)
        films.update((label, case.dataset, split, state) for label, state in states.items())
    order = sorted(films, key=lambda key: (key[0], key[1], key[2] or "", -key[3].code))
    return tuple(Count(*key, films[key]) for key in order)


def diseases(cases: Iterable[Case]) -> Iterator[Case]:
    """Yield the cases with one reading each: what counts as true of the ten diseases (:mod:`.truth`).

    Several readers of one dataset (VinDr) are united first: a disease that any of them saw counts as seen.
    """
    for case in cases:
        several = len(case.readings) > 1 and _SHARED.isdisjoint(reading.reader for reading in case.readings)
        one = replace(case, readings=(union(case.readings),)) if several else case
        yield replace(one, readings=(truth(one),))


def sizes(cases: Iterable[Case], *, unsized: Collection[str] = ()) -> tuple[Sizes, ...]:
    """Return the median sizes of boxes by label and source; every reader's every box counts once.

    ``unsized``: sources whose films' true sizes are not known (:func:`lungspot.datasets.sources.unsized`), so that
    fractions of the film cannot be measured; their medians are the published ones where there are such.
    """
    corners: defaultdict[tuple[str, str], list[tuple[float, ...]]] = defaultdict(list)
    films: Counter[tuple[str, str]] = Counter()
    for case in cases:
        if case.frame is None:
            continue
        width, height = case.frame.width, case.frame.height
        seen: set[tuple[str, str]] = set()
        for finding in (finding for reading in case.readings for finding in reading.findings):
            if finding.box is not None:
                key = (finding.label, case.dataset)
                x0, y0, x1, y1 = finding.box.corners
                corners[key].append((x0 / width, y0 / height, x1 / width, y1 / height))
                seen.add(key)
        films.update(seen)
    rows = []
    for key in sorted(corners):
        row = medians(key, films[key], np.array(corners[key]))
        rows.append(_published(row) if row.source in unsized else row)
    return tuple(rows)


def conflicts(rows: Sequence[Sizes], counts: Sequence[Count] = ()) -> tuple[Conflict, ...]:
    """Return where the conventions of two sources cannot match, and where a label can be read off its source.

    ``counts``: of the :func:`diseases`, where the second question is asked.
    """
    found: list[Conflict] = []
    enough = [row for row in rows if row.boxes >= FEWEST]
    for first, second in combinations(enough, 2):
        if first.label == second.label:
            found += _compare(first, second)
    return (*found, *_confounded(counts))


def medians(key: tuple[str, str], films: int, corners: NDArray[np.float64]) -> Sizes:
    """Return the medians of boxes, as fractions of their films, shape (N, 4), of a label and a source."""
    x0, y0, x1, y1 = corners.T
    width, height = x1 - x0, y1 - y0
    found = np.median([width, height, width * height, width / height, (y0 + y1) / 2], axis=1).tolist()
    return Sizes(*key, films, len(corners), *found)


def _published(row: Sizes) -> Sizes:
    """Return the row with the published medians, or none; the counts stay those that were measured."""
    known = {(published.label, published.source): published for published in PUBLISHED}
    empty = Sizes(row.label, row.source, row.films, row.boxes)
    return replace(known.get((row.label, row.source), empty), films=row.films, boxes=row.boxes)


def _compare(first: Sizes, second: Sizes) -> Iterable[Conflict]:
    label, sources = first.label, (first.source, second.source)
    if not (first.width and first.height and second.width and second.height):
        return
    overlap = min(first.width, second.width) * min(first.height, second.height)
    iou = overlap / (first.width * first.height + second.width * second.height - overlap)
    if iou < FIT:
        size = " and ".join(f"{row.width:.3f} x {row.height:.3f} in {row.source}" for row in (first, second))
        text = f"median boxes are {size}: laid over each other they reach IoU {iou:.2f}, so they cannot match at {FIT}"
        yield Conflict("SIZE", label, sources, iou, text)
    if first.y_center is None or second.y_center is None:
        return
    shift = abs(first.y_center - second.y_center)
    if shift > SHIFT:
        place = " and ".join(f"{row.y_center:.2f} in {row.source}" for row in (first, second))
        text = f"median centres are at {place} of the film's height: the word means another place"
        yield Conflict("PLACE", label, sources, shift, text)


def _confounded(counts: Sequence[Count]) -> Iterable[Conflict]:
    films: Counter[tuple[str, str, bool]] = Counter()
    for row in counts:
        films[row.label, row.source, row.state.is_positive] += row.films
    for label in sorted({row.label for row in counts}):
        sources = sorted({row.source for row in counts if row.label == label})
        elsewhere = tuple(source for source in sources if films[label, source, False])
        for source in sources:
            have = films[label, source, True]
            if have and elsewhere and source not in elsewhere:
                text = (
                    f"all {have} films of {source} that were looked at have it, its absence comes from "
                    f"{', '.join(elsewhere)}: the look of a film gives the label away"
                )
                yield Conflict("SOURCE_IS_LABEL", label, (source, *elsewhere), have, text)
