"""Annotation files of the labelling tools, CSV tables and our own JSON: read into cases, written from cases."""

from lungspot.formats.case import Case, Split, everything_absent
from lungspot.formats.catalog import ANNOTATION_FORMATS, Format

__all__ = ["ANNOTATION_FORMATS", "Case", "Format", "Split", "everything_absent"]
