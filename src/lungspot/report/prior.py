"""An earlier film of the same person, made ready to be compared with: laid on this one, its places with their UIDs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from lungspot.findings import Box, Side, enclosing, taxonomy
from lungspot.images import Alignment, Thumbnail, align, difference, thumbnail
from lungspot.report.analysis import Analysis, Refusal
from lungspot.report.changes import Aligned, Before
from lungspot.report.earlier import Whose, days_between, newest_earlier
from lungspot.report.observations import Review, observations
from lungspot.report.sr_read import StructuredReport
from lungspot.report.statement import statement
from lungspot.report.words import NOT_COMPARED_WITH

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = [
    "EarlierFilm",
    "before_film",
    "laid_on",
    "newest_before",
    "thumbnail_of",
    "tracked_by",
    "tracking_after",
    "tracking_uids",
]

T = TypeVar("T")

_LEAST: Final = 0.3  # correlation; of films of two people 0.43 is the middle, of one 0.62 (benchmarks/prior.py)
_SAME: Final = 0.8  # IoU of a place and one of a report, which another version may have made
_NEAR: Final = 0.5  # share of a film's threshold
_BOTH: Final = 2  # lungs


@dataclass(frozen=True, slots=True)
class EarlierFilm:
    """A film that may be the earlier one: its result, the UIDs that its places are followed by, by their numbers.

    ``small``: its thumbnail, where the result's pixels are no longer at hand.
    """

    result: Analysis
    tracking: Mapping[int, str]
    small: Thumbnail | None = None


def newest_before(  # noqa: PLR0913 - a film, and the others
    result: Analysis,
    mine: Whose,
    others: Sequence[tuple[Whose, T]],
    prior_of: Callable[[T], EarlierFilm | str],
    *,
    own: Mapping[int, str],
    given: bool = False,
    experimental: bool = False,
) -> tuple[Before | None, T | None, str]:
    """Return the newest earlier film that one may be compared with, which of ``others`` it is, and words for a log.

    ``mine``, ``others``: what the films' headers say, with what ``prior_of`` takes, which is asked the newest first and
    returns the film, or why it is none to compare with. ``own``: the UIDs of this film's places. ``given``: a person
    says that the films belong together. The words say what is doubtful, or why there is none; they are empty where
    there is nothing to say.
    """
    found, reasons = newest_earlier(mine, [(whose, number) for number, (whose, _) in enumerate(others)], given=given)
    for number in found:
        theirs, other = others[number]
        prior = prior_of(other)
        if isinstance(prior, str) or (reason := _unlike(result, prior.result)):
            reason = prior if isinstance(prior, str) else reason
            reasons[reason] = reasons.get(reason, 0) + 1
            continue
        aligned = laid_on(result, prior.result, small_then=prior.small)
        before = before_film(
            result,
            prior.result,
            days=days_between(mine, theirs),
            aligned=aligned,
            tracking=prior.tracking,
            own=own,
            experimental=experimental,
        )
        doubt = "" if theirs.patient[0] and mine.patient[0] else "the films do not say whose they are"
        unaligned = "" if aligned is not None else "the two cannot be laid on each other; sizes are not compared"
        return before, other, "; ".join(filter(None, (doubt, unaligned)))
    words = [f"{reason} ({count})" if len(others) > 1 else reason for reason, count in reasons.items()]
    return None, None, ", ".join(words)


def _unlike(result: Analysis, then: Analysis) -> str:
    """Return why a film's result cannot be compared with another's; empty where it can."""
    if not then.assessed:
        return NOT_COMPARED_WITH
    if then.radiograph.origin.sha256 == result.radiograph.origin.sha256:
        return "the same film"
    if result.radiograph.view.contradicts(then.radiograph.view):
        return f"another view ({then.radiograph.view}, not {result.radiograph.view})"
    return ""


def before_film(  # noqa: PLR0913 - two films, and what is known of each
    result: Analysis | Refusal,
    then: Analysis | Refusal,
    *,
    days: int | None = None,
    aligned: Aligned | None = None,
    experimental: bool = False,
    review: Review | None = None,
    tracking: Mapping[int, str] | None = None,
    own: Mapping[int, str] | None = None,
) -> Before:
    """Return the earlier film ``then`` as ``document``, ``page``, ``dicom_results`` and the others compare with it.

    ``days``: how much earlier it was taken; ``aligned``: what :func:`laid_on` says of the two, at whatever operating
    point: what each nearly shows is added at theirs. ``experimental``:
    experimental labels count too; ``review``: a reader's, of the earlier film. ``tracking`` and ``own``: the UIDs of
    both films' places (:func:`tracking_uids`, or what a structured report says). Where one of them was not assessed, or
    they were read by two models, only that there is such a film.
    """
    if isinstance(result, Refusal) or isinstance(then, Refusal) or then.model.key != result.model.key:
        return Before(days)
    origin = then.radiograph.origin
    if not then.assessed and not (review and review.verdicts):
        return Before(days, film=origin.sop_instance_uid, name=origin.path)
    if aligned is not None:
        aligned = replace(aligned, almost=_almost(result), almost_then=_almost(then))
    lines = observations(then, statement(then, experimental=experimental), review)
    return Before(
        days,
        lines,
        aligned if result.assessed else None,
        dict(tracking or {}),
        dict(own or {}),
        origin.sop_instance_uid,
        origin.path,
    )


def laid_on(
    result: Analysis, then: Analysis, small: Thumbnail | None = None, small_then: Thumbnail | None = None
) -> Aligned | None:
    """Return how an earlier film lies on this one, and where they differ.

    ``small``, ``small_then``: the films' thumbnails, where their pixels are no longer at hand. One that is stored as a
    mirror image of the other is turned round first: where both say on which side the patient's left lies, as they say;
    else, where their hearts lie as if it were so, the better of both. None where one of them was not assessed, where
    they are two views or one had to be turned another way to be upright, and where they cannot be laid on each other:
    another person's film seldom can.
    """
    if not (result.assessed and then.assessed) or result.quarter_turns != then.quarter_turns:
        return None
    if result.radiograph.view.contradicts(then.radiograph.view):
        return None
    now, before = small or thumbnail_of(result), small_then or thumbnail_of(then)
    mine, theirs = _chest(result), _chest(then)
    starts = [] if mine is None or theirs is None else [(mine, theirs)]
    mirror: Literal["across", "down"] = "down" if then.quarter_turns % 2 else "across"  # in its file
    best: Alignment | None = None
    for flipped in _flips(result, then):
        found = align(now, before, starts, mirror if flipped else None)
        best = max(
            (each for each in (best, found) if each is not None), key=lambda each: each.correlation, default=None
        )
    if best is None or best.correlation < _LEAST:
        return None
    return Aligned(best, difference(best, now, before))


def _flips(result: Analysis, then: Analysis) -> tuple[bool, ...]:
    """Return whether one of two films is a mirror image of the other; both answers where that is not sure."""
    differ = _mirrored(result) != _mirrored(then)
    if result.left_side is not None and then.left_side is not None:
        return (differ,)
    return (False, True) if differ else (False,)


def _mirrored(result: Analysis) -> bool:
    """Return whether the upright film probably shows the patient's left at its left edge."""
    if result.left_side is not None:
        return result.left_side is Side.LEFT
    return result.anatomy is not None and bool(result.anatomy.mirrored)


