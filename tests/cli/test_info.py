"""`lungspot info`: the facts of films, of the installation, and of the labels."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from lungspot import __version__
from lungspot.cli import info as verb
from lungspot.cli.app import run
from lungspot.findings import taxonomy


@pytest.fixture
def info(capsys):
    """A function that runs `lungspot info …`: exit code, stdout, stderr."""

    def call(*arguments):
        code = run(["info", *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def png(tmp_path):
    path = tmp_path / "film.png"
    Image.fromarray(np.arange(600, dtype=np.uint8).reshape(20, 30)).save(path)
    return path


def test_the_facts_of_a_real_film(info, shared_data):
    path = shared_data / "dicom" / "dx_pa_966_j2k_lossless.dcm"
    code, out, err = info(path)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        str(path),
        "  kind             DICOM",
        "  modality         DX",
        "  transfer syntax  JPEG 2000 Image Compression (Lossless Only)",
        "  size             2000 x 2128 pixels, 12 bits",
        "  stored inverted  yes; turned so that white is dense",
        "  pixel spacing    0.16 x 0.16 mm (row, column)",
        "  view             PA",
        "  laterality       R",
        "  body part        CHEST",
        "  SHA-256          0c92b98d23e74d448fea2d1b2abbb10d0e69da1a6d15ff3a43887ea2c5ad45b2",
    ]


def test_the_broken_twin_is_one_line(info, shared_data):
    path = shared_data / "dicom" / "dx_pa_966_broken.dcm"
    code, out, err = info(path)
    assert (code, out) == (3, "")
    assert re.fullmatch(rf"lungspot: error: {re.escape(str(path))}: NOT_DECODABLE: [^\n]+; [^\n]+\n", err)


def test_json_is_a_line_a_film_and_says_null_where_the_file_says_nothing(info, png, rg1):
    code, out, err = info("--json", png, rg1["UNCR"])
    assert (code, err) == (0, "")
    picture, film = map(json.loads, out.splitlines())
    assert picture.keys() == film.keys()
    assert (picture["path"], picture["kind"], picture["width"], picture["height"]) == (str(png), "png", 30, 20)
    assert (picture["bits"], picture["view"], picture["modality"]) == (8, "UNKNOWN", None)
    assert picture["not_for_clinical_use"] is True
    assert (film["kind"], film["view"], film["sex"], film["inverted"]) == ("dicom", "PA", "F", True)
    assert film["age_years"] == pytest.approx(64.48, abs=0.01)
    assert [warning["code"] for warning in film["warnings"]] == ["PREAMBLE"]


def test_a_refused_film_does_not_stop_the_others(info, png, tmp_path):
    code, out, err = info(tmp_path / "none", png)
    assert code == 1
    assert err == f"lungspot: error: {tmp_path / 'none'}: NOT_FOUND: there is no such file; check the path\n"
    assert out.startswith(f"{png}\n")


def test_warnings_and_ages_are_for_people_too(info, tmp_path, relabel_film):
    path = tmp_path / "film.dcm"
    path.write_bytes(relabel_film)
    _, out, _ = info(path)
    assert "  age              0.5 years\n" in out
    assert "  sex              F\n" in out
    assert "  warning          CHILD: the patient is 0.5 years old\n" in out


@pytest.fixture
def relabel_film(rg1, tmp_path):
    from pydicom import dcmread  # noqa: PLC0415 - this fixture alone

    dataset = dcmread(rg1["UNCR"])
    dataset.PatientAge = "006M"
    dataset.Rows, dataset.Columns, dataset.PixelData = 4, 4, dataset.PixelData[:32]
    dataset.save_as(tmp_path / "child.dcm")
    return (tmp_path / "child.dcm").read_bytes()


def test_a_name_cannot_forge_a_line(info, png):
    forged = png.with_name("film\n  view             PA.png")
    png.rename(forged)
    _, out, _ = info(forged)
    assert out.splitlines()[0].endswith("film\\n  view             PA.png")
    _, _, err = info(forged.with_name("a\nb"))
    assert err.count("\n") == 1


def test_without_a_film_the_installation_is_described(info):
    code, out, _ = info()
    assert code == 0
    assert out.startswith(f"lungspot {__version__}, Python {sys.version.split()[0]}")
    assert out.endswith("  every decoder is here\n")
    code, out, _ = info("--json")
    facts = json.loads(out)
    assert (code, facts["lungspot"]) == (0, __version__)
    assert all(facts["packages"].values())
    assert all(facts["decoders"].values())


def test_what_is_missing_is_said(info, monkeypatch):
    monkeypatch.setattr(verb, "_DECODERS", {"JPEG-LS": "no_such_module", "PNG": "PIL"})
    monkeypatch.setattr(verb, "_PACKAGES", ("no-such-package",))
    _, out, _ = info()
    assert re.search(r"no-such-package +missing", out)
    assert out.endswith("  cannot decode: JPEG-LS\n")


def test_the_labels_are_listed(info):
    code, out, _ = info("--labels")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [label.id for label in taxonomy()]
    assert re.search(r"^cardiomegaly +Cardiomegaly +SCT 8186001$", out, re.MULTILINE)
    _, out, _ = info("--labels", "--json")
    labels = [json.loads(line) for line in out.splitlines()]
    assert {label["id"] for label in labels if label["disease"]} >= {"effusion", "covid19"}
    assert next(label for label in labels if label["id"] == "effusion")["codes"]["SCT"] == "60046008"


def test_labels_and_films_are_not_asked_for_together(info, png):
    code, out, err = info("--labels", png)
    assert (code, out) == (2, "")
    assert "--labels" in err


def test_a_picture_is_described_without_importing_pydicom(png):
    program = (
        "import sys; from lungspot.cli.app import run; run(['info', sys.argv[1]]); print('pydicom' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(png)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == str(png)
    assert done.stdout.splitlines()[-1] == "False"


def test_the_installation_is_described_without_importing_what_is_heavy():
    program = (
        "import sys; from lungspot.cli.app import run; run(['info', '--json']);"
        "print(sorted({'numpy', 'pydicom', 'PIL', 'onnxruntime', 'imagecodecs'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
