"""Reports as one HTML file each: a room's template and style, under the style that all reports share. No script.

What a page shows are values, every one of which the template escapes; the page's Content-Security-Policy allows its
style by hash, and nothing from a network.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import Any

from lungspot.extras import extra

__all__ = ["csp_hash", "fill_page", "page_part"]


def fill_page(
    room: str,
    needs: str,
    what: str,
    *,
    charts: bool = False,
    **values: Any,  # noqa: ANN401 - whatever the template shows
) -> str:
    """Return the HTML text of ``page.html`` in a room (a package's dotted name), filled with ``values``.

    The template also has ``style``, the shared sheet, with ``charts`` theirs, and the room's ``page.css``, and
    ``style_hash``. ``needs``: the extra that brings Jinja2, without which ``MISSING_EXTRA`` is raised, and ``what``:
    what it is needed for.
    """
    with extra(needs, what):
        from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - an optional package

    shared = ("pages.css", "charts.css") if charts else ("pages.css",)
    style = "".join(page_part("lungspot", sheet) for sheet in shared) + page_part(room, "page.css")
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    template = environment.from_string(page_part(room, "page.html"))
    return template.render(style=style, style_hash=csp_hash(style), **values)


def page_part(room: str, name: str) -> str:
    """Return the text of a file in a room."""
    return resources.files(room).joinpath(name).read_text(encoding="utf-8")


def csp_hash(text: str) -> str:
    """Return how a Content-Security-Policy names an inline style or script, without its quotes."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
