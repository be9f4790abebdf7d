"""``lungspot info``: what a film says about itself, and what this installation is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lungspot.cli.console import Tally, aligned, emit, film_source

__all__ = ["info", "installation"]

# what decodes what; each is part of the base install
_DECODERS = {
    "DICOM": "pydicom",
    "PNG, JPEG, TIFF, WebP, BMP": "PIL",
    "JPEG 2000, HTJ2K": "openjpeg",
    "JPEG-LS": "jpeg_ls",
    "JPEG baseline, extended, lossless": "imagecodecs",
    "RLE": "rle",
}
_PACKAGES = (
    "numpy",
    "pillow",
    "pydicom",
    "pylibjpeg-openjpeg",
    "pylibjpeg-rle",
    "pyjpegls",
    "imagecodecs",
    "tifffile",
    "onnxruntime",
)


def info(
    films: Annotated[
        list[Path] | None, typer.Argument(metavar="FILM", help="Films to describe; - is standard input.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; one line a film.")] = False,
    labels: Annotated[bool, typer.Option("--labels", help="List the labels that lungspot knows.")] = False,
) -> None:
    """Describe films; without a film, describe this installation.

    Each film is read whole, so a film that `info` describes is one that lungspot can read.
    """
    if labels and films:
        raise typer.BadParameter("--labels describes no film; give one or the other")
    if films:
        raise typer.Exit(_describe(films, as_json=as_json))
    if labels and as_json:
        for label in _label_facts():
            emit(label)
    elif labels:
        _show(_label_lines(_label_facts()))
    elif as_json:
        emit(installation())
    else:
        _show(_installation_lines(installation()))


def _describe(films: list[Path], *, as_json: bool) -> int:
    from lungspot.errors import LungspotError
    from lungspot.images import radiograph_to_json, read

    tally = Tally()
    for path in films:
        try:
            facts = radiograph_to_json(read(film_source(path)))
        except LungspotError as error:
            tally.refuse(error)
            continue
        tally.done += 1
        if as_json:
            emit(facts)
        else:
            _show(_film_lines(facts))
    return tally.exit_code


def installation() -> dict[str, Any]:
    """Return the version of lungspot, of Python and of each package of the base install, and the model's facts."""
    import platform
    from importlib import metadata, util

    from lungspot import __version__

    versions: dict[str, str | None] = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "lungspot": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions,
        "decoders": {what: util.find_spec(module) is not None for what, module in _DECODERS.items()},
        "model": _model_facts(),
        "not_for_clinical_use": True,
    }


def _model_facts() -> dict[str, Any]:
    """Return what the shipped model says about itself, or why there is none; its hash is checked, nothing is imported.

    The card is JSON in the file's metadata (docs/reference/model-format.md), found by its key once the hash is right.
    """
    import hashlib
    import json
    from importlib import resources

    folder = resources.files("lungspot").joinpath("weights")
    try:
        manifest = json.loads(folder.joinpath("manifest.json").read_text("utf-8"))
        data = folder.joinpath(manifest["file"]).read_bytes()
    except (OSError, ValueError, KeyError) as error:
        return {"error": f"this installation ships no weights ({type(error).__name__})"}
    if hashlib.sha256(data).hexdigest() != manifest["sha256"]:
        return {"error": "MODEL_HASH: the file is not the one that its manifest names"}
    start = data.index(b"{", data.rindex(b"lungspot.card"))
    card, _ = json.JSONDecoder().raw_decode(data[start:].decode("utf-8", "replace"))
    said = {key: card[key] for key in ("name", "version", "input_size", "labels", "terms", "intended_use")}
    return said | {"gate": card["gate"] is not None, "sha256": manifest["sha256"]}


def _film_lines(facts: dict[str, Any]) -> list[str]:
    spacing = facts["pixel_spacing_mm"]
    said = {
        "kind": facts["kind"].upper(),
        "modality": facts["modality"],
        "transfer syntax": _syntax_name(facts["transfer_syntax"]),
        "size": f"{facts['width']} x {facts['height']} pixels, {facts['bits']} bits",
        "stored inverted": "yes; turned so that white is dense" if facts["inverted"] else None,
        "pixel spacing": f"{spacing[0]:g} x {spacing[1]:g} mm (row, column)" if spacing else None,
        "view": facts["view"] if facts["view"] != "UNKNOWN" else None,
        "laterality": facts["laterality"],
        "body part": facts["body_part"],
        "age": f"{facts['age_years']:g} years" if facts["age_years"] is not None else None,
        "sex": facts["sex"] if facts["sex"] != "UNKNOWN" else None,
        "SHA-256": facts["sha256"],
    }
    lines = [f"  {name:<16} {value}" for name, value in said.items() if value is not None]
    warnings = [f"  {'warning':<16} {warning['code']}: {warning['text']}" for warning in facts["warnings"]]
    return [facts["path"], *lines, *warnings]


def _syntax_name(syntax: str | None) -> str | None:
    if syntax is None:
        return None
    from pydicom.uid import UID  # loaded already: the film was read with it

    return UID(syntax).name


def _installation_lines(facts: dict[str, Any]) -> list[str]:
    packages = [f"  {package:<20} {version or 'missing'}" for package, version in facts["packages"].items()]
    missing = [what for what, present in facts["decoders"].items() if not present]
    verdict = f"  cannot decode: {'; '.join(missing)}" if missing else "  every decoder is here"
    model = facts["model"]
    if "error" in model:
        about = [f"  model: {model['error']}"]
    else:
        about = [
            f"  model {model['name']} {model['version']}, {model['input_size']} pixels, SHA-256 {model['sha256']}",
            f"  looks for {', '.join(model['labels'])}",
            f"  terms: {model['terms']}",
        ]
    return [f"lungspot {facts['lungspot']}, Python {facts['python']}, {facts['platform']}", *packages, *about, verdict]


def _label_facts() -> list[dict[str, Any]]:
    from lungspot.findings import label_to_json, taxonomy

    return [label_to_json(label) for label in taxonomy()]


def _label_lines(labels: list[dict[str, Any]]) -> list[str]:
    rows = ((label["id"], label["name"], ", ".join(map(" ".join, label["codes"].items()))) for label in labels)
    return aligned((), rows)


def _show(lines: list[str]) -> None:
    from lungspot.errors import printable

    typer.echo("\n".join(printable(line) for line in lines))
