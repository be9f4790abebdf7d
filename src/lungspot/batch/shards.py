"""Shards: what one worker reads at a time and writes as one, named after what it holds."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from lungspot.batch.entries import Entry

__all__ = ["Shard", "ShardResult", "Struck", "shards_of"]


@dataclass(frozen=True, slots=True)
class Struck:
    """A film that is not to be read again: why (a code and words), and its SHA-256 where it is known."""

    code: str
    reason: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Shard:
    """Films that are read by one worker and written together. ``struck``: those, by place, that stopped a worker."""

    entries: tuple[Entry, ...]
    struck: Mapping[int, Struck] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Its name: a digest of what it holds, so that doing it again writes the same files."""
        return hashlib.sha256("\n".join(entry.identity for entry in self.entries).encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class ShardResult:
    """A shard that a worker has read: files that wait to be given their names, and what is in them.

    ``files``: pairs of a name below the folder for unfinished files and the path below the folder of results, of files
    and of the folder that holds a file a film, in the order in which they are to be named; with the last of them the
    shard is done. ``statuses``, ``codes``: how many films have each. ``notes``: what could not be written beside the
    tables.
    """

    key: str
    films: int
    files: tuple[tuple[str, str], ...]
    statuses: Counter[str]
    codes: Counter[str]
    notes: tuple[str, ...] = ()


def shards_of(entries: Iterable[Entry], films: int, take: Callable[[str], bool]) -> Iterator[Shard]:
    """Yield shards of so many films each; drawn when asked for.

    ``take`` says whether an entry of that identity is to be read, and is asked once: of an entry that two sources name,
    and of one that has its row, it says no from then on.
    """
    wanted = (entry for entry in entries if take(entry.identity))
    while part := tuple(islice(wanted, films)):
        yield Shard(part)
