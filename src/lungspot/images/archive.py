"""Films inside a zip archive, one at a time in memory; nothing is unpacked and no member's name becomes a path.

Refused as a whole (``ARCHIVE``): too many members, members that overlap (one payload counted many times), more than
2 GiB in all. Refused one by one: encrypted, larger than a film may be, shrunk more than films shrink, nested archives.
Python below 3.11.8 does not check overlaps itself (CVE-2024-0450).
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from lungspot.errors import FilmError
from lungspot.images.files import is_hidden
from lungspot.images.read import MAX_BYTES
from lungspot.inputs import regular

__all__ = ["Member", "is_archive", "members"]

_MAGIC: Final = (b"PK\x03\x04", b"PK\x05\x06")
_MOST_MEMBERS: Final = 10_000
_MOST_BYTES: Final = 2 << 30
_MOST_RATIO: Final = 100
_LOCAL_HEADER: Final = 30  # bytes before a member's name and data
_BROKEN = (zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError, ValueError, zlib.error)


@dataclass(frozen=True, slots=True)
class Member:
    """One file in an opened archive, and the name to show for it: ``films.zip/inner/name.dcm``.

    It can be pickled; another process opens the archive again, at the path that was given.
    """

    name: str
    archive: zipfile.ZipFile
    info: zipfile.ZipInfo

    def __reduce__(self) -> tuple[object, ...]:
        return _member_at, (self.name, str(self.archive.filename), self.info.header_offset)

    def read(self) -> bytes:
        """Return the member's bytes; raises :class:`~lungspot.errors.FilmError`."""
        info = self.info
        if info.flag_bits & 1:
            raise FilmError("UNSUPPORTED", self.name, "encrypted", advice="give the archive without a password")
        if info.file_size > MAX_BYTES or info.file_size > _MOST_RATIO * max(info.compress_size, 1024):
            raise FilmError("TOO_LARGE", self.name, f"{info.file_size} bytes out of {info.compress_size}")
        try:
            with self.archive.open(info) as file:
                data = file.read(info.file_size + 1)
        except _BROKEN as error:
            raise FilmError("NOT_READABLE", self.name, f"damaged in the archive ({type(error).__name__})") from error
        if data.startswith(_MAGIC):
            raise FilmError("NOT_AN_IMAGE", self.name, "an archive in an archive", advice="unpack the inner archive")
        return data


@lru_cache(maxsize=8)
def _opened(path: str) -> tuple[zipfile.ZipFile, dict[int, zipfile.ZipInfo]]:
    archive = zipfile.ZipFile(path)  # stays open for its members
    return archive, {info.header_offset: info for info in archive.infolist()}


def _member_at(name: str, path: str, offset: int) -> Member:
    """Return a member again in another process; raises FilmError ``ARCHIVE`` where the archive is no longer there."""
    try:
        archive, infos = _opened(path)
        return Member(name, archive, infos[offset])
    except (*_BROKEN, KeyError) as error:
        raise FilmError("ARCHIVE", path, f"cannot be opened again ({type(error).__name__})") from error


def is_archive(path: Path) -> bool:
    """Say whether a file is a zip archive by its first bytes; False where it cannot be read."""
    try:
        with regular(path).open("rb") as file:
            return file.read(4) in _MAGIC
    except OSError:
        return False


def members(archive: Path, *, limited: bool = True) -> Iterator[Member]:
    """Yield the files of an archive in its own order, folders and hidden files left out; raises ``ARCHIVE``.

    ``limited``: more than 10,000 files, or 2 GiB of them in all, are refused, as of an archive that a stranger sent.
    """
    try:
        opened = zipfile.ZipFile(regular(archive))  # stays open for its members, and closes with the last of them
        infos = opened.infolist()
    except _BROKEN as error:
        raise FilmError("ARCHIVE", archive, f"cannot be opened ({type(error).__name__})") from error
    total = sum(info.file_size for info in infos)
    if limited and len(infos) > _MOST_MEMBERS:
        raise FilmError("ARCHIVE", archive, f"{len(infos)} members; {_MOST_MEMBERS} are allowed")
    if limited and total > _MOST_BYTES:
        raise FilmError("ARCHIVE", archive, f"{total >> 20} MiB of members; {_MOST_BYTES >> 20} MiB are allowed")
    end = 0
    for info in sorted(infos, key=lambda each: each.header_offset):
        if info.header_offset < end:
            raise FilmError("ARCHIVE", archive, "its members overlap")
        end = info.header_offset + _LOCAL_HEADER + len(info.orig_filename) + info.compress_size
    for info in infos:
        if not info.is_dir() and not is_hidden(info.filename.replace("\\", "/").split("/")):
            yield Member(f"{archive}/{info.filename}", opened, info)
