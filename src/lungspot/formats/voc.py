"""Pascal VOC XML: ``Annotations/``, ``JPEGImages/``, ``ImageSets/Main/`` and ``lungspot.jsonl``.

Citation: M. Everingham et al., The Pascal Visual Object Classes Challenge, IJCV 2010.
Link: http://host.robots.ox.ac.uk/pascal/VOC/.
Terms: none on the format; the films keep their publishers'.
Coordinates: ``xmin ymin xmax ymax`` in pixels of the image file. VOC's own files count pixels from 1 and mean the
pixels ``xmin`` to ``xmax``, both inside: of those, known by their ``source/database``, of supervision's and with
``one_based=True``, 1 is taken from ``xmin`` and ``ymin`` only. Today's other tools (LabelImg, CVAT, Roboflow) write
plain 0-based corners, and so does lungspot. Whole numbers are written, for most readers take no others, rounded to
the nearest and at least one pixel wide; the exact box is in the sidecar, so that a box does not move however often it
is read and written.
States: none; a film without objects keeps its file.
Extension: ``lungspot.jsonl`` (:mod:`lungspot.formats.sidecar`), for tools drop elements that they do not know.
Known faults of files in the wild: ``filename`` without or with another suffix, ``size`` of the film before it was
resized, either base, entities (refused; see :mod:`lungspot.formats.xml_tree`); films in folders as their files are
(CVAT, datumaro) or in ``data`` (FiftyOne); no file of a film without boxes (datumaro), which is then no case.
``difficult`` and ``truncated`` are not read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement

from lungspot.errors import DatasetError
from lungspot.findings import Box, Frame
from lungspot.formats.annotated_image import AnnotatedImage, Mark, around_turned, settled, stated_box, stated_size
from lungspot.formats.case import Case, Split
from lungspot.formats.cases import cases_from
from lungspot.formats.classes import ClassMap, ClassNames
from lungspot.formats.image_files import FilmLayout, FilmTransfer, Progress, annotated_images_of
from lungspot.formats.sidecar import file_key, read_sidecar, write_sidecar
from lungspot.formats.xml_tree import parse_xml, write_xml
from lungspot.images import walk
from lungspot.outputs import Outputs

__all__ = ["LAYOUT", "annotated_images", "draft", "read", "write"]

_FILMS: Final = "JPEGImages"
LAYOUT: Final = FilmLayout(lambda _: _FILMS, by_path=False)
_XML: Final = "Annotations"
_SIDES: Final = ("xmin", "ymin", "xmax", "ymax")


def read(
    root: Path,
    *,
    looked_for: Iterable[str] = (),
    names: ClassNames = None,
    films: Path | None = None,
    one_based: bool | None = None,
) -> list[Case]:
    """Return the cases of a VOC folder, or of one XML file; raises :class:`DatasetError`.

    ``looked_for``: label ids whose absence on a film means absent. ``names``: class names → label ids,
    or a class map. ``films``: the image folder, where not ``JPEGImages``. ``one_based``: see above; None: as
    ``source/database`` says, VOC's own and supervision's; films that lungspot wrote are read as written.
    """
    folder = root if root.is_dir() else root.parent

    def places(annotated: AnnotatedImage) -> list[Path]:
        if films:
            return [films]
        beside = Path(annotated.where).parent
        home, within = _home(beside)
        nested = [home / _FILMS / within] if within else []
        others = [near / name for near in (home, beside.parent) for name in (_FILMS, "images", "data", "")]
        return [*nested, home / _FILMS, beside, *others, folder]

    found = annotated_images(root, names, one_based=one_based)
    return cases_from(found, folder, places, looked_for=looked_for, rounding=_whole)


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
        listed = list(cases)
        drawn = annotated_images_of(listed, folder, FilmTransfer(films), LAYOUT, progress=progress)
        draft(drawn, folder)
        for split in Split:
            stems = [PurePosixPath(s.film).stem for s, case in zip(drawn, listed, strict=True) if case.split is split]
            if stems:
                path = folder / "ImageSets" / "Main" / f"{split}.txt"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("".join(f"{stem}\n" for stem in stems), encoding="ascii")


def draft(drawn: Sequence[AnnotatedImage], folder: Path, labels: Iterable[str] = ()) -> None:
    """Write each annotated image's XML file and the sidecar into ``folder``, and ``labels`` where there are any."""
    (folder / _XML).mkdir(parents=True)
    for annotated in drawn:
        name = file_key(annotated.film)
        write_xml(folder / _XML / f"{PurePosixPath(name).stem}.xml", _tree(annotated, name))
    listed = list(labels)
    if listed:
        (folder / "labels.txt").write_text("".join(f"{label}\n" for label in listed), encoding="ascii")
    write_sidecar(drawn, folder)


