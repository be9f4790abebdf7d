"""The function as CVAT's own client library loads and judges it."""

import io
import logging
import runpy
from pathlib import Path

import pytest
from cvat_cli._internal.common import FunctionLoader
from cvat_sdk import auto_annotation, models
from cvat_sdk.auto_annotation.driver import _AnnotationMapper, _DetectionFunctionContextImpl
from PIL import Image

from lungspot import cvat
from lungspot.errors import InputError
from lungspot.pipeline import analyze

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def films(upright_film):
    """Films as CVAT hands them over: grey, and in colours that are greys."""
    return {"small.png": upright_film(3).convert("L"), "colour.png": upright_film(4).convert("RGB")}


@pytest.fixture(scope="module")
def function(model_file):
    return FunctionLoader("lungspot.cvat", None, {"model": str(model_file)}).load()


def asked(name, threshold=None):
    return _DetectionFunctionContextImpl(frame_name=name, conf_threshold=threshold, conv_mask_to_poly=False)


def mapped(function, found, *names):
    """Return what CVAT's driver makes of the answer for a task with these labels."""
    labels = [
        models.Label(id=100 + n, name=name, type="rectangle", attributes=[], sublabels=[])
        for n, name in enumerate(names)
    ]
    mapper = _AnnotationMapper(
        logging.getLogger("test"), function.spec.labels, labels, allow_unmatched_labels=True, conv_mask_to_poly=False
    )
    _, shapes = mapper.validate_and_remap(found, 7)
    return [(shape.label_id, shape.frame, shape.type.value, list(shape.points)) for shape in shapes]


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()


def test_the_driver_of_cvat_takes_the_boxes_that_reading_the_film_gives(function, films, generated_card):
    assert isinstance(function.spec, auto_annotation.DetectionFunctionSpec)
    assert [label.name for label in function.spec.labels] == list(generated_card.labels)
    for name, image in films.items():
        whole = analyze(png(image), function.detector)
        wanted = [each for each in whole.boxed if whole.is_positive(each)]
        assert wanted
        found = mapped(function, function.detect(asked(name), image), *reversed(generated_card.labels))
        ids = dict(zip(reversed(generated_card.labels), range(100, 200), strict=False))
        assert found == [(ids[each.label], 7, "rectangle", pytest.approx(each.box.corners)) for each in wanted]
    only = mapped(function, function.detect(asked("x"), films["small.png"]), "effusion")
    assert {label for label, *_ in only} <= {100}


def test_a_threshold_of_the_caller_counts_instead_of_the_points(function, films):
    counts = [len(function.detect(asked("x", threshold), films["small.png"])) for threshold in (0.0, 0.5, 0.9, 1.0)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[1]
    whole = analyze(png(films["small.png"]), function.detector, min_score=0.5)
    assert counts[1] == sum(each.score >= 0.5 for each in whole.boxed)


def test_a_picture_that_is_no_film_gives_nothing_and_says_so(function, caplog):
    white = Image.new("L", (96, 96), 250)
    assert function.detect(asked("white.png"), white) == []
    assert function.detect(asked("tiny.png"), Image.new("L", (3, 3))) == []
    assert "white.png: not assessed" in caplog.text
    assert "tiny.png: " in caplog.text


def test_boxes_outside_a_region_of_interest_are_left_out(model_file, function, films):
    image = films["small.png"]
    every = [list(shape.points) for shape in function.detect(asked("x"), image)]
    left = cvat.create(model=str(model_file), region="0,0,50,100").detect(asked("x"), image)
    wanted = [points for points in every if (points[0] + points[2]) / 2 <= image.width / 2]
    assert [list(shape.points) for shape in left] == wanted
    assert len(wanted) < len(every)


def test_a_dicom_film_gets_as_a_picture_the_boxes_that_it_gets_as_a_file(rg1):
    """The shipped model on a real film, MONOCHROME1: CVAT makes a picture of such a file when the task is made."""
    function = cvat.create()
    picture = runpy.run_path(str(ROOT / "benchmarks" / "cvat.py"))["picture_of"](rg1["UNCR"])
    names = [label.name for label in function.spec.labels]
    found = [(names[shape.label_id], list(shape.points)) for shape in function.detect(asked("film.dcm"), picture)]
    whole = analyze(rg1["UNCR"].read_bytes(), function.detector)
    wanted = [(each.label, pytest.approx(each.box.corners, abs=5)) for each in whole.boxed if whole.is_positive(each)]
    assert found == wanted
    assert found


def test_labels_may_be_called_by_their_names(model_file):
    names = [label.name for label in cvat.create(model=str(model_file), names="name").spec.labels]
    assert names == ["Pleural effusion", "Pulmonary edema", "Nodule or mass"]


@pytest.mark.parametrize(
    "values",
    [{"point": "sure"}, {"names": "code"}, {"region": "0,0,50"}, {"region": "50,0,0,100"}, {"region": "a,b,c,d"}],
)
def test_values_that_mean_nothing_are_refused(model_file, values):
    with pytest.raises(InputError):
        cvat.create(model=str(model_file), **values)
