import pickle

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
        *(np.broadcast_to(np.float32(value), (4, 3)) for value in (-0.001, 1.001, np.nan)),
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


def test_a_film_can_be_pickled_and_is_checked_where_it_arrives():
    pixels = np.linspace(0, 1, 15, dtype=np.float32).reshape(3, 5)
    film = Radiograph(pixels, ORIGIN, 12, (0.14, 0.15), View.PA, age_years=61.0, notices=(Notice("LOSSY", "why"),))
    again = pickle.loads(pickle.dumps(film, protocol=5))
    assert again.pixels.tobytes() == film.pixels.tobytes()
    assert not again.pixels.flags.writeable
    for each in ("origin", "bits", "pixel_spacing_mm", "view", "age_years", "sex", "notices", "frame"):
        assert getattr(again, each) == getattr(film, each), each
    make, values = film.__reduce__()
    with pytest.raises(InputError, match="outside 0 to 1"):
        make(pixels + 1, *values[1:])
