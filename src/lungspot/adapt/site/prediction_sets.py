"""Prediction sets over look-alikes: the names of a group that a film may not be said to be without.

Pneumonia, COVID-19 and tuberculosis are opacities that a film cannot tell apart. A set holds each of them whose
probability is at least a threshold of its own, chosen such that of the films that do show it the stated share keeps
it, in the mean over sites of this kind (split conformal prediction for each class by itself: Vovk 2012, Angelopoulos &
Bates 2021). So it holds for each disease, however rare it is here; what it does not say is that a set of one name is
right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lungspot.adapt.site.goals import Goal, GoalKind, threshold_for
from lungspot.adapt.site.local import LocalLabel
from lungspot.errors import LungspotError
from lungspot.findings import taxonomy

__all__ = ["GroupSet", "prediction_sets"]


@dataclass(frozen=True, slots=True)
class GroupSet:
    """A look-alike group: by label the score from which it stays; ``refused``: labels of which nothing can be promised.

    ``size``: by label, how many of the other names stay beside it, on the films that show it and where those were
    scored.
    """

    thresholds: Mapping[str, float]
    refused: Mapping[str, LungspotError]
    size: Mapping[str, float]


def prediction_sets(labels: Mapping[str, LocalLabel], coverage: float) -> dict[str, GroupSet]:
    """Return by group the sets that keep ``coverage`` per cent of true names; groups of one label alone have none."""
    goal = Goal(GoalKind.SENSITIVITY, coverage / 100)
    groups: dict[str, list[str]] = {}
    for label in labels:
        groups.setdefault(taxonomy()[label].group if label in taxonomy() else label, []).append(label)
    found = {}
    for group, members in groups.items():
        if len(members) < 2:
            continue
        thresholds: dict[str, float] = {}
        refused: dict[str, LungspotError] = {}
        for label in members:
            try:
                thresholds[label] = threshold_for(labels[label].films, goal)
            except LungspotError as error:
                refused[label] = error
        if thresholds:
            size = {label: _beside(labels[label], labels, thresholds, label) for label in thresholds}
            found[group] = GroupSet(thresholds, refused, size)
    return found


def _beside(one: LocalLabel, labels: Mapping[str, LocalLabel], thresholds: Mapping[str, float], label: str) -> float:
    """Return how many other names stay, in the mean over the films that show ``label``."""
    kept = 0.0
    for other, limit in thresholds.items():
        if other != label:
            scores = labels[other].score[one.known & one.positive]
            known = np.isfinite(scores)
            kept += float((scores[known] >= limit).mean()) if known.any() else 0.0
    return kept
