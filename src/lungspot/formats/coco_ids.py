"""The ids of somebody's own COCO file, for results that are held against it: ``COCO(file).loadRes(results)``.

pycocotools and its kin know a film by the id of its image alone, and refuse results with an id that the file has not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from lungspot.errors import DatasetError, LungspotError
from lungspot.formats import coco
from lungspot.formats.case_json import load_json
from lungspot.formats.classes import NO_FINDING, SKIP, ClassMap, ClassNames
from lungspot.formats.predictions import Prediction
from lungspot.formats.reconcile import patient_in

__all__ = ["CocoIds", "in_the_file", "read_coco_ids"]


@dataclass(frozen=True, slots=True)
class CocoIds:
    """The ids of a COCO file: of images by every end of their ``file_name``, of categories by what they mean.

    ``labels``: label id → category id; of two categories of one meaning, the first. ``categories``: as the file lists
    them.
    """

    path: Path
    images: dict[tuple[str, ...], list[float | str]] = field(repr=False)
    labels: dict[str, float | str]
    patients: dict[float | str, str]
    categories: list[dict[str, Any]] = field(repr=False)

    def end_of(self, film: str) -> tuple[str, ...]:
        """Return the longest end that a film's path and an image's name share; empty where none does.

        None, too, where both paths name a patient, and not the same.
        """
        parts = _parts(film)
        ends = (parts[start:] for start in range(len(parts)))
        end = next((end for end in ends if end in self.images), ())
        patient = patient_in(film)
        others = {self.patients[number] for number in self.images.get(end, ())} - {""}
        return () if patient and others and patient not in others else end

    def image_of(self, film: str) -> float | str:
        """Return the id of the image that a film is: the one whose name shares the longest end with the film's path.

        Suffixes and capital letters do not count. Raises ``DATASET_ROW`` where no name ends alike, or several do.
        """
        found = self.images.get(self.end_of(film), [])
        if len(found) != 1:
            what = f"may be any of {len(found)} images" if found else "is no image"
            raise DatasetError(
                "DATASET_ROW", film, f"it {what} of {self.path}", advice="name the film as its file does"
            )
        return found[0]


def read_coco_ids(path: Path, names: ClassNames = None) -> CocoIds:
    """Return the ids of a COCO file; ``names``: what its categories mean. Raises :class:`DatasetError`."""
    value = load_json(path)
    classes = ClassMap.of(names).keeping_unknown()
    listed = coco.annotated_images_in(value, path, classes)  # refuses what is no COCO file
    images: defaultdict[tuple[str, ...], list[float | str]] = defaultdict(list)
    for image, annotated in zip(value["images"], listed, strict=True):
        parts = _parts(annotated.film)
        for start in range(len(parts)):
            images[parts[start:]].append(image["id"])
    patients = {image["id"]: patient_in(image["file_name"]) for image in value["images"]}
    labels: dict[str, float | str] = {}
    for category in value["categories"]:
        meant = classes.look_up(category["name"])
        if meant is not None and meant not in {SKIP, NO_FINDING}:
            labels.setdefault(meant, category["id"])
    return CocoIds(path, dict(images), labels, patients, value["categories"])


def in_the_file(
    predictions: Sequence[Prediction], ids: CocoIds
) -> tuple[dict[str, float | str], list[LungspotError], Counter[str]]:
    """Return the image of each assessed film; the films that are refused; boxes, by label, of no category of the file.

    A film is refused that is no image of the file, may be several, or is one that another film is: if both share its
    name's end, the one that shares more of it is the image.
    """
    found: dict[str, float | str] = {}
    refused: list[LungspotError] = []
    films: dict[float | str, str] = {}
    assessed = [prediction for prediction in predictions if prediction.assessed]
    nearest: Counter[float | str] = Counter()  # image → the longest end that a film shares with its name
    for prediction in assessed:
        end = ids.end_of(prediction.film)
        nearest |= Counter(dict.fromkeys(ids.images.get(end, ()), len(end)))
    for prediction in assessed:
        try:
            number = ids.image_of(prediction.film)
        except DatasetError as error:
            reason = f"{prediction.film}: {error.reason}"
            refused.append(DatasetError(error.code, prediction.where, reason, advice=error.advice))
            continue
        if len(ids.end_of(prediction.film)) < nearest[number]:
            reason = f"{prediction.film} is no image of {ids.path}: another film is nearer to the one of its name"
            refused.append(DatasetError("DATASET_ROW", prediction.where, reason))
            continue
        if (other := films.setdefault(number, prediction.film)) != prediction.film:
            reason = f"{other} and {prediction.film} would both be the image {number!r} of {ids.path}"
            refused.append(DatasetError("DATASET_ROW", prediction.where, reason))
            continue
        found[prediction.film] = number
    kept = (box.label for prediction in predictions if prediction.film in found for box in prediction.boxes)
    return found, refused, Counter(label for label in kept if label not in ids.labels)


def _parts(name: str) -> tuple[str, ...]:
    path = PurePosixPath(name.replace("\\", "/"))
    parts = path.with_suffix("").parts if path.name else path.parts
    return tuple(part.casefold() for part in parts)
