"""CVAT for images 1.1: ``annotations.xml``, ``images/``, ``labels.json`` and ``lungspot.jsonl``.

Citation: B. Sekachev et al., CVAT: Computer Vision Annotation Tool (2020).
Link: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/.
Terms: CVAT is MIT; the films keep their publishers'.
Coordinates: ``xtl ytl xbr ybr`` in pixels of the image file, 0-based, floats of two decimals; the exact box is in the
sidecar. Of a rotated box, polygon, polyline, ellipse or mask the enclosing box is read. A box outside the film is
written as it is.
States: image tags ``absent:effusion``, ``present:effusion`` (there, not all boxed) and ``done``.
To label: make a task with ``labels.json`` (Raw) and the files of ``images/``, then upload ``annotations.xml``; export
as "CVAT for images 1.1".
Extension: ``lungspot.jsonl`` (:mod:`lungspot.formats.sidecar`), for CVAT keeps nothing that it does not know.
Known faults of files in the wild: ``name`` with the folder of the server's share; points and skeletons (no area:
refused); a project's export names each film's subset, and its films lie in ``images/SUBSET``. Where there is no
``annotations.xml``, every XML file of the folder is read (datumaro: one a part; FiftyOne: ``labels.xml``). A box of a
track that is ``outside`` is none; frames of a video are films called ``frame_000012``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement

from lungspot.errors import DatasetError
from lungspot.findings import EDITED, HUMAN, MODEL, Box, Frame
from lungspot.formats.annotated_image import (
    DONE,
    READER,
    AnnotatedImage,
    Mark,
    ellipse_reach,
    flagged,
    flags_of,
    labels_in,
    settled,
    stated_box,
    stated_size,
)
from lungspot.formats.case import Case, Split
from lungspot.formats.case_json import write_json
from lungspot.formats.cases import cases_from
from lungspot.formats.classes import ClassMap, ClassNames
from lungspot.formats.image_files import FilmLayout, FilmTransfer, Progress, annotated_images_of
from lungspot.formats.sidecar import file_key, read_sidecar, write_sidecar
from lungspot.formats.xml_tree import parse_xml, write_xml
from lungspot.images import list_files
from lungspot.outputs import Outputs

__all__ = ["LAYOUT", "annotated_images", "draft", "read", "write"]

_FILE: Final = "annotations.xml"
_FILMS: Final = "images"
LAYOUT: Final = FilmLayout(lambda _: _FILMS, by_path=False)
_SIDES: Final = ("xtl", "ytl", "xbr", "ybr")
_LEAST: Final = 0.01
_SHAPES: Final = frozenset({"box", "polygon", "polyline", "ellipse", "mask", "points", "cuboid", "skeleton"})
_DIGITS: Final = 9  # of a frame's number
_ORIGINS: Final = {
    "manual": HUMAN,
    "auto": MODEL,
    "semi-auto": EDITED,
}  # CVAT calls an automatic shape so that was moved
_OF_PREDICTION: Final = ("score", "standing")


def read(
    root: Path, *, looked_for: Iterable[str] = (), names: ClassNames = None, films: Path | None = None
) -> list[Case]:
    """Return the cases of a CVAT export, a folder or its XML file; raises :class:`DatasetError`.

    ``looked_for``: label ids whose absence on a film means absent. ``names``: class names → label ids,
    or a class map. ``films``: the image folder, where not ``images``.
    """
    folder = root if root.is_dir() else root.parent
    folders = [films] if films else [folder / _FILMS, folder / _FILMS / "default", folder / "data", folder]
    found = annotated_images(root, names)
    return cases_from(found, folder, lambda _: folders, looked_for=looked_for, rounding=_rounded)


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
    """Write ``annotations.xml``, ``labels.json`` with ``labels`` first, and the sidecar into ``folder``."""
    ordered = labels_in(drawn, labels)
    tags = list(dict.fromkeys([DONE, *(flag for annotated in drawn for flag in flags_of(annotated) if flag != DONE)]))
    kinds = [(label, "rectangle") for label in ordered] + [(tag, "tag") for tag in tags]
    # CVAT takes no attribute that a label does not declare; people draw boxes without a score.
    predicted = any(mark.proposed and mark.facts for annotated in drawn for mark in annotated.marks)
    texts = [{"name": name, "input_type": "text", "mutable": False, "values": [""]} for name in _OF_PREDICTION]
    declared = {"rectangle": texts if predicted else [], "tag": []}
    listed = [{"name": name, "type": kind, "attributes": declared[kind]} for name, kind in kinds]
    write_json(folder / "labels.json", listed, 1)
    tree = Element("annotations")
    SubElement(tree, "version").text = "1.1"
    for number, annotated in enumerate(drawn):
        image = SubElement(tree, "image", {"id": str(number), "name": file_key(annotated.film)})
        if annotated.size is not None:
            image.attrib |= {"width": str(annotated.size.width), "height": str(annotated.size.height)}
        for mark in annotated.marks:
            corners = _rounded(mark.box, None).corners
            values = {side: f"{value:.2f}" for side, value in zip(_SIDES, corners, strict=True)}
            source = "auto" if mark.proposed else "manual"
            attributes = {"label": mark.label, "source": source, "occluded": "0", **values, "z_order": "0"}
            box = SubElement(image, "box", attributes)
            said = {"score": mark.score, **mark.facts} if mark.proposed and mark.facts else {}
            for name in _OF_PREDICTION if said else ():
                SubElement(box, "attribute", {"name": name}).text = str(said.get(name, ""))
        for tag, on in flags_of(annotated).items():
            if on:
                SubElement(image, "tag", {"label": tag, "source": "manual"})
    write_xml(folder / _FILE, tree)
    write_sidecar(drawn, folder)


def annotated_images(root: Path, names: ClassNames = None) -> list[AnnotatedImage]:
    """Return what the XML files say, image by image; raises :class:`DatasetError`."""
    files = _files(root)
    sidecar, classes = read_sidecar(files[0].parent), ClassMap.of(names)
    found = []
    for path in files:
        tree = parse_xml(path, "annotations")
        _refuse_strays(tree, path)
        part = path.stem if root.is_dir() else ""
        images = enumerate(tree.iterfind("image"))
        found += [_annotated(image, f"{path}: image {row}", sidecar, classes, part) for row, image in images]
        found += _frames(tree, path, classes)
    gone = sidecar.keys() - {file_key(annotated.film) for annotated in found}
    if gone:
        raise DatasetError("DATASET_INCOMPLETE", files[0], f"no image {min(gone)!r}, which lungspot.jsonl lists")
    return found


def _files(root: Path) -> list[Path]:
    """Return the file given, or a folder's ``annotations.xml``, else all its XML files, which are then its parts."""
    if not root.is_dir() or (root / _FILE).is_file():
        return [root / _FILE if root.is_dir() else root]
    return list_files(root, "*.xml") or [root / _FILE]


