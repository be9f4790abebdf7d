"""From file to pixels: the one way in. Knows films and files, not diseases, models or datasets.

What other rooms use is named in ``__all__``. Names that need pydicom are imported when they are first used: who reads
pictures does not wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lungspot.images.align import Alignment, Thumbnail, align, thumbnail
from lungspot.images.archive import is_archive, members
from lungspot.images.dicom_file import dicom_bytes
from lungspot.images.difference import Difference, LocalChange, difference
from lungspot.images.facts_in_words import age_in_years, parse_sex, parse_view
from lungspot.images.files import DICOM_SUFFIXES, IMAGE_SUFFIXES, has_suffix, is_hidden, list_files, walk
from lungspot.images.orientation import AXES, UNKNOWN_ORIENTATION, Orientation
from lungspot.images.pixel_shape import with_pixel_shape
from lungspot.images.prepare import Placement, Prepared, normalise, prepare, squash
from lungspot.images.radiograph import WARNINGS, Device, Notice, Origin, Pixels, Radiograph, Sex, View
from lungspot.images.radiograph_forms import png_depth, radiograph_png, radiograph_to_json
from lungspot.images.read import MAX_BYTES, dicom_bytes_of, film_bytes, read, read_header
from lungspot.images.sides import SIDE_UNKNOWN, draw_sides
from lungspot.images.statistics import ImageStatistics, image_statistics

if TYPE_CHECKING:
    from lungspot.images.deidentify import Pseudonyms, deidentified
    from lungspot.images.deidentify_folder import (
        deidentify_files,
        films_to_deidentify,
        is_one_film,
        secret_key,
        why_not_into,
    )
    from lungspot.images.dicom_facts import patient_facts
    from lungspot.images.dicom_header import SYNTAXES
    from lungspot.images.dicom_lut import table_of
    from lungspot.images.dicom_values import (
        date_of,
        is_uid,
        number_of,
        numbers_of,
        text_of,
        values_of,
        whole_of,
        words_of,
    )
    from lungspot.images.dicomdir import dicomdir_files
    from lungspot.images.fork_server import use_fork_server
    from lungspot.images.identity import Identity, read_identity, taken_at

__all__ = [
    "AXES",
    "DICOM_SUFFIXES",
    "IMAGE_SUFFIXES",
    "MAX_BYTES",
    "SIDE_UNKNOWN",
    "SYNTAXES",
    "UNKNOWN_ORIENTATION",
    "WARNINGS",
    "Alignment",
    "Device",
    "Difference",
    "Identity",
    "ImageStatistics",
    "LocalChange",
    "Notice",
    "Orientation",
    "Origin",
    "Pixels",
    "Placement",
    "Prepared",
    "Pseudonyms",
    "Radiograph",
    "Sex",
    "Thumbnail",
    "View",
    "age_in_years",
    "align",
    "date_of",
    "deidentified",
    "deidentify_files",
    "dicom_bytes",
    "dicom_bytes_of",
    "dicomdir_files",
    "difference",
    "draw_sides",
    "film_bytes",
    "films_to_deidentify",
    "has_suffix",
    "image_statistics",
    "is_archive",
    "is_hidden",
    "is_one_film",
    "is_uid",
    "list_files",
    "members",
    "normalise",
    "number_of",
    "numbers_of",
    "parse_sex",
    "parse_view",
    "patient_facts",
    "png_depth",
    "prepare",
    "radiograph_png",
    "radiograph_to_json",
    "read",
    "read_header",
    "read_identity",
    "secret_key",
    "squash",
    "table_of",
    "taken_at",
    "text_of",
    "thumbnail",
    "use_fork_server",
    "values_of",
    "walk",
    "whole_of",
    "why_not_into",
    "with_pixel_shape",
    "words_of",
]

_MODULES: Final = {
    "Identity": "identity",
    "Pseudonyms": "deidentify",
    "SYNTAXES": "dicom_header",
    "date_of": "dicom_values",
    "deidentify_files": "deidentify_folder",
    "dicomdir_files": "dicomdir",
    "films_to_deidentify": "deidentify_folder",
    "is_one_film": "deidentify_folder",
    "is_uid": "dicom_values",
    "number_of": "dicom_values",
    "numbers_of": "dicom_values",
    "patient_facts": "dicom_facts",
    "read_identity": "identity",
    "secret_key": "deidentify_folder",
    "table_of": "dicom_lut",
    "taken_at": "identity",
    "text_of": "dicom_values",
    "use_fork_server": "fork_server",
    "values_of": "dicom_values",
    "whole_of": "dicom_values",
    "why_not_into": "deidentify_folder",
    "words_of": "dicom_values",
    "deidentified": "deidentify",
}


def __getattr__(name: str) -> object:
    """Import a name from its module at first use (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - this function is the late import

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
