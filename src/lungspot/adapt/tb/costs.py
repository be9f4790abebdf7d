"""What screening costs: a film and its reading for each person, a test for each who is referred, and overheads."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lungspot.errors import InputError

__all__ = ["Costs"]


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs in one currency: ``test`` a confirmatory test, ``screen`` a film with its reading, ``fixed`` once in all.

    ``currency`` is only written down. Raises InputError ``BAD_VALUE`` for what is no cost.
    """

    test: float
    screen: float = 0.0
    fixed: float = 0.0
    currency: str = "USD"

    def __post_init__(self) -> None:
        """Refuse costs below zero and what is not a number."""
        for name, value in (("test", self.test), ("screen", self.screen), ("fixed", self.fixed)):
            if not (math.isfinite(value) and value >= 0):
                raise InputError("BAD_VALUE", f"cost of {name}", f"{value} is no cost")

    def of_triage(self, people: float, tests: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the cost of screening ``people`` where so many of them, an array, have the confirmatory test."""
        return self.fixed + people * self.screen + tests * self.test

    def of_testing_all(self, people: float) -> float:
        """Return the cost of the confirmatory test for everybody, without films."""
        return people * self.test
