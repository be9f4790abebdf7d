"""The browser's store of the page: files of one version only, and none of another page on the same host."""

import functools
import json
import os
import shutil
from pathlib import Path

from tests.orthanc import until
from tests.web.conftest import Quiet

import lungspot.web

PAGE = Path(lungspot.web.__file__).parent / "page"
KEYS = """async () => (await caches.keys()).map((name) => name.replace(location.origin, "")).sort()"""
TEXT = """async (name) => (await (await (await caches.open(name)).match("x.txt"))?.text()) ?? null"""
UPDATED = """async () => void (await (await navigator.serviceWorker.getRegistration()).update())"""
THERE = "async (name) => !!(await (await caches.open(name)).match('x.txt'))"


class Lasting(Quiet):
    """A file server whose files a browser may keep for an hour without asking again."""

    def end_headers(self):
        self.send_header("Cache-Control", "max-age=3600")
        super().end_headers()


def lay(folder, version, when):
    """A page of two files, with the worker and the script of lungspot's."""
    (folder / "viewer").mkdir(parents=True, exist_ok=True)
    shutil.copy(PAGE / "offline.js", folder / "viewer")
    (folder / "index.html").write_text('<!doctype html><script type="module" src="viewer/offline.js"></script>')
    (folder / "x.txt").write_text(version)
    known = {"VERSION": version, "POLICY": "default-src 'self'", "FILES": ["viewer/offline.js", "x.txt"]}
    consts = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in known.items())
    (folder / "sw.js").write_text(consts + (PAGE / "sw.js").read_text())
    for name in ("x.txt", "sw.js"):
        os.utime(folder / name, (when, when))


def test_a_store_holds_one_version_and_leaves_the_pages_beside_it_alone(browser, serving, tmp_path):
    for page in ("a", "b"):
        lay(tmp_path / page, "one", 1_000_000_000)
    with (
        serving(functools.partial(Lasting, directory=str(tmp_path)), asked=[], lost=set()) as server,
        browser.new_context() as context,
    ):
        address = f"http://127.0.0.1:{server.server_port}"

        def visit(place):
            page = context.new_page()
            page.goto(f"{address}/{place}/")
            page.locator("html[data-offline=ready]").wait_for(state="attached")
            return page

        visit("a").close()
        page = visit("b")
        assert page.evaluate(KEYS) == ["lungspot /a/ one", "lungspot /b/ one"]
        page.close()
        lay(tmp_path / "a", "two", 1_100_000_000)
        page = visit("a")
        name = f"lungspot {address}/a/ two"
        page.evaluate(UPDATED)
        until(lambda: page.evaluate(THERE, name), "the new version in its store")
        assert page.evaluate(TEXT, name) == "two"
        assert page.evaluate("async () => (await fetch('x.txt')).text()") == "one"
        page.close()
        page = visit("a")
        until(lambda: page.evaluate("async () => (await (await fetch('x.txt')).text()) === 'two'"), "the new version")
        until(lambda: len(page.evaluate(KEYS)) == 2, "the old store gone")
        assert page.evaluate(KEYS) == ["lungspot /a/ two", "lungspot /b/ one"]
