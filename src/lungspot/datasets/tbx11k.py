"""TBX11K: 11,200 films (healthy, sick without TB, TB), boxes of active and obsolete tuberculosis.

Boxes: Pascal VOC x0, y0, x1, y1, in pixels of the film before it was made 512 x 512: the XML file's ``size`` says
which (2840 x 2827 and others). The COCO files give x, y, width, height in pixels of the 512 x 512 film.
Known faults: ``imgs/tb/tb1199`` has no annotation. ``imgs/extra`` holds Montgomery, Shenzhen and DA/DB.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from lungspot.datasets.declaration import Dataset, TruthSource
from lungspot.errors import DatasetError, InputError
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats import (
    STRICT,
    Case,
    Faults,
    Split,
    everything_absent,
    list_films,
    parse_xml,
    read_lines,
    read_object,
    require_file,
    require_folder,
)
from lungspot.images import list_files

__all__ = ["DATASET", "LABELS", "NAMES", "READER", "cases"]

READER: Final = "tbx11k"
LABELS: Final[dict[str, str]] = {
    "ActiveTuberculosis": "tuberculosis_active",
    "ObsoletePulmonaryTuberculosis": "tuberculosis_old",
}
NAMES = LABELS | {"PulmonaryTuberculosis": "tuberculosis"}  # undecided; in the category list, with no box so far
_FOLDERS = ("tb", "health", "sick")
_JSON = (("TBX11K_train.json", "TBX11K_val.json"), ("TBX11K_trainval.json",), ("TBX11K_trainval_only_tb.json",))
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_Annotation = tuple[Frame | None, list[tuple[str, Box]]]


def cases(root: Path) -> Iterator[Case]:
    """Yield a case for each annotated film and, where they are there, the healthy and the sick ones without TB.

    Annotations are those of ``annotations/xml`` where that folder is there, else of ``annotations/json``.
    """
    films = {path.stem: path for folder in _FOLDERS for path in list_films(require_folder(root) / "imgs" / folder)}
    boxes: dict[str, _Annotation] = dict(_all_xml(root)) or dict(_all_json(root))
    if not boxes:
        raise DatasetError("DATASET_INCOMPLETE", root, "no annotations/xml/*.xml or annotations/json/*.json here")
    splits = _official(root)
    for name in sorted(boxes.keys() | films.keys()):
        frame, found = boxes.get(name, (None, []))
        image = films.get(name)
        yield Case(
            id=name,
            dataset="tbx11k",
            patient=f"tbx_{name}",
            readings=(_reading(name, frame, found),),
            image=image,
            frame=frame,
            split=splits.get(name),
        )


def _reading(name: str, frame: Frame | None, boxes: list[tuple[str, Box]]) -> Reading:
    if boxes and frame is not None:
        return Reading.of_boxes(READER, frame, boxes, LABELS.values())
    if name.startswith("h"):
        return everything_absent(READER, frame)
    if name.startswith("s"):
        return Reading(READER, (), dict.fromkeys(("tuberculosis", *LABELS.values()), State.ABSENT), frame)
    return Reading(READER, (Finding("tuberculosis"),), {"tuberculosis": State.PRESENT}, frame)


def _all_xml(root: Path, faults: Faults = STRICT) -> Iterator[tuple[str, _Annotation]]:
    for path in list_files(root / "annotations" / "xml", "*.xml"):
        tree = parse_xml(path, "annotation")
        try:
            frame = Frame(int(tree.findtext("size/width", "")), int(tree.findtext("size/height", "")))
        except ValueError as error:
            reason = error.reason if isinstance(error, InputError) else str(error)
            faults.refuse("ROW_VALUE", str(path), f"no size or bndbox of numbers ({reason})")
            continue
        items = [
            (item.findtext("name", ""), {key: item.findtext(f"bndbox/{key}", "") for key in _CORNERS})
            for item in tree.iter("object")
        ]
        boxes = [
            _boxed(str(path), name, faults.numbers(str(path), row, _CORNERS), frame, faults) for name, row in items
        ]
        yield path.stem, (frame, [box for box in boxes if box is not None])


def _all_json(root: Path, faults: Faults = STRICT) -> Iterator[tuple[str, _Annotation]]:
    folder = root / "annotations" / "json"
    for name in next((names for names in _JSON if (folder / names[0]).is_file()), ()):
        path = require_file(folder, name)
        content = read_object(path)
        found: defaultdict[Any, list[tuple[str, Box]]] = defaultdict(list)
        try:
            names = {item["id"]: item["name"] for item in content["categories"]}
            frames = {image["id"]: Frame(image["width"], image["height"]) for image in content["images"]}
            for item in content["annotations"]:
                x, y, width, height = item["bbox"]
                corners = (x, y, x + width, y + height)
                where, label = f"{path}:{item['id']}", names[item["category_id"]]
                box = _boxed(where, label, corners, frames.get(item["image_id"]), faults)
                found[item["image_id"]] += [] if box is None else [box]
            for image in content["images"]:
                yield Path(image["file_name"]).stem, (frames[image["id"]], found[image["id"]])
        except (KeyError, TypeError, ValueError) as error:
            reason = f"no COCO annotations with images, annotations and categories ({type(error).__name__}: {error})"
            raise DatasetError("DATASET_COLUMNS", path, reason) from error


def _boxed(
    where: str, name: str, corners: Sequence[object] | None, frame: Frame | None, faults: Faults
) -> tuple[str, Box] | None:
    label, box = faults.label(where, name, NAMES), faults.box(where, name, corners, frame)
    return None if label is None or box is None else (label, box)


def _names(path: Path) -> list[str]:
    """Return the file names of a COCO file's images."""
    try:
        return [str(image["file_name"]) for image in read_object(path)["images"]]
    except (KeyError, TypeError) as error:
        reason = f"no COCO images with file_name ({type(error).__name__}: {error})"
        raise DatasetError("DATASET_COLUMNS", path, reason) from error


def _official(root: Path) -> dict[str, Split]:
    found: dict[str, Split] = {}
    for split in (Split.TRAIN, Split.VAL):
        path = root / "lists" / f"TBX11K_{split}.txt"
        coco = root / "annotations" / "json" / f"TBX11K_{split}.json"
        if path.is_file():
            found |= {Path(line).stem: split for line in read_lines(path)}
        elif coco.is_file():
            found |= {Path(name).stem: split for name in _names(coco)}
    return found


DATASET: Final = Dataset(
    name="tbx11k",
    folder="tbx11k",
    title="TBX11K, tuberculosis",
    boxed="active and obsolete TB",
    citation="Liu Y, Wu YH, Ban Y, Wang H, Cheng MM. Rethinking computer-aided tuberculosis diagnosis. CVPR 2020.",
    link="https://mmcheng.net/tb/",
    terms="research, non-commercial.",
    research_only=True,
    cases=cases,
    sources=(TruthSource(READER, ruled=True),),
    labels=NAMES,
    tables=(_all_xml,),
)
