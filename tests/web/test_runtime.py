"""What npm brings is taken by its hash alone, and a page is written whole or not at all."""

import io
import runpy
import tarfile
from pathlib import Path

import pytest

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
    lay = runpy.run_path(str(ROOT / "tools" / "vendor_web.py"))["lay"]
    with pytest.raises(SetupError, match="is not there as npm packs it"):
        lay(tmp_path, laid)
    with pytest.raises(SetupError, match="without the page's runtime"):
        list(require_vendored(laid))


def test_a_page_is_not_written_over_another_folder(built, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError):
        write_page(Outputs(overwrite=True), tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (built / "index.html").is_file()


def test_the_page_is_small(built):
    """Without model, runtime and decoders, which are named with their sizes in docs/benchmarks.md."""
    big = {"codecs", "model", "runtime"}
    own = [path for path in built.rglob("[!.]*") if path.is_file() and path.parent.name not in big]
    assert sum(path.stat().st_size for path in own) < 480_000
    assert (built / "LICENCES.txt").read_text().count("onnxruntime-web@") == 3
