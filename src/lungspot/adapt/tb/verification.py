"""Who was confirmed: groups of people of whom all, or a random sample, had the reference test; weights from them.

Where people below the triage threshold are confirmed only in part, sensitivity among the confirmed is too high
(verification bias; Begg and Greenes, Biometrics 39 (1983) 207). Within a group the confirmed are taken for a random
sample, so that each stands for people / confirmed of that group (inverse-probability weights). Groups follow from what
decided who was confirmed: the triage threshold, whether there is a score at all, and columns that the caller names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungspot.errors import InputError

__all__ = ["NO_SCORE", "Verification", "VerificationGroup", "likely_triage", "verification_weights"]

NO_SCORE: Final = "no score"

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class VerificationGroup:
    """People who were confirmed by one rule: how many, how many of them were confirmed, and which class they are of.

    ``kind``: all people, those at or above the triage threshold, those below it, or those without a score.
    """

    name: str
    kind: str
    people: int
    confirmed: int

    @property
    def weight(self) -> float:
        """For how many people each confirmed one stands; NaN where nobody was confirmed."""
        return self.people / self.confirmed if self.confirmed else float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """Of each person (N,): ``group``, an index into ``groups``; whether ``confirmed``; ``weight``, 0 where not."""

    group: Codes
    groups: tuple[VerificationGroup, ...]
    confirmed: NDArray[np.bool_]
    weight: Floats

    @property
    def complete(self) -> bool:
        """Whether everybody was confirmed."""
        return all(group.people == group.confirmed for group in self.groups)

    @property
    def blind(self) -> tuple[VerificationGroup, ...]:
        """The groups of whom nobody was confirmed: what holds for them is not known."""
        return tuple(group for group in self.groups if not group.confirmed)

    def part(self, chosen: NDArray[np.bool_]) -> Verification:
        """Return the groups among some of the people, ``chosen`` (N,), with the weights that hold there."""
        codes, group = np.unique(self.group[chosen], return_inverse=True)
        confirmed = self.confirmed[chosen]
        people = np.bincount(group, minlength=len(codes))
        seen = np.bincount(group[confirmed], minlength=len(codes))
        return _weighted(
            group.astype(np.int64),
            confirmed,
            [
                replace(self.groups[code], people=int(people[at]), confirmed=int(seen[at]))
                for at, code in enumerate(codes)
            ],
        )


def verification_weights(
    score: Floats,
    reference: NDArray[np.int8],
    triage: float | None = None,
    by: Mapping[str, Sequence[str]] | None = None,
) -> Verification:
    """Return groups and weights of people with scores (N,; NaN: none) and references (N,; 1, 0, -1: not confirmed).

    ``triage``: at or above it everybody was to be confirmed, below it a sample. ``by``: columns of N values each that
    also decided who was confirmed. Raises InputError ``BAD_VALUE`` where people are not confirmed and neither says why.
    """
    confirmed = reference >= 0
    by = by or {}
    if triage is None and not by:
        if not confirmed.all():
            raise _unexplained(score, confirmed)
        everybody = VerificationGroup("everybody", "all", len(score), len(score))
        return _weighted(np.zeros(len(score), dtype=np.int64), confirmed, [everybody])
    kinds = ["all"] * len(score) if triage is None else np.where(score >= triage, "above", "below").tolist()
    kinds = ["no score" if missing else kind for kind, missing in zip(kinds, np.isnan(score), strict=True)]
    names = {"all": "everybody", "above": f"score {triage or 0:g} or more", "below": f"score below {triage or 0:g}"}
    columns = [[f"{name} {value or 'not known'}" for value in values] for name, values in by.items()]
    keys = list(zip(kinds, *columns, strict=True))
    codes = {key: code for code, key in enumerate(sorted(set(keys)))}
    group = np.fromiter((codes[key] for key in keys), dtype=np.int64, count=len(keys))
    people = np.bincount(group, minlength=len(codes))
    seen = np.bincount(group[confirmed], minlength=len(codes))
    groups = [
        VerificationGroup(", ".join((names.get(kind, NO_SCORE), *rest)), kind, int(people[code]), int(seen[code]))
        for (kind, *rest), code in codes.items()
    ]
    return _weighted(group, confirmed, groups)


def _weighted(group: Codes, confirmed: NDArray[np.bool_], groups: Sequence[VerificationGroup]) -> Verification:
    weights = np.array([of.weight for of in groups])[group]
    return Verification(group, tuple(groups), confirmed, np.where(confirmed, weights, 0.0))


def likely_triage(score: Floats, confirmed: NDArray[np.bool_]) -> float | None:
    """Return the score at which the share of confirmed people changes most (the likeliest single step); None: none.

    The step that makes who was confirmed likeliest, each side having a share of its own.
    """
    known = np.isfinite(score)
    values, where = np.unique(score[known], return_inverse=True)
    if len(values) < 2 or confirmed[known].all() or not confirmed[known].any():
        return None
    people = np.bincount(where)
    yes = np.bincount(where, weights=confirmed[known].astype(np.float64))
    low, low_yes = np.cumsum(people)[:-1], np.cumsum(yes, dtype=np.float64)[:-1]
    high, high_yes = people.sum() - low, yes.sum() - low_yes
    fit = _likelihood(low_yes, low) + _likelihood(high_yes, high)
    return float(values[int(np.argmax(fit)) + 1])


def _likelihood(yes: Floats, people: NDArray[np.integer]) -> Floats:
    """Return the highest log-likelihood of so many yes of people."""
    share = yes / people
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(yes > 0, yes * np.log(share), 0) + np.where(yes < people, (people - yes) * np.log1p(-share), 0)
    return np.asarray(parts, dtype=np.float64)


def _unexplained(score: Floats, confirmed: NDArray[np.bool_]) -> InputError:
    missing = int((~confirmed).sum())
    reason = f"{missing} of {len(confirmed)} people are not confirmed, and nothing says how those who are were chosen"
    advice = "give --triage SCORE (from it up everybody was to be confirmed, below it a sample) or --sampled-by COLUMN"
    if (step := likely_triage(score, confirmed)) is not None:
        with np.errstate(invalid="ignore"):
            at = score >= step
        share = [100 * float(confirmed[side].mean()) for side in (at, score < step)]
        advice += f"; here {share[0]:.0f} % are confirmed from {step:g} up, and {share[1]:.0f} % of the others"
    return InputError("BAD_VALUE", "reference", reason, advice=advice)
