"""Damaged annotation files: each is read or refused in one line, and no box is lost without a word.

``LUNGSPOT_FUZZ`` says how many mutations (2,000 by default; ``make fuzz`` runs 20,000). Each case has its own seed, so
that a failure names what repeats it. An oracle that shares no code with the readers counts the boxes of the damaged
file; where the file is read, as many must come out, or belong to a class that the reader says is left out.
"""

import csv
import io
import json
import os
import re
import signal
from xml.etree import ElementTree as ET

import pytest

from lungspot.errors import CODES, LungspotError
from lungspot.formats import ANNOTATION_FORMATS, ClassMap, image_labels, read_predictions

from . import fuzzing
from .fuzzing import FILM, mutate, seeds_of

CASES = int(os.environ.get("LUNGSPOT_FUZZ", "2000"))
READERS = (*ANNOTATION_FORMATS, "csv", "predictions")
CHUNKS = 4
LONGEST = 60  # seconds: what hangs is ended; nothing here takes a hundredth
SHAPES = {"box", "polygon", "polyline", "ellipse", "mask", "points", "cuboid", "skeleton"}
REFUSED = object()  # what must not be read at all


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    return {name: seeds_of(name, tmp_path_factory) for name in READERS}


# ------------------------------------------------------------------------------------------- how many boxes there are


def parsed(data):
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return REFUSED


def of_coco(files):
    total = 0
    for name, data in files.items():
        if name.endswith(".json"):
            value = parsed(data)
            annotations = value.get("annotations", []) if isinstance(value, dict) else REFUSED
            if not isinstance(annotations, list):
                return REFUSED
            total += len(annotations)
    return total


def of_labelme(files):
    total = 0
    for name, data in files.items():
        if name.endswith(".json"):
            value = parsed(data)
            if value is REFUSED:
                return REFUSED
            shapes = value.get("shapes") if isinstance(value, dict) else None
            if shapes and not isinstance(shapes, list):
                return REFUSED
            total += len(shapes or ())
    return total


def of_labelstudio(files):
    if "export.csv" in files:
        rows = rows_of(files["export.csv"])
        return REFUSED if rows is REFUSED else sum(map(regions_of_row, rows))
    tasks = parsed(files["tasks.json"])
    tasks = [tasks] if isinstance(tasks, dict) and "data" in tasks else tasks
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        return REFUSED
    total = 0
    for task in tasks:
        if "data" not in task:  # of JSON-MIN
            total += regions_of_row(task)
            continue
        for key in ("annotations", "predictions"):
            made = task.get(key) or []
            if not isinstance(made, list):
                return REFUSED
            for one in made:
                if isinstance(one, dict) and not one.get("was_cancelled") and isinstance(one.get("result"), list):
                    total += regions(one["result"])
    return total


def rows_of(data):
    """Return the rows of an export as CSV, with JSON where a field holds some."""
    try:
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error):
        return REFUSED
    return [
        {key: parsed(text.encode()) if text[:1] in "[{" else text for key, text in row.items() if isinstance(text, str)}
        for row in rows
    ]


def regions_of_row(row):
    values = [value if isinstance(value, list) else [value] for value in row.values()]
    return sum(regions([{"id": number, "value": item}]) for value in values for number, item in enumerate(value))


def regions(results):
    """Count the labelled places of an annotation: results of one id and one geometry are one region."""
    found = set()
    for result in results:
        value = result.get("value") if isinstance(result, dict) else None
        if not isinstance(value, dict) or not {"x", "y", "points", "width", "radiusX"} & value.keys():
            continue
        named = [
            name for key, names in value.items() if key.endswith("labels") and isinstance(names, list) for name in names
        ]
        if named:
            place = {key: item for key, item in value.items() if not key.endswith("labels")}
            found.add((str(result.get("id")), json.dumps(place, sort_keys=True)))
    return len(found)


def tree_of(data):
    try:
        return ET.fromstring(data)  # noqa: S314 - made by this test
    except (ET.ParseError, ValueError, LookupError):
        return REFUSED


def of_cvat(files):
    tree = tree_of(files["annotations.xml"])
    if tree is REFUSED:
        return REFUSED
    outside = {id(box) for track in tree.iter("track") for box in track if box.get("outside") == "1"}
    drawn = (one for part in tree if part.tag != "meta" for one in part.iter())
    return sum(one.tag in SHAPES and id(one) not in outside for one in drawn)


def of_voc(files):
    total = 0
    for name, data in files.items():
        if name.endswith(".xml"):
            tree = tree_of(data)
            if tree is REFUSED:
                return REFUSED
            parts = {id(box) for part in tree.iter("part") for box in part.iter("bndbox")}
            total += sum(id(box) not in parts for box in tree.iter("bndbox"))
    return total


def of_yolo(files):
    total = 0
    for name, data in files.items():
        if "labels/" in name:
            try:
                total += sum(bool(line.strip()) for line in data.decode("utf-8-sig").splitlines())
            except ValueError:
                return REFUSED
    return total


