"""Every kind of source gives the films that it holds, with bytes that can be read in another process."""

import csv
import hashlib
import io
import os
import pickle
import sys
import tarfile
import zipfile
from pathlib import Path

import fsspec
import fsspec.implementations.memory
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydicom.fileset import FileSet

from lungspot.batch import Ledger, count_films, entries_in, given_columns, shards_of
from lungspot.errors import DatasetError, FilmError, SetupError
from lungspot.images import film_bytes, members


def read(entry):
    return film_bytes(pickle.loads(pickle.dumps(entry)).source.film.open())


def all_of(*sources, **options):
    return list(entries_in([str(source) for source in sources], **options))


@pytest.fixture
def films(tmp_path):
    folder = tmp_path / "films"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.png", "sub/b.dcm", "sub/.hidden"):
        (folder / name).write_bytes(name.encode())
    return folder


def test_a_folder(films):
    found = {entry.name: read(entry) for entry in all_of(films)}
    assert found == {str(films / name): name.encode() for name in ("a.png", "sub/b.dcm")}
    before = {entry.name: entry.identity for entry in all_of(films)}
    (films / "a.png").write_bytes(b"changed")
    after = {entry.name: entry.identity for entry in all_of(films)}
    assert [name for name in before if before[name] != after[name]] == [str(films / "a.png")]


def test_a_zip(films):
    with zipfile.ZipFile(films.parent / "more.zip", "w") as archive:
        archive.write(films / "a.png", "x/a.png")
    (entry,) = all_of(films.parent / "more.zip")
    assert (entry.name, read(entry)) == (f"{films.parent}/more.zip/x/a.png", b"a.png")


def test_a_tar_shard(films):
    """As WebDataset has them: a film's labels lie beside it; a link, a folder and a hidden file are no films."""
    path = films.parent / "00000.tar"
    with tarfile.open(path, "w") as archive:
        hidden = (".hidden.png", ".trash/a.png", "__MACOSX/b.png")
        for name in ("k1.png", "k1.json", "k1.cls", "1.2.840.113", "noending", *hidden):
            member = tarfile.TarInfo(name)
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        archive.add(films / "sub", "sub", recursive=False)
    assert [(entry.name, read(entry)) for entry in all_of(path)] == [
        (f"{path}/{name}", name.encode()) for name in ("k1.png", "1.2.840.113", "noending")
    ]
    path.write_bytes(path.read_bytes()[:700])
    *_, last = all_of(path)
    with pytest.raises(FilmError, match="ARCHIVE"):
        read(last)


@pytest.fixture
def disc(rg1, tmp_path):
    """A folder as a CD has it, of two encodings of one film."""
    files = FileSet()
    for name in ("UNCR", "J2KR"):
        files.add(rg1[name])
    files.write(tmp_path / "cd")
    files._stage["t"].cleanup()  # else its folder is cleaned up with a warning
    return tmp_path / "cd"


def test_a_dicomdir(disc):
    entries = all_of(disc / "DICOMDIR")
    digests = [hashlib.sha256(read(entry)).hexdigest() for entry in entries]
    # Both are of one SOP instance, which a file set holds once.
    assert digests == [hashlib.sha256(path.read_bytes()).hexdigest() for path in disc.rglob("IM*")]
    assert digests
    (disc / "DICOMDIR").write_bytes(b"nothing")
    (entry,) = all_of(disc / "DICOMDIR")
    with pytest.raises(FilmError, match="BAD_HEADER"):
        read(entry)


def test_a_dicomdir_that_leads_elsewhere(disc):
    index = disc / "DICOMDIR"
    (name,) = {path.relative_to(disc).parts[0] for path in disc.rglob("IM*")}
    data = index.read_bytes()
    assert name.encode() in data
    index.write_bytes(data.replace(name.encode(), b"../../.."))
    entries = all_of(index)
    assert entries
    for entry in entries:
        with pytest.raises(FilmError, match=r"NOT_READABLE.*leads out of its folder"):
            read(entry)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_brings_its_columns_along(films, ending):
    path = films / f"list.{ending}"
    rows = [("a.png", "North", "7"), (str(films / "sub" / "b.dcm"), "South", ""), ("gone.png", "South", "1")]
    if ending == "csv":
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([("Path", "site", "n"), *rows])
    else:
        pq.write_table(
            pa.table({"Path": [row[0] for row in rows], "site": [row[1] for row in rows], "n": [7, None, 1]}), path
        )
    entries = all_of(path)
    assert [(Path(entry.name).name, dict(entry.given)) for entry in entries] == [
        ("a.png", {"site": "North", "n": "7"}),
        ("b.dcm", {"site": "South", "n": ""}),
        ("gone.png", {"site": "South", "n": "1"}),
    ]
    assert [read(entry) for entry in entries[:2]] == [b"a.png", b"sub/b.dcm"]
    with pytest.raises(FilmError, match="NOT_FOUND"):
        read(entries[2])
    assert given_columns([str(path), str(films)]) == ("n", "site")


