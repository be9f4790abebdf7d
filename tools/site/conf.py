"""How `make site` makes a site of docs/: the pages as they are, each one in the menu, nothing from elsewhere.

A link that leads nowhere, of a page or of a heading, is a warning, and `make site` takes warnings as errors.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SECTION = re.compile(r"^## ([^\n:]+)[^\n]*\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
PAGE = re.compile(r"^- \[[^]]+\]\(([\w/.-]+)\.md\)", re.MULTILINE)
OUTSIDE = re.compile(r"\[([^]]+)\]\(((?:\.\./)+[\w./-]+)\)")  # perhaps: only what lies beside docs/ is not on the site

project = "lungspot"
release = version = re.findall(r'__version__ = "([^"]+)"', (ROOT / "src/lungspot/__init__.py").read_text("utf-8"))[0]
copyright = "the lungspot authors (Apache-2.0). Research use only, not for clinical use"  # noqa: A001 - Sphinx's name
extensions = ["myst_parser"]
root_doc = "README"
myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]  # JSON with an ellipsis is no JSON
html_theme = "furo"
html_title = f"lungspot {version}"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"top_of_page_buttons": []}
templates_path = ["templates"]
parts = ["brand", "search", "scroll-start", "navigation", "live", "scroll-end"]
html_sidebars = {"**": [f"sidebar/{part}.html" for part in parts]}


def as_on_the_site(_app: Sphinx, name: str, source: list[str]) -> None:
    """Give the index a menu of the pages that it lists, that of decisions one of all records; keep links within."""

    def kept(match: re.Match[str]) -> str:
        target = (DOCS / name).parent.joinpath(match[2]).resolve()
        return match[0] if target.is_relative_to(DOCS) else match[1]

    text = OUTSIDE.sub(kept, source[0])
    if name == "README":
        menus = [(title, PAGE.findall(body)) for title, body in SECTION.findall(text)]
    else:
        menus = [("", sorted(path.stem for path in (DOCS / "adr").glob("0*.md")))] if name == "adr/README" else []
    for title, pages in menus:
        if pages:
            head = ["", "```{toctree}", ":hidden:", *([f":caption: {title}"] if title else []), ""]
            text += "\n".join([*head, *pages, "```", ""])
    source[0] = text


def setup(app: Sphinx) -> None:
    """Have each page made ready as it is read."""
    app.connect("source-read", as_on_the_site)
