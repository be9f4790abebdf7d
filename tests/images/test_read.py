import contextlib
import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lungspot
from lungspot.errors import FilmError
from lungspot.images import read
from lungspot.images.radiograph import View
from lungspot.images.sniff import sniff


@pytest.fixture
def png(tmp_path, gradient):
    path = tmp_path / "film.dcm"  # a name that lies
    Image.fromarray(gradient.astype(np.uint16)).save(path, "PNG")
    return path


def test_the_way_in_has_one_name():
    assert lungspot.read is read


@pytest.mark.parametrize("sandboxed", [True, False])
def test_a_film_is_the_same_from_a_path_bytes_or_an_open_file(png, sandboxed):
    sources = [png, str(png), png.read_bytes(), bytearray(png.read_bytes()), memoryview(png.read_bytes())]
    films = [read(source, sandboxed=sandboxed) for source in sources]
    with png.open("rb") as stream:
        films += [read(stream, sandboxed=sandboxed), read(io.BytesIO(png.read_bytes()), sandboxed=sandboxed)]
    for film, path in zip(films, [str(png), str(png), None, None, None, str(png), None], strict=True):
        np.testing.assert_array_equal(film.pixels, films[0].pixels)
        assert film.origin.path == path
        assert film.origin.sha256 == hashlib.sha256(png.read_bytes()).hexdigest()
        assert film.origin.kind == "png"
        assert not film.pixels.flags.writeable


@pytest.mark.parametrize("sandboxed", [True, False])
def test_a_dicom_film_carries_its_facts(make_dicom, gradient, sandboxed):
    film = read(
        make_dicom(gradient, ViewPosition="PA", PatientAge="042Y", PatientSex="F", ImagerPixelSpacing=["0.2", "0.1"]),
        sandboxed=sandboxed,
    )
    assert (film.view, film.age_years, film.sex, film.pixel_spacing_mm) == (View.PA, 42, "F", (0.2, 0.1))
    assert (film.origin.kind, film.origin.modality, film.origin.sop_instance_uid) == ("dicom", "CR", "1.2.3.4.5")
    assert film.origin.transfer_syntax == "1.2.840.10008.1.2.1"
    assert [notice.code for notice in film.notices] == ["NO_WINDOW"]
    np.testing.assert_allclose(film.pixels, (gradient - 17) / (3968 - 17), atol=1e-6)


def test_what_is_no_file_is_refused_with_its_code(tmp_path, monkeypatch, png):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    huge = tmp_path / "huge"
    with huge.open("wb") as sink:
        sink.truncate(600 * 1024 * 1024)  # a hole: it takes no disk
    for path, code, reason in (
        (tmp_path / "none", "NOT_FOUND", "there is no such file"),
        (tmp_path, "NOT_READABLE", "this is a folder"),
        (pipe, "NOT_READABLE", "this is not a regular file"),
        (png / "below", "NOT_READABLE", "Not a directory"),
        ("nul\0", "NOT_READABLE", "embedded null byte"),
        (huge, "TOO_LARGE", "600 MiB; at most 512 are read"),
    ):
        with pytest.raises(FilmError) as caught:
            read(path)
        assert (caught.value.code, caught.value.where, caught.value.reason) == (code, str(path), reason)
    with pytest.raises(FilmError, match="this is a folder; give the files in it"):
        read(tmp_path)
    with pytest.raises(FilmError, match="not a regular file; save it as a file, or give it as standard input"):
        read(pipe)

    def forbidden(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    with pytest.raises(FilmError, match="NOT_READABLE: Permission denied"):
        read(png)


class Pieces(io.RawIOBase):
    """A stream that gives a hundred bytes at a time, as a socket may, or fails."""

    def __init__(self, data, error=None):
        self.rest, self.error = io.BytesIO(data), error

    def read(self, size=-1):
        if self.error is not None:
            raise self.error
        return self.rest.read(min(size, 100))


def test_a_stream_in_pieces_is_the_whole_film(png):
    assert png.stat().st_size > 200
    np.testing.assert_array_equal(read(Pieces(png.read_bytes())).pixels, read(png).pixels)


def test_a_stream_that_fails_or_gives_text_is_one_refusal(png):
    with png.open(encoding="latin-1") as text, pytest.raises(FilmError) as caught:
        read(text)
    assert (caught.value.code, caught.value.where) == ("NOT_READABLE", str(png))
    assert 'open it with mode "rb"' in str(caught.value)
    for error, reason in ((OSError(5, "Input/output error"), "Input/output error"), (TimeoutError("slow"), "slow")):
        with pytest.raises(FilmError) as caught:
            read(Pieces(b"", error))
        assert (caught.value.code, caught.value.reason) == ("NOT_READABLE", reason)


def test_an_endless_stream_is_refused(monkeypatch):
    module = sys.modules["lungspot.images.read"]  # the function hides its module
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    with Path("/dev/zero").open("rb") as stream, pytest.raises(FilmError) as caught:
        read(stream)
    assert (caught.value.code, caught.value.where) == ("TOO_LARGE", "/dev/zero")
    with pytest.raises(FilmError) as caught:
        read(bytes(1001))
    assert (caught.value.code, caught.value.where) == ("TOO_LARGE", "<bytes>")


@pytest.mark.parametrize("sandboxed", [True, False])
def test_a_refusal_names_the_file(tmp_path, png, sandboxed):
    cut = tmp_path / "cut.png"
    cut.write_bytes(png.read_bytes()[: png.stat().st_size // 2])
    with pytest.raises(FilmError) as caught:
        read(cut, sandboxed=sandboxed)
    assert (caught.value.code, caught.value.where) == ("TRUNCATED", str(cut))


def test_a_picture_is_read_without_importing_pydicom(png):
    program = "import sys; from lungspot import read; read(sys.argv[1]); print('pydicom' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program, str(png)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


IMPORTS_IN_THE_CHILD = """
import sys
from importlib import import_module
from pathlib import Path

from lungspot.errors import LungspotError
from lungspot.images import Origin
from lungspot.images.sandbox import run
from lungspot.images.sniff import sniff

decoder = import_module("lungspot.images.read")._decoder


def new_modules(decode, data, origin):
    before = set(sys.modules)
    try:
        decode(data, origin)
    except LungspotError:
        pass
    return sorted(set(sys.modules) - before)


for path in sorted(Path(sys.argv[1]).iterdir()):
    kind = sniff(path.read_bytes(), path.name)
    found = run(new_modules, decoder(kind), path.read_bytes(), Origin(None, "0" * 64, kind))
    print(path.name, *found)
"""


def test_no_child_imports_anything(seeds, tmp_path):
    """It would do so for every film, and for ever where another thread was half done with the same import."""
    names = []
    for number, (name, data) in enumerate(seeds):
        with contextlib.suppress(FilmError):
            sniff(data, name)
            (tmp_path / f"{number:03d}").write_bytes(data)
            names.append(f"{number:03d}")
    said = subprocess.run(
        [sys.executable, "-c", IMPORTS_IN_THE_CHILD, str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout
    assert said.split() == names  # a name alone: nothing was imported
