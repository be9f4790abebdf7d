"""Boxes against heat maps: the paper as code (docs/explanation/boxes-vs-heatmaps.md). Needs the ``[train]`` extra."""

__all__: list[str] = []
