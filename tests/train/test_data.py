from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from lungspot.datasets import apply_splits, read_splits
from lungspot.errors import DatasetError, FilmError, InputError, OutputError
from lungspot.findings import ABSENT, BOXED, DISEASES, PRESENT, UNKNOWN, Box, Finding, Frame, Reading, State
from lungspot.formats.case import Case, Split
from lungspot.train.data import FINE, crop_sampling, film_pixels, fingerprint, known, pack, sampling, without_boxes

LABELS = ("effusion", "edema", "covid19", "tuberculosis")
FRAME = Frame(200, 100)


def case(name, states, findings=(), path=None):
    reading = Reading("chestxdet", tuple(findings), states, FRAME)
    return Case(name, "nih", "p1", (reading,), path, FRAME, Split.VAL)


def test_known_says_what_the_readers_looked_for():
    states = {"effusion": State.BOXED, "edema": State.PRESENT, "covid19": State.ABSENT}
    film = known(case("a", states, [Finding("effusion", Box(20, 10, 60, 50))]), LABELS)
    assert film.states.tolist() == [BOXED, PRESENT, ABSENT, UNKNOWN]
    np.testing.assert_allclose(film.boxes, [[0.1, 0.1, 0.3, 0.5]])
    assert (film.labels.tolist(), film.split, film.id) == ([0], Split.VAL, "nih/a")
    assert film.datasets == {"nih", "chestxdet"}


def test_pack_prepares_once_and_leaves_out_what_cannot_be_read(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    cases = [case(path.stem, {"edema": State.ABSENT}, path=path) for path in paths]
    reads = []

    def read(path):
        reads.append(path.name)
        if path.stem == "1":
            raise FilmError("TRUNCATED", path, "cut")
        return np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)

    films, refused = pack(cases, LABELS, 16, tmp_path / "cache", read)
    assert [film.id for film in films.films] == ["nih/0", "nih/2"]
    assert [error.code for error in refused] == ["TRUNCATED"]
    assert (films.pixels.shape, films.pixels.dtype, films.pixels.min(), films.pixels.max()) == (
        (2, 16, 16),
        np.uint8,
        0,
        255,
    )
    again, _ = pack(cases, LABELS, 16, tmp_path / "cache", read)
    assert sorted(reads) == ["0.png", "1.png", "2.png"]
    assert fingerprint(again) == fingerprint(films)
    assert [film.stored for film in again.films] == [film.stored for film in films.films] == [8, 8]


def test_films_are_read_by_the_room_where_the_caller_brings_no_reader(tmp_path):
    grey = np.linspace(0, 255, 64).astype(np.uint8).reshape(8, 8)
    Image.fromarray(grey).save(tmp_path / "0.png")
    (tmp_path / "1.png").write_bytes(b"no film")
    cases = [case(str(i), {"edema": State.ABSENT}, path=tmp_path / f"{i}.png") for i in range(2)]
    films, refused = pack(cases, LABELS, 8, tmp_path / "cache")
    assert ([film.id for film in films.films], [error.code for error in refused]) == (["nih/0"], ["NOT_AN_IMAGE"])
    np.testing.assert_allclose(film_pixels(tmp_path / "0.png"), grey / 255, atol=1e-6)
    assert (films.pixels.min(), films.pixels.max()) == (0, 255)


def test_a_cache_takes_nobodys_place_and_leaves_nothing_half_done(tmp_path):
    cases = [case("0", {"edema": State.ABSENT}, path=tmp_path / "0.png")]

    def read(_):
        return np.zeros((8, 8), np.float32)

    def fail(_):
        raise ZeroDivisionError

    folder = tmp_path / "cache"
    with pytest.raises(ZeroDivisionError):
        pack(cases, LABELS, 16, folder, fail)
    assert list(folder.iterdir()) == []
    pack(cases, LABELS, 16, folder, read)
    index, pixels = sorted(folder.iterdir())
    index.unlink()
    pixels.write_text("mine")
    with pytest.raises(OutputError, match="EXISTS"):
        pack(cases, LABELS, 16, folder, read)
    assert pixels.read_text() == "mine"
    assert list(folder.iterdir()) == [pixels]


@pytest.fixture
def one(tmp_path):
    """One case, and the files of its cache: pixels and index."""
    cases = [case("0", {"edema": State.ABSENT}, path=tmp_path / "0.png")]
    pack(cases, LABELS, 16, tmp_path / "cache", shades)
    index, pixels = sorted((tmp_path / "cache").iterdir())
    return cases, pixels, index


def shades(_):
    return np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)


@pytest.mark.parametrize("left", ["no index, as killed before it is written", "no pixels", "cut pixels"])
def test_what_an_interrupted_run_left_is_packed_again(one, left):
    cases, pixels, index = one
    whole = [path.read_bytes() for path in (pixels, index)]
    if left == "cut pixels":
        pixels.write_bytes(whole[0][:-9])
    else:
        (pixels if left == "no pixels" else index).unlink()
    killed = pixels.with_name(f".{pixels.stem}.partial-17.npy")
    killed.write_bytes(b"half")
    films, _ = pack(cases, LABELS, 16, pixels.parent, shades)
    assert films.pixels.max() == 255
    assert [path.read_bytes() for path in (pixels, index)] == whole
    assert sorted(pixels.parent.iterdir()) == [index, pixels]


