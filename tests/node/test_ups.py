import pytest
from tests.node.worklist_manager import Manager, Server, one, scheduled

from lungspot.dicomweb import open_client
from lungspot.errors import InputError
from lungspot.node import ItemQuery
from lungspot.node.ups import UnifiedWorklist, inputs_of


def test_without_a_query_the_station_s_own_items_are_asked_for():
    assert ItemQuery.parse((), "CXR").filters == (("ScheduledStationNameCodeSequence.CodeValue", "CXR"),)


@pytest.mark.parametrize(
    "text", ["WorklistLabel", "WorklistLabel=", "=A", "UnifiedWorklist=A", "A.B=1", "ProcedureStepState=COMPLETED"]
)
def test_what_is_no_query(text):
    with pytest.raises(InputError, match="is no filter"):
        ItemQuery.parse([text], "LUNGSPOT")


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("WorklistLabel=CHEST", True),
        ("WorklistLabel=CH*", True),
        ("WorklistLabel=HEAD", False),
        ("ScheduledStationNameCodeSequence.CodeValue=LUNGSPOT", True),
        ("ScheduledStationNameCodeSequence.CodeValue=OTHER", False),
        ("PatientName=Doe*", True),
        ("PatientID=P1", False),  # not said
        ("ScheduledProcedureStepStartDateTime=20260101-", True),  # a range: the server's word
    ],
)
def test_an_item_is_held_against_the_query(text, holds):
    item = {**scheduled("1.2", []), "00100010": one({"Alphabetic": "Doe^Jane"}, "PN")}
    assert ItemQuery.parse([text], "LUNGSPOT").holds(item) is holds


def test_inputs_that_are_none_are_left_out(make_film):
    film = make_film(1)
    item = scheduled("1.2", [film])
    item["00404021"]["Value"] += [{}, {"0020000D": one("no uid", "UI")}, "text", {"0020000D": {"vr": "UI"}}]
    (found,) = inputs_of(item)
    assert (found.study, found.instance) == (film.StudyInstanceUID, film.SOPInstanceUID)
    assert inputs_of({"00404041": one("UNAVAILABLE", "CS")}) is None


def test_a_long_list_is_read_page_by_page():
    manager = Manager()
    for number in range(120):
        manager.add(scheduled(f"1.2.{number}", []))
    server = Server(manager)
    try:
        worklist = UnifiedWorklist(open_client(server.url, "--ups"), ItemQuery.parse((), "LUNGSPOT"))
        assert len(set(worklist.scheduled())) == 120
    finally:
        server.close()
