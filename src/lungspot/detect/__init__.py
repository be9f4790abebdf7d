"""The model's reading: one sealed file in, boxes with calibrated scores in pixels of the original film out."""

from lungspot.detect.card import METADATA_KEY, OPERATING_POINTS, GateCard, ModelCard, Platt, Thresholds

__all__ = ["METADATA_KEY", "OPERATING_POINTS", "GateCard", "ModelCard", "Platt", "Thresholds"]
