import io
from copy import deepcopy
from datetime import date

import numpy as np
import pydicom
import pytest
from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table
from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset

from lungspot.errors import FilmError, InputError
from lungspot.findings import Box
from lungspot.images import Pseudonyms, deidentified, read
from lungspot.images.deidentify_rules import DATES, EMPTY, EMPTY_OF, NUMBERS, PADDING, TABLES, UIDS, WORDS

PLANTED = "ZZSECRET"
PLANTED_UID, PLANTED_DATE, PLANTED_TIME = "1.2.777.4242", "19710203", "070809"
KEY = Pseudonyms(b"0123456789abcdef" * 2)

# PS3.15 table E.1-1 (edition 2026c), as dicom-anonymizer (BSD) has it; what stands in several lists is there once
ACTIONS = {
    name: [tag for tag in getattr(table, name) if len(tag) == 2]
    for name in ("D_TAGS", "Z_TAGS", "X_TAGS", "U_TAGS", "Z_D_TAGS", "X_Z_TAGS", "X_D_TAGS", "X_Z_D_TAGS")
}
TAGS = sorted({tag for tags in ACTIONS.values() for tag in tags} | {tag[:2] for tag in table.X_Z_U_STAR_TAGS})
VALUES = (
    dict.fromkeys(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"), PLANTED)
    | dict.fromkeys(("OB", "OF", "OW", "UN"), PLANTED.encode())
    | {"UI": PLANTED_UID, "DA": PLANTED_DATE, "TM": PLANTED_TIME, "DT": PLANTED_DATE + PLANTED_TIME, "AS": "077Y"}
    | {"DS": "77.4242", "IS": "774242", "FL": 77.4242, "FD": 77.4242, "US": 4242, "UL": 774242, "SL": 774242}
)


def film(rg1):
    return pydicom.dcmread(rg1["UNCR"])


def as_bytes(dataset):
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@pytest.fixture
def small(rg1):
    """The real film, cut to 64 x 48 pixels, so that tests are quick."""
    dataset = film(rg1)
    pixels = dataset.pixel_array[600:648, 500:564]
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.PixelData = pixels.tobytes()
    return dataset


def plant(dataset, tags):
    for tag in tags:
        vr = dictionary_VR(tag).split(" or ")[0] if dictionary_has_tag(tag) else "LO"
        if vr == "SQ":
            item = Dataset()
            item.PatientName, item.UID = f"{PLANTED}^inner", PLANTED_UID
            item.add_new(0x00091010, "LO", f"{PLANTED} private")
            dataset.add_new(tag, "SQ", [item])
        elif keyword_for_tag(tag) != "PixelData":
            dataset.add_new(tag, vr, VALUES[vr])


def test_the_table_is_whole():
    assert len(TAGS) > 600
    assert {(0x0010, 0x0010), (0x0008, 0x0018), (0x0008, 0x103E), (0x0040, 0xA730)} <= set(TAGS)


def test_every_identifier_of_the_table_is_gone(small):
    with pydicom.config.disable_value_validation():
        wanted = {"StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"}
        plant(small, [tag for tag in TAGS if keyword_for_tag(tag) not in wanted and tag[0] > 2])
        small.file_meta.SourceApplicationEntityTitle = PLANTED
        for group in range(0x6000, 0x6004, 2):
            small.add_new((group << 16) | 0x0022, "LO", PLANTED)
            small.add_new((group << 16) | 0x3000, "OW", PLANTED.encode())
        small.add_new(0x00090010, "LO", "LUNGSPOT TEST")
        small.add_new(0x00091001, "UT", PLANTED)
        small.PatientID = PLANTED
        data = as_bytes(small)
        assert data.count(PLANTED.encode()) > 300
        made = deidentified(data, KEY)
        result = as_bytes(made)
    for planted in (PLANTED, PLANTED_UID, PLANTED_DATE, PLANTED_TIME, "77.4242", "774242", "077Y"):
        assert planted.encode() not in result, planted
    assert np.float64(77.4242).tobytes() not in result
    assert np.float32(77.4242).tobytes() not in result
    kept = {(e.tag.group, e.tag.element): e for e in made.iterall()}
    assert [tag for tag in ACTIONS["X_TAGS"] if tag in kept] == []
    assert not [tag for tag in kept if tag[0] % 2 or 0x6000 <= tag[0] <= 0x60FF]
    old = {e.tag: e.value for e in small.iterall() if e.VR == "UI"}
    for tag in ACTIONS["U_TAGS"]:
        if tag in kept:
            assert kept[tag].value != old[pydicom.tag.Tag(tag)]
            assert kept[tag].value.startswith("2.25.")


def test_nothing_is_kept_that_is_not_named(small):
    made = deidentified(as_bytes(small), KEY)
    ours = {"PatientID", "PatientName", "SOPClassUID", "PatientIdentityRemoved", "DeidentificationMethod"}
    ours |= {"DeidentificationMethodCodeSequence", "LongitudinalTemporalInformationModified", "PixelData"}
    ours |= {"SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated", "BitsStored"}
    ours |= {"HighBit", "PixelRepresentation", "Laterality"}
    known = (
        ours
        | {*DATES, *EMPTY, *NUMBERS, *PADDING, *TABLES, *UIDS, *WORDS}
        | {k for of in EMPTY_OF.values() for k in of}
    )
    assert {element.keyword for element in made} <= known


def test_no_rule_keeps_what_the_table_removes():
    removed = {keyword_for_tag(tag) for tag in TAGS}
    assert {*NUMBERS, *PADDING, *WORDS, *TABLES} & removed == set()
    assert {*DATES, *UIDS} <= removed  # replaced, not kept


@pytest.mark.parametrize("name", ["UNCR", "J2KR"])
def test_the_picture_is_the_same_and_valid(rg1, name, dciodvfy, tmp_path):
    made = deidentified(rg1[name].read_bytes(), KEY)
    (tmp_path / "x.dcm").write_bytes(as_bytes(made))
    before, after = read(rg1[name]), read(tmp_path / "x.dcm")
    assert np.array_equal(before.pixels, after.pixels)
    assert (after.view, after.body_part, after.inverted) == (before.view, before.body_part, before.inverted)
    assert dciodvfy(tmp_path / "x.dcm") == []
    assert made.DeidentificationMethodCodeSequence[0].CodeValue == "113100"


def test_one_patient_stays_one_patient_and_days_keep_their_distance(small):
    later, other = deepcopy(small), deepcopy(small)
    later.StudyDate, later.SOPInstanceUID, later.PatientName = "20040905", "1.2.3.4", "Married^Now"
    other.PatientID = "someone else"
    first, second, third = (deidentified(as_bytes(each), KEY) for each in (small, later, other))
    assert first.PatientID == second.PatientID != third.PatientID
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID
    days = [date.fromisoformat(each.StudyDate) for each in (first, second)]
    assert days[1] - days[0] == date(2004, 9, 5) - date.fromisoformat(small.StudyDate)
    assert days[0] < date.fromisoformat(small.StudyDate)
    assert as_bytes(deidentified(as_bytes(small), KEY)) == as_bytes(first)
    elsewhere = deidentified(as_bytes(small), Pseudonyms(b"another secret key"))
    assert elsewhere.PatientID != first.PatientID
    assert elsewhere.SOPInstanceUID != first.SOPInstanceUID


@pytest.mark.parametrize("said", ["YES", "yes"])
def test_burned_in_annotation_is_refused_or_masked(small, said):
    with pydicom.config.disable_value_validation():
        small.BurnedInAnnotation = said
    with pytest.raises(FilmError) as refused:
        deidentified(as_bytes(small), KEY)
    assert refused.value.code == "BURNED_IN"
    made = deidentified(as_bytes(small), KEY, masks=[Box(10.5, 5, 20, 7.2), Box(60, 40, 900, 900)])
    before, after = small.pixel_array, made.pixel_array
    black = np.zeros(before.shape, bool)
    black[5:8, 10:20] = black[40:, 60:] = True
    assert (after[black] == before.max()).all()  # MONOCHROME1
    assert np.array_equal(after[~black], before[~black])
    assert made.BurnedInAnnotation == "NO"
    assert made.ImageType[0] == "DERIVED"
    assert "113101" in [code.CodeValue for code in made.DeidentificationMethodCodeSequence]
    assert np.array_equal(deidentified(as_bytes(small), KEY, pixels_checked=True).pixel_array, before)
    with pytest.raises(InputError, match="beside the film"):
        deidentified(as_bytes(small), KEY, masks=[Box(100, 0, 120, 10)])


def test_a_copy_of_a_film_may_show_anything(small):
    small.SOPClassUID = small.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    with pytest.raises(FilmError, match="copy of a film"):
        deidentified(as_bytes(small), KEY)
    small.BurnedInAnnotation = "NO"
    assert deidentified(as_bytes(small), KEY).BurnedInAnnotation == "NO"


def test_words_and_numbers_are_not_believed(small):
    with pydicom.config.disable_value_validation():
        small.BodyPartExamined, small.ViewPosition = "SMITH JOHN", "PA"
        small.ImageType = ["ORIGINAL", "PRIMARY", "JOHN SMITH"]
        small.WindowCenter = [15000, 3]
        small.LossyImageCompressionRatio = ["1"] * 9
        made = deidentified(as_bytes(small), KEY)
    assert made.BodyPartExamined in {None, ""}
    assert list(made.ImageType) == ["ORIGINAL", "PRIMARY"]
    assert made.ViewPosition == "PA"
    assert "LossyImageCompressionRatio" not in made
    assert "PixelSpacing" not in made  # 0 in the source


def test_tables_are_kept_without_their_words(small):
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [4, 0, 16])
    item.add_new("LUTData", "US", [0, 1, 2, 3])
    item.LUTExplanation = PLANTED
    small.VOILUTSequence = [item]
    made = deidentified(as_bytes(small), KEY)
    assert PLANTED not in str(made)
    kept = pydicom.dcmread(io.BytesIO(as_bytes(made))).VOILUTSequence[0]
    assert list(kept.LUTDescriptor) == [4, 0, 16]
    assert np.frombuffer(kept.LUTData, "<u2").tolist() == [0, 1, 2, 3]


