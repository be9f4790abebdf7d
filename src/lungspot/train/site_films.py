"""A site's own films, as `lungspot serve` exports reviewed ones: read, and divided so that a part stays locked away.

The folder is one in COCO (``annotations.json`` and its films). Of films that several people read the majority counts.
People are divided by a hash of their id, so that the locked part is the same in every run and on every machine: it is
never learnt from and nothing is fitted to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from lungspot.datasets import SPLITS_FILE, merge, split
from lungspot.evaluate import truths
from lungspot.formats import ANNOTATIONS_FILE, Case, ClassNames, Split, read_coco

__all__ = ["SHARES", "is_site", "site_cases"]

# Which part of the people is learnt from, looked at while learning, and locked away.
SHARES: Final[Mapping[Split, float]] = {Split.TRAIN: 0.6, Split.VAL: 0.1, Split.TEST: 0.3}
_SALT: Final = "lungspot-site"


def is_site(data: Path) -> bool:
    """Say whether a data folder is one of a site's films, and not one of public sets with their ``splits.csv``."""
    return (data / ANNOTATIONS_FILE).is_file() and not (data / SPLITS_FILE).exists()


def site_cases(data: Path, names: ClassNames = None) -> list[Case]:
    """Return the films of a site's folder, one reading each, each person in one split; raises :class:`DatasetError`.

    ``names``: what the file's categories mean, or a class map, where the file is not lungspot's own.
    """
    read = truths(merge(read_coco(data, names=names)), "coco")
    return split((replace(case, readings=(reading,)) for case, reading in read), fractions=SHARES, salt=_SALT)
