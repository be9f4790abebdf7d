"""Films that the generated network judges, for every verb's tests."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def upright_film():
    """A function that gives, for a seed, what the generated gate calls an upright film."""

    def make(seed=0):
        pixels = np.random.default_rng(seed).random((120, 100)) * 0.3 + 0.65
        pixels[:60, :50] -= 0.45
        return Image.fromarray((pixels * 255).astype(np.uint8))

    return make
