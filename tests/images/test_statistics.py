import numpy as np
import pytest

from lungspot.errors import InputError
from lungspot.images import ImageStatistics, image_statistics


def stripes(height, width, dark=0.25, bright=0.75):
    pixels = np.full((height, width), dark, np.float32)
    pixels[:, width // 2 :] = bright
    return pixels


def test_two_halves():
    found = image_statistics(stripes(100, 80))
    assert (found.p5, found.p25, found.p75, found.p95) == (0.25, 0.25, 0.75, 0.75)
    assert (found.entropy, found.levels, found.clipped) == (1.0, 2, 0.0)
    assert found.roughness == pytest.approx(100 * 0.5 / (100 * 79 + 99 * 80), abs=1e-4)


def test_black_white_and_one_pixel():
    found = image_statistics(stripes(64, 64, 0, 1))
    assert (found.clipped, found.levels, found.entropy) == (1.0, 2, 1.0)
    assert image_statistics(np.zeros((1, 1), np.float32)).roughness == 0


def test_size_hardly_matters_and_noise_does():
    small = np.random.default_rng(0).random((200, 190)).astype(np.float32)
    large = np.repeat(np.repeat(small, 9, 0), 9, 1)
    one, other = image_statistics(small), image_statistics(large)
    assert one.p50 == pytest.approx(other.p50, abs=0.01)
    assert one.roughness == pytest.approx(other.roughness, abs=0.03)
    assert one.entropy > 7.9


def test_lost_bits_show():
    ramp = np.linspace(0, 4095, 192 * 192).reshape(192, 192).astype(np.int64)
    full, low, wrapped = (
        image_statistics((part / part.max()).astype(np.float32)) for part in (ramp, ramp // 64 * 64, ramp % 64)
    )
    assert full.levels == 4096
    assert low.levels == 64
    assert wrapped.roughness > 10 * full.roughness


def test_they_are_kept_as_json():
    found = image_statistics(stripes(100, 80))
    assert ImageStatistics.from_json({**found.to_json(), "later": 1.0}) == found
    with pytest.raises(InputError):
        ImageStatistics(**{**found.to_json(), "entropy": float("nan")})
