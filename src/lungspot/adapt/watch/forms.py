"""The files that a watch is written as, by form: a page, JSON, and numbers for Prometheus."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from lungspot.adapt.watch.charts import Watch
from lungspot.adapt.watch.page import watch_page
from lungspot.adapt.watch.report import watch_metrics, watch_to_json
from lungspot.errors import InputError

__all__ = ["WATCH_FORMS", "watch_file", "watch_text"]

_MAKERS: Final[Mapping[str, Callable[[Watch, datetime], str]]] = {
    "html": lambda watch, _: watch_page(watch),
    "json": lambda watch, _: json.dumps(watch_to_json(watch), ensure_ascii=False, allow_nan=False) + "\n",
    "prom": watch_metrics,
}
# The forms by name: ``prom`` is what node_exporter's textfile collector reads.
WATCH_FORMS: Final = tuple(_MAKERS)


def watch_file(form: str) -> str:
    """Return what a form's file is called."""
    return f"watch.{form}"


def watch_text(watch: Watch, form: str, now: datetime) -> str:
    """Return a watch in one of :data:`WATCH_FORMS`; ``now``: when it was looked at, with its zone.

    Raises ``BAD_VALUE`` for another form, and for the page ``MISSING_EXTRA`` without Jinja2 (the ``[eval]`` extra).
    """
    if form not in _MAKERS:
        raise InputError("BAD_VALUE", None, f"{form!r} is none of {', '.join(WATCH_FORMS)}")
    return _MAKERS[form](watch, now)
