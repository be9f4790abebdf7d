import dataclasses
import io
import logging
from copy import deepcopy
from datetime import UTC, datetime

import numpy as np
import pydicom
import pytest

from lungspot.detect import load_detector
from lungspot.errors import FilmError, InputError
from lungspot.images import Orientation, read_header
from lungspot.pipeline import analyze
from lungspot.report import DICOM_KINDS, SR_CLASSES, Refusal, dicom_bytes, dicom_results, fhir_bundle, read_sr

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def reread(data):
    return pydicom.dcmread(io.BytesIO(data))


def test_every_object_of_a_real_film_is_valid_and_comes_back(header, on, same, dciodvfy, dcmpschk, dsrdump, tmp_path):
    before = header.to_json_dict()
    result = on(header)
    made = dict(zip(DICOM_KINDS, dicom_results(header, result, kinds=DICOM_KINDS), strict=True))
    (made["sr2"],) = dicom_results(header, result, sr_class="comprehensive3d")
    assert header.to_json_dict() == before
    for kind, each in made.items():
        path = tmp_path / f"{kind}.dcm"
        path.write_bytes(dicom_bytes(each))
        assert dciodvfy(path) == [], kind
        assert path.read_bytes()[:132] == bytes(128) + b"DICM"
    assert dcmpschk(tmp_path / "gsps.dcm") == []
    for kind in ("sr", "sr2"):
        text = dsrdump(tmp_path / f"{kind}.dcm")
        assert "Imaging Measurement Report" in text
        assert "Research use only" in text
        back = read_sr(tmp_path / f"{kind}.dcm")
        assert same(back.reading, result.reading)
        assert (back.film, back.outcome, back.reasons) == (header.SOPInstanceUID, "assessed", ())


def test_objects_belong_to_the_film_s_patient_and_study_in_series_of_their_own(header, on):
    made = dicom_results(header, on(header), kinds=DICOM_KINDS)
    for each in map(reread, map(dicom_bytes, made)):
        assert each.StudyInstanceUID == header.StudyInstanceUID
        assert each.PatientID == (header.get("PatientID") or "")
        assert each.get("IssuerOfPatientID") == header.get("IssuerOfPatientID")  # who else has a patient of this id
        assert str(each.PatientName) == str(header.get("PatientName") or "")
        assert str(each.ReferringPhysicianName) == str(header.get("ReferringPhysicianName") or "")
        assert each.SeriesInstanceUID != header.SeriesInstanceUID
        assert each.Manufacturer == "lungspot"
        assert "Research use only" in each.SeriesDescription
        references = [e.value for e in each.iterall() if e.keyword == "ReferencedSOPInstanceUID"]
        assert set(references) == {header.SOPInstanceUID}
    assert len({each.SeriesInstanceUID for each in made}) == len({each.SOPInstanceUID for each in made}) == 4
    assert sorted(int(each.SeriesNumber) for each in made) == [9901, 9902, 9903, 9904]
    if "FrameOfReferenceUID" in header:
        assert made[3].FrameOfReferenceUID == header.FrameOfReferenceUID


def test_a_rerun_gives_the_same_objects_and_any_setting_gives_others(rg1_header, on):
    result = on(rg1_header)

    def uids(result, **how):
        (made,) = dicom_results(rg1_header, result, **how)
        tracked = [e.value for e in made.iterall() if e.tag == 0x0040A124]  # UIDs of content items
        return (made.SOPInstanceUID, made.SeriesInstanceUID, *tracked)

    usual = uids(result)
    assert uids(result) == usual
    assert all(pydicom.uid.UID(uid).is_valid for uid in usual)
    first, second = (dicom_bytes(dicom_results(rg1_header, result, now=NOW)[0]) for _ in range(2))
    assert first == second
    others = [
        dataclasses.replace(result, point="sensitive"),
        dataclasses.replace(result, min_score=0.1),
        dataclasses.replace(result, model=dataclasses.replace(result.model, sha256="c" * 64)),
        on(rg1_header, reasons=("LATERAL",)),
        Refusal("x", FilmError("TRUNCATED", "x", "ends early")),
    ]
    seen = {usual[0], uids(result, sr_class="comprehensive3d")[0], *(uids(other)[0] for other in others)}
    assert len(seen) == 2 + len(others)


