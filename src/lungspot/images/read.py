"""The one way from a file to a film."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from lungspot.errors import FilmError
from lungspot.images.radiograph import Origin, Radiograph
from lungspot.images.raster import read_raster
from lungspot.images.sandbox import DEFAULT, run
from lungspot.images.sniff import DICOM, sniff

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["MAX_BYTES", "dicom_bytes_of", "film_bytes", "read", "read_header"]

MAX_BYTES: Final = 512 * 1024 * 1024  # a larger file is no film and is refused
_ITS_FILES: Final = "give the files in it"
_SAVED: Final = "save it as a file, or give it as standard input"


def read(source: str | os.PathLike[str] | bytes | BinaryIO, *, sandboxed: bool = True) -> Radiograph:
    """Return the film in ``source``: a path, the bytes of a file, or a file opened for reading bytes.

    The content decides what it is (DICOM, PNG, JPEG, TIFF, WebP, BMP), never the name. Its pixels are decoded in a
    child process with limits on memory and time; ``sandboxed=False`` decodes here, for files of one's own.

    Raises FilmError with the code that says why, and only that.
    """
    data, path = _bytes_of(source)
    where = path or "<bytes>"
    kind = sniff(data, where)
    origin = Origin(path, hashlib.sha256(data).hexdigest(), kind)
    decode = _decoder(kind)
    film = run(decode, data, origin, limits=DEFAULT if sandboxed else None, where=where)
    return replace(film) if sandboxed else film  # made anew, so that what the child says is checked here


def read_header(source: str | os.PathLike[str] | bytes | BinaryIO) -> Dataset:
    """Return what a DICOM film's header says, as a pydicom data set without pixels; nothing is decoded.

    Raises FilmError as :func:`read` does, and ``NO_STUDY`` where the film is a picture of another kind.
    """
    data, where = dicom_bytes_of(source)
    from lungspot.images.dicom_header import open_dicom  # noqa: PLC0415 - pydicom costs a picture's reader 0.2 s

    return open_dicom(data, where).dataset


def film_bytes(source: str | os.PathLike[str] | bytes | BinaryIO) -> bytes:
    """Return the bytes of a film's file, whatever is in it; raises FilmError as :func:`read` does before it decodes."""
    return _bytes_of(source)[0]


def dicom_bytes_of(source: str | os.PathLike[str] | bytes | BinaryIO) -> tuple[bytes, str]:
    """Return the bytes of a DICOM file, and what to call it in errors; raises FilmError as :func:`read_header` does."""
    data, path = _bytes_of(source)
    where = path or "<bytes>"
    if (kind := sniff(data, where)) != DICOM:
        raise FilmError("NO_STUDY", where, f"this is a {kind.upper()} picture: no patient, no study")
    return data, where


def _decoder(kind: str) -> Callable[[bytes, Origin], Radiograph]:
    if kind != DICOM:
        return read_raster
    from lungspot.images.dicom import read_dicom  # noqa: PLC0415 - pydicom costs a picture's reader 0.2 s

    return read_dicom


def _bytes_of(source: str | os.PathLike[str] | bytes | BinaryIO) -> tuple[bytes, str | None]:
    if isinstance(source, bytes | bytearray | memoryview):
        data, path = bytes(source), None
    elif isinstance(source, str | os.PathLike):
        path = os.fspath(source)
        data = _file_bytes(Path(path))
    else:
        name = getattr(source, "name", None)
        path = name if isinstance(name, str) else None
        data = _stream_bytes(source, path or "<bytes>")
    if len(data) > MAX_BYTES:
        raise FilmError("TOO_LARGE", path or "<bytes>", f"more than {MAX_BYTES >> 20} MiB")
    return data, path


def _stream_bytes(source: BinaryIO, where: str) -> bytes:
    """Return what an open file holds from here on, MAX_BYTES + 1 at most; a socket's file gives it piece by piece."""
    data = bytearray()
    try:
        part: Any = source.read(MAX_BYTES + 1)
        while part and len(data) <= MAX_BYTES:
            if isinstance(part, str):
                raise FilmError("NOT_READABLE", where, "it gives text, not bytes", advice='open it with mode "rb"')
            data += part
            part = source.read(MAX_BYTES + 1 - len(data))
    except OSError as error:
        raise FilmError("NOT_READABLE", where, error.strerror or str(error)) from error
    return bytes(data)


def _file_bytes(path: Path) -> bytes:
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            folder = stat.S_ISDIR(about.st_mode)
            what, advice = ("a folder", _ITS_FILES) if folder else ("not a regular file", _SAVED)
            raise FilmError("NOT_READABLE", path, f"this is {what}", advice=advice)
        if about.st_size > MAX_BYTES:
            raise FilmError("TOO_LARGE", path, f"{about.st_size >> 20} MiB; at most {MAX_BYTES >> 20} are read")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise FilmError("NOT_FOUND", path, "there is no such file") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise FilmError("NOT_READABLE", path, getattr(error, "strerror", None) or str(error)) from error
