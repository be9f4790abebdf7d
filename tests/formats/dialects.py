"""Files of strangers in every dialect of docs/reference/formats.md, and what is read of them."""

import json
import math

from lungspot.formats import to_coco

from .dialect_files import (
    ATTRIBUTE,
    BNDBOX,
    BOX,
    CENTRED,
    COCO,
    COMPRESSED,
    DRAWN,
    MIN,
    PAIR,
    PLACE,
    PREDICTED,
    REFUSED,
    RING,
    RLE,
    ROBNDBOX,
    ROBOFLOW,
    ROUND,
    SIZE,
    XYWH,
    coco,
    cvat,
    labelled,
    labelme,
    studio,
    table,
    turned,
    voc,
    yolo,
)
from .fuzzing import FILM

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
    ("coco", "ids: numbers, with a point or not (pandas), texts"): [
        (coco(XYWH | {"image_id": 1.0, "category_id": 1.0}), [DRAWN]),
        (coco(XYWH | {"image_id": 1.5}, images=[{"id": 1.5, "file_name": "a.png"}]), [DRAWN]),
        (coco(XYWH | {"image_id": "1"}, images=[{"id": "1", "file_name": "a.png"}]), [DRAWN]),
    ],
    ("coco", "a file a part (COCO, CVAT, Roboflow, datumaro)"): [
        ({"annotations/instances_default.json": COCO, "images/default/a.png": FILM}, [DRAWN]),
        ({"annotations/instances_val2017.json": COCO, "val2017/a.png": FILM}, [DRAWN]),
        ({f"{part}/{name}": data for part in ("train", "valid") for name, data in ROBOFLOW.items()}, [DRAWN, DRAWN]),
    ],
    ("coco", "films in `data/` (FiftyOne), names of uploads (Label Studio)"): [
        ({"labels.json": COCO, "data/a.png": FILM}, [DRAWN]),
        (
            {"images/1a-a.png": FILM}
            | {"result.json": COCO.replace(b"a.png", b"../../label-studio/media/upload/1/1a-a.png")},
            [DRAWN],
        ),
    ],
    ("coco", "images without a size"): [(coco(XYWH, images=[{"id": 1, "file_name": "a.png"}]), [DRAWN])],
    ("coco", "polygons without a `bbox`"): [
        (coco({"segmentation": [RING]}), [DRAWN]),
        (coco({"bbox": [], "segmentation": [RING]}), [DRAWN]),
    ],
    ("coco", "CVAT's turned boxes (`attributes.rotation`)"): [
        (coco({"bbox": [5, 25, 60, 50], "segmentation": [], "attributes": {"rotation": 90.0}}), [DRAWN]),
        (coco(XYWH | {"attributes": {"rotation": 0.0, "occluded": True}}), [DRAWN]),
        (coco(XYWH | {"attributes": {"rotation": "left"}}), [DRAWN]),
        (coco(XYWH | {"segmentation": [RING], "attributes": {"rotation": 90.0}}), [DRAWN]),
    ],
    ("coco", "RLE masks with a `bbox`"): [(coco(XYWH | RLE), [DRAWN])],
    ("coco", "RLE masks without a `bbox`, plain or compressed"): [
        (coco({"segmentation": {"size": [100, 200], "counts": [1020, *[60, 40] * 50][:-1]}}), [DRAWN]),
        (coco({"segmentation": {"size": [100, 200], "counts": COMPRESSED}}), [DRAWN]),
    ],
    ("coco", "two ids that are equal, a text for a number"): [
        (coco(XYWH, images=[{"id": 1, "file_name": "a.png"}, {"id": 1.0, "file_name": "b.png"}]), REFUSED),
        (coco(XYWH | {"image_id": "1"}), REFUSED),
        (coco(XYWH | {"category_id": "1"}), REFUSED),
    ],
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
    ("cvat", "a file a part (datumaro), any one XML (FiftyOne)"): [
        (
            {"images/a.png": FILM, "val.xml": cvat(BOX.format(more=""))["annotations.xml"]}
            | {"train.xml": cvat("", around="<images/>")["annotations.xml"]},
            [DRAWN],
        ),
        ({"data/a.png": FILM, "labels.xml": cvat(BOX.format(more=""))["annotations.xml"]}, [DRAWN]),
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
    ("cvat", "a tag that is called like a label"): [
        (cvat(BOX.format(more="") + '<tag label="Mass" source="manual"/><tag label="poor quality"/>'), [DRAWN])
    ],
    ("labelme", "rectangle"): [(labelme([[60, 80], [10, 20]]), [DRAWN])],
    ("labelme", "polygon, circle, line, mask"): [
        (labelme([[10, 20], [60, 20], [60, 80]], "polygon"), [DRAWN]),
        (labelme([[100, 50], [110, 50]], "circle"), [ROUND]),
        (labelme([[10, 20], [60, 80]], "line"), [DRAWN]),
        (labelme([[10, 20], [60, 80]], "mask"), [DRAWN]),
    ],
    ("labelme", "points"): [(labelme([[10, 20]], "point"), REFUSED)],
    ("labelme", "X-AnyLabeling's `rotation`, rectangles of four points"): [
        (labelme([[10, 20], [60, 20], [60, 80], [10, 80]], "rotation"), [DRAWN]),
        (labelme([[10, 20], [60, 20], [60, 80], [10, 80]]), [DRAWN]),
    ],
    ("labelme", "a flag that is called like a label"): [
        (labelme([[10, 20], [60, 80]], imageWidth=200, imageHeight=100, flags={"Mass": True, "dark": True}), [DRAWN])
    ],
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
    ("labelstudio", "brush, bitmask, key points, vectors, cuboids, video"): [
        (studio({"type": "brushlabels", "value": {"rle": [1], "format": "rle", "brushlabels": ["Effusion"]}}), REFUSED),
        (
            studio({"type": "keypointlabels", "value": {"x": 1, "y": 1, "width": 1, "keypointlabels": ["Effusion"]}}),
            REFUSED,
        ),
        *(
            (studio({"type": kind, "value": value | {key: ["Effusion"]}}), REFUSED)
            for kind, key, value in (
                ("bitmask", "bitmasklabels", {"imageDataURL": "data:image/png;base64,"}),
                ("bitmasklabels", "bitmasklabels", {"imageDataURL": "data:image/png;base64,"}),
                ("vectorlabels", "vectorlabels", {"vertices": []}),
                ("cuboidlabels", "cuboidlabels", {"front": {"x": 1}}),
                ("videorectangle", "labels", {"sequence": []}),
            )
        ),
    ],
    ("labelstudio", "a region's own choices, text, rating"): [
        (studio(labelled(id="r"), {"id": "r", "type": "choices", "value": PLACE | {"choices": ["severe"]}}), [DRAWN]),
        (studio(labelled(id="r"), {"id": "r", "type": "textarea", "value": PLACE | {"text": ["old"]}}), [DRAWN]),
        (studio(labelled(id="r"), {"id": "r", "type": "rating", "value": PLACE | {"rating": 4}}), [DRAWN]),
    ],
    ("labelstudio", "choices that are called like a label"): [
        (studio(labelled(), {"type": "choices", "value": {"choices": ["Mass", "good quality"]}}), [DRAWN])
    ],
    ("labelstudio", "drafts, skipped annotations"): [
        (studio(labelled(), drafts=[{"user": "a", "result": [SIZE | labelled(id="d")]}]), [DRAWN]),
        (studio(annotations=[{"was_cancelled": True, "result": [SIZE | labelled(id="d")]}]), []),
    ],
    ("labelstudio", "regions on two films of one task"): [
        (studio(labelled(to_name="side"), data={"image": "a.png", "side": "b.png"}), REFUSED),
        (studio(labelled(to_name="x"), labelled(to_name="y"), data={"image": "a.png", "side": "b.png"}), REFUSED),
    ],
    ("labelstudio", "JSON-MIN, CSV, TSV"): [
        ({"a.png": FILM, "tasks.json": json.dumps([MIN]).encode()}, [DRAWN]),
        *(
            ({"a.png": FILM, f"export{end}": table(mark)}, [DRAWN])
            for end, mark in ((".csv", ","), (".tsv", "\t"), (".csv", "\t"))
        ),
    ],
    ("labelstudio", "a task, or an annotation, as synced to a storage"): [
        ({"a.png": FILM, "1.json": json.dumps(json.loads(studio(labelled())["tasks.json"])[0]).encode()}, [DRAWN]),
        (
            {"a.png": FILM}
            | {"1.json": json.dumps({"result": [SIZE | labelled()], "task": {"data": {"image": "a.png"}}}).encode()},
            [DRAWN],
        ),
    ],
    ("labelstudio", "films by upload, local file, S3, signed address"): [
        (studio(labelled(), data={"image": link}), [DRAWN])
        for link in (
            "/data/upload/3/1a2b3c4d-a.png",
            "/data/local-files/?d=films/a.png",
            "s3://bucket/films/a.png",
            "https://host/films/a.png?X-Amz-Signature=9&d=3",
            "/tasks/4/resolve/?fileuri=czM6Ly9idWNrZXQvYS5wbmc=",
        )
    ],
    ("labelstudio", "two uploads of one name in one folder"): [
        (
            {
                "a.png": FILM,
                "tasks.json": json.dumps(
                    [{"data": {"image": f"/data/upload/1/{n}a2b3c4d-a.png"}, "annotations": []} for n in (1, 2)]
                ).encode(),
            },
            REFUSED,
        )
    ],
    ("voc", "corners from 0 (LabelImg, CVAT, Roboflow)"): [(voc(), [DRAWN])],
    ("voc", "corners from 1 (VOC's own, supervision)"): [
        (voc(size=f"<folder>{folder}</folder><source><database>{database}</database></source>"), found)
        for folder, database, found in (
            ("VOC2012", "The VOC2007 Database", [("effusion", (9.0, 19.0, 60.0, 80.0))]),
            ("VOC", "roboflow.ai", [("effusion", (9.0, 19.0, 60.0, 80.0))]),
            ("", "roboflow.ai", [DRAWN]),
            ("VOC", "Unknown", [DRAWN]),
        )
    ],
    ("voc", "files in folders (CVAT, datumaro), films in `data/` (FiftyOne)"): [
        ({"JPEGImages/p1/a.png": FILM, "Annotations/p1/a.xml": voc(film="p1/a.png")["a.xml"]}, [DRAWN]),
        ({"data/a.png": FILM, "labels/a.xml": voc()["a.xml"]}, [DRAWN]),
    ],
    ("voc", "no size"): [
        (voc(size=""), [DRAWN]),
        (voc(size="<size><width>0</width><height>0</height></size>"), [DRAWN]),
    ],
    ("voc", "CVAT's turned boxes (attribute `rotation`)"): [
        (voc(f"<attributes>{ATTRIBUTE.format(*pair)}</attributes>"), [found])
        for pair, found in (
            (("rotation", "90.0"), ("effusion", (5.0, 25.0, 65.0, 75.0))),
            (("rotation", "0.0"), DRAWN),
            (("occluded", "90.0"), DRAWN),
        )
    ],
    ("voc", "roLabelImg's turned boxes (`robndbox`)"): [
        ({"a.png": FILM, "a.xml": voc()["a.xml"].replace(BNDBOX, ROBNDBOX.format(*pair).encode())}, found)
        for pair, found in (
            ((35, 50, 50, 60, 0), [DRAWN]),
            ((35, 50, 60, 50, math.pi / 2), [DRAWN]),
            ((35, 50, 60, 50, 3 * math.pi / 2), [DRAWN]),
        )
    ],
    ("voc", "`part` of an object"): [(voc("<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"), [DRAWN])],
    ("voc", "a document type or entities"): [
        (voc(head="<!DOCTYPE a>"), REFUSED),
        (voc(head='<!DOCTYPE a [<!ENTITY b "c">]>'), REFUSED),
    ],
    ("yolo", "`class x y w h`"): [(yolo(CENTRED), [DRAWN])],
    ("yolo", "with a score"): [(yolo(f"{CENTRED} 0.9"), [DRAWN])],
    ("yolo", "with a track, of a box or a polygon"): [
        (yolo(f"{CENTRED} 17"), [DRAWN]),
        (yolo(f"{CENTRED} 0.9 17"), [DRAWN]),
        (yolo(f"{CENTRED} 17.0\n"), [DRAWN]),
        (yolo(f"{CENTRED} 0.900000 17.000000\n"), [DRAWN]),
        (yolo("0 0.05 0.2 0.3 0.2 0.3 0.8 0.9 1\n0 0.05 0.2 0.3 0.2 0.3 0.8 0.9 2\n"), [DRAWN, DRAWN]),
    ],
    ("yolo", "polygons, with or without a score"): [
        (yolo("0 0.05 0.2 0.3 0.2 0.3 0.8"), [DRAWN]),
        (yolo("0 0.05 0.2 0.3 0.2 0.3 0.8 0.9"), [DRAWN]),
    ],
    ("yolo", "poses (`kpt_shape`)"): [
        (yolo(f"{CENTRED} 0.1 0.2 2", "names: [effusion]\nkpt_shape: [1, 3]\n"), [DRAWN])
    ],
    ("yolo", "label files without a film"): [
        (yolo(CENTRED) | {"labels/b.txt": CENTRED.encode()}, REFUSED),
        ({"a.png": FILM, "b.txt": CENTRED.encode(), "classes.txt": b"effusion\n"}, REFUSED),
    ],
    ("yolo", "class numbers without a name"): [(yolo(CENTRED, "names: []\n"), REFUSED)],
    ("yolo", "`obj.names` (darknet, CVAT's YOLO 1.1), `classes.txt`, any one YAML or `.names`"): [
        (
            {"obj.names": b"effusion\n", "obj.data": b"classes = 1\n", "train.txt": b"data/obj_train_data/a.png\n"}
            | {"obj_train_data/a.png": FILM, "obj_train_data/a.txt": CENTRED.encode()},
            [DRAWN],
        ),
        ({"a.png": FILM, "a.txt": CENTRED.encode(), "classes.txt": b"effusion\n"}, [DRAWN]),
        ({"a.png": FILM, "a.txt": CENTRED.encode(), "chest.names": b"effusion\n"}, [DRAWN]),
        ({"a.png": FILM, "a.txt": CENTRED.encode(), "chest.yaml": b"names: [effusion]", "hyp.yaml": b"lr: 1"}, [DRAWN]),
    ],
    ("yolo", "boxes that leave the film"): [(yolo("0 0.05 0.5 0.2 0.4\n"), [("effusion", (-10.0, 30.0, 30.0, 70.0))])],
    ("yolo", "corners instead of centre and size, pixels"): [
        (yolo("0 0.1 0.1 0.3 0.9\n0 0.5 0.6 0.9 0.8\n"), REFUSED),
        (yolo("0 35 50 50 60\n"), REFUSED),
    ],
    ("yolo", "predictions of lungspot, `class x y w h conf`"): [(yolo(f"{CENTRED} 0.5"), [DRAWN])],
    ("csv", "labels of films, a column a label"): [
        ({"a.png": FILM, "labels.csv": b"image,Effusion,Mass\na.png,1,0\n"}, [])
    ],
    ("csv", "spreadsheets: `;` tab bar, decimal comma, UTF-16, Windows 1252"): [
        ({"a.png": FILM, "labels.csv": text}, [])
        for text in (
            b"image;edad;Effusion\na.png;45,5;1\n",
            "image\tedad\tEffusion\na.png\t45\t1\n".encode("utf-16"),
            "image|año|Effusion\na.png|1980|1\n".encode("cp1252"),
        )
    ],
    ("csv", "columns of boxes"): [
        ({"a.png": FILM, "labels.csv": b"image,label,xmin,ymin,xmax,ymax\na.png,Effusion,10,20,60,80\n"}, REFUSED)
    ],
}
