"""Which films a node reads, and of which it gives results: what ``--only``, ``--skip`` and ``--chest-only`` say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydicom.dataset import Dataset

from lungspot.errors import InputError
from lungspot.images import words_of
from lungspot.node.patterns import meets

__all__ = ["FilmFilter"]

# What can be asked of a film, and the attributes that say it.
_ATTRIBUTES: Final = {
    "body": ("BodyPartExamined",),
    "description": ("SeriesDescription", "StudyDescription", "ProtocolName"),
    "station": ("StationName",),
}
_LONGEST: Final = 128  # characters of a value that count, and that the log may quote
_Rule = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class FilmFilter:
    """Which films are read; without rules all are.

    A film is read where it meets one pattern of every rule of ``only``, and none of ``skip``. Patterns know ``*`` and
    ``?``; case does not count. A film meets a pattern where a value of one of the attributes does; one of which none
    says anything has an empty value, which only an empty pattern and ``*`` meet. ``chest_only``: no result is made of a
    film that the model cannot judge.
    """

    only: tuple[_Rule, ...] = ()
    skip: tuple[_Rule, ...] = ()
    chest_only: bool = False

    @classmethod
    def parse(cls, only: Sequence[str], skip: Sequence[str], *, chest_only: bool = False) -> FilmFilter:
        """Return the filter of ``body=CHEST,THORAX``, ``station=PORT*``, …; InputError BAD_VALUE where it is none.

        Films that say nothing are skipped by a rule of its own only (``body=``): a comma too many asks for none.
        """
        return cls(_rules(only, "--only"), _rules(skip, "--skip"), chest_only)

    def passes_over(self, header: Dataset) -> str:
        """Return why a film is not read: ``body ANKLE``; empty where it is."""
        for name, patterns in self.skip:
            for value in _values(header, name):
                if _meets(value, patterns):
                    return _said(name, [value])
        for name, patterns in self.only:
            values = _values(header, name)
            if not any(_meets(value, patterns) for value in values):
                return _said(name, values)
        return ""


def _said(name: str, values: Sequence[str]) -> str:
    """Return a reason for the log, which quotes no description: people write names into those."""
    return name if name == "description" else f"{name} {', '.join(filter(None, values)) or 'not said'}"


def _values(header: Dataset, name: str) -> list[str]:
    """Return what a film says, in capitals; one empty value where it says nothing."""
    values = [word[:_LONGEST] for keyword in _ATTRIBUTES[name] for word in words_of(header, keyword) if word]
    return values or [""]


def _meets(value: str, patterns: Sequence[str]) -> bool:
    return any(meets(value.casefold(), pattern) for pattern in patterns)


def _rules(given: Sequence[str], option: str) -> tuple[_Rule, ...]:
    rules = []
    for text in given:
        name, equals, values = text.partition("=")
        if name not in _ATTRIBUTES or not equals:
            advice = f"give {', '.join(f'{known}=VALUE' for known in _ATTRIBUTES)}"
            raise InputError("BAD_VALUE", option, f"{text!r} says nothing of a film", advice=advice)
        patterns = tuple(value.strip().casefold() for value in values.split(","))
        if option == "--skip" and len(patterns) > 1 and not all(patterns):
            advice = f"leave the comma out; --skip {name}= alone skips films that do not say it"
            raise InputError("BAD_VALUE", option, f"{text!r} has an empty pattern", advice=advice)
        rules.append((name, patterns))
    return tuple(rules)
