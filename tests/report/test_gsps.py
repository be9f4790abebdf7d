import dataclasses
import io

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from lungspot.images import Notice, read
from lungspot.report import dicom_bytes, dicom_results


def make_one(header, result):
    (made,) = dicom_results(header, result, kinds=("gsps",))
    return pydicom.dcmread(io.BytesIO(dicom_bytes(made)))


def test_boxes_and_names_are_on_a_layer_of_their_own(rg1_header, on):
    result = on(rg1_header)
    made = make_one(rg1_header, result)
    assert [layer.GraphicLayer for layer in made.GraphicLayerSequence] == ["LUNGSPOT"]
    (note,) = made.GraphicAnnotationSequence
    assert note.GraphicLayer == "LUNGSPOT"
    for finding, drawn in zip(result.boxed, note.GraphicObjectSequence, strict=True):
        points = np.reshape(drawn.GraphicData, (-1, 2))
        assert (points[0] == points[-1]).all()
        corners = (*points.min(axis=0), *points.max(axis=0))
        assert np.allclose(corners, finding.box.corners, atol=0.01)
        assert drawn.GraphicAnnotationUnits == "PIXEL"
    words = [text.UnformattedTextValue for text in note.TextObjectSequence]
    assert words[0].startswith("Research use only")
    assert words[1:] == ["Pleural effusion 90 %", "Cardiomegaly 40 % (below threshold)"]


def test_tracking_ids_are_those_of_the_report(rg1_header, on):
    made = dicom_results(rg1_header, on(rg1_header), kinds=("sr", "gsps"))
    tracked = {str(e.value) for e in made[0].iterall() if e.keyword == "UID"}
    assert {drawn.TrackingUID for drawn in made[1].GraphicAnnotationSequence[0].GraphicObjectSequence} <= tracked


@pytest.mark.parametrize(("photometric", "shape"), [("MONOCHROME1", "INVERSE"), ("MONOCHROME2", "IDENTITY")])
def test_the_film_keeps_its_polarity_and_window(rg1_header, on, photometric, shape):
    rg1_header.PhotometricInterpretation = photometric
    rg1_header.RescaleSlope, rg1_header.RescaleIntercept = "2", "-5"
    rg1_header.WindowCenter, rg1_header.WindowWidth, rg1_header.VOILUTFunction = [100, 7], [50, 8], "SIGMOID"
    made = make_one(rg1_header, on(rg1_header))
    assert made.PresentationLUTShape == shape
    assert (made.RescaleSlope, made.RescaleIntercept, made.RescaleType) == (2, -5, "US")
    (shown,) = made.SoftcopyVOILUTSequence
    assert (shown.WindowCenter, shown.WindowWidth, shown.VOILUTFunction) == (100, 50, "SIGMOID")


def test_look_up_tables_go_along(rg1_header, on, dciodvfy, tmp_path):
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [4, 0, 16])
    table.add_new("LUTData", "OW", np.array([0, 1, 2, 65535], "<u2").tobytes())
    rg1_header.VOILUTSequence, rg1_header.ModalityLUTSequence = [table], [table]
    rg1_header.ModalityLUTSequence[0].ModalityLUTType = "US"
    file = io.BytesIO()
    rg1_header.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian  # which does not say US or SS
    rg1_header.save_as(file)
    file.seek(0)
    made = make_one(pydicom.dcmread(file), on(rg1_header))
    made.save_as(tmp_path / "gsps.dcm")
    assert dciodvfy(tmp_path / "gsps.dcm") == []
    for item in (made.ModalityLUTSequence[0], made.SoftcopyVOILUTSequence[0].VOILUTSequence[0]):
        assert list(item.LUTDescriptor) == [4, 0, 16]
        assert np.frombuffer(item.LUTData, "<u2").tolist() == [0, 1, 2, 65535]
    rg1_header.VOILUTSequence = [Dataset()]  # a table without values is none; the window stands in
    assert "WindowCenter" in make_one(rg1_header, on(rg1_header)).SoftcopyVOILUTSequence[0]


def test_a_table_for_values_below_zero_goes_along(rg1_header, on):
    table = Dataset()
    table.add_new("LUTDescriptor", "SS", [4, -2, 16])
    table.add_new("LUTData", "US", [0, 1, 2, 65535])
    rg1_header.VOILUTSequence = [table]
    (item,) = make_one(rg1_header, on(rg1_header)).SoftcopyVOILUTSequence[0].VOILUTSequence
    assert list(item.LUTDescriptor) == [4, -2, 16]


def test_a_window_that_hides_the_film_is_left_out(rg1_header, on):
    result = on(rg1_header)
    notices = (Notice("WINDOW_IGNORED", "it hides the film"),)
    hidden = dataclasses.replace(result, radiograph=dataclasses.replace(result.radiograph, notices=notices))
    assert "SoftcopyVOILUTSequence" in make_one(rg1_header, result)
    assert "SoftcopyVOILUTSequence" not in make_one(rg1_header, hidden)


def test_dcmtk_shows_the_film_by_it_as_we_do(rg1, rg1_header, on, dcmtk, tmp_path):
    (made,) = dicom_results(rg1_header, on(rg1_header), kinds=("gsps",))
    (tmp_path / "gsps.dcm").write_bytes(dicom_bytes(made))
    dcmtk("dcmp2pgm", rg1["UNCR"], tmp_path / "shown.pgm", "--pstate", tmp_path / "gsps.dcm")
    with Image.open(tmp_path / "shown.pgm") as shown:
        theirs = np.asarray(shown, dtype=float)
    ours = read(rg1["UNCR"]).pixels
    assert np.corrcoef(theirs.ravel(), ours.ravel())[0, 1] > 0.98  # a swapped polarity would be below 0


def test_every_part_lies_on_the_film(rg1_header, on):
    boxes = [("effusion", (0, 0, 1, 1), 0.9), ("edema", (0.99, 0.995, 1, 1), 0.8), ("edema", (0, 0, 0.01, 0.01), 0.7)]
    made = make_one(rg1_header, on(rg1_header, boxes=boxes))
    wide, high = rg1_header.Columns, rg1_header.Rows
    for text in made.GraphicAnnotationSequence[0].TextObjectSequence:
        x0, y0 = text.BoundingBoxTopLeftHandCorner
        x1, y1 = text.BoundingBoxBottomRightHandCorner
        assert 0 <= x0 < x1 <= wide
        assert 0 <= y0 < y1 <= high


def test_a_film_in_colour_has_none(rg1_header, on):
    rg1_header.PhotometricInterpretation = "RGB"
    assert dicom_results(rg1_header, on(rg1_header), kinds=("gsps",)) == ()


@pytest.mark.parametrize(
    ("centers", "widths", "shown"),
    [
        (["", "1800"], ["1", "3600"], (1800, 3600)),
        (["1800", ""], ["3600", ""], (1800, 3600)),
        (["7", "1800"], ["0", "3600"], (1800, 3600)),
        (["", "1800"], ["3600", ""], None),
    ],
)
def test_of_several_windows_the_first_whole_one_is_shown(rg1_header, on, centers, widths, shown):
    rg1_header.WindowCenter, rg1_header.WindowWidth = centers, widths
    made = make_one(rg1_header, on(rg1_header))
    found = made.get("SoftcopyVOILUTSequence")
    assert (None if found is None else (found[0].WindowCenter, found[0].WindowWidth)) == shown