def thumbnail_of(result: Analysis) -> Thumbnail:
    """Return a film as small as it is compared."""
    return thumbnail(result.radiograph.pixels, result.radiograph.proportions)


def tracking_uids(result: Analysis, source: Dataset | None = None, *, experimental: bool = False) -> dict[int, str]:
    """Return the UIDs that a result's structured report gives its places, by their numbers.

    ``source``: the film's DICOM header. Equal results have equal UIDs.
    """
    from lungspot.report.source import key_of, source_of, uid_in  # noqa: PLC0415 - loads pydicom

    key = key_of(result, None if source is None else source_of(source), experimental=experimental)
    return {place.number: uid_in(key, "tracking", "place", place.number) for place in result.places}


def tracking_after(result: Analysis, before: Before, *, experimental: bool = False) -> dict[int, str]:
    """Return by the number of a result's places the UIDs that its report against an earlier film gives them."""
    compared = before.against(observations(result, statement(result, experimental=experimental)))
    carried: dict[int, str] = {}
    for change in () if compared is None else compared.every:
        if change.now is None or change.now.place is None or change.follows is None:
            continue
        if (uid := before.uid_of(change)) is not None:
            carried.setdefault(change.now.place, uid)
    return {**before.own, **carried}


def tracked_by(result: Analysis, report: StructuredReport) -> dict[int, str]:
    """Return by the number of a result's places the UIDs that a structured report of the same film gives them."""
    found: dict[int, str] = {}
    for place in result.places:
        best = max(report.tracking, key=lambda each: each[1].iou(place.box), default=None)
        if best is not None and best[1].iou(place.box) >= _SAME:
            found[place.number] = best[0]
    return found


def _almost(result: Analysis) -> frozenset[str]:
    """Return the look-alike groups that a film comes near to showing as a whole, or shows."""
    card, point = result.model.card, result.point
    shares = {label: chance / card.threshold(label, point).image for label, chance in result.probabilities.items()}
    return frozenset(taxonomy()[label].group for label, share in shares.items() if share >= _NEAR)


def _chest(result: Analysis) -> Box | None:
    """Return the box around both lungs; None where one of them was not seen."""
    lungs = () if result.anatomy is None else result.anatomy.lungs
    return enclosing(lungs) if len(lungs) == _BOTH else None