def annotated_images(root: Path, names: ClassNames = None, *, one_based: bool | None = None) -> list[AnnotatedImage]:
    """Return what the XML files say: the films of the sidecar in their order, then the others by path."""
    if not root.exists():
        raise DatasetError("DATASET_NOT_FOUND", root, "no such file or folder")
    folder = root if root.is_dir() else root.parent
    sidecar = read_sidecar(folder)
    classes = ClassMap.of(names)
    files = list(walk(folder, (".xml",))) if root.is_dir() else [root]
    splits: dict[Path, dict[str, Split]] = {}
    found: dict[str, AnnotatedImage] = {}
    others = []
    for path in files:
        tree = parse_xml(path, "annotation")
        _refuse_strays(tree, path)
        film = (tree.findtext("filename") or "").strip() or f"{path.stem}.jpg"
        case_json, size = sidecar.get(file_key(film), (None, None))
        ours = case_json is not None
        shift = 0 if ours else int(_counts_from_one(tree) if one_based is None else one_based)
        drawn = [
            _mark(item, f"{path}: object {row}", classes, ours=ours, shift=shift)
            for row, item in enumerate(tree.iterfind("object"), 1)
        ]
        marks, normal = settled(drawn)
        if ours:
            found[file_key(film)] = AnnotatedImage(film, size, marks, case_json=case_json, where=str(path))
            continue
        size = stated_size(tree.findtext("size/width"), tree.findtext("size/height"), str(path))
        home, within = _home(path.parent)
        if home not in splits:
            splits[home] = _splits(home)
        split = splits[home].get(f"{within}/{path.stem}" if within else path.stem)
        facts: dict[str, Any] = {"id": _id(path, folder), "split": split}
        others.append(AnnotatedImage(film, size, marks, facts=facts, where=str(path), normal=normal))
    gone = [key for key in sidecar if key not in found]
    if gone and root.is_dir():
        raise DatasetError("DATASET_INCOMPLETE", folder, f"no XML file of {gone[0]!r}, which lungspot.jsonl lists")
    if not found and not others:
        raise DatasetError("DATASET_NOT_FOUND", root, "no *.xml files")
    return [found[key] for key in sidecar if key in found] + others


def _counts_from_one(tree: Element) -> bool:
    """Say whether a file is VOC's own, or supervision's, which counts as VOC does."""
    database = tree.findtext("source/database") or ""
    return database.startswith("The VOC") or (database == "roboflow.ai" and tree.findtext("folder") == "VOC")


def _refuse_strays(tree: Element, path: Path) -> None:
    """Refuse a file with boxes that are of no object, or a second of one; those of an object's parts are its own."""
    read = {id(item.find("bndbox")) for item in tree.iterfind("object")}
    read |= {id(box) for part in tree.iter("part") for box in part.iter("bndbox")}
    if any(id(box) not in read for box in tree.iter("bndbox")):
        raise DatasetError("DATASET_ROW", path, "a bndbox that is of no object, or the second of one")


def _whole(box: Box, _: Frame | None) -> Box:
    x0, y0, x1, y1 = (round(side) for side in box.corners)
    return Box(x0, y0, max(x1, x0 + 1), max(y1, y0 + 1))


def _tree(annotated: AnnotatedImage, name: str) -> Element:
    tree = Element("annotation")
    for tag, text in (("folder", _FILMS), ("filename", name)):
        SubElement(tree, tag).text = text
    size = SubElement(tree, "size")
    sides = (0, 0) if annotated.size is None else (annotated.size.width, annotated.size.height)
    for tag, side in zip(("width", "height", "depth"), (*sides, 1), strict=True):
        SubElement(size, tag).text = str(side)
    SubElement(tree, "segmented").text = "0"
    for mark in annotated.marks:
        item = SubElement(tree, "object")
        for tag, text in (("name", mark.label), ("pose", "Unspecified"), ("truncated", "0"), ("difficult", "0")):
            SubElement(item, tag).text = text
        box = SubElement(item, "bndbox")
        for tag, corner in zip(_SIDES, _whole(mark.box, None).corners, strict=True):
            SubElement(box, tag).text = str(int(corner))
    return tree


def _mark(item: Element, where: str, classes: ClassMap, *, ours: bool, shift: int) -> Mark:
    label = classes.meaning((item.findtext("name") or "").strip(), where, ours=ours)
    if item.find("bndbox") is None and item.find("robndbox") is not None:
        return Mark(label, _around_robndbox(item, where))
    texts = [item.findtext(f"bndbox/{side}") for side in _SIDES]
    try:
        left, top, right, bottom = (float(text or "") for text in texts)
    except ValueError as error:
        raise DatasetError("DATASET_ROW", where, f"bndbox {texts} are not four numbers") from error
    corners = stated_box((left - shift, top - shift, right, bottom), where).corners
    said = (
        one.findtext("value") for one in item.iterfind("attributes/attribute") if one.findtext("name") == "rotation"
    )
    return Mark(label, stated_box(around_turned(corners, next(said, None)), where))


def _around_robndbox(item: Element, where: str) -> Box:
    """Return the box around roLabelImg's turned one: centre, sides, and radians from the x axis."""
    texts = [item.findtext(f"robndbox/{key}") for key in ("cx", "cy", "w", "h", "angle")]
    try:
        x, y, wide, high, turn = (float(text or "") for text in texts)
    except ValueError as error:
        raise DatasetError("DATASET_ROW", where, f"robndbox {texts} are not five numbers") from error
    upright = stated_box((x - wide / 2, y - high / 2, x + wide / 2, y + high / 2), where)
    return stated_box(around_turned(upright.corners, math.degrees(turn)), where)


def _id(path: Path, folder: Path) -> str:
    parts = path.relative_to(folder).with_suffix("").parts
    return "/".join(part for part in parts if part != _XML)


def _home(beside: Path) -> tuple[Path, str]:
    """Return the folder of a data set whose XML files lie in ``beside``, and what of it is below ``Annotations``."""
    within: list[str] = []
    for folder in (beside, *beside.parents):
        if folder.name == _XML:
            return folder.parent, "/".join(reversed(within))
        within.append(folder.name)
    return beside.parent, ""


def _splits(folder: Path) -> dict[str, Split]:
    splits: dict[str, Split] = {}
    for split in Split:
        path = folder / "ImageSets" / "Main" / f"{split}.txt"
        if path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            splits |= {line.split()[0]: split for line in lines if line.strip()}
    return splits