def test_tables_are_valid_and_keep_inputs_below_zero(small, dciodvfy, tmp_path):
    item = Dataset()
    item.add_new("LUTDescriptor", "SS", [4, -2, 16])
    item.add_new("LUTData", "OW", np.array([0, 1, 2, 65535], "<u2").tobytes())
    item.ModalityLUTType = PLANTED
    small.VOILUTSequence, small.ModalityLUTSequence = [item], [item]
    for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
        small.pop(keyword, None)
    (tmp_path / "x.dcm").write_bytes(as_bytes(deidentified(as_bytes(small), KEY)))
    made = pydicom.dcmread(tmp_path / "x.dcm")
    assert list(made.VOILUTSequence[0].LUTDescriptor) == [4, -2, 16]
    assert made.ModalityLUTSequence[0].ModalityLUTType == "US"  # unspecified
    assert [line for line in dciodvfy(tmp_path / "x.dcm") if "ModalityLUTType" in line] == []


@pytest.mark.parametrize(
    ("signed", "given", "kept"),
    [(0, ("SS", -2000), 63536), (1, ("US", 63536), -2000), (0, ("US", 7), 7), (1, ("SS", -7), -7)],
)
def test_padding_of_the_wrong_sign_is_put_right(small, signed, given, kept):
    small.PixelRepresentation = signed
    small.add_new("PixelPaddingValue", *given)
    made = pydicom.dcmread(io.BytesIO(as_bytes(deidentified(as_bytes(small), KEY))))
    assert made.PixelPaddingValue == kept