def test_a_corrected_film_has_results_of_its_own(rg1_header, on):
    """One SOP Instance UID, other pixels or another orientation: no result of the one replaces the other's."""
    result = on(rg1_header)
    film = result.radiograph
    flipped = dataclasses.replace(film, pixels=np.ascontiguousarray(film.pixels[:, ::-1]))
    faced = dataclasses.replace(film, orientation=Orientation("R", "F"))
    stored = np.rint(film.pixels * np.float32(65535)).astype(np.uint16)  # as serve keeps it
    kept = dataclasses.replace(film, pixels=stored.astype(np.float32) / np.float32(65535))
    uids = []
    for each in (film, flipped, faced, kept):
        given = dataclasses.replace(result, radiograph=each)
        made = dicom_results(rg1_header, given, kinds=DICOM_KINDS)
        ids = {entry["fullUrl"] for entry in fhir_bundle(given, rg1_header)["entry"]}
        uids.append({uid for e in made for uid in (e.SOPInstanceUID, e.SeriesInstanceUID)} | ids)
    first, mirrored, faced_, again = uids
    assert first == again
    assert first.isdisjoint(mirrored | faced_)
    assert mirrored.isdisjoint(faced_)


@pytest.mark.parametrize("refused", [False, True])
@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientID", "other"),
        ("PatientName", "Other^Name"),
        ("PatientBirthDate", "19010203"),
        ("StudyInstanceUID", "1.2.3"),
        ("AccessionNumber", "other"),
        ("ImagerPixelSpacing", [0.5, 0.5]),
    ],
)
def test_a_film_whose_header_was_corrected_has_results_of_its_own(rg1_header, on, keyword, value, refused):
    """A report that says another name, or millimetres of another length, replaces none and is taken for none."""
    result = Refusal("x", FilmError("TRUNCATED", "x", "ends early")) if refused else on(rg1_header)
    other = deepcopy(rg1_header)
    setattr(other, keyword, value)
    kinds = ("sr",) if refused else DICOM_KINDS
    before, after = (dicom_results(of, result, kinds=kinds) for of in (rg1_header, other))
    assert len(before) == len(after) == len(kinds)
    assert {each.SOPInstanceUID for each in before}.isdisjoint(each.SOPInstanceUID for each in after)


def test_a_film_that_is_not_assessed_says_why_and_gives_no_score(rg1_header, on, dciodvfy, tmp_path):
    refused = on(rg1_header, reasons=("LATERAL", "BLANK"))
    unread = Refusal("x", FilmError("NOT_DECODABLE", "x", "bad"))
    for result, kinds, outcome, reasons in (
        (refused, ["SR", "OT"], "refused", ("LATERAL", "BLANK")),
        (unread, ["SR"], "failed", ("NOT_DECODABLE",)),
    ):
        made = dicom_results(rg1_header, result, kinds=DICOM_KINDS)
        assert [each.Modality for each in made] == kinds
        for number, each in enumerate(made):
            (tmp_path / f"{number}.dcm").write_bytes(dicom_bytes(each))
            assert dciodvfy(tmp_path / f"{number}.dcm") == []
        back = read_sr(dicom_bytes(made[0]))
        assert (back.outcome, back.reasons, back.reading) == (outcome, reasons, None)
        assert "Probability" not in str(made[0])
        assert made[0].CompletionFlag == "PARTIAL"


def test_nothing_found_is_told_from_not_looked(rg1_header, on):
    (made,) = dicom_results(rg1_header, on(rg1_header, boxes=()))
    back = read_sr(made)
    assert back.outcome == "assessed"
    assert set(back.reading.states.values()) == {"absent"}
    assert "without findings" in str(made)
    assert dicom_results(rg1_header, on(rg1_header, boxes=()), kinds=("seg",)) == ()


@pytest.mark.parametrize("name", ["RG1_J2KR", "gdcm-CR-MONO1-10-chest", "nih_dx_implicit_vr"])
def test_the_whole_path_from_a_real_film_by_the_detector_that_ships(
    name, rg1, request, same, as_said, dciodvfy, tmp_path
):
    public = name.startswith("RG1")
    path = rg1["J2KR"] if public else request.getfixturevalue("shared_data") / "dicom" / f"{name}.dcm"
    result = analyze(path, load_detector(threads=1), min_score=0.2)
    assert result.assessed
    for each in dicom_results(read_header(path), result, kinds=DICOM_KINDS):
        (tmp_path / f"{each.Modality}.dcm").write_bytes(dicom_bytes(each))
        assert dciodvfy(tmp_path / f"{each.Modality}.dcm") == []
    assert same(read_sr(tmp_path / "SR.dcm").reading, as_said(result))


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"])
@pytest.mark.parametrize("value", [None, "", "../../etc/x", "1.2.3." + "4" * 64])
def test_a_film_without_a_study_of_its_own_is_refused(rg1_header, on, keyword, value):
    result = on(rg1_header)
    del rg1_header[keyword]
    if value is not None:
        with pydicom.config.disable_value_validation():
            setattr(rg1_header, keyword, value)
    with pytest.raises(FilmError) as refused:
        dicom_results(rg1_header, result)
    assert refused.value.code == "NO_STUDY"


