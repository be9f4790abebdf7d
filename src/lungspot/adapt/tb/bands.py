"""The parts of a programme: columns of a table as groups of people, numbers in bands."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungspot.errors import InputError
from lungspot.images import age_in_years

__all__ = ["NOT_KNOWN", "Division", "divisions_of"]

NOT_KNOWN: Final = "not known"
# Ages as WHO's handbook for prevalence surveys has them; the recommendation of CAD begins at 15.
_AGES: Final = (15.0, 25.0, 35.0, 45.0, 55.0, 65.0)
_AGE: Final = re.compile(r"(?:.*[^a-z])?age(?:[^a-z].*)?|(?:patient)?age(?:in)?(?:years)?", re.IGNORECASE)
_MOST: Final = 20  # different words of a column that is shown
_FEW: Final = 6  # different numbers that stand for themselves
_NOTHING: Final = frozenset({"", "na", "n/a", "nan", "null", "none", "unknown", "not known", "."})


@dataclass(frozen=True, slots=True, eq=False)
class Division:
    """A column as parts: their ``names`` in order, and of each person the index of one, ``member`` (N,)."""

    names: tuple[str, ...]
    member: NDArray[np.int64]


def divisions_of(
    columns: Mapping[str, Sequence[str]], cuts: Mapping[str, Sequence[float]] | None = None
) -> tuple[dict[str, Division], list[str]]:
    """Return each column as a division, and the columns that are none, with the reason.

    A column of more than 20 different words is left out: it names people rather than groups. Numbers are in bands:
    at ``cuts`` where given, ages by tens from 15, others at their quartiles; up to 6 different ones stand for
    themselves. Raises InputError ``BAD_VALUE`` for cuts of a column that is not there or not of numbers.
    """
    cuts = cuts or {}
    if unknown := [name for name in cuts if name not in columns]:
        there = ", ".join(columns) or "none"
        raise InputError("BAD_VALUE", unknown[0], "no such column for bands", advice=f"there are: {there}")
    found: dict[str, Division] = {}
    left: list[str] = []
    for name, values in columns.items():
        said = Counter(values)
        words = {word: NOT_KNOWN if word.casefold() in _NOTHING else word for word in said}
        known = sorted({meant for meant in words.values() if meant != NOT_KNOWN})
        numbers = {word: _number(word, is_age=_is_age(name)) for word in known}
        wanted = name in cuts or _is_age(name)
        of_numbers = bool(known) and _share(numbers) >= (0.5 if wanted else 0.9)
        order = known
        if name in cuts and not of_numbers:
            raise InputError("BAD_VALUE", name, "bands of what are no numbers", advice="leave --bands away")
        if of_numbers and (wanted or len(known) > _FEW):
            spread = [(value, said[word]) for word in said if (value := numbers.get(words[word])) is not None]
            edges = sorted(set(cuts.get(name) or (_AGES if _is_age(name) else _quartiles(spread))))
            order = _bands(edges)
            words = {word: _band(numbers.get(meant), edges, order) for word, meant in words.items()}
            order = [band for band in order if band in words.values()]
        if not known:
            left.append(f"{name} is empty")
        elif len(order) > _MOST:
            left.append(f"{name} has {len(known)} different values")
        elif len(set(words.values())) == 1:
            left.append(f"{name} is the same for everybody")
        else:
            names = (*order, NOT_KNOWN) if NOT_KNOWN in words.values() else tuple(order)
            code = {word: names.index(meant) for word, meant in words.items()}
            found[name] = Division(names, np.fromiter((code[each] for each in values), np.int64, len(values)))
    return found, left


def _is_age(name: str) -> bool:
    return _AGE.fullmatch(name) is not None


def _share(numbers: Mapping[str, float | None]) -> float:
    """Return the share of different words that are numbers."""
    return sum(value is not None for value in numbers.values()) / len(numbers)


def _number(word: str, *, is_age: bool) -> float | None:
    if is_age:
        return age_in_years(word)
    try:
        value = float(word.replace(",", ".", 1))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _quartiles(spread: Sequence[tuple[float, int]]) -> list[float]:
    values = np.repeat([value for value, _ in spread], [often for _, often in spread])
    return [float(f"{edge:.3g}") for edge in np.quantile(values, (0.25, 0.5, 0.75))]


def _bands(edges: Sequence[float]) -> list[str]:
    """Return the names of bands, from the lowest: "below 15", "15 to below 25", "65 or more"."""
    between = [f"{low:g} to below {high:g}" for low, high in itertools.pairwise(edges)]
    return [f"below {edges[0]:g}", *between, f"{edges[-1]:g} or more"]


def _band(value: float | None, edges: Sequence[float], names: Sequence[str]) -> str:
    return NOT_KNOWN if value is None else names[sum(value >= edge for edge in edges)]
