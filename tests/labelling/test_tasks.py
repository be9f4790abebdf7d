"""The labelling pool: what is chosen, and what people find in the folder."""

import json

import pytest
from PIL import Image
from tests.croissant import croissant_rows
from tests.labelling.conftest import answer_labelme, case, drawn

from lungspot import labelling
from lungspot.errors import DatasetError, InputError, OutputError
from lungspot.findings import DISEASES
from lungspot.formats.catalog import ANNOTATION_FORMATS


def test_only_films_that_show_a_label_without_a_box_are_chosen(film):
    cases = [
        case("1", {"edema": "present"}, film),
        case("2", {"edema": "absent"}, film),
        case("3", {}, film, boxes=["edema"]),
        case("4", {"edema": "present"}, film, boxes=["edema"]),
        case("5", {"edema": "present"}, None),
        case("6", {"emphysema": "present", "edema": "present"}, film),
        case("7", {"fracture": "present"}, film),
    ]
    assert [(pick.case.id, pick.asked) for pick in labelling.select_tasks(cases)] == [
        ("1", ("edema",)),
        ("6", ("edema", "emphysema")),
    ]
    assert [pick.case.id for pick in labelling.select_tasks(cases, ["fracture"])] == ["7"]


def test_the_choice_spreads_over_datasets_and_patients_and_does_not_depend_on_order(film):
    cases = [case(f"{n}", {"edema": "present"}, film, "big", patient=f"p{n // 10}") for n in range(100)]
    cases += [case(f"s{n}", {"edema": "present"}, film, "small", patient=f"q{n // 3}") for n in range(30)]
    chosen = [pick.case for pick in labelling.select_tasks(cases, ["edema"], 20)]
    for dataset in ("big", "small"):
        assert len({one.patient for one in chosen if one.dataset == dataset}) == 10
    assert {one.id for one in chosen} == {pick.case.id for pick in labelling.select_tasks(cases[::-1], ["edema"], 20)}
    assert {one.id for one in chosen} != {pick.case.id for pick in labelling.select_tasks(cases, ["edema"], 20, seed=1)}


def test_a_film_counts_for_every_label_it_is_asked_about(film):
    cases = [case(f"{n}", {"edema": "present", "emphysema": "present"}, film) for n in range(9)]
    assert len(labelling.select_tasks(cases, ["edema", "emphysema"], 4)) == 4


def test_a_dicom_film_becomes_a_png_that_every_tool_shows(rg1, tmp_path):
    picks = labelling.select_tasks([case("x", {"edema": "present"}, rg1["UNCR"])])
    labelling.make(picks, tmp_path / "pool")
    with Image.open(tmp_path / "pool" / "x.png") as image:
        assert (image.format, image.mode, image.size) == ("PNG", "L", (1841, 1955))
        low, high = image.getextrema()
    assert (low, high) == (0, 255)
    assert labelling.collect(tmp_path / "pool", complete=True).cases[0].image == rg1["UNCR"]


def test_a_pool_says_in_croissant_what_it_holds_but_no_patient(picks, tmp_path):
    labelling.make(picks, tmp_path / "pool")
    path = tmp_path / "pool" / "croissant.jsonld"
    rows = croissant_rows(path, "films")
    value = json.loads((tmp_path / "pool" / "pool.json").read_text())
    assert [row["film"] for row in rows] == [each["film"] for each in value["films"]]
    assert [row["asked"] for row in rows] == [["edema"], ["edema"], ["edema"], ["effusion"]]
    assert "pa/b" not in path.read_text()
    assert "Research use only" in path.read_text()


def test_what_cannot_be_a_pool_is_refused(picks, film, tmp_path):
    with pytest.raises(InputError, match="no pool for 'yolo'"):
        labelling.make(picks, tmp_path / "pool", tool="yolo")
    with pytest.raises(InputError, match="no film shows"):
        labelling.make([], tmp_path / "pool")
    with pytest.raises(InputError, match="without its films"):
        labelling.make(picks, tmp_path / "pool", films="none")
    with pytest.raises(DatasetError, match="DATASET_NOT_FOUND"):
        labelling.collect(tmp_path)
    labelling.make(picks, tmp_path / "pool")
    with pytest.raises(OutputError, match="a result of an earlier run"):
        labelling.make(picks, tmp_path / "pool")
    with pytest.raises(InputError, match="already has a reading of 'r'"):
        labelling.collect(tmp_path / "pool", reader="r", complete=True)
    other = ANNOTATION_FORMATS["labelme"]
    other.write([case("stranger", {}, film)], tmp_path / "other")
    with pytest.raises(DatasetError, match=r"no film 'stranger\.png' in"):
        labelling.collect(tmp_path / "pool", tmp_path / "other")
    answer_labelme(tmp_path / "pool", "c", [drawn("edema", 1, 1, 9, 9)], {"absent:edema": True})
    with pytest.raises(DatasetError, match=r"c\.json: DATASET_ROW: edema is said to be absent but has a box"):
        labelling.collect(tmp_path / "pool")
    value = json.loads((tmp_path / "pool" / "pool.json").read_text())
    value["films"][0]["asked"] = [["edema"]]
    (tmp_path / "pool" / "pool.json").write_text(json.dumps(value))
    with pytest.raises(DatasetError, match=r"films\[0\]: DATASET_FORMAT: asked .* are no labels"):
        labelling.collect(tmp_path / "pool")
    (tmp_path / "pool" / "pool.json").write_text("{}")
    with pytest.raises(DatasetError, match="DATASET_FORMAT: not a pool"):
        labelling.collect(tmp_path / "pool")


def test_the_real_data_have_films_to_label_for_each_disease(real_cases):
    picks = labelling.select_tasks(real_cases, count=20)
    counts = {label: sum(label in pick.asked for pick in picks) for label in DISEASES}
    assert min(counts.values()) >= 20
    assert len({pick.case.dataset for pick in picks if "tuberculosis" in pick.asked}) == 3


@pytest.mark.parametrize(
    ("tool", "files"),
    [
        ("labelme", {"guide.html"}),
        ("coco", {"guide.html"}),
        ("cvat", {"guide.html", "guide.md"}),
        ("labelstudio", {"guide.html", "instruction.html"}),
    ],
)
def test_a_pool_brings_the_guides_of_what_is_asked_about(picks, tmp_path, tool, files):
    labelling.make(picks, tmp_path / "pool", tool=tool)
    names = {path.name for path in (tmp_path / "pool").iterdir()}
    assert {name for name in names if name.startswith(("guide", "instruction"))} == files
    assert (tmp_path / "pool" / "guide.html").read_text().count("<h2>") == 1  # edema; effusion has no drawing
