"""People's readings: every public chest X-ray dataset behind one type, with its holes stated."""

from lungspot.datasets.catalog import DATASETS, load, load_all
from lungspot.datasets.splits import apply_splits, read_splits
from lungspot.formats.case import Case, Split

__all__ = ["DATASETS", "Case", "Split", "apply_splits", "load", "load_all", "read_splits"]
