import pytest

from lungspot.errors import DatasetError
from lungspot.findings import Frame
from lungspot.formats.films import Facts, dicom_facts, find_films
from lungspot.images.radiograph import Sex, View


def test_films_are_found_by_stem_whatever_their_extension(download):
    root = download({"b/x.JPG": "", "a/x.png": "", "a/deep/y.dcm": "", "a/z.txt": "", "a/.hidden.png": "", "a/png": ""})
    assert find_films([root]) == {"x": root / "a" / "x.png", "y": root / "a" / "deep" / "y.dcm"}
    assert find_films([root / "nowhere", root / "b", root])["x"] == root / "b" / "x.JPG"


def test_a_stem_may_hold_dots(download):
    root = download({"1.2.276.0.7230010.dcm": ""})
    assert list(find_films([root])) == ["1.2.276.0.7230010"]


def test_the_header_of_a_dicom_film_gives_size_and_view(rg1):
    assert dicom_facts(rg1["J2KR"]) == Facts(Frame(1841, 1955), "9RG1", View.PA, None, Sex.FEMALE)


def test_other_films_say_nothing(tmp_path):
    assert dicom_facts(None) == dicom_facts(tmp_path / "a.png") == Facts()


def test_a_corrupted_dicom_film_is_one_line(download):
    root = download({"a.dcm": "not a film"})
    with pytest.raises(DatasetError, match=r"a\.dcm: DATASET_INCOMPLETE: not a DICOM film") as caught:
        dicom_facts(root / "a.dcm")
    assert "\n" not in str(caught.value)
