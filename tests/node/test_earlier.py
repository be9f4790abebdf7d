"""`--compare-days`: films of one patient, one after the other; what is kept of them, and for how long.

Films differ in their headers only, so that every place of one is a place of the next.
"""

import contextlib
import json
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from pydicom import dcmread
from tests.node.worklist_manager import outputs

from lungspot.cli.app import run
from lungspot.node import AuditLog, Spool, parse_peer, worker
from lungspot.node import earlier as earlier_films
from lungspot.node.context import NodeContext
from lungspot.report import read_sr


@pytest.fixture(scope="module")
def model_file(write_model, generated_card, tmp_path_factory):
    """The generated network in a file, with thresholds that leave four places of a film's eight: reports are dear."""
    few = {
        point: {label: replace(each, box=max(each.box, 0.68)) for label, each in limits.items()}
        for point, limits in generated_card.thresholds.items()
    }
    return write_model(tmp_path_factory.mktemp("model") / "few.onnx", replace(generated_card, thresholds=few))


@pytest.fixture
def taken(make_film):
    """A function that returns a film of one patient by its number, taken on a day, with other facts."""

    def make(number, day="20260110", **facts):
        uids = {name: f"1.2.826.{number}.{part}" for part, name in enumerate(("SOPInstanceUID", "StudyInstanceUID"))}
        return make_film(7, **({"PatientID": "ZZ4711", "StudyDate": day} | uids | facts))

    return make


@pytest.fixture
def node(tmp_path, make_settings):
    """A function that starts a spool anew and has the worker read films; each film's reports."""
    opened, results = [], make_settings().results

    def close():
        while opened:
            opened.pop().close()

    def read(*films, days=30, **options):
        close()
        spool = Spool(tmp_path / "spool", compare_days=days)
        audit = AuditLog(tmp_path / "audit.jsonl", source="LUNGSPOT")
        opened.extend((spool, audit))
        context = NodeContext(spool, audit, threading.Event())
        how = replace(results, **options)
        for film in films:
            path = tmp_path / "film.dcm"
            film.save_as(path, enforce_file_format=True)
            facts = {"instance": film.SOPInstanceUID, "study": film.StudyInstanceUID, "source": "CR1"}
            spool.accept([path.read_bytes()], **facts)
            while (job := spool.claim()) is not None:
                worker._one(context, job, how)
        return [read_sr(spool.results(job)[0]) for job in spool.ready(99)]

    read.close = close
    yield read
    close()


def rows(folder):
    with contextlib.closing(sqlite3.connect(folder / "journal.sqlite")) as db:
        return db.execute("SELECT * FROM earlier").fetchall()


def change(folder, query, *values):
    with contextlib.closing(sqlite3.connect(folder / "journal.sqlite")) as db, db:
        db.execute(query, values)


def test_a_film_is_compared_as_detect_does_and_a_place_keeps_its_uid(
    start_node, archive, taken, model_file, tmp_path, program, wait_until, dciodvfy
):
    """Three films by C-STORE, the last two compared; `detect --prior` writes the same reports of the same files."""
    port, stored = archive
    paths = []
    for number, day in enumerate(("20260110", "20260210", "20260310")):
        paths.append(tmp_path / f"{number}.dcm")
        taken(number, day).save_as(paths[-1], enforce_file_format=True)
    node = start_node(send_to=parse_peer(f"ARCHIVE@127.0.0.1:{port}"), compare_days=30)
    for number, path in enumerate(paths, 1):
        subprocess.run([program("dcmsend", "dcmtk"), "-aec", "LUNGSPOT", "127.0.0.1", str(node.port), path], check=True)
        wait_until(lambda number=number: len(node.says("results sent")) == number)
    assert len(node.says(": compared with the earlier film")) == 2
    found = {report.film: (path, report) for path in stored.iterdir() for report in [read_sr(path)]}
    reports = [found[dcmread(path).SOPInstanceUID][1] for path in paths]
    assert [report.against for report in reports] == [None, "1.2.826.0.0", "1.2.826.1.0"]
    followed = [{uid for uid, _ in report.tracking} for report in reports]
    assert followed[0]
    assert followed[0] == followed[1] == followed[2]
    folder = tmp_path / "detected"
    for number, path in enumerate(paths):
        prior = ["--prior", str(paths[number - 1]), "--prior", str(folder)] if number else []
        wanted = ["--format", "sr", "--model", str(model_file), "-o", str(folder)]
        assert run(["detect", str(path), *prior, *wanted]) == 0
        sent, made = dcmread(found[dcmread(path).SOPInstanceUID][0]), dcmread(folder / f"{number}.sr.dcm")
        assert sent.SOPInstanceUID == made.SOPInstanceUID
        assert [item.to_json() for item in sent.ContentSequence] == [item.to_json() for item in made.ContentSequence]
    assert not dciodvfy(found["1.2.826.2.0"][0])


