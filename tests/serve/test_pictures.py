"""Pictures of a film: at its own pixels, or smaller and then with square ones."""

import numpy as np
import pytest

from lungspot.serve.pictures import film_png

PIXELS = np.linspace(0, 65535, 200 * 300).reshape(200, 300).astype(np.uint16)


@pytest.mark.parametrize(
    ("bits", "most", "tall", "size"),
    [
        (8, None, 1, (300, 200)),
        (8, None, 2, (300, 200)),
        (16, 100, 2, (300, 200)),  # 16 bits are for programs
        (8, 100, 1, (100, 67)),
        (8, 100, 2, (75, 100)),
        (8, 100, 0.5, (100, 33)),
        (8, 400, 1, (300, 200)),
        (8, 400, 2, (300, 200)),
    ],
)
def test_a_smaller_picture_has_square_pixels(bits, most, tall, size):
    picture = film_png(PIXELS, bits, most, tall)
    assert picture.size == size
    grey = np.asarray(picture).astype(float) / (65535 if bits == 16 else 255)
    np.testing.assert_allclose(grey.mean(axis=1)[[0, -1]], [0, 1], atol=0.02)
