import os
import pickle
import zipfile
from pathlib import Path, PurePath

import pytest
from PIL import Image

from lungspot.errors import FilmError
from lungspot.outputs import DRAWN, png_info
from lungspot.sources import films_in, place_of


@pytest.fixture
def folder(tmp_path):
    """Two films in folders, a hidden one, and a drawing of an earlier run."""
    root = tmp_path / "films"
    for name in ("a.png", "b/c.png", ".hidden/x.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(root / name)
    Image.new("L", (8, 8)).save(root / "b" / "a.png", pnginfo=png_info(DRAWN))
    return root


def test_results_of_an_earlier_run_are_no_films(folder):
    left_out = []
    found = list(films_in([str(folder)], left_out=left_out.append))
    assert [(source.place, source.file) for source in found] == [
        ("a", folder / "a.png"),
        ("b/c", folder / "b" / "c.png"),
    ]
    assert left_out == [folder / "b" / "a.png"]


def test_a_folder_of_results_alone_is_named(folder):
    (folder / "b" / "c.png").unlink()
    (source,) = films_in([str(folder / "b")])
    with pytest.raises(FilmError, match="NOT_FOUND: a folder of lungspot's results, without films"):
        source.film.open()


def test_a_stream_is_a_stream_only_where_there_is_one():
    (source,) = films_in(["-"], stream=lambda: b"film")
    assert (source.film.open(), source.place, source.file) == (b"film", "stdin", None)
    (source,) = films_in(["-"])
    assert source.film.open() == Path("-")


def test_films_can_be_pickled_for_another_process(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as packed:
        packed.writestr("a.png", b"one")
    (tmp_path / "empty").mkdir()
    given = [str(folder), str(tmp_path / "f.zip"), str(tmp_path / "empty"), "no-such-file"]
    found = [source.film for source in films_in(given)]
    assert len(found) > len(given)
    for film in found:
        again = pickle.loads(pickle.dumps(film))
        assert again.name == film.name
        if film.name.endswith("empty"):
            with pytest.raises(FilmError, match="NOT_FOUND"):
                again.open()
        else:
            assert again.open() == film.open()


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("a.png", "a"),
        ("b/a.PNG", "b/a"),
        ("1.2.840.10008", "1.2.840.10008"),
        ("Thorax é胸 1.dcm", "Thorax é胸 1"),
        ("../a.png", "a"),
        ("/x/a.png", "x/a"),
    ],
)
def test_the_name_of_a_film_is_that_of_its_results(name, place):
    assert place_of(PurePath(name)) == place


@pytest.mark.parametrize(
    "name",
    [
        os.fsdecode(b"\xff\xfe.png"),
        "n" * 251 + ".png",
        "é" * 125 + ".png",
        "two\nlines.png",
        "--out.png",
        "right\u202eleft.png",
        "nul\x01.png",
        "/".join(["n" * 250] * 12) + "/a.png",
        os.fsdecode(b"folder\xff") + "/a.png",
    ],
)
def test_an_odd_name_is_escaped_and_shortened(name):
    place = place_of(PurePath(name))
    assert place.isprintable()
    assert len(place.encode()) < 1600
    assert all(len(part.encode()) <= 200 and not part.startswith("-") for part in place.split("/"))
    assert place_of(PurePath(name)) == place
    assert place_of(PurePath(f"{name[:-4]}2.png")) != place
