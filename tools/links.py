"""Fail where a link in the documents leads nowhere: to no file of the repository, or to no heading of its page.

Links to other places are not followed: nothing here asks the network.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)


def pages(root: Path) -> list[Path]:
    """Return the documents."""
    return sorted([*root.glob("*.md"), *root.glob("docs/**/*.md")])


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return by which names a page's headings are linked to: lower case, hyphens, no punctuation, -1 for a second."""
    found: set[str] = set()
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for heading in HEADING.findall(text):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        number = 0
        while (numbered := name if number == 0 else f"{name}-{number}") in found:
            number += 1
        found.add(numbered)
    return frozenset(found)


def faults(root: Path) -> list[str]:
    """Return a line for every link that leads nowhere."""
    found = []
    for page in pages(root):
        for target, anchor in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
            there = (page.parent / target).resolve() if target else page
            if not there.exists() or not there.is_relative_to(root):
                found.append(f"{page.relative_to(root)}: {target} is not there")
            elif anchor and there.suffix == ".md" and anchor not in anchors(there):
                found.append(f"{page.relative_to(root)}: {target or page.name} has no heading #{anchor}")
    return found


def main() -> int:
    """Print the faults, or one line that there are none."""
    found = faults(ROOT)
    for fault in found:
        print(f"broken link: {fault}", file=sys.stderr)
    if not found:
        print(f"Links: {len(pages(ROOT))} documents, each link leads somewhere.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
