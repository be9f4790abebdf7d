"""The vocabulary: label ids, names, codes and parents, read from ``taxonomy.json`` and nowhere else.

An id is a stable lower-case word (``effusion``). Class indices exist only inside a model file. Codes carry the way they
were verified; none is ever taken by keyword (pydicom's ``codes.SCT.Cardiomegaly`` is another disease).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Final

from lungspot.errors import InputError

__all__ = ["DISEASES", "Code", "Label", "LabelSet", "is_label_id", "label_id", "taxonomy"]

# The ten that lungspot exists for, in the order in which tables show them.
DISEASES: Final[tuple[str, ...]] = (
    "atelectasis",
    "cardiomegaly",
    "covid19",
    "edema",
    "effusion",
    "emphysema",
    "nodule_mass",
    "pneumonia",
    "pneumothorax",
    "tuberculosis",
)

_ID = re.compile(r"[a-z][a-z0-9_]*\Z")


@dataclass(frozen=True, slots=True)
class Code:
    """One coded term: scheme (``SCT``, ``RADLEX`` or ``DCM``), value, the scheme's meaning, and how it was verified."""

    scheme: str
    value: str
    meaning: str
    verified: str


@dataclass(frozen=True, slots=True)
class Label:
    """A finding's name: id, words for people, parent's id, codes, and the other names that datasets give it."""

    id: str
    name: str
    parent: str | None = None
    codes: tuple[Code, ...] = ()
    aliases: tuple[str, ...] = ()
    definition: str = ""

    def __post_init__(self) -> None:
        """Refuse ids that are not lower-case words."""
        if not is_label_id(self.id):
            raise InputError("UNKNOWN_LABEL", None, f"label id {self.id!r} is not a lower-case word")

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
        )
        for row in rows["labels"]
    )


def _key(name: str) -> str:
    return re.sub(r"[\s_/\-]+", "_", name.strip().lower())
