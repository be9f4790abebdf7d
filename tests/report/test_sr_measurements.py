"""What a reader measured is in the structured report, valid, coded, and read back."""

import copy
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


def test_each_group_has_a_number_with_one_place_and_nothing_else(rg1_header, reviewed):
    """OHIF 3.12 draws a group by such a number; of one without it drew nothing, and of the whole report neither."""
    result, review = reviewed(None)
    (made,) = dicom_results(rg1_header, result, review=review)
    groups = [
        [item for item in each.ContentSequence if item.ValueType in {"NUM", "SCOORD"}]
        for part in made.ContentSequence
        if part.ConceptNameCodeSequence[0].CodeValue == "126010"
        for each in part.ContentSequence
    ]
    assert len(groups) >= len(POINTS)
    for group in groups:
        places = [item for item in group if item.ValueType == "SCOORD"]
        places += [item for item in group if [each.ValueType for each in item.get("ContentSequence", ())] == ["SCOORD"]]
        assert places


def test_a_ratio_of_an_earlier_version_is_read(rg1_header, reviewed):
    """It was inferred from two polylines."""
    result, review = reviewed(None)
    (made,) = dicom_results(rg1_header, result, review=review)
    changed = 0
    for item in _items(made):
        borders = next(iter(item.get("ContentSequence", ())), {})
        if item.get("ValueType") == "NUM" and borders.get("GraphicType") == "MULTIPOINT":
            points = list(borders.GraphicData)
            other = copy.deepcopy(borders)
            for each, part in ((borders, points[:4]), (other, points[4:])):
                each.GraphicType, each.GraphicData = "POLYLINE", part
            item.ContentSequence = [borders, other]
            changed += 1
    assert changed == 1
    (ratio,) = (each for each in read_sr(dicom_bytes(made)).measurements if each.kind == "cardiothoracic_ratio")
    assert ratio.points == tuple(POINTS["cardiothoracic_ratio"])


def _items(dataset):
    for element in dataset:
        for item in element.value if element.VR == "SQ" else ():
            yield item
            yield from _items(item)
