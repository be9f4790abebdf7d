"""How well readers of the same films agree: the human ceiling of any box score.

Every ordered pair of readers who looked for a label on a film is compared: each box of the first with the best box of
the second. A box is *matched* where that IoU reaches the threshold; a reader who drew nothing matches nothing. Because
every pair counts both ways round, the share of matched boxes is precision and recall at once: a reader, judged by
another reader, has this score. A detector above it has learned one reader's hand, not the disease.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from lungspot.datasets.truth import people_first
from lungspot.errors import InputError
from lungspot.findings import Box, Reading, State, weighted
from lungspot.formats import Case

__all__ = ["ReaderAgreement", "reader_agreement"]


@dataclass(frozen=True, slots=True)
class ReaderAgreement:
    """How readers agree about one label.

    ``films``: how many films at least 1, 2, 3 … readers boxed. ``boxes``: drawn by all. ``mean_iou`` and
    ``match_both``: of the boxes in pairs where both readers drew, the mean IoU with the other's best box, and the share
    that reaches ``iou``; None where no two readers drew. ``match``: that share with the misses counted; None where
    nobody was compared. ``spots``: places left after weighted boxes fusion at ``iou``; ``alone``: the share of them,
    on films that several readers read, that one reader alone drew.
    """

    label: str
    iou: float
    films: tuple[int, ...]
    boxes: int
    mean_iou: float | None
    match_both: float | None
    match: float | None
    spots: int
    alone: float | None


@dataclass(slots=True)
class _Count:
    films: list[int] = field(default_factory=list)
    boxes: int = 0
    overlaps: list[float] = field(default_factory=list)
    misses: int = 0
    spots: int = 0
    shared: int = 0
    alone: int = 0


def reader_agreement(cases: Iterable[Case], *, iou: float = 0.4) -> tuple[ReaderAgreement, ...]:
    """Return the agreement about each label that somebody boxed, the best agreed first.

    ``cases``: films with one :class:`~lungspot.findings.Reading` a reader (VinDr, PadChest-GR, a team's LabelMe files);
    readers who say that a label is present without a box are left out of its comparison, and labels mined from reports
    where people judged the film (:func:`lungspot.datasets.people_first`). Raises ``BAD_VALUE`` for an ``iou`` outside
    (0, 1].
    """
    if not 0 < iou <= 1:
        raise InputError("BAD_VALUE", None, f"an IoU threshold of {iou}, not above 0 and at most 1")
    counts: dict[str, _Count] = {}
    for case in map(people_first, cases):
        for label in dict.fromkeys(f.label for r in case.readings for f in r.findings if f.box is not None):
            looked = [reading for reading in case.readings if _is_comparable(reading, label)]
            count = counts.setdefault(label, _Count())
            _compare([reading.boxes(label) for reading in looked], count)
            _group([reading.only([label]) for reading in looked], count, iou)
    rows = (_summary(label, count, iou) for label, count in counts.items())
    return tuple(sorted(rows, key=lambda row: (-(row.match or 0.0), row.label)))


def _is_comparable(reading: Reading, label: str) -> bool:
    state = reading.state(label)
    return state in {State.BOXED, State.ABSENT} or (state is State.PRESENT and bool(reading.boxes(label)))


def _compare(drawn: Sequence[Sequence[Box]], count: _Count) -> None:
    marked = sum(1 for boxes in drawn if boxes)
    count.films += [0] * (len(drawn) - len(count.films))
    for readers in range(marked):
        count.films[readers] += 1
    for index, boxes in enumerate(drawn):
        count.boxes += len(boxes)
        for other, targets in enumerate(drawn):
            if index == other:
                continue
            if targets:
                count.overlaps += [max(box.iou(target) for target in targets) for box in boxes]
            else:
                count.misses += len(boxes)


def _group(readings: Sequence[Reading], count: _Count, iou: float) -> None:
    spots = [finding for finding in weighted(readings, iou=min(iou, 0.999)).findings if finding.box is not None]
    count.spots += len(spots)
    if len(readings) > 1:
        count.shared += len(spots)
        count.alone += sum(1 for spot in spots if spot.source in {reading.reader for reading in readings})


def _summary(label: str, count: _Count, iou: float) -> ReaderAgreement:
    both, matched = len(count.overlaps), sum(1 for overlap in count.overlaps if overlap >= iou)
    compared = both + count.misses
    return ReaderAgreement(
        label=label,
        iou=iou,
        films=tuple(count.films),
        boxes=count.boxes,
        mean_iou=sum(count.overlaps) / both if both else None,
        match_both=matched / both if both else None,
        match=matched / compared if compared else None,
        spots=count.spots,
        alone=count.alone / count.shared if count.shared else None,
    )
