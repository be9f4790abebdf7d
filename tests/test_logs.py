import io
import json
import logging
import re
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from pydicom import dcmread

from lungspot.errors import FilmError
from lungspot.logs import LEVELS, service_log

CANARY = "ZZSECRET"
OURS = logging.getLogger("lungspot.node")
THEIRS = logging.getLogger("pydicom.valuerep")


def written(*log, level="info", **options):
    """What a service writes where functions log, without pytest's handlers: they raise where arguments are wrong."""
    stream = io.StringIO()
    with mock.patch.object(logging.getLogger(), "handlers", []), service_log(level, stream=stream, **options):
        for each in log:
            each()
    return stream.getvalue().splitlines()


def fail():
    raise ValueError(f"the name {CANARY} is too long") from KeyError(CANARY)


def report_failure(logger):
    try:
        fail()
    except ValueError:
        logger.exception("bug in %s", "the worker")


def test_a_line_for_people():
    (line,) = written(lambda: OURS.info("%s: results sent", "film abc"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ lungspot node: film abc: results sent", line)
    (line,) = written(lambda: OURS.warning("the disk is full"))
    assert line.endswith(" lungspot node: warning: the disk is full")


def test_a_line_for_programs():
    line, bug = map(json.loads, written(lambda: OURS.info("a"), lambda: report_failure(OURS), json_lines=True))
    assert (line["level"], line["logger"], line["message"]) == ("info", "lungspot.node", "a")
    assert set(line) == {"time", "level", "logger", "message"}
    assert bug["message"] == "bug in the worker"
    assert bug["places"].startswith("ValueError at tests/test_logs.py:")
    assert "after KeyError at no place" in bug["places"]


@pytest.mark.parametrize("json_lines", [False, True])
@pytest.mark.parametrize(
    "log",
    [
        lambda: report_failure(OURS),
        lambda: report_failure(THEIRS),
        lambda: THEIRS.error("Invalid value for VR PN: %r", CANARY),
        lambda: THEIRS.error(f"Invalid value {CANARY}"),  # as libraries do
        lambda: logging.getLogger().error(CANARY),
        lambda: OURS.error("%s", ValueError(CANARY)),
        lambda: OURS.error(ValueError(CANARY)),
        lambda: OURS.error("%(why)s", {"why": ValueError(CANARY)}),
        lambda: OURS.error("%s", Path(f"/films/{CANARY}.dcm")),
        lambda: OURS.error("%s", [CANARY]),
        lambda: OURS.error("%d", ValueError(CANARY)),  # a template that does not go with its arguments
        lambda: OURS.error("%s", FilmError("NOT_DECODABLE", CANARY, CANARY)),
        lambda: OURS.error("here", stack_info=True),
    ],
)
def test_nothing_of_a_patient_is_written(log, json_lines):
    (line,) = written(log, level="debug", json_lines=json_lines)
    assert CANARY not in line
    assert "error" in line


def test_what_a_whole_film_with_bad_values_makes_libraries_say_is_left_out(rg1):
    film = dcmread(rg1["UNCR"])

    def log():
        logging.getLogger("pydicom").error(film.PatientName)
        OURS.error("%s", film)
        OURS.error("%s %s", film["PatientName"], film.PatientName)

    lines = written(log, level="debug")
    assert [line for line in lines if str(film.PatientName) in line] == []
    assert len(lines) == 3


def test_a_code_says_what_a_refusal_was():
    (line,) = written(lambda: OURS.warning("refused: %s", FilmError("NOT_DECODABLE", "x", "y")))
    assert line.endswith("refused: NOT_DECODABLE")


def test_no_record_has_two_lines_or_moves_a_terminal_s_cursor():
    (line,) = written(lambda: OURS.info("%s", "AE\r\n2026 forged\x1b[2J"))
    assert r"AE\r\n2026 forged\x1b[2J" in line


@pytest.mark.parametrize(("level", "count"), [*zip(LEVELS, (4, 3, 2, 1), strict=True), (None, 0)])
def test_levels(level, count):
    names = ("debug", "info", "warning", "error")
    logs = [lambda name=name: getattr(OURS, name)("x") for name in names]
    assert len(written(*logs, level=level)) == count


def test_other_libraries_are_heard_of_with_debug_only():
    assert written(lambda: THEIRS.error("x")) == []
    assert len(written(lambda: THEIRS.warning("x"), lambda: THEIRS.info("x"), level="debug")) == 1


def test_every_handler_with_a_filter_writes_the_same():
    streams = io.StringIO(), io.StringIO()
    root = logging.getLogger()
    with mock.patch.object(root, "handlers", []), service_log(stream=streams[0]), service_log(stream=streams[1]):
        report_failure(OURS)
        OURS.info("%s", "100 %d")
    first, second = (stream.getvalue() for stream in streams)
    assert first == second
    assert "ValueError at tests/test_logs.py:" in first
    assert "100 %d" in first


def test_a_stream_that_is_full_ends_nothing(capsys):
    closed = io.StringIO()
    with service_log(stream=closed):
        closed.close()
        OURS.info("x")
    code = "import logging, lungspot.logs as logs\nwith logs.service_log(): logging.getLogger('lungspot').error('x')"
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        assert subprocess.run([sys.executable, "-c", code], stderr=full, check=False).returncode in {0, 120}
    assert capsys.readouterr() == ("", "")


def test_all_is_as_it_was_afterwards():
    root = logging.getLogger()
    before = (root.handlers[:], root.level, logging.getLogger("lungspot").level)
    written(lambda: OURS.info("x"))
    assert (root.handlers, root.level, logging.getLogger("lungspot").level) == before
