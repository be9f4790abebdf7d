"""Seeds and structure-aware mutations of annotation files: JSON, XML, tables, YAML, and their bytes."""

import copy
import csv
import io
import json
import random
from xml.etree import ElementTree as ET

from PIL import Image

from lungspot.findings import Box, Finding, Frame, Reading
from lungspot.formats import ANNOTATION_FORMATS, Case, FilmTransfer
from lungspot.outputs import WRITTEN

SIZE = (200, 100)
ODD = (
    *(None, True, False, 0, -1, 1, 2, 7, 0.5, 1.5, -0.0, 1e-300, 1e308, float("nan"), float("inf"), -float("inf")),
    *(2**31, 2**63, 10**400, "", " ", "x", "0", "-1", "NaN", "1e400", "nodule", "No Finding", "normal", "-", "a.png"),
    *(
        "../a.png",
        "/etc/hostname",
        "b.png",
        "\0",
        "\ud800",
        "\u0663",
        "²",
        "é" * 3,
        "a" * 5000,
        "9" * 5000,
        "%00",
        "=1+1",
    ),
    *([], {}, [[]], [{}], {"a": 1}, [1, 2, 3, 4], [None], "[1, 2]", ["effusion"], [[[[[[1]]]]]]),
)
TEXTS = tuple(str(value) for value in ODD)


def film(width=SIZE[0], height=SIZE[1]):
    data = io.BytesIO()
    Image.new("L", (width, height), 90).save(data, "PNG")
    return data.getvalue()


FILM = film()

# ------------------------------------------------------------------------------------------------------------- seeds


def coco():
    def annotation(number, image, category, box, **more):
        return {"id": number, "image_id": image, "category_id": category, "bbox": box, "iscrowd": 0, **more}

    return {
        "info": {"description": "made by hand"},
        "categories": [
            {"id": 1, "name": "Pleural effusion"},
            {"id": 2, "name": "nodule"},
            {"id": 3, "name": "odd"},
            {"id": 4, "name": "Mass"},
        ],
        "images": [
            {"id": 1, "file_name": "a.png", "width": 200, "height": 100, "view": "PA", "age": 50, "sex": "F"},
            {"id": 2, "file_name": "b.png", "width": 200, "height": 100, "neg_category_ids": [4], "split": "val"},
            {"id": 3.0, "file_name": "c.png"},
        ],
        "annotations": [
            annotation(1, 1, 1, [10, 20, 30, 40], area=1200),
            annotation(2, 1, 2, [50.5, 20, 30, 40.25], score=0.5),
            annotation(3, 2, 2, [], segmentation=[[10, 10, 60, 10, 60, 50]]),
            annotation(4, 2, 1, [1, 1, 100, 50]) | {"iscrowd": 1},
            annotation(6, 2, 1, None, segmentation={"size": [100, 200], "counts": [1020, 60, 40, 60]}),
            annotation(7, 2, 1, None, segmentation={"size": [100, 200], "counts": "lo0l1X10"}),
            annotation(5, 3, 1, [10, 20, 30, 40], reader="R8"),
        ],
    }


def labelme():
    def shape(kind, points, label="effusion"):
        return {"label": label, "points": points, "shape_type": kind, "flags": {}, "group_id": None}

    shapes = [
        shape("rectangle", [[10, 20], [60, 80]]),
        shape("circle", [[100, 50], [110, 50]], "nodule"),
        shape("polygon", [[1, 1], [50, 1], [50, 50]]),
        shape("line", [[1, 1], [50, 40]]) | {"score": 0.5, "reader": "R9"},
    ]
    size = {"imageWidth": 200, "imageHeight": 100, "imageData": None, "version": "5.5.0"}
    flags = {"done": True, "absent:mass": True}
    return [
        {"shapes": shapes, "imagePath": "a.png", "flags": flags, **size},
        {"shapes": shapes[:1], "imagePath": "b.png", "flags": {}, **size},
    ]