def test_what_hides_in_unused_bits_is_gone(small):
    pixels = small.pixel_array.astype(np.uint16)
    small.PixelData = (pixels | 0x8000).tobytes()  # 15 bits are stored; the last may hold an overlay
    assert np.array_equal(deidentified(as_bytes(small), KEY).pixel_array, pixels)


def test_a_film_without_patient_or_uids_gets_both(small):
    for keyword in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "StudyDate"):
        delattr(small, keyword)
    made = deidentified(as_bytes(small), KEY)
    assert made.PatientID.startswith("LS")
    assert len({made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID}) == 3
    assert not made.StudyDate


def test_different_films_never_get_one_uid(small):
    """A UID with a leading zero, as some devices write it, and none at all."""
    made = []
    with pydicom.config.disable_value_validation():
        for number, uid in enumerate(("1.2.03", "1.2.04", "", "")):
            small.SOPInstanceUID = small.SeriesInstanceUID = uid
            small.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
            small.InstanceNumber = number
            made.append(deidentified(as_bytes(small), KEY))
    assert len({each.SOPInstanceUID for each in made}) == 4
    assert len({each.SeriesInstanceUID for each in made[:3]}) == 3
    assert made[2].SeriesInstanceUID == made[3].SeriesInstanceUID  # of one study


