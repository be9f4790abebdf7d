"""What the sender does with an archive that a test plays; the real ones are in other files."""

import threading

import pytest

from lungspot.node import AuditLog, Spool
from lungspot.node.context import NodeContext
from lungspot.node.sender import Unreachable, send


@pytest.fixture
def context(tmp_path, make_film):
    """A context with the results of three films, the second one's damaged."""
    spool = Spool(tmp_path / "spool")
    audit = AuditLog(tmp_path / "spool" / "audit.jsonl", source="LUNGSPOT")
    for number in range(3):
        spool.admit([bytes([number])], instance=f"1.{number}", study="1", source="CR1")
        make_film(number).save_as(tmp_path / "result.dcm", enforce_file_format=True)
        spool.keep_results(spool.take(), [b"damaged" if number == 1 else (tmp_path / "result.dcm").read_bytes()])
    yield NodeContext(spool, audit, threading.Event())
    spool.close()
    audit.close()


@pytest.fixture
def run(context, monkeypatch):
    """A function that sends until nothing is due, by a delivery that is given."""

    def until_idle(deliver):
        monkeypatch.setattr(Spool, "pause", lambda *_: context.closed.set())
        monkeypatch.setattr("lungspot.node.sender.back_off", lambda _: 0.0)
        send(context, deliver, "ARCHIVE")

    return until_idle


def test_damaged_results_do_not_hold_up_the_others(context, lines, run):
    offered = []

    def deliver(batch):
        for job, objects in batch:
            offered.append((job.instance, len(objects)))
            yield job, None

    run(deliver)
    assert offered == [("1.0", 1), ("1.2", 1)]
    assert context.spool.counts() == {"received": 0, "analysed": 1, "sent": 2, "failed": 0}
    assert "cannot be read" in lines[0]


def test_what_was_delivered_before_the_archive_went_away_stays_delivered(context, run):
    calls = []

    def deliver(batch):
        calls.append([job.instance for job, _ in batch])
        yield batch[0][0], None
        if len(calls) == 1:
            raise Unreachable("gone")

    run(deliver)
    assert calls == [["1.0", "1.2"], ["1.2"]]
    assert context.spool.counts()["sent"] == 2


def test_results_at_which_the_archive_goes_away_do_not_hold_up_the_others(context, run):
    """An archive that falls over one object each time it is offered."""
    offered = []

    def deliver(batch):
        for job, _ in batch:
            offered.append(job.instance)
            if job.instance == "1.0" and len(offered) < 5:
                raise Unreachable("no answer")
            yield job, None

    run(deliver)
    assert offered[:3] == ["1.0", "1.2", "1.0"]
    assert context.spool.counts()["sent"] == 2
    assert context.spool.counts()["failed"] == 0


def test_a_bug_in_a_library_does_not_end_the_sender(context, lines, run):
    def deliver(batch):
        yield batch[0][0], None
        raise ZeroDivisionError

    run(deliver)
    assert context.spool.counts()["sent"] == 1
    assert context.spool.counts()["analysed"] == 2  # to be offered again
    assert "ZeroDivisionError" in lines[-1]


def test_the_audit_log_says_what_was_sent_and_what_was_refused(run, tmp_path):
    run(lambda batch: ((job, None if number else "HTTP 409") for number, (job, _) in enumerate(batch)))
    text = (tmp_path / "spool" / "audit.jsonl").read_text()
    assert text.count('"outcome":0') == text.count('"outcome":8') == 1
    assert "HTTP 409" in text
