"""The vocabulary: boxes, labels, readings. Values only: numpy, no files but ``taxonomy.json``, knows no other room."""

from lungspot.findings.boxes import Box, Frame, as_array, enclosing, intersection_matrix, iou_matrix
from lungspot.findings.codec import finding_from_json, finding_to_json, reading_from_json, reading_to_json
from lungspot.findings.fuse import majority, one_reader, union, weighted
from lungspot.findings.labels import DISEASES, Code, Label, LabelSet, Organ, is_label_id, label_id, name_of, taxonomy
from lungspot.findings.reading import (
    ABSENT,
    BOXED,
    EDITED,
    HUMAN,
    MODEL,
    PRESENT,
    UNKNOWN,
    Finding,
    Reading,
    Side,
    State,
    Zone,
)

__all__ = [
    "ABSENT",
    "BOXED",
    "DISEASES",
    "EDITED",
    "HUMAN",
    "MODEL",
    "PRESENT",
    "UNKNOWN",
    "Box",
    "Code",
    "Finding",
    "Frame",
    "Label",
    "LabelSet",
    "Organ",
    "Reading",
    "Side",
    "State",
    "Zone",
    "as_array",
    "enclosing",
    "finding_from_json",
    "finding_to_json",
    "intersection_matrix",
    "iou_matrix",
    "is_label_id",
    "label_id",
    "majority",
    "name_of",
    "one_reader",
    "reading_from_json",
    "reading_to_json",
    "taxonomy",
    "union",
    "weighted",
]
