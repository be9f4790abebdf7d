"""Work items performed: by a whole node against a strict server, and step by step."""

import threading
from dataclasses import replace

import pytest
from pydicom.uid import CTImageStorage
from tests.node.worklist_manager import CANCEL, CLAIM, COMPLETE, first, one, outputs, read, values

from lungspot import __version__
from lungspot.node import Certificates, FilmFilter
from lungspot.node.performed import NO_SUCH_KIND, NOT_GIVEN, by_dicom, why_nothing
from lungspot.node.performer import perform
from lungspot.node.workitems import ItemFilm


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
    assert first(done, "00400254") == f"lungspot {__version__}: research use only, not for clinical use"[:64]
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
    assert performer.worklist.scheduled() == [ours, others]
    assert [performer.consider(uid) for uid in (ours, others, unready)] == [True, False, False]
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


def test_an_item_without_an_object_of_the_kinds_asked_for_says_so(
    manager, order, serve, node_of, make_film, make_settings
):
    """It said that its films were passed over."""
    uid, silent = order(1), order(2, make_film(2, BodyPartExamined="ANKLE"), make_film(3))
    results = replace(make_settings().results, kinds=(), films=FilmFilter.parse([], ["body=ANKLE"]))
    node_of(serve(), results=results)
    for each, says in ((uid, "1 film: no result of the kinds asked for"), (silent, "asked for, passed over")):
        step = first(manager.items[each], "00741002")
        assert says in first(step, "00741238")
        assert first(first(step, "0074100E"), "00080100") == "110513"


@pytest.mark.parametrize(
    ("reasons", "code"),
    [
        (["", NO_SUCH_KIND], "110513"),
        (["", "NOT_A_RADIOGRAPH"], "110522"),
        ([NO_SUCH_KIND, "DAMAGED"], "110521"),
        ([NO_SUCH_KIND, NOT_GIVEN], "110523"),
    ],
)
def test_why_nothing_came_of_an_item_is_the_worst_of_its_films_reasons(reasons, code):
    films = [ItemFilm(str(number), "sent", reason, ()) for number, reason in enumerate(reasons)]
    assert why_nothing(films)[1] == code


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
    assert manager.asked["GET", "studies"] == 1 + 5 + 5  # in half a minute, then it is believed; what is had is had


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


def test_results_that_the_archive_refuses_are_no_outputs(manager, order, serve, node_of, make_film, monkeypatch):
    monkeypatch.setattr("lungspot.node.spool.next_attempt", lambda attempts: 0.0 if attempts < 1 else None)
    films = [make_film(number, StudyInstanceUID=f"1.2.8.{number}") for number in range(3)]
    partly, none = order(1, *films[:2]), order(2, films[2])
    manager.refuses = {films[1].StudyInstanceUID, films[2].StudyInstanceUID}
    node_of(serve())
    assert (manager.state(partly), manager.state(none)) == ("COMPLETED", "CANCELED")
    assert outputs(manager.items[partly]) == list(manager.held)
    done = first(manager.items[partly], "00741216")
    assert first(done, "00400280") == "no result of 1 of 2 films: failure reason 0110H"
    assert first(first(first(manager.items[none], "00741002"), "0074100E"), "00080100") == "110501"


def test_items_behind_many_that_are_others_are_found_at_once(manager, order, serve, performer_of, monkeypatch):
    monkeypatch.setattr("lungspot.node.ups._MOST", 2)
    for number in range(1, 6):
        order(number, station="OTHER")
    ours = order(6)
    manager.ignores_filters = True
    performer = performer_of(serve())
    thread = threading.Thread(target=perform, args=(performer,), kwargs={"every": 3600.0, "once": True})
    thread.start()
    while thread.is_alive():
        read(performer)
        thread.join(0.05)
    assert manager.transitions == [(ours, *CLAIM), (ours, *COMPLETE)]


@pytest.mark.parametrize(("status", "times"), [(400, 10), (404, 5)])
def test_a_series_that_the_archive_does_not_list_is_believed_in_the_end(
    manager, order, serve, performer_of, status, times
):
    uid = order(1)
    first(manager.items[uid], "00404021")["00081199"] = {"vr": "SQ"}
    performer = performer_of(serve())
    manager.broken["GET", "instances"] = status
    performer.consider(uid)
    for _ in range(times - 1):
        assert manager.state(uid) == "IN PROGRESS"
        performer.advance(performer.context.spool.items.get(uid))
    assert manager.asked["GET", "studies"] == times
    assert first(first(first(manager.items[uid], "00741002"), "0074100E"), "00080100") == "110523"


def test_a_series_is_listed_to_its_end_and_one_that_is_no_uid_not_at_all(
    manager, order, serve, performer_of, make_film, monkeypatch
):
    uid = order(1, *(make_film(number, StudyInstanceUID="1.2.8", SeriesInstanceUID="1.2.9") for number in range(3)))
    for entry in values(manager.items[uid], "00404021"):
        entry["00081199"] = {"vr": "SQ"}
    values(manager.items[uid], "00404021")[1]["0020000E"] = one("../1.2.9", "UI")
    monkeypatch.setattr(manager, "page", 2)
    performer = performer_of(serve())
    asked, real = [], manager.answer
    monkeypatch.setattr(manager, "answer", lambda *request: asked.append(request[1]) or real(*request))
    performer.consider(uid)
    assert performer.context.spool.counts()["received"] == 3
    assert not any(".." in target for target in asked)


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
