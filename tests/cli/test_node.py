import json
import re
import signal
import socket
import subprocess
import sys

import pytest
from pydicom import config, dcmread

from lungspot.cli.app import run
from lungspot.detect import load_detector
from lungspot.node import AuditEvent, AuditLog


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("", "give --allow"),
        ("--allow *@127.0.0.1", "give --send-to or --stow"),
        ("--allow CR1", "CR1"),
        ("--allow *@127.0.0.1 --send-to ARCHIVE", "AET@host:port"),
        ("--allow *@127.0.0.1 --send-to A@h:104 --stow http://h/x", "two places"),
        ("--allow *@127.0.0.1 --stow http://me:secret@h/x", "a password"),
        ("--allow *@127.0.0.1 --stow ftp://h", "no address"),
        ("--allow *@127.0.0.1 --send-to A@h:104 --once", "nothing to fetch"),
        ("--allow *@127.0.0.1 --send-to A@h:104 --tls-cert x.pem", "half of TLS"),
        ("--allow *@127.0.0.1 --send-to A@h:104 --tls-out", "half of TLS"),
        ("--allow *@127.0.0.1 --send-to A@h:104 --tls-cert x.pem --tls-key x.key", "cannot be used"),
        ("--allow *@127.0.0.1 --send-to A@h:104 --ae SEVENTEEN_LETTERS", "no AE title"),
        ("--from-dicomweb http://h/x --query CR", "KEY=VALUE"),
        ("--from-dicomweb http://h/x --since soon", "no date"),
        ("--allow *@127.0.0.1 --send-to A@h:104 --only CHEST", "body=VALUE"),
        ("--allow *@127.0.0.1 --send-to A@h:104 --metrics 9100", "HOST:PORT"),
        ("--allow *@127.0.0.1 --send-to A@h:104 --ups-query WorklistLabel=CHEST", "give --ups"),
        ("--allow *@127.0.0.1 --send-to A@h:104 --wado http://h/x", "give --ups"),
        ("--ups http://h/x --ups-query CHEST", "KEY=VALUE"),
        ("--ups http://me:secret@h/x", "a password"),
        ("--check-audit nothing.jsonl", "no such file"),
    ],
)
def test_what_is_refused_before_anything_starts(command, says, model_file, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["node", "--model", str(model_file), "--port", "0", *command.split()]) == 3
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--format", "sr, gsps, sc, seg"),
        ("--sr-class", "comprehensive3d"),
        ("--operating-point", "balanced"),
        ("--log-level", "debug, info, warning, error"),
    ],
)
def test_an_unknown_word_is_a_wrong_command(capsys, option, says):
    assert run(["node", "--allow", "*@127.0.0.1", "--send-to", "A@h:104", option, "pdf"]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "exit_code", "says"),
    [
        (["--spool", "file"], 4, "NOT_WRITABLE"),
        (["--spool", "file/inner"], 4, "NOT_WRITABLE"),
        (["--spool", "dangling"], 4, "NOT_WRITABLE"),
        (["--spool", "x" * 300], 4, "NOT_WRITABLE"),
        (["--spool", "strange"], 4, "NOT_WRITABLE"),  # its audit log is a folder
        (["--spool", "damaged"], 4, "NOT_READABLE"),
        (["--host", "no.such.host.invalid"], 4, "PORT"),
        (["--host", "a" * 300], 4, "PORT"),
        (["--allow", f"*@{'a' * 300}"], 3, "BAD_VALUE"),
        (["--idle", "inf"], 2, "idle"),
        (["--idle", "nan"], 2, "idle"),
        (["--every", "inf"], 2, "every"),
    ],
)
def test_odd_words_end_in_a_line_and_never_in_a_bug(words, exit_code, says, model_file, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lungspot.cli.node._become_service", lambda _: None)
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "strange" / "audit.jsonl").mkdir(parents=True)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "journal.sqlite").write_bytes(b"no database" * 100)
    given = ["--allow", "*@127.0.0.1", "--send-to", "A@127.0.0.1:1", "--port", "0", "--model", str(model_file)]
    assert run(["node", *given, *words]) == exit_code
    assert says in capsys.readouterr().err


