"""From a run folder to the file that ships: predict val, fit the card, measure on test, build, compare, seal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from lungspot.detect import AnatomyCard, Detector, GateCard, ModelCard, NetworkSession, SecondLook, examine, with_card
from lungspot.errors import DatasetError, InputError
from lungspot.formats import Split
from lungspot.train.accuracy import accuracy, false_positives, source_probe
from lungspot.train.anatomy import TRUSTED, boxes_in_lungs, judge_anatomy, mirror_threshold, predict_anatomy
from lungspot.train.augment import plain
from lungspot.train.calibrate import best_vote, fit, votes_of
from lungspot.train.config import TrainConfig
from lungspot.train.data import FINE, Films
from lungspot.train.gate import GateNet
from lungspot.train.loop import Checkpoint, load_checkpoint
from lungspot.train.model import Mirrored, Network
from lungspot.train.onnx_export import build, compare_outputs, serving
from lungspot.train.onnx_import import OPINION, PARTS, SUFFIX, read_model_file, restore, shape_of
from lungspot.train.parts import PartsHead, parts_in
from lungspot.train.places import place_rule
from lungspot.train.positions import least_inside, positions
from lungspot.train.standing import standing
from lungspot.train.terms import NO_TERMS, card_terms, film_terms
from lungspot.train.validate import (
    NMS_IOU,
    VOTE_IOU,
    NetworkAnswer,
    PartAnswer,
    Predictions,
    ask,
    second_look,
    thinned,
)

__all__ = [
    "COMPARED",
    "ExportedModel",
    "answers_of",
    "export_model",
    "open_checkpoint",
    "part_answers_of",
]

COMPARED: Final = 100  # films on which onnxruntime must say what torch says


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """A sealed model file, its card, and the largest difference between torch and onnxruntime per output."""

    data: bytes
    card: ModelCard
    largest: Mapping[str, float]


def open_checkpoint(run: Path) -> Checkpoint:
    """Return the last checkpoint of a run folder, or the network of a model file, to be released (anew).

    Raises ``NOT_FOUND``, and what :func:`~lungspot.train.onnx_import.read_model_file` raises.
    """
    if run.suffix != SUFFIX:
        return load_checkpoint(run)
    card, weights = read_model_file(run)
    other = {name.removeprefix(OPINION): value for name, value in weights.items() if name.startswith(OPINION)}
    config, network = _network_of(card, weights)
    opinion = _network_of(card, other, partly=True)[1] if other else None
    mine = {name.removeprefix(PARTS): value for name, value in weights.items() if name.startswith(PARTS)}
    parts = parts_in(config, card, {**weights, **mine}) if mine else None  # the exporter stores equal tensors once
    return Checkpoint(config, network, 0, 0.0, 1.0, opinion=opinion, parts=parts, terms=card_terms(card))


def _network_of(card: ModelCard, weights: Mapping[str, Tensor], *, partly: bool = False) -> tuple[TrainConfig, Network]:
    config = TrainConfig(labels=card.labels, sizes=((0.0, card.input_size),), **shape_of(weights))
    network = Network(config)
    restore(network, weights, partly=partly)
    return config, network.eval()


def export_model(  # noqa: PLR0913 - what makes one file another
    checkpoint: Checkpoint,
    films: Films,
    *,
    name: str = "lungspot",
    version: str = "0",
    size: int | None = None,
    mirror: bool = False,
    gate: tuple[GateNet, GateCard] | None = None,
    opinion: Checkpoint | None = None,
    parts: PartsHead | None = None,
    fine: Films | None = None,
    notes: Sequence[str] = (),
    say: Callable[[str], None] = lambda _: None,
) -> ExportedModel:
    """Return the model file of a checkpoint; everything fitted is fitted on val, everything reported is from test.

    ``size``: input pixels, the size that training ended with if None. ``mirror``: the file looks at the mirrored film
    too and gives the mean. ``opinion``: whose view of the film counts as much as the checkpoint's; the checkpoint's own
    second network if None. ``parts``: what boxes parts of films (:func:`parts_head`); the checkpoint's own if None; it
    is kept where it finds more on val. ``fine``: the same films packed larger, of which parts are shown; ``films`` if
    None. ``notes``: what people should know of this model. Licence and terms are those of the datasets that the
    films of train, and what is known about them, come from, and those of all networks that the file is made of. Raises
    ``DATASET_INCOMPLETE`` without films in val, ``BAD_VALUE`` where the other network has other labels,
    ``MODEL_NUMERIC`` where the file and the network disagree.
    """
    labels, pixels = checkpoint.config.labels, size or checkpoint.config.input_size
    val, test = films.of(Split.VAL), films.of(Split.TEST)
    if not len(val):
        raise DatasetError("DATASET_INCOMPLETE", None, "no film of the val split: nothing to calibrate on")
    if opinion and opinion.config.labels != labels:
        raise InputError("BAD_VALUE", "opinion", f"the other network has the labels {opinion.config.labels}")
    fine = films if fine is None else fine
    parts = checkpoint.parts if parts is None else parts
    network: nn.Module = Mirrored(checkpoint.network, pixels) if mirror else checkpoint.network
    networks = (network, gate[0] if gate else None, opinion.network if opinion else checkpoint.opinion)
    served = serving(*networks, parts.boxes if parts else None)
    draft = ModelCard(
        name=name,
        version=version,
        labels=labels,
        input_size=pixels,
        gate=gate[1] if gate else None,
        anatomy=AnatomyCard(1.0) if "organs" in served.outputs else None,
        second_look=parts.look if parts else _look_of(checkpoint.config),
    )
    built = build(served, draft)
    session = _session(built)
    answer, part_answer = answers_of(session), part_answers_of(session, draft)
    said, look = _looked(answer, part_answer, films, fine, draft, own_head=parts is not None)
    votes = votes_of(said, labels)
    ious = [votes.get(label, VOTE_IOU) for label in labels]
    seen = thinned(said, ious)
    if parts and look is None:
        served = serving(*networks)
        built = build(served, replace(draft, second_look=None))
        session = _session(built)
    draft = replace(draft, second_look=look)
    fitted = fit(seen, labels)
    metrics: dict[str, Any] = {"val": accuracy(seen, labels, fitted)}
    say(f"val: mAP@0.4 {metrics['val']['map0.4']}, AUROC {metrics['val']['auroc']}")
    if len(test):
        again = second_look(part_answers_of(session, draft), fine, pixels, look, labels) if look else None
        judged = thinned(ask(answers_of(session), films, test, pixels, again), ious)
        metrics["test"] = accuracy(judged, labels, fitted)
        metrics["false_positives_per_100_normals"] = false_positives(judged, labels, fitted)
        metrics["source_probe"] = source_probe(seen, judged)
        say(f"test: mAP@0.4 {metrics['test']['map0.4']}, AUROC {metrics['test']['auroc']}")
    terms = checkpoint.terms | film_terms(films)
    for other in (gate[0] if gate else None, opinion, parts if look else None):
        terms |= other.terms if other else NO_TERMS
    card = replace(
        draft,
        box_fusion=fitted.box_fusion,
        box_calibration=fitted.box_calibration,
        image_calibration=fitted.image_calibration,
        thresholds=fitted.thresholds,
        nms_iou=NMS_IOU,
        vote_iou=VOTE_IOU,
        vote_ious=votes,
        box_from_map=fitted.box_from_map,
        reliability=fitted.reliability,
        training_data=_sources(films),
        licence=terms.licence,
        terms=terms.text,
        notes=tuple(notes),
    )
    standings, metrics["standing"] = standing(seen, card)
    cells = positions((films.films[i] for i in films.of(Split.TRAIN)), labels)
    least, metrics["boxes_kept_on_val_by_share_inside"] = least_inside((films.films[i] for i in val), labels, cells)
    card = replace(
        card,
        standing=standings,
        place_rule=place_rule(seen, card),
        positions=cells,
        least_inside=least,
        metrics=metrics,
        anatomy=_anatomy(session, films, labels, pixels) if draft.anatomy else None,
    )
    data = with_card(built, card)
    chosen = np.linspace(0, len(films) - 1, min(COMPARED, len(films))).astype(int)
    largest = compare_outputs(served, data, plain(films.pixels[chosen], pixels).numpy()).largest
    return ExportedModel(data, card, largest)


def _look_of(config: TrainConfig) -> SecondLook | None:
    """Return the second look that a run prepared its network for."""
    return SecondLook(config.cropped, config.cache_size, FINE) if config.crop_share else None


def _looked(  # noqa: PLR0913 - two looks at films, and what they are for
    answer: Callable[[Tensor], NetworkAnswer],
    part_answer: Callable[[Tensor], PartAnswer],
    films: Films,
    fine: Films,
    card: ModelCard,
    *,
    own_head: bool,
) -> tuple[Predictions, SecondLook | None]:
    """Return what :func:`ask` gives of val, and the card's second look for the labels of which that finds more.

    That is seen on the fine films of val. ``own_head``: it has a head of its own, which is kept for all its labels,
    where it finds more of each, or for none; and films that hardly show any of them are not looked at again
    (:func:`_least_score`).
    """
    labels, size, look = card.labels, card.input_size, card.second_look
    val = films.of(Split.VAL)
    once = ask(answer, films, val, size)
    if look is None:
        return once, None
    columns = [labels.index(label) for label in look.labels]
    are_fine = [one.stored >= FINE for one in once.films]
    fine_once = _of(once, are_fine)
    if own_head:
        look = replace(look, least_score=_least_score(fine_once, columns))
    again = ask(answer, films, val, size, second_look(part_answer, fine, size, look, labels))
    fine_again = _of(again, are_fine)
    better = {c for c in columns if best_vote(fine_again, c)[1] > best_vote(fine_once, c)[1]}
    if own_head and len(better) < len(columns):
        better = set()
    found = tuple(
        tuple(two[c] if c in better else one[c] for c in range(len(labels)))
        for one, two in zip(once.found, again.found, strict=True)
    )
    kept = tuple(labels[c] for c in columns if c in better)
    return replace(once, found=found), replace(look, labels=kept) if kept else None


def _least_score(seen: Predictions, columns: Sequence[int]) -> float:
    """Return half of the lowest image score of films that have a box of one of the labels; 0 where none has one."""
    boxed = [np.isin(film.labels, columns).any() for film in seen.films]
    return round(float(seen.image[boxed][:, columns].max(1).min()) / 2, 4) if any(boxed) else 0.0


def _of(seen: Predictions, chosen: Sequence[bool]) -> Predictions:
    rows = np.flatnonzero(chosen)
    films, found = tuple(seen.films[i] for i in rows), tuple(seen.found[i] for i in rows)
    return Predictions(films, found, seen.image[rows], seen.features[rows])


def _session(data: bytes) -> NetworkSession:
    """Return the model file made ready: the numbers in a card are those of the file that holds it."""
    return NetworkSession(examine(data, "export"), torch.get_num_threads())


def _anatomy(session: NetworkSession, films: Films, labels: Sequence[str], size: int) -> AnatomyCard:
    """Return what is chosen on val, and how films of test were outlined and known from their mirror images."""
    val = predict_anatomy(session.run, films, films.of(Split.VAL), size)
    sure, inside = mirror_threshold(val), boxes_in_lungs(val, labels)
    found = judge_anatomy(predict_anatomy(session.run, films, films.of(Split.TEST), size), sure)
    return AnatomyCard(sure, {**found, "boxes_in_lungs_on_val": round(inside, 4)}, inside >= TRUSTED)


def answers_of(session: NetworkSession) -> Callable[[Tensor], NetworkAnswer]:
    """Return what a model file says of pictures, as :func:`lungspot.train.validate.ask` asks."""

    def answer(pictures: Tensor) -> NetworkAnswer:
        said = [session.run(picture[None]) for picture in pictures.numpy()]
        boxes, scores, image, features = (
            np.concatenate([one[name] for one in said]) for name in ("boxes", "scores", "image_scores", "features")
        )
        return boxes, scores, image, features

    return answer


def part_answers_of(session: NetworkSession, card: ModelCard) -> Callable[[Tensor], PartAnswer]:
    """Return what a model file says of parts of films, as :func:`lungspot.train.validate.second_look` asks."""
    detector = Detector(session, card, "", card.name)

    def answer(pictures: Tensor) -> PartAnswer:
        said = [detector.run_part(picture[None]) for picture in pictures.numpy()]
        return np.stack([boxes for boxes, _ in said]), np.stack([scores for _, scores in said])

    return answer


def _sources(films: Films) -> tuple[str, ...]:
    train = [films.films[i].source for i in films.of(Split.TRAIN)]
    return tuple(f"{source}: {train.count(source)} films" for source in sorted(set(train)))
