"""What serving films costs beside reading them, and how the service bears load.

Real films: pydicom-data's chest film as PNG of 1024 pixels, each with bytes of its own. Against ``lungspot serve`` in a
process of its own, on this machine, it measures

- offline: ``lungspot detect`` over a folder, films a second
- upload to result of one film at a time; with ``--browser`` (Playwright and Debian's chromium) upload to boxes on
  screen, the page's first paint and its weight
- sustained: films a second while the queue is never empty (T), and the growth of the server's memory meanwhile
- at 0.8 T: median and 99th percentile from upload to result, films arriving at a steady pace, and then at random
  (Poisson: even a perfect pair of readers then has a ratio of 3.9)
- at 2 T: how fast what is too much gets its 503, and whether every accepted film has the result that it should have

It needs 2 MB of disk a film: some 35 GB for ten minutes.

    .venv/bin/python benchmarks/serve.py [--minutes 10] [--load-minutes 3] [--films 200] [--browser]
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import importlib.util
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lungspot.images import read

HEADERS = {"Content-Type": "image/png"}
GOALS = {
    "sustained, part of offline": ("≥", 0.90),
    "memory, MB a minute": ("<", 1.0),
    "0.8 T, steady: p99 over median": ("≤", 3.0),
    "2 T: slowest 503, ms": ("≤", 100.0),
    "2 T: accepted films with a wrong result": ("≤", 0),
    "first paint, s": ("<", 1.0),
    "page weight, kB": ("<", 300.0),
}


class Films:
    """One real film as often as one likes, no two alike in their bytes."""

    def __init__(self) -> None:
        spec = importlib.util.find_spec("data_store")
        folder = Path(next(iter(spec.submodule_search_locations))) / "data"  # type: ignore[union-attr, arg-type]
        pixels = Image.fromarray(read(folder / "RG1_UNCR.dcm").pixels)
        pixels.thumbnail((1024, 1024), Image.Resampling.LANCZOS)
        with tempfile.NamedTemporaryFile(suffix=".png") as file:
            Image.fromarray((np.asarray(pixels).clip(0, 1) * 255).astype(np.uint8)).save(file.name)
            self._data = Path(file.name).read_bytes()
        self._count = 0
        self._lock = threading.Lock()

    def next(self) -> bytes:
        """Return the film with a comment that no other has, before the PNG's last chunk."""
        with self._lock:
            self._count += 1
            text = b"Comment\0%d" % self._count
        chunk = struct.pack(">I", len(text)) + b"tEXt" + text + struct.pack(">I", zlib.crc32(b"tEXt" + text))
        return self._data[:-12] + chunk + self._data[-12:]


@dataclass
class Server:
    """A running server."""

    process: subprocess.Popen[str]
    port: int

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, Any]]:
        """Return status and JSON of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, HEADERS if body else {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def result(self, identifier: str) -> dict[str, Any]:
        """Wait until a film is done, and return what is said of it."""
        while True:
            _, value = self.ask("GET", f"/v1/readings/{identifier}?wait=30")
            if value["state"] == "done":
                return value

    def counts(self) -> dict[str, int]:
        """Return how many films are in each state."""
        counts: dict[str, int] = self.ask("GET", "/v1/readings?per_page=1")[1]["counts"]
        return counts

    def stop(self) -> None:
        """End it in peace."""
        self.process.terminate()
        self.process.wait(60)

    def memory(self) -> float:
        """Return resident memory in MB, of the server and of what it has started, less what they share (PSS)."""
        total = 0
        for process in family(self.process.pid):
            with contextlib.suppress(OSError):  # a decoder's child that ended meanwhile
                rollup = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
                total += int(rollup.split("Pss:")[1].split()[0])
        return total / 1000


def family(process: int) -> list[int]:
    """Return a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(status.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(status.parent.name))
    found = [process]
    for each in found:
        found += children.get(each, [])
    return found


