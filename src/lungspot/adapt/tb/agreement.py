"""After go-live: do CAD and readers agree, and how many films are read as abnormal, month by month.

WHO's guideline on screening (2021, 4.4) asks programmes to go on watching both once a threshold is in use. Agreement
says nothing about who is right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from lungspot.adapt.proportion import wilson
from lungspot.adapt.tb.chance import Estimate

__all__ = ["CadAgreement", "Month", "cad_agreement", "share", "shares_by_month"]


@dataclass(frozen=True, slots=True)
class CadAgreement:
    """Films that both judged: counts of the four answers (CAD, reader), and what they say together.

    ``observed``: share of equal answers. ``kappa``: Cohen's (1960), with the interval of Fleiss, Cohen and Everitt
    (1969). ``positive``, ``negative``: agreement on abnormal and on normal films (Cicchetti and Feinstein 1990), which
    kappa hides where few films are abnormal. ``cad``, ``reader``: the share that each calls abnormal.
    """

    both: int
    cad_only: int
    reader_only: int
    neither: int
    observed: Estimate
    kappa: Estimate
    positive: float | None
    negative: float | None
    cad: Estimate
    reader: Estimate

    @property
    def films(self) -> int:
        """How many films both judged."""
        return self.both + self.cad_only + self.reader_only + self.neither


@dataclass(frozen=True, slots=True)
class Month:
    """One month: films with a score, the share that CAD calls abnormal, and agreement with readers where they read."""

    month: str
    films: int
    cad: Estimate
    agreement: CadAgreement | None


def cad_agreement(abnormal: NDArray[np.bool_], reader: NDArray[np.int8], level: float = 95.0) -> CadAgreement | None:
    """Return how CAD's answers (N,) agree with a reader's (N,; 1, 0, -1: not read); None where nobody read."""
    read = reader >= 0
    cad, human = abnormal[read], reader[read] == 1
    films = len(cad)
    if not films:
        return None
    both, neither = int((cad & human).sum()), int((~cad & ~human).sum())
    cad_only, reader_only = int((cad & ~human).sum()), int((~cad & human).sum())
    abnormal_twice, normal_twice = 2 * both + cad_only + reader_only, 2 * neither + cad_only + reader_only
    return CadAgreement(
        both,
        cad_only,
        reader_only,
        neither,
        share(both + neither, films, level),
        _kappa(np.array([[both, cad_only], [reader_only, neither]]) / films, films, level),
        2 * both / abnormal_twice if abnormal_twice else None,
        2 * neither / normal_twice if normal_twice else None,
        share(both + cad_only, films, level),
        share(both + reader_only, films, level),
    )


def shares_by_month(
    date: NDArray[np.datetime64],
    score: NDArray[np.float64],
    threshold: float,
    reader: NDArray[np.int8] | None = None,
    level: float = 95.0,
) -> list[Month]:
    """Return each month's share of films at or above the threshold, and its agreement with readers; (N,) each."""
    dated = ~np.isnat(date) & np.isfinite(score)
    months = date.astype("datetime64[M]")
    found = []
    for month in np.unique(months[dated]):
        mine = dated & (months == month)
        abnormal = score[mine] >= threshold
        agreed = None if reader is None else cad_agreement(abnormal, reader[mine], level)
        found.append(Month(str(month), len(abnormal), share(int(abnormal.sum()), len(abnormal), level), agreed))
    return found


def share(hits: int, of: int, level: float = 95.0) -> Estimate:
    """Return a proportion with Wilson's interval."""
    low, high = wilson(hits, of, level).tolist()
    return Estimate(hits / of if of else None, low, high)


def _kappa(table: NDArray[np.float64], films: int, level: float) -> Estimate:
    """Return Cohen's kappa of shares (2, 2); no value where both always give one answer."""
    rows, columns = table.sum(1), table.sum(0)
    observed, expected = float(np.trace(table)), float(rows @ columns)
    if expected >= 1:
        return Estimate(None)
    kappa = (observed - expected) / (1 - expected)
    agreed = sum(table[i, i] * (1 - (rows[i] + columns[i]) * (1 - kappa)) ** 2 for i in range(2))
    apart = (1 - kappa) ** 2 * sum(table[i, 1 - i] * (columns[i] + rows[1 - i]) ** 2 for i in range(2))
    variance = float(agreed + apart - (kappa - expected * (1 - kappa)) ** 2) / (films * (1 - expected) ** 2)
    half = NormalDist().inv_cdf(0.5 + level / 200) * math.sqrt(max(variance, 0))
    return Estimate(kappa, max(kappa - half, -1.0), min(kappa + half, 1.0))
