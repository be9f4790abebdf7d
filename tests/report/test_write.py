import json

import pytest
from PIL import Image

from lungspot.errors import FilmError
from lungspot.report import FORMATS, Refusal, read_sr, write
from lungspot.report.write import ending_of


def test_each_format_is_a_file_of_its_kind(make, tmp_path):
    result = make()
    assert json.loads(write(result, tmp_path / "r.json", "json").read_text())["schema"] == "lungspot/1"
    with Image.open(write(result, tmp_path / "r.png", "png", heatmap=True)) as picture:
        assert picture.format == "PNG"
    assert write(result, tmp_path / "r.html", "html").read_text().startswith("<!doctype html>")
    assert {path.name for path in tmp_path.iterdir()} == {"r.json", "r.png", "r.html"}


def test_a_file_that_could_not_be_read_has_no_picture(tmp_path):
    refusal = Refusal("x", FilmError("TRUNCATED", "x", "ends early"))
    assert json.loads(write(refusal, tmp_path / "x.json", "json").read_text())["reasons"] == ["TRUNCATED"]
    assert "Not assessed by lungspot" in write(refusal, tmp_path / "x.txt", "text").read_text()
    for kind in ("png", "html"):
        with pytest.raises(ValueError, match="could not be read"):
            write(refusal, tmp_path / "x", kind)
    with pytest.raises(ValueError, match="no format"):
        write(None, tmp_path / "x", "pdf")


def test_dicom_needs_the_film_s_header_and_may_have_nothing_to_show(rg1_header, on, tmp_path):
    with pytest.raises(ValueError, match="without the film's header"):
        write(on(rg1_header), tmp_path / "x", "sr")
    assert write(on(rg1_header), tmp_path / "x.dcm", "sr", source=rg1_header) == tmp_path / "x.dcm"
    assert read_sr(tmp_path / "x.dcm").outcome == "assessed"
    assert write(on(rg1_header, reasons=("BLANK",)), tmp_path / "y.dcm", "gsps", source=rg1_header) is None
    assert not (tmp_path / "y.dcm").exists()
    assert json.loads(write(on(rg1_header), tmp_path / "x.json", "fhir").read_text())["resourceType"] == "Bundle"


def test_every_form_has_an_ending_of_its_own():
    endings = {kind: ending_of(kind) for kind in FORMATS}
    assert len(set(endings.values())) == len(FORMATS)
    assert [endings[kind] for kind in ("png", "text", "sr", "fhir")] == ["png", "txt", "sr.dcm", "fhir.json"]
