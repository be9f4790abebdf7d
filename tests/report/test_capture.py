import io

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEGBaseline8Bit

from lungspot.report import dicom_bytes, dicom_results, overlay


def make_one(header, result):
    (made,) = dicom_results(header, result, kinds=("sc",))
    return pydicom.dcmread(io.BytesIO(dicom_bytes(made)))


def test_it_is_the_picture_in_colour(rg1_header, on):
    result = on(rg1_header)
    made = make_one(rg1_header, result)
    drawn = np.asarray(overlay(result)).astype(int)
    assert made.file_meta.TransferSyntaxUID == JPEGBaseline8Bit
    assert (made.PhotometricInterpretation, made.BitsAllocated, made.LossyImageCompression) == ("YBR_FULL_422", 8, "01")
    assert float(made.LossyImageCompressionRatio) == pytest.approx(drawn.size / len(made.PixelData), rel=0.01)
    made.decompress()
    assert made.PhotometricInterpretation == "RGB"
    assert made.pixel_array.shape == drawn.shape
    assert np.abs(made.pixel_array - drawn).mean() < 8  # the fixture's film is noise, which JPEG keeps least of all
    assert made.BurnedInAnnotation == "YES"
    assert list(made.ImageType)[:2] == ["DERIVED", "SECONDARY"]
    assert made.PatientOrientation == rg1_header.PatientOrientation
    assert "Research use only" in made.DerivationDescription
    (film,) = made.SourceImageSequence
    assert film.ReferencedSOPInstanceUID == rg1_header.SOPInstanceUID


def test_an_unknown_orientation_stays_unknown(rg1_header, on):
    del rg1_header.PatientOrientation
    assert not make_one(rg1_header, on(rg1_header)).PatientOrientation


def test_a_film_that_was_not_assessed_is_dim(rg1_header, on):
    made = make_one(rg1_header, on(rg1_header, reasons=("LATERAL",)))
    made.decompress()
    film = made.pixel_array[:1000].astype(int)
    assert (film.max(axis=-1) - film.min(axis=-1)).max() < 16
