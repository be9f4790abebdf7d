import io
import pickle
import struct
import zipfile

import pytest

from lungspot.errors import FilmError
from lungspot.images.archive import is_archive, members

FILM = bytes(range(256)) * 8


def pack(path, files, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def test_members_come_in_the_archive_s_order_without_folders_and_hidden_files(tmp_path):
    films = ("b.dcm", "a/x.png", "../../etc/passwd", "./c.dcm")
    names = ["folder/", ".DS_Store", "__MACOSX/b.dcm", *films, "a/.hidden", ".trash/c.dcm"]
    path = pack(tmp_path / "films.zip", {name: b"" if name.endswith("/") else FILM for name in names})
    found = list(members(path))
    assert [member.name for member in found] == [f"{path}/{name}" for name in films]
    assert all(member.read() == FILM for member in found)
    assert {file.name for file in tmp_path.iterdir()} == {"films.zip"}  # nothing was unpacked


@pytest.mark.parametrize(
    ("data", "expected"), [(b"PK\x03\x04rest", True), (b"PK", False), (b"\x89PNG", False), (b"", False)]
)
def test_an_archive_is_known_by_its_first_bytes(tmp_path, data, expected):
    (tmp_path / "x.png").write_bytes(data)
    assert is_archive(tmp_path / "x.png") is expected
    assert is_archive(tmp_path / "none") is False
    assert is_archive(tmp_path) is False


def test_a_member_that_shrank_more_than_films_do_is_refused_and_the_rest_is_not(tmp_path):
    path = pack(tmp_path / "f.zip", {"bomb.dcm": bytes(20 << 20), "good.dcm": FILM})
    bomb, good = members(path)
    with pytest.raises(FilmError, match="TOO_LARGE"):
        bomb.read()
    assert good.read() == FILM


def test_a_nested_archive_is_refused(tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("film.dcm", FILM)
    (member,) = members(pack(tmp_path / "f.zip", {"inner.zip": inner.getvalue()}))
    with pytest.raises(FilmError, match="archive in an archive"):
        member.read()


def test_an_encrypted_member_is_refused(tmp_path):
    path = pack(tmp_path / "f.zip", {"a.dcm": FILM})
    data = bytearray(path.read_bytes())
    central = data.index(b"PK\x01\x02")
    data[central + 8] |= 1
    path.write_bytes(data)
    (member,) = members(path)
    with pytest.raises(FilmError, match="encrypted"):
        member.read()


def test_members_that_overlap_refuse_the_archive(tmp_path):
    """One payload that the directory counts twice, as overlap bombs do thousands of times."""
    path = pack(tmp_path / "f.zip", {"a.dcm": FILM, "b.dcm": FILM})
    data = bytearray(path.read_bytes())
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    struct.pack_into("<I", data, second + 42, 0)  # the second entry's data begin where the first one's do
    path.write_bytes(data)
    with pytest.raises(FilmError, match="overlap"):
        list(members(path))


def test_a_directory_that_says_too_much_refuses_the_archive(tmp_path):
    path = pack(tmp_path / "f.zip", {f"{index}.dcm": FILM for index in range(5)})
    data = bytearray(path.read_bytes())
    at = -1
    while (at := data.find(b"PK\x01\x02", at + 1)) >= 0:
        struct.pack_into("<I", data, at + 24, 600 << 20)
    path.write_bytes(data)
    with pytest.raises(FilmError, match="MiB of members"):
        list(members(path))


def test_too_many_members_refuse_the_archive(tmp_path):
    path = pack(tmp_path / "f.zip", {f"{index}": b"" for index in range(10_001)}, zipfile.ZIP_STORED)
    with pytest.raises(FilmError, match="10001 members"):
        list(members(path))


def test_a_damaged_archive_or_member_is_one_refusal(tmp_path):
    path = pack(tmp_path / "f.zip", {"a.dcm": FILM})
    data = bytearray(path.read_bytes())
    data[40] ^= 0xFF
    (tmp_path / "member.zip").write_bytes(data)
    (member,) = members(tmp_path / "member.zip")
    with pytest.raises(FilmError, match="NOT_READABLE"):
        member.read()
    (tmp_path / "cut.zip").write_bytes(data[:50])
    with pytest.raises(FilmError, match="ARCHIVE"):
        list(members(tmp_path / "cut.zip"))


def test_a_member_can_be_pickled_and_opens_its_archive_again(tmp_path):
    path = pack(tmp_path / "f.zip", {"same.dcm": b"one" * 99, "other.dcm": b"two" * 99})
    first, second = (pickle.loads(pickle.dumps(member)) for member in members(path))
    assert (first.name, first.read()) == (f"{path}/same.dcm", b"one" * 99)
    assert (second.name, second.read()) == (f"{path}/other.dcm", b"two" * 99)
    lost = pickle.dumps(next(members(pack(tmp_path / "gone.zip", {"a.dcm": FILM}))))
    (tmp_path / "gone.zip").unlink()
    with pytest.raises(FilmError, match="ARCHIVE"):
        pickle.loads(lost)
