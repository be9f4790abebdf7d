"""Start, stop and start again; what ends a node at once, and what a thread's end means."""

import subprocess
import threading
from functools import partial

import pytest

from lungspot.errors import InputError, SetupError
from lungspot.node import QidoQuery, Spool, parse_peer, service
from lungspot.node.context import NodeContext


@pytest.fixture
def send(program):
    """A function that sends films to a node by dcmsend."""

    def to(node, *films):
        command = [program("dcmsend", "dcmtk"), "-aec", "LUNGSPOT", "127.0.0.1", str(node.port), *films]
        subprocess.run(command, check=True, capture_output=True)

    return to


def test_what_waits_is_said_at_the_start_and_sent(start_node, send, write_film, archive, wait_until):
    node = start_node()
    assert node.says("in the spool") == []
    send(node, write_film(1))
    wait_until(lambda: node.says("read, 1 result"))
    assert node.stop()["analysed"] == 1
    port, folder = archive
    again = start_node(send_to=parse_peer(f"ARCHIVE@127.0.0.1:{port}"))
    assert again.says("in the spool: 0 to be read, 1 to be sent, 0 set aside")
    wait_until(lambda: again.says("results sent"))
    assert len(list(folder.iterdir())) == 1
    assert [line["event"]["name"] for line in again.audit()].count("Application Activity") == 3


def test_films_set_aside_are_tried_again_when_asked(start_node, send, write_film, monkeypatch, wait_until):
    monkeypatch.setattr("lungspot.node.spool.next_attempt", lambda _: None)
    monkeypatch.setattr("lungspot.node.worker.analyze", lambda *_, **__: 1 / 0)
    node = start_node()
    send(node, write_film(1))
    wait_until(lambda: node.says("set aside, it stays in the spool"))
    assert node.stop()["failed"] == 1
    assert len(list((node.spool / "films").iterdir())) == 1
    monkeypatch.undo()
    again = start_node(retry_failed=True)
    wait_until(lambda: again.says("read, 1 result"))
    assert again.stop()["analysed"] == 1


def test_a_spool_has_one_node(start_node):
    start_node()
    with pytest.raises(SetupError) as found:
        raise start_node().wait()
    assert found.value.code == "IN_USE"


@pytest.mark.parametrize(("since", "days"), [("1d", 30), ("400d", 401), ("2020-01-01", 2000)])
def test_what_was_sent_is_remembered_as_long_as_it_may_be_asked_for(make_settings, since, days):
    asked = make_settings(query=QidoQuery.parse([], since))
    assert service._memory(asked) >= days * 86400
    assert service._memory(make_settings()) == 30 * 86400


def test_results_need_a_place(start_node):
    with pytest.raises(InputError, match="no place to go"):
        raise start_node(send_to=None).wait()


def test_a_node_whose_worker_ended_does_not_go_on_taking_films(start_node, monkeypatch):
    monkeypatch.setattr("lungspot.node.service.work", lambda *_: None)
    node = start_node()
    end = node.wait()
    assert isinstance(end, RuntimeError)
    assert "worker" in str(end)
    assert node.audit()[-1]["outcome"] == 8


def test_the_end_of_what_ends_by_itself_is_no_fault_and_neither_is_a_start(tmp_path):
    """What /healthz answers: before the threads start, as they run, and as one has ended."""
    spool = Spool(tmp_path / "spool")
    try:
        context, go_on = NodeContext(spool, None, threading.Event()), threading.Event()
        threads = {"worker": threading.Thread(target=go_on.wait), "puller": threading.Thread(target=int)}
        wrong = partial(service._what_is_wrong, context, threads)
        assert [wrong(once=once) for once in (True, False)] == ["", ""]
        threads["worker"].start()
        threads["puller"].start()
        threads["puller"].join()
        assert [wrong(once=once) for once in (True, False)] == ["", "the puller ended"]
        go_on.set()
        threads["worker"].join()
        assert wrong(once=True) == "the worker ended"
        assert service._watch(context, threads, once=True) == "worker"
        context.stopping.set()
        assert wrong(once=True) == "stopping"
    finally:
        spool.close()