def test_an_issuer_alone_is_no_patient(small):
    made = []
    for study in ("1.2.3", "1.2.4"):
        small.PatientID, small.IssuerOfPatientID, small.StudyInstanceUID = "", "HOSPITAL", study
        made.append(deidentified(as_bytes(small), KEY).PatientID)
    assert made[0] != made[1]


def test_several_frames_and_short_keys_are_refused(small):
    small.NumberOfFrames = 2
    small.PixelData = small.PixelData * 2
    with pytest.raises(FilmError) as refused:
        deidentified(as_bytes(small), KEY)
    assert refused.value.code == "UNSUPPORTED"
    with pytest.raises(InputError):
        Pseudonyms(b"short")


def test_a_day_before_the_calendar_is_left_out():
    assert KEY.day("x", date(1, 1, 2)) is None


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["R", "F"], ["R", "F"]),
        (["la", "fp"], ["LA", "FP"]),
        ("R", ["R", ""]),
        (["L", "ZZSECRET"], None),
        (["ZZSECRET", "F"], None),
        (["L", "R"], None),
        (["L", "F", "ZZSECRET"], None),
    ],
)
def test_the_orientation_is_kept_whole_or_not_at_all(given, kept, small):
    with pydicom.config.disable_value_validation():
        small.PatientOrientation = given
        made = deidentified(as_bytes(small), KEY)
    assert (made.PatientOrientation or None) == kept
    assert read(as_bytes(made)).orientation == read(as_bytes(small)).orientation


def test_another_picture_under_one_uid_gets_another_uid(small):
    first = deidentified(as_bytes(small), KEY)
    masked = deidentified(as_bytes(small), KEY, masks=[Box(0, 0, 4, 4)])
    elsewhere = deidentified(as_bytes(small), KEY, masks=[Box(10, 10, 14, 14)])
    checked = deidentified(as_bytes(small), KEY, pixels_checked=True)
    corrected, mirrored, renamed = deepcopy(small), deepcopy(small), deepcopy(small)
    pixels = corrected.pixel_array.copy()
    pixels[20, 20] ^= 1
    corrected.PixelData = pixels.tobytes()
    mirrored.PatientOrientation = ["R", "F"]
    renamed.PatientName = "Other^Name"
    others = [deidentified(as_bytes(each), KEY) for each in (corrected, mirrored)]
    uids = [each.SOPInstanceUID for each in (first, masked, elsewhere, *others)]
    assert len(set(uids)) == 5
    assert all(each.StudyInstanceUID == first.StudyInstanceUID for each in (masked, elsewhere, *others))
    assert all(each.file_meta.MediaStorageSOPInstanceUID == each.SOPInstanceUID for each in (first, masked, *others))
    again = [deidentified(as_bytes(each), KEY) for each in (small, renamed)]
    assert {each.SOPInstanceUID for each in (*again, checked)} == {first.SOPInstanceUID}


def test_a_mask_over_what_is_black_already_is_another_picture(small):
    black = small.pixel_array.copy()
    black[:4, :4] = black.max()  # MONOCHROME1
    small.PixelData = black.tobytes()
    plain, masked = (
        deidentified(as_bytes(small), KEY),
        deidentified(as_bytes(small), KEY, masks=[Box(0, 0, 4, 4)]),
    )
    assert plain.PixelData == masked.PixelData
    assert plain.SOPInstanceUID != masked.SOPInstanceUID


def test_the_transfer_syntax_does_not_matter(rg1):
    raw, packed = (deidentified(rg1[name].read_bytes(), KEY) for name in ("UNCR", "J2KR"))
    pairs = [pydicom.dcmread(rg1[name], stop_before_pixels=True).SOPInstanceUID for name in ("UNCR", "J2KR")]
    assert (raw.SOPInstanceUID == packed.SOPInstanceUID) is (pairs[0] == pairs[1])
