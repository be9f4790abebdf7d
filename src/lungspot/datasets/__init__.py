"""People's readings: every public chest X-ray dataset behind one type, with its holes stated."""

from lungspot.datasets.case import Case, Split

__all__ = ["Case", "Split"]
