"""What a film is found by: name, headline and, where they are kept, the patient, the date and the accession number."""

from __future__ import annotations

import json
from typing import Final

__all__ = ["search_text", "search_words"]

_KEPT: Final = ("patient_name", "patient_id", "study_date", "accession")


def search_text(name: str, headline: str | None = None, identity: str | None = None) -> str:
    """Return the text that every word of a search must be a part of, without capitals; ``identity``: JSON, or None."""
    known = json.loads(identity or "{}")
    kept = [str(known.get(key) or "") for key in _KEPT]
    kept.append(str(known.get("study_date") or "").replace("-", ""))
    return "\n".join(part for part in (name, headline or "", *kept) if part).casefold()


def search_words(text: str) -> tuple[str, ...]:
    """Return the words of a search as :func:`search_text` has them."""
    return tuple(text.casefold().split())
