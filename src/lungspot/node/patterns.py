"""How the node's options match text: ``*`` and ``?`` stand for anything, everything else for itself."""

from __future__ import annotations

from fnmatch import fnmatchcase

__all__ = ["meets"]


def meets(value: str, pattern: str) -> bool:
    """Tell whether a text meets a pattern with ``*`` and ``?``; a bracket is one, and case counts."""
    return fnmatchcase(value, pattern.replace("[", "[[]"))
