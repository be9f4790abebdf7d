"""One reader of a publisher's table, which either raises the first fault (strict) or keeps every one as a problem.

A table is read the same way when it is trained on and when it is checked. What no reader can take (a box without area,
a label that the set does not have) is *refused*: raised where the reading is strict, else kept, and the row goes on
without it. What a reader can live with (a box that leaves its film, a row that is there twice, a new column) is
*noted*: kept where problems are kept, and no more.
"""

from __future__ import annotations

import csv
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from lungspot.errors import DatasetError, InputError
from lungspot.findings import Box, Frame
from lungspot.formats.problems import Problem
from lungspot.formats.tables import Row, open_text, require_file

__all__ = ["STRICT", "Faults", "PublishedTable"]

_SLACK: Final = 0.5  # pixels past the edge that are rounding
_Known = TypeVar("_Known")


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """One CSV file of a publisher.

    ``names``: what the file is called, the first that is there counts. ``headers``: those it was published with, as CSV
    text. ``needs``: columns without which it cannot be read. ``film``: the column that names the film. ``once``:
    columns whose values no two rows share; none: no two rows are alike; None: rows may repeat. ``agree``: a column with
    the same value in all rows of a film.
    """

    names: tuple[str, ...]
    headers: tuple[str, ...]
    needs: tuple[str, ...]
    film: str
    once: tuple[str, ...] | None = ()
    agree: str = ""


@dataclass(slots=True)
class _Seen:
    """What came before in one file."""

    rows: dict[tuple[str, ...], str] = field(default_factory=dict)
    said: dict[str, tuple[str, str]] = field(default_factory=dict)


