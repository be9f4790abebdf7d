"""`lungspot convert`: a film as a PNG, whole or not at all."""

import errno
import os

import numpy as np
import pytest
from PIL import Image

from lungspot.cli.app import run
from lungspot.images import read

LEVELS = np.arange(600, dtype=np.uint16).reshape(20, 30) * 100


@pytest.fixture
def convert(capsys):
    """A function that runs `lungspot convert …`: exit code, stderr; nothing is ever said on stdout."""

    def call(*arguments):
        code = run(["convert", *map(str, arguments)])
        said = capsys.readouterr()
        assert said.out == ""
        return code, said.err

    return call


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.tiff"
    Image.fromarray(LEVELS).save(path)
    return path


@pytest.mark.parametrize(
    ("options", "bits", "mode"),
    [([], 16, "I;16"), (["--bits", "16"], 16, "I;16"), (["--bits", "8"], 8, "L")],
)
def test_a_film_becomes_a_png_of_the_depth_asked_for(convert, film, tmp_path, options, bits, mode):
    out = tmp_path / "out.png"
    assert convert(film, "-o", out, *options) == (0, f"{out}: 30 x 20 pixels, {bits} bits\n")
    with Image.open(out) as picture:
        assert (picture.format, picture.mode, picture.info) == ("PNG", mode, {"Software": "lungspot: a film"})
        stored = np.asarray(picture).astype(int)
    np.testing.assert_array_equal(stored, np.rint(LEVELS / LEVELS.max() * ((1 << bits) - 1)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.tiff", "out.png"]


def test_pixels_that_are_not_square_stay_so(convert, tmp_path):
    film, out = tmp_path / "film.tiff", tmp_path / "out.png"
    Image.fromarray(LEVELS).save(film, dpi=(200, 100))
    assert convert(film, "-o", out)[0] == 0
    one, two = read(film), read(out)
    assert one.pixel_aspect == two.pixel_aspect == (2, 1)
    np.testing.assert_allclose(one.pixels, two.pixels, atol=1 / 65535)


def test_a_film_of_8_bits_stays_one(convert, tmp_path):
    film, out = tmp_path / "film.png", tmp_path / "out.png"
    Image.fromarray((LEVELS >> 8).astype(np.uint8)).save(film)
    assert convert(film, "-o", out)[0] == 0
    with Image.open(out) as picture:
        assert picture.mode == "L"


def test_the_png_of_a_real_film_is_that_film_and_knows_no_patient(convert, rg1, tmp_path):
    out = tmp_path / "out.png"
    assert convert(rg1["UNCR"], "-o", out)[0] == 0
    np.testing.assert_allclose(read(out).pixels, read(rg1["UNCR"]).pixels, atol=0.51 / 65535)
    assert b"CompressedSamples" not in out.read_bytes()


def test_the_file_is_made_as_the_umask_says(convert, film, tmp_path):
    before = os.umask(0o027)
    try:
        convert(film, "-o", tmp_path / "out.png")
    finally:
        os.umask(before)
    assert (tmp_path / "out.png").stat().st_mode & 0o777 == 0o640


def test_a_refused_film_writes_nothing(convert, tmp_path):
    (tmp_path / "film.png").write_bytes(b"not a film")
    code, err = convert(tmp_path / "film.png", "-o", tmp_path / "out.png")
    assert code == 3
    assert err.startswith(f"lungspot: error: {tmp_path / 'film.png'}: NOT_AN_IMAGE: this is text; ")
    assert not (tmp_path / "out.png").exists()


def test_wrong_outputs_are_errors_of_usage(convert, film, tmp_path):
    assert convert(film, "-o", tmp_path / "out.jpg")[0] == 2
    same = tmp_path / "same.png"
    same.symlink_to(film)
    assert convert(film, "-o", same)[0] == 2
    assert convert(film, "-o", tmp_path / "out.png", "--bits", "12")[0] == 2


def test_a_missing_folder_is_named(convert, film, tmp_path):
    out = tmp_path / "no" / "out.png"
    advice = "give an output folder that you may write"
    assert convert(film, "-o", out) == (
        4,
        f"lungspot: error: {out}: NOT_WRITABLE: its folder does not exist; {advice}\n",
    )


def test_a_full_disk_leaves_what_was_there(convert, film, tmp_path, monkeypatch):
    out = tmp_path / "out.png"
    assert convert(film, "-o", out, "--bits", "8")[0] == 0
    before = out.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device", str(out))

    monkeypatch.setattr(os, "fsync", full)
    code, err = convert(film, "-o", out, "--overwrite")
    assert code == 4
    assert "NO_SPACE" in err
    assert out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.tiff", "out.png"]
