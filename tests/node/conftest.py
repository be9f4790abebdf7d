"""A node that runs in this process, small films for it, and real programs as its neighbours, all on loopback."""

import io
import json
import logging
import socket
import struct
import subprocess
import threading
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEGBaseline8Bit,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE
from pynetdicom.sop_class import Verification
from tests.generated import generated_film as film
from tests.node.worklist_manager import Manager, Server, scheduled
from tests.orthanc import PATIENCE, Orthanc, answers, free_port, until

from lungspot.detect import load_detector
from lungspot.dicomweb import open_client
from lungspot.node import (
    AuditLog,
    ItemQuery,
    NetworkLimits,
    NodeSettings,
    ResultOptions,
    Spool,
    parse_peer,
    parse_rule,
    run_node,
)
from lungspot.node.context import NodeContext
from lungspot.node.performed import by_wado
from lungspot.node.performer import Performer
from lungspot.node.ups import UnifiedWorklist

LOG = logging.getLogger("lungspot.node")


def pytest_collection_modifyitems(items):
    """Let pass that pynetdicom leaves the socket of a refused connection to the garbage collector, which says so."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(autouse=True)
def _every_level():
    """Log from `info` on, as the command does unless told otherwise."""
    before = LOG.level
    LOG.setLevel(logging.INFO)
    yield
    LOG.setLevel(before)


@pytest.fixture
def lines():
    """What the node's log says during a test."""
    collector = Collector([])
    LOG.addHandler(collector)
    yield collector._lines
    LOG.removeHandler(collector)


@pytest.fixture(scope="session")
def wait_until():
    """A function that waits until another returns something true, and returns it."""
    return until


@pytest.fixture(scope="session")
def make_film():
    """A function that returns a generated film as a data set."""
    return film


class Collector(logging.Handler):
    """Keeps what is logged, as text."""

    def __init__(self, lines):
        super().__init__()
        self._lines = lines

    def emit(self, record):
        self._lines.append(record.getMessage())


class Node:
    """A node in a thread of this process."""

    def __init__(self, settings):
        self.lines, self.stopping, self.end = [], threading.Event(), None
        self._log = Collector(self.lines)
        LOG.addHandler(self._log)
        self.spool = settings.spool
        self._thread = threading.Thread(target=self._run, args=(settings,))
        self._thread.start()
        if settings.rules:
            until(lambda: self.says("listens at") or not self._thread.is_alive(), "the node listening")

    def _run(self, settings):
        try:
            self.end = run_node(settings, self.stopping)
        except Exception as error:  # noqa: BLE001 - the test that asks for it looks at it
            self.end = error

    def says(self, part):
        return [line for line in list(self.lines) if part in line]

    @property
    def port(self):
        return int(self.says("listens at")[0].rpartition(":")[2])

    def stop(self):
        self.stopping.set()
        return self.wait()

    def wait(self):
        """Wait for the end and return the films by state, or what went wrong."""
        self._thread.join(PATIENCE)
        LOG.removeHandler(self._log)
        assert not self._thread.is_alive()
        return self.end

    def audit(self):
        lines = (self.spool / "audit.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture
def make_settings(tmp_path, model_file):
    """A function that returns the settings of a node with the generated model."""

    def settings(**changes):
        given = {
            "spool": tmp_path / "spool",
            "address": ("127.0.0.1", 0),
            "rules": (parse_rule("*@127.0.0.1"),),
            "send_to": parse_peer("NOBODY@127.0.0.1:1"),
            "results": ResultOptions(detector=load_detector(model_file, threads=1)),
            "reserve": 0,
        }
        return NodeSettings(**{**given, **changes})

    return settings


@pytest.fixture
def echo():
    """A function that asks a node for C-ECHO, as an honest sender does, and returns the status."""

    def ask(node):
        entity = AE("CR1")
        entity.add_requested_context(Verification)
        association = entity.associate("127.0.0.1", node.port, ae_title="LUNGSPOT")
        status = association.send_c_echo().Status
        association.release()
        return status

    return ask


@pytest.fixture
def start_node(make_settings):
    """A function that starts a node with some settings changed; all are stopped at the end."""
    started = []

    def start(**changes):
        started.append(Node(make_settings(**changes)))
        return started[-1]

    yield start
    for node in started:
        node.stop()


@pytest.fixture(scope="session")
def reset():
    """A function that closes a socket so that its peer's connection is reset."""

    def close(sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    return close


@pytest.fixture
def write_film(tmp_path):
    """A function that writes a generated film and returns its path."""

    def write(number=0, **tags):
        path = tmp_path / f"film-{number}.dcm"
        film(number, **tags).save_as(path, enforce_file_format=True)
        return path

    return write


@pytest.fixture
def launch():
    """A function that starts a program, waits until its port answers, and ends it with the test."""
    running = []

    def start(command, port=None, **how):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **how)
        running.append(process)
        if port is not None:
            until(lambda: answers(port), f"{command[0]} answering")
        return process

    yield start
    for process in running:
        process.terminate()
        process.wait(PATIENCE)


@pytest.fixture
def compressed():
    """A secondary capture of 60 x 40 in colour, as JPEG."""
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40), (200, 150, 0)).save(buffer, "JPEG", quality=90, subsampling="4:2:2")
    data = film(1, SOPClassUID=SecondaryCaptureImageStorage, Modality="OT", Rows=40, Columns=60)
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "YBR_FULL_422", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 8, 8, 7
    data.PixelData = encapsulate([buffer.getvalue()])
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    data.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    return data


