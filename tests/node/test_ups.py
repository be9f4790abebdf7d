import pytest
import requests
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
        ("ScheduledProcedureStepLocation=CHEST [1]", True),  # a bracket is one
        ("ScheduledProcedureStepLocation=CHEST [12]", False),
        ("ScheduledStationNameCodeSequence.CodeValue=LUNGSPOT", True),
        ("ScheduledStationNameCodeSequence.CodeValue=OTHER", False),
        ("PatientName=Doe*", True),
        ("PatientID=P1", False),  # not said
        ("ScheduledProcedureStepStartDateTime=20260101-", True),  # a range: the server's word
    ],
)
def test_an_item_is_held_against_the_query(text, holds):
    more = {"00100010": one({"Alphabetic": "Doe^Jane"}, "PN"), "00400011": one("CHEST [1]", "SH")}
    item = {**scheduled("1.2", []), **more}
    assert ItemQuery.parse([text], "LUNGSPOT").holds(item) is holds


def test_inputs_that_are_none_are_left_out(make_film):
    film = make_film(1)
    item = scheduled("1.2", [film])
    item["00404021"]["Value"] += [{}, {"0020000D": one("no uid", "UI")}, "text", {"0020000D": {"vr": "UI"}}]
    (found,) = inputs_of(item)
    assert (found.study, found.instance) == (film.StudyInstanceUID, film.SOPInstanceUID)
    assert inputs_of({"00404041": one("UNAVAILABLE", "CS")}) is None


@pytest.mark.parametrize("value", [None, "", "READY"])
def test_an_item_that_says_nothing_of_its_inputs_is_ready(make_film, value):
    """DICOM JSON writes an empty value as null, which was read as the word None."""
    item = {**scheduled("1.2", [make_film(1)]), "00404041": one(value, "CS")}
    assert len(list(inputs_of(item))) == 1
    del item["00404041"]["Value"]
    assert len(list(inputs_of(item))) == 1


@pytest.mark.parametrize("empty", [None, {"Alphabetic": None}, {}])
def test_a_null_is_no_word(empty):
    item = {**scheduled("1.2", []), "00100010": one(empty, "PN")}
    assert not ItemQuery.parse(["PatientName=None"], "LUNGSPOT").holds(item)


@pytest.mark.parametrize("requester", ["", "LUNG%20SPOT"])
def test_a_server_is_asked_for_states_where_it_takes_them(manager, order, serve, requester):
    """dcm4chee has `…/state/REQUESTER` only."""
    uids, server = [order(1), order(2)], serve()
    manager.requester = requester
    named = UnifiedWorklist(open_client(server.url, "--ups"), ItemQuery.parse((), "A"), "LUNG SPOT")
    assert [named.change_state(uid, "IN PROGRESS", "1.2").status for uid in uids] == [200, 200]
    assert manager.asked["PUT", "workitems"] == (3 if requester else 2)  # asked once at the other address
    assert named.change_state(uids[0], "IN PROGRESS", "1.3").status == 409
    unnamed = UnifiedWorklist(open_client(server.url, "--ups"), ItemQuery.parse((), "A"))
    assert unnamed.change_state(uids[0], "IN PROGRESS", "1.3").status == (404 if requester else 409)


def test_an_item_that_is_gone_is_gone_at_either_address(manager, serve):
    named = UnifiedWorklist(open_client(serve().url, "--ups"), ItemQuery.parse((), "A"), "LUNGSPOT")
    assert [named.change_state("1.2.3", "IN PROGRESS", "1.2").status for _ in range(2)] == [404, 404]
    assert manager.asked["PUT", "workitems"] == 4
    assert named.named == set()


class Router:
    """Answers 400, or the code given, at the address with a name, which it does not have; one item is gone."""

    base_url = "http://archive"

    def __init__(self, unknown):
        self.unknown = unknown

    def ask(self, _method, path, _headers, _body=None):
        answer = requests.Response()
        answer.status_code = self.unknown if path.endswith("/LUNGSPOT") else 404 if "1.2.3" in path else 200
        return answer


@pytest.mark.parametrize("unknown", [400, 409, 401, 503])
def test_an_item_that_is_gone_teaches_no_other_address(unknown):
    named = UnifiedWorklist(Router(unknown), ItemQuery.parse((), "A"), "LUNGSPOT")
    assert named.change_state("1.2.3", "IN PROGRESS", "1.2").status == 404
    assert named.change_state("1.2.4", "IN PROGRESS", "1.2").status == 200


@pytest.fixture
def worklist():
    """A work list of 260 items, the most urgent last, of which nobody's and unready ones are the first."""
    manager = Manager()
    for number in range(260):
        urgent, ready = one("HIGH" if number > 250 else "LOW", "CS"), one("READY" if number > 4 else "INCOMPLETE", "CS")
        manager.add(scheduled(f"1.2.{number}", [], t00741200=urgent, t00404041=ready))
    server = Server(manager)
    yield UnifiedWorklist(open_client(server.url, "--ups"), ItemQuery.parse((), "LUNGSPOT"))
    server.close()


def test_a_long_list_is_read_page_by_page_and_its_most_urgent_taken(worklist):
    found = worklist.scheduled()
    assert found[:9] == [f"1.2.{number}" for number in range(251, 260)]
    assert len(set(found)) == 200
    assert found[9] == "1.2.5"  # what is not ready takes nobody's place


def test_items_that_were_passed_by_take_nobodys_place(worklist):
    first = worklist.scheduled()
    rest = worklist.scheduled(without=set(first))
    assert sorted((*first, *rest)) == sorted(f"1.2.{number}" for number in range(5, 260))
