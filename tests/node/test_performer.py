"""Work items performed: by a whole node against a strict server, and step by step where something comes between."""

import threading
from dataclasses import replace

import pytest
from pydicom.uid import CTImageStorage, generate_uid
from tests.node.worklist_manager import Manager, Server, first, one, scheduled, values

from lungspot.dicomweb import open_client
from lungspot.node import AuditLog, Certificates, FilmFilter, ItemQuery, Spool
from lungspot.node.context import NodeContext
from lungspot.node.performed import by_dicom, by_wado
from lungspot.node.performer import Performer, perform
from lungspot.node.ups import UnifiedWorklist

CLAIM, COMPLETE, CANCEL = ("SCHEDULED", "IN PROGRESS"), ("IN PROGRESS", "COMPLETED"), ("IN PROGRESS", "CANCELED")


@pytest.fixture
def manager():
    return Manager()


@pytest.fixture
def serve(manager):
    """A function that serves the manager's items; ends with the test."""
    running = []

    def start(**how):
        running.append(Server(manager, **how))
        return running[-1]

    yield start
    for server in running:
        server.close()


@pytest.fixture
def order(manager, make_film):
    """A function that schedules an item about films that the archive has; returns its UID."""

    def schedule(number, *films, **more):
        uid = f"1.2.3.{number}"
        for film in films or (made := (make_film(number),)):
            manager.add_film(film)
        manager.add(scheduled(uid, films or made, **more))
        return uid

    return schedule


@pytest.fixture
def node_of(start_node):
    """A function that runs a node once against a work list; returns the node when it has ended."""

    def run(server, **changes):
        given = {"rules": (), "send_to": None, "ups": server.url, "once": True, "every": 1.0}
        node = start_node(**{**given, **changes})
        counts = node.wait()
        assert isinstance(counts, dict), counts
        return node

    return run


@pytest.fixture
def performer_of(tmp_path, monkeypatch):
    """A function that opens a spool (the same each time) as a node does at its start, and a performer with it."""
    monkeypatch.setattr("lungspot.node.performer.back_off", lambda _: 0.0)
    monkeypatch.setattr("lungspot.node.workitems.back_off", lambda _: 0.0)
    monkeypatch.setattr("lungspot.node.performer._PAUSE_SECONDS", 0.01)
    opened = []

    def start(server, **changes):
        while opened:
            opened.pop().close()
        spool = Spool(tmp_path / "steps")
        audit = AuditLog(tmp_path / "steps" / "audit.jsonl", source="LUNGSPOT")
        opened.extend((spool, audit))
        context = NodeContext(spool, audit, threading.Event())
        client = open_client(server.url, "--ups")
        worklist = UnifiedWorklist(client, ItemQuery.parse((), "LUNGSPOT"))
        return replace(Performer(context, worklist, client, "LUNGSPOT", by_wado(server.url)), **changes)

    yield start
    for each in opened:
        each.close()


def read(performer, *, results=True):
    """Stand in for worker and sender: every film in the spool is read, and its results are sent."""
    spool = performer.context.spool
    from lungspot.node.workitems import Reference  # noqa: PLC0415

    while (job := spool.claim()) is not None:
        outputs = (
            [Reference(job.study, "1.9", "1.2.840.10008.5.1.4.1.1.88.33", generate_uid(entropy_srcs=[job.instance]))]
            if results
            else []
        )
        spool.keep_results(job, [b"result"], outputs)
        spool.sent(job)


def outputs(item):
    done = first(item, "00741216")
    return [first(each, "00081155") for entry in values(done, "00404033") for each in values(entry, "00081199")]


def test_items_are_claimed_read_and_completed_with_what_was_stored(manager, order, serve, node_of, make_film):
    one_film, two = order(1), order(2, make_film(2), make_film(3))
    server = serve()
    node = node_of(server)
    assert manager.states() == {"COMPLETED": 2}
    assert sorted(manager.transitions) == sorted((uid, *step) for uid in (one_film, two) for step in (CLAIM, COMPLETE))
    assert sorted(manager.held) == sorted(outputs(manager.items[one_film]) + outputs(manager.items[two]))
    assert len(manager.held) == 3
    assert set(manager.stored.values()) == {1}
    done = first(manager.items[two], "00741216")
    assert done["00404019"] == manager.items[two]["00404018"]  # what was asked for was performed
    assert first(first(done, "00404028"), "00080100") == "LUNGSPOT"
    assert first(done, "00404050") <= first(done, "00404051")
    entry = first(done, "00404033")
    where = f"{server.url}/studies/{first(entry, '0020000D')}/series/{first(entry, '0020000E')}"
    assert first(first(entry, "0040E025"), "00081190") == where
    said = [first(change["00741002"]["Value"][0], "00741004") for uid, change in manager.updates if uid == two]
    assert [float(each) for each in said] == sorted(float(each) for each in said)
    assert float(said[-1]) == 100
    events = [(line["event"]["code"], line["what"].get("state")) for line in node.audit()]
    assert events.count(("110111", "IN PROGRESS")) == events.count(("110111", "COMPLETED")) == 2


