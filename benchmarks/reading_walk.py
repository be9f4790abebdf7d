"""A reader's walk through a worklist: steps and seconds a film, by the page of this tree or of an earlier one.

    python benchmarks/reading_walk.py FOLDER --films 30
    python benchmarks/reading_walk.py FOLDER --films 30 --tree ../before

For each film: it is there, its findings are accepted (of every fifth film the first is rejected), the report is copied,
the review saved, the next film opened. A page without those keys is walked with what it has: each finding chosen and
accepted, the findings marked with the mouse and copied, saved, the next film. A step is a key or a movement of the
mouse. Seconds are what the page made the reader wait, measured, and the hands by the keystroke-level model (Card, Moran
and Newell, 1980: a key 0.28 s, a movement 1.1 s, from keys to mouse or back 0.4 s), without the time to look and think,
which is the same for both.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Page, sync_playwright

KEY, POINT, HAND = 0.28, 1.1, 0.4


def ask(address: str, method: str, path: str, body: bytes | None = None) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON of an answer."""
    connection = HTTPConnection(urlsplit(address).netloc)
    connection.request(method, path, body, {"Content-Type": "application/octet-stream"})
    return json.loads(connection.getresponse().read())


class Hands:
    """The keys and movements of one film."""

    def __init__(self, page: Page) -> None:
        self.page, self.steps, self.seconds = page, 0, 0.0

    def key(self, key: str) -> None:
        """Press a key, and wait until the page has drawn."""
        self.page.keyboard.press(key)
        self.page.evaluate("() => new Promise((next) => requestAnimationFrame(next))")
        self.steps, self.seconds = self.steps + 1, self.seconds + KEY

    def mark(self, selector: str) -> None:
        """Go over an element with the button down, from its start to its end, and return to the keys."""
        self.page.evaluate(f"getSelection().selectAllChildren(document.querySelector('{selector}'))")
        self.steps, self.seconds = self.steps + 2, self.seconds + 2 * POINT + 2 * HAND


def title(page: Page) -> str:
    """Return the name and headline of the open film."""
    return page.locator("#film").get_attribute("aria-label") or ""


def next_film(page: Page, hands: Hands, key: str) -> None:
    """Press the key that opens another film, and wait for its picture."""
    before = title(page)
    hands.key(key)
    page.wait_for_function(
        "(before) => ((now) => /^Film/.test(now) && now !== before)(document.getElementById('film').ariaLabel)",
        arg=before,
    )


def film(page: Page, at: int, *, single_keys: bool) -> Hands:
    """Read the open film and go to the next."""
    hands = Hands(page)
    findings = page.locator("#found li").count()
    if findings and at % 5 == 4:
        hands.key("j")
        hands.key("x")
    if single_keys:
        hands.key("Shift+A")
        hands.key("y")
        page.locator("#copy-report", has_text="Copied").wait_for()
        next_film(page, hands, "s")
        return hands
    for _ in range(findings - (1 if at % 5 == 4 else 0)):
        hands.key("j")
        hands.key("a")
    hands.mark("#found")
    hands.key("Control+c")
    hands.key("s")
    page.locator("#saved", has_text=re.compile("^saved")).wait_for()
    next_film(page, hands, "]")
    return hands


def main() -> None:
    """Start the server of a tree, give it films, and walk through them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--films", type=int, default=30)
    parser.add_argument("--tree", type=Path, default=Path(__file__).resolve().parents[1])
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    given = parser.parse_args()
    command = [sys.executable, "-m", "lungspot", "serve", "--port", "0", "--data", tempfile.mkdtemp()]
    environment = os.environ | {"PYTHONPATH": str(given.tree.resolve() / "src")}
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    address = next(found[0] for line in server.stderr or () if (found := re.search(r"http://[\w.:]+/", line)))
    try:
        paths = sorted(path for path in given.folder.rglob("*") if path.suffix in {".png", ".jpg", ".dcm"})[
            : given.films + 1
        ]
        for path in paths:
            reading = ask(address, "POST", f"/v1/readings?name={path.name}", path.read_bytes())["readings"][0]["id"]
            while ask(address, "GET", f"/v1/readings/{reading}?wait=20")["state"] != "done":
                pass
        with sync_playwright() as playwright:
            flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
            browser = playwright.chromium.launch(executable_path=given.chromium, args=flags)
            page = browser.new_context(bypass_csp=True, permissions=["clipboard-read", "clipboard-write"]).new_page()
            page.goto(address)
            page.wait_for_function("/^Film/.test(document.getElementById('film').ariaLabel)")
            page.fill("#reader", "walk")
            page.locator("#headline").click()
            single_keys = page.locator("#copy-report").count() > 0
            steps, waits, seconds = [], [], []
            for at in range(len(paths) - 1):
                start = time.perf_counter()
                hands = film(page, at, single_keys=single_keys)
                waits.append(time.perf_counter() - start)
                steps.append(hands.steps)
                seconds.append(waits[-1] + hands.seconds)
            print(
                f"{len(steps)} films, {'with' if single_keys else 'without'} single keys, load {os.getloadavg()[0]:.1f}"
            )
            print(f"steps a film: mean {statistics.mean(steps):.1f}, most {max(steps)}")
            print(f"waited s: median {statistics.median(waits):.2f}, longest {max(waits):.2f}")
            print(f"seconds a film: median {statistics.median(seconds):.2f}, mean {statistics.mean(seconds):.2f}")
    finally:
        server.terminate()
        server.wait(60)


if __name__ == "__main__":
    main()
