"""Does the network look at the disease, or at what gives the source away? Questions that scores do not answer.

Can the source be told from its features? Does a film's probability move when something changes that is not disease? How
often are COVID-19 and tuberculosis, each learnt from few sources, seen on other sources' films that show nothing?
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungspot.detect import Detector, Raw, calibrate, decode
from lungspot.errors import DatasetError, LungspotError
from lungspot.evaluate.classify import auroc
from lungspot.evaluate.matched import Pair
from lungspot.evaluate.metrics import rounded
from lungspot.findings import Reading, State, taxonomy
from lungspot.images import Pixels, normalise, prepare, read, squash

__all__ = ["CHANGES", "linear_probe", "shortcuts"]

_CORNER: Final = 0.14  # of a side: where markers and the collimator's edges are
_COARSE: Final = 96  # pixels
_RIDGE: Final = 10.0


def shortcuts(
    pairs: Sequence[Pair],
    detector: Detector,
    *,
    most: int = 400,
    progress: Callable[[Sequence[Pair]], Iterable[Pair]] = iter,
) -> dict[str, Any]:
    """Return the answers as JSON values, from ``most`` films, evenly spaced over those whose file is here.

    ``probe``: :func:`linear_probe` over two halves of the patients, of all films and of those that show nothing.
    ``changes``: change → label → AUROC before and after, and the mean and mean absolute change of the probability.
    ``other_normals``: label → source → share of films without any finding called positive, and shown boxes on each.
    ``unread``: one line for each film whose file cannot be read. Raises ``DATASET_INCOMPLETE`` where no film's is here.
    """
    here = [pair for pair in pairs if pair.image is not None]
    if not here:
        raise DatasetError("DATASET_INCOMPLETE", None, "no film's file is here to look for shortcuts")
    chosen = [here[i] for i in np.unique(np.linspace(0, len(here) - 1, min(most, len(here))).astype(int))]
    films: list[Pair] = []
    unread: list[str] = []
    features: list[NDArray[np.float32]] = []
    before: list[NDArray[np.float64]] = []
    after: dict[str, list[NDArray[np.float64]]] = {name: [] for name in CHANGES}
    readings: list[Reading] = []
    for pair in progress(chosen):
        try:
            film = read(pair.image or "")  # never empty: the filter above
        except LungspotError as error:
            unread.append(str(error))
            continue
        prepared = prepare(film, detector.card.input_size)
        raw = detector.run(prepared.tensor)
        films.append(pair)
        features.append(raw.features)
        before.append(_probabilities(raw, detector))
        readings.append(decode(raw, prepared.placement, detector.card))
        for name, change in CHANGES.items():
            changed = np.ascontiguousarray(change(prepared.tensor[0, 0])[None, None], dtype=np.float32)
            after[name].append(_probabilities(detector.run(changed), detector))
    if not films:
        raise DatasetError("DATASET_INCOMPLETE", None, f"not one film can be read to look for shortcuts ({unread[0]})")
    labels = detector.card.labels
    clear = np.array([_shows_nothing(pair.true) for pair in films], dtype=np.bool_)
    return {
        "films": len(films),
        "unread": unread,
        "probe": {"all": _halves(films, features, np.ones_like(clear)), "normal": _halves(films, features, clear)},
        "changes": {name: _moved(films, labels, np.stack(before), np.stack(rows)) for name, rows in after.items()},
        "other_normals": {
            label: _on_normals(films, readings, label, detector) for label in labels if taxonomy()[label].germ
        },
    }


def linear_probe(
    learn: NDArray[np.float32], learn_names: Sequence[str], test: NDArray[np.float32], test_names: Sequence[str]
) -> dict[str, float | int] | None:
    """Return how well a ridge regression on features names a film's source: fitted on ``learn``, judged on ``test``.

    ``accuracy`` beside ``majority`` (always naming the commonest); None where there is only one source.
    """
    names = sorted(set(learn_names))
    if len(names) < 2 or not len(test):
        return None
    wanted = np.array([[one == name for name in names] for one in learn_names], dtype=np.float64)
    middle, spread = learn.mean(0), learn.std(0) + 1e-6

    def design(features: NDArray[np.float32]) -> NDArray[np.float64]:
        x = ((features - middle) / spread).astype(np.float64)
        return np.concatenate((x, np.ones((len(x), 1))), 1)

    x = design(learn)
    weights = np.linalg.solve(x.T @ x + _RIDGE * np.eye(x.shape[1]), x.T @ wanted)
    said = [names[i] for i in (design(test) @ weights).argmax(1)]
    true = list(test_names)
    commonest = max(sorted(set(true)), key=true.count)
    right = float(np.mean([a == b for a, b in zip(said, true, strict=True)]))
    return {
        "accuracy": round(right, 3),
        "majority": round(true.count(commonest) / len(true), 3),
        "sources": len(names),
        "films": len(true),
    }


def _without_corners(picture: Pixels) -> Pixels:
    changed = picture.copy()
    side = round(_CORNER * len(picture))
    for rows in (slice(0, side), slice(-side, None)):
        for columns in (slice(0, side), slice(-side, None)):
            changed[rows, columns] = picture.mean()
    return changed


def _coarse(picture: Pixels) -> Pixels:
    return normalise(squash(squash(picture, _COARSE), len(picture)))


# change → what it does to a prepared film, (size, size), 0 to 1
CHANGES: Final[dict[str, Callable[[Pixels], Pixels]]] = {
    "corners masked": _without_corners,
    f"degraded to {_COARSE} px": _coarse,
    "flipped": lambda picture: picture[:, ::-1],
    "darker (gamma 1.4)": lambda picture: picture ** np.float32(1.4),
    "brighter (gamma 0.7)": lambda picture: picture ** np.float32(0.7),
}


def _probabilities(raw: Raw, detector: Detector) -> NDArray[np.float64]:
    seen = zip(detector.card.labels, raw.image_scores, strict=True)
    of = detector.card.image_calibration
    return np.array([float(calibrate(np.array([score]), of.get(label))[0]) for label, score in seen])


def _shows_nothing(true: Reading) -> bool:
    states = true.states.values()
    return State.ABSENT in states and not any(state.is_positive for state in states)


def _halves(
    films: Sequence[Pair], features: Sequence[NDArray[np.float32]], kept: NDArray[np.bool_]
) -> dict[str, float | int] | None:
    """Return the probe's answer on half of the patients when fitted on the other half, both ways round."""
    patients = sorted({pair.patient for pair in films})
    side = dict(zip(patients, np.random.default_rng(0).permutation(len(patients)) % 2, strict=True))
    parts = [[i for i, pair in enumerate(films) if kept[i] and side[pair.patient] == half] for half in (0, 1)]
    found = []
    for learn, test in (parts, parts[::-1]):
        if learn and test:
            x, y = (np.stack([features[i] for i in part]) for part in (learn, test))
            names, true = ([films[i].groups["source"] for i in part] for part in (learn, test))
            found.append(linear_probe(x, names, y, true))
    known = [one for one in found if one is not None]
    if not known:
        return None
    total = sum(one["films"] for one in known)
    mean = {key: round(sum(one[key] * one["films"] for one in known) / total, 3) for key in ("accuracy", "majority")}
    return {**mean, "films": int(total), "sources": int(max(one["sources"] for one in known))}