def test_the_urgent_and_the_early_come_first(manager, order, serve, performer_of):
    late = order(1, t00404005=one("20260102", "DT"))
    early = order(2)
    urgent = order(3, t00741200=one("HIGH", "CS"))
    low = order(4, t00741200=one("LOW", "CS"))
    assert performer_of(serve()).worklist.scheduled() == [urgent, early, late, low]
    assert manager.states() == {"SCHEDULED": 4}


def test_other_performers_items_are_left_alone(manager, order, serve, performer_of):
    ours, others = order(1), order(2, station="OTHER")
    unready = order(3, t00404041=one("INCOMPLETE", "CS"))
    manager.ignores_filters = True  # a server may leave out what it cannot match
    performer = performer_of(serve())
    assert [performer.consider(uid) for uid in performer.worklist.scheduled()] == [True, False, False]
    assert {uid: manager.state(uid) for uid in (others, unready)} == dict.fromkeys((others, unready), "SCHEDULED")
    assert manager.transitions == [(ours, *CLAIM)]


@pytest.mark.parametrize(
    ("films", "changes", "code", "says"),
    [
        (0, {}, "110522", "names no radiograph"),
        (1, {"SOPClassUID": CTImageStorage}, "110522", "names no radiograph"),
        (1, {"BodyPartExamined": "ANKLE"}, "110522", "passed over"),
    ],
)
def test_an_item_without_a_result_is_canceled_and_says_why(
    films, changes, code, says, manager, order, serve, node_of, make_film, make_settings
):
    uid = order(1, *(make_film(number, **changes) for number in range(films)))
    if not films:
        manager.items[uid]["00404021"]["Value"] = []
    results = replace(make_settings().results, films=FilmFilter.parse([], ["body=ANKLE"]))
    node_of(serve(), results=results)
    assert manager.transitions == [(uid, *CLAIM), (uid, *CANCEL)]
    step = first(manager.items[uid], "00741002")
    assert says in first(step, "00741238")
    assert first(first(step, "0074100E"), "00080100") == code
    assert manager.held == {}


def test_a_film_that_cannot_be_had_is_asked_for_again_and_then_said(manager, order, serve, performer_of, make_film):
    films = [make_film(1), make_film(2)]
    both, none = order(1, *films), order(2, make_film(3))
    del manager.films[films[0].SOPInstanceUID], manager.films[make_film(3).SOPInstanceUID]
    performer = performer_of(serve())
    for uid in (both, none):
        performer.consider(uid)
    for _ in range(9):
        for item in performer.context.spool.items.due(performer.worklist.name):
            performer.advance(item)
        read(performer)
    assert (manager.state(both), manager.state(none)) == ("COMPLETED", "CANCELED")
    assert first(first(manager.items[both], "00741216"), "00400280") == "no result of 1 of 2 films: NOT_GIVEN"
    assert first(first(first(manager.items[none], "00741002"), "0074100E"), "00080100") == "110523"
    assert manager.asked["GET", "studies"] == 2 * 5 + 5  # in half a minute, then it is believed


def test_a_series_stands_for_its_films(manager, order, serve, performer_of, make_film):
    series = "1.2.9"
    uid = order(1, *(make_film(number, StudyInstanceUID="1.2.8", SeriesInstanceUID=series) for number in (1, 2)))
    first(manager.items[uid], "00404021")["00081199"] = {"vr": "SQ"}
    performer = performer_of(serve())
    performer.consider(uid)
    assert performer.context.spool.counts()["received"] == 2


def test_one_film_of_two_items_is_read_once_and_told_of_both(manager, order, serve, node_of, make_film):
    film = make_film(1)
    uids = [order(number, film) for number in (1, 2)]
    node = node_of(serve())
    assert manager.states() == {"COMPLETED": 2}
    assert [outputs(manager.items[uid]) for uid in uids] == [list(manager.held)] * 2
    assert len(node.says("read, 1 result")) == 1


# --- what comes between ---------------------------------------------------------------------------------------------


def test_a_claim_whose_answer_was_lost_is_known_again_by_its_lock(manager, order, serve, performer_of):
    uid = order(1)
    server = serve()
    performer = performer_of(server)
    items = performer.context.spool.items
    items.begin(uid, performer.worklist.name, "1.2.99")
    assert performer.worklist.change_state(uid, "IN PROGRESS", "1.2.99")  # and the node was killed
    performer = performer_of(server)
    (item,) = performer.context.spool.items.due(performer.worklist.name)
    assert (item.state, item.transaction) == ("claiming", "1.2.99")
    assert performer.advance(item)
    read(performer)
    assert performer.advance(performer.context.spool.items.get(uid))
    assert manager.transitions == [(uid, *CLAIM), (uid, *COMPLETE)]


def test_a_claim_that_another_won_is_forgotten(manager, order, serve, performer_of):
    uid = order(1)
    performer = performer_of(serve())
    performer.context.spool.items.begin(uid, performer.worklist.name, "1.2.99")
    assert performer.worklist.change_state(uid, "IN PROGRESS", "1.2.1")  # somebody else's
    (item,) = performer.context.spool.items.due(performer.worklist.name)
    assert not performer.advance(item)
    assert not performer.context.spool.items.knows(uid)
    assert manager.transitions == [(uid, *CLAIM)]
    assert manager.updates == []


