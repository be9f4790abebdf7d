"""STOW-RS to a real HTTP server that answers in every way: delivered is what its list says, and nothing else."""

import gzip
import io
import json
import ssl
import threading
import zlib

import pytest
from pydicom import dcmread
from pydicom.uid import JPEGBaseline8Bit

from lungspot.dicomweb import open_client
from lungspot.errors import InputError
from lungspot.node import AuditLog, Spool
from lungspot.node.context import NodeContext
from lungspot.node.sender import Unreachable, send
from lungspot.node.spool import Job
from lungspot.node.stow import stow_to

JOB = Job("a" * 64, "1.2.3", "1.2", "CR1", 0)
JSON = {"Content-Type": "application/dicom+json"}
TAGS = {"stored": "00081199", "failed": "00081198", "other": "0008119A"}
DUPLICATE, CLASS, NO_ROOM, PROCESSING, CANNOT = 0x0111, 0x0122, 0xA700, 0x0110, 0xC000
DOWN = "to be offered again later"


def listed(**lists):
    """A Store Instances Response as a dict: for each list its items, each a UID, a reason, or both."""
    answer = {"00081190": {"vr": "UR", "Value": ["http://x/studies/1"]}}
    for name, items in lists.items():
        values = []
        for uid, reason in items:
            item = {"00081150": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.1"]}}
            if uid is not None:
                item["00081155"] = {"vr": "UI", "Value": [uid]}
            if reason is not None:
                item["00081197"] = {"vr": "US", "Value": [reason]}
            values.append(item)
        answer[TAGS[name]] = {"vr": "SQ", "Value": values}
    return answer


def as_json(answer):
    return json.dumps(answer).encode()


def as_xml(answer):
    def attributes(items):
        for tag, element in items.items():
            inside = "".join(
                f'<Item number="{n}">{"".join(attributes(value))}</Item>'
                if isinstance(value, dict)
                else f'<Value number="{n}"> {value} </Value>'
                for n, value in enumerate(element["Value"], 1)
            )
            yield f'<DicomAttribute tag="{tag}" vr="{element["vr"]}">{inside}</DicomAttribute>'

    space = 'xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM"'
    return f'<?xml version="1.0"?><NativeDicomModel {space}>{"".join(attributes(answer))}</NativeDicomModel>'.encode()


def as_multipart(answer):
    return b"\r\n--x\r\nContent-Type: application/dicom+xml\r\n\r\n" + as_xml(answer) + b"\r\n--x--\r\n"


FORMS = {
    "dicom+json": ("application/dicom+json", as_json),
    "json": ("application/json", as_json),
    "parameters": ('application/dicom+json; charset=utf-8; transfer-syntax="*"', as_json),
    "letter case": ("Application/DICOM+JSON", as_json),
    "a list": ("application/dicom+json", lambda answer: b"[" + as_json(answer) + b"]"),
    "byte order mark": ("application/json", lambda answer: b"\xef\xbb\xbf" + as_json(answer)),
    "no type": ("", as_json),
    "blanks": (" application/dicom+json ;charset=UTF-8", lambda answer: b"\r\n  " + as_json(answer) + b"\n"),
    "utf-16 JSON": ("application/dicom+json", lambda answer: as_json(answer).decode().encode("utf-16")),
    "a list of several": (
        "application/dicom+json",
        lambda answer: json.dumps([{tag: each} for tag, each in answer.items()]).encode(),
    ),
    "prefixes": (
        "application/dicom+xml",
        lambda answer: (
            as_xml(answer)
            .replace(b"<", b"<n:")
            .replace(b"<n:/", b"</n:")
            .replace(b"<n:?", b"<?")
            .replace(b"xmlns=", b"xmlns:n=")
        ),
    ),
    "wrong type": ("text/html", as_json),
    "lower tags": ("application/json", lambda answer: as_json(answer).replace(b"0008119A", b"0008119a")),
    "dicom+xml": ("application/dicom+xml", as_xml),
    "xml": ("text/xml;charset=UTF-8", as_xml),
    "utf-16": (
        "application/xml",
        lambda answer: as_xml(answer).decode().replace("?>", ' encoding="utf-16"?>').encode("utf-16"),
    ),
    "multipart": ('multipart/related; type="application/dicom+xml"; boundary=x', as_multipart),
    "Multipart": ("Multipart/Related; Boundary=x", as_multipart),
}

BOTH = [("1", None), ("2", None)]
# For a film with the results "1" and "2": status, the lists of the answer, and what comes of it.
ANSWERS = [
    ("all stored", 200, {"stored": BOTH}, None),
    ("accepted, all stored", 202, {"stored": BOTH}, None),
    ("more than ours", 200, {"stored": [("0", None), ("2", None), ("1", None)]}, None),
    ("one is missing", 200, {"stored": [("1", None)]}, "1 of 2 results not listed as stored"),
    ("one is missing, accepted", 202, {"stored": [("2", None)]}, "1 of 2 results not listed as stored"),
    ("others than ours", 200, {"stored": [("3", None)]}, DOWN),
    ("nothing listed", 200, {}, DOWN),
    ("an empty list", 200, {"stored": []}, DOWN),
    ("items without a UID", 200, {"stored": [(None, None), (None, None)]}, DOWN),
    ("one failed", 202, {"stored": [("1", None)], "failed": [("2", CANNOT)]}, "failure reason C000H"),
    ("one failed, and OK", 200, {"stored": [("1", None)], "failed": [("2", CLASS)]}, "failure reason 0122H"),
    (
        "stored and failed",
        200,
        {"stored": [("1", None), ("2", None)], "failed": [("2", CLASS)]},
        "failure reason 0122H",
    ),
    ("both failed", 409, {"failed": [("1", CLASS), ("2", CANNOT)]}, "failure reason 0122H, C000H"),
    ("a failure without a reason", 202, {"stored": [("1", None)], "failed": [("2", None)]}, "failure reason FFFFH"),
    ("a failure without a UID", 202, {"stored": [("1", None)], "failed": [(None, CANNOT)]}, "failure reason C000H"),
    (
        "a failure of something",
        200,
        {"stored": [("1", None), ("2", None)], "other": [(None, CANNOT)]},
        "failure reason C000H",
    ),
    ("only other failures", 202, {"other": [(None, PROCESSING)]}, "failure reason 0110H"),
    ("there already", 409, {"failed": [("1", DUPLICATE), ("2", DUPLICATE)]}, None),
    ("there already, and OK", 200, {"failed": [("1", DUPLICATE), ("2", DUPLICATE)]}, None),
    ("one there already, one new", 202, {"stored": [("1", None)], "failed": [("2", DUPLICATE)]}, None),
    ("one there already, one missing", 409, {"failed": [("2", DUPLICATE)]}, "1 of 2 results not listed as stored"),
    ("there already, of nothing", 409, {"failed": [(None, DUPLICATE)]}, "failure reason 0111H"),
    ("one there already, one refused", 409, {"failed": [("1", DUPLICATE), ("2", CANNOT)]}, "failure reason C000H"),
    ("no room", 409, {"failed": [("1", NO_ROOM), ("2", NO_ROOM)]}, DOWN),
    ("no room for one", 202, {"stored": [("1", None)], "failed": [("2", 0xA7FF)]}, DOWN),
    ("no room, of something", 202, {"stored": [("1", None)], "other": [(None, NO_ROOM)]}, DOWN),
    ("conflict, nothing listed", 409, {}, "HTTP 409"),
    ("bad request", 400, {}, "HTTP 400"),
    ("bad request, and why", 400, {"failed": [("1", CANNOT), ("2", CANNOT)]}, "failure reason C000H"),
    ("not there", 404, {"stored": [("1", None), ("2", None)]}, DOWN),
    ("a reason that is none", 202, {"stored": [("1", None)], "failed": [("2", "A9XX")]}, "failure reason FFFFH"),
    ("a reason without end", 202, {"stored": [("1", None)], "failed": [("2", float("inf"))]}, "failure reason FFFFH"),
    ("a reason as text", 409, {"failed": [("1", "273"), ("2", "273")]}, None),  # 0111H
    ("no room, as text", 409, {"failed": [("1", "42752"), ("2", "42752")]}, DOWN),
    ("gone elsewhere", 300, {"stored": [("1", None), ("2", None)]}, DOWN),
    ("not changed", 304, {}, DOWN),
    ("failing", 503, {"failed": [("1", CANNOT)]}, DOWN),
]


@pytest.fixture
def results(write_film):
    """The two results of a film."""
    return [dcmread(write_film(number, SOPInstanceUID=str(number))) for number in (1, 2)]


@pytest.fixture
def offer(http_server, results):
    """A function that offers the results of one film, and returns what came of it."""

    def once():
        ((job, refused),) = stow_to(open_client(http_server.url, "--stow"))([(JOB, results)])
        assert job == JOB
        return refused

    return once


IN_EVERY_FORM = {"all stored", "one failed", "there already", "only other failures", "no room for one"}
CASES = [
    pytest.param(form, *case, id=f"{form}: {name}")
    for form in FORMS
    for name, *case in ANSWERS
    if form == "dicom+json" or name in IN_EVERY_FORM
]


@pytest.mark.parametrize(("form", "status", "lists", "outcome"), CASES)
def test_an_answer(http_server, offer, form, status, lists, outcome):
    content_type, write = FORMS[form]
    http_server.answer = (status, {"Content-Type": content_type}, write(listed(**lists)))
    if outcome == DOWN:
        with pytest.raises(Unreachable):
            offer()
    else:
        assert offer() == outcome
    assert http_server.asked[0][0] == "/dicom-web/studies"
    assert len(http_server.asked) == 1  # nothing is tried twice here


LOGIN = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><form><input name=user></form></body></html>"
NO_ANSWERS = [
    ({"Content-Type": "text/html"}, LOGIN),
    ({"Content-Type": "application/dicom+json"}, LOGIN),
    ({"Content-Type": "application/dicom+xml"}, b"<html><body>OK</body></html>"),
    ({"Content-Type": "application/dicom+json"}, b""),
    ({}, b""),
    ({"Content-Type": "application/dicom+json"}, b"OK"),
    ({"Content-Type": "application/dicom+json"}, b'"stored"'),
    ({"Content-Type": "application/dicom+json"}, b"[5]"),
    ({"Content-Type": "application/dicom+json"}, b"{" * 100_000),
    ({"Content-Type": "application/dicom+json"}, b"[" * 100_000),
    ({"Content-Type": "application/dicom+json"}, b'{"00081199": 5}'),
    ({"Content-Type": "application/dicom+json"}, b'{"00081199": {"Value": ["1", "2"]}}'),
    ({"Content-Type": "application/dicom+json"}, b'{"00081199": {"Value": [{"00081155": {"Value": [1]}}]}}'),
    (
        {"Content-Type": "application/dicom+xml"},
        b'<!DOCTYPE x [<!ENTITY a "1">]><NativeDicomModel>&a;</NativeDicomModel>',
    ),
    ({"Content-Type": "application/dicom+xml"}, b"<NativeDicomModel/>"),
    ({"Content-Type": "application/dicom+xml"}, b"<NativeDicomModel>"),
    ({"Content-Type": "multipart/related"}, as_xml(listed(stored=[("1", None), ("2", None)]))),
    ({"Content-Type": "multipart/related; boundary=y"}, as_multipart(listed(stored=[("1", None), ("2", None)]))),
    ({"Content-Type": "application/dicom+json"}, b" " * (17 << 20) + b"{}"),
]


@pytest.mark.parametrize(("headers", "body"), NO_ANSWERS, ids=range(len(NO_ANSWERS)))
@pytest.mark.parametrize("status", [200, 202, 409])
def test_what_is_no_answer_is_no_delivery(http_server, offer, status, headers, body):
    http_server.answer = (status, headers, body)
    if status == 409:
        assert offer() == "HTTP 409"
    else:
        with pytest.raises(Unreachable):
            offer()


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_an_answer_may_come_packed(http_server, offer, encoding):
    pack = {"gzip": gzip.compress, "deflate": zlib.compress}[encoding]
    answer = as_json(listed(stored=[("1", None)], failed=[("2", CANNOT)]))
    http_server.answer = (202, JSON | {"Content-Encoding": encoding}, pack(answer))
    assert offer() == "failure reason C000H"
    http_server.answer = (200, JSON | {"Content-Encoding": encoding}, pack(answer)[:60])  # cut on its way
    with pytest.raises(Unreachable):
        offer()
    http_server.answer = (200, JSON | {"Content-Encoding": encoding}, answer)  # not packed after all
    with pytest.raises(Unreachable):
        offer()


@pytest.mark.parametrize("status", [401, 403, 404, 407, 408, 425, 429, 500, 502, 503, 507])
def test_an_archive_that_cannot_answer_is_asked_again_later(http_server, offer, status):
    http_server.answer = (status, {}, b"")
    with pytest.raises(Unreachable, match=f"HTTP {status}"):
        offer()
    assert len(http_server.asked) == 1


def test_a_redirect_is_not_followed(http_server, offer):
    http_server.answer = (302, {"Location": "http://192.0.2.1/"}, b"")  # to nowhere else, and with no password
    with pytest.raises(Unreachable):
        offer()
    assert len(http_server.asked) == 1


def test_a_server_that_hangs_up_is_asked_again_later(http_server, offer):
    def hang_up(*_):
        raise ConnectionResetError

    http_server.answer = hang_up
    http_server.handle_error = lambda *_: None
    with pytest.raises(Unreachable):
        offer()


def test_what_is_sent_is_what_was_made(http_server, offer, results):
    http_server.answer = (200, JSON, as_json(listed(stored=[("1", None), ("2", None)])))
    assert offer() is None
    ((_, headers, body),) = http_server.asked
    assert headers["Content-Type"].startswith('multipart/related; type="application/dicom"; boundary=')
    boundary = headers["Content-Type"].rpartition("=")[2].encode()
    parts = body.split(b"--" + boundary)[1:-1]
    sent = [dcmread(io.BytesIO(part.partition(b"\r\n\r\n")[2][:-2])) for part in parts]
    assert sent == results


@pytest.fixture
def deliver(http_server, results, tmp_path, wait_until):
    """A function that lets a node's sender deliver one film's results until that is settled; states and audit log."""

    def settled(**states):
        spool = Spool(tmp_path / "spool")
        audit = AuditLog(tmp_path / "spool" / "audit.jsonl", source="LUNGSPOT")
        spool.accept([b"film"], instance="1.9", study="1.2", source="CR1")
        files = []
        for result in results:
            buffer = io.BytesIO()
            result.save_as(buffer)
            files.append(buffer.getvalue())
        spool.keep_results(spool.claim(), files)
        context = NodeContext(spool, audit, threading.Event())
        archive = stow_to(open_client(http_server.url, "--stow"))
        thread = threading.Thread(target=send, args=(context, archive, "ARCHIVE"))
        thread.start()
        wanted = {"received": 0, "analysed": 0, "sent": 0, "failed": 0, **states}
        wait_until(lambda: http_server.asked and spool.counts() == wanted)
        context.closed.set()
        spool.wake()
        thread.join()
        audit.close()
        rows = spool._journal.all("SELECT state, attempts, reason FROM film")
        spool.close()
        lines = (tmp_path / "spool" / "audit.jsonl").read_text().splitlines()
        return tuple(rows[0]), [json.loads(line) for line in lines]

    return settled


def test_a_login_page_delivers_nothing_and_the_results_stay(http_server, deliver, tmp_path):
    http_server.answer = (200, {"Content-Type": "text/html"}, LOGIN)
    (state, attempts, reason), audit = deliver(analysed=1)
    assert (state, attempts, reason) == ("analysed", 0, "HTTP 200, and no list of what it stored")
    assert audit == []  # nothing was transferred, and the log says nothing of it
    (folder,) = (tmp_path / "spool" / "results").iterdir()
    assert len(list(folder.iterdir())) == 2


def test_a_refusal_counts_and_is_in_the_audit_log(http_server, deliver):
    answer = listed(stored=[("1", None)], failed=[("2", CANNOT)])
    http_server.answer = (202, JSON, as_json(answer))
    (state, attempts, reason), audit = deliver(analysed=1)
    assert (state, reason) == ("analysed", "failure reason C000H")
    assert attempts >= 1
    assert {(line["event"]["code"], line["outcome"], line["what"]["reason"]) for line in audit} == {
        ("110104", 8, reason)
    }


def test_a_delivery_is_in_the_audit_log_once(http_server, deliver, tmp_path):
    http_server.answer = (409, JSON, as_json(listed(failed=[("1", DUPLICATE), ("2", DUPLICATE)])))
    (state, *_), audit = deliver(sent=1)
    assert state == "sent"
    assert [(line["event"]["code"], line["outcome"], line["what"]["sop_instance"]) for line in audit] == [
        ("110104", 0, "1.9")
    ]
    assert list((tmp_path / "spool" / "results").iterdir()) == []


def test_https_with_an_authority_of_the_hospital_s_own(http_server, results, certificates):
    at = certificates.joinpath
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(at("node.pem"), at("node.key"))
    context.load_verify_locations(at("ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    http_server.socket = context.wrap_socket(http_server.socket, server_side=True)
    http_server.answer = (200, JSON, as_json(listed(stored=[("1", None), ("2", None)])))
    url, batch = http_server.url.replace("http:", "https:"), [(JOB, results)]
    shown = at("sender.pem"), at("sender.key")
    ours = open_client(url, "--stow", shown=shown, authority=at("ca.pem"))
    assert list(stow_to(ours)(batch)) == [(JOB, None)]
    for others in ({}, {"shown": shown, "authority": at("stranger.pem")}):
        with pytest.raises(Unreachable, match="SSLError"):
            list(stow_to(open_client(url, "--stow", **others))(batch))
    with pytest.raises(InputError, match="cannot be used"):
        open_client(url, "--stow", shown=(at("sender.pem"), at("node.key")))


def test_nobody_there(results):
    with pytest.raises(Unreachable):
        list(stow_to(open_client("http://127.0.0.1:1/x", "--stow"))([(JOB, results)]))


def test_an_archive_that_takes_nothing_compressed_is_offered_the_same_uncompressed(http_server, results, compressed):
    compressed.SOPInstanceUID = "2"
    results[1] = compressed

    def answer(_, body):
        if JPEGBaseline8Bit.encode() in body:  # PS3.18 I.2: C122H, transfer syntax not supported
            return 202, JSON, as_json(listed(stored=[("1", None)], failed=[("2", 0xC122)]))
        return 200, JSON, as_json(listed(stored=[("1", None), ("2", None)]))

    http_server.answer = answer
    deliver = stow_to(open_client(http_server.url, "--stow"))
    ((_, refused),) = deliver([(JOB, results)])
    assert refused is None
    assert len(http_server.asked) == 2
    assert results[1] is compressed
    assert [refused for _, refused in [*deliver([(JOB, results)] * 2), *deliver([(JOB, results)])]] == [None] * 3
    assert len(http_server.asked) == 5  # from then on each film goes once


def test_results_that_cannot_be_decompressed_are_one_films_fault(http_server, results, damaged):
    http_server.answer = (202, JSON, as_json(listed(failed=[("1", 0xC122), ("2", 0xC122)])))
    ((_, refused),) = stow_to(open_client(http_server.url, "--stow"))([(JOB, [results[0], damaged])])
    assert refused.startswith("results that cannot be decompressed (")
    assert len(http_server.asked) == 1