def main() -> None:
    """Measure, and print a line each with its goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="of sustained load")
    parser.add_argument("--load-minutes", type=float, default=3, help="of each of the loads 0.8 T and 2 T")
    parser.add_argument("--films", type=int, default=200, help="of the offline measurement")
    parser.add_argument("--browser", action="store_true", help="measure the page too")
    asked = parser.parse_args()
    films = Films()
    found: dict[str, float] = {}
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as name:
        offline = throughput_offline(films, Path(name) / "films", asked.films)
        report(found, "offline, films a second", offline)
        server = start(Path(name) / "data")
        try:
            one_by_one(server, films, found)
            if asked.browser:
                in_a_browser(server, films, Path(name), found)
            sustained(server, films, 60 * asked.minutes, found, offline)
            server.stop()
            shutil.rmtree(Path(name) / "data")  # a full disk would be another reason to refuse
            server = start(Path(name) / "data")
            rate = found["sustained, films a second"]
            for pace in ("steady", "random"):
                at_four_fifths(server, films, 60 * asked.load_minutes, found, 0.8 * rate, pace)
            at_twice(server, films, 60 * asked.load_minutes, found, 2 * rate)
        finally:
            server.stop()


def report(found: dict[str, float], what: str, value: float) -> None:
    """Keep and print one number."""
    found[what] = value
    sign, goal = GOALS.get(what, ("", ""))
    print(f"{what:42} {value:9.2f}   {f'goal {sign} {goal:g}' if sign else ''}", flush=True)


def start(data: Path) -> Server:
    """Start a server on a free port."""
    command = [sys.executable, "-m", "lungspot", "serve", "--port", "0", "--queue", "64", "--data", str(data)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    for line in process.stderr or ():
        if found := re.search(r"http://127\.0\.0\.1:(\d+)/", line):
            return Server(process, int(found[1]))
    raise SystemExit("the server did not start")


def throughput_offline(films: Films, folder: Path, count: int) -> float:
    """Return films a second of the command line over a folder, its start not counted."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:05d}.png").write_bytes(films.next())
    program = [sys.executable, "-m", "lungspot", "detect", "--format", "json", "--quiet"]
    one = folder / "00000.png"
    begin = time.perf_counter()
    subprocess.run([*program, str(one)], stdout=subprocess.DEVNULL, check=True)
    middle = time.perf_counter()
    subprocess.run([*program, str(folder)], stdout=subprocess.DEVNULL, check=True)
    return (count - 1) / (time.perf_counter() - middle - (middle - begin))


def one_by_one(server: Server, films: Films, found: dict[str, float]) -> None:
    """Measure from the upload to the result of one film after the other."""
    times = []
    for _ in range(25):
        begin = time.perf_counter()
        server.result(server.ask("POST", "/v1/readings", films.next())[1]["readings"][0]["id"])
        times.append(time.perf_counter() - begin)
    report(found, "upload to result, median s", float(np.median(times[5:])))


