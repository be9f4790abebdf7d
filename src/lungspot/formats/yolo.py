"""YOLO text files: ``images/<part>/``, ``labels/<part>/`` with one text file a film, ``data.yaml``, ``lungspot.jsonl``.

Citation: J. Redmon et al., You Only Look Once, CVPR 2016; the folders are Ultralytics' and Roboflow's.
Link: https://docs.ultralytics.com/datasets/detect/.
Terms: none on the format (the ultralytics package is AGPL-3.0 and is not used); the films keep their publishers'.
Coordinates: a line is class number, centre x, centre y, width, height as fractions of the image file's sides.
Trainers refuse values outside 0 to 1, so a box is clipped to the film; the whole box is in the sidecar.
States: none. **An empty or missing text file is a negative film to every YOLO trainer, also where nobody looked.**
Choose the cases and labels before writing; lungspot itself reads the states from the sidecar.
Extension: ``lungspot.jsonl`` (:mod:`lungspot.formats.sidecar`). Boxes of several readers stand in one file; fuse
first.
Part: ``train``, ``val``, ``test``, or ``all`` where the case has no split.
Known faults of files in the wild: corners or pixels instead of centre and fractions, class numbers past the list,
text files whose film is gone, ``valid`` for ``val``. A sixth number is a score; more are a polygon, of which the
enclosing box is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from lungspot.errors import DatasetError
from lungspot.findings import Box, Frame
from lungspot.formats.annotated_image import AnnotatedImage, Mark, as_shown, label_named, labels_in, stated_box
from lungspot.formats.case import Case, Split
from lungspot.formats.class_list import class_names, class_yaml
from lungspot.formats.image_files import (
    FilmTransfer,
    Progress,
    annotated_images_of,
    film_size,
    new_folder,
)
from lungspot.formats.reconcile import case_of
from lungspot.formats.sidecar import file_key, read_sidecar, write_sidecar
from lungspot.images import IMAGE_SUFFIXES, walk

__all__ = ["annotated_images", "draft", "read", "write"]

_PARTS: Final = {"train": Split.TRAIN, "val": Split.VAL, "valid": Split.VAL, "test": Split.TEST}
_SLACK: Final = 1e-3  # of a side: how far rounding may push a box over the edge
_NOT_LABELS: Final = ("classes.txt", "requirements.txt")


def read(
    root: Path, *, looked_for: Iterable[str] = (), names: Mapping[str, str] | None = None, films: Path | None = None
) -> list[Case]:
    """Return the cases of a YOLO folder; raises :class:`DatasetError`.

    ``looked_for``: label ids whose absence on a film means absent. ``names``: class names → label ids, where the
    taxonomy does not know them. ``films``: the image folder, where it is not ``images`` beside ``labels``.
    """
    return [
        case_of(annotated, root, (films or root) / annotated.film, looked_for=looked_for, rounding=_clipped)
        for annotated in annotated_images(root, names, films)
    ]


def write(
    cases: Iterable[Case], out: Path, *, films: FilmTransfer = FilmTransfer.LINK, progress: Progress = iter
) -> None:
    """Write cases into the new folder ``out``; changes nothing that was given."""
    with new_folder(out) as folder:
        listed = list(cases)
        draft(
            annotated_images_of(
                listed,
                folder,
                FilmTransfer(films),
                lambda case: f"images/{case.split or 'all'}",
                by_path=False,
                progress=progress,
            ),
            folder,
        )


def draft(drawn: Sequence[AnnotatedImage], folder: Path, labels: Iterable[str] = ()) -> None:
    """Write annotated images' text files, ``data.yaml`` with ``labels`` first, and the sidecar into ``folder``."""
    ordered = labels_in((replace(annotated, states=None) for annotated in drawn), labels)
    for annotated in drawn:
        path = _text_file(folder, annotated.film)
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            _line(ordered.index(mark.label), box, annotated.size)
            for mark in annotated.marks
            if annotated.size is not None and (box := _clipped(mark.box, annotated.size)) is not None
        ]
        path.write_text("".join(lines), encoding="ascii")
    parts = sorted({Path(annotated.film).parent.name for annotated in drawn})
    (folder / "data.yaml").write_text(class_yaml(ordered, parts), encoding="ascii")
    write_sidecar(drawn, folder)


