import pytest

from lungspot.errors import FilmError
from lungspot.node.status import DimseStatus, Rejection, status_of


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("NOT_A_RADIOGRAPH", 0xA900),
        ("NO_PIXELS", 0xA900),
        ("NO_STUDY", 0xA900),
        ("BAD_HEADER", 0xC000),
        ("TRUNCATED", 0xC000),
        ("TOO_LARGE", 0xC000),
    ],
)
def test_a_refused_film_has_its_status(code, status):
    assert status_of(FilmError(code, None, "x")) == status


def test_statuses_are_those_of_the_standard():
    from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS  # noqa: PLC0415

    for status in DimseStatus:
        kind, _ = STORAGE_SERVICE_CLASS_STATUS[status]
        assert kind == ("Success" if status is DimseStatus.SUCCESS else "Failure")


def test_a_rejection_is_a_pdu():
    from pynetdicom.pdu import A_ASSOCIATE_RJ  # noqa: PLC0415

    for why in Rejection:
        pdu = A_ASSOCIATE_RJ()
        pdu.decode(why.pdu)
        assert (pdu.result, pdu.source, pdu.reason_diagnostic) == why.value
        assert pdu.reason_str.lower().replace("-", " ").replace("_", " ").startswith(why.name.lower().split("_")[0])
