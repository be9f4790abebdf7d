"""The model's reading: one sealed file in, boxes with calibrated scores in pixels of the original film out."""

from lungspot.detect.anatomy import (
    Anatomy,
    anatomy,
    cardiothoracic_ratio,
    is_plausible,
    left_side,
    lungs_cut_off,
    organ_box,
    trusted_lungs,
)
from lungspot.detect.calibration import Curve, Knots, Platt, calibrate, compose
from lungspot.detect.card import (
    DEFAULT_POINT,
    METADATA_KEY,
    OPERATING_POINTS,
    AnatomyCard,
    GateCard,
    ModelCard,
    PlaceRule,
    SecondLook,
    Standing,
    Thresholds,
)
from lungspot.detect.compact import compact_features
from lungspot.detect.correction import Correction
from lungspot.detect.decode import decode, side_and_zone, sided
from lungspot.detect.detector import Detector, Raw, detector_from, load_detector, read_model
from lungspot.detect.gate import REASONS, GateResult, run_gated
from lungspot.detect.mapbox import cut_map
from lungspot.detect.modelfile import (
    INPUT,
    PART_INPUT,
    PART_OUTPUTS,
    ModelFile,
    examine,
    is_sealed,
    seal_model,
    with_card,
)
from lungspot.detect.nms import most_likely, nms_with_voting
from lungspot.detect.places import Names, Place, find_places
from lungspot.detect.points import at_point, floor_of, in_order, limit_of, reaches
from lungspot.detect.positions import Positions, confine
from lungspot.detect.second_look import look_again, parts, placed
from lungspot.detect.session import NetworkSession
from lungspot.detect.site_mark import SiteMark
from lungspot.detect.weights import MANIFEST_FILE, default_weights, manifest_of

__all__ = [
    "DEFAULT_POINT",
    "INPUT",  # the name of a model file's input, pictures (N, 1, S, S)
    "MANIFEST_FILE",
    "METADATA_KEY",
    "OPERATING_POINTS",
    "PART_INPUT",  # the name of a model file's other input: whether the picture is a part of a film
    "PART_OUTPUTS",
    "REASONS",
    "Anatomy",
    "AnatomyCard",
    "Correction",
    "Curve",
    "Detector",
    "GateCard",
    "GateResult",
    "Knots",
    "ModelCard",
    "ModelFile",
    "Names",
    "NetworkSession",
    "Place",
    "PlaceRule",
    "Platt",
    "Positions",
    "Raw",
    "SecondLook",
    "SiteMark",
    "Standing",
    "Thresholds",
    "anatomy",
    "at_point",
    "calibrate",
    "cardiothoracic_ratio",
    "compact_features",
    "compose",
    "confine",
    "cut_map",
    "decode",
    "default_weights",
    "detector_from",
    "examine",
    "find_places",
    "floor_of",
    "in_order",
    "is_plausible",
    "is_sealed",
    "left_side",
    "limit_of",
    "load_detector",
    "look_again",
    "lungs_cut_off",
    "manifest_of",
    "most_likely",
    "nms_with_voting",
    "organ_box",
    "parts",
    "placed",
    "reaches",
    "read_model",
    "run_gated",
    "seal_model",
    "side_and_zone",
    "sided",
    "trusted_lungs",
    "with_card",
]
