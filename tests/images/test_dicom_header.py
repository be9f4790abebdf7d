import zlib

import numpy as np
import pytest
from pydicom import config, uid
from pydicom.dataset import Dataset

from lungspot.errors import FilmError
from lungspot.images import dicom_header, is_uid, number_of, numbers_of, text_of, whole_of
from lungspot.images.dicom_header import open_dicom


def refusal(data):
    with pytest.raises(FilmError) as caught:
        open_dicom(data, "film.dcm")
    assert caught.value.where == "film.dcm"
    return caught.value.code, caught.value.reason


NATIVE = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian)


@pytest.mark.parametrize(
    ("syntax", "meta", "preamble"),
    [
        *(
            (syntax, True, preamble)
            for syntax in (*NATIVE, uid.DeflatedExplicitVRLittleEndian)
            for preamble in (True, False)
        ),
        *((syntax, False, False) for syntax in NATIVE),  # nothing else says that a data set is deflated
    ],
)
def test_the_header_of_every_structure_is_the_same(make_dicom, gradient, syntax, meta, preamble):
    header = open_dicom(make_dicom(gradient, syntax=syntax, meta=meta, preamble=preamble), "film.dcm")
    assert header.syntax == (syntax if meta else "")
    assert header.encoding == "native"
    assert header.big_endian == (syntax == uid.ExplicitVRBigEndian)
    assert (header.rows, header.columns, header.samples, header.frames) == (48, 40, 1, 1)
    assert (header.allocated, header.stored, header.high, header.signed) == (16, 12, 11, False)
    assert (header.photometric, header.planar) == ("MONOCHROME2", 0)


def test_a_prefix_without_its_preamble_is_read(make_dicom, gradient):
    assert open_dicom(make_dicom(gradient)[128:], "film.dcm").rows == 48


SC = uid.SecondaryCaptureImageStorage


@pytest.mark.parametrize(
    "elements",
    [
        {},
        {"Modality": "DX", "SOPClassUID": uid.DigitalXRayImageStorageForPresentation},
        {"Modality": "DX", "SOPClassUID": uid.DigitalXRayImageStorageForProcessing},
        {"Modality": "DR", "SOPClassUID": uid.DigitalXRayImageStorageForPresentation},
        {"Modality": "", "SOPClassUID": uid.ComputedRadiographyImageStorage},
        {"Modality": "OT", "SOPClassUID": uid.ComputedRadiographyImageStorage},
        {"Modality": "DX", "SOPClassUID": SC},
        {"Modality": "RG", "SOPClassUID": SC},
        {"Modality": "CR", "SOPClassUID": uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage},
        {"Modality": "cr"},
        {"PatientSpeciesDescription": "Human"},
        {"PatientSpeciesDescription": "Homo sapiens"},
    ],
)
def test_projection_radiographs_pass_the_gate(make_dicom, gradient, elements):
    assert open_dicom(make_dicom(gradient, **elements), "film.dcm").rows == 48


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"Modality": "MR", "SOPClassUID": uid.MRImageStorage}, "an MR image (MR Image Storage)"),
        ({"Modality": "CT", "SOPClassUID": uid.CTImageStorage}, "a CT image (CT Image Storage)"),
        (
            {"Modality": "MG", "SOPClassUID": uid.DigitalMammographyXRayImageStorageForPresentation},
            "a mammogram (Digital Mammography X-Ray Image Storage - For Presentation)",
        ),
        ({"Modality": "MG"}, "a mammogram (Computed Radiography Image Storage)"),
        (
            {"Modality": "US", "SOPClassUID": uid.UltrasoundImageStorage},
            "an ultrasound image (Ultrasound Image Storage)",
        ),
        (
            {"Modality": "RF", "SOPClassUID": uid.XRayRadiofluoroscopicImageStorage},
            "a fluoroscopy image (X-Ray Radiofluoroscopic Image Storage)",
        ),
        ({"Modality": "OT", "SOPClassUID": SC}, "an image of modality OT (other) (Secondary Capture Image Storage)"),
        ({"Modality": "", "SOPClassUID": SC}, "an object of class Secondary Capture Image Storage"),
        ({"Modality": "ZZ", "SOPClassUID": "1.2.3"}, "an object of modality ZZ (1.2.3)"),
    ],
)
def test_anything_else_is_refused_by_its_name(make_dicom, gradient, elements, reason):
    assert refusal(make_dicom(gradient, **elements)) == ("NOT_A_RADIOGRAPH", f"this is {reason}")


def test_a_film_of_an_animal_is_refused(make_dicom, gradient):
    data = make_dicom(gradient, PatientSpeciesDescription="Canis lupus familiaris")
    assert refusal(data) == ("NOT_A_RADIOGRAPH", "this is a film of an animal")


