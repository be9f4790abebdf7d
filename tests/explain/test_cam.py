import numpy as np
import pytest

from lungspot.detect import Correction, ModelCard, Raw
from lungspot.explain import cam, in_pixels
from lungspot.findings import Frame


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_map_lies_over_the_file_as_it_is_stored(turns):
    film = np.zeros((4, 6), np.float32)
    film[1, 4] = 1
    upright = np.rot90(film, turns)
    raw = Raw(np.zeros((0, 4)), np.zeros((0, 1)), np.zeros(1), upright[None], np.zeros(1))
    heat = cam(raw, ModelCard("m", "1", ("edema",), 64), Correction(turns))
    np.testing.assert_array_equal(heat["edema"], film)
    assert not heat["edema"].flags.writeable


def test_what_the_network_answers_everywhere_is_taken_off():
    maps = np.full((1, 5, 5), 0.25, np.float32)
    maps[0, 2, 3], maps[0, 0, 0] = 0.75, 0.0
    raw = Raw(np.zeros((0, 4)), np.zeros((0, 1)), np.zeros(1), maps, np.zeros(1))
    heat = cam(raw, ModelCard("m", "1", ("edema",), 64), Correction())["edema"]
    assert heat[2, 3] == 0.5
    assert heat.sum() == 0.5


def test_a_map_at_the_size_of_the_film_keeps_its_place_and_range():
    heat = np.zeros((4, 4), np.float32)
    heat[0, 3] = 1
    grown = in_pixels(heat, Frame(40, 80))
    assert grown.shape == (80, 40)
    assert grown.max() <= 1
    assert grown.min() >= 0
    assert grown[:20, 30:].mean() > 10 * grown[40:, :20].mean()