def _refuse_strays(tree: Element, path: Path) -> None:
    """Refuse a file with shapes where none are looked for: what is not an image or a track would lose them."""
    placed = {id(item) for tag in ("image", "track") for parent in tree.iterfind(tag) for item in parent}
    for part in tree:
        for item in part.iter():
            if part.tag != "meta" and item.tag in _SHAPES and id(item) not in placed:
                reason = f"a {item.tag} in a {part.tag} that is of no image"
                raise DatasetError("DATASET_ROW", path, reason, advice='export as "CVAT for images 1.1"')


def _rounded(box: Box, _: Frame | None) -> Box:
    x0, y0, x1, y1 = (round(side, 2) for side in box.corners)
    return Box(x0, y0, max(x1, round(x0 + _LEAST, 2)), max(y1, round(y0 + _LEAST, 2)))


def _annotated(
    image: Element,
    where: str,
    sidecar: Mapping[str, tuple[Mapping[str, Any], Frame | None]],
    classes: ClassMap,
    part: str,
) -> AnnotatedImage:
    name = image.get("name")
    if not name:
        raise DatasetError("DATASET_ROW", where, "an image without a name")
    case_json, _ = sidecar.get(file_key(name), (None, None))
    ours = case_json is not None
    size = stated_size(image.get("width"), image.get("height"), where)
    subset = (image.get("subset") or "").strip()
    if subset and not ours:  # a project's export: the films of each subset lie in a folder of its name
        name = f"{subset}/{name}"
    marks, flags = [], {}
    for row, item in enumerate(image, 1):
        place = f"{where}: element {row}"
        if item.tag == "tag":
            flags[item.get("label") or ""] = True
        else:
            label = classes.meaning(item.get("label"), place, ours=ours)
            origin = _ORIGINS.get(item.get("source") or "")
            proposed = origin in {MODEL, EDITED}
            marks.append(Mark(label, stated_box(_corners(item, place), place), proposed=proposed, origin=origin))
    states, done, nothing = flagged(flags, where, classes, marks, ours=ours)
    drawn, normal = settled(marks, [READER] * nothing)
    facts = {} if ours else {"split": Split.named(subset or part)}
    return AnnotatedImage(
        name, size, drawn, states, done=done, case_json=case_json, facts=facts, where=where, normal=normal
    )


