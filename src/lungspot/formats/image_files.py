"""The image files of an annotated folder: their sizes, safe names for them, and how they get there."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from PIL import Image

from lungspot.errors import DatasetError, FilmError, InputError
from lungspot.findings import Frame
from lungspot.formats.annotated_image import AnnotatedImage, marks_of, rejected_marks_of, said
from lungspot.formats.case import Case
from lungspot.formats.case_json import case_to_json, relative, there
from lungspot.formats.films import dicom_header
from lungspot.images import IMAGE_SUFFIXES, read, with_pixel_shape
from lungspot.inputs import regular

__all__ = [
    "FilmLayout",
    "FilmTransfer",
    "Progress",
    "annotated_images_of",
    "film_size",
    "find_film",
    "quarter_turns",
    "stems",
]

# Gives the cases one by one, to draw a bar; the plain ``iter`` draws none.
Progress = Callable[[Sequence[Case]], Iterable[Case]]

_DEEP_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\xff\xd8\xff")  # TIFF, JPEG
_LONGEST = 200  # bytes of a film's own name; longer ones leave no room for an ending of ours
_TIFF_WIDTH, _TIFF_HEIGHT = 0x0100, 0x0101
_ORIENTATION = 0x0112  # EXIF: tools show the film turned, and so does lungspot.images
_PNG_NOTES = (b"Raw profile type exif", b"XML:com.adobe.xmp")
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}\Z")


class FilmTransfer(StrEnum):
    """What happens to the image files when annotations are written into a new folder."""

    LINK = "link"  # symbolic links, relative, there
    COPY = "copy"  # the bytes, unchanged; the case read back is of the copy
    VIEW = "view"  # a copy that every tool shows: 8-bit PNG and JPEG unchanged, others as 8-bit PNG
    NONE = "none"  # nothing; the annotations point at the original


@dataclass(frozen=True, slots=True)
class FilmLayout:
    """Where a format's films lie, and what it calls them.

    ``folder``: of a case's film, within the format's own. ``by_path``: of films that stay where they are
    (``FilmTransfer.NONE``) it names the path; else the name that they would have here. ``own_names``: a film is named
    as its owner names it, where that name is safe and of one film; a film with a file keeps the file's ending.
    """

    folder: Callable[[Case], str]
    by_path: bool = True
    own_names: bool = False


def film_size(path: Path) -> Frame:
    """Return the size of an image file as tools show it, from its header; raises :class:`DatasetError`."""
    try:
        with Image.open(regular(path)) as image:
            width, height = _stored_size(image)
            turned = _orientation(image, path) in {5, 6, 7, 8}
        return Frame(height, width) if turned else Frame(width, height)
    except (OSError, ValueError, KeyError, TypeError, SyntaxError, Image.DecompressionBombError):
        pass  # not a raster, or not one that Pillow knows
    if path.is_file() and _may_be_deep(path):  # of a depth that Pillow does not know
        try:
            return read(path).frame
        except FilmError as error:
            raise DatasetError("NOT_AN_IMAGE", path, error.reason) from error
    try:
        header = dicom_header(path, ["Rows", "Columns"])
        return Frame(int(header.Columns), int(header.Rows))
    except FileNotFoundError as error:
        raise DatasetError("DATASET_INCOMPLETE", path, "the film is not there") from error
    except (OSError, FilmError, AttributeError, TypeError, ValueError) as error:
        raise DatasetError("NOT_AN_IMAGE", path, "no size can be read from it") from error


def quarter_turns(path: Path) -> int:
    """Return EXIF's orientation of an image file, 1 to 8: 1 where it is stored as shown, or says nothing."""
    try:
        with Image.open(regular(path)) as image:
            return _orientation(image, path)
    except (OSError, ValueError, KeyError, TypeError, SyntaxError, Image.DecompressionBombError):
        return 1


def _may_be_deep(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4).startswith(_DEEP_MARKS)


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """Return width and height as stored; of a TIFF by its tags, for Pillow turns the size before the pixels."""
    tags = getattr(image, "tag_v2", None)
    if image.format == "TIFF" and tags is not None:
        return int(tags[_TIFF_WIDTH]), int(tags[_TIFF_HEIGHT])
    return image.size


