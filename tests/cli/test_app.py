"""The one place where errors become exit codes, and streams that are closed, full, or cannot say a name."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest
from PIL import Image
from typer.main import get_command

from lungspot.cli import info
from lungspot.cli.app import app, run
from lungspot.errors import SetupError


@pytest.fixture
def film(tmp_path):
    """A small film whose name no terminal of ASCII can show."""
    path = tmp_path / "é胸.png"
    Image.effect_noise((80, 80), 64).save(path)
    return path


@pytest.mark.parametrize(
    ("raised", "code", "line"),
    [
        (RuntimeError("a\nb"), 70, "lungspot: bug: RuntimeError: a\\nb; please report it"),
        (OSError(5, "Input/output error"), 70, "lungspot: bug: OSError: [Errno 5] Input/output error"),
        (OSError(28, "No space left on device"), 4, "lungspot: error: standard output: NO_SPACE: no space left; free"),
        (OSError(122, "Disk quota exceeded", "out.json"), 4, "lungspot: error: out.json: NO_SPACE: no space left; "),
        (SetupError("NOT_WRITABLE", "out", "denied"), 4, "lungspot: error: out: NOT_WRITABLE: denied; "),
        (MemoryError(), 70, "lungspot: bug: MemoryError: ; "),
    ],
)
def test_whatever_a_verb_raises_is_one_line_and_a_code(monkeypatch, capsys, raised, code, line):
    def fail():
        raise raised

    monkeypatch.setattr(info, "installation", fail)
    assert run(["info"]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(line)
    assert said.err.count("\n") == 1


def test_a_bug_shows_its_traceback_only_where_asked(monkeypatch, capsys):
    def fail():
        raise RuntimeError("odd")

    monkeypatch.setattr(info, "installation", fail)
    monkeypatch.setenv("LUNGSPOT_DEBUG", "1")
    assert run(["info"]) == 70
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["detect", "--help"], ["data", "--help"], ["data", "nope"], ["eval", "--nope"]])
def test_a_verb_that_is_made_alone_says_what_it_says_among_all(words, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["lungspot"])  # from which both take their name
    monkeypatch.setattr(sys.modules["__main__"], "__package__", None)
    code = run(words)
    alone = capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        get_command(app)(words)
    assert (end.value.code, capsys.readouterr()) == (code, alone)


def shell(script, film, **environment):
    """Run ``lungspot`` in a shell: exit code, stdout as bytes, stderr."""
    command = f"lungspot() {{ '{sys.executable}' -m lungspot \"$@\"; }}; {script}"
    done = subprocess.run(
        ["bash", "-c", command, "bash", film], env=os.environ | environment, capture_output=True, check=False
    )
    return done.returncode, done.stdout, done.stderr.decode()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("option", ["", "--json"])
def test_a_full_disk_behind_stdout_is_no_bug(film, option):
    code, _, err = shell(f'lungspot info {option} "$1" > /dev/full', film)
    assert (code, err.count("\n")) == (4, 1)
    assert err.startswith("lungspot: error: standard output: NO_SPACE: ")


def test_closed_streams_change_no_exit_code(film):
    assert shell('lungspot info --json "$1" >&-', film) == (0, b"", "")
    assert shell('lungspot info --json "$1.none" 2>&-', film) == (3, b"", "")


def test_json_holds_any_name_on_any_terminal(film):
    odd = os.fsencode(film.parent) + b"/\xff.png"
    os.link(film, odd)
    code, out, err = shell('lungspot info --json "$1" "${1%/*}"/*.png', film, PYTHONIOENCODING="ascii:strict")
    assert (code, err) == (0, "")
    assert {json.loads(line)["path"] for line in out.splitlines()} == {str(film), os.fsdecode(odd)}


def test_a_film_comes_through_standard_input(film, tmp_path):
    code, out, err = shell('lungspot info --json - < "$1"; lungspot convert - -o "${1%/*}/out.png" < "$1"', film)
    assert code == 0, err
    assert json.loads(out)["kind"] == "png"
    assert json.loads(out)["path"] == "<stdin>"
    assert (tmp_path / "out.png").is_file()


@pytest.mark.parametrize(
    ("name", "reason"), [("none", "No such file or directory"), (".", "Is a directory"), ("x", "no text")]
)
def test_a_token_file_that_is_none_is_a_line(tmp_path, capsys, name, reason):
    (tmp_path / "x").write_bytes(b"\xff\xfe")
    assert run(["serve", "--port", "0", "--data", str(tmp_path / "d"), "--token-file", str(tmp_path / name)]) == 3
    assert f"BAD_VALUE: {reason}; give a file that holds the token" in capsys.readouterr().err


def test_a_library_s_doubts_about_a_header_are_not_said(rg1, tmp_path):
    film = tmp_path / "film.dcm"
    sets = b"ISO 2022 IR 149 "
    header = pydicom.dcmread(rg1["UNCR"])
    header.SpecificCharacterSet = sets.decode().strip()
    header.save_as(film)
    film.write_bytes(film.read_bytes().replace(sets, b"NO SUCH SET     "))
    code, _, err = shell('lungspot detect -q --format fhir -o "${1%/*}/out" "$1"', film)
    assert (code, err) == (0, "")
