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
text files whose film is gone, ``valid`` for ``val``. A sixth number is a score, a whole seventh a track; more are a
polygon, of which the enclosing box is read, and its score. Of a pose (``kpt_shape``) the box is read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from lungspot.errors import DatasetError
from lungspot.findings import Box, Frame
from lungspot.formats.annotated_image import AnnotatedImage, Mark, as_shown, labels_in, settled, stated_box
from lungspot.formats.case import Case, Split
from lungspot.formats.cases import cases_from
from lungspot.formats.class_list import class_names, class_yaml, keypoint_shape
from lungspot.formats.classes import ClassMap, ClassNames
from lungspot.formats.image_files import (
    FilmLayout,
    FilmTransfer,
    Progress,
    annotated_images_of,
    film_size,
)
from lungspot.formats.sidecar import file_key, read_sidecar, write_sidecar
from lungspot.images import IMAGE_SUFFIXES, walk
from lungspot.inputs import regular
from lungspot.outputs import Outputs

__all__ = ["LAYOUT", "annotated_images", "draft", "read", "write"]

LAYOUT: Final = FilmLayout(lambda case: f"images/{case.split or 'all'}", by_path=False)
_PART: Final = re.compile(r"(?:obj_)?(.+?)(?:_data)?")  # as it is, or as darknet and CVAT call their folders
_SLACK: Final = 1e-3  # of a side: how far rounding may push a box over the edge
_NOT_LABELS: Final = ("classes.txt", "requirements.txt")


def read(
    root: Path, *, looked_for: Iterable[str] = (), names: ClassNames = None, films: Path | None = None
) -> list[Case]:
    """Return the cases of a YOLO folder; raises :class:`DatasetError`.

    ``looked_for``: label ids whose absence on a film means absent. ``names``: class names → label ids,
    or a class map. ``films``: the image folder, where it is not ``images`` beside ``labels``.
    """
    found = annotated_images(root, names, films)
    return cases_from(found, root, lambda _: [films or root], looked_for=looked_for, rounding=_clipped)


def write(
    cases: Iterable[Case],
    out: Path,
    *,
    films: FilmTransfer = FilmTransfer.LINK,
    progress: Progress = iter,
    outputs: Outputs | None = None,
) -> None:
    """Write cases into the new folder ``out``; changes nothing that was given."""
    with (outputs or Outputs()).folder(out) as folder:
        draft(annotated_images_of(list(cases), folder, FilmTransfer(films), LAYOUT, progress=progress), folder)


def draft(drawn: Sequence[AnnotatedImage], folder: Path, labels: Iterable[str] = ()) -> None:
    """Write annotated images' text files, ``data.yaml`` with ``labels`` first, and the sidecar into ``folder``."""
    ordered = labels_in((replace(annotated, states=None) for annotated in drawn), labels)
    for annotated in drawn:
        path = _text_file(folder, annotated.film)
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            _line(ordered.index(mark.label), box, annotated.size, mark.score if mark.proposed else None)
            for mark in annotated.marks
            if annotated.size is not None and (box := _clipped(mark.box, annotated.size)) is not None
        ]
        path.write_text("".join(lines), encoding="ascii")
    parts = sorted({Path(annotated.film).parent.name for annotated in drawn})
    (folder / "data.yaml").write_text(class_yaml(ordered, parts), encoding="ascii")
    write_sidecar(drawn, folder)


