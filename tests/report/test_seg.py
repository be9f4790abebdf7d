import dataclasses
import io

import numpy as np
import pydicom
import pytest
from highdicom.seg import Segmentation

from lungspot.images import read, read_header
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


@pytest.mark.parametrize(
    ("said", "pixel"),
    [
        ({"ImagerPixelSpacing": ["0.2", "0.1"]}, [0.2, 0.1]),
        ({"ImagerPixelSpacing": ["0.2", "0.2"], "PixelSpacing": ["0.15", "0.15"]}, [0.15, 0.15]),
        ({}, None),
    ],
)
def test_another_reader_takes_it_with_the_size_of_its_pixels(rg1, on, tmp_path, dciodvfy, said, pixel):
    dataset = pydicom.dcmread(rg1["UNCR"])
    del dataset.PixelSpacing
    for name, spacing in said.items():
        setattr(dataset, name, spacing)
    dataset.save_as(tmp_path / "film.dcm")
    header = read_header(tmp_path / "film.dcm")
    result = dataclasses.replace(on(header), radiograph=read(tmp_path / "film.dcm"))
    (made,) = dicom_results(header, result, kinds=("seg",))
    (tmp_path / "seg.dcm").write_bytes(dicom_bytes(made))
    assert dciodvfy(tmp_path / "seg.dcm") == []
    found = Segmentation.from_dataset(pydicom.dcmread(tmp_path / "seg.dcm"))
    measures = found.SharedFunctionalGroupsSequence[0].get("PixelMeasuresSequence")
    assert (measures[0].PixelSpacing if measures else None) == pixel
    maps = found.get_pixels_by_source_instance([header.SOPInstanceUID])
    assert maps.shape == (1, header.Rows, header.Columns, 2)
