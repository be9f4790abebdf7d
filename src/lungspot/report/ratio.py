"""What a report says of the heart's width over the chest's: the number, whose it is, and what speaks against it.

The network's is said only where heart and lungs lie as in a chest (:func:`lungspot.detect.is_plausible`); where its
probability of cardiomegaly and the ratio contradict each other, both stand there and the report says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lungspot.findings import taxonomy
from lungspot.images import View
from lungspot.report.analysis import Analysis
from lungspot.report.measurements import Kind
from lungspot.report.observations import Review

__all__ = ["RATIO_LABEL", "RATIO_LIMITS", "Ratio", "ratio_of"]

# What the ratio bears out.
RATIO_LABEL: Final = next(label.id for label in taxonomy() if label.measure == str(Kind.RATIO))
# Up to which ratio a heart is small although the film is above the balanced point of cardiomegaly, and from which it is
# large although the film is below the sensitive one (docs/benchmarks.md).
RATIO_LIMITS: Final = (0.5, 0.58)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A cardiothoracic ratio as a report says it, by keys of its templates.

    ``key``: whose it is, or ``none``: the network outlined no heart and lungs that could be measured, and ``value``
    is None. ``notes``: what to bear in mind: how the view shows hearts, and that the probability contradicts it.
    """

    key: str
    value: float | None
    notes: tuple[str, ...] = ()


def ratio_of(result: Analysis, review: Review | None) -> Ratio | None:
    """Return the ratio of a film, a reader's before the network's; None where the model knows no anatomy."""
    found = [each for each in review.measurements if each.kind is Kind.RATIO] if review else []
    view = {View.PA: (), View.AP: ("AP",)}.get(result.radiograph.view, ("UNKNOWN",))
    if found:
        key = {"reader": "reader", "model": "accepted"}[found[-1].by]
        return Ratio(key, found[-1].value, view)
    if result.anatomy is None:
        return None
    value = result.anatomy.cardiothoracic_ratio
    return Ratio("none", None) if value is None else Ratio("model", value, (*view, *_contradicted(result, value)))


def _contradicted(result: Analysis, ratio: float) -> tuple[str, ...]:
    """Return by what the film's probability of cardiomegaly contradicts its ratio."""
    card, probability = result.model.card, result.probabilities.get(RATIO_LABEL)
    if probability is None:
        return ()
    small, large = RATIO_LIMITS
    if ratio >= large and probability < card.threshold(RATIO_LABEL, "sensitive").image:
        return ("LARGE",)
    return ("SMALL",) if ratio <= small and probability >= card.threshold(RATIO_LABEL, "balanced").image else ()
