"""Probabilities that hold at a site: what a score has meant on its films, and what it means where disease is rarer.

How much is fitted follows how many people there are on the rarer side: nothing below 10, the level alone below 50,
Platt's two numbers below 500, and from there an isotonic curve (Niculescu-Mizil & Caruana 2005 find it the better from
about a thousand examples). What is fitted is used only where it says films better that had no part in the fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungspot.detect import Curve, Platt, calibrate, compose
from lungspot.evaluate import fit_isotonic, fit_platt, reliability

__all__ = ["LEAST", "Refit", "refit"]

Array = NDArray[np.float64]
Fit = Callable[[Array, NDArray[np.bool_]], Curve]

LEAST: Final = 10  # people on the rarer side, below which nothing is fitted
_KINDS: Final[tuple[tuple[int, str, Fit], ...]] = (
    (50, "level", partial(fit_platt, slope=False)),
    (500, "platt", fit_platt),
    (1 << 62, "isotonic", fit_isotonic),
)
_FOLDS: Final = 5
_EDGE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Refit:
    """How scores become probabilities at a site.

    ``curve``: None where scores stay as they are; ``kind``: ``level``, ``platt`` or ``isotonic``, ``prevalence`` where
    only the level was moved to another prevalence, ``none`` where nothing was done, and ``why``. ``before``,
    ``after``: mean log loss and Brier score of the scores, and of the curve on films that had no part in its fit.
    ``bins``: what is promised on these films and what came true (:func:`lungspot.evaluate.reliability`).
    """

    curve: Curve | None
    kind: str
    why: str
    before: dict[str, float]
    after: dict[str, float] | None
    bins: dict[str, list[float]]


def refit(score: Array, positive: NDArray[np.bool_], person: NDArray[np.int64], prevalence: float | None) -> Refit:
    """Return what scores from 0 to 1 mean on these films, or boxes; (N,) each.

    ``prevalence``: of the films to come, where that of these is another; the log odds are moved by the ratio of the
    odds (Saerens, Latinne & Decaestecker, Neural Computation 2002), which supposes that a film with the disease looks
    here as it does there.
    """
    few = min(len(np.unique(person[positive])), len(np.unique(person[~positive])))
    before = _losses(score, positive)
    curve, kind, why, after = None, "none", "", None
    if few < LEAST:
        why = f"{few} people on the rarer side; {LEAST} are the fewest for a fit"
    else:
        name, fit = next((name, fit) for limit, name, fit in _KINDS if few < limit)
        after = _losses(_held_out(score, positive, person, fit), positive)
        if after["log_loss"] < before["log_loss"]:
            curve, kind = fit(score, positive), name
        else:
            why = "the scores as they are say films better that had no part in the fit"
    bins = reliability(calibrate(score, curve), positive)
    if prevalence is not None and few >= LEAST:
        moved = Platt(1.0, _odds(prevalence) - _odds(float(positive.mean())))
        curve, kind = compose(curve, moved), "prevalence" if curve is None else kind
    return Refit(curve, kind, why, before, after, bins)


def _held_out(score: Array, positive: NDArray[np.bool_], person: NDArray[np.int64], fit: Fit) -> Array:
    """Return what each example is said to be by a fit to the people of the four other fifths."""
    names, who = np.unique(person, return_inverse=True)
    fold = (np.random.default_rng(0).permutation(len(names)) % _FOLDS)[who]
    said = score.copy()
    for each in range(_FOLDS):
        out = fold == each
        said[out] = calibrate(score[out], fit(score[~out], positive[~out]))
    return said


def _losses(said: Array, positive: NDArray[np.bool_]) -> dict[str, float]:
    if not len(said):
        return {}
    p = np.clip(said, _EDGE, 1 - _EDGE)
    loss = -np.where(positive, np.log(p), np.log1p(-p))
    return {"log_loss": round(float(loss.mean()), 6), "brier": round(float(((said - positive) ** 2).mean()), 6)}


def _odds(share: float) -> float:
    return math.log(share / (1 - share))
