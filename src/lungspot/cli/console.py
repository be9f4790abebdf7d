"""How a verb speaks: data on stdout, people on stderr, one line an error, and the exit codes of docs/reference/cli.md.

0 all done · 1 some inputs refused · 2 usage · 3 nothing could be processed · 4 environment · 5 an alarm · 70 a bug
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, TypeVar

import typer

from lungspot.errors import LungspotError, printable

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "Exit",
    "Overwrite",
    "Tally",
    "aligned",
    "emit",
    "film_source",
    "people",
    "print_bug",
    "print_error",
    "progress",
    "require_one_of",
    "say",
    "write_text",
]

# The option of every verb that writes files (lungspot.outputs).
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace results of an earlier run; never an input, nor another's file.")
]

T = TypeVar("T")


class Exit(IntEnum):
    """What a command ended with."""

    DONE = 0
    SOME_REFUSED = 1
    USAGE = 2
    NOTHING_DONE = 3
    ENVIRONMENT = 4
    ALARM = 5
    BUG = 70


class Tally:
    """Counts what was done and refused in one run, prints each refusal, and knows the exit code at the end."""

    def __init__(self) -> None:
        self.done = 0
        self.refused = 0

    def refuse(self, error: LungspotError) -> None:
        """Print one line for a refused input; an error of the environment is raised instead, for it ends the run."""
        if error.exit_code == Exit.ENVIRONMENT:
            raise error
        self.refused += 1
        print_error(error)

    @property
    def exit_code(self) -> Exit:
        """0, 1 or 3."""
        if not self.refused:
            return Exit.DONE
        return Exit.SOME_REFUSED if self.done else Exit.NOTHING_DONE


def emit(value: Any) -> None:  # noqa: ANN401 - anything that JSON can say
    r"""Write one JSON document as a line on stdout; what the stream or Unicode cannot say becomes ``\uNNNN``."""
    if sys.stdout is None:  # closed by the caller: >&-
        return
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, allow_nan=False)
    write_text(text + "\n")


def write_text(text: str) -> None:
    r"""Write text on stdout at once; what the stream or Unicode cannot say becomes ``\uNNNN``."""
    if sys.stdout is None:  # closed by the caller: >&-
        return
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


def require_one_of(word: str, known: Collection[str], option: str) -> None:
    """Refuse, as a mistake of usage, a word that an option does not know; before any film is looked at."""
    if word not in known:
        raise typer.BadParameter(f"{word!r} is none of {', '.join(known)}", param_hint=option)


def say(text: str) -> None:
    """Write one line for people on stderr."""
    if sys.stderr is not None:  # closed by the caller: 2>&-
        sys.stderr.write(text + "\n")


def print_error(error: LungspotError) -> None:
    """Write ``lungspot: error: WHERE: CODE: reason; advice`` on stderr."""
    say(f"lungspot: error: {error}")


def print_bug(error: BaseException) -> None:
    """Write one line for an error that nobody foresaw; the traceback only where LUNGSPOT_DEBUG asks for it."""
    if os.environ.get("LUNGSPOT_DEBUG"):
        import traceback

        traceback.print_exception(error)
    say(printable(f"lungspot: bug: {type(error).__name__}: {error}; please report it (LUNGSPOT_DEBUG=1 shows more)"))


def film_source(path: Path) -> Path | BinaryIO:
    """Return what to read for a film's path on the command line: ``-`` is standard input."""
    return sys.stdin.buffer if str(path) == "-" and sys.stdin is not None else path


def people(*, stderr: bool = False, width: int | None = None) -> Console:
    """Return a rich console; without colour or boxes' markup where the stream is not a terminal or NO_COLOR is set."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True, width=width)


def aligned(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return lines whose columns line up, the same on a terminal and in a pipe; None is an empty field.

    Words stand to the left, columns of numbers to the right. ``header`` may be empty.
    """
    from rich.table import Table
    from rich.text import Text

    cells = [["" if value is None else str(value) for value in row] for row in rows]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=bool(header), header_style="")
    for column in range(len(header) or max(map(len, cells), default=0)):
        numbers = all(row[column].strip("0123456789.-%") == "" for row in cells)
        head = header[column] if header else ""
        table.add_column(Text(head), justify="right" if numbers else "left", no_wrap=True)
    for row in cells:
        table.add_row(*map(Text, row))
    console = people(width=1 << 16)
    with console.capture() as lines:
        console.print(table)
    return [line.rstrip() for line in lines.get().splitlines()]


def progress(items: Iterable[T], what: str, *, total: int | None = None, quiet: bool = False) -> Iterator[T]:
    """Yield ``items``, of which there are ``total``, with a bar on stderr; silent where stderr is not a terminal."""
    if quiet or not sys.stderr.isatty():
        yield from items
        return
    from rich.progress import track

    yield from track(items, description=what, total=total, console=people(stderr=True), transient=True)
