import numpy as np
import pytest

from lungspot.errors import InputError
from lungspot.findings import Frame
from lungspot.images.radiograph import WARNINGS, Notice, Origin, Radiograph, Sex, View

ORIGIN = Origin("film.png", "0" * 64, "png")


def test_a_film_is_pixels_in_a_frame_with_facts_unknown():
    pixels = np.zeros((3, 5), np.float32)
    film = Radiograph(pixels, ORIGIN, 8)
    assert film.frame == Frame(5, 3)
    assert (film.view, film.sex, film.age_years, film.pixel_spacing_mm) == (View.UNKNOWN, Sex.UNKNOWN, None, None)
    assert not film.inverted
    assert film.notices == ()
    with pytest.raises(ValueError, match="read-only"):
        film.pixels[0, 0] = 1


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros(5, np.float32),
        np.zeros((2, 3, 3), np.float32),
        np.zeros((0, 3), np.float32),
        np.zeros((2, 3)),
        np.zeros((2, 3), np.uint8),
        *(np.array([[0, 0.5, value]], np.float32) for value in (-0.001, 1.001, np.nan, np.inf, -np.inf)),
    ],
)
def test_what_is_no_film_is_refused_by_its_file(pixels):
    with pytest.raises(InputError) as caught:
        Radiograph(pixels, ORIGIN, 8)
    assert (caught.value.code, caught.value.where) == ("BAD_VALUE", "film.png")


@pytest.mark.parametrize("code", WARNINGS)
def test_a_notice_has_a_documented_code(code):
    assert Notice(code, "why").text == "why"


def test_an_undocumented_notice_is_refused():
    with pytest.raises(InputError, match="NO_SUCH_CODE"):
        Notice("NO_SUCH_CODE", "why")
