"""Two films laid on each other: where known maps took them, and what a pasted shadow differs by."""

import numpy as np
import pytest
from PIL import Image

from lungspot.findings import Box
from lungspot.images import align, difference, thumbnail

SIZE = 300


def picture(seed=1):
    """A chest to a child: two dark lungs, ribs, and clutter that no two have in common."""
    rng = np.random.default_rng(seed)
    ys, xs = np.mgrid[:SIZE, :SIZE] / SIZE
    lungs = sum(np.exp(-(((xs - x) / 0.16) ** 2 + ((ys - 0.5) / 0.3) ** 2)) for x in (0.28, 0.72))
    greys = 0.7 - 0.45 * lungs + 0.06 * np.sin(40 * ys + 6 * np.abs(xs - 0.5))
    clutter = Image.fromarray(rng.random((30, 30), dtype=np.float32)).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return np.clip(greys + 0.2 * (np.asarray(clutter) - 0.5), 0, 1).astype(np.float32)


def moved(film, matrix):
    back = np.linalg.inv(np.vstack([matrix, (0, 0, 1)]))[:2].ravel()
    made = Image.fromarray(film).transform((SIZE, SIZE), Image.Transform.AFFINE, tuple(back), Image.Resampling.BILINEAR)
    return np.asarray(made)


MAPS = [
    [[1, 0, 0], [0, 1, 0]],
    [[1, 0, 20], [0, 1, -16]],
    [[0.9, 0, 18], [0, 0.9, 12]],
    [[1.05, 0.06, -14], [-0.06, 1.05, 4]],
    [[1.1, 0, -12], [0, 0.95, 9]],
]


@pytest.mark.parametrize("matrix", MAPS)
@pytest.mark.parametrize("gamma", [1.0, 1.5])
def test_a_film_is_laid_where_it_was_moved_from(matrix, gamma):
    film = picture()
    found = align(thumbnail(moved(film, matrix) ** gamma), thumbnail(film))
    corners = np.array([(x, y, 1) for x in (60, 240) for y in (60, 240)])
    off = np.linalg.norm(corners @ np.array(matrix).T - corners @ np.array(found.matrix).T, axis=1)
    assert off.max() < 0.01 * SIZE
    assert found.correlation > 0.6
    box = found.box(Box(90, 90, 150, 180))
    (a, _, tx), (_, d, ty) = matrix
    assert (box.width, box.height) == pytest.approx(
        (60 * np.hypot(a, matrix[1][0]), 90 * np.hypot(d, matrix[0][1])), rel=0.03
    )
    assert (box.x0 + box.x1) / 2 == pytest.approx(a * 120 + matrix[0][1] * 135 + tx, abs=3)
    assert (box.y0 + box.y1) / 2 == pytest.approx(matrix[1][0] * 120 + d * 135 + ty, abs=3)


def test_films_of_other_sizes_and_shapes_are_laid_on_each_other():
    film = picture()
    tall = np.asarray(Image.fromarray(film).resize((200, 200)))[20:, :180]  # as if cut
    found = align(thumbnail(film), thumbnail(tall))
    assert np.array(found.matrix) == pytest.approx(np.array([[1.5, 0, 0], [0, 1.5, 30]]), abs=3)
    assert np.array(found.matrix)[:, :2] == pytest.approx(1.5 * np.eye(2), abs=0.03)


@pytest.mark.parametrize(("mirror", "axis"), [("across", 1), ("down", 0)])
def test_a_mirror_image_is_laid_where_it_was_moved_from(mirror, axis):
    film, matrix = picture(), np.array([[1.05, 0, -14], [0, 1.05, 4]])
    earlier = thumbnail(np.flip(film, axis).copy())
    now, chest = thumbnail(moved(film, matrix)), Box(60, 60, 240, 240)
    for starts in ([], [(Box(*(matrix @ (60, 60, 1)), *(matrix @ (240, 240, 1))), chest)]):
        found = align(now, earlier, starts, mirror=mirror)
        x, y = (240, 90) if axis else (60, 210)  # where the mirror has (60, 90)
        assert np.array(found.matrix) @ (x, y, 1) == pytest.approx(matrix @ (60, 90, 1), abs=2)
        assert found.correlation > 0.6
    blank = thumbnail(np.zeros((SIZE, SIZE), np.float32))
    assert align(blank, earlier, mirror=mirror) is None


def test_what_has_nothing_in_common_is_not_laid_or_does_not_correlate():
    noise = np.random.default_rng(4).random((SIZE, SIZE), dtype=np.float32)
    found = align(thumbnail(picture()), thumbnail(noise))
    assert found is None or found.correlation < 0.3
    blank = np.zeros((SIZE, SIZE), np.float32)
    assert align(thumbnail(blank), thumbnail(picture())) is None


def test_what_the_lungs_say_is_where_it_begins():
    film, matrix = picture(), [[0.8, 0, 70], [0, 0.8, 70]]
    far = thumbnail(moved(film, matrix))
    mine, theirs = Box(0.8 * 60 + 70, 0.8 * 60 + 70, 0.8 * 240 + 70, 0.8 * 240 + 70), Box(60, 60, 240, 240)
    found = align(far, thumbnail(film), [(mine, theirs)])
    assert np.array(found.matrix) == pytest.approx(np.array(matrix), abs=2)


def test_a_pasted_shadow_is_the_one_place_that_differs():
    film, matrix = picture(), np.array([[1.04, 0, -9], [0, 1.04, 5]])
    ys, xs = np.mgrid[:SIZE, :SIZE]
    denser = film + 0.5 * np.exp(-((xs - 90) ** 2 + (ys - 150) ** 2) / (2 * 14**2)) * (1 - film)
    now, before = thumbnail(moved(denser.astype(np.float32), matrix) ** 0.8), thumbnail(film)
    seen = difference(align(now, before), now, before)
    x, y = matrix @ (90, 150, 1)
    shadow = seen.at(Box(x - 20, y - 20, x + 20, y + 20))
    assert shadow.surprise > 5
    assert shadow.grey > 0.3
    assert abs(seen.at(Box(200, 130, 240, 170)).surprise) < 3
    back = difference(align(before, now), before, now)
    assert back.at(Box(70, 130, 110, 170)).surprise < -5
    for outside in (Box(-50, -50, -10, -10), Box(SIZE - 10, 130, SIZE + 40, 170), Box(SIZE + 20, 130, SIZE + 60, 170)):
        assert seen.at(outside) is None
    assert seen.at(Box(SIZE - 45, 130, SIZE + 5, 170)) is not None


def test_a_place_that_the_earlier_film_does_not_show_is_not_compared():
    film = picture()
    now, before = thumbnail(film), thumbnail(film[:, 150:])
    found = align(now, before)
    assert difference(found, now, before).at(Box(10, 100, 60, 150)) is None
