"""What detector and classifier say about the films of the study: everything that the ways are then judged by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from lungspot.datasets import truth
from lungspot.detect import Correction, Detector, decode
from lungspot.errors import LungspotError
from lungspot.explain import agree_all, cam
from lungspot.findings import Box, Frame, Reading
from lungspot.formats import Case
from lungspot.images import Radiograph, prepare, read
from lungspot.study.heat_maps import heat_maps, random_map
from lungspot.train import Network

__all__ = ["Corners", "StudyFilm", "in_fractions", "look"]

_BATCH: Final = 16

Corners = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class StudyFilm:
    """One film with everything that was said about it; boxes in fractions of the film.

    ``maps``: by (method, stride), (L, GRID, GRID). ``found``: per label the detector's (box, score), best first.
    ``probability`` and ``classified``: per label the detector's and the classifier's probability of the film.
    ``agreement``: per label, of the boxes that reach the detector's threshold, in the order of ``found``, how its own
    heat map agrees with each.
    """

    case: Case
    true: Reading
    maps: Mapping[tuple[str, int], NDArray[np.float16]]
    random: NDArray[np.float16]
    found: tuple[tuple[tuple[Corners, float], ...], ...]
    probability: NDArray[np.float64]
    classified: NDArray[np.float64]
    agreement: tuple[tuple[Mapping[str, float], ...], ...] = ()

    @property
    def frame(self) -> Frame:
        """The frame of the truth; where no box needs one, any."""
        return self.true.frame or Frame(1000, 1000)


def look(
    cases: Sequence[Case], detector: Detector, network: Network, size: int, say: Callable[[str], None] = lambda _: None
) -> list[StudyFilm]:
    """Return what detector and classifier say about films; ``size``: input pixels of the classifier.

    A film that cannot be read is said and left out, for both alike.
    """
    labels = detector.card.labels
    network.eval()
    rng = np.random.default_rng(0)
    seen: list[StudyFilm] = []
    for start in range(0, len(cases), _BATCH):
        opened = [(case, film) for case in cases[start : start + _BATCH] if (film := _opened(case, say)) is not None]
        if not opened:
            continue
        part, films = zip(*opened, strict=True)
        pictures = torch.from_numpy(np.concatenate([prepare(film, size).tensor for film in films]))
        trues = [truth(case).only(labels) for case in part]
        # what nobody looked for in this batch is judged nowhere: its gradients would be for nothing
        asked = [i for i, label in enumerate(labels) if any(label in true.states for true in trues)]
        maps, probability = heat_maps(network, pictures, asked)
        for i, (case, film) in enumerate(zip(part, films, strict=True)):
            prepared = prepare(film, detector.card.input_size)
            raw = detector.run(prepared.tensor)
            reading = decode(raw, prepared.placement, detector.card, min_score=1e-3)
            own = cam(raw, detector.card, Correction())
            controls = np.stack([random_map(rng) for _ in labels])
            seen.append(
                StudyFilm(
                    case,
                    trues[i],
                    {key: _small(values[i], asked, len(labels)) for key, values in maps.items()},
                    controls.astype(np.float16),
                    tuple(tuple(_boxes(reading, label, film.frame)) for label in labels),
                    np.array([max(f.score or 0.0 for f in reading.of(label) if f.box is None) for label in labels]),
                    probability[i].astype(np.float64),
                    tuple(_agreements(reading, label, detector, own[label], film.frame) for label in labels),
                )
            )
        if (start // _BATCH) % 10 == 0:
            say(f"{len(seen)} of {len(cases)} films")
    return seen


def in_fractions(box: Box, frame: Frame | None) -> Corners:
    """Return a box's x0, y0, x1, y1 in fractions of the film's width and height; in pixels where there is no frame."""
    width, height = (1, 1) if frame is None else (frame.width, frame.height)
    return box.x0 / width, box.y0 / height, box.x1 / width, box.y1 / height


def _opened(case: Case, say: Callable[[str], None]) -> Radiograph | None:
    try:
        return None if case.image is None else read(case.image, sandboxed=False)
    except LungspotError as error:
        say(f"left out: {error}")
        return None


def _small(maps: NDArray[np.float32], asked: Sequence[int], labels: int) -> NDArray[np.float16]:
    """Return maps of ``asked`` labels as (L, h, w), each relative to its own peak, in half precision; else 0."""
    found = np.zeros((labels, *maps.shape[1:]), dtype=np.float16)
    found[list(asked)] = np.asarray(maps / np.maximum(maps.max((1, 2), keepdims=True), 1e-12), dtype=np.float16)
    return found


def _boxes(reading: Reading, label: str, frame: Frame) -> Iterator[tuple[Corners, float]]:
    for finding in reading.of(label):
        if finding.box is not None:
            yield in_fractions(finding.box, frame), finding.score or 0.0


def _agreements(
    reading: Reading, label: str, detector: Detector, heat: NDArray[np.float32], frame: Frame
) -> tuple[Mapping[str, float], ...]:
    limit = detector.card.threshold(label).box
    shown = [f.box for f in reading.of(label) if f.box is not None and (f.score or 0.0) >= limit]
    rows = [each.to_json() for each in agree_all(heat, shown, frame)] if shown else []
    return tuple({name: float(value) for name, value in row.items()} for row in rows)