def annotated_images(
    root: Path, names: Mapping[str, str] | None = None, films: Path | None = None
) -> list[AnnotatedImage]:
    """Return what a YOLO folder says, first the films of the sidecar in their order, then the others by path."""
    if not root.is_dir():
        raise DatasetError("DATASET_NOT_FOUND", root, "no such folder")
    sidecar = read_sidecar(root)
    listed = class_names(root)
    where = str(root / "data.yaml")
    labels = [label_named(name, where, ours=bool(sidecar), names=names) for name in listed]
    found = []
    for key, (case_json, size) in sidecar.items():
        part = str(case_json.get("split") or "all")
        film = f"images/{part}/{key}"
        path = _text_file(root, film)
        if not path.is_file():
            raise DatasetError("DATASET_INCOMPLETE", path, "the label file of a film that lungspot.jsonl lists is gone")
        found.append(AnnotatedImage(film, size, _marks(path, labels, size), case_json=case_json, where=str(path)))
    folder = films or root
    seen: set[Path] = set()
    for film_path in _films(folder):
        name = film_path.relative_to(folder).as_posix()
        path = root / name if films else film_path
        path = _text_file(root, path.relative_to(root).as_posix())
        seen.add(path)
        if file_key(name) in sidecar:
            continue
        size = film_size(film_path)
        marks = _marks(path, labels, size) if path.is_file() else ()
        found.append(AnnotatedImage(name, size, marks, facts=_facts(name), where=str(path)))
    _refuse_orphans(root, seen | {Path(annotated.where) for annotated in found})
    if not found:
        raise DatasetError("DATASET_INCOMPLETE", folder, f"no films ({' '.join(IMAGE_SUFFIXES)})")
    return found


def _clipped(box: Box, size: Frame | None) -> Box | None:
    inside = None if size is None else box.clip(size)
    return None if inside is None else as_shown(inside)


def _line(number: int, box: Box, size: Frame) -> str:
    x, y = box.center
    values = (x / size.width, y / size.height, box.width / size.width, box.height / size.height)
    return f"{number} {' '.join(f'{value:.9g}' for value in values)}\n"


def _text_file(root: Path, film: str) -> Path:
    """Return the text file of a film: in the folder ``labels`` where the film is in ``images``, else beside it."""
    parts = list(Path(film).parts)
    if "images" in parts[:-1]:
        at = len(parts) - 2 - parts[-2::-1].index("images")
        parts[at] = "labels"
    return root.joinpath(*parts[:-1], f"{Path(film).stem}.txt")


def _films(folder: Path) -> Iterator[Path]:
    return walk(folder, IMAGE_SUFFIXES)


def _facts(name: str) -> dict[str, Any]:
    parts = Path(name).with_suffix("").parts
    split = next((_PARTS[part] for part in parts[:-1] if part in _PARTS), None)
    return {
        "id": "/".join(part for part in parts[:-1] if part != "images") + "/" * (len(parts) > 1) + parts[-1],
        "split": split,
    }


def _marks(path: Path, labels: Sequence[str], size: Frame | None) -> tuple[Mark, ...]:
    marks = []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise DatasetError("NOT_READABLE", path, str(error)) from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            marks.append(_mark(line.split(), labels, size, f"{path}:{number}"))
    return tuple(marks)


def _mark(words: Sequence[str], labels: Sequence[str], size: Frame | None, where: str) -> Mark:
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise DatasetError("DATASET_ROW", where, f"{' '.join(words)[:80]!r} are not numbers") from error
    polygon = len(values) >= 7 and len(values) % 2 == 1
    if not polygon and len(values) not in {5, 6}:
        raise DatasetError("DATASET_ROW", where, f"{len(values)} numbers are neither a box nor a polygon")
    if not all(map(math.isfinite, values)) or not all(-_SLACK <= value <= 1 + _SLACK for value in values[1:]):
        raise DatasetError("DATASET_ROW", where, "numbers outside 0 to 1: pixels, or not a number")
    if not values[0].is_integer() or not 0 <= values[0] < len(labels):
        raise DatasetError("UNKNOWN_LABEL", where, f"class {words[0]} of {len(labels)} classes")
    if size is None:
        raise DatasetError("DATASET_ROW", where, "a box on a film whose size is not known")
    label = labels[int(values[0])]
    if polygon:
        xs, ys = values[1::2], values[2::2]
        corners = [min(xs), min(ys), max(xs), max(ys)]
    else:
        x, y, width, height = values[1:5]
        corners = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
        if min(corners) < -_SLACK or max(corners) > 1 + _SLACK:
            reason = "the box leaves the film: are these corners (x0 y0 x1 y1), not centre and size?"
            raise DatasetError("DATASET_ROW", where, reason)
    box = stated_box(corners, where).scale(size.width, size.height)
    return Mark(label, box, score=values[5] if len(values) == 6 else None)


def _refuse_orphans(root: Path, known: set[Path]) -> None:
    for path in walk(root, (".txt",)):
        if path not in known and "labels" in path.relative_to(root).parts and path.name not in _NOT_LABELS:
            raise DatasetError("DATASET_INCOMPLETE", path, "no film has this label file")
