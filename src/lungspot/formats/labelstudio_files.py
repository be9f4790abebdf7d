"""Label Studio's exports as tasks, whichever of its forms they have, and the films that tasks are about.

"JSON" is a list of tasks; a file that Label Studio syncs to a storage is one task, or one annotation with its task.
"JSON-MIN", "CSV" and "TSV" hold, for each annotation, the values of its regions under the names of their tags.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from lungspot.errors import DatasetError
from lungspot.formats.case_json import load_json, there
from lungspot.images import has_suffix, list_files
from lungspot.inputs import regular

__all__ = ["STUDIO_TASKS", "film_of", "load_tasks"]

STUDIO_TASKS: Final = "tasks.json"  # the name of a pool's file for Label Studio's import
_TABLES: Final = (".csv", ".tsv")
_PREFIX: Final = re.compile(r"\A[0-9a-f]{8}-")  # Label Studio puts it before the name of an uploaded file
# What JSON-MIN says beside the task's data and the values of its regions.
_ABOUT: Final = frozenset({"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"})
_LOCAL: Final = "/data/local-files/"
_SIZE: Final = ("original_width", "original_height")


def load_tasks(root: Path) -> tuple[Path, list[Any]]:
    """Return the file that a folder or a path means, and its tasks in the form of "JSON".

    Raises :class:`DatasetError` DATASET_NOT_FOUND, DATASET_FORMAT, NOT_READABLE.
    """
    path = _file(root)
    if path.suffix.lower() in _TABLES:
        return path, [_task_of(row) for row in _rows(path)]
    value = load_json(path)
    if isinstance(value, dict) and ("data" in value or isinstance(value.get("task"), dict)):
        value = [value]
    if not isinstance(value, list):
        raise DatasetError("DATASET_FORMAT", path, "not a list of tasks", advice='export as "JSON"')
    return path, [_whole(task) for task in value]


def film_of(link: str, places: Sequence[Path]) -> str:
    """Return the image file's name of a task's ``image``: a local file's path, else what of the link's end is here.

    It is looked for in ``places``; where nothing is there, it is the last part, of an upload without the prefix that
    Label Studio puts before it. A link to a storage through Label Studio names its file in ``fileuri``. A picture
    within the link has no file.
    """
    if link.startswith("data:"):
        return "a picture within the task"
    parts = urlsplit(link)
    query = parse_qs(parts.query)
    if parts.path.startswith(_LOCAL) and query.get("d"):
        return query["d"][0]
    if query.get("fileuri"):
        return film_of(_decoded(query["fileuri"][0]), places)
    upload = "/upload/" in parts.path
    if not parts.scheme and not upload:
        return link
    names = [name for name in unquote(parts.path).split("/") if name]
    tails = ["/".join(names[at:]) for at in range(len(names))]
    here = next((tail for tail in tails if any(there(place / tail) for place in places)), None)
    return here or _PREFIX.sub("", tails[-1] if tails else link)


def _file(root: Path) -> Path:
    if not root.is_dir() or (root / STUDIO_TASKS).is_file():
        return root / STUDIO_TASKS if root.is_dir() else root
    files = list_files(root, "*.json") or [path for path in list_files(root) if has_suffix(path, _TABLES)]
    if len(files) > 1:
        advice = f"name the file, or call it {STUDIO_TASKS}"
        raise DatasetError("DATASET_NOT_FOUND", root, f"{len(files)} exports, and no {STUDIO_TASKS}", advice=advice)
    return files[0] if files else root / STUDIO_TASKS


def _whole(task: object) -> object:
    """Return a task in the form of "JSON": of an annotation with its task, or of JSON-MIN."""
    if not isinstance(task, dict) or "data" in task:
        return task
    if isinstance(task.get("task"), dict):
        return task["task"] | {"annotations": [{key: value for key, value in task.items() if key != "task"}]}
    return _task_of(task) if "id" in task and {"annotator", "annotation_id", "lead_time"} & task.keys() else task


def _task_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the task that a row of JSON-MIN says; which of its values are regions is seen by their form."""
    results: list[dict[str, Any]] = []
    data: dict[str, Any] = {}
    for key, value in row.items():
        found = list(_results(value))
        results += found
        if not found and key not in _ABOUT:  # a choice about the film, too: the task's own words look like it
            data[key] = value
    handed_in = bool({"annotation_id", "annotator"} & row.keys()) or bool(results)
    annotation = {"completed_by": row.get("annotator"), "result": results}
    return {"data": data, "annotations": [annotation] if handed_in else []}


def _results(value: object) -> Iterable[dict[str, Any]]:
    """Yield the results that a value of JSON-MIN holds: regions without their type, or choices."""
    items = value if isinstance(value, list) else [value]
    for item in items:
        if not isinstance(item, dict):
            continue
        kind = next((key for key in item if key.endswith("labels")), "choices" if "choices" in item else "")
        sizes = {key: item[key] for key in _SIZE if key in item}
        inner = {name: part for name, part in item.items() if name not in _SIZE}
        yield {"type": kind or "region", "value": inner} | sizes


def _rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of an export as CSV or TSV, whatever it is called, with the JSON in its fields as values."""
    try:
        text = regular(path).read_bytes().decode("utf-8-sig")
        mark = max(",\t;", key=text.partition("\n")[0].count)
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=mark, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError("DATASET_FORMAT", path, f"not an export as CSV ({error})") from error
    if not rows or None in rows[0] or not {"id", "annotator"} & rows[0].keys():
        raise DatasetError("DATASET_FORMAT", path, "no rows of a Label Studio export", advice='export as "JSON"')
    return [{key: _field(text) for key, text in row.items() if key and text} for row in rows]


def _field(text: object) -> object:
    if isinstance(text, str) and text[:1] in {"[", "{"}:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=False).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return text
