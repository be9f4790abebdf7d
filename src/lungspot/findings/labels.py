"""The vocabulary: every fact about a label (name, codes, organ, colour …), read from ``taxonomy.json`` only.

An id is a stable lower-case word (``effusion``). Class indices exist only inside a model file. Codes carry the way they
were verified; none is ever taken by keyword (pydicom's ``codes.SCT.Cardiomegaly`` is another disease).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from typing import Final

from lungspot.errors import InputError

__all__ = [
    "DISEASES",
    "Code",
    "Label",
    "LabelSet",
    "Organ",
    "in_taxonomy_order",
    "is_label_id",
    "label_id",
    "name_of",
    "taxonomy",
]

_ID = re.compile(r"[a-z][a-z0-9_]*\Z")
_PLAIN: Final = "#d5dbe3"  # the colour of a label that has none of its own


class Organ(StrEnum):
    """Where in the chest a finding lies; ``chest`` where its name does not say."""

    LUNG = "lung"
    PLEURA = "pleura"
    HEART = "heart"
    MEDIASTINUM = "mediastinum"
    BONE = "bone"
    CHEST = "chest"


@dataclass(frozen=True, slots=True)
class Code:
    """One coded term: scheme (``SCT``, ``RADLEX`` or ``DCM``), value, the scheme's meaning, and how it was verified."""

    scheme: str
    value: str
    meaning: str
    verified: str


@dataclass(frozen=True, slots=True)
class Label:
    """A finding's name and what is known of everything that bears it.

    ``name``: words for people; ``aliases``: the other names that datasets give it; ``parent``: the id of the wider
    label. ``organ``: where it lies; ``paired``: whether that organ has a left and a right, so that a side can be said.
    ``disease``: one of the ten that lungspot exists for (:data:`DISEASES`); ``well_boxed``: one of the four of them of
    which people have boxed enough for a steady AP. ``color``: ``#rrggbb``, bright enough for a dark film.
    ``urgency``: the worklist's tier, 1 and up. ``look_alike``: the id of the label that names a group which a film
    cannot tell apart. ``dark``: it makes a film less dense, where others make it denser. ``germ``: the cause that the
    name claims and no film shows. ``parts``: the labels that must all have been looked for to call this one absent,
    where a dataset knows only them. ``spellings``: words that stand for the id in longer names (``TB`` in
    ``Active TB``). ``slight``: a spot or a line that a film made small loses, so that training shows parts of films for
    it. ``measure``: the measurement that bears it out (``cardiothoracic_ratio``).
    """

    id: str
    name: str
    parent: str | None = None
    codes: tuple[Code, ...] = ()
    aliases: tuple[str, ...] = ()
    definition: str = ""
    organ: Organ = Organ.CHEST
    paired: bool = True
    disease: bool = False
    well_boxed: bool = False
    color: str = _PLAIN
    urgency: float = 1.0
    look_alike: str | None = None
    dark: bool = False
    germ: str | None = None
    parts: tuple[str, ...] = ()
    spellings: tuple[str, ...] = ()
    slight: bool = False
    measure: str | None = None

    def __post_init__(self) -> None:
        """Refuse ids that are not lower-case words."""
        if not is_label_id(self.id):
            raise InputError("UNKNOWN_LABEL", None, f"label id {self.id!r} is not a lower-case word")

    @property
    def in_lungs(self) -> bool:
        """Whether it lies in a lung or its pleura, and so within the borders of the lungs on a film."""
        return self.organ in {Organ.LUNG, Organ.PLEURA}

    @property
    def group(self) -> str:
        """The id of its look-alike group, or its own: two labels of one group cannot be told apart on a film."""
        return self.look_alike or self.id

    def code(self, scheme: str) -> Code | None:
        """Return the code in one scheme, or None where that scheme has no term for it."""
        return next((code for code in self.codes if code.scheme == scheme), None)


