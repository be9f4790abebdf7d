"""How a network does on a split while it is being trained: predictions as arrays, and the numbers that choose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.amp import is_autocast_available

from lungspot.detect import SecondLook, most_likely, nms_with_voting, parts, placed
from lungspot.evaluate import auroc, average_precision, match_film
from lungspot.findings import PRESENT, UNKNOWN, State
from lungspot.train.augment import plain
from lungspot.train.data import Films, FilmTruth

__all__ = [
    "KEPT",
    "NMS_IOU",
    "VOTES",
    "VOTE_IOU",
    "Found",
    "NetworkAnswer",
    "PartAnswer",
    "Predictions",
    "answering",
    "ask",
    "detect_all",
    "film_auroc",
    "precision",
    "predict",
    "second_look",
    "thinned",
    "thinned_label",
]

Array = NDArray[np.float64]
NetworkAnswer = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
PartAnswer = tuple[NDArray[np.float32], NDArray[np.float32]]  # boxes and scores of parts of films

KEPT = 50
NMS_IOU, VOTE_IOU = 0.35, 0.4  # chosen on val (docs/explanation/training-log.md); a card carries them
VOTES = (VOTE_IOU, 0.7, 1.0)  # of which a label has the one that val says is best (lungspot.train.calibrate)
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Found:
    """The boxes of one label on one film before fusion: (K, 4) as fractions of the film, and their (K,) scores."""

    boxes: Array
    scores: Array


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a network said about films: ``found[i][c]``, ``image`` (N, C) probabilities, ``features`` (N, D).

    As :func:`ask` gives it ``found`` has a box of every place that counts, as :func:`thinned` one of each finding.
    """

    films: tuple[FilmTruth, ...]
    found: tuple[tuple[Found, ...], ...]
    image: Array
    features: NDArray[np.float32]


def predict(network: nn.Module, films: Films, indices: Iterable[int], size: int) -> Predictions:
    """Return the predictions at ``size`` pixels of a network that gives :class:`~lungspot.train.model.Output`."""
    return thinned(ask(answering(network), films, indices, size))


def answering(network: nn.Module) -> Callable[[Tensor], NetworkAnswer]:
    """Return what :func:`ask` asks of a network, where it lies; it gives :class:`~lungspot.train.model.Output`."""
    network.eval()
    first = next(network.parameters(), None)
    device = torch.device("cpu") if first is None else first.device
    mixed = torch.autocast(device.type, torch.bfloat16) if is_autocast_available(device.type) else nullcontext()

    def answer(pictures: Tensor) -> NetworkAnswer:
        with torch.inference_mode(), mixed:
            said = network(pictures.to(device, memory_format=torch.channels_last))
        outputs = (said.boxes, said.scores.sigmoid(), said.image.sigmoid(), said.features)
        boxes, scores, image, features = (value.float().cpu().numpy() for value in outputs)
        return boxes, scores, image, features

    return answer


def ask(
    answer: Callable[[Tensor], NetworkAnswer],
    films: Films,
    indices: Iterable[int],
    size: int,
    again: Callable[[int, NDArray[np.float32]], PartAnswer] | None = None,
) -> Predictions:
    """Return what ``answer`` says about films, the best boxes of a label (:func:`lungspot.detect.most_likely`).

    ``answer`` takes float32 (N, 1, size, size) and gives boxes (N, P, 4), scores (N, P, C), image scores (N, C) and
    features (N, D), probabilities where docs/reference/model-format.md says so. ``again``: what a second look at a film
    adds, by its index and its image scores (:func:`second_look`).
    """
    chosen = np.fromiter(indices, dtype=np.int64)
    found: list[tuple[Found, ...]] = []
    image, features = [], []
    for start in range(0, len(chosen), _BATCH):
        part = chosen[start : start + _BATCH]
        boxes, scores, probability, feature = answer(plain(films.pixels[part], size))
        boxes = np.clip(boxes, 0, size).astype(np.float32) / np.float32(size)
        image.append(probability.astype(np.float64))
        features.append(feature)
        for i, index in enumerate(part):
            mine, sure = boxes[i], scores[i]
            if again is not None:
                more = again(int(index), probability[i])
                mine, sure = np.concatenate((mine, more[0])), np.concatenate((sure, more[1]))
            found.append(tuple(_best(mine, sure[:, c]) for c in range(sure.shape[1])))
    return Predictions(
        tuple(films.films[i] for i in chosen), tuple(found), np.concatenate(image), np.concatenate(features)
    )


