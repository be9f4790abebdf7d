"""Any tree of files, any place for results: no input changes, and nothing ends in a bug.

25 trees in `make test`, 10,000 by `make trees`.
"""

import contextlib
import hashlib
import io
import os
import shutil
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from lungspot.cli.app import run
from lungspot.outputs import DRAWN, png_info

TREES = int(os.environ.get("LUNGSPOT_TREES", "25"))


def picture():
    """What the generated gate calls an upright film, as the bytes of a PNG."""
    pixels = np.random.default_rng(0).random((72, 64)) * 0.3 + 0.65
    pixels[:36, :32] -= 0.45
    buffer = io.BytesIO()
    Image.fromarray((pixels * 255).astype(np.uint8)).save(buffer, "png")
    return buffer.getvalue()


def drawing():
    buffer = io.BytesIO()
    Image.new("L", (64, 64)).save(buffer, "png", pnginfo=png_info(DRAWN))
    return buffer.getvalue()


def packed():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../a.png", b"no film")
    return buffer.getvalue()


CONTENTS = {
    "film": picture(),
    "cut": picture()[:100],
    "drawing": drawing(),
    "ours": b'{"schema": "lungspot/1", "status": "assessed"}',
    "labelme": b'{"version": "5.0.1", "shapes": []}',
    "splits": b"image,patient,split\na.png,p,train\n",
    "zip": packed(),
    "text": b"text\n",
    "empty": b"",
}
LETTERS = st.sampled_from([*"aA.-~ é%", "\n", "\x7f", "\u202e", os.fsdecode(b"\xff"), "胸"])
STEMS = st.one_of(
    st.sampled_from(["a", "A", "film", "a-2", "report", "n" * 200, "n" * 240, "-o", "--overwrite", "new"]),
    st.text(LETTERS, min_size=1, max_size=6),
)
NAMES = st.builds(
    "{}{}".format, STEMS, st.sampled_from(["", ".png", ".PNG", ".json", ".html", ".csv", ".fhir.json", ".zip"])
)
SAFE = NAMES.filter(lambda name: name not in {".", ".."} and len(os.fsencode(name)) < 255)
ENTRIES = st.tuples(
    st.lists(SAFE, min_size=1, max_size=2),
    st.sampled_from([*CONTENTS, "folder", "link", "hard", "loop", "pipe"]),
)
OUTS = st.one_of(
    st.sampled_from(
        [".", "..", "films", "films/.", "films/../films", "out", "films/out", "link/out", "/dev/full", "n" * 300]
    ),
    SAFE.map("films/{}".format),
    SAFE,
)
VERBS = st.sampled_from(
    [
        "detect {every} -o {out} --format json",
        "detect {every} -o {out} --format json,png,html,fhir",
        "detect {every} -o {out}",
        "detect {one} -o {out}",
        "convert {one} -o {out}",
        "deidentify {every} {out}",
        "data draw coco {every} -o {out}",
        "data split coco {every} -o {out}",
    ]
)


def plant(root, entries):
    """Make a tree below ``root/films`` as far as names allow."""
    (root / "films").mkdir(parents=True)
    for parts, kind in entries:
        path = root.joinpath("films", *parts)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_symlink() or path.exists():
                continue
            others = sorted(each for each in root.rglob("*") if each.is_file())
            if kind == "folder":
                path.mkdir()
            elif kind == "loop":
                path.symlink_to(path.name)
            elif kind == "pipe":
                os.mkfifo(path)
            elif kind in {"link", "hard"} and others:
                path.symlink_to(others[0]) if kind == "link" else path.hardlink_to(others[0])
            else:
                path.write_bytes(CONTENTS.get(kind, b""))
    with contextlib.suppress(OSError):
        (root / "link").symlink_to("films")


def state(root):
    """Every name below ``root`` with what it is: a digest, where a link leads, or that it is something else."""
    found = {}
    for path in root.rglob("*"):
        if path.is_symlink():
            found[path] = path.readlink()
        elif path.is_file():
            found[path] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif not path.is_dir():
            found[path] = "special"
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("trees")


@given(
    entries=st.lists(ENTRIES, max_size=5),
    which=st.integers(0, 9),
    out=OUTS,
    verb=VERBS,
    overwrite=st.booleans(),
    twice=st.booleans(),
)
@settings(max_examples=TREES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=TREES <= 25)
def test_no_input_changes(place, model_file, monkeypatch, entries, which, out, verb, overwrite, twice):
    root = place / "tree"
    shutil.rmtree(root, ignore_errors=True)
    plant(root, entries)
    monkeypatch.chdir(root)
    before = state(root)
    planted = sorted(before.keys() - {root / "link"}) or [root / "films" / "none.png"]
    one = planted[which % len(planted)].relative_to(root)
    words = [word.format(every="films", one=f"./{one}", out=out) for word in verb.split()]
    if words[-1].startswith("-") and words[0] == "deidentify":
        words[-1] = "./" + words[-1]
    if words[0] == "detect":
        words += ["--model", str(model_file), "-q"]
    if overwrite:
        words.append("--overwrite")
    for _ in range(1 + twice):
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            code = run(words)
        assert code in {0, 1, 2, 3, 4}, (words, said.getvalue())
        after = state(root)
        for path, was in before.items():
            replaced = overwrite and was == hashlib.sha256(CONTENTS["ours"]).hexdigest()
            replaced |= overwrite and was == hashlib.sha256(CONTENTS["drawing"]).hexdigest()
            replaced |= overwrite and was == hashlib.sha256(CONTENTS["splits"]).hexdigest()
            assert after.get(path) == was or replaced, (words, path, said.getvalue())
