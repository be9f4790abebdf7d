"""A work list (UPS-RS) with an archive behind it, for tests and the drill, written from PS3.18 11 and PS3.4 CC.2.

No server of others could be had: the registries that this project builds from have none (Orthanc has no UPS, dcm4chee
is no package there). So it is strict where the standard is: the Transaction UID is the lock, states go forward only,
and what an item must hold in a final state is checked. It counts what was done to each item and with how many contents
each object was stored, and can lose answers: the request is carried out, and the connection closed instead of an
answer.
"""

import io
import json
import random
import ssl
import threading
from collections import Counter
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from pydicom import dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.uid import generate_uid

from lungspot.node.workitems import Reference

STATE, TRANSACTION, UID = "00741000", "00081195", "00080018"
PERFORMED, PROGRESS = "00741216", "00741002"
NEXT = {"SCHEDULED": {"IN PROGRESS"}, "IN PROGRESS": {"COMPLETED", "CANCELED"}}
# Table CC.2.5-3, final state: by state and sequence, what its item must have a value of (outputs may be an empty list).
FINAL = {
    "COMPLETED": {PROGRESS: (), PERFORMED: ("00404028", "00404050", "00404051", "00404019", "00404033")},
    "CANCELED": {PROGRESS: ("00404052", "0074100E"), PERFORMED: ()},
}
HEADERS = {"Content-Type": "application/dicom+json"}
CLAIM, COMPLETE, CANCEL = ("SCHEDULED", "IN PROGRESS"), ("IN PROGRESS", "COMPLETED"), ("IN PROGRESS", "CANCELED")


def one(value, vr):
    return {"vr": vr, "Value": [value]}


def uid_of(value):
    return one(str(value), "UI")


def values(item, tag):
    return (item.get(tag) or {}).get("Value") or []


def first(item, tag):
    return next(iter(values(item, tag)), "")


def scheduled(uid, films, *, station="LUNGSPOT", **more):
    """A scheduled item about films (data sets), as a task requester creates it; ``more``: attributes, by t and tag."""
    code = {"00080100": one(station, "SH"), "00080102": one("99SITE", "SH"), "00080104": one(station, "LO")}
    task = {"00080100": one("CXR-1", "SH"), "00080102": one("99SITE", "SH"), "00080104": one("Chest film", "LO")}
    inputs = [
        {
            "0040E020": one("DICOM", "CS"),
            "0020000D": uid_of(film.StudyInstanceUID),
            "0020000E": uid_of(film.SeriesInstanceUID),
            "00081199": {
                "vr": "SQ",
                "Value": [{"00081150": uid_of(film.SOPClassUID), "00081155": uid_of(film.SOPInstanceUID)}],
            },
        }
        for film in films
    ]
    return {
        UID: one(uid, "UI"),
        STATE: one("SCHEDULED", "CS"),
        "00741200": one("MEDIUM", "CS"),
        "00741202": one("CHEST", "LO"),
        "00404005": one("20260101120000", "DT"),
        "00404041": one("READY", "CS"),
        "00404025": {"vr": "SQ", "Value": [code]},
        "00404018": {"vr": "SQ", "Value": [task]},
        "00404021": {"vr": "SQ", "Value": inputs},
        **{name.removeprefix("t"): element for name, element in more.items()},
    }


def read(performer, *, results=True):
    """Stand in for worker and sender: every film in the spool is read, and its results are sent."""
    spool = performer.context.spool
    while (job := spool.claim()) is not None:
        outputs = (
            [Reference(job.study, "1.9", "1.2.840.10008.5.1.4.1.1.88.33", generate_uid(entropy_srcs=[job.instance]))]
            if results
            else []
        )
        spool.keep_results(job, [b"result"], outputs)
        spool.sent(job)


def content_of(result):
    """What an object says, but for when it was made: the same object may be made again after a crash."""
    return repr(
        [(element.tag, str(element)) for element in result.iterall() if element.VR not in {"DA", "TM", "DT", "SQ"}]
    )


def outputs(item):
    done = first(item, "00741216")
    return [first(each, "00081155") for entry in values(done, "00404033") for each in values(entry, "00081199")]


