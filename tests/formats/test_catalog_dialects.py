"""docs/reference/formats.md's table of dialects, row by row: each is read, refused or written as it says."""

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from lungspot.errors import DatasetError
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats import (
    ANNOTATION_FORMATS,
    Case,
    PredictedFinding,
    Prediction,
    image_labels,
    to_coco,
    write_predictions,
)
from lungspot.formats.sidecar import SIDECAR

from .fuzzing import FILM

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "formats.md"
FRAME = Frame(200, 100)
DRAWN = ("effusion", (10.0, 20.0, 60.0, 80.0))  # what most files say
ROUND = ("effusion", (90.0, 40.0, 110.0, 60.0))
REFUSED, NOT = "refused", "\N{EN DASH}"


def rows():
    """Return (tool, dialect) → (read, write) of the table."""
    text = PAGE.read_text(encoding="utf-8").partition("## Dialects")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:2] == "| "]
    return {(tool, dialect): (read, write) for tool, dialect, read, write, lost in cells[1:] if lost}


# --------------------------------------------------------------------------------------------------- files of strangers


def coco(*annotations, categories=("Effusion",), images=None, **more):
    listed = [{"id": number, "name": name} for number, name in enumerate(categories, 1)]
    films = images or [{"id": 1, "file_name": "a.png", "width": 200, "height": 100}]
    value = {
        "categories": listed,
        "images": films,
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1} | one for one in annotations],
    }
    return {"a.png": FILM, "c.json": json.dumps(value | more).encode()}


def cvat(inside, *, around='<image id="0" name="a.png" width="200" height="100"{more}>{inside}</image>', more=""):
    text = f"<annotations><version>1.1</version>{around.format(inside=inside, more=more)}</annotations>"
    return {"images/a.png": FILM, "annotations.xml": text.encode()}


def labelme(points, shape="rectangle", *, film=FILM, **size):
    size = size or {"imageWidth": 200, "imageHeight": 100}
    value = {
        "imagePath": "a.png",
        "flags": {},
        "shapes": [{"label": "effusion", "points": points, "shape_type": shape}],
    }
    return {"a.png": film, "a.json": json.dumps(value | size).encode()}


def turned():
    data, image = io.BytesIO(), Image.new("L", (200, 100))
    tags = image.getexif()
    tags[0x0112] = 6
    image.save(data, "PNG", exif=tags)
    return data.getvalue()


PLACE = {"x": 5, "y": 20, "width": 25, "height": 60, "rotation": 0}
SIZE = {"original_width": 200, "original_height": 100}


def studio(*results, **task):
    made = [{"id": str(number), **(SIZE | one)} for number, one in enumerate(results)]
    value = {"data": {"image": "a.png"}, "annotations": [{"completed_by": 1, "result": made}]} | task
    return {"a.png": FILM, "tasks.json": json.dumps([value]).encode()}


def labelled(kind="rectanglelabels", value=PLACE, **more):
    return {"type": kind, "value": value | {kind: ["Effusion"]}, **more}


def voc(inside="", *, size="<size><width>200</width><height>100</height></size>", head=""):
    box = "<bndbox><xmin>10</xmin><ymin>20</ymin><xmax>60</xmax><ymax>80</ymax></bndbox>"
    item = f"<object><name>effusion</name>{box}{inside}</object>"
    text = f"{head}<annotation><filename>a.png</filename>{size}{item}</annotation>"
    return {"a.png": FILM, "a.xml": text.encode()}


def yolo(line, yaml="names: [effusion]\n"):
    return {"images/a.png": FILM, "labels/a.txt": line.encode(), "data.yaml": yaml.encode()}


CENTRED = "0 0.175 0.5 0.25 0.6"
XYWH = {"bbox": [10, 20, 50, 60]}
RING = [10, 20, 60, 20, 60, 80]
PREDICTED = Prediction(
    "a.png",
    FRAME,
    assessed=True,
    findings=(PredictedFinding("effusion", 0.5, Box(10, 20, 60, 80), standing="experimental"),),
    model="lungspot 2",
)
BOX = '<box label="effusion" xtl="10" ytl="20" xbr="60" ybr="80"{more}/>'
RLE = {"segmentation": {"counts": "x", "size": [100, 200]}}
PAIR = (
    {"id": "p", "type": "rectangle", "value": PLACE},
    {"id": "p", "type": "labels", "value": PLACE | {"labels": ["Effusion"]}},
)

