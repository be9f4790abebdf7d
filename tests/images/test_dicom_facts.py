import pytest
from pydicom import config
from pydicom.dataset import Dataset

from lungspot.images import dicom_facts as facts
from lungspot.images.dicom_header import open_dicom
from lungspot.images.radiograph import Device, Sex, View


def said(**elements):
    dataset = Dataset()
    with config.disable_value_validation():
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)
    return dataset


def coded(value):
    item = Dataset()
    item.CodeValue = value
    return said(ViewCodeSequence=[item])


@pytest.mark.parametrize(
    ("dataset", "view"),
    [
        (said(), View.UNKNOWN),
        (said(ViewPosition="PA"), View.PA),
        (said(ViewPosition="ap"), View.AP),
        (said(ViewPosition="LL"), View.LATERAL),
        (said(ViewPosition="RL"), View.LATERAL),
        (said(ViewPosition="LATERAL"), View.LATERAL),
        (said(ViewPosition="LLD"), View.UNKNOWN),  # a decubitus film: how the patient lies, not how the beam goes
        (said(ViewPosition="RAO"), View.UNKNOWN),
        (said(ViewPosition="POSTERO_ANTERIOR"), View.PA),
        (said(ViewPosition="AP SUPINE"), View.AP),
        (said(ViewPosition="CHEST PA"), View.PA),
        (said(ViewPosition=["PA", "AP"]), View.PA),
        (coded("R-10206"), View.AP),
        (coded("399348003"), View.AP),
        (coded("R-10214"), View.PA),
        (coded("272479007"), View.PA),
        (coded("399173006"), View.LATERAL),
        (coded("R-10242"), View.UNKNOWN),
    ],
)
def test_the_view_is_what_the_file_says(dataset, view):
    assert facts.view(dataset) is view


@pytest.mark.parametrize(
    ("dataset", "device"),
    [
        (said(), Device()),
        (said(Manufacturer=" Maker ", StationName="ROOM 1"), Device("Maker", "", "ROOM 1")),
        (said(ManufacturerModelName=["", "DR 9000"]), Device("", "DR 9000", "")),
        (said(Manufacturer="M" * 200), Device("M" * 64)),
    ],
)
def test_the_device_is_what_the_file_says(dataset, device):
    assert facts.device(dataset) == device
    assert bool(device) == (device != Device())


def test_a_damaged_view_code_says_nothing(make_dicom, gradient):
    film = make_dicom(gradient)
    at = film.index(b"\x28\x00\x02\x00US")
    broken = film[:at] + b"\x54\x00\x20\x02SQ\0\0\x03\0\0\0abc" + film[at:]
    assert facts.view(open_dicom(broken, "film").dataset) is View.UNKNOWN


@pytest.mark.parametrize(
    ("dataset", "side"),
    [
        (said(), None),
        (said(Laterality="L"), "L"),
        (said(ImageLaterality="R", Laterality="L"), "R"),
        (said(ImageLaterality="", Laterality="b"), "B"),
        (said(Laterality="left"), None),
    ],
)
def test_the_laterality_is_one_of_four(dataset, side):
    assert facts.laterality(dataset) == side


@pytest.mark.parametrize(
    ("dataset", "years"),
    [
        (said(), None),
        (said(PatientAge="063Y"), 63),
        (said(PatientAge="81"), 81),
        (said(PatientAge="018M"), 1.5),
        (said(PatientAge="006W"), 0.11),
        (said(PatientAge="010D"), 0.03),
        (said(PatientAge="000Y"), None),
        (said(PatientAge="411Y"), None),
        (said(PatientAge="old"), None),
        (said(PatientBirthDate="19600101", StudyDate="20200101"), 60),
        (said(PatientAge="", PatientBirthDate="19600101", StudyDate="20200702"), 60.5),
        (said(PatientBirthDate="19600101", StudyDate="19500101"), None),
        (said(PatientBirthDate="1960", StudyDate="20200101"), None),
        (said(PatientBirthDate="19600101"), None),
        (said(PatientAge="000Y", PatientBirthDate="20240101", StudyDate="20240108"), 0.02),
        (said(PatientAge="000D", PatientBirthDate="20240101", StudyDate="20240101"), 0),
        (said(PatientAge="999Y", PatientBirthDate="19600101", StudyDate="20200101"), 60),
        (said(PatientAge="adult", PatientBirthDate="1960.01.01", StudyDate="2020.01.01"), 60),
        (said(PatientAge="063Y", PatientBirthDate="19600101", StudyDate="20200101"), 63),
        (said(PatientAge=["", "063Y"]), 63),
        (said(PatientAge=["063Y", ""]), 63),
        (said(PatientAge="63,5Y"), 63.5),
        (said(PatientAge="063 Y"), 63),
        (said(PatientAge="063,Y"), 63),
        (said(PatientBirthDate="19600101", StudyDate="", AcquisitionDate="20200101"), 60),
        (said(PatientBirthDate="19600101", StudyDate="0000", ContentDate="20200101"), 60),
        (said(PatientBirthDate="19600101", AcquisitionDateTime="20200101103000.5+0100"), 60),
    ],
)
def test_the_age_is_in_years(dataset, years):
    assert facts.age(dataset) == (None if years is None else pytest.approx(years, abs=0.01))


@pytest.mark.parametrize(
    ("value", "sex"),
    [
        *(("F", Sex.FEMALE), ("m", Sex.MALE), ("O", Sex.OTHER), ("", Sex.UNKNOWN), ("X", Sex.UNKNOWN)),
        *(("Female", Sex.FEMALE), ("MALE", Sex.MALE), ("Mujer", Sex.FEMALE), ("Man or woman", Sex.UNKNOWN)),
    ],
)
def test_the_sex_is_what_the_file_says(value, sex):
    assert facts.sex(said(PatientSex=value)) is sex