ORACLES = {
    "coco": of_coco,
    "cvat": of_cvat,
    "labelme": of_labelme,
    "labelstudio": of_labelstudio,
    "voc": of_voc,
    "yolo": of_yolo,
}

# ------------------------------------------------------------------------------------------------ what comes out again


def check_tool(name, root, files):
    """Read a tool's folder twice, as it says and as cases; return what was refused."""
    expected = ORACLES[name](files)
    classes = ClassMap()
    annotated = ANNOTATION_FORMATS[name].annotated_images(root, classes)
    assert expected is not REFUSED, "read, though it cannot be"
    marks = [mark for one in annotated for mark in one.marks]
    left_out = sum(number for _, meant, number in classes.became() if meant in {"-", "No Finding"})
    assert len(marks) + left_out >= expected, f"{expected} boxes in, {len(marks)} out, {left_out} said to be left out"
    cases = ANNOTATION_FORMATS[name].read(root)
    boxed = [each for case in cases for one in case.readings for each in one.findings if each.box is not None]
    people = sum(not mark.proposed for mark in marks)
    assert len(boxed) >= people, f"{people} marks of people, {len(boxed)} findings"


def check_csv(root, files):
    cases = list(image_labels.cases(root))
    data = files["labels.csv"]
    try:
        text = data.decode("utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252")
    first = re.sub(r'"[^"]*"', "", io.StringIO(text, newline="").readline())
    mark = max(",;\t|", key=first.count)
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=mark) if any(row)]
    assert len(cases) == len(rows) - 1, f"{len(rows) - 1} rows, {len(cases)} cases"


def check_predictions(root, _files):
    found, refused = read_predictions(root)
    by_place = {one.where: one for one in found} | {error.where: None for error in refused}
    for path in root.iterdir():
        text = path.read_bytes().decode("utf-8-sig", "replace")
        whole = parsed(text.encode(errors="replace"))
        rows = [(str(path), whole)] if whole is not REFUSED else []
        if whole is REFUSED and str(path) not in by_place:
            rows = [
                (f"{path}:{number}", parsed(line.encode(errors="replace")))
                for number, line in enumerate(text.split("\n"), 1)
                if line.strip()
            ]
        for where, value in rows:
            if isinstance(value, list):
                continue
            findings = value.get("findings") if isinstance(value, dict) else None
            named = [place for place in by_place if re.match(re.escape(where) + r"(?!\d)", place)]
            assert named, f"{where} is neither read nor refused"
            one = by_place[named[0]]
            if one is not None:
                assert sum(each.box is not None for each in one.findings) == len(findings)
    if refused:  # each by its place; the others were read
        raise refused[0]


def check(name, root, files):
    if name == "csv":
        check_csv(root, files)
    elif name == "predictions":
        check_predictions(root, files)
    else:
        check_tool(name, root, files)


def too_long(*_):
    raise AssertionError(f"it takes more than {LONGEST} s")


def lay(root, files, there):
    """Make ``root`` hold ``files``; a film that is there stays."""
    for path in there - files.keys():
        (root / path).unlink()
    for path, data in files.items():
        if path not in there or data is not FILM:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)
    return set(files)