# (tool, dialect) → files, and the boxes that people drew; or REFUSED.
READ = {
    ("coco", "detection JSON"): [(coco(XYWH), [DRAWN])],
    ("coco", "LVIS lists of what was looked for"): [
        (
            coco(
                XYWH,
                categories=("Effusion", "Mass"),
                images=[{"id": 1, "file_name": "a.png", "width": 200, "height": 100, "neg_category_ids": [2]}],
            ),
            [DRAWN],
        )
    ],
    ("coco", "`iscrowd`"): [(coco(XYWH | {"iscrowd": 1}), [DRAWN])],
    ("coco", "Roboflow, datumaro: categories that nothing uses"): [
        (coco(XYWH, categories=("Effusion", "objects-XyZ")), [DRAWN])
    ],
    ("coco", "pandas: ids with a point"): [(coco(XYWH | {"image_id": 1.0, "category_id": 1.0}), [DRAWN])],
    ("coco", "images without a size"): [(coco(XYWH, images=[{"id": 1, "file_name": "a.png"}]), [DRAWN])],
    ("coco", "polygons without a `bbox`"): [
        (coco({"segmentation": [RING]}), [DRAWN]),
        (coco({"bbox": [], "segmentation": [RING]}), [DRAWN]),
    ],
    ("coco", "RLE masks with a `bbox`"): [(coco(XYWH | RLE), [DRAWN])],
    ("coco", "RLE masks without a `bbox`"): [(coco(RLE), REFUSED)],
    ("coco", "corners in `bbox`"): [(coco({"bbox": [150, 20, 190, 80]}, {"id": 2, "bbox": [10, 20, 60, 80]}), REFUSED)],
    ("coco", "predictions of lungspot"): [({"a.png": FILM, "c.json": json.dumps(to_coco([PREDICTED])).encode()}, [])],
    ("cvat", "images 1.1, a task"): [(cvat(BOX.format(more="")), [DRAWN])],
    ("cvat", "images 1.1, a project by subsets"): [
        (
            {"images/val/a.png": FILM}
            | {"annotations.xml": cvat(BOX.format(more=""), more=' subset="val"')["annotations.xml"]},
            [DRAWN],
        )
    ],
    ("cvat", "tracks of a video"): [
        (
            {"images/frame_000003.png": FILM}
            | {
                "annotations.xml": cvat(
                    BOX.format(more=' frame="3" outside="0"'), around='<track id="0" label="effusion">{inside}</track>'
                )["annotations.xml"]
            },
            [DRAWN],
        )
    ],
    ("cvat", "polygon, ellipse, mask, turned box"): [
        (cvat('<polygon label="effusion" points="10,20;60,20;60,80"/>'), [DRAWN]),
        (cvat('<ellipse label="effusion" cx="100" cy="50" rx="10" ry="10" rotation="45"/>'), [ROUND]),
        (cvat('<mask label="effusion" left="10" top="20" width="50" height="60" rle="1"/>'), [DRAWN]),
        (cvat('<box label="effusion" xtl="5" ytl="25" xbr="65" ybr="75" rotation="90"/>'), [DRAWN]),
    ],
    ("cvat", "points, skeletons, cuboids"): [
        (cvat('<points label="effusion" points="10,20;60,80"/>'), REFUSED),
        (cvat('<skeleton label="effusion"><points label="nodule" points="1,2"/></skeleton>'), REFUSED),
        (cvat('<cuboid label="effusion" xtl1="1"/>'), REFUSED),
    ],
    ("labelme", "rectangle"): [(labelme([[60, 80], [10, 20]]), [DRAWN])],
    ("labelme", "polygon, circle, line, mask"): [
        (labelme([[10, 20], [60, 20], [60, 80]], "polygon"), [DRAWN]),
        (labelme([[100, 50], [110, 50]], "circle"), [ROUND]),
        (labelme([[10, 20], [60, 80]], "line"), [DRAWN]),
        (labelme([[10, 20], [60, 80]], "mask"), [DRAWN]),
    ],
    ("labelme", "points"): [(labelme([[10, 20]], "point"), REFUSED)],
    ("labelme", "a film that EXIF turns"): [
        (labelme([[20, 40], [80, 90]], film=turned()), [("effusion", (10.0, 20.0, 60.0, 80.0))])
    ],
    ("labelme", "no size"): [(labelme([[10, 20], [60, 80]], imageWidth=None, imageHeight=None), [DRAWN])],
    ("labelstudio", "JSON, `rectanglelabels`"): [(studio(labelled()), [DRAWN])],
    ("labelstudio", "`labels`, `rectangle` with `labels`"): [
        (studio(labelled("labels")), [DRAWN]),
        (studio(*PAIR), [DRAWN]),
    ],
    ("labelstudio", "ellipse, polygon, turned box"): [
        (studio(labelled("ellipselabels", {"x": 50, "y": 50, "radiusX": 5, "radiusY": 10, "rotation": 45})), [ROUND]),
        (studio(labelled("polygonlabels", {"points": [[5, 20], [30, 20], [30, 80]]})), [DRAWN]),
        (studio(labelled(value={"x": 30, "y": 20, "width": 30, "height": 50, "rotation": 90})), [DRAWN]),
    ],
    ("labelstudio", "`image_rotation`, no `original_width`"): [
        (studio(labelled(image_rotation=90)), [DRAWN]),
        (studio(labelled(original_width=None, original_height=None)), [DRAWN]),
    ],
    ("labelstudio", "`predictions` as ids"): [(studio(labelled(), predictions=[286]), [DRAWN])],
    ("labelstudio", "`predictions` with bodies"): [
        (studio(labelled(), predictions=[{"model_version": "m", "result": [SIZE | labelled(id="z")]}]), [DRAWN])
    ],
    ("labelstudio", "brush, key points"): [
        (studio({"type": "brushlabels", "value": {"rle": [1], "format": "rle", "brushlabels": ["Effusion"]}}), REFUSED),
        (
            studio({"type": "keypointlabels", "value": {"x": 1, "y": 1, "width": 1, "keypointlabels": ["Effusion"]}}),
            REFUSED,
        ),
    ],
    ("labelstudio", "JSON-MIN"): [
        (
            {
                "a.png": FILM,
                "tasks.json": json.dumps(
                    [{"image": "a.png", "label": [PLACE | {"rectanglelabels": ["Effusion"]}]}]
                ).encode(),
            },
            REFUSED,
        )
    ],
    ("voc", "corners from 0 (LabelImg, CVAT, Roboflow)"): [(voc(), [DRAWN])],
    ("voc", "no size"): [
        (voc(size=""), [DRAWN]),
        (voc(size="<size><width>0</width><height>0</height></size>"), [DRAWN]),
    ],
    ("voc", "`part` of an object"): [(voc("<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"), [DRAWN])],
    ("voc", "a document type or entities"): [
        (voc(head="<!DOCTYPE a>"), REFUSED),
        (voc(head='<!DOCTYPE a [<!ENTITY b "c">]>'), REFUSED),
    ],
    ("yolo", "`class x y w h`"): [(yolo(CENTRED), [DRAWN])],
    ("yolo", "with a score"): [(yolo(f"{CENTRED} 0.9"), [DRAWN])],
    ("yolo", "with a track"): [(yolo(f"{CENTRED} 17"), [DRAWN]), (yolo(f"{CENTRED} 0.9 17"), [DRAWN])],
    ("yolo", "polygons, with or without a score"): [
        (yolo("0 0.05 0.2 0.3 0.2 0.3 0.8"), [DRAWN]),
        (yolo("0 0.05 0.2 0.3 0.2 0.3 0.8 0.9"), [DRAWN]),
    ],
    ("yolo", "poses (`kpt_shape`)"): [
        (yolo(f"{CENTRED} 0.1 0.2 2", "names: [effusion]\nkpt_shape: [1, 3]\n"), [DRAWN])
    ],
    ("yolo", "class numbers without a name"): [(yolo(CENTRED, "names: []\n"), REFUSED)],
    ("yolo", "predictions of lungspot, `class x y w h conf`"): [(yolo(f"{CENTRED} 0.5"), [DRAWN])],
    ("csv", "labels of films, a column a label"): [
        ({"a.png": FILM, "labels.csv": b"image,Effusion,Mass\na.png,1,0\n"}, [])
    ],
}
WRITTEN = Case(
    "a",
    "own",
    "own_1",
    (
        Reading(
            "R8",
            (Finding("effusion", Box(10, 20, 60, 80)), Finding("mass", Box(70, 10, 90, 30), crowd=True)),
            {"effusion": State.BOXED, "mass": State.BOXED, "nodule": State.ABSENT},
            FRAME,
        ),
    ),
    frame=FRAME,
)


