"""Under which terms a network may be used: those of all that it learnt from, on whatever way that came in.

A run has those of its films, of the network that it began with and of its teachers, and keeps them in its checkpoint; a
gate has those of its films; a model file says its own in its card. A file that is made of several networks says them
all, each once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from lungspot.datasets import DATASETS, terms_of
from lungspot.detect import ModelCard
from lungspot.formats import Split
from lungspot.train.data import Films

__all__ = ["NO_TERMS", "Terms", "card_terms", "dataset_terms", "film_terms"]

_LICENCE: Final = "Weights: under the terms of the films that they learnt from, which the card lists. Code: Apache-2.0."
_RESEARCH: Final = "Weights: research, non-commercial use only (the terms of the training films). Code: Apache-2.0."


@dataclass(frozen=True, slots=True)
class Terms:
    """``licences``: what may be done with a network; ``lines``: whose data it learnt from, and their terms."""

    licences: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()

    def __or__(self, other: Terms) -> Terms:
        """Return the terms of both; what one says within a longer line of the other is not said twice."""
        return Terms(_joined(self.licences, other.licences), _joined(self.lines, other.lines))

    @property
    def licence(self) -> str:
        """What may be done, as a card says it: where one network is for research only, the whole is."""
        bound = _RESEARCH in self.licences
        return " ".join(one for one in self.licences if one != _LICENCE or not bound) or _LICENCE

    @property
    def text(self) -> str:
        """Whose terms, as a card says it: datasets in the catalogue's order, then all others."""
        known = terms_of(DATASETS)
        return " ".join(sorted(self.lines, key=lambda line: known.index(line) if line in known else len(known)))

    def to_dict(self) -> dict[str, list[str]]:
        """Return what :meth:`from_dict` reads."""
        return {"licences": list(self.licences), "lines": list(self.lines)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any] | None) -> Self:
        """Return what :meth:`to_dict` gave; None, as files from before hold none, gives no terms."""
        return cls() if value is None else cls(tuple(value["licences"]), tuple(value["lines"]))


NO_TERMS: Final = Terms()  # of what learnt from nothing, or kept none


def film_terms(films: Films) -> Terms:
    """Return the terms of the datasets from which the films of train, and what is known about them, come."""
    return dataset_terms({name for i in films.of(Split.TRAIN) for name in films.films[i].datasets})


def dataset_terms(names: Iterable[str]) -> Terms:
    """Return the terms of datasets; names that are no dataset's, as of a site's own films, have none."""
    known = set(names) & DATASETS.keys()
    bound = any(DATASETS[name].research_only for name in known)
    return Terms((_RESEARCH if bound else _LICENCE,) if known else (), terms_of(known))


def card_terms(card: ModelCard) -> Terms:
    """Return the terms that a model's card says."""
    of_sets = dict(zip(terms_of(DATASETS), DATASETS, strict=True))
    lines, others = _told_apart(card.terms, tuple(of_sets))
    licences, other_licences = _told_apart(card.licence, (_RESEARCH, _LICENCE))
    if any(DATASETS[of_sets[line]].research_only for line in lines):
        licences = _joined((_RESEARCH,), licences)
    return Terms((*licences, *other_licences), (*lines, *others))


def _told_apart(text: str, known: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return which of the known lines a card's text has, and all else that it says, as one line if any."""
    found = tuple(line for line in known if line in text)
    for line in found:
        text = text.replace(line, "")
    rest = " ".join(text.split())
    return found, (rest,) if rest else ()


def _joined(one: Sequence[str], two: Sequence[str]) -> tuple[str, ...]:
    lines = tuple(dict.fromkeys((*one, *two)))
    return tuple(line for line in lines if not any(line != other and line in other for other in lines))