REFUSED = [
    ({"PatientID": "ZZ4712"}, {}, ""),
    ({"IssuerOfPatientID": "B"}, {"IssuerOfPatientID": "A"}, "another patient"),
    ({"PatientBirthDate": "19600102"}, {}, "another date of birth"),
    ({"PatientID": ""}, {"PatientID": ""}, "nothing says whose it is"),
    ({"PatientBirthDate": ""}, {}, "of whose it is both say the patient ID only"),
    ({"PatientBirthDate": ""}, {"IssuerOfPatientID": "A"}, "of whose it is both say the patient ID only"),
    ({"StudyDate": ""}, {}, "nothing says when it was taken"),
    ({}, {"StudyDate": ""}, "nothing says when it was taken"),
    ({"StudyDate": "20260210"}, {}, "nothing says which is the earlier"),
    ({"SOPInstanceUID": "1.2.826.2.0"}, {}, "the same film"),
    ({"PixelData": b"\0" * 16}, {}, ""),
]


@pytest.mark.parametrize(("earlier", "later", "words"), REFUSED)
def test_what_may_not_be_compared_is_not_and_the_log_says_why(node, taken, lines, earlier, later, words):
    reports = node(taken(1, **earlier), taken(2, "20260210", **later))
    assert [report.against for report in reports] == [None, None]
    said = [line for line in lines if "not compared" in line]
    assert [line.partition("earlier film: ")[2] for line in said[-1:]] == ([words] if words else [])


def test_two_films_of_one_study_are_compared_by_the_time_of_day(node, taken):
    study = {"StudyInstanceUID": "1.2.826.9", "AcquisitionDate": "20260110"}
    first = taken(1, AcquisitionTime="101500", **study)
    reports = node(first, taken(2, AcquisitionTime="101700", **study))
    assert [report.against for report in reports] == [None, first.SOPInstanceUID]


def test_the_newest_earlier_film_counts_whatever_came_last(node, taken, lines):
    """The newer film comes before the older: it is compared with none, and not looked at again."""
    days = {1: "20260301", 2: "20260101", 3: "20260201", 4: "20260215"}
    reports = node(*(taken(number, day) for number, day in days.items()))
    assert [report.against for report in reports] == [None, None, "1.2.826.2.0", "1.2.826.3.0"]
    assert [line.partition(": ")[2] for line in lines if "not compared" in line] == [
        "not compared with an earlier film: a later film"
    ]


def test_what_was_read_with_other_thresholds_is_not_compared_with(node, taken, lines):
    reports = node(taken(1), point="sensitive") + node(taken(2, "20260210"))
    assert [report.against for report in reports][1:] == [None, None]
    assert lines[-1].endswith("it was read by another model, or with other thresholds")


def test_what_is_kept_says_whose_it_is_to_nobody_and_goes_when_its_days_are_over(node, taken, tmp_path):
    folder = tmp_path / "spool"
    node(taken(1, IssuerOfPatientID="ZZISSUER"))
    key = folder / "earlier.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    (kept,) = rows(folder)
    assert not any(word in repr(kept) for word in ("ZZ", "Doe", "19600101", "1960-01-01"))
    change(folder, "UPDATE earlier SET time = time - 29 * 86400")
    (_, second) = node(taken(2, "20260210"))
    assert second.against == "1.2.826.1.0"
    change(folder, "UPDATE earlier SET time = time - 29 * 86400")
    third = node(taken(3, "20260310"))[-1]
    assert third.against == "1.2.826.2.0"  # the first is gone
    assert len(rows(folder)) == 2
    key.write_bytes(b"damaged")
    assert node(taken(4, "20260410"))[-1].against is None  # nobody can be known again without the key
    assert len(rows(folder)) == 1
    assert node(taken(5, "20260510"), days=0)[-1].against is None
    assert (rows(folder), key.exists()) == ([], False)