class Manager:
    """The items, the films and the results; every method holds the lock."""

    def __init__(self, *, lose=0.0, seed=0):
        self.items, self.films, self.held, self.contents = {}, {}, {}, {}
        self.transitions, self.updates, self.stored = [], [], Counter()
        self.ignores_filters, self.broken, self.asked = False, {}, Counter()
        self.page = 50  # entries of an answer that lists instances
        self.requester = ""  # where it is set, states are changed at …/state/REQUESTER only, as dcm4chee has it
        self.refuses = set()  # studies of which no result is stored
        self.lost, self.on_answer = 0, lambda *_: None  # called between what was done and its answer
        self._lose, self._random, self.lock = lose, random.Random(seed), threading.RLock()  # noqa: S311 - no secret

    def add_film(self, film):
        buffer = io.BytesIO()
        film.save_as(buffer, enforce_file_format=True)
        self.films[str(film.SOPInstanceUID)] = buffer.getvalue()

    def add(self, item):
        self.items[first(item, UID)] = item

    def state(self, uid):
        with self.lock:
            return first(self.items[uid], STATE)

    def states(self):
        with self.lock:
            return Counter(first(item, STATE) for item in self.items.values())

    def loses_answer(self):
        with self.lock:
            loses = self._random.random() < self._lose
            self.lost += loses
            return loses

    # --- PS3.18 11.9 Search, 11.5 Retrieve ------------------------------------------------------------------------

    def search(self, query):
        keys = dict(query)
        offset, limit = int(keys.pop("offset", 0)), int(keys.pop("limit", 50))
        keys.pop("includefield", None)
        if self.ignores_filters:
            keys = {name: value for name, value in keys.items() if name == "ProcedureStepState"}
        found = [
            self.shown(item) for item in self.items.values() if all(self._meets(item, *key) for key in keys.items())
        ]
        page = found[offset : offset + limit]
        return (200, HEADERS, json.dumps(page).encode()) if page else (204, {}, b"")

    def _meets(self, item, path, wanted):
        name, _, rest = path.partition(".")
        tag = f"{tag_for_keyword(name):08X}"
        if rest:
            return any(self._meets(inner, rest, wanted) for inner in values(item, tag))
        return any(fnmatchcase(str(value), wanted) for value in values(item, tag))

    def retrieve(self, uid):
        if uid not in self.items:
            return self.refuse(404, "unknown")
        return 200, HEADERS, json.dumps([self.shown(self.items[uid])]).encode()

    @staticmethod
    def shown(item):
        return {tag: element for tag, element in item.items() if tag != TRANSACTION}

    @staticmethod
    def refuse(status, words):
        away = {"Location": "/login"} if status // 100 == 3 else {}
        return status, {"Warning": f"299 work list: {words}", **away}, b""

    # --- 11.6 Update, 11.7 Change State, 11.8 Request Cancellation ------------------------------------------------

    def update(self, uid, transaction, change):
        if uid not in self.items:
            return self.refuse(404, "unknown")
        item = self.items[uid]
        if first(item, STATE) in FINAL:
            return self.refuse(400, "The submitted request is inconsistent with the current state of the Workitem.")
        if first(item, STATE) == "IN PROGRESS" and transaction != first(item, TRANSACTION):
            return self.refuse(400, "The target URI did not reference a claimed Workitem.")
        if STATE in change:
            return self.refuse(400, "The state is not changed by an update.")
        item.update({tag: element for tag, element in change.items() if tag != TRANSACTION})
        self.updates.append((uid, change))
        return 200, {}, b""

    def change_state(self, uid, change):  # noqa: PLR0911 - the standard's table
        if uid not in self.items:
            return self.refuse(404, "unknown")
        item, wanted, transaction = self.items[uid], first(change, STATE), first(change, TRANSACTION)
        now = first(item, STATE)
        if not transaction:
            return self.refuse(400, "The Transaction UID is missing.")
        if wanted == now and now in FINAL:
            return 200, {"Warning": f"299 work list: The UPS is already in the requested state of {now}."}, b""
        if now == "IN PROGRESS" and wanted in FINAL and transaction != first(item, TRANSACTION):
            return self.refuse(400, "The Transaction UID is incorrect.")
        if wanted not in NEXT.get(now, ()):
            return self.refuse(409, "The submitted request is inconsistent with the state of the UPS Instance.")
        if missing := self._missing(item, wanted):
            return self.refuse(409, f"The UPS has not met final state requirements: {missing}")
        if now == "SCHEDULED":
            item[TRANSACTION] = change[TRANSACTION]
        item[STATE] = one(wanted, "CS")
        self.transitions.append((uid, now, wanted))
        return 200, {}, b""

    @staticmethod
    def _missing(item, wanted):
        for sequence, tags in FINAL.get(wanted, {}).items():
            inner = first(item, sequence)
            if tags and not inner:
                return sequence
            for tag in tags:
                if tag not in inner or (tag != "00404033" and not values(inner, tag)):
                    return f"{sequence}.{tag}"
        return ""

    def cancel(self, uid):
        """Cancel an item as its manager, whoever performs it."""
        with self.lock:
            item = self.items[uid]
            self.transitions.append((uid, first(item, STATE), "CANCELED"))
            item[STATE] = one("CANCELED", "CS")

    # --- the archive: WADO-RS and STOW-RS -------------------------------------------------------------------------

    def instance(self, uid):
        if uid not in self.films:
            return self.refuse(404, "unknown")
        body = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + self.films[uid] + b"\r\n--x--"
        return 200, {"Content-Type": 'multipart/related; type="application/dicom"; boundary=x'}, body

    def instances(self, study, series, offset):
        found = []
        for data in self.films.values():
            film = dcmread(io.BytesIO(data), stop_before_pixels=True)
            if film.StudyInstanceUID == study and series in {"", film.SeriesInstanceUID}:
                uids = {"00080016": film.SOPClassUID, UID: film.SOPInstanceUID, "0020000E": film.SeriesInstanceUID}
                found.append({tag: one(str(value), "UI") for tag, value in uids.items()})
        return 200, HEADERS, json.dumps(found[offset : offset + self.page]).encode()

    def store(self, content_type, body):
        boundary = content_type.partition("boundary=")[2].encode()
        stored, refused = [], []
        for part in body.split(b"--" + boundary)[1:-1]:
            result = dcmread(io.BytesIO(part.partition(b"\r\n\r\n")[2][:-2]))
            uid = str(result.SOPInstanceUID)
            said = {"00081150": one(str(result.SOPClassUID), "UI"), "00081155": one(uid, "UI")}
            if result.StudyInstanceUID in self.refuses:
                refused.append({**said, "00081197": one(0x0110, "US")})
                continue
            self.contents.setdefault(uid, set()).add(content_of(result))
            self.stored[uid] = len(self.contents[uid])
            self.held.setdefault(uid, result)
            stored.append(said)
        lists = {"00081198": {"vr": "SQ", "Value": refused}, "00081199": {"vr": "SQ", "Value": stored}}
        return 200, HEADERS, json.dumps(lists).encode()

    # --- HTTP -----------------------------------------------------------------------------------------------------

    def answer(self, method, target, headers, body):  # noqa: PLR0911 - a line a resource
        parts = urlsplit(target)
        path = parts.path.strip("/").split("/")[1:]  # the root has one part: dicom-web
        offset = int(dict(parse_qsl(parts.query)).get("offset", 0))
        with self.lock:
            self.asked[method, path[0]] += 1
            if (broken := self.broken.get((method, path[-1]))) is not None:
                return self.refuse(broken, "broken")
            match method, path:
                case "GET", ["workitems"]:
                    return self.search(parse_qsl(parts.query))
                case "GET", ["workitems", uid]:
                    return self.retrieve(uid)
                case "POST", ["workitems", uid]:
                    return self.update(uid, parts.query, json.loads(body))
                case "PUT", ["workitems", uid, "state", *requester] if (
                    requester == [self.requester][: bool(self.requester)]
                ):
                    return self.change_state(uid, json.loads(body))
                case "GET", ["studies", _, "series", _, "instances", uid]:
                    return self.instance(uid)
                case "GET", ["studies", study, "instances"]:
                    return self.instances(study, "", offset)
                case "GET", ["studies", study, "series", series, "instances"]:
                    return self.instances(study, series, offset)
                case "POST", ["studies"]:
                    return self.store(headers["Content-Type"], body)
            return self.refuse(404, "no such resource")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        manager = self.server.manager
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.token and self.headers.get("Authorization") != self.server.token:
            status, headers, body = 401, {}, b""
        else:
            status, headers, body = manager.answer(self.command, self.path, self.headers, body)
            manager.on_answer(self.command, urlsplit(self.path).path.rpartition("/")[2])
            if manager.loses_answer():
                self.close_connection = True
                return
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - http.server's names
    do_PUT = do_GET  # noqa: N815 - likewise

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    """The manager's HTTP server, on loopback; ``url`` is its DICOMweb root."""

    daemon_threads = True

    def __init__(self, manager, *, token="", certificate=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.manager, self.token = manager, token
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.server_port}/dicom-web"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def handle_error(self, *_):
        """Say nothing: the drill kills its clients."""

    def close(self):
        self.shutdown()
        self.server_close()
        self._thread.join()