def test_a_table_of_parquet_says_which_extra_reads_it(films, monkeypatch):
    pq.write_table(pa.table({"path": ["a.png"]}), films / "list.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for ask in (all_of, lambda source: given_columns([str(source)])):
        with pytest.raises(SetupError, match=r"MISSING_EXTRA: Parquet needs pyarrow; .*lungspot\[batch\]"):
            ask(films / "list.parquet")


LONG, NULL = "n" * 300 + ".png", "a\0.png"


@pytest.mark.parametrize("name", [LONG, NULL, f"sub/{LONG}", "file://[", "nosuch://store/a.png"])
def test_a_row_that_names_no_path_is_one_refused_film(films, name):
    pq.write_table(pa.table({"path": ["a.png", name, "sub/b.dcm"]}), films / "list.parquet")
    before, none, after = all_of(films / "list.parquet")
    assert [read(before), read(after)] == [b"a.png", b"sub/b.dcm"]
    with pytest.raises(FilmError, match=r"NOT_FOUND|NOT_READABLE"):
        read(none)


@pytest.mark.parametrize("name", ["nosuch://store", LONG, NULL, f"{NULL}.tar", f"{NULL}/DICOMDIR", f"{LONG}/DICOMDIR"])
def test_a_source_that_is_no_path_is_one_refused_film(tmp_path, name):
    (entry,) = all_of(name if "://" in name else tmp_path / name)
    with pytest.raises(FilmError):
        read(entry)


def test_a_table_without_paths(tmp_path):
    (tmp_path / "list.csv").write_text("name,site\na,b\n")
    with pytest.raises(DatasetError, match="DATASET_COLUMNS"):
        all_of(tmp_path / "list.csv")


def test_a_store(films):
    """A local folder and memory, by the same names that a bucket has."""
    (found, _) = sorted(all_of(f"file://{films}"), key=lambda entry: entry.name)
    assert (found.name, read(found)) == (f"file://{films / 'a.png'}", b"a.png")
    store = fsspec.filesystem("memory")
    store.pipe("/bucket/x/c.png", b"c")
    (entry,) = all_of("memory://bucket")
    assert read(entry) == b"c"
    store.pipe("/bucket/.trash/d.png", b"d")
    store.pipe("/bucket/__MACOSX/e.png", b"e")
    assert [entry.name for entry in all_of("memory://bucket")] == ["memory:///bucket/x/c.png"]
    assert count_films(["memory://bucket"], lambda: False) is None  # it is not listed twice
    store.rm("/bucket", recursive=True)
    with pytest.raises(FilmError, match="NOT_READABLE"):
        read(entry)


class Failing(fsspec.implementations.memory.MemoryFileSystem):
    """A store that shows the first folder, and then its listing ends; some errors are no OSError, as botocore's are."""

    protocol = "failing"
    error = PermissionError("denied")

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("failing://", "memory://"))

    def ls(self, path, detail=True, **options):  # noqa: FBT002 - fsspec's own
        if path.rstrip("/").endswith("x"):
            raise self.error
        return super().ls(path, detail, **options)


@pytest.mark.parametrize(
    "error", [PermissionError("denied"), FileNotFoundError("gone"), RuntimeError("no credentials")]
)
def test_a_store_that_cannot_be_listed_to_its_end_is_a_row(error, monkeypatch):
    fsspec.register_implementation("failing", Failing, clobber=True)
    monkeypatch.setattr(Failing, "error", error)
    store = fsspec.filesystem("memory")
    store.pipe("/cup/a.png", b"a")
    store.pipe("/cup/x/b.png", b"b")
    first, refused = all_of("failing://cup")
    assert (first.name, refused.name, refused.whole) == ("failing:///cup/a.png", "failing:///cup/x", True)
    with pytest.raises(FilmError, match=rf"NOT_READABLE.*cannot be listed .{type(error).__name__}"):
        read(refused)


def test_a_url_of_one_film_is_that_film_though_its_store_lists_none(monkeypatch):
    """As HTTP's does."""
    fsspec.register_implementation("failing", Failing, clobber=True)
    monkeypatch.setattr(Failing, "ls", lambda *_, **__: [])
    fsspec.filesystem("memory").pipe("/cup/a.png", b"a")
    (entry,) = all_of("failing://cup/a.png")
    assert (entry.name, read(entry)) == ("failing://cup/a.png", b"a")


def test_a_folder_that_lists_itself_is_listed_once(monkeypatch):
    fsspec.register_implementation("failing", Failing, clobber=True)
    there = {"name": "/cup/a.png", "size": 1, "type": "file"}, {"name": "/cup/", "size": 0, "type": "directory"}
    monkeypatch.setattr(Failing, "ls", lambda *_, **__: there)
    assert [entry.name for entry in all_of("failing://cup")] == ["failing:///cup/a.png"]


@pytest.mark.parametrize("url", ["memory://nosuch/bucket", "file:///no/such/folder"])
def test_a_store_that_is_not_there_is_a_row(url):
    (refused,) = all_of(url)
    with pytest.raises(FilmError, match="NOT_READABLE"):
        read(refused)


