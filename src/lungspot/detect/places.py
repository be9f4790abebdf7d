"""One shadow, one place: the boxes of one film that cover one another are one frame with several names.

A network boxes each label by itself, so one shadow may be boxed as COVID-19, as pneumonia and as tuberculosis. Such
boxes are one place, by the card's :class:`~lungspot.detect.card.PlaceRule`:

- two boxes show one place where their intersection over union is at least ``iou``; where their labels are look-alikes
  (one ``group`` of the taxonomy) or one label, also where the smaller lies in the larger by at least ``cover``;
- only boxes in one kind of organ can: a heart that is too large and a shadow on the lung behind it are two places;
- boxes that were not judged one by one (``Finding.judged``) show where the film's score comes from: all those of a
  label are one place, and no other label joins it.

The best box of a place is its frame, and what joins it overlaps *that* box: places do not grow in chains. Reported
labels come before experimental ones, and then the better score: leaving out experimental findings, or the lowest
scores, changes neither the number nor the frame of a place with a reported label that stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lungspot.detect.card import ModelCard, PlaceRule
from lungspot.errors import InputError
from lungspot.findings import Box, Finding, Side, enclosing, taxonomy

__all__ = ["Names", "Place", "find_places"]


@dataclass(frozen=True, slots=True)
class Names:
    """What a place may be, as far as a film can tell: one label, or several that look alike.

    ``group``: the id of the look-alike group (``opacity``), or of the one label that is alone in its group.
    ``alternatives``: (label, its best score in this place), best first; more than one cannot be told apart.
    """

    group: str
    alternatives: tuple[tuple[str, float], ...]

    @property
    def score(self) -> float:
        """The best score among the alternatives."""
        return self.alternatives[0][1]

    @property
    def look_alike(self) -> bool:
        """Whether there are several labels that a film cannot tell apart."""
        return len(self.alternatives) > 1


@dataclass(frozen=True, slots=True)
class Place:
    """One place on a film and all that was found there.

    ``number``: 1 and up, best place first. ``box``: its frame, in pixels of the film. ``findings``: those with a box
    there, best first (reported labels before experimental ones); ``members``: which they are among the findings that
    were asked about. ``judged``: False where the score is the film's and the box only shows where it comes from.
    """

    number: int
    box: Box
    findings: tuple[Finding, ...]
    members: tuple[int, ...]
    judged: bool = True

    def __post_init__(self) -> None:
        """Refuse places without a finding, without a number, or with a finding that has no box."""
        if self.number < 1 or not self.findings or len(self.findings) != len(self.members):
            raise InputError("BAD_VALUE", None, f"place {self.number} of {len(self.findings)} findings")
        if any(finding.box is None for finding in self.findings):
            raise InputError("BAD_VALUE", None, f"place {self.number} holds a finding without a box")

    @property
    def label(self) -> str:
        """The label of its best finding."""
        return self.findings[0].label

    @property
    def side(self) -> Side | None:
        """The patient's side: its best finding's; ``bilateral`` where boxes that were not judged lie on both."""
        sides = {finding.side for finding in self.findings if finding.side is not None}
        return self.findings[0].side if self.judged or len(sides) < 2 else Side.BILATERAL

    @property
    def names(self) -> tuple[Names, ...]:
        """What it may be, best first: labels that look alike stand together (:class:`Names`)."""
        best: dict[str, dict[str, float]] = {}
        for finding in self.findings:
            of = best.setdefault(taxonomy()[finding.label].group, {})
            of[finding.label] = max(of.get(finding.label, 0.0), finding.score or 0.0)
        return tuple(
            Names(group if len(of) > 1 else next(iter(of)), tuple(sorted(of.items(), key=lambda each: -each[1])))
            for group, of in best.items()
        )


def find_places(findings: Sequence[Finding], card: ModelCard) -> tuple[Place, ...]:
    """Return the places of one film, best first; each finding that has a box is in just one of them.

    ``findings``: of one film, boxes in one frame; those without a box are passed over. The order of equal scores is
    that of ``findings``.
    """
    boxed = [index for index, finding in enumerate(findings) if finding.box is not None]
    ranked = sorted(boxed, key=lambda i: (not card.is_reported(findings[i].label), -(findings[i].score or 0.0)))
    groups: list[list[int]] = []
    for index in ranked:
        mine = findings[index]
        for group in groups:
            if _one_place(findings[group[0]], mine, card.place_rule):
                group.append(index)
                break
        else:
            groups.append([index])
    return tuple(_place(number, findings, group) for number, group in enumerate(groups, 1))


def _place(number: int, findings: Sequence[Finding], members: list[int]) -> Place:
    inside = tuple(findings[index] for index in members)
    boxes = [finding.box for finding in inside if finding.box is not None]
    judged = inside[0].judged
    return Place(number, boxes[0] if judged else enclosing(boxes), inside, tuple(members), judged)


def _one_place(first: Finding, other: Finding, rule: PlaceRule) -> bool:
    """Say whether ``other`` belongs to the place whose best finding is ``first``."""
    if first.box is None or other.box is None:
        return False
    if not (first.judged and other.judged):
        return first.label == other.label and first.judged == other.judged
    mine, theirs = taxonomy()[first.label], taxonomy()[other.label]
    if mine.in_lungs != theirs.in_lungs or not (mine.in_lungs or mine.organ is theirs.organ):
        return False
    if first.box.iou(other.box) >= rule.iou:
        return True
    smaller = min(first.box.area, other.box.area)
    return mine.group == theirs.group and first.box.intersection(other.box) >= rule.cover * smaller
