import numpy as np
import pytest

from lungspot.images.grey import luma, stretch, through_levels


@pytest.mark.parametrize(
    ("stored", "options", "grey"),
    [
        ([[10, 20, 30]], {}, [[0, 0.5, 1]]),
        ([[10, 20, 30]], {"inverted": True}, [[1, 0.5, 0]]),
        ([[-30, -20, -10]], {}, [[0, 0.5, 1]]),
        ([[7, 7, 7]], {}, [[0, 0, 0]]),
        ([[7, 7, 7]], {"inverted": True}, [[0, 0, 0]]),
        ([[0, 10, 20, 30]], {"padding": (0, 0)}, [[0, 0, 0.5, 1]]),
        ([[0, 10, 20, 30]], {"padding": (0, 0), "inverted": True}, [[0, 1, 0.5, 0]]),
        ([[-2000, 10, 20, 30, 2000]], {"padding": (100, 2000)}, [[0, 2010 / 2030, 2020 / 2030, 1, 0]]),
        ([[5, 5, 9]], {"padding": (0, 99)}, [[0, 0, 1]]),  # nothing but padding: taken as it is
        ([[1, 2, 3]], {"shade": lambda levels, _: levels**2}, [[0, 3 / 8, 1]]),
        ([[1, 2, 3]], {"shade": lambda levels, _: -levels}, [[1, 0.5, 0]]),
        ([[1, 9, 3]], {"shade": lambda levels, _: np.clip(levels, 0, 3)}, [[0, 1, 1]]),
    ],
)
def test_the_lowest_value_becomes_0_and_the_highest_1(stored, options, grey):
    stored = np.array(stored, dtype=np.int32)
    result = through_levels(stored, **options)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, grey, atol=1e-6)


def test_the_weights_say_how_many_pixels_have_a_level_and_none_for_padding():
    seen = {}

    def shade(levels, weights):
        seen.update(zip(levels.tolist(), weights.tolist(), strict=True))
        return levels

    through_levels(np.array([[3, 3, 5, 9]]), shade, padding=(9, 9))
    assert seen == {3: 2, 4: 0, 5: 1, 6: 0, 7: 0, 8: 0, 9: 0}


def test_a_film_of_many_parts_is_what_arithmetic_says():
    stored = np.random.default_rng(1).integers(100, 4000, (700, 900)).astype(np.uint16)
    whole = (stored - float(stored.min())) / float(stored.max() - stored.min())
    np.testing.assert_allclose(through_levels(stored), whole, atol=1e-6)


def test_real_values_are_stretched():
    np.testing.assert_allclose(stretch(np.array([[-1.5, 0, 1.5]])), [[0, 0.5, 1]])
    np.testing.assert_allclose(stretch(np.array([[-1.5, 0, 1.5]]), inverted=True), [[1, 0.5, 0]])
    np.testing.assert_array_equal(stretch(np.full((2, 2), 3.25)), np.zeros((2, 2)))


def test_brightness_weighs_green_most_and_keeps_the_type():
    color = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], dtype=np.uint8)
    grey = luma(color)
    assert grey.dtype == np.uint8
    assert grey.tolist() == [[76, 150, 29, 255]]