def _frames(tree: Element, path: Path, classes: ClassMap) -> list[AnnotatedImage]:
    """Return the frames of a video's tracks that hold a box: ``frame_000012`` where nobody names them."""
    size = stated_size(
        tree.findtext(".//original_size/width"), tree.findtext(".//original_size/height"), f"{path}: original_size"
    )
    marks: dict[int, list[Mark]] = {}
    for row, track in enumerate(tree.iterfind("track")):
        for place, item in ((f"{path}: track {row}: element {number}", item) for number, item in enumerate(track, 1)):
            frame = item.get("frame") or ""
            if not frame.isdecimal() or len(frame) > _DIGITS:
                raise DatasetError("DATASET_ROW", place, f"frame {frame!r} is not a number")
            if item.get("outside") != "1":
                label = classes.meaning(track.get("label"), place, ours=False)
                marks.setdefault(int(frame), []).append(Mark(label, stated_box(_corners(item, place), place)))
    found = []
    for frame_number, drawn in sorted(marks.items()):
        kept, normal = settled(drawn)
        where = f"{path}: frame {frame_number}"
        found.append(AnnotatedImage(f"frame_{frame_number:06d}.png", size, kept, where=where, normal=normal))
    return found


def _corners(item: Element, where: str) -> tuple[float, ...]:
    try:
        points = _points(item, where)
        turn = math.radians(float(item.get("rotation", "0")))
        if not math.isfinite(turn):
            raise ValueError(f"rotation {turn}")  # noqa: TRY301 - said below, as the other numbers
    except ValueError as error:
        raise DatasetError("DATASET_ROW", where, f"a {item.tag} with numbers that are none ({error})") from error
    if item.tag == "ellipse":
        return _around_ellipse(points, turn)
    if turn:
        x, y = (sum(values) / len(points) for values in zip(*points, strict=True))
        sine, cosine = math.sin(turn), math.cos(turn)
        points = [(x + (a - x) * cosine - (b - y) * sine, y + (a - x) * sine + (b - y) * cosine) for a, b in points]
    xs, ys = zip(*points, strict=True)
    return (min(xs), min(ys), max(xs), max(ys))


def _around_ellipse(points: Sequence[tuple[float, float]], turn: float) -> tuple[float, ...]:
    """Return the box around an ellipse that fills the upright rectangle of ``points``, turned about its centre."""
    (x0, y0), (x1, y1) = points[0], points[2]
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    wide, high = ellipse_reach((x1 - x0) / 2, (y1 - y0) / 2, turn)
    return (x - wide, y - high, x + wide, y + high)


def _points(item: Element, where: str) -> list[tuple[float, float]]:
    """Return the corners of a shape before it is turned."""

    def number(key: str) -> float:
        return float(item.get(key) or f"no {key}")

    if item.tag == "box":
        x0, y0, x1, y1 = map(number, _SIDES)
    elif item.tag == "ellipse":
        x, y, wide, high = map(number, ("cx", "cy", "rx", "ry"))
        x0, y0, x1, y1 = x - wide, y - high, x + wide, y + high
    elif item.tag == "mask":
        x0, y0 = number("left"), number("top")
        x1, y1 = x0 + number("width"), y0 + number("height")
    elif item.tag in {"polygon", "polyline"}:
        pairs = [pair.partition(",") for pair in (item.get("points") or "").split(";")]
        return [(float(x), float(y)) for x, _, y in pairs]
    else:
        raise DatasetError("DATASET_ROW", where, f"a {item.tag} has no area", advice="draw a rectangle")
    if x0 >= x1 or y0 >= y1:
        stated_box((x0, y0, x1, y1), where)  # refuses
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