class Faults:
    """What becomes of a fault in a table: raised as :class:`DatasetError`, or kept in a list of problems.

    Methods return what they read, or None where it was refused and kept. ``where`` is ``path:line``.
    """

    __slots__ = ("_kept",)

    def __init__(self, kept: list[Problem] | None = None) -> None:
        """``kept``: the list that problems are added to; without it, the first is raised."""
        self._kept = kept

    def refuse(self, code: str, where: str, reason: str) -> None:
        """Raise ``DATASET_ROW``, or keep the problem ``code``."""
        if self._kept is None:
            raise DatasetError("DATASET_ROW", where, reason)
        self._kept.append(Problem(code, where, reason))

    def note(self, code: str, where: str, text: str) -> None:
        """Keep a problem that does not stop a strict reader."""
        if self._kept is not None:
            self._kept.append(Problem(code, where, text))

    def label(self, where: str, name: str, known: Mapping[str, _Known], what: str = "label") -> _Known | None:
        """Return what ``known`` has for a publisher's name of a label."""
        if name in known:
            return known[name]
        self.refuse("LABEL_UNKNOWN", where, f"unknown {what} {name!r}")
        return None

    def number(self, where: str, row: Row, column: str, code: str = "ROW_VALUE") -> float | None:
        """Return the finite number in a column."""
        try:
            value = float(row[column])
        except (ValueError, TypeError):
            value = math.nan
        if math.isfinite(value):
            return value
        self.refuse(code, where, f"{column} is {row[column]!r}, not a number")
        return None

    def word(self, where: str, row: Row, column: str) -> str | None:
        """Return the text in a column that must not be empty."""
        text = row[column].strip()
        if not text:
            self.refuse("ROW_VALUE", where, f"{column} is empty")
        return text or None

    def numbers(self, where: str, row: Row, columns: Iterable[str]) -> tuple[float, ...] | None:
        """Return the finite numbers in several columns that make a box; None where one of them is none."""
        found = [self.number(where, row, column, "BOX_NOT_A_NUMBER") for column in columns]
        numbers = tuple(value for value in found if value is not None)
        return numbers if len(numbers) == len(found) else None

    def box(self, where: str, what: str, corners: Sequence[object] | None, frame: Frame | None) -> Box | None:
        """Return the box of x0, y0, x1, y1 (None: refused before); one that leaves ``frame`` is noted.

        ``what`` is the film and the label, for people.
        """
        if corners is None:
            return None
        try:
            x0, y0, x1, y1 = (float(corner) for corner in corners)  # type: ignore[arg-type]  # refused below
        except (TypeError, ValueError, OverflowError):
            self.refuse("BOX_NOT_A_NUMBER", where, f"{what}: {list(corners)!r} are not four numbers")
            return None
        span = f"from ({x0:g}, {y0:g}) to ({x1:g}, {y1:g})"
        try:
            box = Box(x0, y0, x1, y1)
        except InputError:
            inverted = x1 < x0 or y1 < y0
            finite = all(map(math.isfinite, (x0, y0, x1, y1)))
            code = "BOX_NOT_A_NUMBER" if not finite else "BOX_INVERTED" if inverted else "BOX_DEGENERATE"
            self.refuse(code, where, f"a box {span} ({what})")
            return None
        leaves = frame is not None and (x1 > frame.width + _SLACK or y1 > frame.height + _SLACK)
        if leaves or min(x0, y0) < -_SLACK:
            size = "the film" if frame is None else f"a film of {frame.width} x {frame.height}"
            self.note("BOX_OUTSIDE", where, f"{what} {span}, on {size}")
        return box

    def frame(self, where: str, row: Row, width: str, height: str) -> Frame | None:
        """Return the size in two columns."""
        sides = [self.number(where, row, column) for column in (width, height)]
        if sides[0] is None or sides[1] is None:
            return None
        try:
            return Frame(int(sides[0]), int(sides[1]))
        except InputError as error:
            self.refuse("ROW_VALUE", where, f"{width}, {height}: {error.reason}")
            return None

    def rows(self, table: PublishedTable, root: Path) -> Iterator[tuple[str, Row]]:
        """Yield (``path:line``, row) of a table below ``root``, header and repeated rows looked at.

        Raises :class:`DatasetError`: ``DATASET_INCOMPLETE`` where the file is not there or not whole, and in a strict
        reading ``DATASET_COLUMNS`` where a column is missing, ``DATASET_ROW`` where a row is too short.
        """
        path = require_file(root, *table.names)
        seen = _Seen()
        try:
            with open_text(path) as file:
                reader = csv.reader(file, strict=True)
                header = [name.strip() for name in next(reader, [])]
                if not self._header(table, header, path):
                    return
                least = max(header.index(name) for name in table.needs) + 1
                full = max((index for index, name in enumerate(header) if name), default=0) + 1
                for values in reader:
                    where = f"{path}:{reader.line_num}"
                    if values and self._whole(values, where, least, full):
                        row = dict(zip(header, values, strict=False))
                        self._repeated(table, row, where, seen)
                        yield where, row
        except (OSError, EOFError, UnicodeDecodeError, zlib.error, csv.Error) as error:
            raise DatasetError("DATASET_INCOMPLETE", path, f"not a whole CSV file ({error})") from error

    def _header(self, table: PublishedTable, header: list[str], path: Path) -> bool:
        """Note how a header differs from the nearest published one; say whether its rows can be read."""
        missing = [name for name in table.needs if name not in header]
        found = [name for name in header if name]
        if missing and self._kept is None:
            names = ", ".join(found) or "nothing"
            raise DatasetError("DATASET_COLUMNS", path, f"no column {', '.join(missing)} (found: {names})")
        published = [[name.strip() for name in next(csv.reader([text])) if name.strip()] for text in table.headers]
        if found not in published:
            near = min(published, key=lambda names: len(set(names) ^ set(found)))
            gone, new = [n for n in near if n not in found], [n for n in found if n not in near]
            parts = [f"no column {', '.join(gone)}" + (": rows not checked" if missing else "")] if gone else []
            parts += [f"new column {', '.join(new)}"] if new else []
            text = "; ".join(parts) or f"columns in another order: {', '.join(found)}"
            self.note("HEADER_DRIFT", f"{path}:1", text)
        return not missing

    def _whole(self, values: list[str], where: str, least: int, full: int) -> bool:
        if len(values) < least and self._kept is None:
            raise DatasetError("DATASET_ROW", where, f"{len(values)} values where {least} are needed")
        if any("\0" in value for value in values):
            self.refuse("ROW_VALUE", where, "NUL characters; the file is damaged")
            return False
        if len(values) < full:
            self.note("ROW_SHORT", where, f"{len(values)} values where the header has {full}")
            return self._kept is None
        return True

    def _repeated(self, table: PublishedTable, row: Row, where: str, seen: _Seen) -> None:
        if self._kept is None:
            return
        film = row[table.film]
        key = tuple(row[name] for name in table.once) if table.once else tuple(row.values())
        if table.once is not None and (first := seen.rows.setdefault(key, where)) != where:
            self.note("ROW_DUPLICATED", where, f"{film} as in row {first.rpartition(':')[2]}")
        if table.agree:
            before, first = seen.said.setdefault(film, (row[table.agree], where))
            if before != row[table.agree]:
                line = first.rpartition(":")[2]
                self.note("ROW_CONTRADICTS", where, f"{film} is {row[table.agree]!r}, in row {line} {before!r}")


STRICT: Final = Faults()  # of a reader that raises the first fault that it meets
