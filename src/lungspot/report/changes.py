"""What has changed against an earlier film of the same person: places matched, and a word for each.

The one comparison of lungspot: the report's sentence, JSON, page, viewer, SR and the node are views of it. Places are
matched where the earlier film, laid on this one (:func:`lungspot.images.align`), has them. A mark that one film has and
the other has not is no change by itself, for what is marked hangs on a threshold, and boxes are not exact enough to say
what grew; so the two pictures are asked too: a place is new, gone, larger or smaller only where they differ there by
more than elsewhere (:class:`lungspot.images.LocalChange`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Literal

from lungspot.findings import Box, Side, enclosing, taxonomy
from lungspot.images import Alignment, Difference, LocalChange
from lungspot.report.observations import Observation

__all__ = ["Aligned", "Before", "Change", "ChangeWord", "Changes", "changes"]

# Chosen on films of val (benchmarks/prior.py), so that films of one person shortly after one another differ in hardly
# anything.
_SURE: Final = 1.75  # robust deviations from which on the pictures alone say that a place has changed
_HINT: Final = 1.0  # where the boxes say so too
_AGAINST: Final = 1.2  # where they say the contrary of what is marked
_FILLED: Final = 0.57  # below this what differs is a rim: the other film has the place, if too faintly to be marked
_GROWN: Final = 1.15  # ratio of areas that counts as boxes saying so
_MEET: Final = 0.1  # IoU of two boxes of one place
_WITHIN: Final = 0.6  # or how much of the smaller lies in the larger
_APART: Final = 0.4  # IoU below which two boxes are two places where all of one of them is new, or gone


class ChangeWord(StrEnum):
    """What became of a place. ``unsure``: marked on one film only, and the pictures do not say why.

    ``both``: marked on both films, and nothing more is known: they could not be laid on each other, or it is of the
    film as a whole.
    """

    NEW = "new"
    LARGER = "larger"
    SMALLER = "smaller"
    SAME = "same"
    GONE = "gone"
    UNSURE = "unsure"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Aligned:
    """An earlier film laid on this one, where they differ, and what each nearly shows as a whole.

    ``almost``, ``almost_then``: look-alike groups that this film and the earlier one come near to showing.
    """

    alignment: Alignment
    difference: Difference
    almost: frozenset[str] = frozenset()
    almost_then: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Before:
    """An earlier film of the person, to compare with: how many ``days`` earlier (None: not known), and what it shows.

    ``lines``: of its report (:func:`~lungspot.report.observations.observations`), or None where it cannot be compared:
    it was not assessed, or by another model. ``aligned``: how it lies on this film; None where that is not known, and
    then sizes are not compared. ``tracking``: by the number of a place of the earlier film, the UID that it is followed
    by; ``own``: those of this film's places, for what is new. ``film``: its SOP Instance UID; ``name``: its file's.
    """

    days: int | None
    lines: tuple[Observation, ...] | None = None
    aligned: Aligned | None = None
    tracking: Mapping[int, str] = field(default_factory=dict)
    own: Mapping[int, str] = field(default_factory=dict)
    film: str | None = None
    name: str | None = None

    def against(self, lines: Iterable[Observation] | None) -> Changes | None:
        """Return what has changed up to the film with these lines; None where the two cannot be compared."""
        return None if lines is None or self.lines is None else changes(lines, self.lines, self.aligned)

    def uid_of(self, change: Change) -> str | None:
        """Return the UID by which a place is followed: the earlier film's where it has it, else this film's."""
        earlier = None if change.follows is None else self.tracking.get(change.follows)
        return earlier or (None if change.now is None else self.own.get(change.now.place or 0))


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one line: as this film has it (``now``), as the earlier one has it (``before``); one may be None.

    ``then``: the box of ``before`` on this film. ``ratio``: the area of this film's box over that of ``then``.
    ``seen``: how the pictures differ there; None where that is not known. ``follows``: the number of the earlier film's
    place under whose UID it goes on: a place of either film goes on with one of the other's only.
    """

    word: ChangeWord
    now: Observation | None
    before: Observation | None
    then: Box | None = None
    ratio: float | None = None
    seen: LocalChange | None = None
    follows: int | None = None

    @property
    def line(self) -> Observation:
        """The line that stands for it: this film's, else the earlier one's."""
        found = self.now or self.before
        if found is None:
            raise ValueError("a change of nothing")
        return found

    @property
    def marked(self) -> Literal["both", "now", "before"]:
        """On which of the two films it is marked."""
        return "before" if self.now is None else "now" if self.before is None else "both"


