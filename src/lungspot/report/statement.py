"""What is said of a film, once: headline, table, JSON, pictures, pages, DICOM, FHIR and the worklist are views of it.

A label is said where it reaches its threshold at the operating point: at its places, where it has boxes that do, else
of the film as a whole. Things said stand in order of urgency (the taxonomy's tier, then how probable). Labels that the
model's card calls experimental are not said, unless asked for; what they score stays in the JSON document.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from lungspot.detect import DEFAULT_POINT
from lungspot.findings import DISEASES, Box, Side, Zone, name_of, taxonomy
from lungspot.report.analysis import Analysis, Refusal
from lungspot.report.site_words import percentages_of, sets_of, thresholds_of
from lungspot.report.words import (
    NOT_TOLD_APART,
    joined,
    percent,
    picture_side_of,
    place_of,
    refused_because,
    why,
)

__all__ = ["EXPERIMENTAL", "PERCENTAGES", "Name", "Said", "Statement", "label_of", "statement"]

# Stands once in every form that holds percentages.
PERCENTAGES: Final = (
    "A percentage beside a box is how often boxes with its score were right, one of a whole film how often such films "
    "showed the disease, on validation films: it holds for the mix of diseases in the training sets."
)
# What stands behind the name of an experimental label.
EXPERIMENTAL: Final = " (experimental)"
_REFUSED_URGENCY: Final = 0.9  # a person should look at a film that nobody could judge before those without a finding
_NOTHING: Final = 0.8


@dataclass(frozen=True, slots=True)
class Name:
    """One label of a thing that is said: how probable, and whether it reaches its threshold.

    ``score``: of its best box there, 0 to 1; None where nobody judged the box by itself, or there is none. ``film``:
    that the film shows it at all. ``experimental``: said only because it was asked for.
    """

    label: str
    score: float | None
    film: float
    positive: bool
    experimental: bool = False

    @property
    def probability(self) -> float:
        """What it is ranked by: the box's score, else the film's."""
        return self.film if self.score is None else self.score

    @property
    def percentage(self) -> str:
        """The box's percentage, or the film's (:attr:`mark` says so): ``65 %``."""
        return percent(self.film) if self.score is None else percent(self.score)

    @property
    def words(self) -> str:
        """Name and percentage: ``COVID-19 65 %``."""
        return f"{name_of(self.label)} {self.percentage}{self.mark}"

    @property
    def mark(self) -> str:
        """What stands behind a percentage: that it is the whole film's, and that the label is experimental."""
        marks = [*(["whole film"] if self.score is None else []), *(["experimental"] if self.experimental else [])]
        return f" ({', '.join(marks)})" if marks else ""


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that is said: a place with its names, or (``place`` and ``box`` None) a finding of the whole film.

    ``place``: its number on this film, from 1. ``box``: the one frame that stands for it, in pixels of the film as its
    file stores it. ``names``: best first, those that reach their thresholds before the others. ``side``: the patient's,
    None where it is not known; ``picture_side``: where it lies on a picture whose sides are not known.
    """

    names: tuple[Name, ...]
    place: int | None = None
    box: Box | None = None
    side: Side | None = None
    zone: Zone | None = None
    picture_side: Side | None = None

    @property
    def positive(self) -> bool:
        """Whether one of its names reaches its threshold."""
        return any(name.positive for name in self.names)

    @property
    def told(self) -> tuple[Name, ...]:
        """The names that it goes by: those that reach their thresholds, or all where none does."""
        return tuple(name for name in self.names if name.positive) or self.names

    @property
    def groups(self) -> tuple[tuple[Name, ...], ...]:
        """The names by look-alike group, best group first."""
        groups: dict[str, list[Name]] = {}
        for name in self.told:
            groups.setdefault(taxonomy()[name.label].group, []).append(name)
        return tuple(map(tuple, groups.values()))

    @property
    def label(self) -> str:
        """The label of its best group: the group's own where several of it cannot be told apart."""
        return label_of(self.groups[0])

    @property
    def title(self) -> str:
        """Its name for people: ``Lung opacity``, ``Pleural effusion``; of several groups joined."""
        return joined([name_of(label_of(group)) for group in self.groups], "and")

    @property
    def where(self) -> str:
        """Side and zone in words; empty where neither is known."""
        return place_of(self.names[0].label, self.side, self.zone, self.picture_side)

    @property
    def short(self) -> str:
        """The words of a headline, without numbers."""
        words = joined([_short(group) for group in self.groups], "and")
        if self.box is None:
            return f"{words.removesuffix(')')}, no box)" if words.endswith(")") else f"{words} (no box)"
        return ", ".join(filter(None, (words, self.where)))

    @property
    def text(self) -> str:
        """The whole sentence, with every name and what its percentage is of."""
        where = f", {self.where}" if self.where else ""
        return "; ".join(_long(group, where) for group in self.groups)

    @property
    def urgency(self) -> float:
        """What it is sorted by: tier and probability of its most urgent name; experimental names do not count."""
        counted = [name for name in self.names if name.positive and not name.experimental]
        return max((taxonomy()[name.label].urgency + name.probability for name in counted), default=0.0)


