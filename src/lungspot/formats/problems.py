"""What can be wrong with a dataset on disk, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lungspot.errors import InputError, LungspotError

__all__ = ["PROBLEMS", "Problem"]

# code → what it means. docs/how-to/datasets.md explains each; a test keeps the two in step.
PROBLEMS: Final[dict[str, str]] = {
    "BOX_CROWD": "a box around several instances that nobody boxed one by one (COCO's iscrowd)",
    "BOX_DEGENERATE": "a box without width or height",
    "BOX_INVERTED": "a box whose right or lower side comes first",
    "BOX_NOT_A_NUMBER": "a corner that is empty or no finite number",
    "BOX_OUTSIDE": "a box that leaves the film",
    "FILM_COLOUR": "a film stored in colour where grey is expected",
    "FILM_MISSING": "a row without its film",
    "FILM_TWICE": "two films that show the same picture",
    "FILM_UNREADABLE": "a film that cannot be read",
    "HEADER_DRIFT": "columns that are not those of the publisher's file",
    "LABEL_UNKNOWN": "a label that the dataset does not have",
    "NOT_LOADED": "the adapter refuses the dataset: films and patients were not checked",
    "PATIENT_IN_TWO_SPLITS": "a patient with films on both sides of a split",
    "ROW_CONTRADICTS": "two rows that say different things about one film",
    "ROW_DUPLICATED": "a row that is there twice",
    "ROW_SHORT": "a row with fewer values than the header has columns",
    "ROW_VALUE": "a value that its column cannot have",
    "SIZE_DIFFERS": "a film of another size than its annotations state",
}


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong: a code of :data:`PROBLEMS`, the file and row, and the particulars."""

    code: str
    where: str
    text: str

    def __post_init__(self) -> None:
        """Refuse codes that nobody documented."""
        if self.code not in PROBLEMS:
            raise InputError("BAD_VALUE", self.where, f"problem code {self.code!r} is not in PROBLEMS")

    @classmethod
    def of(cls, code: str, error: LungspotError) -> Problem:
        """Return the problem that an error tells of."""
        return cls(code, error.where, f"{error.code}: {error.reason}")
