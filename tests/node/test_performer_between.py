"""Work items where something comes between: lost answers, crashes, other performers, and servers that refuse."""

import threading

import pytest
from tests.node.worklist_manager import CANCEL, CLAIM, COMPLETE, first, outputs, read

from lungspot.node.performer import perform
from lungspot.queue import ATTEMPTS


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


def test_a_claim_that_waits_for_its_server_is_not_passed_by(manager, order, serve, performer_of):
    uid = order(1)
    performer = performer_of(serve())
    manager.broken["PUT", "state"] = 503
    assert performer.consider(uid)  # begun, and waits
    assert not performer.consider(uid)  # found again by the next search
    assert performer.passed_by == set()
    manager.broken.clear()
    performer.advance(performer.context.spool.items.get(uid))
    read(performer)
    performer.advance(performer.context.spool.items.get(uid))
    assert manager.state(uid) == "COMPLETED"
    assert not performer.consider(uid)
    assert performer.passed_by == {uid}


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


@pytest.mark.parametrize("status", [400, 404, 405, 409, 415])
def test_a_refused_claim_of_what_nobody_has_is_tried_again(status, manager, order, serve, performer_of, lines):
    """It was taken for another performer's until the next start, and the item stayed as it was."""
    uid = order(1)
    performer = performer_of(serve())
    manager.broken["PUT", "state"] = status
    performer.consider(uid)
    assert performer.context.spool.items.get(uid).attempts == 1
    assert any(f"does not take its claim (HTTP {status}); trying again" in line for line in lines)
    manager.broken.clear()
    performer.advance(performer.context.spool.items.get(uid))
    assert manager.transitions == [(uid, *CLAIM)]
    assert performer.passed_by == set()


def test_a_claim_that_is_always_refused_is_left_until_the_next_start(manager, order, serve, performer_of, lines):
    uid = order(1)
    server = serve()
    performer = performer_of(server)
    manager.broken["PUT", "state"] = 405
    perform(performer, every=1, once=True)
    assert performer.context.spool.items.counts() == {"open": 0, "failed": 0}
    assert len([line for line in lines if "HTTP 405" in line]) == ATTEMPTS
    assert any("left as it is until the next start" in line for line in lines)
    manager.broken.clear()
    assert performer_of(server).consider(uid)
    assert manager.state(uid) == "IN PROGRESS"


def test_what_another_performer_has_is_passed_by(manager, order, serve, performer_of, lines):
    claimed, canceled = order(1), order(2)
    performer = performer_of(serve())
    items = performer.context.spool.items
    for uid in (claimed, canceled):  # both were found scheduled
        items.begin(uid, performer.worklist.name, "1.2.1")
    performer.worklist.change_state(claimed, "IN PROGRESS", "1.2.99")
    manager.cancel(canceled)
    for uid in (claimed, canceled):
        assert not performer.advance(items.get(uid))
    assert performer.passed_by == {claimed, canceled}
    assert len([line for line in lines if "passed by: it could not be claimed" in line]) == 2


def test_an_item_is_not_completed_without_what_was_done(manager, order, serve, performer_of, lines):
    uid = order(1)
    performer = performer_of(serve())
    performer.consider(uid)
    read(performer)
    manager.broken["POST", uid] = 400
    performer.advance(performer.context.spool.items.get(uid))
    assert manager.transitions == [(uid, *CLAIM)]
    assert any("the work list does not take what was done; trying again" in line for line in lines)
    manager.broken.clear()
    performer.advance(performer.context.spool.items.get(uid))
    assert manager.transitions == [(uid, *CLAIM), (uid, *COMPLETE)]
    assert len(outputs(manager.items[uid])) == 1


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


@pytest.mark.parametrize(
    ("of", "status"),
    [("series", 500), *((of, code) for of in ("instance", "series") for code in (302, 401, 403, 408, 429, 502, 503))],
)
def test_an_archive_that_is_away_loses_no_item(status, of, manager, order, serve, performer_of, lines, make_film):
    """After ten such answers the item was canceled, as if the archive had no such film."""
    film = make_film(1)
    uid = order(1, film)
    if of == "series":
        first(manager.items[uid], "00404021")["00081199"] = {"vr": "SQ"}
    performer = performer_of(serve())
    manager.broken["GET", str(film.SOPInstanceUID) if of == "instance" else "instances"] = status
    performer.consider(uid)
    for _ in range(ATTEMPTS):
        performer.advance(performer.context.spool.items.get(uid))
    found = performer.context.spool.items.get(uid)
    assert (found.state, found.attempts, manager.state(uid)) == ("claimed", 0, "IN PROGRESS")
    assert len([line for line in lines if "; next attempt in" in line]) == 1 + ATTEMPTS
    manager.broken.clear()
    performer.advance(performer.context.spool.items.get(uid))
    read(performer)
    performer.advance(performer.context.spool.items.get(uid))
    assert manager.transitions == [(uid, *CLAIM), (uid, *COMPLETE)]


def test_a_film_that_was_had_before_the_archive_went_is_not_fetched_again(
    manager, order, serve, performer_of, make_film
):
    films = [make_film(1), make_film(2)]
    uid = order(1, *films)
    performer = performer_of(serve())
    manager.broken["GET", str(films[1].SOPInstanceUID)] = 503
    performer.consider(uid)
    manager.broken.clear()
    performer.advance(performer.context.spool.items.get(uid))
    assert manager.asked["GET", "studies"] == 3
    assert performer.context.spool.counts()["received"] == 2