@pytest.fixture
def damaged(compressed):
    """The same, with bytes that no JPEG decoder can read."""
    made = deepcopy(compressed)
    made.PixelData = encapsulate([b"\xff\xd8no JPEG"])
    return made


@pytest.fixture
def archive(launch, program, tmp_path):
    """DCMTK's storescp as an archive: its port, and the folder that it writes to."""
    folder, port = tmp_path / "archive", free_port()
    folder.mkdir()
    launch([program("storescp", "dcmtk"), "-od", folder, "-aet", "ARCHIVE", str(port)], port)
    return port, folder


@pytest.fixture
def orthanc_of(program, tmp_path):
    """A function that starts an Orthanc with settings of its own; all end with the test."""
    running = []

    def start(settings):
        folder = tmp_path / f"orthanc-{len(running)}"
        folder.mkdir()
        running.append(Orthanc(program("Orthanc", "orthanc"), folder, settings))
        return running[-1]

    yield start
    for server in running:
        server.process.terminate()
        server.process.wait(PATIENCE)


@pytest.fixture
def free():
    """A port that nobody listens at."""
    return free_port()


@pytest.fixture
def limits():
    """A function that returns small limits, so that tests reach them soon."""

    def small(**changes):
        return NetworkLimits(**{"request_seconds": 30.0, "idle_seconds": 30.0, **changes})

    return small


@pytest.fixture
def manager():
    return Manager()


@pytest.fixture
def serve(manager):
    """A function that serves the manager's items; ends with the test."""
    running = []

    def start(**how):
        running.append(Server(manager, **how))
        return running[-1]

    yield start
    for server in running:
        server.close()


@pytest.fixture
def order(manager, make_film):
    """A function that schedules an item about films that the archive has; returns its UID."""

    def schedule(number, *films, **more):
        uid = f"1.2.3.{number}"
        for each in films or (made := (make_film(number),)):
            manager.add_film(each)
        manager.add(scheduled(uid, films or made, **more))
        return uid

    return schedule


@pytest.fixture
def node_of(start_node):
    """A function that runs a node once against a work list; returns the node when it has ended."""

    def run(server, **changes):
        given = {"rules": (), "send_to": None, "ups": server.url, "once": True, "every": 1.0}
        node = start_node(**{**given, **changes})
        counts = node.wait()
        assert isinstance(counts, dict), counts
        return node

    return run


@pytest.fixture
def performer_of(tmp_path, monkeypatch):
    """A function that opens a spool (the same each time) as a node does at its start, and a performer with it."""
    monkeypatch.setattr("lungspot.node.performer.back_off", lambda _: 0.0)
    monkeypatch.setattr("lungspot.node.workitems.back_off", lambda _: 0.0)
    monkeypatch.setattr("lungspot.node.performer._PAUSE_SECONDS", 0.01)
    opened = []

    def start(server, **changes):
        while opened:
            opened.pop().close()
        spool = Spool(tmp_path / "steps")
        audit = AuditLog(tmp_path / "steps" / "audit.jsonl", source="LUNGSPOT")
        opened.extend((spool, audit))
        context = NodeContext(spool, audit, threading.Event())
        client = open_client(server.url, "--ups")
        worklist = UnifiedWorklist(client, ItemQuery.parse((), "LUNGSPOT"))
        return replace(Performer(context, worklist, client, "LUNGSPOT", by_wado(server.url)), **changes)

    yield start
    for each in opened:
        each.close()
