"""Uploads: from the socket straight into files, never whole in memory, hashed on the way.

Limits on size and time are enforced by :mod:`lungspot.serve.request_guard`, on every route's body; here are those on
the number of parts and films. What a client calls a file never becomes a path.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from lungspot.durable import sync_path
from lungspot.errors import FilmError, LungspotError, RequestError
from lungspot.images import is_archive, members
from lungspot.serve.store import Arrived

__all__ = ["MOST_PARTS", "Upload", "receive"]

MOST_PARTS: Final = 100
_UNPACKER: Final = ThreadPoolExecutor(1, thread_name_prefix="lungspot-unpack")
_STRIDE: Final = 16 << 20  # bytes between two looks at what the disk still takes
_LONGEST_NAME: Final = 255
_PLAIN: Final = ("application/dicom", "application/octet-stream", "application/zip", "image/")


@dataclass(slots=True)
class Upload:
    """What one request brought: films, and files that are none, each with the reason."""

    films: list[Arrived] = field(default_factory=list)
    refused: list[tuple[str, LungspotError]] = field(default_factory=list)

    def discard(self) -> None:
        """Remove what has not been taken over."""
        for film in self.films:
            film.path.unlink(missing_ok=True)


async def receive(  # noqa: PLR0913, PLR0917 - what arrives, and what bounds it
    chunks: AsyncIterator[bytes],
    content_type: str,
    name: str,
    folder: Path,
    most_films: int,
    full: Callable[[], str | None] = lambda: None,
) -> Upload:
    """Return the films of one request, each synced in ``folder``; leaves nothing there where it raises.

    ``full`` says, again and again while bytes arrive and archives are unpacked, why no more is taken; None: go on.
    Raises RequestError ``BAD_REQUEST``, ``TOO_LARGE`` or ``BUSY``, OSError of the disk, or what ``chunks`` raises.
    """
    kind, options = parse_options_header(content_type)
    files = _Files(folder, full)
    try:
        if kind == b"multipart/form-data":
            await _Form(files).read(chunks, options.get(b"boundary", b""))
        else:
            await _plain(chunks, kind.decode("latin-1"), name, files)
        if any(is_archive(each.path) for each in files.closed):  # a member is in memory for a moment: one at a time
            settled = asyncio.get_running_loop().run_in_executor(
                _UNPACKER, _settle, files.closed, folder, most_films, full
            )
            return await settled
        return await asyncio.to_thread(_settle, files.closed, folder, most_films, full)
    except BaseException:
        files.discard()
        raise


def _refuse_where(full: Callable[[], str | None]) -> None:
    if why := full():
        raise RequestError("BUSY", None, why)


class _Files:
    """The files that one request writes, one after the other."""

    def __init__(self, folder: Path, full: Callable[[], str | None]) -> None:
        self._folder = folder
        self._full = full
        self._unseen = 0
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._name = ""
        self._path = folder
        self.closed: list[Arrived] = []

    def open(self, name: str) -> None:
        self._name = (name or "film")[:_LONGEST_NAME]
        self._path = self._folder / secrets.token_hex(12)
        self._file = self._path.open("xb")
        self._digest = hashlib.sha256()

    def write(self, data: bytes) -> None:
        if self._file is not None:
            self._file.write(data)
            self._digest.update(data)
            self._unseen += len(data)
            if self._unseen >= _STRIDE:
                self._unseen = 0
                _refuse_where(self._full)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            self.closed.append(Arrived(self._path, self._name, self._digest.hexdigest()))

    def discard(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # a full disk refuses what is still to be written; the file is closed all the same
                self._file.close()
            self._path.unlink(missing_ok=True)
        for arrived in self.closed:
            arrived.path.unlink(missing_ok=True)


async def _plain(chunks: AsyncIterator[bytes], kind: str, name: str, files: _Files) -> None:
    """Write a body that is one file."""
    if not kind.startswith(_PLAIN):
        raise RequestError("BAD_REQUEST", "Content-Type", "neither a form nor a film")
    files.open(name)
    async for chunk in chunks:
        files.write(chunk)
    files.close()


class _Form:
    """A form whose file parts are written; parts without a file name are read over."""

    def __init__(self, files: _Files) -> None:
        self._files = files
        self._parts = 0
        self._ended = False
        self._name = bytearray()
        self._value = bytearray()

    async def read(self, chunks: AsyncIterator[bytes], boundary: bytes) -> None:
        callbacks: Any = {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header,
            "on_part_data": lambda data, start, end: self._files.write(data[start:end]),
            "on_part_end": self._files.close,
            "on_end": self._end,
        }
        try:
            parser = MultipartParser(boundary, callbacks)
            async for chunk in chunks:
                parser.write(chunk)
            parser.finalize()
        except FormParserError as error:
            raise RequestError("BAD_REQUEST", "body", f"broken multipart data ({str(error)[:120]})") from error
        if not self._ended:
            raise RequestError("BAD_REQUEST", "body", "the multipart data end early")
        if not self._files.closed:
            raise RequestError("BAD_REQUEST", "body", "the form holds no file")

    def _begin(self) -> None:
        self._parts += 1
        self._name.clear()
        self._value.clear()
        if self._parts > MOST_PARTS:
            advice = "send fewer at a time, or a zip"
            raise RequestError("TOO_LARGE", "body", f"more than {MOST_PARTS} parts", advice=advice)

    def _header(self) -> None:
        if self._name.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._value))
            if b"filename" in options:
                self._files.close()
                self._files.open(options[b"filename"].decode("utf-8", "replace"))
        self._name.clear()
        self._value.clear()

    def _end(self) -> None:
        self._ended = True


def _settle(arrived: list[Arrived], folder: Path, most_films: int, full: Callable[[], str | None]) -> Upload:
    """Take zips apart, leave empty files out, and bring everything onto the disk."""
    upload = Upload()
    try:
        for each in arrived:
            if is_archive(each.path):
                _unpack(each, folder, upload, most_films, full)
                each.path.unlink()
            elif each.path.stat().st_size == 0:
                upload.refused.append((each.name, FilmError("NOT_AN_IMAGE", each.name, "the file is empty")))
                each.path.unlink()
            else:
                upload.films.append(each)
        _refuse_more_than(most_films, upload)
        for film in upload.films:
            sync_path(film.path)
    except BaseException:
        upload.discard()
        raise
    return upload


def _refuse_more_than(most: int, upload: Upload) -> None:
    if len(upload.films) > most:
        raise RequestError("TOO_LARGE", "body", f"more than {most} films", advice="send fewer at a time")


def _unpack(archive: Arrived, folder: Path, upload: Upload, most_films: int, full: Callable[[], str | None]) -> None:
    """Write each member as a film of its own."""
    try:
        for member in members(archive.path):
            name = f"{archive.name}/{member.info.filename}"[:_LONGEST_NAME]
            _refuse_where(full)
            try:
                data = member.read()
            except FilmError as error:
                upload.refused.append((name, FilmError(error.code, name, error.reason, advice=error.advice)))
                continue
            path = folder / secrets.token_hex(12)
            upload.films.append(Arrived(path, name, hashlib.sha256(data).hexdigest()))  # first, so that it is discarded
            path.write_bytes(data)
            if len(upload.films) > most_films:
                return
    except FilmError as error:
        refused = FilmError(error.code, archive.name, error.reason, advice=error.advice)
        upload.refused.append((archive.name, refused))
