"""One reading a film, made of its readers': by which rule, and which films are left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from lungspot.datasets.truth import people_first
from lungspot.errors import InputError
from lungspot.findings import Reading, majority, one_reader, union, weighted
from lungspot.formats import Case

__all__ = ["FUSIONS", "fuse_readers"]

# The rules by name (lungspot.findings): weighted boxes fusion, majority, union, and one reader taken for true.
FUSIONS: Final = ("wbf", "majority", "union", "one")
_VOTING: Final = frozenset({"wbf", "majority"})  # the share of the readers counts


def fuse_readers(
    cases: Iterable[Case],
    how: str = "wbf",
    *,
    readers: Sequence[str] = (),
    least: int | None = None,
    iou: float = 0.4,
) -> Iterator[Case]:
    """Yield each case with one reading, made of those that it has by one of :data:`FUSIONS`.

    ``readers``: for ``one``, whose reading counts, and whose where that one did not read the film; films that none of
    them read are left out. ``least``: for ``majority``, how many readers; else more than half. ``iou``: boxes that
    overlap more than this mean one spot. Where the share of the readers counts (``wbf``, ``majority``), people vote
    before labels mined from reports (:func:`~lungspot.datasets.people_first`). Raises
    ``BAD_VALUE`` for an unknown rule, and for ``one`` without a reader.
    """
    rules: dict[str, Callable[[Sequence[Reading]], Reading]] = {
        "wbf": partial(weighted, iou=iou),
        "majority": partial(majority, least=least, iou=iou),
        "union": union,
        "one": partial(one_reader, reader=list(readers)),
    }
    if how not in rules:
        raise InputError("BAD_VALUE", None, f"{how!r} is none of {', '.join(FUSIONS)}")
    if how == "one" and not readers:
        raise InputError("BAD_VALUE", None, "one reader counts, and none is named")
    for case in cases:
        if how != "one" or any(reading.reader in readers for reading in case.readings):
            voters = people_first(case) if how in _VOTING else case
            yield replace(case, readings=(rules[how](voters.readings),))
