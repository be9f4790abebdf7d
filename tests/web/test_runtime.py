"""What npm brings is taken by its hash alone, and a page is written whole or not at all."""

import io
import tarfile

import pytest

from lungspot.errors import OutputError, SetupError
from lungspot.outputs import Outputs
from lungspot.web import PACKAGES, vendor, write_page


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
