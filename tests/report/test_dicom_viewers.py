"""What `make viewers` holds viewers to (benchmarks/viewers/checks.py), and, as a drill, the viewers themselves."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from lungspot.report import dicom_bytes, dicom_results, statement

VIEWERS = Path(__file__).resolve().parents[2] / "benchmarks" / "viewers"


@pytest.fixture(scope="module")
def checks():
    spec = importlib.util.spec_from_file_location("viewer_checks", VIEWERS / "checks.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def drawn(box, label="effusion"):
    x0, y0, x1, y1 = box
    return {"corners": [(x0, y0), (x1, y1, 0)], "label": label}


ONE, TWO = (10, 10, 50, 60), (80, 10, 120, 60)


@pytest.mark.parametrize(
    ("drawings", "count", "says"),
    [
        ([drawn(ONE), drawn(TWO)], "2 of 2, 0.000 px", []),
        ([drawn(TWO), drawn(ONE), drawn((5, 5, 9, 9), "a length")], "2 of 2, 0.000 px", []),
        ([drawn((10.4, 10, 50, 60)), drawn(TWO)], "2 of 2, 0.400 px", []),
        ([drawn(ONE), drawn(ONE)], "1 of 2, 0.000 px", ["1 of 2 boxes"]),  # one box drawn twice was two
        ([drawn(ONE), drawn((81.5, 10, 120, 60))], "1 of 2, 0.000 px", ["1 of 2 boxes"]),
        ([], "0 of 2", ["0 of 2 boxes"]),
        ([{"corners": None}], "0 of 2", ["0 of 2 boxes"]),
        ([drawn(ONE, "Lung"), drawn(TWO)], "2 of 2, 0.000 px", ["no name of"]),
    ],
)
def test_boxes_are_held_against_drawings_one_to_one(checks, drawings, count, says):
    places = [checks.Place(box, ("Effusion",)) for box in (ONE, TWO)]
    assert checks.furthest(places, drawings) == count
    wrong = checks.complaints({"loaded": drawings, "errors": []}, places, ["loaded"])
    assert len(wrong) == len(says)
    assert all(part in each for part, each in zip(says, wrong, strict=True))


@pytest.mark.parametrize(
    "seen", [{"errors": ["reading 'ReferencedSOPSequence'"]}, {"errors": [], "stopped": "Timeout"}]
)
def test_an_error_and_a_viewer_that_stopped_are_complaints(checks, seen):
    assert len(checks.complaints(seen, [], ())) == 1


def test_places_of_a_report_have_the_names_that_are_said_there(checks, rg1_header, on, tmp_path):
    result = on(rg1_header)
    (made,) = dicom_results(rg1_header, result)
    path = tmp_path / "sr.dcm"
    path.write_bytes(dicom_bytes(made))
    told = statement(result)
    boxes = sorted(said.box.corners for said in (*told.said, *told.below) if said.box)
    found = checks.places_of(path, told)
    for place, box in zip(sorted(found, key=lambda each: each.corners), boxes, strict=True):
        assert place.corners == pytest.approx(box, abs=0.01)
        assert place.names


@pytest.mark.long
@pytest.mark.usefixtures("chromium", "shared_data")
def test_the_viewers_show_what_they_are_said_to(program, tmp_path):
    for name, package in (("npm", "npm"), ("Orthanc", "orthanc")):
        program(name, package)
    done = subprocess.run([sys.executable, VIEWERS / "run.py", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
