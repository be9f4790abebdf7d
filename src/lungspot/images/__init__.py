"""From file to pixels: the one way in. Knows films and files, not diseases, models or datasets."""

from lungspot.images.prepare import Placement, Prepared, normalise, prepare, squash
from lungspot.images.radiograph import Notice, Origin, Pixels, Radiograph, Sex, View
from lungspot.images.read import read, read_header

__all__ = [
    "Notice",
    "Origin",
    "Pixels",
    "Placement",
    "Prepared",
    "Radiograph",
    "Sex",
    "View",
    "normalise",
    "prepare",
    "read",
    "read_header",
    "squash",
]
