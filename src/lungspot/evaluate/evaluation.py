"""From a truth and predictions, of models or people, to all that is said of them: what is held against what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from lungspot.detect import load_detector
from lungspot.errors import DatasetError, InputError, LungspotError
from lungspot.evaluate.matched import Pair, ScoreLimits
from lungspot.evaluate.pairing import Paired, common_films, only_labels, pair_files, people
from lungspot.evaluate.shortcuts import shortcuts
from lungspot.evaluate.summary import EvaluationSettings, Summary, summarise
from lungspot.evaluate.truths import coco_truth, truths
from lungspot.formats import Case, ClassNames

__all__ = ["evaluate_films", "names_people"]


def names_people(predicted: str) -> bool:
    """Say whether the word is ``readers`` or ``reader:NAME``: people who read the films are judged, and no model."""
    return predicted == "readers" or predicted.startswith("reader:")


def evaluate_films(  # noqa: PLR0913 - a truth, what is held against it, and how
    cases: Sequence[Case],
    predicted: str,
    settings: EvaluationSettings | None = None,
    *,
    truth: tuple[str, Path],
    other: str | None = None,
    labels: Sequence[str] = (),
    certain: bool = False,
    threshold: float | None = None,
    names: ClassNames = None,
    model: str | None = None,
    refuse: Callable[[Sequence[LungspotError]], None] = lambda _: None,
    progress: Callable[[Sequence[Pair]], Iterable[Pair]] = iter,
) -> Summary:
    """Judge predictions of ``cases``, or the people who read them; films that cannot be judged are left out and named.

    ``cases``: those of ``truth`` (:func:`truth_source`, :func:`load_truth`, :func:`judged_cases`). ``predicted``: a
    file or folder as for :func:`pair_files`; ``readers``, each against every other of the same film, or
    ``reader:NAME``, one of them against the others. ``other``: another model's predictions, compared on the films that
    both have. ``labels``: only these ids. ``certain``: as for :func:`truths`. ``threshold``, ``names``: as for
    :func:`pair_files`. ``model``: a model file, or ``default``, whose :func:`shortcuts` on these films are looked for;
    ``progress`` is shown them. ``refuse`` is told what is wrong with films before anything is counted; the document has
    it as ``problems``, beside the names of ``truth`` and ``predicted``. Raises ``BAD_VALUE`` where people are to be
    compared with a model, ``DATASET_INCOMPLETE`` where no film is left, and what :func:`pair_files`, :func:`people`,
    :func:`summarise`, :func:`lungspot.detect.load_detector` and :func:`shortcuts` raise.
    """
    settings = settings or EvaluationSettings()
    limits: dict[str, ScoreLimits] = {}
    against: tuple[Sequence[Pair], Mapping[str, ScoreLimits]] | None = None
    if names_people(predicted):
        if other is not None or model is not None:
            raise InputError("BAD_VALUE", predicted, "people are compared with each other, and take no model")
        paired = Paired(people(cases, predicted.partition(":")[2] or None, settings.by), ())
    else:
        readings = truths(cases, truth[0], certain=certain)
        pair = partial(pair_files, readings, coco=coco_truth(*truth), by=settings.by, threshold=threshold, names=names)
        paired, limits = pair(Path(predicted))
        if other is not None:
            second, their_limits = pair(Path(other))
            theirs, paired = common_films(replace(paired, refused=(*paired.refused, *second.refused)), second, other)
            against = (only_labels(theirs, labels) if labels else theirs, their_limits)
    refuse(paired.refused)
    if not paired.pairs:
        advice = "the lines above say why; TRUTH and PREDICTED must be of the same films"
        raise DatasetError("DATASET_INCOMPLETE", predicted, "no film can be judged", advice=advice)
    pairs = only_labels(paired.pairs, labels) if labels else paired.pairs
    summary = summarise(pairs, limits, settings, against)
    if model is not None:
        summary.document["shortcuts"] = shortcuts(pairs, load_detector(model), progress=progress)
    summary.document["truth"], summary.document["predicted"] = truth[1].name, Path(predicted).name
    summary.document["problems"] = [str(error) for error in paired.refused]
    return summary
