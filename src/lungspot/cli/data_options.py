"""The arguments and options that the verbs of `lungspot data` share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lungspot.cli.console import require_one_of

__all__ = [
    "Classes",
    "DatasetName",
    "FilmCheck",
    "FilmPlacing",
    "FilmsTo",
    "How",
    "Json",
    "Labels",
    "Out",
    "Quiet",
    "Root",
    "Splits",
    "To",
]

DatasetName = Annotated[
    str, typer.Argument(metavar="NAME", help="A dataset (nih, chestxdet, …), a format (coco, yolo, …), or all.")
]
Root = Annotated[Path, typer.Argument(metavar="ROOT", help="Its folder, laid out as downloaded.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No progress, no summary.")]
Splits = Annotated[
    Path | None, typer.Option("--splits", help="A CSV of image, patient, split; it counts, other films are left out.")
]
Labels = Annotated[list[str] | None, typer.Option("--label", help="Only this label; may be given again.")]


class FilmCheck(StrEnum):
    """What `check` does with the films."""

    SKIP = "skip"
    OPEN = "open"
    COMPARE = "compare"


class FilmPlacing(StrEnum):
    """What happens to the films when annotations are written."""

    LINK = "link"
    COPY = "copy"
    VIEW = "view"
    NONE = "none"


class How(StrEnum):
    """How readers become one."""

    WBF = "wbf"
    MAJORITY = "majority"
    UNION = "union"
    ONE = "one"


Out = Annotated[Path, typer.Option("-o", "--out", help="The new folder to write, or one of an earlier run.")]


def _known_format(name: str) -> str:
    """Refuse a format that nobody can write, before anything is read."""
    from lungspot.formats import ANNOTATION_FORMATS

    require_one_of(name, ANNOTATION_FORMATS, "--to")
    return name


To = Annotated[
    str,
    typer.Option(
        "--to", metavar="FORMAT", callback=_known_format, help="The format to write: one of docs/reference/formats.md."
    ),
]
FilmsTo = Annotated[FilmPlacing, typer.Option("--films", help="Link, copy, or copy in a form that every tool shows.")]
Classes = Annotated[
    list[str] | None,
    typer.Option(
        "--class-map",
        metavar="FILE|NAME=LABEL",
        help="What a tool's class means; NAME=- leaves it out; may be given again.",
    ),
]
