"""One film of an archive that is still to be read: how to open it, and what tells it from every other.

That is known without opening it, and changes with its file: so a run that was broken off knows what it has.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Final

from lungspot.errors import FilmError
from lungspot.sources import FilmSource, file_source, refused_source

__all__ = ["Entry", "file_entry", "identity_of", "refused_entry"]

_DIGITS: Final = 32  # of an identity


@dataclass(frozen=True, slots=True)
class Entry:
    """One film of an archive that is still to be read.

    ``identity``: tells it from all others, and from what its file was before a change, as far as name, size and time
    can. ``given``: values of columns that a table brought, by name. ``whole``: it stands for what could not be listed,
    and belongs to every sample. Can be pickled.
    """

    source: FilmSource
    identity: str
    given: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False

    def __post_init__(self) -> None:
        """Make the mapping read-only."""
        object.__setattr__(self, "given", MappingProxyType(dict(self.given)))

    def __reduce__(self) -> tuple[object, ...]:  # a mapping proxy cannot be pickled
        return type(self), (self.source, self.identity, dict(self.given), self.whole)

    @property
    def name(self) -> str:
        """What the film is called."""
        return self.source.film.name


def file_entry(file: Path, below: PurePath) -> Entry:
    """Return the entry of a file; ``below``: its path below the source, for its results."""
    return Entry(file_source(file, below), _identity_of(file))


def refused_entry(name: str, error: FilmError, given: Mapping[str, str] | None = None, *, whole: bool = True) -> Entry:
    """Return the entry of what is no film, and says so when its turn comes; ``whole``: it may have held many."""
    source = refused_source(name, error, PurePath(name), None)
    return Entry(source, identity_of(name, error.reason, *sorted((given or {}).items())), given or {}, whole)


def identity_of(*facts: object) -> str:
    """Return what tells a film from others, of facts that do."""
    return hashlib.sha256("\0".join(map(str, facts)).encode(errors="surrogatepass")).hexdigest()[:_DIGITS]


def _identity_of(file: Path) -> str:
    try:
        about = os.stat(file)  # noqa: PTH116 - of millions
    except (OSError, ValueError):
        return identity_of(file, "not there")
    return identity_of(file, about.st_size, about.st_mtime_ns)