def thinned(said: Predictions, votes: Sequence[float] | float = VOTE_IOU) -> Predictions:
    """Return what :func:`ask` gave with a box of each finding, at most :data:`KEPT` a film and label.

    ``votes``: by how much a box overlaps the one that stays to vote on its corners; of all labels, or (C,).
    """
    ious = np.broadcast_to(np.asarray(votes, np.float64), said.image.shape[1]).tolist()
    found = (tuple(_thinned(each, vote) for each, vote in zip(film, ious, strict=True)) for film in said.found)
    return replace(said, found=tuple(found))


def thinned_label(said: Predictions, label: int, vote: float) -> Predictions:
    """Return the same with one label's boxes thinned out, and the others' as they were."""
    found = ((*film[:label], _thinned(film[label], vote), *film[label + 1 :]) for film in said.found)
    return replace(said, found=tuple(found))


def second_look(
    answer: Callable[[Tensor], PartAnswer], films: Films, size: int, look: SecondLook, labels: Sequence[str]
) -> Callable[[int, NDArray[np.float32]], PartAnswer]:
    """Return what gives boxes (K, 4), fractions of the film, and scores (K, C) of the parts of a film.

    It takes the film's index and image scores (C,). ``answer`` takes parts, float32 (N, 1, size, size), and gives boxes
    (N, P, 4) and scores (N, P, L) of the look's labels; ``labels``: the network's C. A film stored too coarsely,
    or whose image scores are too low (:class:`~lungspot.detect.SecondLook`), has none.
    """
    columns = [labels.index(label) for label in look.labels]

    def again(index: int, image: NDArray[np.float32]) -> PartAnswer:
        if not look.wants(films.films[index].stored, float(image[columns].max())):
            return np.zeros((0, 4), np.float32), np.zeros((0, len(labels)), np.float32)
        shown = parts(plain(films.pixels[index : index + 1], look.size).numpy()[0, 0], look, size)
        found, sure = answer(torch.from_numpy(np.concatenate(shown)))
        boxes = [np.clip(placed(one, window, size), 0, size) for one, window in zip(found, look.windows, strict=True)]
        scores = np.zeros((*sure.shape[:2], len(labels)), np.float32)
        scores[..., columns] = sure
        return np.concatenate(boxes) / np.float32(size), scores.reshape(-1, len(labels))

    return again


def precision(  # noqa: PLR0913 - the questions that a table asks
    predictions: Predictions,
    label: int,
    iou: float,
    fusion: float = 1.0,
    *,
    sources: Sequence[str] | None = None,
    certain: bool = False,
) -> float:
    """Return the AP of one label; a box's score is multiplied by the film's probability to the power ``fusion``.

    ``sources``: only films of these datasets. ``certain``: leave out the films where the label's state is doubtful.
    """
    judged = []
    for film, found, image in zip(predictions.films, predictions.found, predictions.image, strict=True):
        if (sources is not None and film.source not in sources) or (certain and film.noisy[label]):
            continue
        mine = found[label]
        true = film.boxes[film.labels == label].astype(np.float64)
        result = match_film(
            mine.boxes, mine.scores * image[label] ** fusion, true, State.of_code(int(film.states[label])), iou
        )
        if result is not None:
            judged.append(result)
    return average_precision(judged)


def film_auroc(
    predictions: Predictions, label: int, *, sources: Sequence[str] | None = None, certain: bool = False
) -> float:
    """Return the AUROC of one label's film probability over the films where its state is known."""
    rows = [
        i
        for i, film in enumerate(predictions.films)
        if film.states[label] != UNKNOWN
        and (sources is None or film.source in sources)
        and not (certain and film.noisy[label])
    ]
    positive = np.array([predictions.films[i].states[label] >= PRESENT for i in rows], dtype=np.bool_)
    return auroc(predictions.image[rows, label], positive)


def detect_all(predictions: Predictions, labels: Sequence[str], iou: float = 0.4) -> Mapping[str, float]:
    """Return ``ap/LABEL``, ``auroc/LABEL`` and their means ``map`` and ``auroc`` over the labels that have any."""
    ap = {label: precision(predictions, i, iou) for i, label in enumerate(labels)}
    area = {label: film_auroc(predictions, i) for i, label in enumerate(labels)}
    return {
        "map": _mean(ap.values()),
        "auroc": _mean(area.values()),
        **{f"ap/{label}": value for label, value in ap.items()},
        **{f"auroc/{label}": value for label, value in area.items()},
    }


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def _best(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> Found:
    order = most_likely(scores)
    return Found(boxes[order].astype(np.float64), scores[order].astype(np.float64))


def _thinned(found: Found, vote: float) -> Found:
    kept, which = nms_with_voting(found.boxes, found.scores, NMS_IOU, vote, most=KEPT)
    return Found(kept, found.scores[which])
