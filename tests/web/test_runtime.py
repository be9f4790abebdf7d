"""What npm brings is taken by its hash alone, and a page is written whole or not at all."""

import io
import runpy
import tarfile
from pathlib import Path

import pytest

import lungspot.web
from lungspot.errors import OutputError, SetupError
from lungspot.outputs import Outputs
from lungspot.web import PACKAGES, STAMP, require_vendored, vendor, vendored_stamp, write_page
from lungspot.web.runtime import vendored_files

ROOT = Path(__file__).resolve().parents[2]


def test_the_pins_name_kept_licences():
    assert set(PACKAGES.values()) == {"MIT", "ISC"}
    assert all(package.rpartition("@")[2][0].isdigit() for package in PACKAGES)


def test_a_folder_without_the_packages_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(SetupError, match="npm pack onnxruntime-web@") as caught:
        write_page(Outputs(), tmp_path / "page", runtime=tmp_path)
    assert caught.value.code == "WEB_RUNTIME"
    assert not (tmp_path / "page").exists()


def test_a_file_that_is_not_the_pinned_one_is_refused(tmp_path):
    name, _, version = next(iter(PACKAGES)).rpartition("@")
    with tarfile.open(tmp_path / f"{name}-{version}.tgz", "w:gz") as tar:
        changed = tarfile.TarInfo("package/dist/ort.wasm.min.mjs")
        changed.size = 4
        tar.addfile(changed, io.BytesIO(b"evil"))
    with pytest.raises(SetupError, match=r"ort\.wasm\.min\.mjs is not the file") as caught:
        list(vendor(tmp_path))
    assert caught.value.code == "WEB_RUNTIME"


@pytest.fixture
def laid(tmp_path):
    """A folder as `make web` leaves it, its files short ones."""
    folder = tmp_path / "vendor"
    for each in vendored_files():
        (folder / each.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / each.path).write_bytes(b"code")
    (folder / STAMP).write_bytes(vendored_stamp())
    return folder


def test_what_was_laid_into_the_package_is_taken(laid):
    assert dict(require_vendored(laid)) == {each.path: b"code" for each in vendored_files()}


@pytest.mark.parametrize("before", [b"", vendored_stamp().replace(b"1.30.0", b"1.29.0"), vendored_stamp()[:-1]])
def test_files_made_from_other_pins_are_not_taken(laid, before):
    assert before != vendored_stamp()
    (laid / STAMP).write_bytes(before)
    with pytest.raises(SetupError, match="with another runtime") as caught:
        list(require_vendored(laid))
    assert caught.value.code == "WEB_RUNTIME"


def test_a_write_that_was_cut_short_is_none(laid, tmp_path):
    (laid / "left-over.js").touch()
    lay = runpy.run_path(str(ROOT / "tools" / "vendor_web.py"))["lay"]
    with pytest.raises(SetupError, match="is not there as npm packs it"):
        lay(tmp_path, laid)
    with pytest.raises(SetupError, match="without the page's runtime"):
        list(require_vendored(laid))
    assert not (laid / "left-over.js").exists()


def test_a_page_is_not_written_over_another_folder(built, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError):
        write_page(Outputs(overwrite=True), tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (built / "index.html").is_file()


def own_files(page):
    """The page without model, runtime and decoders, which are named with their sizes in docs/benchmarks.md."""
    big = {"codecs", "model", "runtime"}
    return [path for path in page.rglob("[!.]*") if path.is_file() and path.parent.name not in big]


def test_the_page_is_small(built):
    assert sum(path.stat().st_size for path in own_files(built)) < 400_000
    assert (built / "LICENCES.txt").read_text().count("onnxruntime-web@") == 3


def sources(page):
    """Each script and style sheet of the page, with what it was made from."""
    package = Path(lungspot.web.__file__).parents[1]
    for path in own_files(page):
        if path.suffix in {".js", ".css"} and path.name != "sw.js":
            places = (package / "web" / path.parent.name, package / "web" / "page", package / "serve" / "viewer")
            source = next(place / path.name for place in places if (place / path.name).is_file())
            yield path.read_text().splitlines(), source.read_text().splitlines()


def test_a_line_of_the_page_is_that_line_of_its_source(built):
    """So what a browser says of a fault leads to the source. No string goes over several lines: it would be changed."""
    found = list(sources(built))
    assert len(found) > 90
    for sent, written in found:
        assert len(sent) == len(written)
        for one, other in zip(sent, written, strict=True):
            assert one == other.lstrip() or (one == "" and other.lstrip().startswith(("//", "/*", "*/", "*")))
            assert other.count("`") % 2 == 0, other
            assert not other.endswith("\\"), other