@dataclass(frozen=True, slots=True)
class Changes:
    """Every line of the two films, those of this film first, in the order of their reports."""

    every: tuple[Change, ...] = ()

    def of(self, *words: ChangeWord) -> tuple[Change, ...]:
        """Return the changes that have one of these words."""
        return tuple(each for each in self.every if each.word in words)

    @property
    def new(self) -> tuple[Observation, ...]:
        """The lines that are on this film alone."""
        return tuple(each.line for each in self.of(ChangeWord.NEW))

    @property
    def gone(self) -> tuple[Observation, ...]:
        """The lines that are on the earlier film alone."""
        return tuple(each.line for each in self.of(ChangeWord.GONE))

    @property
    def both(self) -> tuple[Observation, ...]:
        """This film's lines that the earlier film has too."""
        return tuple(each.now for each in self.every if each.now is not None and each.before is not None)


def changes(now: Iterable[Observation], before: Iterable[Observation], aligned: Aligned | None = None) -> Changes:
    """Compare the lines of two films' reports.

    Places are matched where ``aligned`` is given: boxes of one look-alike group that meet and are not of two sides of
    the patient, the best pair first, each once. Lines without a box, and all lines where it is not, speak of the same
    where their names are of one group and their sides may be the same: equal, or one of them not known, or one of the
    film as a whole. Of places, too, each is then matched once; one that is left over is undecided. What one film shows
    as a whole and the other at a place is told once: as that place, judged by the pictures where they can be compared.
    """
    now, before = tuple(now), tuple(before)
    pairs = _alike(now, before) if aligned is None else _matched(now, before, aligned)
    taken = set(pairs.values())
    found = []
    for index, line in enumerate(now):
        others = [other for number, other in enumerate(before) if line.box is None or number not in taken]
        if index in pairs:
            other = before[pairs[index]]
            word = Change(ChangeWord.BOTH, line, other) if aligned is None else _followed(line, other, aligned)
            found.append(word)
        elif (counterpart := _counterpart(line, others, aligned)) is None:
            found.append(_alone(line, aligned, before, earlier=False))
        elif aligned is None or counterpart.box is None:  # else the place has a word of its own
            found.append(Change(ChangeWord.BOTH, line, counterpart))
    told = {id(each.before) for each in found}
    found += [
        _alone(line, aligned, now, earlier=True)
        for number, line in enumerate(before)
        if number not in taken
        and id(line) not in told
        and _counterpart(line, [other for other in now if line.box is None or other.box is None], aligned) is None
    ]
    return Changes(_each_followed_once(found))


def _alike(now: Sequence[Observation], before: Sequence[Observation]) -> dict[int, int]:
    """Return which place of the earlier film may be which of this one by names and sides alone, each once."""
    found = [
        (line.side != other.side, index, number)
        for index, line in enumerate(now)
        for number, other in enumerate(before)
        if line.box is not None and other.box is not None and _same(line, other)
    ]
    return _once(found)


def _each_followed_once(found: Sequence[Change]) -> tuple[Change, ...]:
    """Return the changes with the place that each follows: of several the first; all of one place follow the same."""
    earlier_of: dict[object, int] = {}
    for each in found:
        mine = _place_of(each.now)
        if mine is None or each.before is None or each.before.place is None:
            continue
        if mine not in earlier_of and each.before.place not in earlier_of.values():
            earlier_of[mine] = each.before.place
    made = []
    for each in found:
        place = earlier_of.get(_place_of(each.now))
        if each.now is None and each.before is not None and each.before.place not in earlier_of.values():
            place = each.before.place  # it has come to its end under its own UID
        made.append(replace(each, follows=place))
    return tuple(made)


def _place_of(line: Observation | None) -> object:
    """Return what tells a place from others: its number, or the box that a reader drew."""
    return None if line is None else line.place if line.place is not None else line.box


def _counterpart(line: Observation, others: Iterable[Observation], aligned: Aligned | None) -> Observation | None:
    """Return a line that may speak of the same, where places cannot tell; a place that is compared has none."""
    if aligned is not None and line.box is not None:
        return None
    alike = [other for other in others if _same(line, other)]
    return min(alike, key=lambda other: (other.box is None) != (line.box is None), default=None)


