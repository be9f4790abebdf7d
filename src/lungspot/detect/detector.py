"""A model file made ready: load it once, run it on one prepared film at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lungspot.detect.card import ModelCard
from lungspot.detect.modelfile import ModelFile, examine
from lungspot.detect.session import NetworkSession
from lungspot.detect.weights import default_weights
from lungspot.errors import ModelError
from lungspot.inputs import regular

__all__ = ["Detector", "Raw", "detector_from", "load_detector", "read_model"]

Float32Array = NDArray[np.float32]

_MAX_BYTES = 256 << 20
_SLACK = 1e-3  # rounding past 0 or 1 that a probability may show


@dataclass(frozen=True, slots=True)
class Raw:
    """What the network said about one film, in the frame of its square input; read-only float32.

    ``boxes``: (P, 4), x0 y0 x1 y1 in input pixels. ``scores``: (P, C), 0 to 1. ``image_scores``: (C,), 0 to 1.
    ``maps``: (C, h, w), 0 to 1. ``features``: (D,). ``gate``: (G,), 0 to 1, or None. ``organs``: (3, h, w), 0 to 1,
    how likely each place is heart, lung at the picture's left, lung at its right, and ``mirrored``: (1,), 0 to 1, how
    likely the picture is a mirror image; None where the network knows no anatomy. C are the card's labels.
    """

    boxes: Float32Array
    scores: Float32Array
    image_scores: Float32Array
    maps: Float32Array
    features: Float32Array
    gate: Float32Array | None = None
    organs: Float32Array | None = None
    mirrored: Float32Array | None = None


class Detector:
    """A network and its card. ``sha256`` is the model file's, ``runtime`` onnxruntime's version."""

    def __init__(self, session: NetworkSession, card: ModelCard, sha256: str, where: str) -> None:
        self._session = session
        self._where = where
        self.card = card
        self.sha256 = sha256
        self.runtime = session.runtime

    def with_card(self, card: ModelCard) -> Detector:
        """Return the same network with another card: a site's thresholds in place of the model's own."""
        return Detector(self._session, card, self.sha256, self._where)

    def run(self, tensor: Float32Array) -> Raw:
        """Return what the network says about ``tensor``, float32, shape (1, 1, size, size), 0 to 1.

        Raises ``MODEL_NUMERIC`` where any output is NaN, infinite or not a probability, and ``MODEL_FORMAT`` where
        shapes are not those of docs/reference/model-format.md: nothing is guessed from a broken answer.
        """
        self._require(tensor)
        outputs = {name: self._check(name, values) for name, values in self._session.run(tensor).items()}
        raw = Raw(**outputs)
        found = (raw.boxes.shape, raw.scores.shape, raw.image_scores.shape, raw.maps.shape[:1], raw.features.ndim)
        labels, places = len(self.card.labels), len(raw.boxes)
        if found != ((places, 4), (places, labels), (labels,), (labels,), 1) or raw.maps.ndim != 3:
            raise ModelError("MODEL_FORMAT", self._where, f"outputs of shapes {found}")
        anatomy = (
            None if raw.organs is None else raw.organs.shape[:1],
            None if raw.mirrored is None else raw.mirrored.shape,
        )
        if anatomy not in {(None, None), ((3,), (1,))}:
            raise ModelError("MODEL_FORMAT", self._where, f"an anatomy of shapes {anatomy}")
        if self.card.gate is not None and (raw.gate is None or raw.gate.shape != (len(self.card.gate.classes),)):
            raise ModelError("MODEL_FORMAT", self._where, "a gate output that its card does not describe")
        return raw

    def run_part(self, tensor: Float32Array) -> tuple[Float32Array, Float32Array]:
        """Return boxes, (P, 4), and scores, (P, L), of a part of a film, for the L labels of the card's second look.

        ``tensor``: the part, float32, shape (1, 1, size, size), 0 to 1; boxes are in its pixels. By what the network
        was taught about parts; where it was not, by what it says of whole films. Of a card without a second look L is
        0. Raises what :meth:`run` raises.
        """
        self._require(tensor)
        labels = self.card.second_look.labels if self.card.second_look else ()
        said = {name: self._check(name, values) for name, values in self._session.run_part(tensor).items()}
        if not said:
            raw = self.run(tensor)
            return raw.boxes, raw.scores[:, [self.card.labels.index(label) for label in labels]]
        boxes, scores = said["part_boxes"], said["part_scores"]
        if boxes.shape != (len(boxes), 4) or scores.shape != (len(boxes), len(labels)):
            raise ModelError("MODEL_FORMAT", self._where, f"outputs for parts of shapes {boxes.shape}, {scores.shape}")
        return boxes, scores

    def _require(self, tensor: Float32Array) -> None:
        size = self.card.input_size
        if tensor.shape != (1, 1, size, size) or tensor.dtype != np.float32:
            raise ModelError("MODEL_FORMAT", self._where, f"given {tensor.dtype} {tensor.shape}, not (1, 1, {size}, …)")
        if not np.isfinite(tensor).all():
            raise ModelError("MODEL_NUMERIC", self._where, "the prepared film holds a value that is not a number")

    def _check(self, name: str, values: Float32Array) -> Float32Array:
        if values.dtype != np.float32 or values.ndim < 2 or values.shape[0] != 1:
            raise ModelError("MODEL_FORMAT", self._where, f"output {name} is {values.dtype} {values.shape}")
        if not np.isfinite(values).all():
            raise ModelError("MODEL_NUMERIC", self._where, f"output {name} holds a value that is not a number")
        if name not in {"boxes", "features", "part_boxes"}:
            if values.size and (values.min() < -_SLACK or values.max() > 1 + _SLACK):
                raise ModelError("MODEL_NUMERIC", self._where, f"output {name} goes beyond 0 and 1")
            values = np.clip(values, 0, 1)
        values.flags.writeable = False
        first: Float32Array = values[0]
        return first


def read_model(model: str | Path = "default", *, sha256: str | None = None) -> ModelFile:
    """Return a model file, or the one that ships with lungspot (``"default"``), read once and judged.

    ``sha256``: refuse any other file. Raises :class:`~lungspot.errors.ModelError` (``MODEL_MISSING``, ``MODEL_HASH``,
    ``MODEL_FORMAT``).
    """
    path = Path(model)
    if model == "default":
        path, sha256 = default_weights()
    try:
        if regular(path).stat().st_size > _MAX_BYTES:
            raise ModelError("MODEL_FORMAT", path, f"larger than {_MAX_BYTES >> 20} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise ModelError("MODEL_MISSING", path, error.strerror or "cannot be read") from error
    return examine(data, str(path), sha256=sha256)


def detector_from(file: ModelFile, *, threads: int = 2) -> Detector:
    """Return the detector of a file that :func:`read_model` returned; ``threads`` as in :func:`load_detector`."""
    return Detector(NetworkSession(file, threads), file.card, file.sha256, file.where)


def load_detector(model: str | Path = "default", *, threads: int = 2, sha256: str | None = None) -> Detector:
    """Return the detector of a model file, or the one that ships with lungspot (``"default"``).

    ``threads``: how many threads one film may use; the result does not depend on it. ``sha256``: refuse any other file.
    Raises :class:`~lungspot.errors.ModelError` (``MODEL_MISSING``, ``MODEL_HASH``, ``MODEL_FORMAT``) before anything in
    the file is run.
    """
    return detector_from(read_model(model, sha256=sha256), threads=threads)
