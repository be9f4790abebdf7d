"""Values that devices write wrong: each is as if it were absent, and takes nothing else with it."""

from datetime import date

import pytest
from pydicom import config, dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO

from lungspot.images import date_of, number_of, numbers_of, read, text_of, values_of, whole_of, words_of

TAGS = {
    "DS": ("WindowCenter", b"\x28\x00\x50\x10"),
    "IS": ("NumberOfFrames", b"\x28\x00\x08\x00"),
    "US": ("Rows", b"\x28\x00\x10\x00"),
    "SS": ("SmallestImagePixelValue", b"\x28\x00\x06\x01"),
    "FD": ("PresentationPixelMagnificationRatio", b"\x70\x00\x03\x01"),
    "CS": ("PatientOrientation", b"\x20\x00\x20\x00"),
    "DA": ("StudyDate", b"\x08\x00\x20\x00"),
}


def in_a_file(vr, value):
    """A data set with one attribute, as a file brings it: explicit VR, little endian."""
    _, tag = TAGS[vr]
    source = DicomBytesIO(tag + vr.encode() + len(value).to_bytes(2, "little") + value)
    return dcmread(source, force=True)


@pytest.mark.parametrize(
    ("vr", "value", "values"),
    [
        ("DS", b"1800", (1800,)),
        ("DS", b"1800\\", (1800, None)),
        ("DS", b"\\1800", (None, 1800)),
        ("DS", b"1800\\abc\\2e3", (1800, None, 2000)),
        ("DS", b" 1800 \\ -.5", (1800, -0.5)),
        ("DS", b"0,143\\0,150", (0.143, 0.15)),
        ("DS", b"0.143,0.150 ", (0.143, 0.15)),
        ("DS", b"1.800,5\\7 ", (1.8, 5, 7)),
        ("DS", b"1_000\\nan \\inf\\1e999\\0x10\\+5", (None, None, None, None, None, 5)),
        ("DS", b"18\0\0", (18,)),
        ("DS", b"\xff\xfe\\2 ", (None, 2)),
        ("DS", b"", ()),
        ("IS", b"1.0\\2\\", (1, 2, None)),
        ("IS", b"x\\3 ", (None, 3)),
        ("US", b"\x01\x00\x02\x00", (1, 2)),
        ("US", b"\x01\x00\x02", (1,)),
        ("US", b"\x01", ()),
        ("SS", b"\xff\xff\x02\x00\x07", (-1, 2)),
        ("FD", b"\0\0\0\0\0\0\xf8\x7f\0\0\0\0\0\0\xf0\x3f", (None, 1)),
    ],
)
def test_one_bad_value_does_not_lose_the_others(vr, value, values):
    keyword = TAGS[vr][0]
    with config.disable_value_validation():
        assert values_of(in_a_file(vr, value), keyword) == values
        good = tuple(each for each in values if each is not None)
        assert numbers_of(in_a_file(vr, value), keyword) == good
        assert number_of(in_a_file(vr, value), keyword) == (good[0] if good else None)
        dataset = in_a_file(vr, value)
        assert values_of(dataset, keyword) == values_of(dataset, keyword)  # also once pydicom has converted it


def test_a_number_that_is_not_whole_is_no_whole_number():
    with config.disable_value_validation():
        assert whole_of(in_a_file("IS", b"1.5 "), "NumberOfFrames") is None
        assert whole_of(in_a_file("IS", b"\\2.0"), "NumberOfFrames") == 2


@pytest.mark.parametrize(
    ("value", "text", "words"),
    [
        (b"R\\F ", "R", ("R", "F")),
        (b"r \\ f ", "r", ("R", "F")),
        (b"\\F", "F", ("", "F")),
        (b"L\\", "L", ("L", "")),
        (b"", "", ()),
    ],
)
def test_words_stay_in_their_places(value, text, words):
    with config.disable_value_validation():
        assert text_of(in_a_file("CS", value), "PatientOrientation") == text
        assert words_of(in_a_file("CS", value), "PatientOrientation") == words


@pytest.mark.parametrize(
    ("value", "day"),
    [
        (b"20240105", date(2024, 1, 5)),
        (b"20240105\\", date(2024, 1, 5)),
        (b"\\20240105 ", date(2024, 1, 5)),
        (b"2024.01.05", date(2024, 1, 5)),
        (b"2024,01,05", date(2024, 1, 5)),
        (b"2024-01-05", date(2024, 1, 5)),
        (b"2024/01/05", date(2024, 1, 5)),
        (b"20240105,", date(2024, 1, 5)),
        (b"20240105101500", date(2024, 1, 5)),
        (b"20241305\\20240105", date(2024, 1, 5)),
        (b"2024.01,05", None),
        (b"202401051", None),
        (b"20240230", None),
        (b"05.01.2024", None),  # or the first of May
        (b"2024", None),
        (b"00000000", None),
        (b"", None),
    ],
)
def test_a_date_is_one_or_nothing(value, day):
    with config.disable_value_validation():
        assert date_of(in_a_file("DA", value), "StudyDate") == day


def test_what_is_not_there_is_empty():
    assert text_of(Dataset(), "PatientID") == ""
    assert (words_of(Dataset(), "ImageType"), values_of(Dataset(), "WindowWidth")) == ((), ())
    assert (number_of(Dataset(), "WindowWidth"), date_of(Dataset(), "StudyDate")) == (None, None)


@pytest.mark.parametrize(
    ("elements", "plain"),
    [
        ({"WindowCenter": "1800\\", "WindowWidth": "3000\\"}, {"WindowCenter": "1800", "WindowWidth": "3000"}),
        ({"WindowCenter": "\\1800", "WindowWidth": "1\\3000"}, {"WindowCenter": "1800", "WindowWidth": "3000"}),
        ({"WindowCenter": "abc\\1800", "WindowWidth": "9\\3000"}, {"WindowCenter": "1800", "WindowWidth": "3000"}),
        ({"WindowCenter": "1800,0", "WindowWidth": "3000,0"}, {"WindowCenter": "1800", "WindowWidth": "3000"}),
        ({"RescaleSlope": "-1\\", "RescaleIntercept": "\\5"}, {"RescaleSlope": "-1", "RescaleIntercept": "5"}),
        ({"RescaleSlope": "abc", "RescaleIntercept": "5"}, {"RescaleIntercept": "5"}),
    ],
)
def test_a_film_is_shown_as_its_good_values_say(elements, plain, make_dicom, gradient):
    films = []
    for values in (elements, plain):
        data = make_dicom(gradient, **dict.fromkeys(values, "77777777777777"))
        for value in values.values():  # raw bytes: pydicom would not write them
            data = data.replace(b"77777777777777", value.encode().ljust(14), 1)
        films.append(read(data))
    assert films[0].pixels.tobytes() == films[1].pixels.tobytes()
    assert films[0].notices == films[1].notices
