"""Which films of a pool to answer next: those that a model is least sure of, unlike each other, and some at random.

By uncertainty (:mod:`lungspot.labelling.uncertainty`), by diversity (greedy k-centre on the network's features; Sener
and Savarese, Active learning for convolutional neural networks: a core-set approach, ICLR 2018), or both. A share of
the films is drawn at random, and marked. The lots are an order of the whole pool that one seed gives once and for all
(:func:`lots`): its first films, as far as all of them are answered, are a random sample of the pool. What is counted on
them is an estimate for the pool, which of films that a model chose it never is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungspot.errors import InputError
from lungspot.formats import Prediction
from lungspot.labelling.uncertainty import Uncertainty, uncertainty_of, unsure_scores

__all__ = ["RANDOM_SHARE", "STRATEGIES", "Choice", "PoolFilm", "choose", "lots", "random_sample"]

STRATEGIES: Final = ("mixed", "uncertainty", "diversity", "random")  # by which films to answer next are chosen
RANDOM_SHARE: Final = 0.2  # of the films to answer next, chosen at random unless said otherwise

_SHORTLIST: Final = 4  # of so many of the least sure films `mixed` takes one


@dataclass(frozen=True, slots=True)
class PoolFilm:
    """A film that may be chosen; ``film`` names it. ``seen``: what a model said of it, None where it said nothing.

    ``mirrored``: what it said of the mirror image. ``answered``: people did, so that it is not chosen, and films like
    it are chosen later.
    """

    film: str
    seen: Prediction | None = None
    mirrored: Prediction | None = None
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A film to answer: ``why`` is ``uncertainty``, ``diversity`` or ``random``; ``score`` 0 (sure) to 1, its ranks."""

    film: str
    why: str
    score: float
    uncertainty: Uncertainty


def choose(  # noqa: PLR0913 - of what, how many, and how
    pool_films: Sequence[PoolFilm],
    count: int,
    labels: Collection[str],
    *,
    by: str = "mixed",
    random_share: float = RANDOM_SHARE,
    seed: int = 0,
) -> list[Choice]:
    """Return up to ``count`` films that are not answered, in the order to answer them in, the least sure first.

    ``labels``: those that people are asked about. ``by``: ``uncertainty``; ``diversity``, films farthest from all that
    are answered or chosen; ``mixed``, diversity among the four times as many films that are the least sure;
    ``random``. ``random_share``: of the films, the next in the order of :func:`lots`, spread evenly among the others,
    so that whoever stops early has their share. Films that a model did not assess are only drawn at random. The same
    arguments choose the same films; keep ``seed`` the same for one pool. Raises :class:`InputError` ``BAD_VALUE``.
    """
    if by not in STRATEGIES:
        raise InputError("BAD_VALUE", None, f"no strategy {by!r}", advice=f"use one of {', '.join(STRATEGIES)}")
    if not 0 <= random_share <= 1 or count < 1:
        raise InputError("BAD_VALUE", None, f"{count} films, {random_share} of them at random")
    found = [
        Uncertainty() if one.seen is None else uncertainty_of(one.seen, one.mirrored, labels) for one in pool_films
    ]
    waiting = [n for n, one in enumerate(pool_films) if not one.answered]
    scores = np.zeros(len(pool_films))
    scores[waiting] = unsure_scores([found[n] for n in waiting])
    share = 1.0 if by == "random" else random_share
    places = {one.film: n for n, one in enumerate(pool_films)}
    order = (places[film] for film in lots(places, seed))
    by_lot = [n for n in order if not pool_films[n].answered][: round(share * min(count, len(waiting)))]
    told = set(by_lot)
    left = [n for n in waiting if n not in told and (seen := pool_films[n].seen) is not None and seen.assessed]
    least = sorted(left, key=lambda n: (-scores[n], pool_films[n].film))
    wanted = min(count, len(waiting)) - len(by_lot)
    if by == "uncertainty":
        chosen = least[:wanted]
    else:
        among = least[: _SHORTLIST * wanted] if by == "mixed" else left
        done = [n for n, one in enumerate(pool_films) if one.answered and one.seen is not None and one.seen.features]
        chosen = _k_centre(_features(pool_films, [*done, *among]), len(done), [*done, *among], wanted)
        chosen = sorted(chosen, key=lambda n: (-scores[n], pool_films[n].film)) if by == "mixed" else chosen
    why = "diversity" if by == "diversity" else "uncertainty"
    return [
        Choice(pool_films[n].film, "random" if n in told else why, round(float(scores[n]), 6), found[n])
        for n in _spread(chosen, by_lot)
    ]


def lots(films: Iterable[str], seed: int) -> list[str]:
    """Return a pool's films in the order in which ``seed`` draws them, which does not depend on the order given."""
    return [str(film) for film in np.random.default_rng(seed).permutation(sorted(films))]


def random_sample(films: Iterable[str], answered: Collection[str], seed: int) -> list[str]:
    """Return the films of a pool that are answered and a random sample of it: the first lots, up to one that waits."""
    return list(takewhile(lambda film: film in answered, lots(films, seed)))


def _features(pool_films: Sequence[PoolFilm], chosen: Sequence[int]) -> NDArray[np.float64]:
    """Return the features of films, shape (N, D), each dimension on one scale; those without are in the middle."""
    rows = [seen.features if (seen := pool_films[n].seen) is not None else () for n in chosen]
    width = max(map(len, rows), default=0)
    values = np.array([row if len(row) == width else (np.nan,) * width for row in rows], np.float64)
    values = values.reshape(len(rows), width)
    known = values[np.isfinite(values).all(axis=1)]
    if not known.size:
        return np.zeros((len(rows), 1))
    spread = known.std(axis=0)
    scaled: NDArray[np.float64] = np.nan_to_num((values - known.mean(axis=0)) / np.where(spread > 0, spread, 1.0))
    return scaled


def _k_centre(features: NDArray[np.float64], done: int, films: Sequence[int], count: int) -> list[int]:
    """Return ``count`` of ``films[done:]``: each the farthest from the first ``done`` and those chosen before it.

    Where nothing is done, the first is the one nearest to the middle.
    """
    free = np.arange(len(films)) >= done
    nearest = np.full(len(films), np.inf)
    for n in range(done):
        nearest = np.minimum(nearest, ((features - features[n]) ** 2).sum(axis=1))
    chosen: list[int] = []
    while len(chosen) < count and free.any():
        if not done and not chosen:
            pick = int(np.argmin(np.where(free, (features**2).sum(axis=1), np.inf)))
        else:
            pick = int(np.argmax(np.where(free, nearest, -1)))
        free[pick] = False
        nearest = np.minimum(nearest, ((features - features[pick]) ** 2).sum(axis=1))
        chosen.append(films[pick])
    return chosen


def _spread(chosen: Sequence[int], by_lot: Sequence[int]) -> list[int]:
    """Return both together, those by lot at even steps among the others."""
    total = len(chosen) + len(by_lot)
    places = {int((n + 0.5) * total / len(by_lot)) for n in range(len(by_lot))}
    lots, others = iter(by_lot), iter(chosen)
    return [next(lots) if n in places else next(others) for n in range(total)]