def test_uids_with_a_leading_zero_are_taken_as_they_stand(rg1_header, on):
    """Some devices write them; a node that takes their films must be able to answer."""
    with pydicom.config.disable_value_validation():
        rg1_header.StudyInstanceUID, rg1_header.SeriesInstanceUID, rg1_header.SOPInstanceUID = (
            "1.02.3",
            "1.02.4",
            "1.02.5",
        )
        made = dicom_results(rg1_header, on(rg1_header), kinds=DICOM_KINDS)
        assert [reread(dicom_bytes(each)).StudyInstanceUID for each in made] == ["1.02.3"] * 4
        assert read_sr(dicom_bytes(made[0])).film == "1.02.5"


def test_a_header_of_another_film_is_refused(rg1_header, on):
    result = on(rg1_header)
    rg1_header.SOPInstanceUID = "1.2.3"
    with pytest.raises(InputError, match="another film"):
        dicom_results(rg1_header, result)


@pytest.mark.parametrize("how", [{"kinds": ("sr", "pdf")}, {"sr_class": "basic"}])
def test_what_nobody_makes_is_refused(rg1_header, on, how):
    with pytest.raises(InputError):
        dicom_results(rg1_header, on(rg1_header), **how)


def test_damaged_values_stay_behind_and_no_name_reaches_a_log(rg1_header, on, caplog, dciodvfy, tmp_path):
    result = on(rg1_header)
    with pydicom.config.disable_value_validation():
        rg1_header.PatientName, rg1_header.ReferringPhysicianName = "Secret^Name^a^b^c^d^e", "Secret"
        rg1_header.PatientBirthDate, rg1_header.StudyDate, rg1_header.StudyTime = "19.3.1940", "20040899", "late"
        rg1_header.PatientSex, rg1_header.AccessionNumber = "WOMAN", "x" * 40
        rg1_header.PatientOrientation, rg1_header.ImagerPixelSpacing = ["?", "F"], [0, 0]
    with caplog.at_level(logging.DEBUG):
        made = dicom_results(rg1_header, result, kinds=DICOM_KINDS)
    assert "Secret" not in caplog.text
    for number, each in enumerate(made):
        for keyword in ("PatientBirthDate", "StudyDate", "StudyTime", "PatientSex", "AccessionNumber"):
            assert keyword in each
            assert not each[keyword].value
        assert "Secret" in str(each.PatientName)
        (tmp_path / f"{number}.dcm").write_bytes(dicom_bytes(each))
        assert [line for line in dciodvfy(tmp_path / f"{number}.dcm") if "PatientName" not in line] == []


@pytest.mark.parametrize(
    ("sop_class", "frames"), [("1.2.840.10008.5.1.4.1.1.1", 3), ("1.2.840.10008.5.1.4.1.1.7.3", 1)]
)
def test_of_several_frames_the_first_is_meant(rg1_header, on, sop_class, frames):
    rg1_header.SOPClassUID, rg1_header.NumberOfFrames = sop_class, frames
    made = dicom_results(rg1_header, on(rg1_header), kinds=DICOM_KINDS)
    assert [each.Modality for each in made] == ["SR", "OT"]
    frames = {int(e.value) for e in made[0].iterall() if e.keyword == "ReferencedFrameNumber"}
    assert frames == {1}


@pytest.mark.parametrize(
    "values",
    [
        {"PatientID": ["a", "b"], "PatientName": "a=b=c=d=e", "AccessionNumber": ["1", "2"]},
        {"PatientName": "\udcffa\x07\n", "PatientSex": ["M", "F"], "StudyTime": "120000.1234567"},
        {"PatientOrientation": ["LFA", "F"], "ImagerPixelSpacing": [1e-300, 1e300]},
        {"PatientOrientation": ["LR", "FH"], "PatientBirthDate": ["19400101", "19500101"]},
        {"WindowCenter": 1e300, "WindowWidth": 1e300, "RescaleSlope": "0", "FrameOfReferenceUID": "x"},
    ],
)
def test_strange_values_stop_nothing(rg1_header, on, values):
    result = on(rg1_header)
    with pydicom.config.disable_value_validation():
        for keyword, value in values.items():
            setattr(rg1_header, keyword, value)
    made = dicom_results(rg1_header, result, kinds=DICOM_KINDS)
    assert [reread(dicom_bytes(each)).Modality for each in made] == ["SR", "PR", "OT", "SEG"]


def test_every_class_has_its_name(rg1_header, on):
    classes = [dicom_results(rg1_header, on(rg1_header), sr_class=name)[0].SOPClassUID.name for name in SR_CLASSES]
    assert classes == ["Comprehensive SR Storage", "Comprehensive 3D SR Storage"]


def test_the_times_of_making_agree(rg1_header, on):
    for each in dicom_results(rg1_header, on(rg1_header), kinds=DICOM_KINDS, now=NOW):
        made = [str(e.value) for e in each if e.VR in {"DA", "TM"} and "Study" not in e.keyword]
        assert set(made) - {str(each.PatientBirthDate)} == {"20260102", "030405"}
        assert np.isfinite(float(each.SeriesTime))