@dataclass(frozen=True, slots=True)
class Statement:
    """What is said of one film.

    ``said``: findings that reach their thresholds, most urgent first. ``below``: places that do not, which a lower
    ``min_score`` lets in, best first. ``reasons``: codes, why the film was not assessed; then nothing else is said.
    ``unsaid``: labels that are looked for and not said, for they are experimental; ``not_looked_for``: those of the
    ten that the model does not know. ``urgency``: what a worklist sorts by; it orders films, it judges nothing.
    ``point``: the operating point. ``experimental``: whether experimental labels were asked for. ``tried``: of those
    that are said, how good they were, in words. ``thresholds``: whose they are, in words, where they are not the
    model's own; ``sets``: of each group of look-alikes that is said, which names a site's prediction set keeps;
    ``percentages``: what a percentage is of.
    """

    said: tuple[Said, ...] = ()
    below: tuple[Said, ...] = ()
    reasons: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()
    not_looked_for: tuple[str, ...] = ()
    urgency: float = 0.0
    point: str = DEFAULT_POINT
    experimental: bool = False
    tried: tuple[str, ...] = ()
    thresholds: str | None = None
    sets: tuple[str, ...] = ()
    percentages: str = PERCENTAGES

    @property
    def assessed(self) -> bool:
        """Whether the film was judged at all."""
        return not self.reasons

    @property
    def places(self) -> tuple[Said, ...]:
        """Everything that has a frame, what is positive first."""
        return tuple(each for each in (*self.said, *self.below) if each.box is not None)

    @property
    def whole_film(self) -> tuple[Said, ...]:
        """What is said of the film as a whole."""
        return tuple(each for each in self.said if each.box is None)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that are said, in order, each once; for codes."""
        return tuple(dict.fromkeys(name.label for each in self.said for name in each.told))

    def word_of(self, label: str) -> Literal["present", "undetermined", "absent"]:
        """Return what is known of a label that was looked for.

        ``present`` where it is said, ``undetermined`` where only a place below its threshold bears it, else ``absent``.
        """
        if label in self.labels:
            return "present"
        borne = any(name.label == label for each in self.places for name in each.names)
        return "undetermined" if borne else "absent"

    @property
    def because(self) -> str:
        """Why the film was not assessed, in words; empty where it was."""
        return "; ".join(map(why, self.reasons))

    @property
    def headline(self) -> str:
        """One sentence: what was found, or why the film was not assessed."""
        if self.reasons:
            return refused_because(self.because)
        shorts = [each.short for each in self.said]
        counts = [(short, shorts.count(short)) for short in dict.fromkeys(shorts)]
        words = [short if count == 1 else f"{short} ({count} places)" for short, count in counts]
        return "; ".join(words) or f"No finding at the {self.point} operating point"

    @property
    def caveats(self) -> tuple[str, ...]:
        """Whose thresholds decide, what was not looked for, what is not said: a form without them claims too much."""
        found = [*([] if self.thresholds is None else [self.thresholds]), *self.sets]
        if self.not_looked_for:
            found.append(f"Not looked for: {', '.join(map(name_of, self.not_looked_for))}.")
        if self.tried:
            found.append(f"Experimental: {'; '.join(self.tried)}.")
        if self.unsaid:
            found.append(f"Experimental, not reported: {', '.join(map(name_of, self.unsaid))}.")
        return tuple(found)

    @property
    def text(self) -> str:
        """Everything in words, one sentence a line."""
        lines = [each.text for each in self.said] or [self.headline]
        numbers = [self.percentages] if self.said else []
        return "\n".join([*lines, *self.caveats, *numbers])


def statement(result: Analysis | Refusal, *, experimental: bool = False) -> Statement:
    """Return what is said of a film; ``experimental``: also of the labels whose standing that is, marked as such."""
    if isinstance(result, Refusal) or result.reading is None:
        point = DEFAULT_POINT if isinstance(result, Refusal) else result.point
        return Statement(reasons=result.reasons, urgency=_REFUSED_URGENCY, point=point, experimental=experimental)
    tried = _experimental(result)
    hidden = frozenset() if experimental else tried
    places = tuple(_places(result, hidden, tried))
    boxed = {name.label for each in places for name in each.names if name.positive}
    said = [*(each for each in places if each.positive), *_whole_film(result, hidden | boxed, tried)]
    said.sort(key=lambda each: -each.urgency)
    named = [name.label for each in (*said, *places) for name in each.names]
    likeliest = max((p for label, p in result.probabilities.items() if label not in tried), default=0.0)
    return Statement(
        said=tuple(said),
        below=tuple(each for each in places if not each.positive),
        unsaid=tuple(label for label in result.model.card.labels if label in hidden),
        not_looked_for=tuple(label for label in DISEASES if label not in result.reading.states),
        urgency=max((each.urgency for each in said), default=0.0) or _NOTHING * likeliest,
        point=result.point,
        experimental=experimental,
        tried=tuple(_numbers(result, label) for label in dict.fromkeys(named) if label in tried),
        thresholds=thresholds_of(result.model.card),
        sets=sets_of(result, [name.label for each in said for name in each.told], hidden),
        percentages=percentages_of(result.model.card, PERCENTAGES),
    )


def _numbers(result: Analysis, label: str) -> str:
    """Return how good an experimental label was on the films that its standing was judged by."""
    judged = result.model.card.metrics.get("standing", {}).get(label, {})
    numbers = []
    if judged.get("auroc") is not None:
        numbers.append(f"AUROC {judged['auroc']:.2f}")
    if judged.get("calls_right") is not None:
        numbers.append(f"{percent(judged['calls_right'])} of its calls right")
    return f"{name_of(label)} ({', '.join(numbers) or 'not judged'})"


def _experimental(result: Analysis) -> frozenset[str]:
    card = result.model.card
    return frozenset(label for label in card.labels if not card.is_reported(label))


def _places(result: Analysis, hidden: frozenset[str], tried: frozenset[str]) -> Iterator[Said]:
    """Yield the places that have a name that is not hidden, in the order of their numbers."""
    film = result.probabilities
    for place in result.places:
        best: dict[str, Name] = {}
        for finding in place.findings:  # best first
            label, positive = finding.label, result.is_positive(finding)
            if label not in hidden and (label not in best or (positive and not best[label].positive)):
                score = finding.score if finding.judged else None
                best[label] = Name(label, score, film.get(label, 0.0), positive, label in tried)
        if not best:
            continue
        names = tuple(sorted(best.values(), key=_rank))
        side, picture_side = place.side, None
        if side is None and taxonomy()[place.label].paired:
            picture_side = picture_side_of(place.box, result.radiograph.frame)
        zones = {finding.zone for finding in place.findings if finding.label == place.label}
        zone = place.findings[0].zone if place.judged or len(zones) == 1 else None
        yield Said(names, place.number, place.box, side, zone, picture_side)


def _whole_film(result: Analysis, hidden: frozenset[str], tried: frozenset[str]) -> Iterator[Said]:
    """Yield what only the film's probability speaks for, look-alikes together."""
    groups: dict[str, list[Name]] = {}
    for finding in result.reading.findings if result.reading else ():
        label = finding.label
        if finding.box is None and label not in hidden and result.is_positive(finding):
            name = Name(label, None, finding.score or 0.0, positive=True, experimental=label in tried)
            groups.setdefault(taxonomy()[label].group, []).append(name)
    for group in groups.values():
        yield Said(tuple(sorted(group, key=_rank)))


def _rank(name: Name) -> tuple[bool, bool, float]:
    return not name.positive, name.experimental, -name.probability


def label_of(group: tuple[Name, ...]) -> str:
    """Return the label of names that look alike: the group's, or the one name's own."""
    return group[0].label if len(group) == 1 else taxonomy()[group[0].label].group


def _short(group: tuple[Name, ...]) -> str:
    """Return the name of a group without numbers, in parentheses what it may be and that it is experimental."""
    inside = [joined([name_of(name.label) for name in group], "or")] if len(group) > 1 else []
    inside += ["experimental"] if all(name.experimental for name in group) else []
    return name_of(label_of(group)) + (f" ({', '.join(inside)})" if inside else "")


def _long(group: tuple[Name, ...], where: str) -> str:
    if len(group) == 1:
        return f"{name_of(group[0].label)}{where}: {group[0].percentage}{group[0].mark}"
    words = ", ".join(name.words for name in group)
    return f"{name_of(label_of(group))}{where}: {NOT_TOLD_APART}: {words}"
