import dataclasses

import numpy as np
import pytest

from lungspot.report import color_of, overlay


def rgb(color):
    return np.array([int(color[index : index + 2], 16) for index in (1, 3, 5)])


def near(picture, x, y, color, reach=3):
    """Say whether a pixel of the colour lies near a point."""
    patch = np.asarray(picture)[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1].reshape(-1, 3)
    return (np.abs(patch.astype(int) - rgb(color)).sum(axis=1) < 30).any()


@pytest.mark.parametrize(("width", "height"), [(64, 64), (200, 300), (1024, 1024), (3000, 2400), (400, 1000)])
def test_a_box_is_drawn_where_it_is_at_any_film_size(make, width, height):
    result = make(width, height)
    picture = overlay(result)
    factor = picture.width / width
    assert 1024 <= max(picture.width, height * factor) <= 2048 or picture.width in {1024, 2048}
    x0, y0, x1, y1 = (corner * factor for corner in result.boxed[0].box.corners)
    for x, y in ((x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2), ((x0 + x1) / 2, y1)):
        assert near(picture, round(x), round(y), color_of("effusion"))
    assert not near(picture, round(x0 / 2), round(y0 / 2), color_of("effusion"))


def test_the_heat_map_colours_the_film_and_the_plain_picture_is_grey(make):
    result = dataclasses.replace(make(), agreement=())
    plain, heat = (np.asarray(overlay(result, heatmap=shown)).astype(int) for shown in (False, True))
    hot = (slice(820, 830), slice(560, 570))  # cell (6, 6) of 8 x 8, above the box's lower part
    assert np.ptp(plain[400, 100]) <= 1
    assert (heat[hot][..., 0] - heat[hot][..., 2]).mean() > 40


def test_a_film_that_is_not_assessed_is_dim_and_has_no_box(make):
    picture = overlay(make(reasons=("LATERAL",)), heatmap=True)
    film = np.asarray(picture)[:1000].astype(int)
    assert (film.max(axis=-1) - film.min(axis=-1)).max() < 12
    assert film.mean() < 100


def test_many_boxes_on_one_place_still_have_names(make):
    boxes = [("effusion", (0.4, 0.4, 0.6, 0.6), 0.9 - 0.01 * index) for index in range(60)]
    assert overlay(make(boxes=boxes)).width > 0