def labelstudio():
    place = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0}
    size = {"original_width": 200, "original_height": 100, "image_rotation": 0, "from_name": "l", "to_name": "image"}

    def result(identifier, kind, **value):
        return {"id": identifier, "type": kind, "value": value, **size}

    results = [
        result("a", "rectanglelabels", **place, rectanglelabels=["Effusion"]),
        result("b", "ellipselabels", x=50, y=50, radiusX=10, radiusY=5, rotation=45, ellipselabels=["nodule"]),
        result("c", "polygonlabels", points=[[1, 1], [50, 1], [50, 50]], polygonlabels=["nodule"]),
        result("d", "labels", **(place | {"x": 50}), labels=["effusion"]),
        result("e", "choices", choices=["absent:mass"]),
        {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"},
    ]
    model = {"model_version": "m", "score": 0.5, "result": [results[0] | {"score": 0.5}]}
    return [
        {"id": 1, "data": {"image": "/data/local-files/?d=a.png"}, "predictions": [model, 7],
         "annotations": [{"id": 1, "completed_by": {"email": "x@y.z"}, "was_cancelled": False, "result": results}]},
        {"id": 2, "data": {"image": "b.png"}, "annotations": [{"completed_by": 4, "result": results[:1]}]},
    ]  # fmt: skip


def rows_of_labelstudio():
    """The first task as the exports of fewer words have it: JSON-MIN, and CSV."""
    results = labelstudio()[0]["annotations"][0]["result"]
    drawn = [one["value"] | {"original_width": 200, "original_height": 100} for one in results[:4]]
    about = {"annotator": 1, "annotation_id": 7, "lead_time": 2.5}
    return [
        {"id": 1, "image": "a.png", "label": drawn, "says": "No Finding", **about},
        {"id": 2, "image": "b.png", "label": drawn[:1], "notes": ["x"], **about},
    ]


def table_of_labelstudio():
    text = io.StringIO()
    rows = rows_of_labelstudio()
    writer = csv.DictWriter(text, ["id", "image", "label", "annotator"], extrasaction="ignore")
    writer.writeheader()
    writer.writerows(row | {"label": json.dumps(row["label"])} for row in rows)
    return text.getvalue().encode()


CVAT = """<annotations><version>1.1</version><meta><task><name>t</name></task></meta>
<image id="0" name="a.png" width="200" height="100">
<box label="effusion" source="manual" xtl="10" ytl="20" xbr="60" ybr="80" rotation="30" z_order="0"/>
<polygon label="nodule" points="1,1;50,1;50,50"/><ellipse label="nodule" cx="50" cy="50" rx="10" ry="5" rotation="45"/>
<mask label="effusion" rle="1, 2" left="5" top="6" width="20" height="10"/><tag label="absent:mass"/></image>
<image id="1" name="b.png" width="200" height="100" subset="val"><box label="effusion" xtl="1" ytl="2" xbr="6" ybr="8">
<attribute name="size">large</attribute></box></image>
<track id="0" label="effusion"><box frame="12" outside="0" xtl="1" ytl="2" xbr="6" ybr="8"/>
<box frame="13" outside="1" xtl="1" ytl="2" xbr="6" ybr="8"/></track></annotations>"""
VOC = """<annotation><folder>f</folder><filename>{name}</filename><size><width>200</width><height>100</height>
<depth>1</depth></size><object><name>effusion</name><difficult>0</difficult><bndbox><xmin>10</xmin><ymin>20</ymin><xmax>60</xmax>
<ymax>80</ymax></bndbox></object><object><name>nodule</name><bndbox><xmin>1.5</xmin><ymin>2</ymin><xmax>16</xmax>
<ymax>18</ymax></bndbox><part><name>head</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>6</xmax><ymax>8</ymax></bndbox>
</part></object></annotation>"""
YOLO = "0 0.5 0.5 0.2 0.3\n1 0.25 0.25 0.1 0.1 0.9\n\n0 0.1 0.1 0.5 0.1 0.5 0.5\n1 0.5 0.5 0.2 0.2 0.75 7\n"
YAML = "path: .\ntrain: images/train\nnc: 2\nnames:\n  0: effusion\n  1: nodule\n"
CSV = """Path,Patient ID,View Position,Patient Age,Patient Sex,Pleural Effusion,Nodule,labels,split
a.png,1,PA,058Y,F,1,0,Cardiomegaly|Mass,train
b.png,2,AP,61,M,-1,,No Finding,val
c.png,2,LL,,Female,0.0,1.0,,test
"""


def document(name, boxes, *, status="assessed"):
    findings = [
        {"label": "effusion", "score": 0.8, "threshold": 0.3, "positive": True, "standing": "reported", "place": number,
         "judged": True, "box": [10 * number, 20, 10 * number + 50, 80], "side": "left", "zone": None}
        for number in range(boxes)
    ]  # fmt: skip
    return {
        "schema": "lungspot/1",
        "status": status,
        "reasons": [] if status == "assessed" else ["BLANK"],
        "image": {"path": name, "sha256": None, "width": 200, "height": 100},
        "findings": findings,
        "image_scores": [{"label": "edema", "probability": 0.9, "threshold": 0.5, "positive": True}],
        "model": {"name": "lungspot", "version": "1"},
    }


def documents():
    return [document("a.png", 2), document("b.png", 1), document("c.png", 0)]


def our_own(name, tmp_path_factory):
    """Return path → bytes of a dataset that lungspot wrote in a format, with its extension."""
    root = tmp_path_factory.mktemp(f"own-{name}")
    (root / "a.png").write_bytes(FILM)
    frame = Frame(*SIZE)
    found = (Finding("effusion", Box(10.25, 20, 60, 80.5), 0.5), Finding("nodule", Box(100, 10, 120, 30)))
    states = {"effusion": "boxed", "nodule": "boxed", "mass": "absent"}
    readings = (Reading("R8", found, states, frame), Reading("R9", found[:1], {"effusion": "boxed"}, frame))
    cases = [Case("a", "own", "own_1", readings, root / "a.png", frame, age_years=50.0)]
    ANNOTATION_FORMATS[name].write(cases, root / "out", films=FilmTransfer.COPY)
    files = [
        path for path in (root / "out").rglob("*") if path.is_file() and path.name != WRITTEN
    ]  # no reader reads it
    return {str(path.relative_to(root / "out")): path.read_bytes() for path in files}


def seeds_of(name, tmp_path_factory):
    """Return the seeds of a format: each path → bytes of a folder; our own alone where no stranger's is known."""
    films = {f"{stem}.png": FILM for stem in "abc"}
    strangers = {
        "coco": lambda: films | {"instances.json": dump(coco())},
        "labelme": lambda: films | {f"{number}.json": dump(one) for number, one in enumerate(labelme())},
        "labelstudio": lambda: films | {"tasks.json": dump(labelstudio())},
        "cvat": lambda: films
        | {"images/val/b.png": FILM, "images/frame_000012.png": FILM, "annotations.xml": CVAT.encode()},
        "voc": lambda: films | {f"{one}.xml": VOC.format(name=f"{one}.png").encode() for one in "ab"},
        "yolo": lambda: {f"images/train/{one}.png": FILM for one in "ab"}
        | {f"labels/train/{one}.txt": YOLO.encode() for one in "ab"}
        | {"data.yaml": YAML.encode()},
        "csv": lambda: films | {"labels.csv": CSV.encode()},
        "predictions": lambda: {
            "p.jsonl": b"".join(dump(one) + b"\n" for one in documents()),
            "one.json": dump(documents()[0]),
        },
    }  # fmt: skip
    others = {
        "coco": lambda: (
            {f"{part}/{one}.png": FILM for part in ("train", "valid") for one in "abc"}
            | {f"{part}/_annotations.coco.json": dump(coco()) for part in ("train", "valid")}
        ),
        "labelstudio": lambda: films | {"tasks.json": dump(rows_of_labelstudio())},
        "yolo": lambda: (
            {"obj_train_data/a.png": FILM, "obj_train_data/a.txt": YOLO.encode()}
            | {"obj.names": b"effusion\nnodule\n", "obj.data": b"classes = 2\n"}
        ),
    }
    more = [others[name]()] if name in others else []
    more += [films | {"export.csv": table_of_labelstudio()}] if name == "labelstudio" else []
    own = [our_own(name, tmp_path_factory)] if name in ANNOTATION_FORMATS else []
    theirs = [strangers[name]()] if name in strangers else []
    return [*theirs, *own, *more]


def dump(value):
    return json.dumps(value).encode()


# --------------------------------------------------------------------------------------------------------- mutations


def slots(value):
    """Return every (container, key) below a JSON value."""
    found = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        found += [(value, key), *slots(below)]
    return found


def odd(chance):
    return copy.deepcopy(chance.choice(ODD))


def mutate_json(chance, value):
    """Return a JSON value with one to three places changed."""
    value = copy.deepcopy(value)
    for _ in range(chance.randint(1, 3)):
        places = slots(value)
        if not places:
            return value
        (holder, key), (other, there) = chance.choice(places), chance.choice(places)
        old = holder[key]
        kind = chance.randrange(9)
        if kind == 0:
            del holder[key]
        elif kind <= 3:
            holder[key] = odd(chance)
        elif kind == 4 and isinstance(holder, list):
            holder.insert(chance.randint(0, len(holder)), copy.deepcopy(old))
        elif kind == 5:
            holder[key] = chance.choice([[old], {"value": old}, str(old), [old, old]])
        elif kind == 6:
            holder[key] = copy.deepcopy(other[there])
        elif kind == 7 and isinstance(old, int | float):
            holder[key] = chance.choice([-old, old * 1000, old / 1000, old + 1, float(old)])
        elif kind == 8 and isinstance(holder, dict):
            holder[chance.choice(TEXTS)] = holder.pop(key)
        else:
            holder[key] = odd(chance)
    return value


def mutate_xml(chance, text):
    """Return XML with one to three elements changed."""
    tree = ET.fromstring(text)  # noqa: S314 - our own seed
    for _ in range(chance.randint(1, 3)):
        parents = [one for one in tree.iter() if len(one)]
        if not parents:
            break
        parent = chance.choice(parents)
        child = chance.choice(list(parent))
        clean = "".join(
            letter for letter in chance.choice(TEXTS) if letter >= " " and not "\ud800" <= letter <= "\udfff"
        )
        kind = chance.randrange(6)
        if kind == 0:
            parent.remove(child)
        elif kind == 1:
            parent.insert(chance.randint(0, len(parent)), copy.deepcopy(child))
        elif kind == 2 and child.attrib:
            child.set(chance.choice(list(child.attrib)), clean)
        elif kind == 3 and child.attrib:
            del child.attrib[chance.choice(list(child.attrib))]
        elif kind == 4:
            child.tag = chance.choice(["box", "image", "object", "bndbox", "points", "track", "odd", "name", "size"])
        else:
            child.text = clean
    return ET.tostring(tree)


def mutate_words(chance, text):
    """Return a table, YAML or a label file with one to three words or lines changed."""
    lines = text.split("\n")
    separator = "," if "," in text else " "
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(lines))
        words = lines[at].split(separator)
        here = chance.randrange(len(words))
        kind = chance.randrange(7)
        if kind == 0:
            del lines[at]
            lines = lines or [""]
        elif kind == 1:
            lines.insert(at, lines[at])
        elif kind == 2:
            del words[here]
            lines[at] = separator.join(words)
        elif kind == 3:
            words.insert(here, words[here])
            lines[at] = separator.join(words)
        elif kind == 4:
            lines[at] = chance.choice(TEXTS)
        else:
            words[here] = chance.choice(TEXTS)
            lines[at] = separator.join(words)
    return "\n".join(lines)


