"""What a reader measured is in the structured report, valid, coded, and read back."""

import dataclasses

import pytest

from lungspot.report import Review, dicom_bytes, dicom_results, measure, read_sr

POINTS = {
    "length": [(100.5, 200), (400, 200)],
    "angle": [(100, 100), (300, 100), (300, 300)],
    "region": [(500, 600), (550, 650)],
    "cardiothoracic_ratio": [(600, 900), (1100, 900), (300, 1000), (1500, 1000)],
}


@pytest.fixture
def reviewed(rg1_header, on):
    """A result on RG1's header, and a review with one measurement of each kind; ``spacing`` in mm, or none."""

    def make(spacing):
        result = on(rg1_header)
        film = dataclasses.replace(result.radiograph, pixel_spacing_mm=spacing)
        sizes = tuple(measure(kind, points, film) for kind, points in POINTS.items())
        return dataclasses.replace(result, radiograph=film), Review("Müller=^\\ K.", created="2026", measurements=sizes)

    return make


@pytest.mark.parametrize("sr_class", ["comprehensive3d", "comprehensive"])
@pytest.mark.parametrize("spacing", [(0.2, 0.1), None])
def test_measurements_are_valid_and_come_back(rg1_header, reviewed, dciodvfy, dsrdump, tmp_path, spacing, sr_class):
    result, review = reviewed(spacing)
    (made,) = dicom_results(rg1_header, result, sr_class=sr_class, review=review)
    path = tmp_path / "sr.dcm"
    path.write_bytes(dicom_bytes(made))
    assert dciodvfy(path) == []
    text = dsrdump(path)
    assert 'Müller K.^"' in text
    for name in ("Length", "Angle", "Area", "Cardiothoracic ratio", "Width", "Mean", "Standard Deviation"):
        assert f'"{name}"' in text, name
    back = read_sr(path)
    assert len(back.measurements) == 4
    for one, other in zip(back.measurements, review.measurements, strict=True):
        assert (one.kind, one.unit) == (other.kind, other.unit)
        assert one.value == pytest.approx(other.value)
        assert all(a == pytest.approx(b, abs=1e-3) for a, b in zip(one.points, other.points, strict=True))
        assert (one.greys is None) == (other.greys is None)
        assert one.widths is None or one.widths.heart == pytest.approx(other.widths.heart)
    assert back.reading is not None


def test_a_report_with_a_review_is_another_object(rg1_header, reviewed):
    result, review = reviewed(None)
    plain, mine, again, other = (
        dicom_results(rg1_header, result, review=each)[0]
        for each in (None, review, review, dataclasses.replace(review, created="2027"))
    )
    assert mine.SOPInstanceUID == again.SOPInstanceUID
    assert len({plain.SOPInstanceUID, mine.SOPInstanceUID, other.SOPInstanceUID}) == 3
    assert read_sr(dicom_bytes(plain)).measurements == ()
