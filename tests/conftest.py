"""What every test may ask for: the real films beside the checkout, and pydicom-data's real chest film."""

import gc
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image
from playwright.sync_api import expect, sync_playwright
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian
from tests.generated import CARD_LABELS, GATE_CLASSES, generated_network, watched_result
from tests.orthanc import PATIENCE, Orthanc
from tests.scheduling import ByFile, rank
from tests.warm import forking

from lungspot.datasets.catalog import load_all
from lungspot.detect import METADATA_KEY, GateCard, ModelCard, Platt, Thresholds, seal_model
from lungspot.errors import SetupError
from lungspot.images import sandbox, use_fork_server
from lungspot.web import require_vendored

ROOT = Path(__file__).resolve().parent.parent

# The same examples in every run, and none fails for being slow: no test here is about the clock.
settings.register_profile("lungspot", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lungspot")


def skip_or_fail(reason):
    """Skip where a package of the system is missing; on CI that is a failure, for CI installs everything."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def beside(name):
    """Return a folder beside the checkout, which is never committed; skip where it is not there."""
    folder = ROOT.parent / name
    if not folder.is_dir():
        pytest.skip(f"../{name} is not here")
    return folder


# Three seconds of each process that imports jsonschema: grammars of URIs, for checks of formats that no test asks for.
sys.modules["rfc3987_syntax"] = None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give workers file by file as ``--dist loadfile`` does, but some folders whole."""
    return ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection():
    """Look for no garbage among modules that are being imported; it takes a fifth of the time, and they stay."""
    gc.disable()


def pytest_collection_finish():
    """Look for garbage again, among what tests make, and seldom: all else is passed over."""
    gc.enable()
    gc.freeze()
    gc.set_threshold(100_000)


def pytest_collection_modifyitems(items):
    """Sort by what takes long, in order within a folder; count no coverage where real films are read, it costs more."""
    items.sort(key=lambda item: rank(item.nodeid))
    for item in items:
        fuzzed = item.nodeid.startswith("tests/images/test_fuzz.py")  # thousands of children, of programs too
        if fuzzed or "shared_data" in item.fixturenames:
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture(scope="session")
def _fork_server():
    """The small process that forks the sandbox's children from here on, as it does for services."""
    with use_fork_server() as started:
        assert started
        yield


@pytest.fixture(autouse=True)
def _forks_are_small(request):
    """Have films read by children of the fork server, but in the tests of images, which try both ways.

    A fork of a process that holds torch and every test takes 40 ms of a processor, and these tests read thousands.
    """
    if not request.node.nodeid.startswith("tests/images/"):
        request.getfixturevalue("_fork_server")


@pytest.fixture
def forked_here():
    """Children are forked by this process, whatever else is set up."""
    before = sandbox.set_fork_backend(None)
    yield
    sandbox.set_fork_backend(before)


@pytest.fixture(scope="session")
def program():
    """A function that returns the path of a program, or skips (fails on CI) where its Debian package is missing."""

    def find(name, package):
        path = shutil.which(name, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
        if path is None:
            skip_or_fail(f"{name} is not installed (apt install {package})")
        return path

    return find


@pytest.fixture(scope="session")
def serving():
    """A function that runs a real HTTP server of a handler while it is in use; ``state`` is the server's own."""

    @contextmanager
    def run(handler, **state):
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            for name, value in state.items():
                setattr(server, name, value)
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield server
            finally:  # else the thread would keep a test run that failed from ever ending
                server.shutdown()
                thread.join()

    return run


@pytest.fixture(scope="session")
def warm():
    """The address of the process that forks ``lungspot`` for tests that need many (tests/warm.py)."""
    with forking() as address:
        yield address


@pytest.fixture
def http_server(serving):
    """A real HTTP server; a test says the status, headers and body of every answer; `asked` are the requests."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.server.asked.append((self.path, dict(self.headers), body))
            answer = self.server.answer
            status, headers, body = answer(self.path, body) if callable(answer) else answer
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body)), "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815 - likewise

        def log_message(self, *_):
            pass

    with serving(Handler, asked=[]) as running:
        running.url = f"http://127.0.0.1:{running.server_port}/dicom-web"
        yield running


@pytest.fixture(scope="session")
def orthanc(program, tmp_path_factory):
    """Orthanc, started once for all tests; each uses studies of its own."""
    server = Orthanc(program("Orthanc", "orthanc"), tmp_path_factory.mktemp("orthanc"))
    yield server
    server.process.terminate()
    server.process.wait(PATIENCE)


@pytest.fixture(scope="session")
def watched_film():
    """A function that returns what a watch needs of a film's result."""
    return watched_result


@pytest.fixture(scope="session")
def certificates(tmp_path_factory, program):
    """An authority, and certificates by it for the node and for a sender; and one of nobody's."""
    folder = tmp_path_factory.mktemp("tls")
    openssl = program("openssl", "openssl")

    def run(*words):
        subprocess.run([openssl, *words], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "rsa:2048", "-nodes", "-days", "2")
    for name in ("ca", "stranger"):
        run("req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("node", "sender"):
        run("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        sign = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        run("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *sign)
    return folder


@pytest.fixture(scope="session")
def shared_cases():
    """The folder ../shared/cases: inputs modelled on faults of other programs, with their right values."""
    return beside("shared/cases")


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real films beside the checkout (never committed)."""
    return beside("shared/data")


@pytest.fixture(scope="session")
def dcmtk():
    """A function that runs one of DCMTK's programs, the reference that our decoders are compared with."""
    if shutil.which("dcmdjpeg") is None:
        skip_or_fail("DCMTK is not installed (apt install dcmtk)")

    def run(*command):
        subprocess.run([str(part) for part in command], check=True, capture_output=True)

    return run


@pytest.fixture(scope="session")
def dciodvfy():
    """A function that returns what dicom3tools' dciodvfy calls errors in a DICOM file."""
    if shutil.which("dciodvfy") is None:
        skip_or_fail("dciodvfy is not installed (apt install dicom3tools)")

    def errors(path):
        data = dcmread(path)
        if data.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian:  # which Debian's dciodvfy cannot read
            data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            path = path.with_suffix(".inflated.dcm")
            data.save_as(path)
        done = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
        assert done.stderr + done.stdout  # it names the object's class at least
        return [line for line in (done.stderr + done.stdout).splitlines() if line.startswith("Error")]

    return errors


@pytest.fixture(scope="session")
def dsrdump():
    """A function that returns a structured report as DCMTK's dsrdump prints it."""
    if shutil.which("dsrdump") is None:
        skip_or_fail("DCMTK is not installed (apt install dcmtk)")

    def text(path):
        command = ["dsrdump", "+U8", "+Pl", str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    return text


@pytest.fixture(scope="session")
def chromium():
    """The path of Debian's browser, for pages: without a screen, at half the price, or the whole."""
    program = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if program is None:
        skip_or_fail("chromium is not installed (apt install chromium-headless-shell)")
    return program


@pytest.fixture(scope="session")
def browsing(chromium):
    """A function that runs the browser while it is in use: while Playwright runs, no other test may have a loop."""

    @contextmanager
    def run():
        expect.set_options(timeout=60000)
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        with sync_playwright() as playwright:
            running = playwright.chromium.launch(executable_path=chromium, args=flags)
            yield running
            running.close()

    return run


@pytest.fixture(scope="session")
def web_runtime():
    """The runtime of the page without a server, as `make web` lays it into the package."""
    try:
        return dict(require_vendored())
    except SetupError:
        skip_or_fail("the page's runtime is not here (make web)")


@pytest.fixture(scope="session")
def pydicom_data():
    """The folder of DICOM files in the package pydicom-data (MIT)."""
    spec = importlib.util.find_spec("data_store")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations))) / "data"


@pytest.fixture(scope="session")
def rg1(pydicom_data):
    """One real chest film (CR, PA, MONOCHROME1, 15 bit, 1955 x 1841) in four encodings, by the end of its name."""
    return {name: pydicom_data / f"RG1_{name}.dcm" for name in ("UNCR", "UNCI", "J2KR", "J2KI")}


@pytest.fixture(scope="session")
def generated_card():
    """The card of the generated network."""
    return ModelCard(
        name="generated",
        version="0",
        labels=CARD_LABELS,
        input_size=64,
        box_fusion={"effusion": 0.5},
        box_calibration={"effusion": Platt(1.5, 0.2)},
        image_calibration={"edema": Platt(1.0, 0.0)},
        thresholds={
            "sensitive": {"effusion": Thresholds(0.3, 0.3)},
            "balanced": {"effusion": Thresholds(0.6, 0.5), "nodule_mass": Thresholds(0.6, 0.6)},
        },
        box_from_map={"edema": 0.6},
        gate=GateCard(GATE_CLASSES, {"frontal": 0.5, "turn": 0.5, "inverted": 0.5}, {"generated": "films"}),
        training_data=("none",),
        terms="a test",
    )


@pytest.fixture(scope="session")
def write_model(generated_card):
    """A function that writes the generated network with a card, sealed, and returns its path."""

    def write(path, card=generated_card, change=None):
        model = generated_network(card.input_size)
        model.metadata_props.add(key=METADATA_KEY, value=card.to_json())
        if change is not None:
            change(model)
        path.write_bytes(seal_model(model.SerializeToString()))
        return path

    return write


@pytest.fixture(scope="session")
def model_file(write_model, tmp_path_factory):
    """The generated network in a file."""
    return write_model(tmp_path_factory.mktemp("model") / "generated.onnx")


@pytest.fixture(scope="session")
def upright_film():
    """A function that gives, for a seed, what the generated gate calls an upright film."""

    def make(seed=0):
        pixels = np.random.default_rng(seed).random((120, 100)) * 0.3 + 0.65
        pixels[:60, :50] -= 0.45
        return Image.fromarray((pixels * 255).astype(np.uint8))

    return make


def write_files(root, files):
    """Write ``files``, path → text, below ``root``, which is returned; a film needs no content to be found."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    return root


@pytest.fixture
def download(tmp_path):
    """A function that writes a small download: path → text or JSON value."""

    def make(files, folder="download"):
        (tmp_path / folder).mkdir(exist_ok=True)
        return write_files(tmp_path / folder, files)

    return make


@pytest.fixture(scope="session")
def real_cases(shared_data):
    """Every real film with all that is said about it."""
    return tuple(load_all(shared_data))