@pytest.mark.parametrize("results", [True, False])
def test_an_item_that_was_closed_before_a_crash_is_not_closed_again(manager, order, serve, performer_of, results):
    uid, server = order(1), serve()
    performer = performer_of(server)
    performer.consider(uid)
    read(performer, results=results)
    transaction = performer.context.spool.items.get(uid).transaction
    manager.broken["PUT", "state"] = 503  # the last request is not answered …
    performer.advance(performer.context.spool.items.get(uid))
    assert performer.context.spool.items.get(uid).state == ("completing" if results else "canceling")
    manager.broken.clear()
    state = "COMPLETED" if results else "CANCELED"
    assert performer.worklist.change_state(uid, state, transaction)  # … but it came through
    performer = performer_of(server)
    performer.advance(performer.context.spool.items.get(uid))
    assert performer.context.spool.items.get(uid) is None
    assert [step for _, *step in manager.transitions] == [list(CLAIM), ["IN PROGRESS", state]]
    assert not performer.consider(uid)


def test_an_item_that_its_manager_canceled_is_let_go(manager, order, serve, performer_of, lines):
    during, before_end = order(1), order(2)
    performer = performer_of(serve())
    for uid in (during, before_end):
        performer.consider(uid)
    manager.cancel(during)
    performer.told.clear()
    performer.advance(performer.context.spool.items.get(during))
    read(performer)
    manager.cancel(before_end)
    performer.advance(performer.context.spool.items.get(before_end))
    assert performer.context.spool.items.open(performer.worklist.name) == []
    assert len([line for line in lines if "this node's no more: it is CANCELED" in line]) == 2
    assert performer.context.tally.all()["items_lost"] == 2


def test_a_work_list_that_refuses_the_end_is_told_again_and_then_set_aside(manager, order, serve, performer_of, lines):
    uid = order(1)
    performer = performer_of(serve())
    performer.consider(uid)
    read(performer)
    manager.broken["PUT", "state"] = 409
    for _ in range(20):
        for item in performer.context.spool.items.due(performer.worklist.name):
            performer.advance(item)
    assert performer.context.spool.items.counts() == {"open": 0, "failed": 1}
    assert any("set aside" in line for line in lines)
    manager.broken.clear()
    performer.context.spool.retry_failed()
    performer.advance(performer.context.spool.items.get(uid))
    assert manager.state(uid) == "COMPLETED"


def test_a_server_that_is_down_costs_no_item_its_attempts(manager, order, serve, performer_of, lines):
    sick, well = order(1), order(2)
    performer = performer_of(serve())
    manager.broken["GET", sick] = 500
    performer.context.spool.items.begin(sick, performer.worklist.name, "1.2.1")
    for _ in range(30):
        for item in performer.context.spool.items.due(performer.worklist.name):
            performer.advance(item)
    performer.consider(well)
    found = performer.context.spool.items.open(performer.worklist.name)
    assert {item.uid: (item.state, item.attempts) for item in found} == {
        sick: ("claimed", 0),
        well: ("performing", 0),
    }  # and it holds up nobody
    assert any("HTTP 500; next attempt in" in line for line in lines)


def test_answers_that_are_none_do_not_end_it(manager, order, serve, performer_of, monkeypatch, lines):
    order(1)
    performer = performer_of(serve())
    answers = iter([(200, {}, b"<html>"), (302, {"Location": "http://127.0.0.1:1/"}, b"")])
    real = manager.answer
    monkeypatch.setattr(manager, "answer", lambda *request: next(answers, None) or real(*request))
    monkeypatch.setattr("lungspot.node.performer._AT_ONCE", 1)
    thread = threading.Thread(target=perform, args=(performer,), kwargs={"every": 0.01, "once": True})
    thread.start()
    while thread.is_alive():
        read(performer)
        thread.join(0.05)
    assert manager.states() == {"COMPLETED": 1}
    assert len([line for line in lines if "next attempt in" in line]) == 2


def test_token_and_tls_of_the_hospital(manager, order, serve, node_of, certificates, monkeypatch):
    uid, at = order(1), certificates.joinpath
    header = "Bearer seven"
    monkeypatch.setenv("LUNGSPOT_DICOMWEB_AUTHORIZATION", header)
    server = serve(token=header, certificate=(at("node.pem"), at("node.key")))
    ours = Certificates(at("node.pem"), at("node.key"), at("ca.pem"))
    node_of(server, certificates=ours, tls_out=True)
    assert manager.state(uid) == "COMPLETED"


def test_results_that_go_by_c_store_say_whose_they_are(manager, order, serve, performer_of):
    uid = order(1)
    performer = performer_of(serve(), retrieval=by_dicom("ARCHIVE"))
    performer.consider(uid)
    read(performer)
    performer.advance(performer.context.spool.items.get(uid))
    entry = first(first(manager.items[uid], "00741216"), "00404033")
    assert first(first(entry, "0040E021"), "00080054") == "ARCHIVE"