def lay(root, files):
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def boxes(cases):
    found = [each for case in cases for one in case.readings for each in one.findings if each.box is not None]
    return [(each.label, pytest.approx(each.box.corners, abs=1e-3)) for each in found]


def test_every_row_of_the_table_has_its_test_and_every_test_its_row():
    table = rows()
    assert len(table) > 40
    assert {key for key, (read, _) in table.items() if read != NOT} == READ.keys()
    assert {read for read, _ in table.values()} <= {"yes", "refused", NOT}
    for key, outcomes in READ.items():
        assert all((expected == REFUSED) == (table[key][0] == "refused") for _, expected in outcomes), key


@pytest.mark.parametrize(
    ("key", "number"), [(key, number) for key, outcomes in READ.items() for number in range(len(outcomes))]
)
def test_a_dialect_is_read_or_refused_as_the_table_says(tmp_path, key, number):
    files, expected = READ[key][number]
    root = lay(tmp_path, files)
    read = image_labels.cases if key[0] == "csv" else ANNOTATION_FORMATS[key[0]].read
    if expected == REFUSED:
        with pytest.raises(DatasetError) as refused:
            list(read(root))
        assert refused.value.where
    else:
        assert boxes(list(read(root))) == expected


def strip(root):
    """Take lungspot's extension away, so that a file says what the tool's format can say."""
    (root / SIDECAR).unlink(missing_ok=True)
    for path in root.rglob("*.json"):
        text = path.read_text()
        value = json.loads(text)
        if isinstance(value, dict):
            value.pop("lungspot", None)
            value.pop("info", None)
            for image in value.get("images", ()):
                image.pop("readings", None)
        elif isinstance(value, list):
            for task in value:
                task.get("data", {}).pop("lungspot", None)
        path.write_text(json.dumps(value))


