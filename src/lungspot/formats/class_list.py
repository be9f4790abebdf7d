"""YOLO's class names: ``names`` of ``data.yaml`` in any form that YAML has for a list or a mapping, or a list in lines.

The list is ``classes.txt`` (LabelImg, Label Studio) or ``obj.names`` (darknet, CVAT's "YOLO 1.1"). ``data.yaml`` may be
called otherwise, where one YAML file alone has ``names``; ``obj.names``, where it is the only file with that suffix.

The file is read by PyYAML into nodes (its safe loader; nothing is constructed), so that a class called ``No`` stays a
word and an error names its line. Other keys than ``names`` and ``kpt_shape`` are passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml

from lungspot.errors import DatasetError
from lungspot.images import list_files
from lungspot.inputs import regular

__all__ = ["class_names", "class_yaml", "keypoint_shape"]

_YAML: Final = ("data.yaml", "data.yml", "dataset.yaml")
_LINES: Final = (".txt", ".names")
_LISTS: Final = ("classes.txt", "obj.names", "labels/classes.txt")


def class_names(root: Path) -> list[str]:
    """Return the class names of a YOLO folder (or of the file given) by index; raises :class:`DatasetError`."""
    path = _file(root)
    if path is None:
        raise DatasetError("DATASET_NOT_FOUND", root, f"no class names: none of {', '.join((*_YAML, *_LISTS))}")
    if path.suffix in _LINES:
        return [line.strip() for line in _text(path).splitlines() if line.strip()]
    names = _value(path, "names")
    if names is None:
        raise DatasetError("DATASET_FORMAT", path, "it has no names")
    return _names(names, path)


def keypoint_shape(root: Path) -> tuple[int, int] | None:
    """Return ``kpt_shape`` of ``data.yaml``: the key points of a pose and their numbers (2 or 3); None without it."""
    path = _file(root)
    value = None if path is None or path.suffix in _LINES else _value(path, "kpt_shape")
    if path is None or value is None:
        return None
    texts = [_scalar(item, path) for item in value.value] if isinstance(value, yaml.SequenceNode) else []
    if len(texts) != 2 or not all(map(_is_number, texts)):
        raise DatasetError("DATASET_FORMAT", _where(value, path), "kpt_shape is not two whole numbers")
    return int(texts[0]), int(texts[1])


def class_yaml(labels: Sequence[str], parts: Sequence[str]) -> str:
    """Return ``data.yaml`` for label ids, with ``parts`` (``train``, ``val`` …) under ``images/``."""
    lines = ["# Written by lungspot; see docs/reference/formats.md. An empty label file is not a normal film."]
    lines += ["path: .", *(f"{part}: images/{part}" for part in parts), f"nc: {len(labels)}"]
    lines += ["names:", *(f"  {number}: {label}" for number, label in enumerate(labels))] if labels else ["names: []"]
    return "\n".join(lines) + "\n"


def _file(root: Path) -> Path | None:
    if root.is_file():
        return root
    known = [root / name for name in _YAML if (root / name).is_file()]
    others = [] if known else [path for path in list_files(root, "*.y*ml") if _has_names(path)]
    lists = [root / name for name in _LISTS if (root / name).is_file()]
    darknet = list_files(root, "*.names")
    lists = lists or (darknet if len(darknet) == 1 else [])
    return next(iter((*known, *(others if len(others) == 1 else ()), *lists)), None)


def _has_names(path: Path) -> bool:
    try:
        return path.is_file() and _value(path, "names") is not None
    except DatasetError:
        return False


def _text(path: Path) -> str:
    try:
        return regular(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise DatasetError("NOT_READABLE", path, str(error)) from error


def _value(path: Path, key: str) -> yaml.Node | None:
    """Return what stands under a key of the outermost mapping, or None; raises ``DATASET_FORMAT`` for other text."""
    try:
        tree = yaml.compose(_text(path), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f":{error.problem_mark.line + 1}"
        raise DatasetError("DATASET_FORMAT", f"{path}{line}", f"not YAML ({error.problem})") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DatasetError("DATASET_FORMAT", path, f"not YAML ({' '.join(str(error).split())[:120]})") from error
    if not isinstance(tree, yaml.MappingNode):
        return None
    return next((value for name, value in tree.value if name.value == key), None)


def _names(node: yaml.Node, path: Path) -> list[str]:
    if isinstance(node, yaml.ScalarNode) and not node.value:
        return []
    if isinstance(node, yaml.SequenceNode):
        return [_scalar(item, path) for item in node.value]
    if not isinstance(node, yaml.MappingNode):
        raise DatasetError("DATASET_FORMAT", _where(node, path), f"names is {node.value!r}, not a list")
    found: dict[int, str] = {}
    for key, value in node.value:
        number = _scalar(key, path)
        if not _is_number(number):
            raise DatasetError("DATASET_FORMAT", _where(key, path), f"a class has the number {number[:40]!r}")
        if int(number) in found:
            raise DatasetError("DATASET_FORMAT", _where(key, path), f"two classes have the number {int(number)}")
        found[int(number)] = _scalar(value, path)
    if sorted(found) != list(range(len(found))):
        raise DatasetError("DATASET_FORMAT", path, f"the classes' numbers {sorted(found)[:20]} have holes")
    return [found[index] for index in range(len(found))]


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) < 10


def _scalar(node: yaml.Node, path: Path) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise DatasetError("DATASET_FORMAT", _where(node, path), "a list or a mapping where a name is expected")
    return str(node.value)


def _where(node: yaml.Node, path: Path) -> str:
    return f"{path}:{node.start_mark.line + 1}"
