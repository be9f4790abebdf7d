"""People's readings: every public chest X-ray dataset behind one type, with its holes stated."""

from lungspot.datasets.case import Case, Split
from lungspot.datasets.catalog import DATASETS, load, load_all
from lungspot.datasets.splits import apply_splits, read_splits

__all__ = ["DATASETS", "Case", "Split", "apply_splits", "load", "load_all", "read_splits"]
