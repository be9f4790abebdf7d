"""A real server and a real browser: `lungspot serve` in a process of its own, Debian's chromium without a screen."""

import json
import os
import re
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pydicom
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from tests.warm import Warm

ROOT = Path(__file__).resolve().parents[3]
VIEWER = ROOT / "src" / "lungspot" / "serve" / "viewer"

OUTLINES = {  # of a chest, on RG1
    "heart": [700.0, 850.0, 1250.0, 1450.0],
    "left_lung": [1000.0, 250.0, 1650.0, 1500.0],
    "right_lung": [200.0, 250.0, 850.0, 1480.0],
    "lungs": [[200.0, 250.0, 850.0, 1480.0], [1000.0, 250.0, 1650.0, 1500.0]],
    "cardiothoracic_ratio": 0.379,
    "mirrored": False,
}
LAPTOP = {"width": 1366, "height": 768}
# What a hostile sender would put where people read names.
NASTY = "<img src onerror=alert(1)>"


@dataclass(frozen=True)
class Server:
    """A running server: its address, and what it answers without a browser."""

    address: str

    def get(self, path, **query):
        return self.ask("GET", f"{path}?{urlencode(query)}")

    def post(self, path, body, kind="application/json"):
        return self.ask("POST", path, body if isinstance(body, bytes) else json.dumps(body), {"Content-Type": kind})

    def ask(self, method, path, body=None, headers=None):
        """Return the answer's JSON, else its bytes; every answer must be a good one."""
        connection = HTTPConnection(urlsplit(self.address).netloc)
        try:
            connection.request(method, f"/{path}", body, headers or {})
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status < 300, text
            return json.loads(text) if answer.getheader("Content-Type", "").startswith("application/json") else text
        finally:
            connection.close()

    def read(self, path, name="film"):
        """Upload a film, wait until it is read, and return its id."""
        kind = "application/octet-stream"
        reading = self.post(f"v1/readings?{urlencode({'name': name})}", path.read_bytes(), kind)["readings"][0]["id"]
        while self.get(f"v1/readings/{reading}", wait=10)["state"] != "done":
            pass
        return reading


@pytest.fixture(scope="session")
def serve(warm, tmp_path_factory):
    """A function that starts `lungspot serve` with options and returns the server; all end with the session."""
    running = []

    def start(*options, environment=None):
        folder = tmp_path_factory.mktemp("serve")
        command = ["serve", "--port", "0", "--data", folder, "--workers", "1", *options]
        source, sink = os.pipe()
        process, said = Warm(warm, command, stderr=sink, env=os.environ | (environment or {})), os.fdopen(source)
        os.close(sink)
        running.append((process, said))
        while line := said.readline():
            if found := re.search(r"http://[\w.:]+/", line):
                return Server(found[0])
        raise AssertionError("the server did not start")

    yield start
    for process, said in running:
        process.kill()
        process.wait(30)
        said.close()


@pytest.fixture(scope="session")
def server(serve):
    """A server that keeps identifiers, so that names of people and files reach the page."""
    return serve("--keep-identifiers")


@pytest.fixture(scope="package")
def browser(browsing):
    """Debian's chromium, one for all tests of the viewer."""
    with browsing() as running:
        yield running


@pytest.fixture(scope="package")
def tab(browser):
    """A page of a laptop's size for one test after the other: it reads scripts again at half the price."""
    context = browser.new_context(viewport=LAPTOP)
    tab = context.new_page()
    tab.set_default_timeout(60000)
    yield tab
    context.close()


@pytest.fixture
def page(tab, monkeypatch):
    """An empty page, as if new; an error in its scripts, or one that its policy stops, fails the test."""
    faults, heard = [], []

    def on(event, told, listen=tab.on):
        heard.append((event, told))
        listen(event, told)

    monkeypatch.setattr(tab, "on", on)
    tab.on("pageerror", lambda error: faults.append(error.stack))
    tab.on(
        "console", lambda message: faults.append(message.text) if "Content Security Policy" in message.text else None
    )
    yield tab
    for event, told in heard:
        tab.remove_listener(event, told)
    tab.unroute_all()
    tab.context.clear_permissions()
    tab.set_viewport_size(LAPTOP)
    tab.mouse.move(-1, -1)
    if tab.url != "about:blank":
        with tab.expect_navigation(url="about:blank"):  # by the page itself, which keeps its process
            tab.evaluate("localStorage.clear(); sessionStorage.clear(); location.replace('about:blank')")
    assert not faults


@pytest.fixture
def look(page, server, settle):
    """A function that opens a reading in the page and waits until its film is drawn."""

    def open_film(reading):
        page.goto(f"{server.address}?id={reading}")
        page.wait_for_selector("#dock:not([hidden])")
        settle()
        return page

    return open_film


@pytest.fixture
def outlined(page):
    """Readings come to the page with heart and lungs as in a chest; most tests' film has masses beside the heart."""

    def answer(route):
        response = route.fetch()
        value = response.json()
        if (value.get("result") or {}).get("anatomy"):
            value["result"]["anatomy"] |= OUTLINES
        route.fulfill(response=response, json=value)

    page.route(re.compile(r"/v1/readings/[^/?]+(\?[^/]*)?$"), answer)


@pytest.fixture
def look_at_all(look, settle):
    """A function that opens a reading and has experimental labels shown too."""

    def open_film(reading):
        page = look(reading)
        page.locator("#found li").first.wait_for()
        page.locator("#experimental").click()
        settle()
        return page

    return open_film


@pytest.fixture
def is_open(page):
    """A function that waits until the film of that name, and no other, is the one that the page shows."""
    return lambda name: expect(page.locator("#film")).to_have_attribute(
        "aria-label", re.compile(f"^Film {re.escape(name)}: ")
    )


@pytest.fixture
def listed(page):
    """A function that returns the candidates of a reading that are listed now, row by row."""

    def rows(facts):
        keys = page.eval_on_selector_all("#found li", "(rows) => rows.map((row) => Number(row.dataset.item))")
        return [facts["candidates"][key] for key in keys]

    return rows


@pytest.fixture(scope="session")
def frames():
    """A function that waits until what a page was asked for is drawn: for two frames."""
    two = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))"
    return lambda page: page.evaluate(two)


@pytest.fixture
def settle(page, frames):
    """The same of the page that tests share."""
    return lambda: frames(page)


@pytest.fixture(scope="session")
def chest(rg1, server):
    """The reading of pydicom-data's chest film."""
    return server.read(rg1["UNCR"], "chest.dcm")


@pytest.fixture(scope="session")
def leg(pydicom_data, server):
    """The reading of a film that the gate refuses: an ankle."""
    return server.read(pydicom_data / "RG3_UNCR.dcm", "leg.dcm")


@pytest.fixture(scope="session")
def nasty_film(rg1, tmp_path_factory):
    """The chest film in a file and of a patient with markup for names, a year earlier, pixels 0.3 mm high, 0.2 wide."""
    data = pydicom.dcmread(rg1["UNCR"])
    data.PatientName = NASTY
    data.ContentDate = str(int(data.ContentDate or "20000101") - 10000)
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = "2.25.1804"
    data.PixelSpacing = [0.3, 0.2]
    path = tmp_path_factory.mktemp("nasty") / f"{NASTY}.dcm"
    data.save_as(path)
    return path


@pytest.fixture
def faults(page):
    """A function that returns what axe-core finds on the page that is serious or worse, with the elements."""

    def find():
        return [
            (each["id"], [node["target"] for node in each["nodes"]])
            for each in Axe().run(page).response["violations"]
            if each["impact"] in {"serious", "critical"}
        ]

    return find
