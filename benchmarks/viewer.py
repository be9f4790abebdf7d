"""How fast the viewer's page answers with many films in its worklist: first paint, weight, and each act of a reader.

    python benchmarks/viewer.py --films 10000

One real film (pydicom-data) is read by a real server; its result is copied under other names until the worklist is
full. Each act is timed in the page, in Debian's chromium without a screen, from the key or click to the frame in which
its effect is seen.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pydicom.data
from playwright.sync_api import Page, sync_playwright

from lungspot.images import Identity
from lungspot.serve.search_text import search_text

# In the page: do something, and return after how many milliseconds what was waited for is there and painted.
ACT = """async () => {
    const frame = () => new Promise((next) => requestAnimationFrame(next));
    const press = (key, more) => new KeyboardEvent("keydown", { key, bubbles: true, ...more });
    const key = (name, more = {}) => document.body.dispatchEvent(press(name, more));
    const { store, now } = await import("/viewer/main.js");
    const one = (id) => document.getElementById(id);
    const row = () => document.querySelector("#rows [aria-selected=true]");
    const before = { id: store.state.id, zoom: now.view.scale, text: one("window-note").textContent };
    const fire = (node, value) => {
        node.value = value;
        node.dispatchEvent(new Event(node.tagName === "INPUT" ? "input" : "change"));
    };
    const title = (count) => one("worklist-title").textContent === `Worklist (${count})`;
    const named = () => one("film").getAttribute("aria-label").startsWith("Film");
    const opened = () => store.state.id !== before.id && store.state.film && named();
    const start = performance.now();
    DO;
    for (let frames = 0; frames < 1200 && !(DONE); frames += 1) await frame();
    await frame();
    return performance.now() - start;
}"""


WEIGHT = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .filter(({ name }) => !name.includes("/v1/")).reduce((sum, each) => sum + each.decodedBodySize, 0)"""


def fill(folder: Path, films: int) -> None:
    """Copy the one film of a server's folder until there are as many."""
    with sqlite3.connect(folder / "lungspot.db", timeout=60) as db:
        names = [row[1] for row in db.execute("PRAGMA table_info(readings)") if row[1] != "number"]
        row = dict(zip(names, db.execute(f"SELECT {', '.join(names)} FROM readings").fetchone(), strict=True))  # noqa: S608
        scores = db.execute("SELECT label, score, positive FROM scores WHERE reading = 1").fetchall()
        for at in range(1, films):
            name, identity = f"day.zip/{films - at}/film-{at:05}.dcm", asdict(Identity(f"P{at}", accession=f"A{at:05}"))
            text = json.dumps(identity)
            copy = row | {"id": f"{at:016x}", "sha256": str(at), "name": name, "urgency": 3 * at / films}
            copy |= {"identity": text, "patient": f"p{at // 3}", "found_by": search_text(name, row["headline"], text)}
            holes = ", ".join(f":{each}" for each in names)
            db.execute(f"INSERT INTO readings ({', '.join(names)}) VALUES ({holes})", copy)  # noqa: S608
            db.executemany("INSERT INTO scores VALUES (?, ?, ?, ?)", [(at + 1, *each) for each in scores])
            for kind in ("u16", "npy"):
                (folder / "films" / f"{at:016x}.{kind}").hardlink_to(folder / "films" / f"{row['id']}.{kind}")


def ask(address: str, method: str, path: str, body: bytes | None = None) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON of an answer."""
    connection = HTTPConnection(urlsplit(address).netloc)
    connection.request(method, path, body, {"Content-Type": "application/dicom"})
    return json.loads(connection.getresponse().read())


def acts(films: int) -> list[tuple[str, str, str]]:
    """Return what is timed: its name, what is done, and what shows that it is done."""
    return [
        ("next film (])", "key(']')", "opened()"),
        ("search", "fire(one('search'), 'film-00777')", "title(1)"),
        ("search taken back", "fire(one('search'), '')", f"title({films})"),
        ("order by name", "fire(one('sort'), 'name')", "store.state.rows[1]?.name.endsWith('film-00001.dcm')"),
        ("order by urgency", "fire(one('sort'), 'urgency')", "store.state.rows[0]?.name.endsWith('9.dcm')"),
        (
            "scroll to the end",
            "one('rows').scrollTop = 1e9",
            f"store.state.first + store.state.rows.length === {films}",
        ),
        ("next film, which comes into sight", "key(']')", "opened() && row()"),
        ("next finding", "key('j')", "document.querySelector('#found .on')"),
        ("accept", "key('a')", "document.querySelector('#found .accepted')"),
        ("accept all", "key('A', { shiftKey: true })", "!document.querySelector('#found li:not(.accepted)')"),
        ("lung window", "key('3')", "one('window-note').textContent !== before.text"),
        ("zoom", "key('+')", "now.view.scale !== before.zoom"),
        ("boxes off", "key('b')", "!store.state.boxes"),
        ("boxes on", "key('b')", "store.state.boxes"),
        ("prior film beside (c)", "key('c')", "store.state.prior?.film && one('prior').ariaLabel.includes(': ')"),
        ("and away", "key('c')", "!store.state.compare && one('then').hidden"),
        ("copy the report", "one('live').textContent = ''; key('y')", "one('live').textContent"),
        ("save and next film", "key('s')", "opened()"),
        (
            "only films to read",
            "document.querySelector('[data-key=show-open]').click()",
            f"store.state.total < {films}",
        ),
        ("all films", "document.querySelector('[data-key=show-all]').click()", f"title({films})"),
    ]


def timed(page: Page, films: int, rounds: int) -> None:
    """Print how long each act takes: the middle one and the longest of all rounds."""
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, act, done in acts(films):
            found.setdefault(name, []).append(page.evaluate(ACT.replace("DONE", done).replace("DO;", f"{act};")))
            page.wait_for_timeout(400)
    print("| act | median ms | longest ms |\n|---|---|---|")
    for name, each in found.items():
        print(f"| {name} | {statistics.median(each):.0f} | {max(each):.0f} |")


def main() -> None:
    """Start a server, fill it, and time a page of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--films", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    command = [sys.executable, "-m", "lungspot", "serve", "--port", "0", "--data", str(folder), "--keep-identifiers"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)
    address = next(found[0] for line in server.stderr or () if (found := re.search(r"http://[\w.:]+/", line)))
    try:
        film = Path(pydicom.data.get_testdata_file("RG1_UNCR.dcm")).read_bytes()
        identifier = ask(address, "POST", "/v1/readings", film)["readings"][0]["id"]
        while ask(address, "GET", f"/v1/readings/{identifier}?wait=20")["state"] != "done":
            pass
        fill(folder, given.films)
        with sync_playwright() as playwright:
            flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
            page = playwright.chromium.launch(executable_path=given.chromium, args=flags).new_page()
            page.set_viewport_size({"width": 1366, "height": 768})
            paints, sizes = [], []
            for _ in range(given.rounds):
                page.goto(address)
                page.locator("#film[aria-label^='Film']").wait_for()
                time.sleep(0.5)
                sizes.append(page.evaluate(WEIGHT))
                paints.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
            page.fill("#reader", "benchmark")
            page.locator("#headline").click()
            print(f"weight {max(sizes) / 1000:.0f} kB; first paint {statistics.median(paints):.0f} ms")
            timed(page, given.films, given.rounds)
    finally:
        server.terminate()
        server.wait(60)


if __name__ == "__main__":
    main()
