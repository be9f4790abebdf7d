"""The options that verbs share which run until they are stopped: what their log holds, and in which form."""

from __future__ import annotations

from typing import Annotated

import typer

from lungspot.cli.console import require_one_of
from lungspot.logs import LEVELS

__all__ = ["LogJson", "LogLevel"]


def _known(level: str) -> str:
    require_one_of(level, LEVELS, "--log-level")
    return level


LogLevel = Annotated[
    str,
    typer.Option(
        "--log-level",
        metavar="LEVEL",
        callback=_known,
        help="Log from here on: debug, info, warning or error.",
    ),
]
LogJson = Annotated[bool, typer.Option("--log-json", help="Write the log as JSON, one document a line.")]