class LabelSet:
    """An ordered, closed set of labels; looks up by id or by any name a dataset uses for it."""

    def __init__(self, labels: Iterable[Label]) -> None:
        self._labels: Final = {label.id: label for label in labels}
        self._names: Final[dict[str, str]] = {}
        for label in self._labels.values():
            for name in (label.id, label.name, *label.aliases):
                if self._names.setdefault(_key(name), label.id) != label.id:
                    raise InputError("BAD_VALUE", None, f"{name!r} names both {label.id} and {self._names[_key(name)]}")
            if label.parent is not None and label.parent not in self._labels:
                raise InputError("UNKNOWN_LABEL", None, f"parent {label.parent!r} of {label.id} is not in the set")
            if label.group not in self._labels:
                raise InputError("UNKNOWN_LABEL", None, f"group {label.group!r} of {label.id} is not in the set")

    def __iter__(self) -> Iterator[Label]:
        """Iterate over the labels in their order."""
        return iter(self._labels.values())

    def __len__(self) -> int:
        """Return the number of labels."""
        return len(self._labels)

    def __contains__(self, identifier: object) -> bool:
        """Say whether ``identifier`` is a label id of this set."""
        return identifier in self._labels

    def __getitem__(self, identifier: str) -> Label:
        """Return the label of an id; raises ``UNKNOWN_LABEL``."""
        try:
            return self._labels[identifier]
        except KeyError:
            raise InputError("UNKNOWN_LABEL", None, f"no label has the id {identifier!r}") from None

    def named(self, name: str) -> Label | None:
        """Return the label that ``name`` means in any dataset here, or None; case, spaces and dashes do not matter."""
        identifier = self._names.get(_key(name))
        return None if identifier is None else self._labels[identifier]

    def ancestors(self, identifier: str) -> tuple[str, ...]:
        """Return the ids above a label, nearest first."""
        found: list[str] = []
        parent = self[identifier].parent
        while parent is not None:
            found.append(parent)
            parent = self[parent].parent
        return tuple(found)

    def children(self, identifier: str) -> tuple[str, ...]:
        """Return the ids directly below a label."""
        return tuple(label.id for label in self if label.parent == identifier)


def is_label_id(text: str) -> bool:
    """Say whether ``text`` has the form of a label id: a lower-case letter, then letters, digits, underscores."""
    return _ID.match(text) is not None


def label_id(name: str) -> str:
    """Return the id that ``name`` means; raises ``UNKNOWN_LABEL`` where the taxonomy has no such name."""
    label = taxonomy().named(name)
    if label is None:
        raise InputError("UNKNOWN_LABEL", None, f"no label is called {name!r}")
    return label.id


@lru_cache(maxsize=1)
def taxonomy() -> LabelSet:
    """Return the labels of ``taxonomy.json``."""
    rows = json.loads(resources.files("lungspot.findings").joinpath("taxonomy.json").read_text(encoding="utf-8"))
    return LabelSet(
        Label(
            id=row["id"],
            name=row["name"],
            parent=row.get("parent"),
            codes=tuple(Code(**code) for code in row.get("codes", ())),
            aliases=tuple(row.get("aliases", ())),
            definition=row.get("definition", ""),
            organ=Organ(row["organ"]),
            paired=row["paired"],
            disease=row.get("disease", False),
            well_boxed=row.get("well_boxed", False),
            color=row.get("color", _PLAIN),
            urgency=float(row.get("urgency", 1)),
            look_alike=row.get("look_alike"),
            dark=bool(row.get("dark")),
            germ=row.get("germ"),
            parts=tuple(row.get("parts", ())),
            spellings=tuple(row.get("spellings", ())),
            slight=row.get("slight", False),
            measure=row.get("measure"),
        )
        for row in rows["labels"]
    )


def _key(name: str) -> str:
    return re.sub(r"[\s_/\-]+", "_", name.strip().lower())


# The ten that lungspot exists for, in the order in which tables show them.
DISEASES: Final[tuple[str, ...]] = tuple(label.id for label in taxonomy() if label.disease)


def name_of(label: str) -> str:
    """Return a label's name for people: the taxonomy's, else the id itself."""
    return taxonomy()[label].name if label in taxonomy() else label


def in_taxonomy_order(labels: Iterable[str]) -> list[str]:
    """Return the ids, each once: those of the taxonomy in its order, then the others by name."""
    given = set(labels)
    known = [label.id for label in taxonomy() if label.id in given]
    return [*known, *sorted(given - set(known))]
