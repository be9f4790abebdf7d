"""Finish the site: finish.py SITE VERSION BIN. Each version's first page, the list of versions, and the live page.

The live page is what `lungspot web` writes, with the real chest film of pydicom-data (MIT), where lungspot is installed
in BIN with the page's runtime; else the site has none, and says so.
"""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
from pathlib import Path

NO_PAGE = "<!doctype html><title>No page</title><p>This site was built without the browser page: make demo web site"
HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>lungspot</title>
<h1>lungspot</h1>
"""
FOOT = "<p>Research use only, not for clinical use.\n"
WHERE = """
import importlib.metadata, pathlib, pydicom.data
terms = next(file for file in importlib.metadata.files("pydicom-data") if file.name == "LICENSE")
print(pydicom.data.get_testdata_file("RG1_J2KI.dcm"))
print(terms.locate())
"""


def live(folder: Path, programs: Path) -> bool:
    """Write the browser page with a film into a folder; False where it cannot be had here."""
    asked = subprocess.run([programs / "python", "-c", WHERE], capture_output=True, text=True, check=False)
    if asked.returncode:
        return False
    film, terms = asked.stdout.splitlines()
    command = [programs / "lungspot", "web", "-o", folder, "--film", film]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        print(made.stderr, end="")
        return False
    shutil.copy(terms, folder / "film" / "LICENSE.txt")
    return True


def numbers(version: str) -> list[int]:
    """Return a version's numbers, by which 0.10.0 is newer than 0.9.0."""
    return [int(part) for part in re.findall(r"\d+", version)]


def main() -> None:
    """Finish one version and list all."""
    site, version, programs = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]).absolute()
    folder = site / version
    shutil.copy(folder / "README.html", folder / "index.html")
    page = folder / "live"
    shutil.rmtree(page, ignore_errors=True)
    if not programs.is_dir() or not live(page, programs):
        page.mkdir(exist_ok=True)
        (page / "index.html").write_text(NO_PAGE, "utf-8")
        print("without the live page: make demo web, then make site")
    versions = sorted((path.parent.name for path in site.glob("*/index.html")), key=numbers, reverse=True)
    listed = "\n".join(
        f'<li><a href="{html.escape(name)}/index.html">lungspot {html.escape(name)}</a>' for name in versions
    )
    (site / "index.html").write_text(f"{HEAD}<ul>\n{listed}\n</ul>\n{FOOT}", "utf-8")


if __name__ == "__main__":
    main()
