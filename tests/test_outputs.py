import errno
import json
import os
import shutil
import socket
import stat
from pathlib import Path

import pytest
from PIL import Image

from lungspot.errors import FilmError, OutputError, SetupError
from lungspot.outputs import DRAWN, Outputs, is_drawn, is_film_of_ours, is_ours, is_read_by_name, png_info, writing


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.png"
    Image.new("L", (8, 8)).save(path)
    return path


def result(path):
    path.write_text('{\n "schema": "lungspot/1", "status": "assessed"}')
    return path


def picture(path, software=DRAWN):
    Image.new("L", (8, 8)).save(path, pnginfo=png_info(software))
    return path


def refused(outputs, target):
    with pytest.raises(OutputError) as found:
        outputs.require(target)
    return found.value.code


def test_an_input_is_an_input_by_whatever_name(film, tmp_path):
    (tmp_path / "b").mkdir()
    names = {"link.png": film, "far.png": "b/../film.png"}
    for name, goal in names.items():
        (tmp_path / name).symlink_to(goal)
    (tmp_path / "hard.png").hardlink_to(film)
    (tmp_path / "folder").symlink_to(tmp_path)
    for overwrite in (False, True):
        for given in (film, tmp_path / "link.png", Path(os.path.relpath(film))):
            outputs = Outputs([given], overwrite=overwrite)
            for name in ("film.png", *names, "hard.png", "b/../film.png", "./film.png", "folder/film.png"):
                assert refused(outputs, tmp_path / name) == "IS_INPUT"


def test_an_input_of_ours_is_an_input_all_the_same(tmp_path):
    path = picture(tmp_path / "film.png")
    assert refused(Outputs([path], overwrite=True), path) == "IS_INPUT"
    Outputs([tmp_path / "other.png"], overwrite=True).require(path)


def test_what_is_known_to_be_read_only_later_is_an_input_from_then_on(tmp_path):
    path = picture(tmp_path / "film.png")
    outputs = Outputs(overwrite=True)
    outputs.require(path)
    outputs.protect([path, tmp_path / "not there"])
    assert refused(outputs, path) == "IS_INPUT"


def test_reports_are_told_from_what_verbs_find_in_a_folder(tmp_path):
    texts = {
        '{"schema": "lungspot/1", "status": "assessed"}': False,
        '{"info": {"description": "Predictions of lungspot; not for clinical use"}}': False,
        '{"schema": "lungspot-site/1"}': True,
        '{"schema": "lungspot-batch/1"}': True,
        "image,patient,split\na.png,p,train\n": True,
        "dataset,film,label,kind,for,against,settled\n": True,
    }
    for text, by_name in texts.items():
        (tmp_path / "file").write_text(text)
        assert is_ours(tmp_path / "file")
        assert is_read_by_name(tmp_path / "file") is by_name
    assert is_read_by_name(picture(tmp_path / "drawn.png"))
    assert not is_read_by_name(picture(tmp_path / "film.png", "lungspot: a film"))
    assert not is_read_by_name(tmp_path / "not there")


def test_what_lungspot_did_not_write_stays(film, tmp_path):
    (tmp_path / "film.json").write_text('{"version": "5.0", "flags": {}, "shapes": [], "about": "schema lungspot/1"}')
    (tmp_path / "folder").mkdir()
    (tmp_path / "nowhere").symlink_to("not-there")
    (tmp_path / "ours").symlink_to(result(tmp_path / "a.json"))
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
    for name in ("film.png", "film.json", "folder", "nowhere", "ours", "pipe", "socket", "/dev/full", "/dev/null"):
        for overwrite in (False, True):
            assert refused(Outputs(overwrite=overwrite), tmp_path / name) == "EXISTS"
            with pytest.raises(OutputError):
                Outputs(overwrite=overwrite).write(tmp_path / name, b"new")
    assert not (tmp_path / "not-there").exists()
    with Image.open(film) as still:
        still.load()


def test_a_result_of_an_earlier_run_goes_only_when_asked(tmp_path):
    path = result(tmp_path / "a.json")
    assert refused(Outputs(), path) == "EXISTS"
    assert Outputs(overwrite=True).write(path, b"new") == path
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_gets_its_folders_and_the_usual_mode(tmp_path):
    path = Outputs().write(tmp_path / "a" / "b" / "c.json", b"new")
    assert path.read_bytes() == b"new"
    (tmp_path / "usual").write_bytes(b"")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


