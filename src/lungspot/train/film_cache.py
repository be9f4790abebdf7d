"""Films packed into one file of pixels, kept for the next run: whole, or not there, whoever is killed in between."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.typing import NDArray

from lungspot.errors import DatasetError, LungspotError
from lungspot.formats import Case
from lungspot.images import Pixels, normalise, squash
from lungspot.inputs import regular
from lungspot.outputs import Outputs, writing

__all__ = ["FilmCache", "PackedFilms"]

PackedFilms = tuple[list[int], list[int], NDArray[np.uint8]]  # films kept, shorter sides, pixels


@dataclass(frozen=True, slots=True)
class FilmCache:
    """Where packed films of one ``shape`` (N, S, S) lie: NAME.npy, and NAME.json with what is known of them."""

    folder: Path
    name: str
    shape: tuple[int, int, int]

    @property
    def pixels(self) -> Path:
        """The file of the films themselves."""
        return self.folder / f"{self.name}.npy"

    @property
    def index(self) -> Path:
        """The file that says which films are kept, and how large their files are."""
        return self.folder / f"{self.name}.json"

    def load(self) -> PackedFilms | None:
        """Return what is kept; None where it is not there whole."""
        index = _index(self.index)
        if index is None or _shape(self.pixels) != self.shape:
            return None
        try:
            return *index, np.load(self.pixels, mmap_mode="r")
        except (OSError, ValueError):  # cut
            return None

    def fill(
        self, cases: Sequence[Case], read: Callable[[Path], Pixels]
    ) -> tuple[PackedFilms, tuple[LungspotError, ...]]:
        """Pack films and keep them; return them, and what was refused.

        ``read``: as for :func:`lungspot.train.data.pack`. Raises OutputError where a file is in the way.
        """
        outputs = Outputs(case.image for case in cases if case.image is not None)
        self._require(outputs)
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        stored = [0] * len(cases)
        partial = self.folder / f".{self.name}.partial-{secrets.token_hex(4)}.npy"

        def pack_one(i: int) -> LungspotError | None:
            path = cases[i].image
            try:
                if path is None:
                    raise DatasetError("DATASET_INCOMPLETE", f"{cases[i].dataset}/{cases[i].id}", "no film")
                film = read(path)
                stored[i] = min(film.shape)
                pixels[i] = np.rint(normalise(squash(film, self.shape[1])) * 255).astype(np.uint8)
            except LungspotError as error:
                return error
            return None

        try:
            with writing(partial):
                held = partial.open("xb")
            with held:
                with suppress(OSError):  # a file system without locks
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with writing(partial):
                    pixels = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=self.shape)
                with ThreadPoolExecutor(2) as pool:
                    results = list(pool.map(pack_one, range(len(cases))))
                with writing(partial):
                    pixels.flush()
                kept = [i for i, error in enumerate(results) if error is None]
                found = self._save(outputs, partial, kept, stored)
        finally:
            partial.unlink(missing_ok=True)
        return found, tuple(error for error in results if error is not None)

    def _require(self, outputs: Outputs) -> None:
        """Raise OutputError where a file is in the way that is no part of such a cache."""
        if _shape(self.pixels) != self.shape:
            outputs.require(self.pixels)
        if _index(self.index) is None:
            outputs.require(self.index)
        for path in (self.pixels, self.index):
            outputs.require_not_input(path)

    def _save(self, outputs: Outputs, made: Path, kept: list[int], stored: list[int]) -> PackedFilms:
        """Give films their names; where another run was quicker, return its films."""
        with writing(self.folder), _locked(self.folder):
            if (found := self.load()) is not None:
                return found
            self._require(outputs)
            for path in (self.index, self.pixels):
                path.unlink(missing_ok=True)
            outputs.take(made, self.pixels)
            outputs.write(self.index, json.dumps({"kept": kept, "stored": stored}).encode())
            return kept, stored, np.load(self.pixels, mmap_mode="r")

    def _sweep(self) -> None:
        """Remove what runs left that were killed while they packed; who still packs holds a lock."""
        for path in self.folder.glob(f".{self.name}.partial-*.npy"):
            with suppress(OSError), regular(path).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def _index(path: Path) -> tuple[list[int], list[int]] | None:
    """Return which films are kept, and their shorter sides; None where a file says no such thing."""
    try:
        index = json.loads(regular(path).read_text("utf-8"))
        return index["kept"], index["stored"]
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _shape(path: Path) -> tuple[int, ...] | None:
    """Return the shape of the bytes in a NumPy file, by its head alone; None where it is no such file."""
    try:
        with regular(path).open("rb") as file:
            if np.lib.format.read_magic(file) != (1, 0):
                return None
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    except (OSError, ValueError, TokenError):
        return None
    return shape if dtype == np.uint8 else None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other runs from the names in a folder, where its file system has locks."""
    number = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)
