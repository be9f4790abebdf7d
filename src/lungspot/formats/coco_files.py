"""Where COCO files and their films lie: in one file, or in one a part, as COCO itself, CVAT, Roboflow and others do.

One file: ``annotations.json`` (lungspot), the only ``*.json`` of the folder (FiftyOne's ``labels.json``, Label Studio's
``result.json``). One a part: ``annotations/instances_train.json`` (COCO, CVAT, datumaro), ``annotations/train.json``,
``train/_annotations.coco.json`` (Roboflow). Films: beside the file, in ``images`` or ``data``, or in a folder called
like the part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lungspot.errors import DatasetError
from lungspot.formats.case import Split
from lungspot.images import list_files

__all__ = ["ANNOTATIONS_FILE", "IMAGES_FOLDER", "files_of", "places"]

ANNOTATIONS_FILE: Final = "annotations.json"  # the name of a COCO folder's file
IMAGES_FOLDER: Final = "images"
_FOLDER: Final = "annotations"
_ROBOFLOW: Final = "_annotations.coco.json"
_INSTANCES: Final = "instances_"
_OTHERS: Final = ("captions_", "person_keypoints_", "panoptic_", "stuff_", "image_info_")  # COCO's other tasks


def files_of(root: Path) -> list[tuple[Path, str, Split | None]]:
    """Return each COCO file of a folder, or the file given, with its part ("" of a single file) and its split.

    Raises :class:`DatasetError` ``DATASET_NOT_FOUND`` where there is none, or where there are several and no parts.
    """
    if not root.is_dir():
        return [(root, "", None)]
    here = [root / ANNOTATIONS_FILE] if (root / ANNOTATIONS_FILE).is_file() else list_files(root, "*.json")
    if len(here) == 1:
        return [(here[0], "", None)]
    parts = [] if here else list(_parts(root))
    if not parts:
        tasks = {path.name for path in list_files(root / _FOLDER, "*.json")}
        found = f"{len(here)} *.json files, no {ANNOTATIONS_FILE}"
        reason = f"only {', '.join(sorted(tasks))} in {_FOLDER}" if tasks else found
        raise DatasetError("DATASET_NOT_FOUND", root, reason, advice="name the file")
    return [(path, part, _split(part)) for path, part in parts]


def places(root: Path) -> list[Path]:
    """Return the folders in which films of a COCO folder or file may lie."""
    if root.is_dir() and files_of(root)[0][1]:
        return [root / IMAGES_FOLDER, root / "data", root]
    folder = root if root.is_dir() else root.parent
    near = [folder, folder / IMAGES_FOLDER, folder / "data", folder.parent / IMAGES_FOLDER, folder.parent]
    if root.is_dir() or folder.name != _FOLDER:
        return near
    part = root.stem.removeprefix(_INSTANCES)
    return [folder.parent / IMAGES_FOLDER / part, folder.parent / part, *near]


def _parts(root: Path) -> Iterator[tuple[Path, str]]:
    within = [path for path in list_files(root / _FOLDER, "*.json") if not path.name.startswith(_OTHERS)]
    instances = [path for path in within if path.name.startswith(_INSTANCES)]
    yield from ((path, path.stem.removeprefix(_INSTANCES)) for path in instances or within)
    yield from ((path, path.parent.name) for path in list_files(root, f"*/{_ROBOFLOW}"))


def _split(part: str) -> Split | None:
    """Return the split that a part is called after: ``train``, ``val2017``, ``default`` of none."""
    word = re.match(r"[a-z]*", part.lower())
    return Split.named(word[0]) if word else None
