"""What the sender does with an archive that a test plays; the real ones are in other files."""

import resource
import signal
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
        spool.accept([bytes([number])], instance=f"1.{number}", study="1", source="CR1")
        make_film(number).save_as(tmp_path / "result.dcm", enforce_file_format=True)
        spool.keep_results(spool.claim(), [b"damaged" if number == 1 else (tmp_path / "result.dcm").read_bytes()])
    yield NodeContext(spool, audit, threading.Event())
    spool.close()
    audit.close()


@pytest.fixture
def run(context, monkeypatch, wait_until):
    """A function that sends by a delivery that is given until films have these states, in the sender's own thread."""

    def until(deliver, also=lambda: True, **states):
        monkeypatch.setattr("lungspot.node.sender.back_off", lambda _: 0.0)  # the archive is asked again at once,
        monkeypatch.setattr("lungspot.node.spool.next_attempt", lambda _: 200.0)  # results not within this test
        wanted = {"received": 0, "analysed": 0, "sent": 0, "failed": 0, **states}
        thread = threading.Thread(target=send, args=(context, deliver, "ARCHIVE"))
        thread.start()
        try:
            wait_until(lambda: context.spool.counts() == wanted and also())
        finally:
            context.closed.set()
            context.spool.wake()
            thread.join()

    return until


def test_damaged_results_do_not_hold_up_the_others(lines, run):
    offered = []

    def deliver(batch):
        for job, objects in batch:
            offered.append((job.instance, len(objects)))
            yield job, None

    run(deliver, analysed=1, sent=2)
    assert offered == [("1.0", 1), ("1.2", 1)]
    assert "cannot be read" in lines[0]


def test_what_was_delivered_before_the_archive_went_away_stays_delivered(run):
    calls = []

    def deliver(batch):
        calls.append([job.instance for job, _ in batch])
        yield batch[0][0], None
        if len(calls) == 1:
            raise Unreachable("gone")

    run(deliver, analysed=1, sent=2)
    assert calls == [["1.0", "1.2"], ["1.2"]]


def test_results_at_which_the_archive_goes_away_do_not_hold_up_the_others(run):
    """An archive that falls over one object each time it is offered."""
    offered = []

    def deliver(batch):
        for job, _ in batch:
            offered.append(job.instance)
            if job.instance == "1.0" and len(offered) < 5:
                raise Unreachable("no answer")
            yield job, None

    run(deliver, analysed=1, sent=2)
    assert offered[:3] == ["1.0", "1.2", "1.0"]


def test_a_bug_in_a_library_does_not_end_the_sender(context, lines, run):
    def deliver(batch):
        yield batch[0][0], None
        raise ZeroDivisionError

    said = []
    run(deliver, lambda: said or said.extend(line for line in lines if "ZeroDivisionError" in line), sent=1, analysed=2)
    assert said  # and two are to be offered again
    assert (context.tally.all()["sent"], context.tally.all()["send_failed"]) == (1, 2)  # one that cannot be read


@pytest.fixture
def file_sizes():
    """A function that lets no file of this process grow beyond so many bytes, or, given None, as far as before."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda most: resource.setrlimit(resource.RLIMIT_FSIZE, before if most is None else (most, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_results_count_as_sent_when_the_journal_says_so(context, lines, run, file_sizes):
    """No file of this process may grow as the archive says for the first time that it holds them."""
    calls = []

    def deliver(batch):
        file_sizes(None if calls else 100)
        calls.append(len(batch))
        yield from ((job, None) for job, _ in batch)

    run(deliver, analysed=1, sent=2)
    assert calls == [2, 2]
    assert [line for line in lines if "cannot be read or written" in line]
    assert context.tally.all()["sent"] == 2


def test_a_bug_while_the_spool_cannot_be_written_does_not_end_the_sender(lines, run, file_sizes):
    calls = []

    def deliver(batch):
        calls.append(len(batch))
        if len(calls) == 1:
            file_sizes(100)
            raise ZeroDivisionError
        file_sizes(None)
        yield from ((job, None) for job, _ in batch)

    run(deliver, analysed=1, sent=2)
    assert calls == [2, 2]
    assert [line for line in lines if "cannot be read or written" in line]


def test_the_audit_log_says_what_was_sent_and_what_was_refused(run, tmp_path):
    log = tmp_path / "spool" / "audit.jsonl"
    run(
        lambda batch: ((job, None if number else "HTTP 409") for number, (job, _) in enumerate(batch)),
        lambda: log.read_text().count("outcome") == 2,
        sent=1,
        analysed=2,
    )
    text = log.read_text()
    assert text.count('"outcome":0') == text.count('"outcome":8') == 1
    assert "HTTP 409" in text
