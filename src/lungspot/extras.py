"""Packages that a light installation does not have: how a missing one is said, and how one that keeps files is loaded.

``with extra("train", "training"):`` stands around every import of an optional package.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from lungspot.errors import SetupError

__all__ = ["extra", "import_matplotlib"]

_OURS = __name__.partition(".")[0]
_MATPLOTLIB = "MPLCONFIGDIR"  # the variable by which matplotlib is told where its settings and its list of fonts lie


@contextmanager
def extra(name: str, what: str, *, otherwise: str = "") -> Iterator[None]:
    """Turn an import that fails for want of an optional package into ``MISSING_EXTRA``: "``what`` needs PACKAGE".

    ``name``: the extra of pyproject.toml that brings it. ``otherwise``: what can be done without it. A module of
    lungspot itself that is missing is a bug, and raised as it is.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in {"", _OURS}:
            raise
        advice = f"pip install 'lungspot[{name}]'{otherwise and f', or {otherwise}'}"
        raise SetupError("MISSING_EXTRA", None, f"{what} needs {error.name}", advice=advice) from error


def import_matplotlib() -> None:
    """Import matplotlib such that it writes nothing into the user's home and takes no style from there.

    While it is imported it makes folders for settings and a list of fonts below the home, unless ``MPLCONFIGDIR`` names
    another place; here that is a folder of this process alone, removed at its end. A caller who has set the variable is
    heeded. Raises ModuleNotFoundError where matplotlib is not installed.
    """
    if "matplotlib.font_manager" in sys.modules or os.environ.get(_MATPLOTLIB):
        import matplotlib.font_manager  # noqa: PLC0415 - an optional package
    else:
        folder = tempfile.mkdtemp(prefix="lungspot-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ[_MATPLOTLIB] = folder
        try:
            import matplotlib.font_manager  # noqa: F401, PLC0415
        finally:
            del os.environ[_MATPLOTLIB]
