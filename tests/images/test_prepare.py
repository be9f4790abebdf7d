import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lungspot.errors import InputError
from lungspot.findings import Box, Frame
from lungspot.images import Origin, Placement, Radiograph, normalise, prepare, read, squash


def film(pixels):
    return Radiograph(np.asarray(pixels, dtype=np.float32), Origin(None, "0" * 64, "png"), 8)


def noise(*shape):
    return np.random.default_rng(3).random(shape, dtype=np.float32)


def test_the_tensor_is_a_read_only_square_in_a_batch_of_one():
    prepared = prepare(film(noise(30, 50)), 16)
    assert (prepared.tensor.shape, prepared.tensor.dtype) == ((1, 1, 16, 16), np.float32)
    assert (prepared.tensor.min(), prepared.tensor.max()) == (0, 1)
    assert not prepared.tensor.flags.writeable
    assert prepared.placement == Placement(Frame(50, 30), 16)


def test_preparing_is_squashing_then_normalising():
    """Training calls the two by themselves: both must be one and the same way."""
    pixels = noise(40, 70)
    np.testing.assert_array_equal(prepare(film(pixels), 24).tensor[0, 0], normalise(squash(pixels, 24)))


def test_the_film_is_left_as_it_was():
    pixels = noise(16, 16)
    before = pixels.copy()
    prepare(film(pixels), 16)
    prepare(film(pixels), 8)
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize(
    ("pixels", "size", "squashed"),
    [
        ([[0.25, 0.75], [0.5, 1]], 2, [[0.25, 0.75], [0.5, 1]]),
        (np.full((7, 3), 0.5), 4, np.full((4, 4), 0.5)),
        ([[0, 0, 1, 1]] * 2, 2, [[1 / 7, 6 / 7]] * 2),  # a triangle of the step's width: 3 + 3 + 1 (+ 1 cut off)
    ],
)
def test_squashing_averages_what_it_makes_smaller(pixels, size, squashed):
    np.testing.assert_allclose(squash(np.asarray(pixels, np.float32), size), squashed, atol=1e-6)


def test_fine_detail_is_averaged_not_skipped():
    stripes = np.tile(np.array([0, 1], np.float32), (64, 32))
    assert np.abs(squash(stripes, 16)[2:-2, 2:-2] - 0.5).max() < 0.07


def test_an_input_of_no_pixels_is_refused():
    with pytest.raises(InputError) as caught:
        squash(noise(4, 4), 0)
    assert caught.value.code == "BAD_VALUE"


def test_markers_do_not_set_the_contrast():
    pixels = 0.4 + 0.2 * noise(100, 100)
    marked = pixels.copy()
    marked[:5, :5] = 1  # a lead marker: a quarter of a per cent
    np.testing.assert_allclose(normalise(marked)[10:, 10:], normalise(pixels)[10:, 10:], atol=0.02)
    assert normalise(marked)[0, 0] == 1


@pytest.mark.parametrize("value", [0, 0.3, 1])
def test_a_flat_picture_becomes_black_and_no_division(value):
    np.testing.assert_array_equal(normalise(np.full((8, 8), value, np.float32)), np.zeros((8, 8)))


@given(st.floats(0.05, 1), st.floats(0, 1))
def test_brightness_and_contrast_of_the_file_do_not_matter(share, place):
    pixels = noise(32, 32)
    changed = (pixels * share + (1 - share) * place).astype(np.float32)
    np.testing.assert_allclose(normalise(changed), normalise(pixels), atol=1e-4)


@given(
    st.integers(1, 5000),
    st.integers(1, 5000),
    st.integers(1, 1024),
    st.tuples(st.floats(0, 0.9), st.floats(0, 0.9), st.floats(0.05, 1), st.floats(0.05, 1)),
)
def test_a_box_goes_to_the_input_and_back_exactly(width, height, size, shares):
    left, top, wide, high = shares
    box = Box(left * width, top * height, (left + wide) * width, (top + high) * height)
    placement = Placement(Frame(width, height), size)
    assert placement.target == Frame(size, size)
    there = placement.to_input(box)
    assert there.x1 - there.x0 == pytest.approx(wide * size)
    assert there.y0 == pytest.approx(top * size)
    np.testing.assert_allclose(placement.to_original(there).corners, box.corners, rtol=1e-12, atol=1e-9)


def test_a_box_drawn_on_the_film_lies_where_it_does_on_the_input():
    pixels = np.zeros((60, 90), np.float32)
    pixels[20:40, 30:75] = 1
    prepared = prepare(film(pixels), 30)
    box = prepared.placement.to_input(Box(30, 20, 75, 40))
    assert box.corners == (10, 10, 25, 20)
    bright = prepared.tensor[0, 0] > 0.5
    assert (np.flatnonzero(bright.any(axis=0))[[0, -1]] == (10, 24)).all()
    assert (np.flatnonzero(bright.any(axis=1))[[0, -1]] == (10, 19)).all()


def test_a_real_film_is_prepared_alike_from_two_encodings(rg1):
    one, two = (prepare(read(rg1[name], sandboxed=False), 256).tensor for name in ("UNCR", "J2KR"))
    np.testing.assert_array_equal(one, two)
