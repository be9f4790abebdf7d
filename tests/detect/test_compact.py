import numpy as np
import pytest

from lungspot.detect import compact_features


def test_the_same_features_give_the_same_numbers_for_ever():
    """Pinned: results of years are compared."""
    found = compact_features(np.arange(8, dtype=np.float32))
    assert len(found) == 16
    assert found[:4] == PINNED
    assert compact_features(np.zeros(640, np.float32)) == (0.0,) * 16


PINNED = (-0.7071, 3.5355, 0.0, -4.2426)


@pytest.mark.parametrize("count", [3, 4, 640, 1279])
def test_any_number_of_features(count):
    found = compact_features(np.ones(count, np.float32))
    assert len(found) == 16
    assert len(set(found)) > 1


def test_distances_are_kept_on_average():
    films = np.random.default_rng(1).normal(size=(60, 640)).astype(np.float32)
    films[30:] += 1
    kept = np.array([compact_features(film) for film in films])
    gaps = np.linalg.norm(films[:30, None] - films[None, 30:], axis=-1) / 640**0.5
    near = np.linalg.norm(kept[:30, None] - kept[None, 30:], axis=-1) / 16**0.5
    assert near.mean() == pytest.approx(gaps.mean(), rel=0.15)