@pytest.mark.fuzz
@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_or_refused_and_loses_no_box_in_silence(seeds, tmp_path, name, chunk, record_property):
    before = signal.signal(signal.SIGALRM, too_long)
    outcomes, there = {"read": 0, "refused": 0}, [set() for _ in seeds[name]]
    try:
        for seed in range(chunk, CASES // len(READERS), CHUNKS):
            which = seed // CHUNKS % len(seeds[name])
            damaged, files = mutate(seed, seeds[name][which])
            root = tmp_path / str(which)
            there[which] = lay(root, files, there[which])
            signal.alarm(LONGEST)
            try:
                check(name, root, files)
                outcomes["read"] += 1
            except LungspotError as error:
                line = str(error)
                assert error.code in CODES, f"{name} {seed}: {line}"  # noqa: PT017 - or it is read
                assert "\n" not in line, f"{name} {seed}"
                assert len(line) < 1200 + len(error.where), f"{name} {seed}: {line[:300]}"  # noqa: PT017
                outcomes["refused"] += 1
            except Exception as error:
                error.add_note(f"{name}, case {seed}: {damaged} of seed {which}")
                raise
            finally:
                signal.alarm(0)
    finally:
        signal.signal(signal.SIGALRM, before)
    record_property(name, outcomes)
    assert min(outcomes.values()) > 0, outcomes  # some survive, some do not: the mutations reach the readers


# ----------------------------------------------------------------------------------------- what the mutations found

HUGE = 10**400


def in_json(name, seed, path, value):
    """Return the files of a seed with one value of a JSON file changed."""
    root = seed()
    spot = root
    for key in path[:-1]:
        spot = spot[key]
    spot[path[-1]] = value
    return {"a.png": FILM, "b.png": FILM, "c.png": FILM, name: fuzzing.dump(root)}


def coco_with(*path, value):
    return in_json("instances.json", fuzzing.coco, path, value)


def labelstudio_with(*path, value):
    return in_json("tasks.json", fuzzing.labelstudio, path, value)


def labelme_with(*path, value):
    return in_json("a.json", lambda: fuzzing.labelme()[0], path, value)


def cvat_with(old, new):
    films = {"images/a.png": FILM, "images/val/b.png": FILM, "images/frame_000012.png": FILM}
    return films | {"annotations.xml": fuzzing.CVAT.replace(old, new, 1).encode()}


def voc_with(old, new):
    return {"a.png": FILM, "a.xml": fuzzing.VOC.format(name="a.png").replace(old, new, 1).encode()}


def yolo_with(names):
    return {"images/a.png": FILM, "labels/a.txt": b"0 0.5 0.5 0.2 0.2\n", "data.yaml": names.encode()}


RESULT = (0, "annotations", 0, "result", 0)
FOUND = {
    "coco: a film's name too long": ("coco", coco_with("images", 2, "file_name", value="a" * 5000)),
    "coco: an age that no float holds": ("coco", coco_with("images", 0, "age", value=HUGE)),
    "coco: a corner that no float holds": ("coco", coco_with("annotations", 2, "segmentation", 0, 0, value=HUGE)),
    "labelstudio: a size that no float holds": ("labelstudio", labelstudio_with(*RESULT, "value", "width", value=HUGE)),
    "labelstudio: a point that no float holds": (
        "labelstudio",
        labelstudio_with(0, "annotations", 0, "result", 2, "value", "points", 0, 0, value=HUGE),
    ),
    "labelstudio: a value that is a list": ("labelstudio", labelstudio_with(*RESULT, "value", value=[1, 2, 3, 4])),
    "labelstudio: a region without a value": ("labelstudio", labelstudio_with(*RESULT, "value", value=None)),
    "labelstudio: sides without a corner": (
        "labelstudio",
        labelstudio_with(
            0, "annotations", 0, "result", 3, "value", value={"width": 5, "height": 5, "labels": ["mass"]}
        ),
    ),
    "labelstudio: predictions that are a number": ("labelstudio", labelstudio_with(0, "predictions", value=5)),
    "labelme: shapes that are a mapping": ("labelme", labelme_with("shapes", value={"0": {}})),
    "labelme: a point that no float holds": ("labelme", labelme_with("shapes", 1, "points", 0, 0, value=HUGE)),
    "cvat: an image that is called otherwise": ("cvat", cvat_with('<image id="1"', '<img id="1"')),
    "cvat: a box in a box": ("cvat", cvat_with('<attribute name="size">large</attribute>', '<box xtl="1"/>')),
    "cvat: turned without end": ("cvat", cvat_with('rotation="30"', 'rotation="inf"')),
    "cvat: a frame of 5,000 digits": ("cvat", cvat_with('frame="12"', f'frame="{"9" * 5000}"')),
    "voc: two boxes of one object": ("voc", voc_with("</bndbox>", "</bndbox><bndbox><xmin>1</xmin></bndbox>")),
    "voc: an object that is called otherwise": (
        "voc",
        voc_with("<object><name>effusion", "<objekt><name>effusion"),
    ),
    "yolo: a class number of 5,000 digits": ("yolo", yolo_with(f"names:\n  {'9' * 5000}: effusion\n")),
    "yolo: key points of 5,000 digits": ("yolo", yolo_with(f"names: [effusion]\nkpt_shape: [{'9' * 5000}, 2]\n")),
}


@pytest.mark.parametrize("case", FOUND)
def test_what_the_mutations_found_is_refused_by_name(tmp_path, case):
    name, files = FOUND[case]
    for old, new in (("<img ", "</img>"), ("<objekt>", "</objekt>")):  # close what is called otherwise
        for path, data in files.items():
            if old.encode() in data:
                begin = data.index(old.encode())
                end = b"</image>" if "img" in new else b"</object>"
                at = data.index(end, begin)
                files = files | {path: data[:at] + new.encode() + data[at + len(end) :]}
    lay(tmp_path, files, set())
    with pytest.raises(LungspotError) as refused:
        ANNOTATION_FORMATS[name].read(tmp_path)
    assert refused.value.code in CODES
    assert len(str(refused.value)) < 1200 + len(refused.value.where)


def test_a_box_of_no_finding_in_our_own_file_is_told(seeds, tmp_path):
    files = seeds["coco"][1]
    files = files | {
        "annotations.json": files["annotations.json"].replace(b'"name": "effusion"', b'"name": "No Finding"')
    }
    lay(tmp_path, files, set())
    check("coco", tmp_path, files)


def test_a_rotation_of_the_view_that_is_a_list_moves_nothing(tmp_path):
    lay(tmp_path, labelstudio_with(*RESULT, "image_rotation", value=[90]), set())
    check("labelstudio", tmp_path, {"tasks.json": (tmp_path / "tasks.json").read_bytes()})
