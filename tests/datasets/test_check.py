"""Every kind of fault is planted once in a small sound dataset, and must be found, alone, and by its own check."""

import importlib
import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from lungspot.datasets import check_films as checking_films
from lungspot.datasets.catalog import DATASETS
from lungspot.datasets.check import PROBLEMS, Problem, check, check_cases, check_tables
from lungspot.datasets.check_films import NEAR, check_films
from lungspot.datasets.splits import apply_splits, read_splits
from lungspot.errors import DatasetError, InputError, SetupError
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats import coco
from lungspot.formats.case import Case

checking = importlib.import_module("lungspot.datasets.check")  # the room's door offers the function of that name

ENTRY = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position"
HEADER = f"{ENTRY},OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]\n"
ROW = "{name}.png,{labels},0,1,58,F,PA,2992,2991,0.143,0.143\n"
BOXES = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
NAMES = ("00000001_000", "00000001_001", "00000002_000")


def picture(seed, size=96):
    """Make a grey film of soft blobs; two seeds make two quite different pictures."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (12, 12)).astype(np.uint8))
    return coarse.resize((size, size), Image.Resampling.BICUBIC)


@pytest.fixture
def sound(tmp_path):
    """A sound NIH download of three films of two patients, with a split."""
    root = tmp_path / "nih"
    (root / "images").mkdir(parents=True)
    for number, name in enumerate(NAMES):
        picture(number).save(root / "images" / f"{name}.png")
    rows = "".join(ROW.format(name=name, labels=labels) for name, labels in zip(NAMES, LABELS, strict=True))
    (root / "Data_Entry_2017_v2020.csv").write_text(HEADER + rows)
    (root / "BBox_List_2017.csv").write_text(f"{BOXES}{NAMES[0]}.png,Effusion,100,200,50.5,60,,,\n")
    given = "".join(f"nih/images/{name}.png,nih_{name[:8]},train\n" for name in NAMES)
    (tmp_path / "splits.csv").write_text(f"image,patient,split\n{given}")
    return root


LABELS = ("Effusion|Mass", "No Finding", "Hernia")


def box(text):
    return lambda root: _append(root / "BBox_List_2017.csv", f"{NAMES[0]}.png,{text},,,\n")


def _append(path, text):
    path.write_text(path.read_text() + text)


def _replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def entry(old, new):
    return lambda root: _replace(root / "Data_Entry_2017_v2020.csv", old, new)


def colour(root):
    film = np.array(picture(0).convert("RGB"))
    film[:9, :9] = (255, 0, 0)
    Image.fromarray(film).save(root / "images" / f"{NAMES[0]}.png")


def again(root):
    """Save film 1 once more as film 3: smaller, brighter, and through JPEG."""
    film = picture(0).resize((64, 64)).point(lambda value: min(255, value * 1.1 + 9))
    (root / "images" / f"{NAMES[2]}.png").unlink()
    film.save(root / "images" / f"{NAMES[2]}.jpg", quality=80)
    _replace(root.parent / "splits.csv", f"{NAMES[2]}.png", f"{NAMES[2]}.jpg")


# code · how to plant it · what the line says · the function that finds it
FAULTS = [
    ("BOX_DEGENERATE", box("Mass,10,20,0,30"), "BBox_List_2017.csv:3", None),
    ("BOX_INVERTED", box("Mass,10,20,5,-30"), "(10, 20) to (15, -10)", None),
    ("BOX_NOT_A_NUMBER", box("Mass,10,,5,30"), "BBox_List_2017.csv:3", None),
    ("BOX_OUTSIDE", box("Mass,1000,20,50,30"), "a film of 1024 x 1024", None),
    ("LABEL_UNKNOWN", box("Masss,10,20,5,30"), "'Masss'", None),
    ("LABEL_UNKNOWN", entry("|Mass", "|Mas"), "Data_Entry_2017_v2020.csv:2", None),
    ("ROW_DUPLICATED", box("Effusion,100,200,50.5,60"), "as in row 2", None),
    ("ROW_DUPLICATED", entry(NAMES[1], NAMES[0]), "Data_Entry_2017_v2020.csv:3", None),
    ("ROW_VALUE", entry(NAMES[1], "x"), "'x.png' is no NIH film", None),
    ("ROW_SHORT", entry(",PA,2992,2991,0.143,0.143", ""), "6 values where the header has 11", None),
    ("HEADER_DRIFT", entry("Patient Age", "Age"), "no column Patient Age", None),
    ("HEADER_DRIFT", entry("Follow-up #", "Follow-up #,Hospital"), "new column Hospital", None),
    (
        "FILM_MISSING",
        lambda root: (root / "images" / f"{NAMES[1]}.png").unlink(),
        NAMES[1],
        (checking, "missing_films"),
    ),
    ("FILM_COLOUR", colour, "differ by up to", (checking_films, "_colour")),
    (
        "FILM_UNREADABLE",
        lambda root: (root / "images" / f"{NAMES[1]}.png").write_bytes(b"half a film"),
        f"{NAMES[1]}.png",
        None,
    ),
    ("FILM_TWICE", again, "of nih_00000001 and nih_00000002", (checking_films, "_twins")),
    (
        "PATIENT_IN_TWO_SPLITS",
        lambda root: _replace(root.parent / "splits.csv", "nih_00000002,train", "nih_00000001,test"),
        f"train: {NAMES[0]}, {NAMES[1]}; test: {NAMES[2]}",
        (checking, "check_patients"),
    ),
    ("NOT_LOADED", lambda root: (root / "BBox_List_2017.csv").unlink(), "DATASET_INCOMPLETE: no BBox", None),
]


def run(root):
    """Check with the split where every film is there; apply_splits leaves out what has no film."""
    missing = len(list((root / "images").iterdir())) < len(NAMES)
    return check("nih", root, splits=None if missing else root.parent / "splits.csv")


def test_sound(sound):
    assert run(sound) == ()


@pytest.mark.parametrize("fault", FAULTS, ids=[f"{fault[0]}-{n}" for n, fault in enumerate(FAULTS)])
def test_each_fault_is_found_and_by_its_own_check(sound, monkeypatch, fault):
    code, plant, says, finder = fault
    plant(sound)
    found = [problem for problem in run(sound) if problem.code == code]
    assert len(found) == 1
    assert says in f"{found[0].where}: {found[0].text}"
    if finder is not None:  # without its check, the fault would pass
        empty = "" if finder[1] == "_colour" else ()
        monkeypatch.setattr(*finder, lambda *_, **__: empty)
        for again in ("check_boxes", "check_repeats"):  # see boxes outside, and repeats, in any dataset once more
            monkeypatch.setattr(checking, again, lambda _: ())
        assert code not in {problem.code for problem in run(sound)}


def test_no_fault_hides_another(sound):
    for text in ("Mass,10,20,0,30", "Masss,10,20,5,30", "Effusion,100,200,50.5,60"):
        box(text)(sound)
    entry("|Mass", "|Mas")(sound)
    codes = [problem.code for problem in run(sound)]
    assert codes == ["LABEL_UNKNOWN", "BOX_DEGENERATE", "LABEL_UNKNOWN", "ROW_DUPLICATED", "NOT_LOADED"]


def test_faults_cover_every_problem():
    assert {fault[0] for fault in FAULTS} | {"BOX_CROWD", "ROW_CONTRADICTS", "SIZE_DIFFERS"} == set(PROBLEMS)  # below


XML = """<annotation><size><width>9</width><height>9</height></size><object><name>TB</name>
<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>10</xmax><ymax>2</ymax></bndbox></object></annotation>"""

# what else the other datasets' tables can hold: file · its text · codes
TABLES = [
    ("rsna", "stage_2_detailed_class_info.csv", "patientId,class\na,Normal\na,Normal\n", []),
    ("rsna", "stage_2_detailed_class_info.csv", "patientId,class\na,Normal\na,Lung Opacity\n", ["ROW_CONTRADICTS"]),
    ("rsna", "stage_2_detailed_class_info.csv", "patientId,class\na,Odd\n", ["LABEL_UNKNOWN"]),
    ("rsna", "stage_2_train_labels.csv", "patientId,x,y,width,height,Target\na,,,,,0\nb,1,2,3,4,1\n", []),
    ("rsna", "stage_2_train_labels.csv", "patientId,x,y,width,height,Target\na,,,,,1\n", ["BOX_NOT_A_NUMBER"]),
    ("rsna", "stage_2_train_labels.csv", "patientId,y,x,width,height,Target\na,1,2,3,4,1\n", ["HEADER_DRIFT"]),
    ("siim_covid", "train_image_level.csv", "id,boxes,label,StudyInstanceUID\na,,none 1 0 0 1 1,s\n", []),
    (
        "siim_covid",
        "train_image_level.csv",
        "id,boxes,label,StudyInstanceUID\na,,opacity 1 9 9 8 8,s\n",
        ["BOX_INVERTED"],
    ),
    (
        "siim_covid",
        "train_image_level.csv",
        "id,boxes,label,StudyInstanceUID\na,,spot 1 1 1 8 8,s\n",
        ["LABEL_UNKNOWN"],
    ),
    (
        "siim_covid",
        "train_image_level.csv",
        "id,boxes,label,StudyInstanceUID\na,,opacity 1 9,s\n",
        ["BOX_NOT_A_NUMBER"],
    ),
    (
        "vindr",
        "train.csv",
        "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max\na,No finding,14,R1,,,,\na,ILD,5,R2,-9,2,3,4\n",
        ["BOX_OUTSIDE"],
    ),
    ("chestxdet", "ChestX_Det_test.json", json.dumps([{"file_name": "1.png", "syms": [], "boxes": []}]), []),
    (
        "chestxdet",
        "ChestX_Det_test.json",
        json.dumps([{"file_name": "1.png", "syms": ["Mass"], "boxes": []}]),
        ["ROW_SHORT"],
    ),
    ("chestxdet", "ChestX_Det_test.json", json.dumps([7, {"syms": []}]), ["ROW_SHORT", "ROW_SHORT"]),
    (
        "chestxdet",
        "ChestX_Det_test.json",
        json.dumps(
            [{"file_name": "1.png", "syms": ["Mass", "Mass", "Lump"], "boxes": [[1, 2, 3, 4]] * 2 + [[3, 2, 2]]}] * 2
        ),
        ["ROW_DUPLICATED", "LABEL_UNKNOWN", "BOX_NOT_A_NUMBER", "ROW_DUPLICATED"],
    ),
    (
        "tbx11k",
        "annotations/xml/tb1.xml",
        XML,
        ["LABEL_UNKNOWN", "BOX_OUTSIDE"],
    ),
    ("tbx11k", "annotations/xml/tb1.xml", XML.replace(">TB<", ">PulmonaryTuberculosis<"), ["BOX_OUTSIDE"]),
    ("tbx11k", "annotations/xml/tb1.xml", "<annotation><size>", []),  # the adapter says so
    ("rsna", "nih_names.csv", "patientId,nih_image\na,1.png\na,2.png\n", ["ROW_DUPLICATED"]),
    ("siim_covid", "train_meta.csv", "patientid,imageid\np,a\n", ["HEADER_DRIFT"]),
    ("hannover", "data.csv", "patient_id,image_id,sex,age\np,a,m,61\n", ["HEADER_DRIFT"]),
    ("siim_acr", "train-rle.csv", "ImageId, EncodedPixels\na,-1\nb,1 2\nb,7 2\n", []),
    ("siim_acr", "train-rle.csv", "ImageId, EncodedPixels\na,1 2\na,1 2\n", ["ROW_DUPLICATED"]),
]


@pytest.mark.parametrize(("name", "file", "text", "codes"), TABLES, ids=[f"{t[0]}-{n}" for n, t in enumerate(TABLES)])
def test_tables(tmp_path, name, file, text, codes):
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    assert sorted({problem.code for problem in check_tables(name, tmp_path)}) == sorted(set(codes))


MINE = "image,Effusion\na.png,1\nb.png,0\n"
DRAWN = [Finding("effusion", Box(1, 2, 30, 40)), Finding("effusion", Box(5, 6, 130, 40))]


# datasets without a table of their own, and folders in a tool's format, have their cases looked at
@pytest.mark.parametrize(
    ("findings", "says"),
    [
        (DRAWN[:1], []),
        (DRAWN, [("BOX_OUTSIDE", "effusion of me at 5, 6, 130, 40, on a film of 100 x 80")]),
        (DRAWN[:1] * 2, [("ROW_DUPLICATED", "effusion of me at 1, 2, 30, 40, 2 times")]),
        ([replace(DRAWN[0], crowd=True)], [("BOX_CROWD", "effusion of me at 1, 2, 30, 40")]),
    ],
)
def test_cases_in_a_tool_s_format(findings, says, tmp_path):
    reading = Reading("me", tuple(findings), {"effusion": State.BOXED}, Frame(100, 80))
    picture(0, 80).resize((100, 80)).save(tmp_path / "a.png")
    coco.write([Case("a", "mine", "p", (reading,), tmp_path / "a.png", Frame(100, 80))], tmp_path / "set")
    found = check("coco", tmp_path / "set")
    assert [(problem.code, problem.text) for problem in found] == says
    assert {problem.where for problem in found} <= {"mine/a"}


def test_a_tool_s_size_that_is_not_the_film_s(tmp_path):
    picture(0, 80).save(tmp_path / "a.png")
    image = {"id": 1, "file_name": "a.png", "width": 160, "height": 160}
    (tmp_path / "a.json").write_text(json.dumps({"images": [image], "categories": [], "annotations": []}))
    (problem,) = check("coco", tmp_path, films="skip")
    assert (problem.code, problem.where) == ("SIZE_DIFFERS", f"{tmp_path / 'a.json'}: images[0]")
    image |= {"width": 80, "height": 80}
    (tmp_path / "a.json").write_text(json.dumps({"images": [image], "categories": [], "annotations": []}))
    assert check("coco", tmp_path, films="skip") == ()


def test_one_film_that_stands_for_two(tmp_path):
    picture(0, 80).save(tmp_path / "a.png")
    images = [{"id": number, "file_name": "a.png", "width": 80, "height": 80} for number in (1, 2)]
    (tmp_path / "a.json").write_text(json.dumps({"images": images, "categories": [], "annotations": []}))
    found = check("coco", tmp_path, films="skip")
    where = f"{tmp_path / 'a.json'}: images"
    text = f"{tmp_path / 'a.png'} is the film of {where}[0] too"
    assert Problem("ROW_DUPLICATED", f"{where}[1]", text) in found


def test_all_datasets_are_checked_together(sound):
    assert check("all", sound.parent, splits=sound.parent / "splits.csv") == ()
    box("Mass,1000,20,50,30")(sound)
    assert [problem.code for problem in check("all", sound.parent)] == ["BOX_OUTSIDE"]
    with pytest.raises(DatasetError, match="none of the folders nih"):
        check("all", sound)


def test_a_film_of_ones_own_that_is_there_twice(tmp_path):
    (tmp_path / "labels.csv").write_text(MINE)
    assert check("csv", tmp_path, films="skip") == tuple(
        Problem("FILM_MISSING", f"csv/{name}", "no film of this name below the dataset's folder") for name in "ab"
    )
    (tmp_path / "labels.csv").write_text(MINE + "a.png,0\n")
    assert Problem("ROW_DUPLICATED", "csv/a", "the film is there twice") in check("csv", tmp_path, films="skip")


def test_films_that_the_split_names_must_be_there(sound):
    """A split leaves out films that it does not name, so those that it names and are gone would pass unseen."""
    gone = sound / "images" / f"{NAMES[1]}.png"
    gone.unlink()
    _append(sound.parent / "splits.csv", "elsewhere/images/1.png,p1,train\n")  # another set
    assert check("nih", sound, splits=sound.parent / "splits.csv") == (
        Problem("FILM_MISSING", str(gone), "the split names it, and it is not there"),
    )


def test_wrong_names_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="no dataset is called 'nihh'"):
        check("nihh", tmp_path)
    with pytest.raises(DatasetError, match="not a folder"):
        check("nih", tmp_path / "nowhere")
    with pytest.raises(InputError, match="not in PROBLEMS"):
        Problem("NEW_KIND", "", "")


def test_without_imagehash_only_the_comparison_is_refused(sound, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagehash", None)
    assert check("nih", sound, films="open") == ()
    with pytest.raises(SetupError, match=r"MISSING_EXTRA: .*lungspot\[data\]"):
        check("nih", sound)


def test_tables_of_the_real_data_have_two_faults(shared_data):
    """A ChestX-Det fracture is there twice; a SIIM box begins 3.6 pixels left of its film."""
    found = [problem for name in DATASETS for problem in check_tables(name, shared_data / DATASETS[name].folder)]
    assert [(problem.code, problem.where.rpartition("/")[2]) for problem in found] == [
        ("ROW_DUPLICATED", "ChestX_Det_train.json:57467.png"),
        ("BOX_OUTSIDE", "train_image_level.csv:2476"),
    ]


def test_official_split_of_chestxdet_is_reported(shared_data):
    found = check("chestxdet", shared_data / "chestx-det", films="skip")
    leaks = [problem for problem in found if problem.code == "PATIENT_IN_TWO_SPLITS"]
    assert len(leaks) == 261  # 271 of 429 test patients in the whole set; some are withheld here
    given = check("chestxdet", shared_data / "chestx-det", splits=shared_data / "splits.csv", films="skip")
    assert {problem.code for problem in given} == {"ROW_DUPLICATED"}


def test_given_split_of_all_films_has_no_leak(shared_data, real_cases):
    known = apply_splits(real_cases, read_splits(shared_data / "splits.csv"), shared_data)
    assert len({case.image for case in known}) > 14_000
    assert check_cases(known, films="skip") == ()


def test_renamed_nih_films_among_the_normals_are_found(real):
    """Five of the RSNA normals are NIH films of the folder, under other names, at other sizes."""
    names = ("00008727_009", "00000422_006", "00000333_000", "00000517_000", "00000695_000")
    films = [case for case in real("nih") if case.id in names]
    normals = real("rsna_normals")
    found = list(check_films([*films, *normals]))
    assert {problem.code for problem in found} == {"FILM_TWICE"}
    assert sorted(problem.where.rpartition("/")[2][:12] for problem in found) == sorted(names)
    assert NEAR == 24


def test_different_films_are_not_twins(real, tmp_path):
    """Three hundred real films of different people: no pair is reported; one copied and shrunk is."""
    patients = {case.patient: case for case in real("nih") if case.image is not None}
    films = list(patients.values())[:300]
    assert list(check_films(films)) == []
    shutil.copy(films[0].image, tmp_path / "copy.jpg")
    with Image.open(films[1].image) as film:
        film.resize((64, 64)).save(tmp_path / "small.png")
    copies = [Case(path.stem, "mine", path.stem, (), image=path) for path in sorted(tmp_path.iterdir())]
    assert len(list(check_films([*films, *copies]))) == 2
