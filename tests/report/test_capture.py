import io

import numpy as np
import pydicom

from lungspot.report import dicom_bytes, dicom_results, overlay


def make_one(header, result):
    (made,) = dicom_results(header, result, kinds=("sc",))
    return pydicom.dcmread(io.BytesIO(dicom_bytes(made)))


def test_it_is_the_picture_in_colour(rg1_header, on):
    result = on(rg1_header)
    made = make_one(rg1_header, result)
    assert np.array_equal(made.pixel_array, np.asarray(overlay(result)))
    assert (made.PhotometricInterpretation, made.BitsAllocated) == ("RGB", 8)
    assert made.BurnedInAnnotation == "YES"
    assert list(made.ImageType)[:2] == ["DERIVED", "SECONDARY"]
    assert made.PatientOrientation == rg1_header.PatientOrientation
    assert "Research use only" in made.DerivationDescription
    (film,) = made.SourceImageSequence
    assert film.ReferencedSOPInstanceUID == rg1_header.SOPInstanceUID


def test_what_was_lossy_stays_lossy_and_an_unknown_orientation_unknown(rg1_header, on):
    rg1_header.LossyImageCompression = "01"
    del rg1_header.PatientOrientation
    made = make_one(rg1_header, on(rg1_header))
    assert made.LossyImageCompression == "01"
    assert not made.PatientOrientation


def test_a_film_that_was_not_assessed_is_dim(rg1_header, on):
    made = make_one(rg1_header, on(rg1_header, reasons=("LATERAL",)))
    film = made.pixel_array[:1000].astype(int)
    assert (film.max(axis=-1) - film.min(axis=-1)).max() < 12
