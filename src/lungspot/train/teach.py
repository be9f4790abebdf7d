"""A model taught further on a site's films: judged against the one that it began with, and not written if it got worse.

Both are judged on the site's locked films, and on the old test films where those are here: the difference of the mean
AP at IoU 0.4 and of the mean AUROC, over the same resamples of people. The card stays that of the model that was
taught, its thresholds, percentages and standings too, for a site's few films cannot fit ten labels anew; `lungspot
calibrate` does that where they can. It says what was learnt from.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from lungspot import __version__
from lungspot.detect import ModelCard, NetworkSession, examine, read_model, with_card
from lungspot.errors import DatasetError, InputError, ModelError
from lungspot.evaluate import by_patient, compare, permutation_weights
from lungspot.formats import Split
from lungspot.outputs import Outputs
from lungspot.train.accuracy import match_label
from lungspot.train.augment import plain
from lungspot.train.config import TrainConfig
from lungspot.train.data import Films
from lungspot.train.export_model import COMPARED, answers_of, open_checkpoint, part_answers_of
from lungspot.train.gate import load_gate
from lungspot.train.loop import Checkpoint
from lungspot.train.model import Mirrored
from lungspot.train.onnx_export import build, compare_outputs, serving
from lungspot.train.onnx_import import SUFFIX, is_mirrored, read_model_file, shape_of
from lungspot.train.terms import card_terms
from lungspot.train.validate import Predictions, ask, second_look, thinned

__all__ = [
    "RECIPE",
    "TAUGHT_SCHEMA",
    "Taught",
    "run_config",
    "settings_for",
    "taught_report",
    "teach_model",
    "write_taught",
]

TAUGHT_SCHEMA: Final = "lungspot-taught/1"
# A short run at a low rate: what a few hundred films can bear.
RECIPE: Final[Mapping[str, Any]] = {
    "minutes": 15.0,
    "rate": 2e-4,
    "final_rate": 2e-6,
    "backbone_rate": 0.5,
    "warmup": 50,
    "ema": 0.995,
    "label_only_share": 1.0,
}
_METRICS: Final = ("ap0.4", "auroc")
_RESAMPLES: Final = 1000


@dataclass(frozen=True, slots=True)
class Taught:
    """A model file that was taught, its card, the report (``lungspot-taught/1``), and where it got worse, in words."""

    data: bytes
    card: ModelCard
    report: dict[str, Any]
    worse: tuple[str, ...]


def teach_model(  # noqa: PLR0913 - two models, two sets of films, and what may be lost
    checkpoint: Checkpoint,
    films: Films,
    model: Path,
    *,
    old: Films | None = None,
    worse: float = 0.02,
    version: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Taught:
    """Return the model file of a run that began with ``model`` and learnt from ``films``, and how the two compare.

    Judged on the test split of ``films``, and of ``old`` where given. ``worse``: by how much the mean AP or the mean
    AUROC may fall on either. Raises ``BAD_VALUE`` where the two have other labels, ``DATASET_INCOMPLETE`` without a
    film that is locked away, and what :func:`lungspot.detect.read_model` raises.
    """
    own = read_model(model)
    card, size = own.card, own.card.input_size
    if checkpoint.config.labels != card.labels:
        raise InputError("BAD_VALUE", model, f"the model file has the labels {card.labels}")
    if not len(films.of(Split.TEST)):
        raise DatasetError("DATASET_INCOMPLETE", None, "no film is locked away to judge on", advice="add films")
    network: nn.Module = Mirrored(checkpoint.network, size) if is_mirrored(model) else checkpoint.network
    base = open_checkpoint(model)
    served = serving(network, load_gate(model, size)[0] if card.gate else None, base.opinion)
    learnt = films.of(Split.TRAIN)
    people = len({films.films[i].patient for i in learnt})
    about = f"further on {len(learnt)} films of {people} people of one site"
    # What it was taught of parts of films goes with the backbone as it was.
    look = card.second_look if base.parts is None else None
    without = "" if look == card.second_look else " Parts of films are not looked at again."
    terms = card_terms(card) | checkpoint.terms
    after = replace(
        card,
        second_look=look,
        licence=terms.licence,
        terms=terms.text,
        version=version or f"{card.version}+site",
        training_data=(*card.training_data, f"a site's own: {len(learnt)} films"),
        notes=(
            *card.notes,
            f"Taught {about}; thresholds and percentages are those of {card.name} {card.version}.{without}",
        ),
    )
    draft = build(served, after)
    report: dict[str, Any] = {
        "schema": TAUGHT_SCHEMA,
        "software": {"lungspot": __version__},
        "before": {"name": card.name, "version": card.version, "sha256": own.sha256},
        "learnt_from": {"films": len(learnt), "people": people, "steps": checkpoint.step},
        "may_fall_by": worse,
        "judged": {},
    }
    fallen: list[str] = []
    for name, judged_on in (("locked films of the site", films), ("old test films", old)):
        if judged_on is None or not len(judged_on.of(Split.TEST)):
            continue
        sides = [_said(_session(data), judged_on, card) for data in (draft, own.data)]
        report["judged"][name] = {"films": len(judged_on.of(Split.TEST)), **_compared(sides[0], sides[1], card)}
        for metric, row in report["judged"][name]["mean"].items():
            say(f"{name}: {metric} {row['other']} before, {row['one']} after")
            if row["value"] is not None and row["value"] < -worse:
                fallen.append(f"{metric} on the {name} fell by {-row['value']:.3f}, and may by {worse:g}")
    report |= {"got_worse": fallen, "not_for_clinical_use": True}
    metrics = {**card.metrics, "taught": {name: of["mean"] for name, of in report["judged"].items()}}
    card = replace(after, metrics=metrics)
    data = with_card(draft, card)
    chosen = np.linspace(0, len(films) - 1, min(COMPARED, len(films))).astype(int)
    compare_outputs(served, data, plain(films.pixels[chosen], size).numpy())
    return Taught(data, card, report, tuple(fallen))


def taught_report(out: Path) -> Path:
    """Return where the report of a model file that was taught lies: beside it, under its name."""
    return out.with_suffix(".report.json")


def write_taught(found: Taught, out: Path, outputs: Outputs) -> None:
    """Write a model file that was taught to ``out``, and its report beside it (:func:`taught_report`).

    Where it got worse the report alone is written: raises ModelError ``WORSE``, and what ``outputs`` raises.
    """
    outputs.write(taught_report(out), (json.dumps(found.report, indent=1, allow_nan=False) + "\n").encode())
    if found.worse:
        raise ModelError("WORSE", out, "; ".join(found.worse))
    outputs.write(out, found.data)


def _session(data: bytes) -> NetworkSession:
    """Return a model file's bytes made ready."""
    return NetworkSession(examine(data, "taught"), torch.get_num_threads())


