"""Where the network looked, and whether that is where its box is."""

from lungspot.explain.agreement import Agreement, agree, agree_all
from lungspot.explain.cam import cam, in_pixels, standing_out

__all__ = ["Agreement", "agree", "agree_all", "cam", "in_pixels", "standing_out"]
