"""A small film, cases of it, and what is chosen of them to be labelled."""

import json

import pytest
from PIL import Image

from lungspot import labelling
from lungspot.findings import Box, Finding, Frame, Reading
from lungspot.formats.case import Case

NATIVE = Frame(200, 100)


@pytest.fixture
def film(tmp_path):
    """A film stored at half its native size."""
    path = tmp_path / "a film.png"
    Image.new("L", (100, 50), 9).save(path)
    return path


def case(identifier, states, film=None, dataset="a", *, patient=None, boxes=()):
    findings = tuple(Finding(label, Box(10, 10, 50, 40)) for label in boxes)
    states = dict.fromkeys(boxes, "boxed") | states
    return Case(
        identifier, dataset, patient or f"p{identifier}", (Reading("r", findings, states, NATIVE),), film, NATIVE
    )


MODEL = Reading(
    "model 1",
    (
        Finding("edema", Box(20, 20, 60, 60.123456), 0.7),
        Finding("edema", Box(100, 20, 160, 60), 0.6),
        Finding("effusion", Box(150, 60, 190, 95), 0.5),
    ),
    {"edema": "boxed", "effusion": "boxed", "fracture": "absent"},
    NATIVE,
)


@pytest.fixture
def picks(film):
    cases = [case(name, {"edema": "present", "effusion": "absent"}, film) for name in ("a/b", "a_b", "c")]
    return labelling.select_tasks([*cases, case("d", {"effusion": "present"}, film)])


def drawn(label, x0, y0, x1, y1):
    return {"label": label, "points": [[x1, y0], [x0, y1]], "shape_type": "rectangle", "flags": {}}


def answer_labelme(folder, stem, shapes, flags):
    path = folder / f"{stem}.json"
    value = json.loads(path.read_text())
    value["shapes"], value["flags"] = shapes, value["flags"] | flags
    path.write_text(json.dumps(value))