def test_a_file_that_appears_meanwhile_stays(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    outputs = Outputs()
    outputs.require(path)
    path.write_text("another's")
    monkeypatch.setattr(outputs, "require", lambda _: None)  # it came between the question and the writing
    with pytest.raises(OutputError, match="EXISTS: another program has just written it"):
        outputs.write(path, b"new")
    assert path.read_text() == "another's"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "data", "ours"),
    [
        ("a.json", b'{"schema": "lungspot/1", "status": 1}', True),
        ("a.json", b'{\n "schema": "lungspot-eval/1"}', True),
        ("a.json", b'{\n "schema": "lungspot-tb/1"}', True),
        ("thresholds.csv", b"threshold,share_tested,tested,saved\n", True),
        ("next.csv", b"place,film,why,score,film_entropy\n", True),
        ("next.json", b'[\n {\n  "meta": {\n   "lungspot": "next: random"\n  },\n', True),
        ("rounds.jsonl", b'{"schema": "lungspot-round/1", "round": 1}', True),
        ("thresholds.csv", b"threshold,tested\n", False),
        ("a.json", b'{"shapes": [{"schema": "lungspot/1"}]}', False),
        ("a.json", b'{"resourceType": "Bundle", "entry": [{"manufacturer": "lungspot"}]}', True),
        ("a.json", b'{"resourceType": "Bundle", "entry": [{"manufacturer": "another"}]}', False),
        ("manifest.json", json.dumps({"file": "m.onnx", "sha256": "0" * 64}, indent=1).encode(), True),
        ("manifest.json", b'{"file": "m.onnx", "sha256": "0", "mine": 1}', False),
        ("run.json", json.dumps({"data": "0" * 64, "films": 3}, indent=1).encode(), True),
        (
            "a.html",
            b'<!doctype html>\n<html><head><meta charset="utf-8"><meta name="generator" content="lungspot">',
            True,
        ),
        ("a.html", b"<!doctype html><html><body>lungspot", False),
        ("metrics.csv", b"label,metric,value,low,high\n", True),
        ("splits.csv", b"image,patient,split\na.png,p,train\n", True),
        ("adjudicate.csv", b"dataset,film,label,kind,for,against,settled\na,1,edema,place,R1,R2,no\n", True),
        ("a.txt", b"lungspot: Research use only, not for clinical use.\nEffusion\n", True),
        ("a.txt", b"I have read lungspot's documents. Research use only!\n", False),
        ("labels.csv", b"image,label\na.png,effusion\n", False),
        ("empty", b"", False),
    ],
)
def test_what_is_ours_says_so(tmp_path, name, data, ours):
    path = tmp_path / name
    path.write_bytes(data)
    assert is_ours(path) is ours
    assert is_drawn(path) is ours


def test_pictures_are_films_or_drawings(film, tmp_path):
    drawn, plain = picture(tmp_path / "drawn.png"), tmp_path / "plain.png"
    Image.new("L", (8, 8)).save(plain, pnginfo=png_info())
    assert [is_ours(path) for path in (film, drawn, plain)] == [False, True, True]
    assert [is_drawn(path) for path in (film, drawn, plain)] == [False, True, False]
    assert [is_film_of_ours(path) for path in (film, drawn, plain)] == [False, False, True]
    drawn.write_bytes(drawn.read_bytes()[:40])  # cut: whose it was is not known
    assert not is_ours(drawn)
    assert not is_ours(tmp_path / "nothing")


def test_a_model_is_ours(model_file):
    assert is_ours(model_file)
    assert is_drawn(model_file)


@pytest.mark.parametrize("name", ["file/a.json", "n" * 300, "nul\0"])
def test_what_cannot_be_written_is_a_line(tmp_path, name):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises((SetupError, ValueError)):
        Outputs().write(tmp_path / name, b"")


@pytest.mark.parametrize(
    ("number", "code"),
    [(28, "NO_SPACE"), (122, "NO_SPACE"), (13, "NOT_WRITABLE"), (21, "NOT_WRITABLE"), (36, "NOT_WRITABLE")],
)
def test_what_the_system_refuses_is_said(number, code):
    with pytest.raises(SetupError) as found, writing():
        raise OSError(number, "no", "there")
    assert (found.value.code, found.value.where) == (code, "there")
    with pytest.raises(SetupError) as found, writing("here"):
        raise OSError(number, "no", "there")
    assert found.value.where == "here"