def sustained(server: Server, films: Films, seconds: float, found: dict[str, float], offline: float) -> None:
    """Keep the queue filled for a while; measure films a second and the growth of memory over the second half."""
    stop = threading.Event()

    def feed() -> None:
        while not stop.is_set():
            if server.ask("POST", "/v1/readings", films.next())[0] == 503:
                stop.wait(0.5)

    feeders = [threading.Thread(target=feed) for _ in range(2)]
    for feeder in feeders:
        feeder.start()
    time.sleep(5)
    begin, before = time.perf_counter(), server.counts()["done"]
    samples = []
    while time.perf_counter() - begin < seconds:
        time.sleep(1)
        samples.append((time.perf_counter() - begin, server.memory()))
    done = server.counts()["done"] - before
    rate = done / (time.perf_counter() - begin)
    stop.set()
    for feeder in feeders:
        feeder.join()
    late = np.array(samples[len(samples) // 2 :])
    report(found, "sustained, films a second", rate)
    report(found, "sustained, part of offline", rate / offline)
    report(found, "memory, MB", samples[-1][1])
    report(found, "memory, MB a minute", 60 * float(np.polyfit(late[:, 0], late[:, 1], 1)[0]))
    drain(server)


def drain(server: Server) -> None:
    """Wait until nothing is left to read."""
    while sum(count for state, count in server.counts().items() if state != "done"):
        time.sleep(0.5)


@dataclass
class Visit:
    """What became of one film that came at its own time."""

    status: int
    answered: float
    done: float = 0.0
    findings: list[Any] = field(default_factory=list)


def arrivals(server: Server, films: Films, seconds: float, rate: float, pace: str) -> list[Visit]:
    """Send films, ``rate`` a second, whatever the server does; each waits for its result."""

    def visit(due: float) -> Visit:
        data = films.next()
        time.sleep(max(due - time.perf_counter(), 0))
        begin = time.perf_counter()
        status, said = server.ask("POST", "/v1/readings", data)
        answered = time.perf_counter() - begin
        if status == 503 and "films wait" not in said["error"]["reason"]:
            raise SystemExit(said["error"]["reason"])
        if status != 202:
            return Visit(status, answered)
        value = server.result(said["readings"][0]["id"])
        return Visit(status, answered, time.perf_counter() - begin, value["result"]["findings"])

    with ThreadPoolExecutor(200) as pool:
        return list(pool.map(visit, schedule(seconds, rate, pace)))


def schedule(seconds: float, rate: float, pace: str) -> Iterator[float]:
    """Yield times at a steady pace, or those of a Poisson process."""
    random = np.random.default_rng(0)
    begin = time.perf_counter() + 1
    due = begin
    while due < begin + seconds:
        due += 1 / rate if pace == "steady" else float(random.exponential(1 / rate))
        yield due


def at_four_fifths(  # noqa: PLR0913, PLR0917 - what a load is
    server: Server, films: Films, seconds: float, found: dict[str, float], rate: float, pace: str
) -> None:
    """Measure latency at a load that the server bears."""
    visits = arrivals(server, films, seconds, rate, pace)
    times = [visit.done for visit in visits if visit.status == 202]
    what = f"0.8 T, {pace}"
    report(found, f"{what}: films", len(visits))
    report(found, f"{what}: refused", sum(visit.status != 202 for visit in visits))
    report(found, f"{what}: median, s", float(np.median(times)))
    report(found, f"{what}: p99, s", float(np.percentile(times, 99)))
    report(found, f"{what}: p99 over median", float(np.percentile(times, 99) / np.median(times)))
    drain(server)


def at_twice(server: Server, films: Films, seconds: float, found: dict[str, float], rate: float) -> None:
    """Measure how the server refuses what is too much, and what becomes of the rest."""
    visits = arrivals(server, films, seconds, rate, "random")
    busy = [1000 * visit.answered for visit in visits if visit.status == 503]
    accepted = [visit for visit in visits if visit.status == 202]
    other = [visit for visit in visits if visit.status not in {202, 503}]
    report(found, "2 T: films", len(visits))
    report(found, "2 T: accepted", len(accepted))
    report(found, "2 T: other answers", len(other))
    if busy:
        report(found, "2 T: median 503, ms", float(np.median(busy)))
        report(found, "2 T: slowest 503, ms", max(busy))
    else:
        print("2 T: no 503; the run was too short to fill the queue of 64")
    _, right = server.ask("GET", "/v1/readings?sort=oldest&per_page=1")
    expected = server.result(right["readings"][0]["id"])["result"]["findings"]
    if not any(finding["box"] for finding in expected):
        raise SystemExit("the film has no box: nothing here can be wrong")
    wrong = sum(visit.findings != expected for visit in accepted)
    report(found, "2 T: accepted films with a wrong result", wrong)


def in_a_browser(server: Server, films: Films, folder: Path, found: dict[str, float]) -> None:
    """Measure the page itself: first paint, weight, and from the choice of a file to boxes on the screen."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - optional

    address = f"http://127.0.0.1:{server.port}/"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        seen: list[str] = []
        weight: list[int] = []
        page.on("response", lambda answer: seen.append(answer.url))
        page.on("response", lambda answer: weight.append(len(answer.body())) if "/v1/" not in answer.url else None)
        page.goto(address, wait_until="networkidle")
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        report(found, "first paint, s", paint / 1000)
        report(found, "page weight, kB", sum(weight) / 1000)
        times = []
        for number in range(6):
            film = folder / f"browser-{number}.png"
            film.write_bytes(films.next())
            page.goto(address, wait_until="networkidle")
            begin = time.perf_counter()
            with page.expect_response("**/v1/readings") as answer:
                page.set_input_files("#picker", film)
            key = answer.value.json()["readings"][0]["id"]
            page.locator(f"#rows [data-key='{key}'].assessed").click()
            while not any(f"{key}/image.raw16" in url for url in seen):
                page.wait_for_timeout(5)
            page.locator("#found li").first.wait_for()
            page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            times.append(time.perf_counter() - begin)
        report(found, "upload to boxes on screen, median s", float(np.median(times[1:])))
        browser.close()


if __name__ == "__main__":
    main()