def _orientation(image: Image.Image, path: Path) -> int:
    """Return EXIF's or XMP's orientation; a PNG is only asked where it has some: Pillow decodes all of it for that."""
    if image.format == "PNG" and not _png_has_exif(path):
        return 1
    value = image.getexif().get(_ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _png_has_exif(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = int.from_bytes(head[:4], "big"), head[4:]
            if kind == b"eXIf":
                return True
            if kind in {b"zTXt", b"iTXt", b"tEXt"} and file.read(min(length, 32)).startswith(_PNG_NOTES):
                return True
            file.seek(length + 4 - (min(length, 32) if kind in {b"zTXt", b"iTXt", b"tEXt"} else 0), 1)
    return False


def find_film(name: str, where: str, folders: Sequence[Path]) -> Path:
    r"""Return the image file that a foreign annotation names; raises ``DATASET_INCOMPLETE`` saying where was looked.

    ``folders`` are tried in turn. A name written on Windows (``..\films\a.png``) or as an address (``a%20b.png``) is
    understood; of an absolute path that is not here, the last part is looked for, then its stem with another suffix, at
    last in small or capital letters, where one file alone is called so.
    """
    last = re.split(r"[\\/]", name)[-1]
    others = [f"{stem}{suffix}" for stem in dict.fromkeys([last, Path(last).stem]) for suffix in IMAGE_SUFFIXES]
    spellings = list(dict.fromkeys([name, name.replace("\\", "/"), unquote(name), last, unquote(last), *others]))
    for spelling in spellings:
        for folder in folders:
            path = folder / spelling
            if spelling and there(path):
                return Path(os.path.normpath(path))
    for spelling in spellings:
        for folder in folders:
            found = _in_any_case(folder / spelling) if spelling else None
            if found is not None:
                return Path(os.path.normpath(found))
    places = ", ".join(dict.fromkeys(map(str, folders)))
    raise DatasetError("DATASET_INCOMPLETE", where, f"no film {name!r} in {places}")


def _in_any_case(path: Path) -> Path | None:
    """Return the one file that is called like a path but for small and capital letters."""
    try:
        names = _names_in(path.parent, path.parent.stat().st_mtime_ns).get(path.name.casefold(), ())
    except (OSError, ValueError):
        return None
    return path.with_name(names[0]) if len(names) == 1 and there(path.with_name(names[0])) else None


@lru_cache(maxsize=8)
def _names_in(folder: Path, _changed: int) -> dict[str, list[str]]:
    """Return what lies in a folder by its name in small letters; read again once the folder has changed."""
    names: dict[str, list[str]] = {}
    for name in os.listdir(folder):  # noqa: PTH208 - names are all that is wanted of a hundred thousand
        names.setdefault(name.casefold(), []).append(name)
    return names


def stems(cases: Sequence[Case]) -> list[str]:
    """Return one file name stem a case: safe on every system, unique whatever the case of its letters, stable.

    It is the case's id where that will do; otherwise a digest of dataset and id follows. Refuses the same film twice.
    """
    taken: set[str] = set()
    keys: set[tuple[str, str]] = set()
    names = []
    for case in cases:
        if (case.dataset, case.id) in keys:
            raise InputError("BAD_VALUE", f"{case.dataset}/{case.id}", "the film is given twice; merge its readings")
        keys.add((case.dataset, case.id))
        stem = re.sub(r"[^A-Za-z0-9._-]", "_", case.id).strip("._-")[:80]
        if not stem or stem != case.id or stem.lower() in taken:
            text = f"{case.dataset}\0{case.id}".encode("utf-8", "surrogatepass")
            stem = f"{stem or 'film'}-{hashlib.sha256(text).hexdigest()[:12]}"
        taken.add(stem.lower())
        names.append(stem)
    return names


def annotated_images_of(
    cases: Sequence[Case],
    folder: Path,
    films: FilmTransfer,
    layout: FilmLayout,
    *,
    progress: Progress = iter,
) -> list[AnnotatedImage]:
    """Return one annotated image a case, its file brought into ``folder`` as ``layout`` and ``films`` say.

    The shown frame is the image file's; where a case has no file, it is the native one. ``progress`` draws a bar.
    """
    annotated_images = []
    own = _source_names(cases) if layout.own_names else {}
    every = stems(cases)
    used = {stem.lower() for stem in every}
    for order, (case, stem) in enumerate(zip(progress(cases), every, strict=True)):
        suffix = ".png" if case.image is None else "".join(_SUFFIX.findall(case.image.name))
        film = case.image
        render = film is not None and films is FilmTransfer.VIEW and not _is_shown(film)
        name = f"{layout.folder(case)}/{stem}{'.png' if render else suffix}".lstrip("/")
        if case.source_name in own:
            named = own[case.source_name]
            if film is not None:  # a copy of another kind, as the owner's file is called but for its ending
                named = f"{Path(named).stem}{Path(name).suffix}"
            if film is None or Path(named).stem.lower() not in used:
                name = f"{layout.folder(case)}/{named}".lstrip("/")
        size = case.frame if film is None else film_size(film)
        if film is not None and films is not FilmTransfer.NONE:
            _bring(film, folder / name, films, render=render)
            film = film if films is FilmTransfer.LINK else folder / name
        elif film is not None and layout.by_path:
            name = relative(film, folder)
        marks = tuple(mark for mark in marks_of(case.readings, case.frame, size) if mark is not None)
        case_json = case_to_json(case, folder, film, order)
        readers = tuple(dict.fromkeys(reading.reader for reading in case.readings))
        wrong = tuple(rejected_marks_of(case.readings, case.frame, size))
        annotated_images.append(
            AnnotatedImage(name, size, marks, said(case.readings), readers, case_json=case_json, rejected=wrong)
        )
    return annotated_images


def _source_names(cases: Sequence[Case]) -> dict[str | None, str]:
    """Return the names of owners' files that films are written under: those that are safe and of one film only."""
    last = {case.source_name: re.split(r"[\\/]", case.source_name)[-1] for case in cases if case.source_name}
    sharing = Counter(Path(last[case.source_name]).stem.lower() for case in cases if case.source_name)
    sharing.update(case.id.lower() for case in cases)
    safe = {source: name for source, name in last.items() if name.isprintable() and not name.startswith((".", " "))}
    return {
        source: name
        for source, name in safe.items()
        if name and sharing[Path(name).stem.lower()] == 1 and len(name.encode()) <= _LONGEST
    }


def _is_shown(film: Path) -> bool:
    """Say whether every labelling tool shows the file: PNG or JPEG of 8 bits a channel."""
    try:
        with Image.open(regular(film)) as image:
            return image.format in {"PNG", "JPEG"} and image.mode in {"1", "L", "P", "RGB"}
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False


def _bring(film: Path, target: Path, films: FilmTransfer, *, render: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if render:
        shown, buffer = read(film), io.BytesIO()
        Image.fromarray(np.round(shown.pixels * 255).astype(np.uint8)).save(buffer, format="PNG")
        target.write_bytes(with_pixel_shape(buffer.getvalue(), shown.pixel_aspect))
    elif films is FilmTransfer.LINK:
        target.symlink_to(relative(film, target.parent))
    else:
        shutil.copyfile(film, target)
