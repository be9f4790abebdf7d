"""Parts of the files that tools write, for the table of dialects (:mod:`.dialects`)."""

import csv
import io
import json

import numpy as np
from PIL import Image
from pycocotools import mask

from lungspot.findings import Box, Frame
from lungspot.formats import PredictedFinding, Prediction

from .fuzzing import FILM

FRAME = Frame(200, 100)
DRAWN = ("effusion", (10.0, 20.0, 60.0, 80.0))  # what most files say
ROUND = ("effusion", (90.0, 40.0, 110.0, 60.0))
REFUSED = "refused"


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


def table(mark):
    """An export of Label Studio as CSV or TSV."""
    text = io.StringIO()
    row = MIN | {"label": json.dumps(MIN["label"])}
    writer = csv.DictWriter(text, list(row), delimiter=mark)
    writer.writeheader()
    writer.writerow(row)
    return text.getvalue().encode()


def labelled(kind="rectanglelabels", value=PLACE, **more):
    return {"type": kind, "value": value | {kind: ["Effusion"]}, **more}


def voc(inside="", *, film="a.png", size="<size><width>200</width><height>100</height></size>", head=""):
    box = "<bndbox><xmin>10</xmin><ymin>20</ymin><xmax>60</xmax><ymax>80</ymax></bndbox>"
    item = f"<object><name>effusion</name>{box}{inside}</object>"
    text = f"{head}<annotation><filename>{film}</filename>{size}{item}</annotation>"
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
BNDBOX = b"<bndbox><xmin>10</xmin><ymin>20</ymin><xmax>60</xmax><ymax>80</ymax></bndbox>"
ROBNDBOX = "<robndbox><cx>{}</cx><cy>{}</cy><w>{}</w><h>{}</h><angle>{}</angle></robndbox>"
ATTRIBUTE = "<attribute><name>{}</name><value>{}</value></attribute>"
RLE = {"segmentation": {"counts": "x", "size": [100, 200]}}
COCO = coco(XYWH)["c.json"]
ROBOFLOW = {"a.png": FILM, "_annotations.coco.json": COCO}
MASK = np.zeros((100, 200), np.uint8, order="F")
MASK[20:80, 10:60] = 1
COMPRESSED = mask.encode(MASK)["counts"].decode()
MIN = {"id": 4, "image": "a.png", "label": [PLACE | SIZE | {"rectanglelabels": ["Effusion"]}], "annotator": 1}
PAIR = (
    {"id": "p", "type": "rectangle", "value": PLACE},
    {"id": "p", "type": "labels", "value": PLACE | {"labels": ["Effusion"]}},
)
