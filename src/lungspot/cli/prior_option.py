"""``--prior``: the earlier films that a run compares its films with."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["PriorFilms"]

PriorFilms = Annotated[
    list[str] | None,
    typer.Option(
        "--prior",
        metavar="FILM",
        help="The patient's earlier film to compare with, or a folder of films (the newest earlier one of the same "
        "patient counts) and of results, whose tracking UIDs go on; may be repeated.",
    ),
]
