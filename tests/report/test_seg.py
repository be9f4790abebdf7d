import io

import numpy as np
import pydicom

from lungspot.report import dicom_bytes, dicom_results


def test_a_segment_is_the_map_of_a_label_that_was_found(rg1_header, on):
    result = on(rg1_header)
    (made,) = dicom_results(rg1_header, result, kinds=("seg",))
    made = pydicom.dcmread(io.BytesIO(dicom_bytes(made)))
    assert (made.SegmentationType, made.SegmentationFractionalType) == ("FRACTIONAL", "PROBABILITY")
    labels = [segment.SegmentLabel for segment in made.SegmentSequence]
    assert labels == ["Pleural effusion: class activation", "Cardiomegaly: class activation"]  # not edema: absent
    codes = [segment.SegmentedPropertyTypeCodeSequence[0].CodeValue for segment in made.SegmentSequence]
    assert codes == ["60046008", "8186001"]
    modifier = made.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence
    assert modifier[0].CodeValue == "130402"
    frames = made.pixel_array
    assert frames.shape == (2, rg1_header.Rows, rg1_header.Columns)
    y, x = np.unravel_index(frames[0].argmax(), frames[0].shape)
    assert 6 / 8 <= y / rg1_header.Rows < 7 / 8  # the fixture's maps are hot in cell (6, 6) of 8 x 8
    assert 6 / 8 <= x / rg1_header.Columns < 7 / 8
    assert frames.max() == made.MaximumFractionalValue == 255
    assert frames[:, : rg1_header.Rows // 2].max() == 0
