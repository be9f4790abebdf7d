import json

import pytest

from lungspot.errors import DatasetError
from lungspot.evaluate.matched import ScoreLimits
from lungspot.evaluate.predicted import read_predicted


def document(path="a.png", score=0.8, box=(1, 2, 30, 40), label="effusion", threshold=0.3, energy=0.5, **over):
    value = {
        "schema": "lungspot/1",
        "status": "assessed",
        "reasons": [],
        "image": {"path": path, "width": 100, "height": 80},
        "findings": [
            {
                "label": label,
                "score": score,
                "threshold": threshold,
                "box": list(box),
                "agreement": {"energy_in_box": energy, "peak_in_box": True, "iou": 0.2, "area": 0.1},
            }
        ],
        "image_scores": [{"label": "effusion", "probability": 0.7, "threshold": 0.4}],
    }
    return value | over


def coco(score=0.5, bbox=(1, 2, 10, 10), name="Effusion"):
    return {
        "images": [{"id": 7, "file_name": "images/a.png", "width": 100, "height": 80}],
        "categories": [{"id": 1, "name": name}, {"id": 2, "name": "Edema"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "bbox": list(bbox), "score": score}],
    }


def written(folder, value, name="found.json"):
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value), "utf-8")
    return path


def test_a_document_has_boxes_probabilities_limits_and_agreement(tmp_path):
    (one,), refused = read_predicted(written(tmp_path, document()))
    assert not refused
    assert one.film == "a.png"
    assert [(f.label, f.score, f.box is None) for f in one.reading.findings] == [
        ("effusion", 0.8, False),
        ("effusion", 0.7, True),
    ]
    assert one.limits == {"effusion": ScoreLimits(0.3, 0.4)}
    assert one.agreement[0]["energy_in_box"] == 0.5


def test_lines_and_folders_are_many(tmp_path):
    lines = "\n".join(json.dumps(document(name)) for name in ("a.png", "b.png"))
    assert [one.film for one in read_predicted(written(tmp_path, lines, "two.jsonl"))[0]] == ["a.png", "b.png"]
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("b", "a"):
        written(folder, document(f"{name}.png"), f"{name}.json")
    assert [one.film for one in read_predicted(folder)[0]] == ["a.png", "b.png"]


def test_not_assessed_is_kept_with_its_reasons(tmp_path):
    value = document(status="not_assessed", reasons=["NOT_A_CHEST_FILM"], findings=[], image_scores=[])
    (one,), _ = read_predicted(written(tmp_path, value))
    assert one.reading is None
    assert one.reasons == ("NOT_A_CHEST_FILM",)


def test_coco_looked_for_all_its_categories(tmp_path):
    (one,), refused = read_predicted(written(tmp_path, coco()))
    assert not refused
    assert one.film == "images/a.png"
    assert set(one.reading.states) == {"effusion", "edema"}
    assert one.reading.boxes("effusion")[0].corners == (1, 2, 11, 12)


def test_results_take_their_ids_from_the_truth(tmp_path):
    truth = written(tmp_path, coco(), "truth.json")
    rows = [{"image_id": 7, "category_id": 2, "bbox": [0, 0, 5, 5], "score": 0.9}]
    (one,), _ = read_predicted(written(tmp_path, rows, "rows.json"), truth)
    assert one.reading.of("edema")[0].score == 0.9
    (empty,), _ = read_predicted(written(tmp_path, [], "none.json"), truth)
    assert empty.reading.findings == ()
    for number in (8, [7], None):
        with pytest.raises(DatasetError, match="image_id is none"):
            read_predicted(written(tmp_path, [rows[0] | {"image_id": number}], "rows.json"), truth)
    for unsure in ({"score": None}, {"score": "high"}):
        with pytest.raises(DatasetError, match="score"):
            read_predicted(written(tmp_path, [rows[0] | unsure], "rows.json"), truth)
    with pytest.raises(DatasetError, match="by numbers only"):
        read_predicted(written(tmp_path, rows, "rows.json"))


@pytest.mark.parametrize(
    ("value", "code", "says"),
    [
        (document(score=1.2), "BAD_VALUE", "score 1.2 of effusion"),
        (document(score=-0.1), "BAD_VALUE", "not within 0 and 1"),
        (document(score="high"), "BAD_VALUE", "not a number"),
        (document(box=(30, 2, 1, 40)), "DATASET_ROW", "a box from"),
        (document(label="gout"), "UNKNOWN_LABEL", "gout"),
        (document(schema="other/1"), "DATASET_ROW", "lungspot/1"),
        (document(image={"path": "a.png"}), "BAD_VALUE", "boxes on a film without a size"),
        (document(path=None), "DATASET_ROW", "no path of a film"),
        (document(energy=float("inf")), "BAD_VALUE", "agreement energy_in_box"),
        (coco(score=7), "BAD_VALUE", "score 7"),
        (
            document() | {"image_scores": [{"label": "effusion", "probability": 0.7, "threshold": 1.4}]},
            "BAD_VALUE",
            "1.4",
        ),
        (document(threshold=float("nan")), "BAD_VALUE", "threshold nan"),
    ],
)
def test_bad_rows_are_named_and_the_rest_read(value, code, says, tmp_path):
    found, refused = read_predicted(written(tmp_path, value))
    assert found == []
    assert [error.code for error in refused] == [code]
    assert says in str(refused[0])
    assert str(tmp_path) in refused[0].where


def test_one_broken_line_or_file_does_not_stop_the_rest(tmp_path):
    lines = "\n".join([json.dumps(document("a.png")), '{"schema": ', json.dumps(document("b.png"))])
    found, refused = read_predicted(written(tmp_path, lines, "three.jsonl"))
    assert [one.film for one in found] == ["a.png", "b.png"]
    assert [error.where for error in refused] == [f"{tmp_path}/three.jsonl:2"]
    folder = tmp_path / "folder"
    folder.mkdir()
    written(folder, document("a.png"), "a.json")
    written(folder, "[" * 100_000, "b.json")  # deeper than a parser goes
    found, refused = read_predicted(folder)
    assert [one.film for one in found] == ["a.png"]
    assert [error.code for error in refused] == ["DATASET_FORMAT"]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("not json", "DATASET_FORMAT"),
        ("", "DATASET_INCOMPLETE"),
        (coco(name="Gout"), "UNKNOWN_LABEL"),
        (coco(bbox=(80, 60, 95, 75)), "DATASET_ROW"),  # corners where x y width height belong
    ],
)
def test_bad_files_are_refused_whole(value, code, tmp_path):
    with pytest.raises(DatasetError) as caught:
        read_predicted(written(tmp_path, value))
    assert caught.value.code == code


def test_no_file(tmp_path):
    with pytest.raises(DatasetError, match="DATASET_NOT_FOUND"):
        read_predicted(tmp_path / "nothing.json")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"no \*\.json and no \*\.jsonl in this folder"):
        read_predicted(tmp_path / "empty")
