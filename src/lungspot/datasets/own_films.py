"""A folder of films with a CSV of image labels: one's own, or any download in this form (:mod:`.image_labels`).

Boxes: none.
Known faults: labels without a place; without a patient every film is someone else's.
"""

from __future__ import annotations

from typing import Final

from lungspot.datasets.declaration import Dataset, TruthSource
from lungspot.formats import IMAGE_LABELS_READER, image_label_cases

__all__ = ["DATASET"]

DATASET: Final = Dataset(
    name="csv",
    folder="csv",
    title="a folder of films with a CSV of image labels",
    boxed="none",
    citation="the publisher's",
    link="docs/reference/datasets.md",
    terms="the publisher's",
    cases=image_label_cases,
    sources=(TruthSource(IMAGE_LABELS_READER),),
    patients_known=False,
)