@pytest.mark.parametrize("broken", ["body", "greys"])
def test_what_was_kept_and_cannot_be_read_is_not_compared_with(node, taken, tmp_path, lines, broken):
    node(taken(1))
    what = "{" if broken == "body" else b"no greys"
    change(tmp_path / "spool", f"UPDATE earlier SET {broken} = ?", what)  # noqa: S608 - a column's name
    assert node(taken(2, "20260210"))[-1].against is None
    assert lines[-1].endswith("what was kept of it cannot be read")


def test_two_that_say_the_same_issuer_need_no_date_of_birth(node, taken):
    whose = {"PatientBirthDate": "", "IssuerOfPatientID": "A"}
    assert node(taken(1, **whose), taken(2, "20260210", **whose))[-1].against == "1.2.826.1.0"


@pytest.mark.parametrize("right", ["ZZ4712", ""])
def test_a_film_that_comes_again_with_its_patient_put_right_is_no_longer_the_wrong_one_s(node, taken, right):
    node(taken(1), taken(1, PatientID=right))
    assert node(taken(2, "20260210"))[-1].against is None


def test_what_a_film_was_compared_with_may_be_gone_when_it_comes_again(node, taken, lines, tmp_path):
    folder = tmp_path / "spool"
    node(taken(1), taken(2, "20260210"))
    before = {row[1]: (row[9], json.loads(row[10])["tracking"]) for row in rows(folder)}
    change(folder, "DELETE FROM earlier WHERE instance = '1.2.826.1.0'")
    change(folder, "UPDATE film SET state = 'received', due = 0 WHERE instance = '1.2.826.2.0'")
    node(taken(3, "20260110"))  # and the second is read once more
    assert any(line.endswith("the one that it was compared with is no longer kept") for line in lines)
    after = {row[1]: (row[9], json.loads(row[10])["tracking"]) for row in rows(folder)}
    (second,) = before.keys() & after.keys()
    assert after[second] == before[second]


def test_a_bug_in_what_is_kept_meets_one_film(node, taken, lines, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(earlier_films, "to_record", lambda *_, **__: 1 / 0)
        assert node(taken(1)) == []
    assert lines[-1].endswith("ZeroDivisionError; it will be tried again")
    assert node(taken(2))


@pytest.mark.parametrize("when", ["keep_results", "_move"])
def test_a_node_that_is_killed_says_the_same_at_its_next_start(node, taken, tmp_path, model_file, when):
    """`kill -9` before a film's results are on the disk, or before the journal says so; then another film comes."""
    node(taken(1))
    node.close()
    second, path, folder = taken(2, "20260310"), tmp_path / "second.dcm", tmp_path / "spool"
    second.save_as(path, enforce_file_format=True)
    code = f"""
import os, sys, threading
from pathlib import Path
from lungspot.detect import load_detector
from lungspot.node import ResultOptions, Spool, worker
from lungspot.node.context import NodeContext
spool = Spool(Path(sys.argv[1]), compare_days=30)
spool.accept([Path(sys.argv[2]).read_bytes()], instance="1.2.826.2.0", study="1.2.826.2.1", source="CR1")
spool.{when} = lambda *_, **__: os.kill(os.getpid(), 9)
detector = load_detector({str(model_file)!r}, threads=1)
worker.work(NodeContext(spool, None, threading.Event()), ResultOptions(detector=detector))
"""
    assert subprocess.run([sys.executable, "-c", code, folder, path], check=False).returncode == -signal.SIGKILL
    change(folder, "UPDATE film SET due = unixepoch() + 250 WHERE instance = '1.2.826.2.0'")  # others come first
    node(taken(3, "20260210"))
    node.close()
    change(folder, "UPDATE film SET due = 0 WHERE instance = '1.2.826.2.0'")
    reports = {report.film: report for report in node(taken(4, "20260410"))}
    against = {film.rpartition(".")[0][-1]: report.against for film, report in reports.items()}
    assert against == {"1": None, "2": "1.2.826.1.0", "3": "1.2.826.1.0", "4": "1.2.826.2.0"}


def test_work_items_are_performed_with_the_comparison(manager, order, serve, node_of, taken):
    for number, day in enumerate(("20260110", "20260210"), 1):
        order(number, taken(number, day))
    server = serve()
    node = node_of(server, compare_days=30)
    assert manager.states() == {"COMPLETED": 2}
    assert len(node.says(": compared with the earlier film")) == 1
    made = [read_sr(manager.held[uid]) for number in (1, 2) for uid in outputs(manager.items[f"1.2.3.{number}"])]
    assert [report.against for report in made] == [None, "1.2.826.1.0"]
