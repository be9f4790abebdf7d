"""YOLO's class names: ``names`` of ``data.yaml`` in the forms that exporters write, or ``classes.txt``.

Only ``names`` is read, as ``[a, 'b', "c"]`` (over several lines too), ``{0: a, 1: b}``, ``- a`` lines or ``0: a``
lines; other keys are passed over. Anything else of YAML (anchors, tags, folded text) is refused, naming the line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lungspot.errors import DatasetError

__all__ = ["class_names", "class_yaml"]

_FILES: Final = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt")
_KEY: Final = re.compile(r"(\d+)\s*:\s+(.*)\Z|(\d+)\s*:\Z")
# One scalar: 'it''s', "a\tb" or plain text up to a comma or bracket.
_SCALAR: Final = re.compile(r"""'((?:[^']|'')*)'|("(?:[^"\\]|\\.)*")|([^\s'"\[\]{},#&*!|>%@`][^\[\]{},]*)""")


def class_names(root: Path) -> list[str]:
    """Return the class names of a YOLO folder (or of the file given) by index; raises :class:`DatasetError`."""
    path = root if root.is_file() else next((root / name for name in _FILES if (root / name).is_file()), None)
    if path is None:
        raise DatasetError("DATASET_NOT_FOUND", root, f"no class names: none of {', '.join(_FILES)}")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise DatasetError("NOT_READABLE", path, str(error)) from error
    if path.suffix == ".txt":
        return [line.strip() for line in lines if line.strip()]
    for number, line in enumerate(lines):
        match = re.match(r"names\s*:(?:\s+(.*))?\Z", line)
        if match is not None:
            return _names(match.group(1) or "", lines, number, path)
    raise DatasetError("DATASET_FORMAT", path, "it has no names")


def class_yaml(labels: Sequence[str], parts: Sequence[str]) -> str:
    """Return ``data.yaml`` for label ids, with ``parts`` (``train``, ``val`` …) under ``images/``."""
    lines = ["# Written by lungspot; see docs/reference/formats.md. An empty label file is not a normal film."]
    lines += ["path: .", *(f"{part}: images/{part}" for part in parts), f"nc: {len(labels)}"]
    lines += ["names:", *(f"  {number}: {label}" for number, label in enumerate(labels))] if labels else ["names: []"]
    return "\n".join(lines) + "\n"


def _names(first: str, lines: Sequence[str], number: int, path: Path) -> list[str]:
    first = _uncommented(first)
    following = next((row for row in range(number + 1, len(lines)) if _uncommented(lines[row])), None)
    if not first and following is not None and lines[following].strip()[0] in "[{":
        first, number = _uncommented(lines[following]), following
    if first[:1] in {"[", "{"}:
        closing = "]" if first[0] == "[" else "}"
        text, last = first, number
        while not text.endswith(closing):
            last += 1
            if last == len(lines):
                raise DatasetError("DATASET_FORMAT", f"{path}:{number + 1}", f"names has no closing {closing}")
            text = f"{text} {_uncommented(lines[last])}".strip()
        items = _split(text[1:-1], f"{path}:{number + 1}")
        entries = [(f"- {item}" if closing == "]" else item, number) for item in items]
    elif first:
        raise DatasetError("DATASET_FORMAT", f"{path}:{number + 1}", f"names is {first!r}, not a list")
    else:
        entries = []
        for row in range(number + 1, len(lines)):
            line = _uncommented(lines[row])
            if line and not line.startswith("-") and not lines[row][:1].isspace():
                break  # the next key
            if line:
                entries.append((line, row))
    return _indexed(entries, path)


def _indexed(entries: Sequence[tuple[str, int]], path: Path) -> list[str]:
    found: dict[int, str] = {}
    for text, row in entries:
        where = f"{path}:{row + 1}"
        key = _KEY.match(text)
        if text.startswith("-"):
            index, value = len(found), text[1:].strip()
        elif key is not None:
            index, value = int(key.group(1) or key.group(3)), (key.group(2) or "").strip()
        else:
            raise DatasetError("DATASET_FORMAT", where, f"{text!r} is neither `- name` nor `0: name`")
        if index in found:
            raise DatasetError("DATASET_FORMAT", where, f"two classes have the number {index}")
        found[index] = _scalar(value, where)
    if sorted(found) != list(range(len(found))):
        raise DatasetError("DATASET_FORMAT", path, f"the classes' numbers {sorted(found)} have holes")
    return [found[index] for index in range(len(found))]


def _scalar(text: str, where: str) -> str:
    match = _SCALAR.fullmatch(text)
    if match is None:
        raise DatasetError("DATASET_FORMAT", where, f"{text!r} is not a plain or quoted name")
    single, double, plain = match.groups()
    if double is not None:
        try:
            return str(json.loads(double))
        except ValueError as error:
            raise DatasetError("DATASET_FORMAT", where, f"{text} has an escape that is not read") from error
    return plain.strip() if single is None else single.replace("''", "'")


def _split(text: str, where: str) -> list[str]:
    """Split at the commas outside quotes; a comma at the end is allowed."""
    items = re.findall(r"""(?:[^,'"]|'(?:[^']|'')*'|"(?:[^"\\]|\\.)*")+""", text)
    if re.search("['\"]", re.sub(r"""'(?:[^']|'')*'|"(?:[^"\\]|\\.)*\"""", "", text)):
        raise DatasetError("DATASET_FORMAT", where, "a quote in names is not closed")
    return [item.strip() for item in items if item.strip()]


def _uncommented(line: str) -> str:
    r"""Return a line without its comment: ``#`` at the start or after a blank, outside quotes."""
    match = re.match(r"""(?:'(?:[^']|'')*'|"(?:[^"\\]|\\.)*"|(?<=\S)#|[^#])*""", line)
    text = line if match is None else match.group(0)
    return text.strip()
