"""Where the detector that ships lies, and the hash that it must have.

``weights/manifest.json``: ``{"file": "lungspot.onnx", "sha256": "…"}``; written when the weights are made.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from lungspot.errors import ModelError

__all__ = ["default_weights"]


def default_weights() -> tuple[Path, str]:
    """Return the path and the pinned SHA-256 of the shipped model; raises ``MODEL_MISSING`` where there is none."""
    folder = Path(str(resources.files("lungspot"))) / "weights"
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        name, sha256 = str(manifest["file"]), str(manifest["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError("MODEL_MISSING", folder / "manifest.json", "this installation ships no weights") from error
    if Path(name).name != name or len(sha256) != 64:
        raise ModelError("MODEL_MISSING", folder / "manifest.json", "it names no file beside it, or no SHA-256")
    return folder / name, sha256