@pytest.mark.parametrize("status", [400, 404, 410, 415, 500])
def test_a_film_that_the_archive_refuses_is_believed_in_the_end(status, manager, order, serve, performer_of, make_film):
    film = make_film(1)
    uid = order(1, film)
    performer = performer_of(serve())
    manager.broken["GET", str(film.SOPInstanceUID)] = status
    performer.consider(uid)
    for _ in range(4 if status in {404, 410} else 9):
        assert manager.state(uid) == "IN PROGRESS"
        performer.advance(performer.context.spool.items.get(uid))
    assert manager.transitions == [(uid, *CLAIM), (uid, *CANCEL)]


@pytest.mark.parametrize("status", [204, 400, 406, 415])
@pytest.mark.parametrize("step", ["fetch", "tell", "close"])
def test_an_item_that_is_not_given_once_is_not_gone(status, step, manager, order, serve, performer_of, make_film):
    """It was let go, in progress for ever."""
    film = make_film(1)
    uid = order(1, film)
    performer = performer_of(serve())
    items = performer.context.spool.items
    if step == "fetch":
        manager.on_answer = lambda method, _: method == "PUT" and manager.broken.update({("GET", uid): status})
    performer.consider(uid)
    manager.on_answer = lambda *_: None
    if step == "close":
        read(performer)
    if step != "fetch":
        performer.told.clear()
        manager.broken.update({("GET", uid): status, ("POST", uid): 400, ("PUT", "state"): 409})
        performer.advance(items.get(uid))
    assert items.get(uid).attempts == 1
    assert performer.context.tally.all()["items_lost"] == 0
    manager.broken.clear()
    performer.advance(items.get(uid))
    read(performer)
    performer.advance(items.get(uid)) if items.get(uid) else None
    assert manager.transitions == [(uid, *CLAIM), (uid, *COMPLETE)]


@pytest.mark.parametrize("status", [404, 410])
def test_an_item_that_is_gone_is_let_go(status, manager, order, serve, performer_of, lines):
    uid = order(1)
    performer = performer_of(serve())
    manager.on_answer = lambda method, _: method == "PUT" and manager.broken.update({("GET", uid): status})
    performer.consider(uid)
    assert performer.context.spool.items.open(performer.worklist.name) == []
    assert any("this node's no more: it is gone" in line for line in lines)


def test_a_scheduled_item_that_is_not_given_is_left_for_the_next_search(manager, order, serve, performer_of, lines):
    uid = order(1)
    performer = performer_of(serve())
    manager.broken["GET", uid] = 406
    assert not performer.consider(uid)
    assert any("does not say what it is (HTTP 406); it is left alone" in line for line in lines)
    manager.broken.clear()
    assert performer.consider(uid)


def lose_claim(manager):
    """Let the answer to the next claim be lost, though it was heard."""
    lost = []

    def loses():
        claims = manager.asked["PUT", "workitems"] == 1 and not lost
        lost.extend([1] * claims)
        return claims

    manager.loses_answer = loses


@pytest.mark.parametrize("broken", [("POST", 400), ("GET", 406)])
def test_a_lost_claim_that_cannot_be_told_at_once_keeps_its_lock(broken, manager, order, serve, performer_of):
    """The item was passed by, and its lock deleted: in progress for ever."""
    uid = order(1)
    performer = performer_of(serve())
    items = performer.context.spool.items
    lose_claim(manager)
    manager.broken[broken[0], uid] = broken[1]
    performer.context.spool.items.begin(uid, performer.worklist.name, "1.2.99")
    for _ in range(3):
        performer.advance(items.get(uid))
    assert (manager.state(uid), items.get(uid).state, items.get(uid).attempts) == ("IN PROGRESS", "claiming", 2)
    manager.broken.clear()
    performer.advance(items.get(uid))
    read(performer)
    performer.advance(items.get(uid))
    assert manager.transitions == [(uid, *CLAIM), (uid, *COMPLETE)]


def test_a_lost_claim_that_is_never_told_is_set_aside_with_its_lock(manager, order, serve, performer_of, lines):
    uid = order(1)
    performer = performer_of(serve())
    items = performer.context.spool.items
    lose_claim(manager)
    manager.broken["POST", uid] = 400
    items.begin(uid, performer.worklist.name, "1.2.99")
    for _ in range(1 + ATTEMPTS):
        performer.advance(items.get(uid))
    assert items.counts() == {"open": 0, "failed": 1}
    assert any("does not say whether it heard the claim (HTTP 400); set aside" in line for line in lines)
    manager.broken.clear()
    performer.context.spool.retry_failed()
    performer.advance(items.get(uid))
    read(performer)
    performer.advance(items.get(uid))
    assert manager.transitions == [(uid, *CLAIM), (uid, *COMPLETE)]


def test_a_claim_that_was_not_heard_and_another_won_is_passed_by_when_it_is_closed(manager, order, serve, performer_of):
    uid = order(1)
    performer = performer_of(serve())
    items = performer.context.spool.items
    items.begin(uid, performer.worklist.name, "1.2.99")
    manager.broken["PUT", "state"] = 503
    performer.advance(items.get(uid))
    manager.broken.clear()
    assert performer.worklist.change_state(uid, "IN PROGRESS", "1.2.1")  # somebody else's
    performer.advance(items.get(uid))
    assert items.get(uid).state == "claiming"
    manager.cancel(uid)
    assert not performer.advance(items.get(uid))
    assert not items.knows(uid)
    assert (performer.passed_by, performer.unsure) == ({uid}, set())
