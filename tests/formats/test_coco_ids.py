"""Results in the ids of somebody's own COCO file, as pycocotools and its kin ask for them."""

import json

import pytest
from pycocotools.coco import COCO

from lungspot.errors import DatasetError, OutputError
from lungspot.findings import Box, Frame
from lungspot.formats import FilmTransfer, PredictedFinding, Prediction, in_the_file, read_coco_ids, write_predictions

FRAME = Frame(200, 100)
IMAGES = [
    (88, "train/patient00001/study1/only.jpg"),
    (701, "train/p1/view1.png"),
    ("x-9", "train/p2/view1.png"),
    (3.5, "b.JPG"),
    (4, "dup/a.png"),
    (5, "a.png"),
]
CATEGORIES = [(0, "cxr"), (17, "Pleural Effusion"), (18, "effusion"), ("m", "Mass"), (20, "No Finding")]


def predicted(film, *labels, assessed=True):
    boxes = tuple(PredictedFinding(label, 0.5, Box(10, 20, 60, 80), standing="reported") for label in labels)
    return Prediction(film, FRAME, assessed=assessed, findings=boxes, where=f"p.jsonl:{film}")


@pytest.fixture
def truth(tmp_path):
    path = tmp_path / "truth.json"
    value = {
        "images": [{"id": number, "file_name": name, "width": 200, "height": 100} for number, name in IMAGES],
        "categories": [{"id": number, "name": name} for number, name in CATEGORIES],
        "annotations": [
            {"id": 1, "image_id": 701, "category_id": 17, "bbox": [10, 20, 50, 60], "area": 3000, "iscrowd": 0}
        ],
    }
    path.write_text(json.dumps(value))
    return path


@pytest.mark.parametrize(
    ("film", "number"),
    [
        ("/data/films/train/p1/view1.dcm", 701),
        ("p2/view1.png", "x-9"),
        ("C:\\films\\B.png", 3.5),
        ("dup/a.png", 4),
        ("patient00001/study1/only.dcm", 88),
        ("films/only.png", 88),
        ("patient00002/study1/only.png", None),
        ("other/a.png", None),  # two images end so
        ("view1.png", None),
        ("c.png", None),
        ("", None),
    ],
)
def test_a_film_is_the_image_whose_name_ends_most_alike(truth, film, number):
    ids = read_coco_ids(truth)
    if number is None:
        with pytest.raises(DatasetError, match=r"DATASET_ROW: it (is no image|may be any of 2 images) of"):
            ids.image_of(film)
    else:
        assert ids.image_of(film) == number


@pytest.mark.parametrize("turn", [1, -1])
def test_of_two_films_the_nearer_one_is_the_image(truth, turn):
    films = ["mine/train/p1/view1.png", "p9/b.png", "there/B.png", "p1/view1.dcm"][::turn]
    found, refused, _ = in_the_file([predicted(film) for film in films], read_coco_ids(truth))
    assert found.pop("mine/train/p1/view1.png") == 701
    assert list(found.values()) == [3.5]  # both share but the last part: the first of them
    assert len(refused) == 2
    assert any("p1/view1.dcm is no image of" in str(error) for error in refused)


def test_categories_are_those_that_mean_the_label(truth):
    assert read_coco_ids(truth).labels == {"effusion": 17, "mass": "m"}
    assert read_coco_ids(truth, {"cxr": "nodule", "Mass": "-"}).labels == {"nodule": 0, "effusion": 17}


def test_what_the_file_has_not_is_said(truth):
    ids = read_coco_ids(truth)
    given = [
        predicted("p1/view1.png", "effusion", "edema", "edema"),
        predicted("c.png", "effusion"),
        predicted("p1/view1.dcm", "effusion"),
        predicted("d.png", assessed=False),
    ]
    found, refused, left_out = in_the_file(given, ids)
    assert found == {"p1/view1.png": 701}
    assert [error.where for error in refused] == ["p.jsonl:c.png", "p.jsonl:p1/view1.dcm"]
    assert "would both be the image 701" in refused[1].reason
    assert left_out == {"edema": 2}


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_pycocotools_loads_the_results_against_the_file(truth, tmp_path, kind):
    given = [predicted("p1/view1.png", "effusion", "mass", "edema"), predicted("b.png"), predicted("c.png", "mass")]
    out = tmp_path / ("found.json" if kind == "file" else "found")
    (refused,) = write_predictions(given, out, "coco", films=FilmTransfer.NONE, ids=read_coco_ids(truth))
    assert "c.png: it is no image of" in str(refused)
    gold = COCO(str(truth))
    results = gold.loadRes(str(out if kind == "file" else out / "results.json"))
    assert [(one["image_id"], one["category_id"]) for one in results.anns.values()] == [(701, 17), (701, "m")]
    if kind == "folder":
        value = json.loads((out / "annotations.json").read_text())
        assert [image["id"] for image in value["images"]] == [701, 3.5]
        assert [category["id"] for category in value["categories"]] == [number for number, _ in CATEGORIES]
        assert value["annotations"][0]["standing"] == "reported"


def test_the_file_itself_is_never_replaced_and_nothing_is_written_of_strangers_alone(truth, tmp_path):
    before = truth.read_bytes()
    with pytest.raises(OutputError, match="IS_INPUT"):
        write_predictions([predicted("b.png")], truth, "coco", overwrite=True, inputs=[truth], ids=read_coco_ids(truth))
    with pytest.raises(DatasetError, match="it is no image"):
        write_predictions([predicted("c.png")], tmp_path / "out.json", "coco", ids=read_coco_ids(truth))
    assert truth.read_bytes() == before
    assert not (tmp_path / "out.json").exists()


def test_a_file_that_is_no_coco_is_refused(tmp_path):
    (tmp_path / "t.json").write_text("[1]")
    with pytest.raises(DatasetError, match="not a COCO file"):
        read_coco_ids(tmp_path / "t.json")
