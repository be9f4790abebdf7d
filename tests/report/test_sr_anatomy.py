"""Heart, lungs and their ratio in the structured report: on request, valid, never taken for what a reader measured."""

import dataclasses

import pytest

from lungspot.detect import Anatomy
from lungspot.findings import Box
from lungspot.report import dicom_bytes, dicom_results, read_sr
from lungspot.report.measurements import Kind
from lungspot.report.prior import tracked_by
from lungspot.report.write import data_of

HEART, RIGHT, LEFT = Box(700, 850, 1250, 1450), Box(200, 250, 850, 1480), Box(1000, 250, 1650, 1500)
SIDED = Anatomy(HEART, LEFT, RIGHT, 550 / 1450, mirrored=False)
UNSIDED = Anatomy(HEART, None, None, 550 / 1450, mirrored=None, unsided=(RIGHT, LEFT))


@pytest.fixture
def seen(rg1_header, on):
    """A function that makes a result on RG1's header with an anatomy, and pixels of a size in mm or none."""

    def result(anatomy, spacing=None):
        made = on(rg1_header)
        film = dataclasses.replace(made.radiograph, pixel_spacing_mm=spacing)
        return dataclasses.replace(made, radiograph=film, anatomy=anatomy)

    return result


@pytest.mark.parametrize("sr_class", ["comprehensive3d", "comprehensive"])
@pytest.mark.parametrize("spacing", [(0.2, 0.1), None])
@pytest.mark.parametrize("anatomy", [SIDED, UNSIDED])
def test_they_are_valid_and_coded(rg1_header, seen, dciodvfy, dsrdump, tmp_path, anatomy, spacing, sr_class):
    (made,) = dicom_results(rg1_header, seen(anatomy, spacing), sr_class=sr_class, anatomy=True)
    path = tmp_path / "sr.dcm"
    path.write_bytes(dicom_bytes(made))
    assert dciodvfy(path) == []
    text = dsrdump(path)
    assert text.count('"Anatomical Structure"') == 3
    assert text.count("91723000") in {0, 3}
    for name in ("lungspot: heart", "lungspot: Cardiothoracic ratio"):
        assert name in text
    assert ("lungspot: left lung" in text) is (anatomy is SIDED)
    assert text.count('lungspot: lung"') == (0 if anatomy is SIDED else 2)
    (ratio,) = read_sr(path).measurements
    assert (ratio.kind, ratio.by) == (Kind.RATIO, "model")
    assert ratio.value == pytest.approx(550 / 1450)
    assert ratio.widths.heart == pytest.approx(55 if spacing else 550)


def test_nothing_is_coded_that_was_not_asked_for_or_is_no_chest(rg1_header, seen):
    plain = dicom_results(rg1_header, seen(None))[0]
    (without,) = dicom_results(rg1_header, seen(SIDED))
    assert without.ContentSequence == plain.ContentSequence  # anatomy alone changes nothing
    assert without.SOPInstanceUID == plain.SOPInstanceUID
    (asked,) = dicom_results(rg1_header, seen(SIDED), anatomy=True)
    assert asked.SOPInstanceUID != plain.SOPInstanceUID
    assert asked.SOPInstanceUID == dicom_results(rg1_header, seen(SIDED), anatomy=True)[0].SOPInstanceUID
    no_chest = dataclasses.replace(SIDED, cardiothoracic_ratio=None)
    (nothing,) = dicom_results(rg1_header, seen(no_chest), anatomy=True)
    assert nothing.ContentSequence == plain.ContentSequence
    data = data_of(seen(SIDED), "sr", source=rg1_header, anatomy=True)
    assert len(read_sr(data).measurements) == 1


def test_other_objects_do_not_change(rg1_header, seen):
    for kind in ("gsps", "sc", "seg"):
        before, after = (dicom_results(rg1_header, seen(SIDED), kinds=(kind,), anatomy=each) for each in (False, True))
        assert [each.SOPInstanceUID for each in before] == [each.SOPInstanceUID for each in after]


def test_findings_and_tracking_are_those_of_the_report_without(rg1_header, seen):
    result = seen(SIDED)
    with_, without = (
        read_sr(dicom_bytes(dicom_results(rg1_header, result, anatomy=each)[0])) for each in (True, False)
    )
    assert with_.reading.findings == without.reading.findings
    assert with_.tracking == without.tracking
    assert tracked_by(result, with_) == tracked_by(result, without)
