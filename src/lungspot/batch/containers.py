"""Films in what holds many of them: zip archives, tar shards, an index of a CD, a store that fsspec knows."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, Final

from lungspot.batch.entries import Entry, file_entry, identity_of, refused_entry
from lungspot.errors import FilmError
from lungspot.extras import extra
from lungspot.images import IMAGE_SUFFIXES, MAX_BYTES, dicomdir_files, is_hidden, members
from lungspot.pipeline import Film
from lungspot.sources import FilmSource, place_of

__all__ = ["in_dicomdir", "in_store", "in_tar", "in_zip", "is_store", "url_entry"]

_PLAIN: Final = "give a plain tar, not a packed one"
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def in_zip(path: Path) -> Iterator[Entry]:
    """Yield the files of a zip archive, each a film."""
    place = place_of(PurePath(path.stem))
    try:
        for number, member in enumerate(members(path, limited=False), 1):
            info = member.info
            identity = identity_of(member.name, info.header_offset, info.CRC, info.file_size)
            yield Entry(FilmSource(Film(member.name, member.read), f"{place}-{number:05d}", path), identity)
    except FilmError as error:
        yield refused_entry(str(path), error)


def in_tar(path: Path) -> Iterator[Entry]:
    """Yield the films of a tar archive, such as a shard of WebDataset.

    A film's other files (labels, JSON) are passed over. Members are read where they lie; nothing is unpacked.
    """
    place = place_of(PurePath(path.stem))
    try:
        with tarfile.open(path, "r:") as archive:
            for number, member in enumerate(archive, 1):
                archive.members.clear()  # type: ignore[attr-defined] # else it remembers every one
                name = PurePosixPath(member.name)
                if not member.isfile() or member.issparse() or is_hidden(name.parts) or not _is_film(name):
                    continue
                called = f"{path}/{member.name}"
                opened = partial(_part, path, called, member.offset_data, member.size)
                identity = identity_of(called, member.offset_data, member.size, member.mtime, path.stat().st_mtime_ns)
                yield Entry(FilmSource(Film(called, opened), f"{place}-{number:05d}", path), identity)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        reason = f"cannot be read ({type(error).__name__})"
        yield refused_entry(str(path), FilmError("ARCHIVE", path, reason, advice=_PLAIN))


def in_dicomdir(path: Path) -> Iterator[Entry]:
    """Yield the films that a DICOMDIR names."""
    try:
        files, outside = dicomdir_files(path)
    except FilmError as error:
        yield refused_entry(str(path), error)
        return
    for file in files:
        yield file_entry(file, file.relative_to(path.parent))
    for name in outside:
        yield refused_entry(f"{path}: {name}", FilmError("NOT_READABLE", path, "leads out of its folder"), whole=False)


def is_store(source: str) -> bool:
    """Say whether a source is a URL, as of S3, and no path."""
    return _URL.match(source) is not None


def in_store(url: str) -> Iterator[Entry]:
    """Yield the films below a URL that fsspec knows (``s3://bucket/films``), folder by folder.

    Raises ``MISSING_EXTRA`` without fsspec or the package for that kind of store.
    """
    try:
        system, root = _system_of(url)
    except FilmError as error:
        yield refused_entry(url, error)
        return
    folders, seen = [root], {root.rstrip("/")}
    while folders:  # fsspec's own walk is silent about folders below that cannot be listed
        folder = folders.pop()
        try:
            listed = system.ls(folder, detail=True)
            if folder == root and not listed and system.isfile(root):  # as of HTTP
                yield url_entry(url)
        except Exception as error:  # noqa: BLE001 - each kind of store has its own
            where, kind = system.unstrip_protocol(folder), type(error).__name__
            refused = refused_entry(where, FilmError("NOT_READABLE", where, f"cannot be listed ({kind}: {error})"))
            yield replace(refused, identity=identity_of(where, kind))  # whatever else the words hold: a time, a number
            continue
        for about in listed:
            path = about["name"].rstrip("/")
            if path not in seen and is_hidden(PurePosixPath(path).parts[-1:]):
                continue
            if about["type"] != "directory":
                yield url_entry(system.unstrip_protocol(about["name"]), about)
            elif path not in seen:
                seen.add(path)
                folders.append(about["name"])
        system.invalidate_cache()  # else every listing is kept


def url_entry(url: str, about: Mapping[str, Any] | None = None) -> Entry:
    """Return the entry of a film at a URL; ``about``: what its store says of it, by which a change is known."""
    facts = [(about or {}).get(key) for key in ("size", "ETag", "LastModified", "mtime")]
    film = Film(url, partial(_fetched, url, facts[0]))
    return Entry(FilmSource(film, place_of(PurePath(PurePosixPath(url).name)), None), identity_of(url, *facts))


def _is_film(name: PurePosixPath) -> bool:
    """Say whether a member's name is a film's: by its ending, or it has none, or is a UID."""
    ending = name.suffix.lower()
    return ending in {"", *IMAGE_SUFFIXES} or ending[1:].isdigit()


def _part(path: Path, name: str, offset: int, size: int) -> bytes:
    if size > MAX_BYTES:
        raise FilmError("TOO_LARGE", name, f"{size >> 20} MiB")
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)
    except OSError as error:
        raise FilmError("NOT_READABLE", name, error.strerror or "cannot be read") from error


def _fetched(url: str, size: int | None) -> bytes:
    if size is not None and size > MAX_BYTES:
        raise FilmError("TOO_LARGE", url, f"{size >> 20} MiB")
    system, path = _system_of(url)
    try:
        with system.open(path, "rb") as file:
            data: bytes = file.read(MAX_BYTES + 1)
    except Exception as error:
        raise FilmError("NOT_READABLE", url, f"cannot be fetched ({type(error).__name__}: {error})") from error
    return data


def _system_of(url: str) -> tuple[Any, str]:
    with extra("batch", "a URL"):
        from fsspec.core import url_to_fs  # noqa: PLC0415 - an optional package

    try:
        system, path = url_to_fs(url)
    except ImportError as error:  # of the package for that kind
        raise ModuleNotFoundError(str(error), name=url.partition("://")[0] + "fs") from error
    except ValueError as error:
        raise FilmError("NOT_READABLE", url, f"no store that is known ({error})") from error
    return system, str(path)
