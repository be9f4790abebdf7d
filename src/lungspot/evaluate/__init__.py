"""How good: matching, average precision, the area under the ROC curve. numpy only."""

from lungspot.evaluate.classify import auroc
from lungspot.evaluate.detection import Judged, average_precision, judge
from lungspot.evaluate.match import match

__all__ = ["Judged", "auroc", "average_precision", "judge", "match"]
