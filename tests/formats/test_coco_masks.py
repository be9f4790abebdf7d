"""Boxes around COCO's masks and polygons, beside pycocotools."""

import numpy as np
import pytest
from pycocotools import mask

from lungspot.formats.coco_masks import box_around

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (40, 90), (300, 200)])
def test_a_mask_has_the_box_that_pycocotools_finds(size, share):
    pixels = np.asfortranarray((RNG.random(size) < share).astype(np.uint8))
    pixels[size[0] // 2, size[1] // 2] = 1
    encoded = mask.encode(pixels)
    flat = pixels.ravel(order="F")
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [2]])))
    plain = np.diff(np.concatenate([[0], edges])).tolist()
    expected = mask.toBbox(encoded).tolist()
    assert box_around({"size": list(size), "counts": encoded["counts"].decode()}) == expected
    assert box_around({"size": list(size), "counts": plain}) == expected


@pytest.mark.parametrize(
    "segmentation",
    [
        None,
        [],
        {},
        "text",
        [[1, 2, 3, 4]],
        [[1, 2, 3, 4, 5, float("nan")]],
        {"size": [10, 10], "counts": [100]},  # nothing of it is the mask
        {"size": [10, 10], "counts": [1, 200]},
        {"size": [10, 10], "counts": [1, -2]},
        {"size": [10, 10], "counts": [1, 2.5]},
        {"size": [10, 10], "counts": None},
        {"size": [10], "counts": [1, 2]},
        {"size": [True, 10], "counts": [1, 2]},
        {"size": [10, 10], "counts": "P"},  # its first number goes on
        {"size": [10, 10], "counts": "\u00e9"},
        {"size": [10, 10], "counts": "o" * 40},
    ],
)
def test_what_is_no_mask_has_no_box(segmentation):
    assert box_around(segmentation) is None


def test_polygons_have_one_box():
    assert box_around([[10, 20, 60, 20, 60, 80], [5, 30, 8, 30, 8, 31]]) == [5, 20, 55, 60]
