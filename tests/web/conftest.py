"""The page as `lungspot web` writes it, on a file server, in Debian's chromium; and what Python says of its films."""

import base64
import functools
import http.server
from dataclasses import dataclass, field

import numpy as np
import pytest

from lungspot.detect import floor_of, load_detector
from lungspot.images import prepare, read
from lungspot.outputs import Outputs
from lungspot.pipeline import analyze
from lungspot.report import document, report_text
from lungspot.serve.record import at_point, candidates
from lungspot.web import write_page

READ = """async ([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const at = document.baseURI;
  const api = await import(new URL("viewer/api.js", at));
  const { readings: [{ id }] } = await api.upload(new File([bytes], name), () => {});
  const value = await api.reading(id);
  const how = { language: "en", point: "balanced", experimental: false };
  const report = await api.report(id, { reader: "", note: "", complete: false, verdicts: [], measurements: [] }, how);
  await api.remove(id);
  if (!value.result.image.width) return { ...value, report };
  const { read } = await import(new URL("engine/read.js", at));
  const { prepare } = await import(new URL("engine/prepare.js", at));
  const tensor = prepare(await read(bytes), 320);
  const packed = new Uint8Array(tensor.buffer).reduce((text, byte) => text + String.fromCharCode(byte), "");
  return { ...value, report, tensor: btoa(packed) };
}"""


@dataclass
class Page:
    """The open page, its address, and every request since it was ready."""

    page: object
    address: str
    requests: list = field(default_factory=list)

    def read(self, name, data):
        """What the page answers of a film, with its report, and the network's input as an array."""
        value = self.page.evaluate(READ, [name, base64.b64encode(data).decode()])
        if "tensor" in value:
            value["tensor"] = np.frombuffer(base64.b64decode(value["tensor"]), np.float32).reshape(320, 320)
        return value


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A plain file server, as `python -m http.server` is, that keeps what was asked, and may lose a file."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path in self.server.lost:
            self.send_error(404)
        else:
            super().do_GET()


@pytest.fixture(scope="session")
def built(web_runtime, tmp_path_factory):
    """The page, written by lungspot as it is installed here."""
    assert web_runtime
    folder = tmp_path_factory.mktemp("web") / "page"
    write_page(Outputs(), folder)
    return folder


@pytest.fixture(scope="session")
def files(serving, built):
    """A plain file server of the page."""
    with serving(functools.partial(Quiet, directory=str(built)), asked=[], lost=set()) as server:
        yield server


@pytest.fixture(scope="package")
def browser(browsing):
    with browsing() as running:
        yield running


@pytest.fixture(scope="package")
def local(browser, files):
    """The page, open and ready to read, for tests that ask its modules."""
    yield from _opened(browser, files)


@pytest.fixture(scope="module")
def own_page(browser, files):
    """The page, open and ready to read, for the tests of one module alone."""
    yield from _opened(browser, files)


def _opened(browser, files):
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    page.set_default_timeout(90000)
    faults = []
    page.on("pageerror", lambda error: faults.append(error.stack))
    address = f"http://127.0.0.1:{files.server_port}/"
    page.goto(address)
    for state in ("threads", "offline"):
        page.locator(f"html[data-{state}]").wait_for(state="attached")
    opened = Page(page, address)
    context.on("request", lambda request: opened.requests.append(request.url))
    yield opened
    context.close()
    assert not faults


@pytest.fixture(scope="session")
def detector():
    return load_detector()


@pytest.fixture(scope="session")
def said(detector):
    """A function that returns what Python says of a film, in the shape of the page's answer."""

    def whole(data):
        result = analyze(data, detector, min_score=floor_of(detector.card))
        film = read(data)
        at = at_point(result, "balanced")
        return {
            "result": document(at),
            "candidates": candidates(result),
            "report": report_text(at).text,
            "tensor": prepare(film, 320).tensor[0, 0],
        }

    return whole


SCORE = 1e-3  # how far a score of the page may be from Python's


def _distance(python, page):
    """Return the largest differences of greys, pixels and scores; raises AssertionError where the verdicts differ."""
    ours, theirs = python["result"], page["result"]
    assert (ours["status"], ours["reasons"]) == (theirs["status"], theirs["reasons"])
    assert [each["code"] for each in ours["warnings"]] == [each["code"] for each in theirs["warnings"]]
    assert ours["statement"]["headline"] == theirs["statement"]["headline"]
    assert python["report"] == page["report"]["text"]
    assert ours.keys() == theirs.keys()
    assert ours["report"].keys() == theirs["report"].keys()
    for key in ("width", "height", "kind", "format", "view", "sha256", "bits", "pixel_aspect"):
        assert ours["image"][key] == theirs["image"][key], key
    assert ours["image"]["pixel_spacing_mm"] == theirs["image"]["pixel_spacing_mm"]
    found = {"greys": float(np.abs(python["tensor"] - page["tensor"]).max()), "pixels": 0.0, "scores": 0.0}
    for mine, other in zip(ours["image_scores"], theirs["image_scores"], strict=True):
        assert (mine["label"], mine["positive"]) == (other["label"], other["positive"])
        found["scores"] = max(found["scores"], abs(mine["probability"] - other["probability"]))
    seen, other = ours.get("anatomy"), theirs.get("anatomy")
    if seen is not None:
        assert (seen["mirrored"], len(seen["lungs"])) == (other["mirrored"], len(other["lungs"]))
        assert [key for key in seen if seen[key] is None] == [key for key in other if other[key] is None]
        for mine, its in zip([seen["heart"], *seen["lungs"]], [other["heart"], *other["lungs"]], strict=True):
            found["pixels"] = max(found["pixels"], *(map(abs, np.subtract(mine, its)) if mine else ()))
    for mine, other in _pairs(python["candidates"], page["candidates"]):
        assert [mine[key] for key in ("side", "zone", "judged")] == [other[key] for key in ("side", "zone", "judged")]
        found["scores"] = max(found["scores"], abs(mine["score"] - other["score"]))
        found["pixels"] = max(found["pixels"], *map(abs, np.subtract(mine["box"], other["box"])))
    return found


def _pairs(mine, others):
    """Pair boxes of one label by where they lie; one whose score is at the floor may be on one side alone."""
    left = list(others)
    for each in mine:
        near = [
            one
            for one in left
            if one["label"] == each["label"] and np.abs(np.subtract(one["box"], each["box"])).max() < 5
        ]
        if near:
            left.remove(near[0])
            yield each, near[0]
        else:
            assert each["score"] < 0.05 + SCORE, each
    assert all(one["score"] < 0.05 + SCORE for one in left), left


@pytest.fixture(scope="session")
def distance():
    """A function that returns how far the page's answer about a film is from Python's, and refuses another verdict."""
    return _distance
