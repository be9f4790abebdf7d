"""A programme's summary as files: ``report.html``, ``report.json``, ``thresholds.csv``. Equal inputs, equal bytes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from lungspot.adapt.tb.page import screening_page
from lungspot.adapt.tb.table import COST_MEASURES, COUNTS, MEASURES

__all__ = ["SCREENING_FILES", "screening_folder"]

# The files of a programme's report.
SCREENING_FILES: Final = ("report.html", "report.json", "thresholds.csv")


def screening_folder(document: Mapping[str, Any], *, title: str, about: Sequence[str] = ()) -> dict[str, str]:
    """Return the text of each of :data:`SCREENING_FILES`; raises ``MISSING_EXTRA`` without the ``[eval]`` extra."""
    texts = (
        screening_page(document, title=title, about=about),
        json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        _thresholds(document),
    )
    return dict(zip(SCREENING_FILES, texts, strict=True))


def _thresholds(document: Mapping[str, Any]) -> str:
    """Return one row a threshold: its counts, and each measure with the limits of its interval."""
    measures = [*MEASURES, *(COST_MEASURES if document["settings"]["costs"] is not None else ())]
    spread = [name for name in measures if name not in {"cost", "cost_per_person"}]
    head = ["threshold", "share_tested", *COUNTS]
    for name in measures:
        head += [name, f"{name}_low", f"{name}_high"] if name in spread else [name]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(head)
    for row in document["thresholds"]:
        values = [row["threshold"], round(row["tested"] / document["people"], 6), *(row[name] for name in COUNTS)]
        for name in measures:
            values += (
                [row[name]["value"], *(row[name]["interval"] or (None, None))]
                if name in spread
                else [row[name]["value"]]
            )
        writer.writerow(values)
    return buffer.getvalue()
