"""Fail where a room's line and branch coverage is below its floor; reads the .coverage file of the last test run."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import coverage

# room → the least per cent of lines and branches that its tests run
FLOORS = {"findings": 95.0, "images": 95.0}


def covered(data: coverage.Coverage, room: str) -> dict[str, float]:
    """Return the totals of coverage's JSON report for the files of one room."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        data.json_report(include=[f"*/lungspot/{room}/*"], outfile=str(report))
        totals: dict[str, float] = json.loads(report.read_text(encoding="utf-8"))["totals"]
    return totals


def main() -> int:
    """Print a table; return 1 where a floor is broken."""
    data = coverage.Coverage()
    data.load()
    low = []
    print(f"{'room':<12}{'lines':>16}{'branches':>16}{'both':>9}{'floor':>9}")
    for room, floor in FLOORS.items():
        totals = covered(data, room)
        lines = f"{totals['covered_lines']:.0f}/{totals['num_statements']:.0f}"
        branches = f"{totals['covered_branches']:.0f}/{totals['num_branches']:.0f}"
        print(f"{room:<12}{lines:>16}{branches:>16}{totals['percent_covered']:>8.1f}%{floor:>8.1f}%")
        if totals["percent_covered"] < floor:
            low.append(room)
    if low:
        print(f"coverage is below its floor in: {', '.join(low)}", file=sys.stderr)
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
