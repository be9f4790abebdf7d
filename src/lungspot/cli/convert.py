"""``lungspot convert``."""

from __future__ import annotations

__all__ = ["convert"]


def convert() -> None:
    """Say that this verb is being written."""
