import numpy as np

from lungspot.train.gate_ood import collimate, invent


def test_inventions_are_pictures_and_none_is_a_chest_film():
    random = np.random.default_rng(0)
    films = random.integers(0, 255, (3, 64, 64), dtype=np.uint8)
    names = set()
    for _ in range(60):
        picture, name = invent(films, np.array([0, 2]), random)
        assert picture.shape == (64, 64)
        assert picture.dtype == np.float32
        assert np.isfinite(picture).all()
        assert picture.min() >= 0
        assert picture.max() <= 1
        names.add(name)
    assert names == {"other_xray", "not_xray"}


def test_the_same_seed_invents_the_same():
    films = np.zeros((1, 32, 32), np.uint8)
    first, second = (invent(films, np.array([0]), np.random.default_rng(5))[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_collimation_covers_sides_only_and_leaves_its_argument():
    picture = np.full((40, 40), 0.5, np.float32)
    random = np.random.default_rng(1)
    covered = [collimate(picture, 0.3, random) for _ in range(20)]
    assert (picture == 0.5).all()
    assert all((each[12:28, 12:28] == 0.5).all() for each in covered)
    assert any((each != 0.5).any() for each in covered)
    assert {float(value) for each in covered for value in np.unique(each)} == {0.0, 0.5, 1.0}