def _moved(
    films: Sequence[Pair], labels: Sequence[str], before: NDArray[np.float64], after: NDArray[np.float64]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column, label in enumerate(labels):
        states = [pair.true.state(label) for pair in films]
        known = np.array([state is not State.NOT_LOOKED_FOR for state in states], dtype=np.bool_)
        positive = np.array([state.is_positive for state in states], dtype=np.bool_)[known]
        areas = [auroc(values[known, column], positive) for values in (before, after)]
        gap = after[:, column] - before[:, column]
        found[label] = {
            "auroc": rounded(areas[0]),
            "auroc_changed": rounded(areas[1]),
            "mean_change": rounded(float(gap.mean())),
            "mean_absolute_change": rounded(float(np.abs(gap).mean())),
        }
    return found


def _on_normals(
    films: Sequence[Pair], readings: Sequence[Reading], label: str, detector: Detector
) -> Mapping[str, dict[str, float | int]]:
    limits = detector.card.threshold(label)
    found: dict[str, dict[str, float | int]] = {}
    for source in sorted({pair.groups["source"] for pair in films}):
        mine = [
            reading
            for pair, reading in zip(films, readings, strict=True)
            if pair.groups["source"] == source and _shows_nothing(pair.true)
        ]
        if mine:
            whole = [max(f.score or 0.0 for f in reading.of(label) if f.box is None) for reading in mine]
            found[source] = {
                "films": len(mine),
                "positive": round(float(np.mean([score >= limits.image for score in whole])), 3),
                "boxes": round(float(np.mean([len(reading.boxes(label)) for reading in mine])), 3),
            }
    return found
