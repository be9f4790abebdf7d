"""A shard of results by its columns: what counting a hundred thousand films needs, without a document for each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from lungspot.extras import extra
from lungspot.findings import is_label_id
from lungspot.formats.predictions import STANDINGS
from lungspot.formats.result_tables import CORNERS, JUDGED, film_table, finding_table

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ShardArrays", "shard_arrays"]

_FINDINGS: Final = ("sha256", "level", "label", "score", "threshold", "positive", "standing", *CORNERS)


@dataclass(frozen=True, slots=True, eq=False)
class ShardArrays:
    """The films of one shard that were assessed, and what was found on them.

    ``judged``: films that were assessed or refused. ``films``: names of the F assessed. ``frames``: their width and
    height in pixels, shape (F, 2). ``labels``: their ids. Of N findings: ``film`` and ``label``, places in those two;
    ``boxed``, whether it is a box or speaks of the whole film; ``positive``; all of shape (N,); ``corners``, pixels of
    the film, shape (N, 4), NaN where there is no box.
    """

    judged: int
    films: tuple[str, ...]
    frames: NDArray[np.int64]
    labels: tuple[str, ...]
    film: NDArray[np.int64]
    label: NDArray[np.int64]
    boxed: NDArray[np.bool_]
    positive: NDArray[np.bool_]
    corners: NDArray[np.float64]


def shard_arrays(file: Path) -> ShardArrays | None:
    """Return what a table of films and its findings hold; None where a row is none that lungspot writes.

    What such a row is refused for, :func:`~lungspot.formats.prediction_of` says of its document. Raises as
    :func:`~lungspot.formats.film_columns` does.
    """
    with extra("batch", "Parquet"):
        import pyarrow as pa  # noqa: PLC0415 - an optional package
        import pyarrow.compute as pc  # noqa: PLC0415

    films = film_table(file, ("film", "status", "sha256", "width", "height"))
    found = finding_table(file, _FINDINGS)
    if not {"film", "status", "sha256", "width", "height"} <= {*films.column_names} or {*_FINDINGS} - {
        *found.column_names
    }:
        return None
    try:
        judged = films.filter(pc.is_in(films["status"], pa.array(JUDGED)))
        if not _named(judged):
            return None
        mine = judged.filter(pc.equal(judged["status"], "assessed"))
        digests = mine["sha256"].combine_chunks()
        if digests.null_count or len(digests.unique()) != len(digests):
            return None
        film = pc.index_in(found["sha256"], value_set=digests)
        found, film = found.filter(film.is_valid()), film.drop_null()
        return _arrays(judged.num_rows, mine, found, _numbers(film))
    except (pa.ArrowException, TypeError, ValueError):  # columns of other types
        return None


def _arrays(judged: int, films: pa.Table, found: pa.Table, film: NDArray[np.float64]) -> ShardArrays | None:
    """Return the arrays of assessed films and their findings; None where a number or a word is out of bounds."""
    labels = found["label"].combine_chunks().dictionary_encode()
    frames = np.column_stack([_numbers(films[name]) for name in ("width", "height")]).reshape(-1, 2)
    boxed = found["level"].to_numpy(zero_copy_only=False) != "film"
    corners = np.column_stack([_numbers(found[name]) for name in CORNERS]).reshape(-1, 4)
    score, threshold = _numbers(found["score"]), _numbers(found["threshold"])
    place = film.astype(np.int64)
    known = not labels.null_count and all(map(is_label_id, labels.dictionary.to_pylist()))
    words = {*found["standing"].unique().to_pylist()} <= {None, *STANDINGS}
    sound = ((score >= 0) & (score <= 1)).all() and (np.isnan(threshold) | ((threshold >= 0) & (threshold <= 1))).all()
    inside = np.isfinite(corners[boxed]).all() and (corners[boxed, :2] < corners[boxed, 2:]).all()
    sized = ((frames >= 1).all(axis=1) | np.isnan(frames).all(axis=1)).all() and (frames[place[boxed]] >= 1).all()
    if not (known and words and sound and inside and sized and found["threshold"].type == "double"):
        return None
    return ShardArrays(
        judged,
        tuple(films["film"].to_pylist()),
        np.nan_to_num(frames).astype(np.int64),
        tuple(labels.dictionary.to_pylist()),
        place,
        _numbers(labels.indices).astype(np.int64),
        boxed,
        found["positive"].fill_null(False).to_numpy(zero_copy_only=False).astype(bool),  # noqa: FBT003 - Arrow's own
        corners,
    )


def _named(films: pa.Table) -> bool:
    names = films["film"].to_pylist()
    return all(name and "\0" not in name for name in names)


def _numbers(column: Any) -> NDArray[np.float64]:  # noqa: ANN401 - an array of Arrow's, of whichever type
    """Return a column as floats, NaN where it has none."""
    array = column.combine_chunks() if hasattr(column, "combine_chunks") else column
    values: NDArray[np.float64] = np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.float64)
    return values