def mutate_bytes(chance, data):
    """Return damaged bytes: cut, flipped, in another encoding, with other line ends, with noise."""
    at, kind = chance.randrange(len(data) or 1), chance.randrange(9)
    head, tail = data[:at], data[at:]
    made = data + data
    if kind == 0:
        made = head
    elif kind == 1 and data:
        made = head + bytes([data[at] ^ 1 << chance.randrange(8)]) + tail[1:]
    elif kind == 2:
        made = head + chance.randbytes(chance.randint(1, 20)) + tail
    elif kind == 3:
        made = head + tail[chance.randint(1, 40) :]
    elif kind == 4:
        made = head + head[-40:] * chance.randint(1, 20) + tail
    elif kind == 5:
        made = data.decode("latin-1").encode(chance.choice(["utf-16", "utf-8-sig", "utf-32", "utf-7"]))
    elif kind == 6:
        made = data.replace(b"\n", chance.choice([b"\r", b"\r\n", b"\0", b"\x0b", b"\x85"]))
    elif kind == 7:
        made = head + b"[" * 3000 + tail
    return made


def mutate(seed: int, files):
    """Return the files of a seed with one of those that are no films damaged, and its name."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    name = chance.choice(sorted(name for name in files if not name.endswith(".png")))
    data = files[name]
    if chance.random() < 0.25:
        made = mutate_bytes(chance, data)
    elif name.endswith(".json"):
        made = dump(mutate_json(chance, json.loads(data)))
    elif name.endswith(".jsonl"):
        lines = data.splitlines()
        at = chance.randrange(len(lines))
        lines[at] = dump(mutate_json(chance, json.loads(lines[at])))
        made = b"\n".join(lines) + b"\n"
    elif name.endswith(".xml"):
        made = mutate_xml(chance, data.decode())
    else:
        made = mutate_words(chance, data.decode()).encode(errors="surrogatepass")
    return name, files | {name: made}