def annotated_images(root: Path, names: ClassNames = None, films: Path | None = None) -> list[AnnotatedImage]:
    """Return what a YOLO folder says, first the films of the sidecar in their order, then the others by path."""
    if not root.is_dir():
        raise DatasetError("DATASET_NOT_FOUND", root, "no such folder")
    sidecar = read_sidecar(root)
    lines = _Lines(class_names(root), ClassMap.of(names), keypoint_shape(root), ours=bool(sidecar))
    found = []
    for key, (case_json, size) in sidecar.items():
        part = str(case_json.get("split") or "all")
        film = f"images/{part}/{key}"
        path = _text_file(root, film)
        if not path.is_file():
            raise DatasetError("DATASET_INCOMPLETE", path, "the label file of a film that lungspot.jsonl lists is gone")
        marks, _ = settled(lines.marks(path, size))
        found.append(AnnotatedImage(film, size, marks, case_json=case_json, where=str(path)))
    folder = films or root
    seen: dict[Path, str] = {}
    for film_path in _films(folder):
        name = film_path.relative_to(folder).as_posix()
        path = root / name if films else film_path
        path = _text_file(root, path.relative_to(root).as_posix())
        if (other := seen.setdefault(path, name)) != name and path.is_file():
            reason = f"it would be the label file of {other} and of {name}"
            raise DatasetError("DATASET_ROW", path, reason, advice="give each film a name of its own")
        if file_key(name) in sidecar:
            continue
        size = film_size(film_path)
        marks, normal = settled(lines.marks(path, size) if path.is_file() else ())
        found.append(AnnotatedImage(name, size, marks, facts=_facts(name), where=str(path), normal=normal))
    _refuse_orphans(root, {*seen, *(Path(annotated.where) for annotated in found)})
    lines.tell_unused()
    lines.refuse_corners()
    if not found:
        raise DatasetError("DATASET_INCOMPLETE", folder, f"no films ({' '.join(IMAGE_SUFFIXES)})")
    return found


def _clipped(box: Box, size: Frame | None) -> Box | None:
    inside = None if size is None else box.clip(size)
    return None if inside is None else as_shown(inside)


def _line(number: int, box: Box, size: Frame, score: float | None) -> str:
    """Return the line of a box, with a model's confidence where it is a prediction."""
    x, y = box.center
    values = [x / size.width, y / size.height, box.width / size.width, box.height / size.height]
    values += [] if score is None else [score]
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
    words = [match[1] for match in map(_PART.fullmatch, parts[:-1]) if match]
    split = next(filter(None, map(Split.named, words)), None)
    return {
        "id": "/".join((*(part for part in parts[:-1] if part != "images"), parts[-1])),
        "split": split,
    }


