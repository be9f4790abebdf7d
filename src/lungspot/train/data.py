"""The films of a run: packed once into one file of prepared pixels, with what is known about each as arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lungspot.datasets import DATASETS, anatomy_masks, noisy, truth
from lungspot.errors import DatasetError, InputError, LungspotError
from lungspot.findings import ABSENT, BOXED, PRESENT
from lungspot.formats import Case, Split
from lungspot.images import Pixels, read
from lungspot.inputs import regular
from lungspot.train.film_cache import FilmCache

__all__ = [
    "FINE",
    "OUTLINE",
    "FilmTruth",
    "Films",
    "crop_sampling",
    "film_pixels",
    "fingerprint",
    "known",
    "pack",
    "sampling",
    "without_boxes",
]

FINE = 384  # pixels of the shorter side, from which a part of a film shows more than the whole does
OUTLINE = 128  # cells each way of a film's outlines
_OUTLINED = ("heart", "right_lung", "left_lung")  # in the order in which a film shows them: the patient faces us
_DATASET_OF = {source.reader: name for name, data in DATASETS.items() for source in data.sources}


@dataclass(frozen=True, slots=True)
class FilmTruth:
    """What is known about one film.

    ``boxes``: float32 (M, 4), x0 y0 x1 y1 as fractions of width and height. ``labels``: (M,) indices. ``states``: (C,)
    codes of ``findings.State``. ``noisy``: (C,) True where the state is doubtful. ``datasets``: whose film
    it is, and whose readers said what is known of it. ``outlines``: uint8 (3, OUTLINE, OUTLINE), 0 to 255, how much of
    each place is heart, patient's right lung, patient's left lung; None where nobody outlined them. ``soft``: float32
    (C,), how likely a teacher finds each label, NaN where it was not asked (:mod:`lungspot.train.teacher`). ``hint``:
    as ``outlines``, what a network says of a film that nobody outlined, 128 where it is not believed. ``stored``:
    pixels of the file's shorter side, 0 where it is not known.
    """

    id: str
    source: str
    patient: str
    split: Split
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    states: NDArray[np.int64]
    noisy: NDArray[np.bool_]
    datasets: frozenset[str] = frozenset()
    outlines: NDArray[np.uint8] | None = None
    soft: NDArray[np.float32] | None = None
    hint: NDArray[np.uint8] | None = None
    stored: int = 0

    @property
    def label_only(self) -> bool:
        """Nobody looked at this film: its labels were mined from a report."""
        if len(self.boxes) or bool((self.states[~self.noisy] == ABSENT).any()):
            return False
        return self.source in DATASETS and DATASETS[self.source].mined


@dataclass(frozen=True, slots=True)
class Films:
    """Films and their prepared pixels: ``pixels`` uint8 (N, S, S), read-only, 0 to 255 for 0 to 1."""

    films: tuple[FilmTruth, ...]
    pixels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.films)

    def of(self, split: Split) -> NDArray[np.int64]:
        """Return the indices of the films of one split."""
        return np.array([i for i, film in enumerate(self.films) if film.split is split], dtype=np.int64)


def known(case: Case, labels: Sequence[str]) -> FilmTruth:
    """Return what training uses of a case: :func:`lungspot.datasets.truth.truth` and ``noisy`` as arrays."""
    reading, doubtful = truth(case), noisy(case)
    boxes, owners = [], []
    for finding in reading.findings:
        if finding.box is not None and not finding.crowd and finding.label in labels and case.frame is not None:
            size = (case.frame.width, case.frame.height) * 2
            boxes.append([value / length for value, length in zip(finding.box.corners, size, strict=True)])
            owners.append(labels.index(finding.label))
    return FilmTruth(
        id=f"{case.dataset}/{case.id}",
        source=case.dataset,
        patient=case.patient,
        split=case.split or Split.TRAIN,
        boxes=np.clip(np.array(boxes, dtype=np.float32).reshape(-1, 4), 0, 1),
        labels=np.array(owners, dtype=np.int64),
        states=np.array([reading.state(label).code for label in labels], dtype=np.int64),
        noisy=np.array([label in doubtful for label in labels], dtype=np.bool_),
        datasets=frozenset((case.dataset, *(_DATASET_OF.get(each.reader, case.dataset) for each in case.readings))),
        outlines=_outlines(case),
    )


def _outlines(case: Case) -> NDArray[np.uint8] | None:
    """Return the masks of a film that has all three, brought to one size."""
    masks = anatomy_masks(case)
    if not masks.keys() >= set(_OUTLINED):
        return None
    layers = []
    for organ in _OUTLINED:
        with Image.open(regular(masks[organ])) as mask:
            layers.append(np.asarray(mask.convert("L").point(_full).resize((OUTLINE, OUTLINE), Image.Resampling.BOX)))
    return np.stack(layers)


def _full(value: int) -> int:
    return 255 if value else 0


def film_pixels(path: Path) -> Pixels:
    """Return a film's pixels, float32 (height, width) in 0 to 1, decoded in this process: films to learn from are ours.

    Raises :class:`~lungspot.errors.LungspotError`.
    """
    return read(path, sandboxed=False).pixels


def pack(
    cases: Sequence[Case],
    labels: Sequence[str],
    size: int,
    folder: Path,
    read_pixels: Callable[[Path], Pixels] = film_pixels,
) -> tuple[Films, tuple[LungspotError, ...]]:
    """Return the films prepared at ``size`` pixels, and what was refused; ``folder`` keeps them for the next run.

    ``read_pixels``: as :func:`film_pixels`; a film on which it raises :class:`LungspotError` is left out. What a run
    that was interrupted left in ``folder`` is packed again; of two that pack at once, the films of the first are taken.
    Raises :class:`DatasetError` where nothing is left, and OutputError ``EXISTS`` where somebody else's file has a name
    that the films would get.
    """
    films = [known(case, labels) for case in cases]
    cache = FilmCache(folder, f"films-2-{size}-{_digest([film.id for film in films])[:16]}", (len(cases), size, size))
    refused: tuple[LungspotError, ...] = ()
    if (found := cache.load()) is None:
        found, refused = cache.fill(cases, read_pixels)
    kept, stored, packed = found
    if not kept:
        raise DatasetError("DATASET_INCOMPLETE", folder, "not one film could be read")
    if len(kept) != len(films):
        packed = packed[kept]
    return Films(tuple(replace(films[i], stored=stored[i]) for i in kept), packed), refused


def without_boxes(films: Films) -> Films:
    """Return the films as their labels alone tell them: what was boxed is present, and no box is known."""

    def stripped(film: FilmTruth) -> FilmTruth:
        states = np.where(film.states == BOXED, PRESENT, film.states)
        return replace(film, boxes=film.boxes[:0], labels=film.labels[:0], states=states)

    return Films(tuple(map(stripped, films.films)), films.pixels)


def fingerprint(films: Films) -> str:
    """Return the SHA-256 of the pixels and of all that is known about them: two runs on one data have one."""
    digest = hashlib.sha256()
    for film, pixels in zip(films.films, films.pixels, strict=True):
        digest.update(f"{film.id} {film.split} {film.patient}".encode())
        for values in (film.boxes, film.labels, film.states, film.noisy, pixels):
            digest.update(np.ascontiguousarray(values).tobytes())
        for maybe in (film.outlines, film.soft, film.hint):
            digest.update(b"" if maybe is None else maybe.tobytes())
    return digest.hexdigest()


def sampling(films: Sequence[FilmTruth], labels: int, *, rare: float, label_only: float) -> NDArray[np.float64]:
    """Return each film's probability to be drawn.

    A label that a share f of the films shows is drawn sqrt(``rare`` / f) times as often where f is below ``rare``
    (repeat-factor sampling, Gupta et al. 2019); a film takes its rarest label's factor. Films that only text mining
    looked at count ``label_only`` times.
    """
    positive = np.array([film.states >= PRESENT for film in films]).reshape(len(films), labels)
    boxed = np.zeros_like(positive)
    for row, film in zip(boxed, films, strict=True):
        row[film.labels] = True
    # a label with boxes is rare by its boxes, one without by its films
    shown = np.where(boxed.any(0), boxed, positive)
    share = np.maximum(shown.mean(0), 1 / max(len(films), 1))
    factor = np.maximum(1.0, np.sqrt(rare / share))
    weight = np.where(shown, factor, 1.0).max(1)
    weight *= np.where([film.label_only for film in films], label_only, 1.0)
    return np.asarray(weight / weight.sum(), dtype=np.float64)


def crop_sampling(films: Sequence[FilmTruth], labels: Sequence[int]) -> NDArray[np.float64]:
    """Return each film's probability to be shown in part: none below :data:`FINE`, fourfold with a box of ``labels``.

    Raises ``BAD_VALUE`` where no film is fine enough.
    """
    fine = np.array([film.stored >= FINE for film in films], dtype=np.float64)
    if not fine.any():
        raise InputError("BAD_VALUE", "crop_share", f"no film of train has {FINE} pixels")
    weight = fine * np.array([4.0 if np.isin(film.labels, labels).any() else 1.0 for film in films])
    return np.asarray(weight / weight.sum(), dtype=np.float64)


def _digest(names: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