@pytest.mark.parametrize(
    ("elements", "code", "reason"),
    [
        ({"Rows": None}, "DIMENSIONS", "the header says 40 x 0 pixels"),
        ({"Columns": 0}, "DIMENSIONS", "the header says 0 x 48 pixels"),
        ({"Rows": 65535, "Columns": 65535}, "TOO_LARGE", "65535 x 65535"),
        ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}, "DIMENSIONS", "32 allocated"),
        ({"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}, "DIMENSIONS", "1 allocated"),
        ({"BitsAllocated": None}, "DIMENSIONS", "0 allocated"),
        ({"BitsStored": 17}, "DIMENSIONS", "17 bits up to bit 11"),
        ({"HighBit": 3}, "DIMENSIONS", "12 bits up to bit 3"),
        ({"HighBit": 16}, "DIMENSIONS", "12 bits up to bit 16"),
        ({"SamplesPerPixel": 3}, "DIMENSIONS", "3 samples a pixel that are MONOCHROME2"),
        ({"PhotometricInterpretation": "CMYK"}, "DIMENSIONS", "1 samples a pixel that are CMYK"),
        ({"NumberOfFrames": 1_000_000_000}, "TOO_LARGE", "1000000000 frames"),
        ({"NumberOfFrames": -1}, "TOO_LARGE", "-1 frames"),
    ],
)
def test_an_impossible_picture_is_refused_before_it_is_decoded(make_dicom, gradient, elements, code, reason):
    found = refusal(make_dicom(gradient, **elements))
    assert found[0] == code
    assert reason in found[1]


def test_what_may_be_missing_is_completed(make_dicom, gradient):
    missing = {"SamplesPerPixel": None, "PhotometricInterpretation": None, "HighBit": None, "PixelRepresentation": None}
    header = open_dicom(make_dicom(gradient, **missing), "film.dcm")
    assert (header.samples, header.photometric, header.high, header.signed) == (1, "MONOCHROME2", 11, False)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.53", "1.2.840.113619.5.2", "9.9"])
def test_an_unknown_transfer_syntax_is_refused(make_dicom, gradient, syntax):
    plain = make_dicom(gradient)
    wanted = syntax.encode().ljust(20 + 20 % 2, b"\0")
    if len(wanted) > 20:
        plain = plain.replace(b"UI\x14\x001.2.840.10008.1.2.1\0", b"UI" + len(wanted).to_bytes(2, "little") + wanted)
    else:
        plain = plain.replace(b"1.2.840.10008.1.2.1\0", wanted)
    code, reason = refusal(plain)
    assert code == "UNSUPPORTED"
    assert reason == f"its transfer syntax is {uid.UID(syntax).name}"


def test_an_object_without_a_picture_is_refused(make_dicom, gradient):
    report = make_dicom(gradient, SOPClassUID=uid.BasicTextSRStorage, Modality="SR", Rows=None)
    assert refusal(report) == ("NO_PIXELS", "this is a structured report (Basic Text SR Storage)")
    film = make_dicom(gradient)
    start = film.index(b"\xe0\x7f\x10\x00")
    assert refusal(film[:start]) == ("TRUNCATED", "the file ends before its pixel data")
    assert refusal(film[: start + 4])[0] == "TRUNCATED"
    item_end = b"\xfe\xff\x0d\xe0" + bytes(4)  # where pydicom takes a data set to be over
    assert refusal(film[:start] + item_end + bytes(16)) == ("NO_PIXELS", "its header ends without pixel data")


def test_a_header_that_cannot_be_parsed_is_refused(monkeypatch, make_dicom, gradient):
    def broken(*_, **__):
        raise NotImplementedError("odd")

    monkeypatch.setattr(dicom_header, "dcmread", broken)
    assert refusal(make_dicom(gradient)) == ("BAD_HEADER", "its header cannot be parsed (NotImplementedError)")


def test_a_want_of_memory_is_not_taken_for_damage(monkeypatch, make_dicom, gradient):
    def want(*_, **__):
        raise MemoryError

    monkeypatch.setattr(dicom_header, "dcmread", want)
    with pytest.raises(MemoryError):
        open_dicom(make_dicom(gradient), "film.dcm")


def test_deep_nesting_is_refused(make_dicom, gradient):
    film = make_dicom(gradient)
    at = film.index(b"\x08\x00\x60\x00CS")  # Modality
    opening = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    assert refusal(film[:at] + opening * 20_000 + film[at:]) == (
        "BAD_HEADER",
        "its sequences are nested deeper than any film's",
    )


# ------------------------------------------------------------------------------------------------------- deflated


def deflated(film, change):
    """Return the film with its deflated data set replaced by what ``change`` makes of it."""
    end = 144 + int.from_bytes(film[140:144], "little")
    return film[:end] + change(film[end:])


