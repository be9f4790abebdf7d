"""The page without a server: its bytes, and the seconds from a film to its boxes, cold and warm, on one thread and two.

    python benchmarks/web.py

One real film of 3.6 megapixels (pydicom-data: 1955 x 1841, 15 bits, uncompressed and JPEG 2000) is read in Debian's
chromium without a screen, from a plain file server on this machine, and by Python beside it.
"""

from __future__ import annotations

import base64
import functools
import gzip
import http.server
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pydicom.data
from playwright.sync_api import Browser, Page, sync_playwright

from lungspot.detect import load_detector
from lungspot.outputs import Outputs
from lungspot.pipeline import analyze
from lungspot.web import write_page

REPEATS = 5
READ = """async (data) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const api = await import(new URL("viewer/api.js", document.baseURI));
    const start = performance.now();
    const { readings: [{ id }] } = await api.upload(new File([bytes], "film.dcm"), () => {});
    const { candidates } = await api.reading(id);
    const took = performance.now() - start;
    await api.remove(id);
    return { took, boxes: candidates.length, threads: document.documentElement.dataset.threads };
}"""
PARTS = {
    "viewer and engine": ("viewer/", "engine/", "facts.json", "index.html", "how.html", "sw.js"),
    "model": ("model/",),
    "runtime": ("runtime/",),
    "decoders, each loaded when a film needs it": ("codecs/",),
}


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A plain file server that says nothing."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def sizes(folder: Path) -> None:
    """Print bytes by part, as they lie there and packed."""
    print("| part | files | kB | kB packed |\n|---|---|---|---|")
    for name, begins in PARTS.items():
        found = [
            path for path in folder.rglob("*") if path.is_file() and str(path.relative_to(folder)).startswith(begins)
        ]
        packed = sum(len(gzip.compress(path.read_bytes())) for path in found)
        print(
            f"| {name} | {len(found)} | {sum(path.stat().st_size for path in found) / 1e3:,.0f} | {packed / 1e3:,.0f} |"
        )


def ready(browser: Browser, address: str) -> tuple[Page, float]:
    """Return a page of a browser that has never seen it, once it can read, and after how many seconds that was."""
    page = browser.new_context().new_page()
    start = time.perf_counter()
    page.goto(address)
    page.locator("html[data-threads]").wait_for(state="attached", timeout=120_000)
    return page, time.perf_counter() - start


def once(page: Page, data: bytes) -> dict[str, Any]:
    """Return what the page says of a film: seconds, boxes, threads."""
    found: dict[str, Any] = page.evaluate(READ, base64.b64encode(data).decode())
    return found | {"took": found["took"] / 1000}


def main() -> None:
    """Print both tables."""
    films = {name: Path(str(pydicom.data.get_testdata_file(f"RG1_{name}.dcm"))) for name in ("UNCR", "J2KR")}
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        folder = Path(scratch) / "page"
        write_page(Outputs(), folder)
        sizes(folder)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=flags
        )
        print(
            "\n| film | page ready s | first film s | warm s, 1 thread | warm s, 2 threads | Python warm s |"
            "\n|---|---|---|---|---|---|"
        )
        detector = load_detector()
        for name, path in films.items():
            data = path.read_bytes()
            page, opened = ready(browser, address)
            first = once(page, data)
            warm = statistics.median(once(page, data)["took"] for _ in range(REPEATS))
            page.locator("html[data-offline]").wait_for(state="attached", timeout=120_000)
            page.goto(f"{address}?threads=2")  # from the browser's own store, which sends what threads need
            page.locator("html[data-threads='2']").wait_for(state="attached", timeout=120_000)
            once(page, data)
            two = statistics.median(once(page, data)["took"] for _ in range(REPEATS))
            analyze(data, detector)
            took = []
            for _ in range(REPEATS):
                start = time.perf_counter()
                analyze(data, detector)
                took.append(time.perf_counter() - start)
            python = statistics.median(took)
            print(
                f"| {name}, {first['boxes']} boxes | {opened:.1f} | {first['took']:.2f} | {warm:.2f} | {two:.2f} "
                f"| {python:.2f} |"
            )
            page.context.close()
        browser.close()
        server.shutdown()


if __name__ == "__main__":
    main()
