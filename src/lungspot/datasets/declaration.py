"""What a dataset's module declares once; the catalogue, the checks, truth, docs and terms are derived from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from lungspot.datasets.box_sizes import Sizes
from lungspot.errors import InputError
from lungspot.formats import Case, Faults

__all__ = ["Dataset", "TruthRank", "TruthSource"]


class TruthRank(StrEnum):
    """How what a reader says counts as truth (:mod:`.truth`)."""

    PERSON = "person"  # read the film: counts first
    LIST = "list"  # boxed one instance a label at most: counts where no person boxed the label
    MINED = "mined"  # labels mined from reports: count last, and their absence is noisy


@dataclass(frozen=True, slots=True)
class TruthSource:
    """One reader of a dataset, and how its readings count as truth.

    ``means``: disease → the labels of this reader that mean it, where they are other than those of the taxonomy.
    ``settles``: diseases about which nobody else is asked where this reader read the film. ``shares``: other datasets
    hold readings of the same films, so that several such readers may read one film. ``ruled``: its labels mean a
    disease by the rule of truth wherever they were written to, so that a converted dataset is judged as the dataset is.
    """

    reader: str
    standing: TruthRank = TruthRank.PERSON
    means: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    settles: frozenset[str] = frozenset()
    shares: bool = False
    ruled: bool = False


def _everywhere(_root: Path) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Dataset:
    """One public dataset.

    ``folder``: where its download lies below a common data folder. ``title``, ``boxed``: what it is and what its boxes
    are, for the table of docs/reference/datasets.md. ``citation``, ``link``, ``terms``: as its publisher wishes.
    ``labels``: the publisher's names → label ids. ``cases``: reads it, raising at the first fault. ``tables``: what
    reads each of its tables, raising or keeping faults; ``data check`` calls them. ``sources``: its readers.
    ``films_elsewhere``: its films may lie in the NIH's folder.

    ``several_readers``: a film has one reading of each of several people, and the majority of them counts as truth.
    ``patients_known``: films of one person share a patient, or each film is of another person; False where nobody says
    whose they are. ``outlined``: masks of heart and lungs lie beside its films (:mod:`.masks`). ``sizes_known``: says
    of a copy, by its folder, whether its films' sizes are known, so that box sizes relative to the film mean something.
    ``published_sizes``: the medians to show where they are not. ``research_only``: its terms allow research, study or
    non-commercial use and no other, and so bind what learns from its films. ``mirrored_films``: names of films that
    show the heart at the picture's left as they are stored, seen by us one by one.
    """

    name: str
    folder: str
    title: str
    boxed: str
    citation: str
    link: str
    terms: str
    cases: Callable[[Path], Iterator[Case]]
    sources: tuple[TruthSource, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    tables: tuple[Callable[[Path, Faults], object], ...] = ()
    films_elsewhere: bool = False
    several_readers: bool = False
    patients_known: bool = True
    outlined: bool = False
    sizes_known: Callable[[Path], bool] = _everywhere
    published_sizes: tuple[Sizes, ...] = ()
    research_only: bool = False
    mirrored_films: tuple[str, ...] = ()

    @property
    def mined(self) -> bool:
        """Labels mined from reports are among its readings: on a film that nobody else read, nobody looked at it."""
        return any(source.standing is TruthRank.MINED for source in self.sources)

    def __post_init__(self) -> None:
        """Refuse a declaration that leaves out what every user must know."""
        for name in ("name", "folder", "title", "citation", "link", "terms"):
            if not getattr(self, name):
                raise InputError("BAD_VALUE", self.name or None, f"a dataset without {name}")
