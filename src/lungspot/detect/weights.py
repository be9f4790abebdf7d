"""Where the detector that ships lies, and the hash that it must have.

``weights/manifest.json``: ``{"file": "lungspot.onnx", "sha256": "…"}``; written when the weights are made.
"""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Final

from lungspot.errors import ModelError

__all__ = ["MANIFEST_FILE", "default_weights", "manifest_of"]

MANIFEST_FILE: Final = "manifest.json"  # beside a model file, whose hash it pins


def default_weights() -> tuple[Path, str]:
    """Return the path and the pinned SHA-256 of the shipped model; raises ``MODEL_MISSING`` where there is none."""
    folder = Path(str(resources.files("lungspot"))) / "weights"
    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        name, sha256 = str(manifest["file"]), str(manifest["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError("MODEL_MISSING", folder / MANIFEST_FILE, "this installation ships no weights") from error
    if Path(name).name != name or len(sha256) != 64:
        raise ModelError("MODEL_MISSING", folder / MANIFEST_FILE, "it names no file beside it, or no SHA-256")
    return folder / name, sha256


def manifest_of(name: str, data: bytes) -> bytes:
    """Return the manifest that pins a model file of this name and content to its SHA-256, as JSON."""
    about = {"file": name, "sha256": hashlib.sha256(data).hexdigest()}
    return (json.dumps(about, indent=1) + "\n").encode()
