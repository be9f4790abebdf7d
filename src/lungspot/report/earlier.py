"""Which of a person's films is the earlier one to compare with, by what their headers say."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["Whose", "days_between", "newest_earlier", "whose", "why_not"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose film it is, and when it was taken; empty or None where its header does not say.

    ``patient``: the patient's ID with who issued it; ``born``: date of birth; ``taken``: date, and the time of day as
    digits; ``film``: its SOP Instance UID.
    """

    patient: tuple[str, str] = ("", "")
    born: date | str | None = None
    taken: tuple[date | None, str] = (None, "")
    film: str = ""

    def hidden(self, secret: bytes) -> Whose:
        """Return the same with HMAC-SHA-256 instead of what is the patient's: equal where that is, and nothing else."""

        def sealed(name: str, value: str) -> str:
            return hmac.new(secret, f"{name} {value}".encode(), hashlib.sha256).hexdigest() if value else ""

        patient = sealed("id", self.patient[0]), sealed("issuer", self.patient[1])
        return replace(self, patient=patient, born=sealed("born", str(self.born or "")) or None)


def whose(header: Dataset) -> Whose:
    """Return what a film's header says of its patient and its time."""
    from lungspot.images import date_of, taken_at, text_of  # noqa: PLC0415 - loads pydicom

    patient = (text_of(header, "PatientID").strip(), text_of(header, "IssuerOfPatientID").strip())
    return Whose(patient, date_of(header, "PatientBirthDate"), taken_at(header), text_of(header, "SOPInstanceUID"))


def why_not(now: Whose, then: Whose, *, given: bool = False) -> str:  # noqa: PLR0911 - a reason a line
    """Return why a film is not compared with another as its earlier one; empty where it may be.

    ``given``: a person says that the two belong together; then films may be silent about it, but not speak against it.
    """
    if now.film and now.film == then.film:
        return "the same film"
    if now.patient[0] and then.patient[0]:
        issuers = {now.patient[1], then.patient[1]} - {""}
        if now.patient[0] != then.patient[0] or len(issuers) > 1:
            return "another patient"
        if now.born is not None and then.born is not None and now.born != then.born:
            return "another date of birth"
    elif not given or now.patient[0] or then.patient[0]:
        return "nothing says whose it is"
    if now.taken[0] is None or then.taken[0] is None:
        return "" if given else "nothing says when it was taken"
    (day, clock), (other_day, other_clock) = now.taken, then.taken
    if day == other_day and (clock.startswith(other_clock) or other_clock.startswith(clock)):  # one is less exact
        return "" if given else "nothing says which is the earlier"
    return "a later film" if _order(then) > _order(now) else ""


def newest_earlier(
    now: Whose, others: Sequence[tuple[Whose, T]], *, given: bool = False
) -> tuple[list[T], dict[str, int]]:
    """Return what stands beside the films that may be compared with, the newest first, and why how many may not.

    ``given``: a person says that they belong together, as for :func:`why_not`.
    """
    reasons: dict[str, int] = {}
    kept: list[tuple[Whose, T]] = []
    for then, value in others:
        if reason := why_not(now, then, given=given):
            reasons[reason] = reasons.get(reason, 0) + 1
        else:
            kept.append((then, value))
    return [value for _, value in sorted(kept, key=lambda each: _order(each[0]), reverse=True)], reasons


def days_between(now: Whose, then: Whose) -> int | None:
    """Return how many days earlier a film was taken; None where one of the dates is not known."""
    if now.taken[0] is None or then.taken[0] is None:
        return None
    return (now.taken[0] - then.taken[0]).days


def _order(film: Whose) -> tuple[date, str]:
    return film.taken[0] or date.min, film.taken[1]