def test_a_port_that_is_taken_is_said(model_file, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("lungspot.cli.node._become_service", lambda _: None)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        words = ["node", "--allow", "*@127.0.0.1", "--send-to", "A@127.0.0.1:1", "--spool", str(tmp_path / "s")]
        assert run([*words, "--port", port, "--model", str(model_file), "-q"]) == 4
    assert "PORT" in capsys.readouterr().err


def test_an_audit_log_is_checked(tmp_path, capsys):
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path, source="LUNGSPOT")
    log.record(AuditEvent.START)
    log.close()
    assert run(["node", "--check-audit", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["records"] == 1
    path.write_text(path.read_text().replace("LUNGSPOT", "SOMEBODY"))
    assert run(["node", "--check-audit", str(path)]) == 4
    assert "AUDIT_BROKEN" in capsys.readouterr().err


CANARY = "ZZSECRET"


@pytest.mark.parametrize("form", [[], ["--log-json", "--log-level", "debug"]])
def test_a_service_that_names_no_patient_and_ends_at_sigterm_with_0(model_file, program, rg1, tmp_path, form):
    film = dcmread(rg1["UNCR"])
    pixels = film.pixel_array[::8, ::8]
    film.Rows, film.Columns, film.PixelData = *pixels.shape, pixels.tobytes()
    film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID
    with config.disable_value_validation():
        for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientAge", "StudyDescription", "StudyTime"):
            setattr(film, keyword, CANARY)
        film.add_new(0x00091001, "LO", CANARY)
        film.save_as(tmp_path / f"{CANARY}.dcm")
    level = {"probability": {"curve": {"a": 1.0, "b": -1.0}}, "points": {"balanced": {"threshold": 0.45}}}
    site = {
        "schema": "lungspot-site/1",
        "name": "St. E",
        "made": "2026-11-29",
        "films": {"used": 400},
        "model": {"sha256": load_detector(model_file).sha256},
        "labels": {"effusion": {"film": level}},
        "prediction_sets": {"coverage": 90, "groups": {}},
    }
    (tmp_path / "site.json").write_text(json.dumps(site))
    words = ["node", "--allow", "*@127.0.0.1", "--send-to", "A@127.0.0.1:1", "--port", "0", "--model", str(model_file)]
    words += ["--site", str(tmp_path / "site.json")]
    command = [sys.executable, "-m", "lungspot", *words, "--spool", str(tmp_path / "spool"), "--keep-free", "0", *form]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "listens at" in line:
                port = re.search(r"listens at [0-9.]+:(\d+)", line)[1]
                storescu = [program("storescu", "dcmtk"), "-aec", "LUNGSPOT", "127.0.0.1", port]
                subprocess.run([*storescu, tmp_path / f"{CANARY}.dcm"], check=True)
            if "cannot be reached" in line or "tried again" in line:
                process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert "Research use only" in lines[0]
    assert [line for line in lines if "read, 1 result" in line], lines
    assert "stopped; 0 films wait to be read, 1 to be sent" in lines[-1]
    if form:
        ours = [line for line in map(json.loads, lines) if line["logger"] == "lungspot.node"]
        assert {line["level"] for line in ours} == {"info", "warning"}
    else:
        assert [line for line in lines if line.count("lungspot node: ") != 1] == []
    (result,) = [
        path for path in (tmp_path / "spool").rglob("*.dcm") if dcmread(path, force=True).get("Modality") == "SR"
    ]
    said = [str(each.value) for each in dcmread(result).iterall()]
    words_of_it = "Thresholds by 400 films of St. E (2026-11-29): Pleural effusion; the model's own for the others."
    assert words_of_it in said
    assert CANARY not in "".join(lines) + (tmp_path / "spool" / "audit.jsonl").read_text()
