"""A film as a PNG that is read back as it was, and its facts as JSON."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from lungspot.images import png_depth, radiograph_png, radiograph_to_json, read
from lungspot.outputs import is_film_of_ours

LEVELS = np.arange(600, dtype=np.uint16).reshape(20, 30) * 100


@pytest.fixture
def deep(tmp_path):
    """A film of 16 bits whose pixels are twice as high as wide."""
    Image.fromarray(LEVELS).save(tmp_path / "film.tiff", dpi=(200, 100))
    return read(tmp_path / "film.tiff")


@pytest.mark.parametrize(("bits", "mode"), [(None, "I;16"), (16, "I;16"), (8, "L")])
def test_a_png_has_the_film_s_greys_and_shape(deep, tmp_path, bits, mode):
    out = tmp_path / "out.png"
    out.write_bytes(radiograph_png(deep, bits))
    with Image.open(out) as picture:
        assert picture.mode == mode
        most = 255 if mode == "L" else 65535
        np.testing.assert_array_equal(np.asarray(picture).astype(int), np.rint(LEVELS / LEVELS.max() * most))
    assert read(out).pixel_aspect == deep.pixel_aspect == (2, 1)
    assert is_film_of_ours(out)


def test_a_film_of_8_bits_has_a_png_of_8(deep, tmp_path):
    Image.fromarray((LEVELS >> 8).astype(np.uint8)).save(tmp_path / "film.png")
    film = read(tmp_path / "film.png")
    assert (png_depth(film), png_depth(deep)) == (8, 16)
    with Image.open(io.BytesIO(radiograph_png(film))) as picture:
        assert picture.mode == "L"


def test_a_png_knows_no_patient_and_its_facts_are_those_of_the_header(rg1):
    film = read(rg1["UNCR"])
    assert b"CompressedSamples" not in radiograph_png(film)
    facts = json.loads(json.dumps(radiograph_to_json(film), allow_nan=False))
    assert (facts["kind"], facts["view"], facts["sex"], facts["inverted"]) == ("dicom", "PA", "F", True)
    assert facts["edges"]["left"] == film.orientation.left
    assert [warning["code"] for warning in facts["warnings"]] == ["PREAMBLE"]


def test_what_a_picture_does_not_say_is_null(deep):
    facts = radiograph_to_json(deep)
    assert (facts["width"], facts["height"], facts["pixel_aspect"]) == (30, 20, [2, 1])
    assert (facts["modality"], facts["age_years"], facts["pixel_spacing_mm"]) == (None, None, None)
    assert (facts["view"], facts["sex"]) == ("UNKNOWN", "UNKNOWN")