def _alone(line: Observation, aligned: Aligned | None, others: Iterable[Observation], *, earlier: bool) -> Change:
    """Return what a line that only one film has means; ``others``: the other film's."""
    now, before = (None, line) if earlier else (line, None)
    changed = ChangeWord.GONE if earlier else ChangeWord.NEW
    if aligned is None:  # another place that it may be was taken for the one beside it
        return Change(changed if _counterpart(line, others, None) is None else ChangeWord.UNSURE, now, before)
    if line.box is None:
        almost = aligned.almost if earlier else aligned.almost_then
        return Change(ChangeWord.UNSURE if _group(line) in almost else changed, now, before)
    then = aligned.alignment.box(line.box) if earlier else None
    seen = aligned.difference.at(then or line.box)
    if seen is None:
        return Change(ChangeWord.UNSURE, now, before, then)
    more = _denser(line, seen) * (-1 if earlier else 1)
    if more >= _SURE:
        rim = seen.filled < _FILLED
        word = changed if not rim else ChangeWord.SMALLER if earlier else ChangeWord.LARGER
    elif more <= -_AGAINST:  # the pictures contradict the marks
        word = ChangeWord.LARGER if earlier else ChangeWord.SMALLER
    else:
        word = ChangeWord.UNSURE if more >= _HINT else ChangeWord.SAME
    return Change(word, now, before, then, None, seen)


def _denser(line: Observation, seen: LocalChange | None) -> float:
    """Return how much more of what a line names this film shows than the earlier one, in surprises."""
    more = 0.0 if seen is None else seen.surprise
    return -more if taxonomy()[line.labels[0]].dark else more


def _followed(line: Observation, other: Observation, aligned: Aligned) -> Change:
    """Return what became of a place that both films have."""
    if line.box is None or other.box is None:
        raise ValueError("a place without a box")
    then = aligned.alignment.box(other.box)
    ratio, seen = line.box.area / then.area, aligned.difference.at(enclosing([line.box, then]))
    more = _denser(line, seen)
    if more >= _SURE or (more >= _HINT and ratio >= _GROWN):
        word = ChangeWord.LARGER
    elif more <= -_SURE or (more <= -_HINT and ratio <= 1 / _GROWN):
        word = ChangeWord.SMALLER
    else:
        word = ChangeWord.SAME
    return Change(word, line, other, then, ratio, seen)


def _matched(now: Sequence[Observation], before: Sequence[Observation], aligned: Aligned) -> dict[int, int]:
    """Return which line of the earlier film is the same place as which of this one."""
    found: list[tuple[float, int, int]] = []
    for number, other in enumerate(before):
        then = None if other.box is None else aligned.alignment.box(other.box)
        for index, line in enumerate(now):
            if then is None or line.box is None or _group(line) != _group(other):
                continue
            if not _may_be(line.side, other.side):
                continue
            overlap = line.box.iou(then)
            nested = line.box.intersection(then) >= _WITHIN * min(line.box.area, then.area)
            if overlap < _MEET and not nested:
                continue
            if nested or overlap >= _APART or not _two_places(line, then, aligned.difference):
                found.append((overlap, index, number))
    return _once((-overlap, index, number) for overlap, index, number in found)


def _two_places(line: Observation, then: Box, difference: Difference) -> bool:
    """Say whether all of a place of this film is new, or all of one of the earlier film gone: not its rim alone."""
    for box, sign in ((line.box, 1), (then, -1)):
        seen = None if box is None else difference.at(box)
        if seen is not None and sign * _denser(line, seen) >= _SURE and seen.filled >= _FILLED:
            return True
    return False


def _once(found: Iterable[tuple[float, int, int]]) -> dict[int, int]:
    """Return the pairs that come first, each line once."""
    pairs: dict[int, int] = {}
    for _, index, number in sorted(found):
        if index not in pairs and number not in pairs.values():
            pairs[index] = number
    return pairs


def _group(line: Observation) -> str:
    return taxonomy()[line.labels[0]].group


def _same(one: Observation, other: Observation) -> bool:
    if _group(one) != _group(other):
        return False
    return _may_be(one.side, other.side) and _may_be(one.picture_side, other.picture_side)


def _may_be(one: Side | None, other: Side | None) -> bool:
    return one is None or other is None or one == other or Side.BILATERAL in {one, other}
