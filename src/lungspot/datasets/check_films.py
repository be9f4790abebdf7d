"""Check the films of a dataset: that each is there, readable, grey, and there only once.

Two films that show the same picture under two names are the leak that no list of patients shows: the public sets took
films from each other and renamed them. A perceptual hash of 256 bits (``imagehash.phash``, extra ``data``) is compared
between all pairs. Among 14,329 films of seven sources, re-encoded, resized and re-windowed copies lie within 20 bits;
any two other films are at least 38 apart, and a film and its nearest neighbour typically 75. :data:`NEAR` stands
between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from lungspot.extras import extra
from lungspot.formats import Case, Problem
from lungspot.images import DICOM_SUFFIXES, has_suffix
from lungspot.inputs import regular

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["NEAR", "check_films", "missing_films"]

NEAR: Final = 24  # of 256 bits
_SIDE: Final = 16  # bits a side
_BLOCK: Final = 512  # films compared with all at once: 512 x 15,000 distances of 2 bytes
_GREY: Final = frozenset({"1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "F"})

Hashes = NDArray[np.uint64]


def missing_films(cases: Iterable[Case]) -> Iterator[Problem]:
    """Yield the cases whose film is not there."""
    for case in cases:
        if case.image is None:
            yield Problem(
                "FILM_MISSING", f"{case.dataset}/{case.id}", "no film of this name below the dataset's folder"
            )


def check_films(
    cases: Iterable[Case], *, compare: bool = True, progress: Callable[[Sequence[Path]], Iterable[Path]] = iter
) -> Iterator[Problem]:
    """Yield films that cannot be read, that are in colour, and (``compare``) pairs that show the same picture.

    Each file is opened once, DICOM films only to be compared. ``progress`` is called with the paths and yields them one
    by one, to draw a bar. Raises ``MISSING_EXTRA`` where films are to be compared and imagehash is not installed.
    """
    owners = {case.image: case for case in cases if case.image is not None}
    bits = _hasher() if compare else None
    paths: list[Path] = []
    hashes: list[Hashes] = []
    for path in progress(list(owners)):
        try:
            colour, code = _look(path, bits)
        except Exception as error:  # noqa: BLE001 - decoders raise whatever they like; the film is refused all the same
            yield Problem("FILM_UNREADABLE", str(path), f"{type(error).__name__}: {error}")
            continue
        if colour:
            yield Problem("FILM_COLOUR", str(path), colour)
        if code is not None:
            paths.append(path)
            hashes.append(code)
    if hashes:
        yield from _twins(paths, np.stack(hashes), owners)


def _look(path: Path, bits: Callable[[Image], Hashes] | None) -> tuple[str, Hashes | None]:
    """Return what colour the film has ("" for grey), and its hash."""
    from PIL import Image as images  # noqa: N813, PLC0415 - 0.1 s that only a check pays

    if has_suffix(path, DICOM_SUFFIXES):
        if bits is None:
            return "", None
        from lungspot.images import read  # noqa: PLC0415 - pydicom, for DICOM films only

        return "", bits(images.fromarray((read(path).pixels * 255).astype(np.uint8)))
    with images.open(regular(path)) as film:
        film.load()
        return _colour(film), None if bits is None else bits(film.convert("L"))


def _colour(film: Image) -> str:
    if film.mode in _GREY:
        return ""
    pixels = np.asarray(film.convert("RGB")).astype(np.int16)
    most = int(np.abs(pixels - pixels.mean(axis=2, keepdims=True).round().astype(np.int16)).max())
    what = "all channels equal" if most == 0 else f"channels differ by up to {most} of 255 from grey: marks or a photo?"
    return f"mode {film.mode}, {what}"


def _hasher() -> Callable[[Image], Hashes]:
    with extra("data", "finding near-duplicates", otherwise="leave out this check"):
        import imagehash  # noqa: PLC0415

    def bits(film: Image) -> Hashes:
        return np.packbits(imagehash.phash(film, hash_size=_SIDE).hash).view(np.uint64)

    return bits


def _twins(paths: Sequence[Path], hashes: Hashes, owners: dict[Path, Case]) -> Iterator[Problem]:
    """Yield the pairs of films whose hashes differ in at most :data:`NEAR` bits, in the order of ``paths``."""
    for start in range(0, len(paths), _BLOCK):
        block = hashes[start : start + _BLOCK]
        distance = np.zeros((len(block), len(paths) - start), np.uint16)
        for word in range(hashes.shape[1]):
            distance += np.bitwise_count(block[:, None, word] ^ hashes[None, start:, word])
        for first, second in zip(*np.nonzero(distance <= NEAR), strict=True):
            if first < second:
                one, other = owners[paths[start + first]], owners[paths[start + second]]
                whose = "of one patient" if one.patient == other.patient else f"of {one.patient} and {other.patient}"
                what = f"shows the same picture as {paths[start + second]}"
                text = f"{what} ({distance[first, second]} of 256 bits differ), {whose}"
                yield Problem("FILM_TWICE", str(paths[start + first]), text)
