import errno
import json
import os
import threading

import pytest

from lungspot.errors import SetupError
from lungspot.node.audit import GENESIS, AuditEvent, AuditLog, Outcome, verify


@pytest.fixture
def path(tmp_path):
    return tmp_path / "audit.jsonl"


def fill(path, count=4):
    log = AuditLog(path, source="LUNGSPOT")
    for number in range(count):
        log.record(AuditEvent.RECEIVED, who={"ae": "CR1"}, what={"sop_instance": f"1.{number}"})
    log.close()


def test_an_event_is_written_with_its_code(path):
    log = AuditLog(path, source="LUNGSPOT")
    log.record(AuditEvent.STRANGER, Outcome.MINOR_FAILURE, who={"host": "10.0.0.9"})
    log.close()
    line = json.loads(path.read_text())
    assert line["event"] == {"code": "110113", "name": "Security Alert"}
    assert line["type"] == {"code": "110126", "name": "Node Authentication"}
    assert (line["n"], line["outcome"], line["source"], line["previous"]) == (1, 4, "LUNGSPOT", GENESIS)
    assert line["who"] == {"host": "10.0.0.9"}
    assert line["time"].endswith("+00:00")


def test_codes_are_those_of_dicom():
    from pydicom.sr.codedict import codes  # noqa: PLC0415

    known = {codes.DCM.__getattr__(name).value: codes.DCM.__getattr__(name).meaning for name in codes.DCM.dir()}
    for event in AuditEvent:
        code, name, type_code, type_name, _ = event.value
        assert known[code] == name
        assert not type_code or known[type_code] == type_name


def test_the_chain_holds_over_restarts_and_threads(path):
    fill(path)
    log = AuditLog(path, source="LUNGSPOT")
    threads = [threading.Thread(target=lambda: [log.record(AuditEvent.SENT) for _ in range(5)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    count, last = verify(path)
    assert count == 24
    assert last == json.loads(path.read_text().splitlines()[-1])["hash"]


@pytest.mark.parametrize(
    ("forge", "line"),
    [
        (lambda lines: [*lines[:1], lines[1].replace("CR1", "CR2"), *lines[2:]], 2),
        (lambda lines: [*lines[:1], *lines[2:]], 2),
        (lambda lines: [*lines[:1], lines[1], lines[1], *lines[2:]], 3),
        (lambda lines: [lines[1], lines[0], *lines[2:]], 1),
        (lambda lines: [*lines[:3], "{}"], 4),
        (lambda lines: [*lines[:3], "no JSON"], 4),
        (lambda lines: lines[1:], 1),
    ],
)
def test_a_forged_log_is_found_out(path, forge, line):
    fill(path)
    path.write_text("\n".join(forge(path.read_text().splitlines())) + "\n")
    with pytest.raises(SetupError) as found:
        verify(path)
    assert found.value.code == "AUDIT_BROKEN"
    assert found.value.where == f"{path}:{line}"


def test_a_log_cut_short_is_whole_but_ends_with_another_hash(path):
    fill(path)
    _, last = verify(path)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    count, earlier = verify(path)
    assert (count, earlier != last) == (3, True)


def test_half_a_line_of_a_power_failure_is_cut_off_and_said(path):
    fill(path)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"n":5,"ti')
    fill(path, 1)
    assert path.read_bytes().startswith(whole)
    assert json.loads(path.read_text().splitlines()[-1])["cut"] == 10
    assert verify(path)[0] == 5


def test_nothing_is_appended_to_a_log_that_is_none(path):
    path.write_text("something else\n")
    with pytest.raises(SetupError) as found:
        AuditLog(path, source="LUNGSPOT")
    assert found.value.code == "AUDIT_BROKEN"
    assert path.read_text() == "something else\n"


def test_a_full_disk_leaves_no_half_line(path, monkeypatch):
    log = AuditLog(path, source="LUNGSPOT")
    log.record(AuditEvent.START)
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:10]))
    with pytest.raises(OSError, match="space") as found:
        log.record(AuditEvent.RECEIVED)
    assert found.value.errno == errno.ENOSPC
    monkeypatch.undo()
    log.record(AuditEvent.STOP)
    log.close()
    assert verify(path)[0] == 2