@pytest.mark.parametrize(
    ("dataset", "spacing"),
    [
        (said(), None),
        (said(ImagerPixelSpacing=["0.2", "0.1"]), (0.2, 0.1)),
        (said(PixelSpacing=["0.3", "0.3"]), (0.3, 0.3)),
        (said(PixelSpacing=["0.18", "0.18"], ImagerPixelSpacing=["0.2", "0.2"]), (0.18, 0.18)),
        (said(PixelSpacing=["0.000", "0.000"], ImagerPixelSpacing=["0.2", "0.2"]), (0.2, 0.2)),
        (said(NominalScannedPixelSpacing=["0.1", "0.1"]), (0.1, 0.1)),
        (said(PixelSpacing="0.2"), None),
        (said(PixelSpacing=["-1", "1"]), None),
        (said(PixelSpacing=["200", "200"]), None),
        (said(PixelSpacing=["0.2", "0.1", ""]), (0.2, 0.1)),
        (said(PixelSpacing=["0.2", "0.2", "0.2"]), None),
        (said(PixelSpacing=["0.2", ""]), (0.2, 0.2)),
        (said(PixelSpacing=["", "0.2"]), (0.2, 0.2)),
        (said(PixelSpacing=["0.2", ""], ImagerPixelSpacing=["0.3", "0.1"]), (0.3, 0.1)),
        (said(PixelSpacing=["", ""]), None),
        (said(PixelSpacing=["200", ""]), None),
    ],
)
def test_the_spacing_is_calibrated_where_the_file_is(dataset, spacing):
    assert facts.spacing(dataset) == spacing


@pytest.mark.parametrize(
    ("dataset", "aspect"),
    [
        (said(), (1, 1)),
        (said(PixelAspectRatio=["2", "1"]), (2, 1)),
        (said(PixelAspectRatio=["4", "2"]), (2, 1)),
        (said(PixelAspectRatio=["1000", "1200"]), (5, 6)),
        (said(PixelAspectRatio=["0", "1"]), (1, 1)),
        (said(PixelAspectRatio=["1000", "1"]), (1, 1)),  # a slip: no picture could show it
        (said(PixelSpacing=["0.1", "5"]), (1, 1)),
        (said(PixelAspectRatio="2"), (1, 1)),
        (said(PixelAspectRatio=["2", ""]), (1, 1)),
        (said(ImagerPixelSpacing=["0.2", "0.1"]), (2, 1)),
        (said(ImagerPixelSpacing=["0.143", "0.143"]), (1, 1)),
        (said(PixelSpacing=["0.15", "0.1"], ImagerPixelSpacing=["0.1", "0.1"]), (3, 2)),
        (said(PixelSpacing=["0.1", "0.1"], PixelAspectRatio=["2", "1"]), (1, 1)),
        (said(PixelSpacing=["0", "0"], PixelAspectRatio=["2", "1"]), (2, 1)),
        (said(NominalScannedPixelSpacing=["0.1", "0.3"]), (1, 3)),
    ],
)
def test_a_pixel_may_be_higher_than_wide(dataset, aspect):
    assert facts.aspect(dataset) == aspect


@pytest.mark.parametrize(
    ("elements", "codes"),
    [
        ({}, []),
        ({"BurnedInAnnotation": "YES"}, ["BURNED_IN"]),
        ({"BurnedInAnnotation": "NO"}, []),
        ({"PresentationIntentType": "FOR PROCESSING"}, ["RAW"]),
        ({"PresentationIntentType": "FOR PRESENTATION"}, []),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, ["SECONDARY_CAPTURE"]),
        ({"PatientAge": "015Y"}, ["CHILD"]),
        ({"PatientAge": "003M"}, ["CHILD"]),
        ({"PatientAge": "016Y"}, []),
        ({"BodyPartExamined": "CHEST"}, []),
        ({"BodyPartExamined": "Thorax pa"}, []),
        ({"BodyPartExamined": "HIP"}, ["BODY_PART"]),
        ({"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}, []),
        ({"PhotometricInterpretation": "MONOCHROME2", "PresentationLUTShape": "IDENTITY"}, []),
        ({"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "IDENTITY"}, ["POLARITY"]),
        ({"PhotometricInterpretation": "MONOCHROME2", "PresentationLUTShape": "INVERSE"}, ["POLARITY"]),
        ({"OverlayData": b"\0\0"}, ["OVERLAY_IGNORED"]),
        ({"PixelSpacing": ["0.2", ""]}, ["SPACING"]),
        ({"PixelSpacing": ["0.2", ""], "ImagerPixelSpacing": ["0.3", "0.3"]}, []),
        ({"PatientAge": "000Y", "PatientBirthDate": "20240101", "StudyDate": "20240108"}, ["CHILD"]),
    ],
)
def test_what_is_worth_knowing_becomes_a_notice(elements, codes):
    overlay = elements.get("OverlayData")
    dataset = said(**{keyword: value for keyword, value in elements.items() if keyword != "OverlayData"})
    if overlay:
        dataset.add_new(0x60003000, "OW", overlay)
    assert [notice.code for notice in facts.notices(dataset)] == codes


def test_the_body_part_is_in_capitals():
    assert facts.body_part(said(BodyPartExamined="Chest")) == "CHEST"
    assert facts.body_part(said()) is None
