"""What films of real devices bring into results: names in any character set, pixels that are not square."""

import dataclasses
import io

import pydicom
import pytest

from lungspot.images import read, read_header
from lungspot.report import dicom_bytes, dicom_results
from lungspot.report.style import film_picture


@pytest.mark.parametrize(
    ("sets", "value", "name"),
    [
        (b"\\ISO 2022 IR 58", b"Wang^XiaoDong=\x1b$)A\xcd\xf5^\x1b$)A\xd0\xa1\xb6\xab", "Wang^XiaoDong=王^小东"),
        (b"\\ISO 2022 IR 149", b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7", "Hong^Gildong=洪^吉洞"),
        (b"\\ISO 2022 IR 87", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "Yamada^Tarou=山田^太郎"),
        (b"GB18030", "Wang^XiaoDong=王^小东".encode("gb18030"), "Wang^XiaoDong=王^小东"),
    ],
)
@pytest.mark.parametrize("kind", ["sr", "gsps", "sc"])
def test_a_name_in_any_character_set_enters_each_object(rg1, on, tmp_path, sets, value, name, kind):
    dataset = pydicom.dcmread(rg1["UNCR"])
    dataset.SpecificCharacterSet, dataset.PatientName = "ISO 2022 IR 149", "N" * 60
    dataset.save_as(tmp_path / "film.dcm")
    data = (tmp_path / "film.dcm").read_bytes()
    data = data.replace(b"ISO 2022 IR 149 ", sets.ljust(16)).replace(b"N" * 60, value.ljust(60))
    header = read_header(data)
    (made,) = dicom_results(header, on(header), kinds=(kind,))
    written = dicom_bytes(made)
    again = pydicom.dcmread(io.BytesIO(written))
    assert str(again.PatientName) == name
    assert again.SpecificCharacterSet == "ISO_IR 192"
    assert name.encode() in written


@pytest.mark.parametrize("aspect", [(2, 1), (5, 6), (1, 1)])
def test_pixels_that_are_not_square_are_shown_as_they_are(rg1, on, aspect):
    header = read_header(rg1["UNCR"])
    result = on(header)
    result = dataclasses.replace(result, radiograph=dataclasses.replace(result.radiograph, pixel_aspect=aspect))
    (made,) = dicom_results(header, result, kinds=("gsps",))
    (area,) = pydicom.dcmread(io.BytesIO(dicom_bytes(made))).DisplayedAreaSelectionSequence
    assert area.PresentationPixelAspectRatio == list(aspect)
    frame, picture = result.radiograph.frame, film_picture(result.radiograph, smallest=256, largest=512)
    assert max(picture.size) == 512
    assert picture.height / picture.width == pytest.approx(frame.height * aspect[0] / frame.width / aspect[1], rel=0.01)


NONE = dict.fromkeys(("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio"))


@pytest.mark.parametrize(
    ("said", "shape", "ratio"),
    [
        ({"PixelAspectRatio": ["2", "1"]}, 2, [2, 1]),
        ({"PixelAspectRatio": ["1", "2"]}, 1 / 2, [1, 2]),
        ({"ImagerPixelSpacing": ["0.4", "0.2"]}, 2, [2, 1]),
        ({"PixelSpacing": ["0.1", "0.2"], "PixelAspectRatio": ["1", "1"]}, 1 / 2, [1, 2]),
        ({"NominalScannedPixelSpacing": ["0.3", "0.2"]}, 3 / 2, [3, 2]),
        ({"ImagerPixelSpacing": ["0.4", "0"], "PixelAspectRatio": ["2", "1"]}, 2, [2, 1]),
        ({}, 1, [1, 1]),
    ],
)
def test_the_shape_of_a_film_s_pixels_goes_from_its_file_to_every_picture(rg1, on, tmp_path, said, shape, ratio):
    dataset = pydicom.dcmread(rg1["UNCR"])
    for name, spacing in (NONE | said).items():
        if spacing is not None:
            setattr(dataset, name, spacing)
        elif name in dataset:
            delattr(dataset, name)
    dataset.save_as(tmp_path / "film.dcm")
    header, film = read_header(tmp_path / "film.dcm"), read(tmp_path / "film.dcm")
    result = dataclasses.replace(on(header), radiograph=film)
    shown, capture = (
        pydicom.dcmread(io.BytesIO(dicom_bytes(made))) for made in dicom_results(header, result, kinds=("gsps", "sc"))
    )
    (area,) = shown.DisplayedAreaSelectionSequence
    assert list(area.PresentationPixelAspectRatio) == ratio
    tall = film.frame.height * shape / film.frame.width
    picture = film_picture(film, smallest=256, largest=512)
    assert picture.height / picture.width == pytest.approx(tall, rel=0.01)
    assert capture.Rows / capture.Columns == pytest.approx(tall, rel=0.35)  # a margin of words stands beside the film
