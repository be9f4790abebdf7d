"""The folder that a file server serves: the viewer, the engine, the model, the runtime, and what holds them together.

The viewer is the one of ``lungspot serve``: its files are taken as they are, but for ``api.js``, which asks a server,
and in whose place stands the one that answers in the page itself; and for a few lines of its ``index.html``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from lungspot import BANNER
from lungspot.detect import Detector, detector_from, read_model
from lungspot.images import read
from lungspot.outputs import Outputs
from lungspot.web.facts import page_facts
from lungspot.web.runtime import require_vendored, vendor, vendored_files

__all__ = ["POLICY", "build_page", "write_page"]

_HERE: Final = Path(__file__).parent
_VIEWER: Final = _HERE.parent / "serve" / "viewer"  # files, no code: nothing of the room is imported
_MODEL: Final = "model/lungspot.onnx"
_FILM: Final = "film/film"
_RUNTIME: Final = "runtime/ort-wasm-simd-threaded.wasm.gz"
_COMMENT: Final = re.compile(
    r"^[ \t]*(?://.*|/\*(?:[^*]|\*(?!/))*\*/[ \t]*)$", re.MULTILINE
)  # with its lines to itself
_INDENT: Final = re.compile(r"^[ \t]+", re.MULTILINE)

# What the page may do. Once model and runtime are there, it takes `connect-src` away too (page/thread.js).
POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; style-src 'self'; "
    "img-src blob: data:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'"
)
# (in the viewer's index.html, in the page's)
_CHANGES: Final = (
    (
        '<meta charset="utf-8">',
        f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
    ),
    (
        "<title>lungspot</title>",
        '<title>lungspot in the browser</title>\n<link rel="manifest" href="lungspot.webmanifest">',
    ),
    ('<link rel="stylesheet" href="viewer/screening.css">', '<link rel="stylesheet" href="viewer/local.css">'),
    (
        '<script type="module" src="viewer/main.js">',
        '<script type="module" src="viewer/offline.js"></script>\n<script type="module" src="viewer/main.js">',
    ),
    (
        '<div class="actions">',
        '<p id="local">Read here. <a href="how.html">No byte of a film leaves this page</a></p>\n<div class="actions">',
    ),
    ("DICOM, PNG, JPEG or zip", "DICOM, PNG or JPEG"),
    ("press O: DICOM, PNG, JPEG, or a zip of them.", "press O: DICOM, PNG or JPEG."),
)


def build_page(
    model: str | Path = "default", *, runtime: Path | None = None, film: Path | None = None
) -> dict[str, bytes]:
    """Return the page's files by path; raises what loading the model raises, and SetupError ``WEB_RUNTIME``.

    ``runtime``: a folder of packages as ``npm pack`` makes them; without it what this lungspot was built with.
    ``film``: one that the page opens by itself, to show what it does; FilmError where there is none.
    """
    vendored = list(require_vendored() if runtime is None else vendor(runtime))
    file = read_model(model)
    files = _files(detector_from(file), file.data, vendored, None if film is None else film.name)
    if film is not None:
        read(film)
        files[_FILM] = film.read_bytes()
    files["sw.js"] = _with_list(files["sw.js"], files)
    return files


def _files(
    detector: Detector, model: bytes, vendored: Iterable[tuple[str, bytes]], film: str | None
) -> dict[str, bytes]:
    files = dict(vendored)
    files |= {f"viewer/{path.name}": _short(path) for path in _VIEWER.iterdir() if path.suffix in {".js", ".css"}}
    for folder, place in (("engine", "engine"), ("page", "viewer")):
        files |= {f"{place}/{path.name}": _short(path) for path in (_HERE / folder).iterdir() if path.is_file()}
    for name in ("how.html", "lungspot.webmanifest", "sw.js"):
        files[name] = files.pop(f"viewer/{name}")
    files["index.html"] = _index().encode()
    files[_MODEL] = model
    sizes = {"model": len(model), "runtime": len(files[_RUNTIME])}
    shown = None if film is None else {"path": _FILM, "name": film}
    facts = page_facts(detector) | {"sizes": sizes, "film": shown}
    files["facts.json"] = json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()
    files["LICENCES.txt"] = _licences().encode()
    return files


def write_page(
    outputs: Outputs,
    out: Path,
    *,
    model: str | Path = "default",
    runtime: Path | None = None,
    film: Path | None = None,
) -> int:
    """Write the page of :func:`build_page` into the folder ``out`` and return its bytes; raises what both raise."""
    files = build_page(model, runtime=runtime, film=film)
    with outputs.folder(out) as folder:
        for name, content in files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    return sum(map(len, files.values()))


def _short(path: Path) -> bytes:
    """Return a file of ours without comments and indentation, its code on the lines where the source has it.

    Exact, for no string of ours goes over several lines (a test looks).
    """
    if path.suffix not in {".js", ".css"}:
        return path.read_bytes()
    bare = _COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), path.read_text("utf-8"))
    return _INDENT.sub("", bare).encode()


def _index() -> str:
    """Return the viewer's page with what is other in a page without a server."""
    text = (_VIEWER / "index.html").read_text("utf-8")
    for old, new in _CHANGES:
        if old not in text:
            raise AssertionError(f"index.html has no {old}")
        text = text.replace(old, new)
    begin, end = text.index("        <li>COCO:"), text.index('        <li><a href="v1/reviews.json"')
    return text[:begin] + text[end:]


def _with_list(worker: bytes, files: Mapping[str, bytes]) -> bytes:
    """Return the service worker with the list of all files and a version that changes when one of them does."""
    names = sorted(name for name in files if name != "sw.js")
    digest = hashlib.sha256(b"".join(hashlib.sha256(files[name]).digest() for name in names)).hexdigest()[:16]
    known = {"VERSION": digest, "POLICY": POLICY, "FILES": names}
    return "".join(f"const {name} = {json.dumps(value)};\n" for name, value in known.items()).encode() + worker


def _licences() -> str:
    """Return which package each file comes from, and under which licence."""
    lines = [f"lungspot. {BANNER} Its code: Apache-2.0; its model: see the page.", ""]
    lines += [f"{each.path}: {each.package}" for each in vendored_files()]
    return "\n".join(lines) + "\n"
