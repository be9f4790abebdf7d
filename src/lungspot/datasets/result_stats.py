"""What a model found on the films of an archive, counted and measured shard by shard."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungspot.datasets.box_sizes import Sizes
from lungspot.datasets.stats import Count, medians
from lungspot.findings import State
from lungspot.formats import ShardArrays, shard_arrays, shard_files

__all__ = ["ResultStats", "result_stats"]

_SOURCE: Final = "predictions"  # as `predicted_case` calls it
_STATES: Final = (State.BOXED, State.PRESENT, State.ABSENT)  # the strongest first


@dataclass(frozen=True, slots=True)
class ResultStats:
    """Films by name, each counted once; counts and sizes as :func:`count` and :func:`sizes` have them of cases."""

    films: int
    counts: tuple[Count, ...]
    sizes: tuple[Sizes, ...]


def result_stats(folder: Path) -> ResultStats | None:
    """Return what a folder of ``lungspot batch`` holds, one shard at a time.

    It is what its documents as cases (:func:`~lungspot.formats.predicted_case`) are counted to, in a fraction of time
    and memory. None where there is nothing to count, or a row of it is refused: then each has to be looked at. Raises
    :class:`DatasetError` at a damaged table.
    """
    judged, names = 0, set[str]()
    films: Counter[tuple[str, State]] = Counter()
    boxes: defaultdict[str, list[NDArray[np.float64]]] = defaultdict(list)
    for file in shard_files(folder):
        shard = shard_arrays(file)
        if shard is None:
            return None
        judged += shard.judged
        names.update(shard.films)
        states = _states(shard)
        for number, label in enumerate(shard.labels):
            films.update({(label, state): int((states[:, number] == state).sum()) for state in _STATES})
        drawn = shard.boxed & shard.positive
        parts = shard.corners[drawn] / np.tile(shard.frames[shard.film[drawn]], 2)
        for number in np.unique(shard.label[drawn]):
            boxes[shard.labels[number]].append(parts[shard.label[drawn] == number])
    if not judged:
        return None
    order = [(label, state) for label in sorted({label for label, _ in films}) for state in _STATES]
    return ResultStats(
        len(names),
        tuple(Count(label, _SOURCE, None, state, films[label, state]) for label, state in order if films[label, state]),
        tuple(
            medians((label, _SOURCE), films[label, State.BOXED], np.concatenate(boxes[label]))
            for label in sorted(boxes)
        ),
    )


def _states(shard: ShardArrays) -> NDArray[np.object_]:
    """Return the state of each label on each film, shape (films, labels); None where it was not looked for."""
    states = np.full((len(shard.films), len(shard.labels)), None, dtype=object)
    for state, which in (
        (State.ABSENT, ~shard.boxed),
        (State.PRESENT, shard.positive),
        (State.BOXED, shard.positive & shard.boxed),
    ):
        states[shard.film[which], shard.label[which]] = state
    return states
