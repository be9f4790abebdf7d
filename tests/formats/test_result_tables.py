"""Rows of results: written, read back, and refused where they are something else."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lungspot import BANNER
from lungspot.adapt.watch.facts import film_facts
from lungspot.errors import DatasetError
from lungspot.formats import (
    film_columns,
    film_row,
    films_parquet,
    finding_rows,
    findings_parquet,
    is_result_folder,
    predicted_case,
    prediction_of,
    read_predictions,
    result_documents,
)
from lungspot.formats.result_tables import _FILMS, _FINDINGS
from lungspot.outputs import is_ours

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "parquet.md"
SHA = "ab" * 32
IMAGE = {
    "path": "a/\udcff.dcm",
    "sha256": SHA,
    "width": 2000,
    "height": 2400,
    "kind": "dicom",
    "format": "dicom",
    "view": "PA",
    "pixel_spacing_mm": [0.14, 0.15],
    "sop_instance_uid": "1.2.3",
    "bits": 12,
    "device": {"manufacturer": "M", "model": "X 1", "station": ""},
    "statistics": {
        **{f"p{share}": share / 100 for share in (5, 25, 50, 75, 95)},
        "entropy": 6.5,
        "roughness": 0.01,
        "levels": 200,
        "clipped": 0.0,
    },
}
BOX = {
    "label": "effusion",
    "score": 0.8,
    "threshold": 0.5,
    "positive": True,
    "standing": "reported",
    "place": 0,
    "judged": True,
    "box": [10.0, 20.0, 300.5, 400.0],
    "side": "left",
    "zone": "lower",
    "agreement": {"energy_in_box": 0.4, "peak_in_box": 1.0, "iou": 0.3, "area": 0.05},
}
SCORES = [
    {"label": "effusion", "probability": 0.7, "threshold": 0.6, "positive": True, "standing": "reported"},
    {"label": "edema", "probability": 0.1, "threshold": 0.6, "positive": False, "standing": "experimental"},
]
SITE = {"name": "North", "made": "2026-01-01", "thresholds": {"effusion": ["film"]}}
DOCUMENT = {
    "schema": "lungspot/1",
    "status": "assessed",
    "reasons": [],
    "image": IMAGE,
    "findings": [BOX],
    "image_scores": SCORES,
    "statement": {"headline": "Pleural effusion 80 %", "urgency": 0.5, "said": [{"label": "effusion"}]},
    "operating_point": "balanced",
    "features": [0.5] * 16,
    "made": "2026-11-29T12:00:00+00:00",
    "model": {"name": "m", "version": "1", "sha256": "c" * 64, "card_sha256": "d" * 64},
    "site": SITE,
    "software": {"lungspot": "0", "onnxruntime": "1"},
    "timing_ms": {"read": 10.0},
    "warnings": [{"code": "NO_WINDOW", "text": "none"}],
    "not_for_clinical_use": True,
}
REFUSED = {
    **DOCUMENT,
    "status": "not_assessed",
    "reasons": ["NOT_AN_IMAGE"],
    "findings": [],
    "image_scores": [],
    "features": None,
    "image": dict.fromkeys(IMAGE) | {"path": "b.txt"},
    "model": None,
    "site": None,
    "operating_point": None,
    "statement": {"headline": "Not assessed", "urgency": 0.0, "said": []},
    "warnings": [],
    "timing_ms": {},
}


@pytest.fixture
def folder(tmp_path):
    for name in ("films", "findings"):
        (tmp_path / name).mkdir()
    rows = [film_row(DOCUMENT) | {"given_ward": "1"}, film_row(REFUSED), {"film": "c", "status": "duplicate"}]
    (tmp_path / "films" / "k.parquet").write_bytes(films_parquet(rows, ["ward"]))
    (tmp_path / "findings" / "k.parquet").write_bytes(findings_parquet(list(finding_rows(DOCUMENT))))
    return tmp_path


def test_what_is_written_is_read_back(folder):
    found, refused = [document for document, _ in result_documents(folder)]
    image = {**IMAGE, "path": "a/\\udcff.dcm"}
    words = {"statement", "warnings", "timing_ms", "image"}
    assert found["image"] == image
    assert {key: found[key] for key in DOCUMENT if key not in words} == {
        key: value for key, value in DOCUMENT.items() if key not in words
    }
    assert found["statement"] == DOCUMENT["statement"]
    assert found["warnings"] == [{"code": "NO_WINDOW", "text": ""}]
    assert (refused["status"], refused["reasons"], refused["image"]["sha256"]) == (
        "not_assessed",
        ["NOT_AN_IMAGE"],
        None,
    )
    prediction = prediction_of(found, "here")
    assert (len(prediction.boxes), prediction.boxes[0].box.x1, prediction.film_scores[0].thresholds_of) == (
        1,
        300.5,
        "North",
    )
    case = predicted_case(prediction)
    assert dict(case.readings[0].states) == {"effusion": "boxed", "edema": "absent"}
    assert [finding.box.x0 for finding in case.readings[0].findings] == [10.0]
    assert [each.film for each in read_predictions(folder)[0]] == ["a/\\udcff.dcm", "b.txt"]


def test_without_places_stands_what_a_watch_looks_at(folder):
    whole, brief = ([document for document, _ in result_documents(folder, places=places)] for places in (True, False))
    assert [film_facts(document) for document in whole] == [film_facts(document) for document in brief]
    assert [set(found) for found in brief[0]["findings"]] == [{"label", "positive"}]


def test_the_tables_say_what_they_are(folder):
    for name in ("films", "findings"):
        path = folder / name / "k.parquet"
        assert is_ours(path)
        said = pq.read_schema(path).metadata
        assert said[b"lungspot.schema"].decode() == f"lungspot-{name}/1"
        assert said[b"lungspot.banner"].decode() == BANNER
    assert is_result_folder(folder)
    assert not is_result_folder(folder / "films")


def test_every_column_is_documented():
    listed = {
        name
        for row in re.findall(r"^\| (`.*?) \|", PAGE.read_text(), re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert {*_FILMS, *_FINDINGS} <= listed
    assert listed <= {*_FILMS, *_FINDINGS, "given_NAME"}


def test_a_column_that_is_not_there_is_not_known(folder):
    assert film_columns(folder / "films" / "k.parquet", ["given_ward", "given_bed"]) == {
        "given_ward": ["1", None, None],
        "given_bed": [None] * 3,
    }


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "DATASET_INCOMPLETE"),
        (lambda path: path.write_text(json.dumps({})), "DATASET_INCOMPLETE"),
        (lambda path: path.write_bytes(findings_parquet([])), "DATASET_FORMAT"),
    ],
)
def test_another_file_is_refused(folder, damage, code):
    damage(folder / "films" / "k.parquet")
    with pytest.raises(DatasetError) as found:
        list(result_documents(folder))
    assert found.value.code == code
    with pytest.raises(DatasetError) as found:
        read_predictions(folder)
    assert found.value.code == code


def test_a_row_that_is_no_prediction_is_refused_and_the_others_are_read(folder):
    rows = [film_row(DOCUMENT), film_row(REFUSED | {"image": REFUSED["image"] | {"path": "\0"}}), film_row(REFUSED)]
    table = folder / "films" / "k.parquet"
    table.write_bytes(films_parquet(rows, []))
    found, refused = read_predictions(folder)
    assert [each.film for each in found] == ["a/\\udcff.dcm", "b.txt"]
    assert [(error.code, error.where) for error in refused] == [("DATASET_ROW", f"{table}:2")]


def test_a_hidden_table_makes_no_folder_of_results(folder):
    table = folder / "films" / "k.parquet"
    table.rename(table.with_name(".k.parquet"))
    assert not is_result_folder(folder)