def _said(session: NetworkSession, films: Films, card: ModelCard) -> Predictions:
    answer, size, look = answers_of(session), card.input_size, card.second_look
    if look is not None and films.pixels.shape[1] < look.size:
        look = None  # packed too small to show more in part
    again = None if look is None else second_look(part_answers_of(session, card), films, size, look, card.labels)
    said = ask(answer, films, films.of(Split.TEST), size, again)
    return thinned(said, [card.vote_iou_of(label) for label in card.labels])


def _compared(after: Predictions, before: Predictions, card: ModelCard) -> dict[str, Any]:
    """Return per label and in the mean: ``one`` after, ``other`` before, the difference with its interval, and p."""
    patients: Sequence[str] = [film.patient for film in after.films]
    sides = [
        {
            label: match_label(said, column, label, card.box_fusion.get(label, 1.0))
            for column, label in enumerate(card.labels)
        }
        for said in (after, before)
    ]
    drawn, swapped = by_patient(patients, _RESAMPLES, 0), permutation_weights(patients, _RESAMPLES, 1)
    table = compare(sides[0], sides[1], drawn, swapped, _METRICS)
    return {"mean": table.pop("mean"), "labels": table}


def settings_for(model: Path, config: Mapping[str, Any], *, short: bool) -> TrainConfig:
    """Return the config of a run that goes on where a model file stands: its labels, input size and network.

    ``short``: by :data:`RECIPE`. ``config``: settings over all of these.
    """
    card, weights = read_model_file(model)
    shape = {"labels": card.labels, "sizes": ((0.0, card.input_size),), **shape_of(weights)}
    return TrainConfig.from_dict({**TrainConfig().to_dict(), **shape, **(RECIPE if short else {}), **config})


def run_config(begin: Path | None, config: Mapping[str, Any], *, short: bool = False) -> TrainConfig:
    """Return the config of a run that begins with ``begin``: :func:`settings_for` a model file (``.onnx``).

    With another run, or with nothing, the defaults of :class:`TrainConfig`. ``config``: settings over all of these.
    """
    if begin is not None and begin.suffix == SUFFIX:
        return settings_for(begin, config, short=short)
    return TrainConfig.from_dict({**TrainConfig().to_dict(), **config})
