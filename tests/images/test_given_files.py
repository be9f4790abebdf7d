"""The films of ../shared/cases, each beside the right value that its README works out."""

import io

import numpy as np
import pytest

from lungspot.errors import FilmError
from lungspot.images import Pseudonyms, deidentified, read, read_header

KEY = Pseudonyms(b"0123456789abcdef")


def as_dcmtk_shows(dcmtk, film, tmp_path, *how):
    dcmtk("dcm2pnm", *how, "+opw", film, tmp_path / "film.pgm")
    said = (tmp_path / "film.pgm").read_text().split("\n", 1)[1]
    words = " ".join(line for line in said.splitlines() if not line.startswith("#")).split()
    grey = np.array(words[3:], dtype=np.float64).reshape(int(words[1]), int(words[0]))
    return (grey - grey.min()) / np.ptp(grey)


@pytest.mark.parametrize(
    ("name", "same", "how", "codes"),
    [
        ("07-lut-length/d15-voilut-short.dcm", "", ("+Wl", "1"), ["LUT_LENGTH"]),
        ("08-lut-vr/d01-voilut-data-SS.dcm", "08-lut-vr/d02-voilut-data-US.dcm", ("+Wl", "1"), []),
        (
            "09-lut-sign/d03-voilut-first-neg-implicit.dcm",
            "09-lut-sign/d04-voilut-first-neg-explicit.dcm",
            ("+Wl", "1"),
            [],
        ),
        ("18-ds-values/e01-window-trailing-backslash.dcm", "", ("+Ww", "1800", "2000"), []),
    ],
)
def test_a_table_and_a_window_are_shown_as_dcmtk_shows_them(shared_cases, dcmtk, tmp_path, name, same, how, codes):
    film = read(shared_cases / name)
    assert [notice.code for notice in film.notices] == codes
    shown = as_dcmtk_shows(dcmtk, shared_cases / (same or name), tmp_path, *how)
    np.testing.assert_allclose(film.pixels, shown, atol=2e-5)
    if same:
        assert np.array_equal(film.pixels, read(shared_cases / same).pixels)
    sink = io.BytesIO()
    deidentified((shared_cases / name).read_bytes(), KEY).save_as(sink, enforce_file_format=True)
    assert np.array_equal(read(sink.getvalue()).pixels, film.pixels)


def test_the_age_of_a_newborn_is_from_the_dates(shared_cases):
    film = read(shared_cases / "19-age" / "f21-age000Y-newborn.dcm")
    assert film.age_years == pytest.approx(0.02)
    assert "CHILD" in {notice.code for notice in film.notices}


def test_tiffs_of_every_depth_are_one_film(shared_cases):
    films = {path.name[:3]: read(path) for path in sorted((shared_cases / "26-tiff").glob("t*.tif"))}
    assert [(film.bits, film.inverted) for film in films.values()] == [(16, True), (16, False), (12, True), (64, False)]
    assert np.array_equal(films["t16"].pixels, films["t03"].pixels)
    np.testing.assert_allclose(films["t06"].pixels, films["t01"].pixels, atol=1 / 4095)


def test_a_pixel_twice_as_high_as_wide(shared_cases):
    assert read(shared_cases / "27-aspect" / "asp.dcm").pixel_aspect == (2, 1)


def test_a_name_in_a_set_of_its_own(shared_cases):
    header = read_header(shared_cases / "12-charset" / "c14-ir58.dcm")
    assert str(header.PatientName) == "Wang^XiaoDong=王^小东"


def test_what_is_no_film_is_refused(shared_cases):
    for name, code in (("o3-unreadable/garbage.dcm", "NOT_AN_IMAGE"), ("o1-ohif-sr/as-written.dcm", "NO_PIXELS")):
        with pytest.raises(FilmError) as refused:
            read(shared_cases / name)
        assert refused.value.code == code
