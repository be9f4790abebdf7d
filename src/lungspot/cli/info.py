"""``lungspot info``."""

from __future__ import annotations

__all__ = ["info"]


def info() -> None:
    """Say that this verb is being written."""