def test_a_folder_that_may_not_be_read_is_a_row_and_the_others_are_read(films, monkeypatch):
    (films / "shut").mkdir(mode=0)
    (films / "loop").symlink_to("loop")
    films.parent.chmod(0o755)
    monkeypatch.chdir(films)
    whoever = os.geteuid()
    if whoever == 0:  # whom no mode keeps out
        os.seteuid(65534)
    try:
        found = {entry.name: entry for entry in all_of(".")}
    finally:
        os.seteuid(whoever)
    assert found.keys() == {"a.png", "sub/b.dcm", "shut", "loop"}
    for name in ("shut", "loop"):
        assert found[name].whole
        with pytest.raises(FilmError, match=r"NOT_READABLE.*cannot be listed"):
            read(found[name])


def test_a_zip_of_an_archive_may_hold_more_than_a_stranger_s(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for number in range(10_001):
            archive.writestr(f"{number}.png", b"")
    assert len(all_of(tmp_path / "all.zip")) == 10_001
    with pytest.raises(FilmError, match="ARCHIVE"):
        next(members(tmp_path / "all.zip"))


def test_two_rows_of_one_film_are_two_entries_and_two_equal_rows_are_one(films):
    (films / "list.csv").write_text("path,reader\na.png,R1\na.png,R2\na.png,R2\n")
    (shard,) = shards_of(entries_in([str(films / "a.png"), str(films / "list.csv")]), 9, Ledger().take)
    assert [dict(entry.given) for entry in shard.entries] == [{}, {"reader": "R1"}, {"reader": "R2"}]


@pytest.mark.drill
def test_a_bucket(monkeypatch):
    """A real server of the S3 protocol on this machine."""
    server_of = pytest.importorskip("moto.server", reason="pip install 'moto[server]' s3fs")
    pytest.importorskip("s3fs")
    server = server_of.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    settings = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in (settings | {"AWS_ENDPOINT_URL": address}).items():
        monkeypatch.setenv(name, value)
    store = fsspec.filesystem("s3")
    store.mkdir("bucket")
    for name in ("a.png", "x/b.png"):
        store.pipe(f"bucket/{name}", name.encode())
    before = {entry.name: (entry.identity, read(entry)) for entry in all_of("s3://bucket")}
    assert {name: data for name, (_, data) in before.items()} == {
        "s3://bucket/a.png": b"a.png",
        "s3://bucket/x/b.png": b"x/b.png",
    }
    store.pipe("bucket/a.png", b"other")
    store.invalidate_cache()
    after = {entry.name: entry.identity for entry in all_of("s3://bucket")}
    assert [name for name in after if after[name] != before[name][0]] == ["s3://bucket/a.png"]
    store.pipe("bucket/c.png", b"c")
    store.invalidate_cache()
    (gone,) = [entry for entry in all_of("s3://bucket") if entry.name.endswith("c.png")]
    store.rm("bucket/c.png")
    with pytest.raises(FilmError, match="NOT_READABLE"):
        read(gone)
    server.stop()


def test_a_sample_is_the_same_each_time(tmp_path):
    for number in range(200):
        (tmp_path / f"{number}.png").touch()
    names = [{entry.name for entry in all_of(tmp_path, share=share)} for share in (0.2, 0.2, 0.5)]
    assert names[0] == names[1] < names[2]
    assert 20 <= len(names[0]) <= 60
    assert count_films([str(tmp_path)], lambda: False, share=0.5) == len(names[2])


def test_what_could_not_be_listed_is_in_every_sample(tmp_path):
    for number in range(5):
        (tmp_path / f"{number}.zip").write_bytes(b"PK\3\4 no archive")
        (tmp_path / f"{number}.tar").write_bytes(b"neither")
    for share in (0.0, 0.01, 1.0):
        entries = all_of(*sorted(tmp_path.iterdir()), share=share)
        assert [pickle.loads(pickle.dumps(entry)).whole for entry in entries] == [True] * 10


def test_a_folder_below_a_source_is_passed_over_by_whatever_name(films, monkeypatch):
    monkeypatch.chdir(films)
    (films.parent / "link").symlink_to(films)
    sub = Path("sub")
    for without in (sub, films / "sub", films / "sub" / "..", films.parent / "link" / "sub"):
        left = {"a.png", "sub/b.dcm"} if without.name == ".." else {"a.png"}
        for source in (".", films, films.parent / "link"):
            names = {
                Path(entry.name).resolve().relative_to(films).as_posix() for entry in all_of(source, without=without)
            }
            assert names == left
            assert count_films([str(source)], lambda: False, without=without) == len(left)
    assert len(all_of("sub", without=sub)) == 1  # as it was given


def test_shards_hold_each_entry_once(films):
    (first,) = shards_of(entries_in([str(films), str(films)]), 5, Ledger().take)
    assert len(first.entries) == 2
    assert [len(shard.entries) for shard in shards_of(entries_in([str(films)]), 1, Ledger().take)] == [1, 1]
    ledger = Ledger()
    assert ledger.take(first.entries[0].identity)
    (rest,) = shards_of(entries_in([str(films)]), 5, ledger.take)
    assert [entry.identity for entry in rest.entries] == [first.entries[1].identity]
    assert rest.key != first.key
