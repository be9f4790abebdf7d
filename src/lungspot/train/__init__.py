"""Makes a detector: from films and people's readings to one sealed model file. Needs the ``[train]`` extra."""

__all__: list[str] = []