class _Lines:
    """What the lines of label files mean: the classes' names, and the key points of a pose."""

    def __init__(
        self, names: Sequence[str], classes: ClassMap, keypoints: tuple[int, int] | None, *, ours: bool
    ) -> None:
        self._names, self._classes, self._keypoints, self._ours = names, classes, keypoints, ours
        self._used: set[int] = set()
        self._leaving: list[str] = []
        self._all_fit_as_corners = True

    def marks(self, path: Path, size: Frame | None) -> list[Mark]:
        """Return the boxes of a label file in pixels; raises :class:`DatasetError`."""
        try:
            lines = regular(path).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, ValueError) as error:
            raise DatasetError("NOT_READABLE", path, str(error)) from error
        found = [(f"{path}:{number}", line.split()) for number, line in enumerate(lines, 1) if line.strip()]
        tracked = any(_ends_in_a_track(words) and float(words[-1]) > 1 for _, words in found)
        return [self._mark(words, size, where, tracked=tracked) for where, words in found]

    def refuse_corners(self) -> None:
        """Refuse files whose boxes leave their films as centre and size, and all fit as corners."""
        if self._leaving and self._all_fit_as_corners:
            reason = f"{len(self._leaving)} boxes leave their films as centre and size, and all fit as x0 y0 x1 y1"
            advice = "write centre x, centre y, width, height"
            raise DatasetError("DATASET_ROW", self._leaving[0], reason, advice=advice)

    def tell_unused(self) -> None:
        """Tell the class map which classes nothing used, where the files are a stranger's."""
        for number, name in enumerate(self._names):
            if number not in self._used and not self._ours:
                self._classes.unused(name)

    def _mark(self, words: Sequence[str], size: Frame | None, where: str, *, tracked: bool) -> Mark:
        try:
            values = [float(word) for word in words]
        except ValueError as error:
            raise DatasetError("DATASET_ROW", where, f"{' '.join(words)[:80]!r} are not numbers") from error
        if tracked and _ends_in_a_track(words):
            words, values = words[:-1], values[:-1]
        box, polygon, score = self._parts(words, values, where)
        if not all(math.isfinite(value) and -_SLACK <= value <= 1 + _SLACK for value in (*box, *polygon, score or 0)):
            raise DatasetError("DATASET_ROW", where, "numbers outside 0 to 1: pixels, or not a number")
        label = self._label(words[0], values[0], where)
        if size is None:
            raise DatasetError("DATASET_ROW", where, "a box on a film whose size is not known")
        if polygon:
            xs, ys = polygon[::2], polygon[1::2]
            corners = [min(xs), min(ys), max(xs), max(ys)]
        else:
            x, y, width, height = box
            corners = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
            self._leaving += [] if _on_film(box) else [where]
            self._all_fit_as_corners &= x < width and y < height
        return Mark(label, stated_box(corners, where).scale(size.width, size.height), score=score)

    def _parts(
        self, words: Sequence[str], values: Sequence[float], where: str
    ) -> tuple[Sequence[float], Sequence[float], float | None]:
        """Return the box or the polygon of a line, and its score.

        Trackers write ``class x y w h [score] track``: a whole number at the end that no fraction of a side can be, or,
        where it could be one, behind a box that lies on the film.
        """
        number = len(values)
        if self._keypoints is not None and number >= 5:
            points = self._keypoints[0] * self._keypoints[1]
            if number not in {5, 5 + points, 6 + points}:
                reason = f"{number} numbers are not a box and {self._keypoints[0]} key points of kpt_shape"
                raise DatasetError("DATASET_ROW", where, reason)
            return values[1:5], (), values[-1] if number == 6 + points else None
        if number == 5 or (number == 6 and values[5] > 1 and values[5].is_integer()):  # the last is a track
            return values[1:5], (), None
        if number == 6 or (number == 7 and _is_track(words[6], values)):
            return values[1:5], (), values[5]
        if number >= 7 and number % 2 == 1:
            return (), values[1:], None
        if number >= 8:  # a polygon with its score
            return (), values[1:-1], values[-1]
        raise DatasetError("DATASET_ROW", where, f"{number} numbers are neither a box nor a polygon")

    def _label(self, word: str, value: float, where: str) -> str:
        if not math.isfinite(value) or not value.is_integer() or value < 0:
            raise DatasetError("UNKNOWN_LABEL", where, f"class {word} of {len(self._names)} classes")
        number = int(value)
        if number < len(self._names):
            self._used.add(number)
            return self._classes.meaning(self._names[number], where, ours=self._ours)
        if self._classes.look_up(str(number)) is None:
            advice = f"name it in data.yaml, or say what it means: --class-map {number}=LABEL"
            reason = f"class {word} of {len(self._names)} classes has no name"
            raise DatasetError("UNKNOWN_LABEL", where, reason, advice=advice)
        return self._classes.meaning(str(number), where, ours=self._ours)


def _ends_in_a_track(words: Sequence[str]) -> bool:
    """Say whether a line has the form of a polygon with its score and a track, a whole number, behind it."""
    return len(words) >= 9 and len(words) % 2 == 1 and words[-1].isdecimal()


def _is_track(word: str, values: Sequence[float]) -> bool:
    last = values[-1]
    return (last > 1 and last.is_integer()) or (word.isdecimal() and _on_film(values[1:5]))


def _on_film(box: Sequence[float]) -> bool:
    x, y, width, height = box
    corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return min(corners) >= -_SLACK and max(corners) <= 1 + _SLACK


def _refuse_orphans(root: Path, known: set[Path]) -> None:
    for path in walk(root, (".txt",)):
        if path in known or path.name in _NOT_LABELS:
            continue
        if "labels" in path.relative_to(root).parts or _holds_boxes(path):
            raise DatasetError("DATASET_INCOMPLETE", path, "no film has this label file")


def _holds_boxes(path: Path) -> bool:
    """Say whether a text file that is not among labels has nothing but lines of a class and a box, or of more."""
    try:
        with regular(path).open(encoding="utf-8-sig") as file:
            lines = [line.split() for line in islice(file, 100) if line.strip()]
        return bool(lines) and all(len(words) >= 5 and all(map(_is_number, words)) for words in lines)
    except (OSError, ValueError):
        return False


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False