@pytest.mark.parametrize("key", [key for key, (_, write) in rows().items() if write == "yes"])
def test_a_dialect_is_written_with_what_the_table_says(tmp_path, key):
    (tmp_path / "a.png").write_bytes(FILM)
    tool, dialect = key
    out = tmp_path / "out"
    if "prediction" in dialect:
        one = Prediction(str(tmp_path / "a.png"), FRAME, assessed=True, findings=PREDICTED.findings, where="p.json")
        write_predictions([one], out, tool)
        (row,) = csv.DictReader(io.StringIO((out / "predictions.csv").read_text()))
        assert (row["label"], row["score"], row["standing"]) == ("effusion", "0.5", "experimental")
        if tool != "csv":
            (annotated,) = ANNOTATION_FORMATS[tool].annotated_images(out)
            assert [(mark.label, mark.box.corners) for mark in annotated.marks] == [(DRAWN[0], pytest.approx(DRAWN[1]))]
        return
    ANNOTATION_FORMATS[tool].write([replace(WRITTEN, image=tmp_path / "a.png")], out, films="copy")
    strip(out)
    (case,) = ANNOTATION_FORMATS[tool].read(out)
    assert boxes([case]) == [DRAWN, ("mass", (70, 10, 90, 30))]
    (reading,) = case.readings
    can_say_absent = tool in {"coco", "labelme", "cvat", "labelstudio"}
    assert (reading.states.get("nodule") is State.ABSENT) == can_say_absent
    assert [finding.crowd for finding in reading.findings] == [False, tool == "coco"]


def test_the_table_s_words_are_no_names_that_the_readers_do_not_have():
    tools = {tool for tool, _ in rows()}
    assert tools == {*ANNOTATION_FORMATS, "csv"}
    assert not re.findall(r"TODO|\?\?", PAGE.read_text(encoding="utf-8"))
