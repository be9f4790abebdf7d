import pytest
from pydicom.dataset import Dataset

from lungspot.report import days_between, newest_earlier, whose, why_not


def film(uid="1", patient="P", day="20250110", clock="101500", **more):
    header = Dataset()
    header.SOPInstanceUID, header.PatientID, header.StudyDate, header.StudyTime = uid, patient, day, clock
    for name, value in more.items():
        setattr(header, name, value)
    return whose(header)


NOW = film()


@pytest.mark.parametrize(
    ("other", "given", "reason"),
    [
        (film("2", day="20241231"), False, ""),
        (film("2", clock="091500.25"), False, ""),
        (film("2", day="20250110", AcquisitionDate="20250110", AcquisitionTime="0959"), False, ""),
        (NOW, True, "the same film"),
        (film("2", patient="Q", day="20241231"), True, "another patient"),
        (film("2", day="20241231", IssuerOfPatientID="B"), False, ""),
        (film("2", day="20250111"), True, "a later film"),
        (film("2", clock="111500"), True, "a later film"),
        (film("2"), False, "nothing says which is the earlier"),
        (film("2"), True, ""),
        (film("2", clock=""), False, "nothing says which is the earlier"),
        (film("2", clock="10"), False, "nothing says which is the earlier"),
        (film("2", clock=""), True, ""),
        (film("2", patient="", day="20241231"), True, "nothing says whose it is"),
        (film("2", day=""), False, "nothing says when it was taken"),
        (film("2", day=""), True, ""),
    ],
)
def test_a_film_is_compared_or_it_is_said_why_not(other, given, reason):
    assert why_not(NOW, other, given=given) == reason


def test_headers_that_speak_against_each_other_are_not_overruled():
    born = film(PatientBirthDate="19500101", IssuerOfPatientID="A")
    assert why_not(born, film("2", day="20240101", PatientBirthDate="19500102"), given=True) == "another date of birth"
    assert why_not(born, film("2", day="20240101", IssuerOfPatientID="B"), given=True) == "another patient"
    nobody = film("3", patient="", day="")
    assert why_not(nobody, film("2", patient="", day=""), given=True) == ""
    assert why_not(nobody, film("2", patient="", day=""), given=False) == "nothing says whose it is"


def test_the_newest_earlier_film_comes_first_and_the_others_are_counted():
    others = [film("2", day="20240101"), film("3", day="20250101"), film("4", patient="Q"), film("5", day="20260101")]
    found, reasons = newest_earlier(NOW, [(each, each.film) for each in others])
    assert found == ["3", "2"]
    assert reasons == {"another patient": 1, "a later film": 1}
    picture = film("2", patient="", day="")
    assert newest_earlier(NOW, [(picture, 1)]) == ([], {"nothing says whose it is": 1})
    nobody = film("3", patient="", day="")
    assert newest_earlier(nobody, [(picture, 1)]) == ([], {"nothing says whose it is": 1})
    assert newest_earlier(nobody, [(picture, 1)], given=True) == ([1], {})
    assert days_between(NOW, others[1]) == 9
    assert days_between(NOW, film("2", day="")) is None
