"""What a labelling tool cannot say about a film: the case as JSON values, and where its image file is.

{"schema": "lungspot-case/1", "order": 0, "id": "00000001_000", "dataset": "nih", "patient_id": "nih_00000001",
"native": [1024, 1024], "film": "../nih/images/00000001_000.png", "split": "val", "view": "PA", "age": 58.0, "sex": "M",
"readings": [...]}; readings as in :mod:`lungspot.findings.codec`; ``film`` relative to the dataset's folder;
``source_name`` and ``source_sha256`` where known.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lungspot.errors import DatasetError, InputError
from lungspot.findings import Frame, reading_from_json, reading_to_json
from lungspot.formats.case import Case, Split
from lungspot.images import Sex, View
from lungspot.inputs import regular

__all__ = [
    "SCHEMA",
    "SOURCE",
    "case_from_json",
    "case_to_json",
    "facts_from_json",
    "load_json",
    "relative",
    "there",
    "write_json",
]

SCHEMA: Final = "lungspot-case/1"
_OLDEST: Final = 10**6
SOURCE: Final = ("source_name", "source_sha256")


def case_to_json(case: Case, folder: Path, film: Path | None, order: int) -> dict[str, Any]:
    """Return a case as JSON values; ``film`` is its image file, ``order`` its place among the written cases."""
    return {
        "schema": SCHEMA,
        "order": order,
        "id": case.id,
        "dataset": case.dataset,
        "patient_id": case.patient,
        "native": None if case.frame is None else [case.frame.width, case.frame.height],
        "film": None if film is None else relative(film, folder),
        "split": None if case.split is None else str(case.split),
        "view": str(case.view),
        "age": case.age_years,
        "sex": str(case.sex),
        "readings": [reading_to_json(reading) for reading in case.readings],
        **{key: getattr(case, key) for key in SOURCE if getattr(case, key) is not None},
    }


def case_from_json(value: Mapping[str, Any], folder: Path) -> Case:
    """Return the case of :func:`case_to_json`'s value.

    Raises :class:`InputError` where it is not one, :class:`DatasetError` ``DATASET_INCOMPLETE`` where its film is gone.
    """
    try:
        if value["schema"] != SCHEMA:
            raise InputError("BAD_VALUE", None, f"a case of schema {value['schema']!r}, not {SCHEMA!r}")
        film = value["film"]
        image = None if film is None else Path(os.path.normpath(Path(os.path.realpath(folder)) / film))
        native = value["native"]
        case = Case(
            id=_text(value["id"]),
            dataset=_text(value["dataset"]),
            patient=_text(value["patient_id"]),
            readings=tuple(reading_from_json(reading) for reading in value["readings"]),
            image=image,
            frame=None if native is None else Frame(*native),
            source_name=_optional_text(value.get("source_name")),
            source_sha256=_optional_text(value.get("source_sha256")),
            **facts_from_json(value),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("BAD_VALUE", None, f"not lungspot's case JSON ({type(error).__name__}: {error})") from error
    if image is not None and not there(image):
        raise DatasetError("DATASET_INCOMPLETE", image, f"the film of {case.dataset}/{case.id} is not there")
    return case


def facts_from_json(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return split, view, age and sex as fields of a case; raises ``ValueError`` where a word is not one of ours."""
    age = value.get("age")
    if isinstance(age, int) and abs(age) > _OLDEST:  # a float may not hold it
        raise ValueError(f"an age of {age} years")
    return {
        "split": None if value.get("split") is None else Split(value["split"]),
        "view": View(value.get("view") or "UNKNOWN"),
        "age_years": None if age is None else age + 0.0,
        "sex": Sex(value.get("sex") or "UNKNOWN"),
    }


def there(path: Path) -> bool:
    """Say whether a file is there; a name that no file can have is not."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def relative(path: Path, folder: Path) -> str:
    """Return ``path`` as POSIX text relative to ``folder``, which may be reached through links."""
    return Path(os.path.relpath(os.path.abspath(path), os.path.realpath(folder))).as_posix()  # noqa: PTH100  # keeps links


def load_json(path: Path) -> Any:  # noqa: ANN401  # any JSON value
    """Return the JSON value in a file; raises :class:`DatasetError`."""
    try:
        return json.loads(regular(path).read_bytes().decode("utf-8-sig"))
    except FileNotFoundError as error:
        raise DatasetError("DATASET_NOT_FOUND", path, "no such file") from error
    except OSError as error:
        raise DatasetError("NOT_READABLE", path, error.strerror or type(error).__name__) from error
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise DatasetError("DATASET_FORMAT", path, f"not JSON ({reason})") from error


def write_json(path: Path, value: object, indent: int | None = None) -> None:
    """Write JSON as ASCII, so that any name survives; refuses values that JSON does not have."""
    path.write_text(json.dumps(value, indent=indent, allow_nan=False) + "\n", encoding="ascii")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise InputError("BAD_VALUE", None, f"{value!r} is not text")
    return value


def _optional_text(value: object) -> str | None:
    return None if value is None else _text(value)