@pytest.fixture(scope="module")
def packed(make_dicom, gradient):
    return make_dicom(gradient, syntax=uid.DeflatedExplicitVRLittleEndian)


def test_a_deflated_film_that_is_cut_or_damaged_is_refused(packed):
    assert refusal(deflated(packed, lambda stream: stream[:-9]))[0] == "TRUNCATED"
    assert refusal(deflated(packed, lambda _: b"\xff" * 40)) == ("BAD_HEADER", "its deflated data set is damaged")


def zip_raw(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def unzip_raw(data):
    return zlib.decompress(data, -zlib.MAX_WBITS)


def test_a_deflated_film_may_go_on_a_little_after_its_pixels_but_is_no_bomb(packed):
    little = deflated(packed, lambda stream: zip_raw(unzip_raw(stream) + bytes(1000)))
    assert open_dicom(little, "film.dcm").rows == 48
    bomb = deflated(packed, lambda stream: zip_raw(unzip_raw(stream) + bytes(20_000_000)))
    assert refusal(bomb) == ("TOO_LARGE", "its compressed data set is larger than its header says")


def test_a_deflated_film_of_too_many_frames_is_refused(make_dicom):
    data = make_dicom(
        np.zeros((2000, 2000), np.int32) + 300, syntax=uid.DeflatedExplicitVRLittleEndian, NumberOfFrames=999
    )
    assert refusal(data) == ("TOO_LARGE", "its 999 frames take 7621 MiB")


def test_a_deflated_header_of_zeros_is_refused_quickly(packed):
    assert refusal(deflated(packed, lambda _: zip_raw(bytes(40_000_000)))) == (
        "BAD_HEADER",
        "its header has more than 50000 elements",
    )


@pytest.mark.parametrize("element", [b"\x09\x00\x10\x00LO\x00\x00", b"\x02\x00\x10\x01LO\x00\x00"])
def test_a_header_of_countless_elements_is_refused(make_dicom, gradient, element):
    film = make_dicom(gradient)
    end = 144 + int.from_bytes(film[140:144], "little")
    assert refusal(film[:end] + element * 200_000 + film[end:]) == (
        "BAD_HEADER",
        "its header has more than 50000 elements",
    )


# --------------------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("vr", "value", "said", "numeric"),
    [
        ("DS", "1.5", "1.5", (1.5,)),
        ("DS", ["1.5", "2"], "1.5", (1.5, 2.0)),
        ("DS", "", "", ()),
        ("LO", " x \0", "x", ()),
        ("LO", "nan", "nan", ()),
        ("DS", ["1", "inf"], "1", (1.0,)),
    ],
)
def test_values_are_taken_with_care(vr, value, said, numeric):
    dataset = Dataset()
    with config.disable_value_validation():
        dataset.add_new(0x00181164, vr, value)  # ImagerPixelSpacing
    assert text_of(dataset, "ImagerPixelSpacing") == said
    assert numbers_of(dataset, "ImagerPixelSpacing") == numeric
    assert number_of(dataset, "ImagerPixelSpacing") == (numeric[0] if numeric else None)


def test_a_missing_or_broken_value_is_none():
    dataset = Dataset()
    assert text_of(dataset, "Rows") == ""
    assert whole_of(dataset, "Rows") is None
    dataset.add_new(0x00280030, "DS", "1.5")
    assert whole_of(dataset, "PixelSpacing") is None


def test_a_value_that_cannot_be_converted_is_none(make_dicom, gradient):
    data = make_dicom(gradient, RescaleSlope="1")
    slope = b"\x28\x00\x53\x10DS\x02\x001 "
    assert slope in data
    for broken in (b"\x28\x00\x53\x10DS\x02\x00x,", b"\x28\x00\x53\x10FD\x02\x00x,"):
        header = open_dicom(data.replace(slope, broken), "film.dcm")
        assert number_of(header.dataset, "RescaleSlope") is None
    assert text_of(header.dataset, "RescaleSlope") == ""


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("1.2.840.10008.1.1", True),
        ("1", True),
        ("1.02.3", True),  # a leading zero, as some devices send it
        ("1" * 64, True),
        ("1" * 65, False),
        ("", False),
        ("1..2", False),
        (".1", False),
        ("1.2.", False),
        ("../../etc/passwd", False),
        ("..", False),
        ("/1.2", False),
        ("1.2\\3", False),
        ("1.2\x00", False),
        ("1.2\n", False),
        (" 1.2", False),
        ("1.2a", False),
        ("CON", False),
        ("1.٢", False),  # a digit, but of another script
    ],
)
def test_uids(text, right):
    assert is_uid(text) is right
