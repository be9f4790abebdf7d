"""What a screening test is held to: data with its source (``targets.toml``), never a number in the code."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from lungspot.errors import DatasetError
from lungspot.inputs import regular

__all__ = ["TargetProfile", "read_targets"]


@dataclass(frozen=True, slots=True)
class TargetProfile:
    """A least sensitivity and specificity, both 0 to 1, and who asks for them; None: to be filled in by the user."""

    name: str
    source: str
    sensitivity: float | None = None
    specificity: float | None = None


def read_targets(path: Path | None = None) -> tuple[TargetProfile, ...]:
    """Return the targets of a TOML file of ``[[target]]`` tables, without ``path`` those that come with lungspot.

    Raises DatasetError: no such file, or one that holds something else.
    """
    shipped = resources.files("lungspot.adapt.tb").joinpath("targets.toml")
    try:
        text = (shipped if path is None else regular(path)).read_text(encoding="utf-8-sig")
        rows = tomllib.loads(text).get("target")
    except (OSError, ValueError) as error:
        raise DatasetError("DATASET_INCOMPLETE", path, f"not a whole TOML file ({error})") from error
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise DatasetError("DATASET_FORMAT", path, "no [[target]] in it", advice=_ADVICE)
    return tuple(_target(row, path) for row in rows)


_ADVICE = "write [[target]], name, source, sensitivity, specificity (0 to 1), as docs/reference/tb.md shows"


def _target(row: dict[str, Any], path: Path | None) -> TargetProfile:
    if unknown := sorted(set(row) - set(TargetProfile.__dataclass_fields__)):
        raise DatasetError("DATASET_FORMAT", path, f"a target has {', '.join(unknown)}", advice=_ADVICE)
    words = [row.get(name) for name in ("name", "source")]
    numbers = [row.get(name) for name in ("sensitivity", "specificity")]
    shares = all(each is None or (type(each) in {int, float} and 0 < each <= 1) for each in numbers)
    if not shares or not all(isinstance(word, str) and word for word in words):
        raise DatasetError("DATASET_FORMAT", path, f"a target that cannot be meant: {row}", advice=_ADVICE)
    return TargetProfile(**row)
