import warnings

import pydicom
import pytest

from lungspot.errors import DatasetError
from lungspot.findings import Frame
from lungspot.formats.films import Facts, dicom_facts, find_films
from lungspot.images import read
from lungspot.images.radiograph import Sex, View


def test_films_are_found_by_stem_whatever_their_extension(download):
    root = download({"b/x.JPG": "", "a/x.png": "", "a/deep/y.dcm": "", "a/z.txt": "", "a/.hidden.png": "", "a/png": ""})
    assert find_films([root]) == {"x": root / "a" / "x.png", "y": root / "a" / "deep" / "y.dcm"}
    assert find_films([root / "nowhere", root / "b", root])["x"] == root / "b" / "x.JPG"


def test_a_stem_may_hold_dots(download):
    root = download({"1.2.276.0.7230010.dcm": ""})
    assert list(find_films([root])) == ["1.2.276.0.7230010"]


def test_the_header_of_a_dicom_film_gives_size_and_view(rg1):
    assert dicom_facts(rg1["J2KR"]) == Facts(Frame(1841, 1955), "9RG1", View.PA, 64.48, Sex.FEMALE)


def test_other_films_say_nothing(tmp_path):
    assert dicom_facts(None) == dicom_facts(tmp_path / "a.png") == Facts()


def test_a_corrupted_dicom_film_is_one_line(download):
    root = download({"a.dcm": "not a film"})
    with pytest.raises(DatasetError, match=r"a\.dcm: DATASET_INCOMPLETE: not a DICOM film") as caught:
        dicom_facts(root / "a.dcm")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "known"),
    [
        ({"PatientAge": "000Y", "PatientBirthDate": "20240101", "StudyDate": "20240108"}, (0.02, Sex.FEMALE)),
        ({"PatientAge": "", "PatientBirthDate": "1960.01.01", "StudyDate": "20200101"}, (60.0, Sex.FEMALE)),
        ({"PatientAge": "045Y", "PatientSex": "Male"}, (45.0, Sex.MALE)),
    ],
)
def test_what_a_header_says_is_what_the_film_s_reader_says(rg1, tmp_path, changed, known):
    header = pydicom.dcmread(rg1["UNCR"])
    header.PatientSex = "F"
    path = tmp_path / "film.dcm"
    with pydicom.config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for keyword, value in changed.items():
            setattr(header, keyword, value)
        header.save_as(path)
    facts, film = dicom_facts(path), read(path)
    assert (facts.age_years, facts.sex) == (film.age_years, film.sex) == known