@pytest.mark.parametrize(
    ("name", "mine"),
    [
        ("pixels", np.zeros((1, 16, 17), np.uint8)),
        ("pixels", np.zeros((1, 16, 16), np.int8)),
        ("pixels", b"\x93NUMPY\x01\x00\x10\x00{'descr': (((\n   "),
        ("index", b"[]"),
        ("index", b'{"kept": [0]}'),
    ],
)
def test_a_file_of_somebody_else_is_no_cache(one, name, mine):
    cases, pixels, index = one
    path = {"pixels": pixels, "index": index}[name]
    if isinstance(mine, bytes):
        path.write_bytes(mine)
    else:
        np.save(path, mine)
    before = [path.read_bytes() for path in (pixels, index)]
    with pytest.raises(OutputError, match="EXISTS"):
        pack(cases, LABELS, 16, pixels.parent, shades)
    assert [path.read_bytes() for path in (pixels, index)] == before


def test_of_two_that_pack_at_once_the_second_takes_the_films_of_the_first(tmp_path):
    cases = [case("0", {"edema": State.ABSENT}, path=tmp_path / "0.png")]
    first = []

    def read(path):
        first.append(pack(cases, LABELS, 16, tmp_path / "cache", shades)[0])  # while the other is at it
        assert len(list((tmp_path / "cache").glob(".*.partial-*"))) == 1  # whose file stays
        return shades(path)

    second, _ = pack(cases, LABELS, 16, tmp_path / "cache", read)
    assert fingerprint(second) == fingerprint(first[0])
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_only_fine_films_are_shown_in_part_those_with_small_findings_more_often(generated_films):
    first, second, *_ = generated_films.films  # the first has a box of label 0, the second none
    films = [replace(first, stored=FINE), replace(second, stored=512), replace(first, stored=FINE - 1), first]
    np.testing.assert_allclose(crop_sampling(films, [0]), [0.8, 0.2, 0, 0])
    np.testing.assert_allclose(crop_sampling(films, [1]), [0.5, 0.5, 0, 0])
    with pytest.raises(InputError, match="no film of train"):
        crop_sampling(films[2:], [0])


def test_pack_refuses_nothing_at_all(tmp_path):
    with pytest.raises(DatasetError, match="not one film"):
        pack([case("a", {})], LABELS, 16, tmp_path, lambda _: np.zeros((4, 4), np.float32))


def test_fingerprint_sees_a_changed_pixel_and_a_changed_state(generated_films):
    whole = fingerprint(generated_films)
    pixels = generated_films.pixels.copy()
    pixels[3, 0, 0] ^= 1
    assert fingerprint(replace(generated_films, pixels=pixels)) != whole
    film = replace(generated_films.films[0], states=np.array([ABSENT, ABSENT]))
    assert fingerprint(replace(generated_films, films=(film, *generated_films.films[1:]))) != whole


def test_rare_labels_are_drawn_more_often_and_mined_films_less():
    def film(i, *, boxed):
        states = {"effusion": State.BOXED if boxed else State.ABSENT}
        found = [Finding("effusion", Box(0, 0, 9, 9))] if boxed else []
        return known(case(str(i), states, found), LABELS)

    films = [film(i, boxed=i == 0) for i in range(100)]
    chance = sampling(films, len(LABELS), rare=0.04, label_only=0.5)
    assert chance.sum() == pytest.approx(1)
    assert chance[0] / chance[1] == pytest.approx(2)  # sqrt(0.04 / 0.01)


def test_the_real_films_have_what_their_readme_says(shared_data, real_cases):
    cases = apply_splits(real_cases, read_splits(shared_data / "splits.csv"), shared_data)
    films = [known(c, DISEASES) for c in cases if c.split is Split.VAL]
    boxes = {label: sum(int((f.labels == i).sum()) for f in films) for i, label in enumerate(DISEASES)}
    assert boxes["tuberculosis"] == 148
    assert boxes["covid19"] == 598
    assert boxes["edema"] == 0
    assert all((film.states[film.labels] >= PRESENT).all() for film in films)


def test_no_box_is_left_and_nothing_else_is_changed(generated_films):
    stripped = without_boxes(generated_films)
    assert sum(len(film.boxes) + len(film.labels) for film in stripped.films) == 0
    for before, after in zip(generated_films.films, stripped.films, strict=True):
        assert (after.states == np.where(before.states == BOXED, PRESENT, before.states)).all()
        assert (after.id, after.split, after.patient) == (before.id, before.split, before.patient)
    assert any((film.states == BOXED).any() for film in generated_films.films)  # the input is as it was