def test_what_has_nothing_to_do_with_files_stays():
    with pytest.raises(BrokenPipeError), writing():
        raise BrokenPipeError(32, "gone")


def written(out, meanwhile=None, *, overwrite=False, inputs=(), text="text"):
    with Outputs(inputs, overwrite=overwrite).folder(out) as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "a.txt").write_text(text)
        (folder / "film.png").symlink_to("../film.png")
        if meanwhile is not None:
            meanwhile(out / "late.txt")


def fail(_):
    raise ZeroDivisionError


def put(path):
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    out = tmp_path / "above" / "out"
    with pytest.raises(ZeroDivisionError):
        written(out, fail)
    assert list(out.parent.iterdir()) == []
    out.mkdir()  # an empty one is nobody's
    written(out)
    assert (out / "deep" / "a.txt").read_text() == "text"
    assert list(out.parent.iterdir()) == [out]
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="NOT_WRITABLE"):
        written(tmp_path / "file" / "out")


def test_a_folder_of_an_earlier_run_goes_whole_only_when_asked(film, tmp_path):
    out = tmp_path / "out"
    written(out)
    with pytest.raises(OutputError, match=r"a result of an earlier run is there; .*--overwrite"):
        written(out, text="new")
    with pytest.raises(ZeroDivisionError):
        written(out, fail, overwrite=True)
    assert (out / "deep" / "a.txt").read_text() == "text"
    written(out, overwrite=True, inputs=[film], text="new")  # a link to an input is no input
    assert (out / "deep" / "a.txt").read_text() == "new"
    assert sorted(tmp_path.iterdir()) == [film, out]
    for given in ("out", "out/deep/a.txt", "out/film.png", "out/../out/deep"):
        with pytest.raises(OutputError, match="IS_INPUT"):
            written(out, overwrite=True, inputs=[tmp_path / given])
    (tmp_path / "link").symlink_to("out")
    for name in ("link", "film.png", "link/film.png"):
        with pytest.raises(OutputError, match="EXISTS"):
            written(tmp_path / name, overwrite=True)


@pytest.mark.parametrize("name", [".", "..", "in/..", "{here}", "{here}/in/..", "/", "/proc"])
def test_a_folder_that_cannot_be_replaced_is_refused_before_the_work(tmp_path, monkeypatch, name):
    (tmp_path / "here" / "in").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    out = Path(name.format(here=tmp_path / "here"))
    if name in {".", "{here}"}:
        (tmp_path / "here" / "in").rmdir()
    with pytest.raises(OutputError, match=r"EXISTS.*mount point, or the folder you are in.*new folder within it"):
        written(out, lambda _: pytest.fail("nothing is to be done before it is refused"))
    assert not list(tmp_path.rglob(".*"))


def test_an_empty_mount_point_is_refused_before_the_work(tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda path: path == out)  # a test may not mount anything
    with pytest.raises(OutputError, match=f"within it, as {out}/films"):
        written(out, fail)
    assert list(tmp_path.iterdir()) == [out]


def test_a_film_that_cannot_be_read_is_no_output_that_cannot_be_written(film, tmp_path):
    out = tmp_path / "out"

    def copy(source, name):
        with Outputs().folder(out) as folder:
            shutil.copyfile(source, folder / name)

    for source, reason in ((tmp_path / "gone.png", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(FilmError, match=f"NOT_READABLE.*{reason}") as unread:
            copy(source, "film.png")
        assert unread.value.where == str(source)
    with pytest.raises(SetupError, match="NOT_WRITABLE") as unwritten:
        copy(film, "no folder/film.png")
    assert unwritten.value.where == str(out)
    with pytest.raises(SetupError, match="NO_SPACE"), Outputs().folder(out):
        raise OSError(errno.ENOSPC, "", str(film))  # as of a copy
    assert list(tmp_path.iterdir()) == [film]


def test_what_comes_into_a_folder_meanwhile_stays(tmp_path):
    out = tmp_path / "out"
    written(out)
    with pytest.raises(OutputError, match=r"late\.txt in it was changed, or is not"):
        written(out, put, overwrite=True, text="new")
    assert (out / "late.txt").read_text() == "mine"
    assert (out / "deep" / "a.txt").read_text() == "text"
    with pytest.raises(OutputError, match="it is not empty"):
        written(tmp_path / "other", put)
    assert (tmp_path / "other" / "late.txt").read_text() == "mine"
    assert sorted(tmp_path.iterdir()) == [tmp_path / "other", out]
