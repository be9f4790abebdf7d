"""lungspot finds and boxes lung disease in chest X-rays. Research use only: not a medical device.

Importing this package loads nothing heavy; names are resolved when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lungspot.images.read import read as read
    from lungspot.pipeline import analyze as analyze

__version__ = "0.1.0"  # the version of the code; a model file has one of its own
# Stands on every page, picture, report and result.
BANNER: Final = "Research use only, not for clinical use."

__all__ = ["BANNER", "__version__", "analyze", "read"]

_HOMES: Final = {"analyze": "lungspot.pipeline", "read": "lungspot.images"}


def __getattr__(name: str) -> object:
    """Import a public name from its room at first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'lungspot' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - this function is the lazy import

    return getattr(import_module(_HOMES[name]), name)
