"""The log of a service: one line a record on stderr, for people or as JSON, with nothing of a patient in it.

``serve``, ``node`` and ``batch`` speak by the standard :mod:`logging`, as ``lungspot.serve`` and so on. Whoever runs
them in a program of their own attaches handlers as for any library, with :class:`PatientFilter` on each handler.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from traceback import extract_tb
from typing import Any, Final, TextIO

from lungspot.errors import LungspotError, printable

__all__ = ["LEVELS", "PatientFilter", "service_log"]

LEVELS: Final = ("debug", "info", "warning", "error")  # of a log, from all to the least
_OURS: Final = "lungspot"
_WITHHELD: Final = "a message of this library, left out because it may quote a film's header"
_PLAIN: Final = (str, int, float, type(None))
_CHAIN: Final = 5  # exceptions of one chain that are written
_CLEARED: Final = "_lungspot_cleared"  # an attribute of a record that a filter, of another handler, has rewritten


class PatientFilter(logging.Filter):
    """Takes out of a record what could name a patient; of other libraries it lets only ``others`` and worse through.

    Other libraries quote what they read, so of their records only logger, level and place stay. In ours, an exception
    among the arguments becomes its code or its type, any other object but numbers and text its type, and a traceback
    keeps its places but no message. Text is made safe for terminals (:func:`~lungspot.errors.printable`).
    """

    def __init__(self, others: int = logging.CRITICAL) -> None:
        super().__init__()
        self._others = others

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; tell whether it is to be written."""
        ours = record.name.partition(".")[0] == _OURS
        if not ours and record.levelno < self._others:
            return False
        if getattr(record, _CLEARED, False):
            return True
        setattr(record, _CLEARED, True)
        message = _message(record) if ours else _WITHHELD
        record.msg, record.args = printable(message), ()
        error = record.exc_info[1] if record.exc_info else None
        record.exc_text = _places(error) if error is not None else None
        record.exc_info = record.stack_info = None
        return True


class _Lines(logging.Formatter):
    """``2026-01-31T12:00:00Z lungspot node: text``; from a warning on, its level stands before the text."""

    def format(self, record: logging.LogRecord) -> str:
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        places = f" [{record.exc_text}]" if record.exc_text else ""
        return f"{_time(record)} {record.name.replace('.', ' ')}: {level}{record.getMessage()}{places}"


class _Json(logging.Formatter):
    """One JSON document a line: ``time``, ``level``, ``logger``, ``message``; with a traceback its ``places``."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_text:
            line["places"] = record.exc_text
        return json.dumps(line)


class _Stderr(logging.StreamHandler[TextIO]):
    """A handler whose stream may be full or closed: a log that cannot be written ends no service."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Go on; logging would write a traceback to the stream that has just failed."""


@contextmanager
def service_log(
    level: str | None = "info", *, json_lines: bool = False, stream: TextIO | None = None
) -> Iterator[None]:
    """Write what is logged from ``level`` on to ``stream`` (stderr) while the block runs; None: write nothing.

    That another library warned or failed is noted with ``debug`` only: what comes of it, our own lines say. Afterwards
    all is as it was.
    """
    root, ours = logging.getLogger(), logging.getLogger(_OURS)
    before = (root.level, ours.level)
    where = stream or sys.stderr
    handler: logging.Handler = logging.NullHandler()
    if level is not None and where is not None:  # a caller may have closed stderr: 2>&-
        handler = _Stderr(where)
        handler.setFormatter(_Json() if json_lines else _Lines())
        handler.addFilter(PatientFilter(logging.WARNING if level == "debug" else logging.CRITICAL))
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    ours.setLevel((level or "error").upper())
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before[0])
        ours.setLevel(before[1])
        handler.close()


def _message(record: logging.LogRecord) -> str:
    """Return the text of one of our records; the bare template where it does not go with its arguments."""
    template = str(_reduced(record.msg))
    try:
        if isinstance(record.args, tuple):
            return template % tuple(map(_reduced, record.args)) if record.args else template
        return template % {key: _reduced(value) for key, value in (record.args or {}).items()}
    except (TypeError, ValueError, KeyError):
        return template


def _reduced(value: Any) -> Any:  # noqa: ANN401 - any argument of a log call
    if isinstance(value, LungspotError):
        return value.code
    return value if isinstance(value, _PLAIN) else type(value).__name__


def _places(error: BaseException) -> str:
    """Return where an exception came from, innermost place first, and the types of its chain; never its text."""
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(parts) < _CHAIN:
        seen.add(id(current))
        frames = [
            f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno} in {frame.name}"
            for frame in reversed(extract_tb(current.__traceback__))
        ]
        parts.append(f"{_reduced(current)} at {' < '.join(frames) or 'no place'}")
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "; after ".join(parts)


def _time(record: logging.LogRecord) -> str:
    return f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%SZ}"
