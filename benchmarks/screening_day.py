"""A day of a screening programme: 300 people through `lungspot serve --screen tuberculosis`, without any network.

Everything runs in a network of its own that has a loopback and nothing else (`unshare`; where that may not be made, it
says so and goes on). Films are real ones of ../shared/data, brought to the size and header of pydicom-data's chest
film, each with its person's id. One thread sends them, as a technician does; another reads the queue from the top and
decides on everybody: what cannot be judged is filmed again where the person has another film, every tenth advice not to
refer is not followed, and some people have two films before anybody has looked. Twice in the day the server is killed
(SIGKILL) in the middle of both, and started again on the same folder.

In the end nothing is left to decide on, and the register must have one row for each person, with the score of the film
that was decided on and the decision that the server confirmed; ten people's scores are compared with the pipeline's
own; and with a column `reference` beside it `lungspot tb` must read it. Any difference ends it with its reason.

    .venv/bin/python benchmarks/screening_day.py [--people 300] [--data ../shared/data]
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import errno
import http.client
import importlib.util
import io
import json
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from lungspot.detect import load_detector
from lungspot.pipeline import analyze
from lungspot.report import document

LABEL = "tuberculosis"
READER = "Officer 1"
AGAIN = "repeat film"
NO_CHEST = ("lateral", "bone", "breast", "ct_mr_us", "photo")
KILLS = (0.35, 0.7)  # parts of the day
COMPARED = 10  # people whose results are compared with the pipeline's own
PATIENCE = 600.0  # seconds; a bound for a day that has gone wrong


@dataclass
class Person:
    """Somebody who comes: the films that are taken of him or her, in order, and what is true."""

    name: str
    films: list[Path]
    ill: bool
    both_at_once: bool = False
    sent: list[str] = field(default_factory=list)  # ids of films that the server accepted
    said: tuple[str, str] | None = None  # decision, and the film that it was made by


def main() -> None:
    """Go into a network without a way out, live through the day, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    alone = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$0" "$@"']
    may = shutil.which("unshare") and subprocess.run([*alone, "true"], check=False, capture_output=True).returncode == 0
    if may and not asked.alone:
        sys.exit(subprocess.run([*alone, sys.executable, *sys.argv, "--alone"], check=False).returncode)
    print("network:", "none but the loopback" if nobody_answers() else "NOT cut off: this machine may not make one")
    with tempfile.TemporaryDirectory() as folder:
        day = Day(people_of(asked.people, asked.data), Path(folder))
        try:
            day.live()
        finally:
            day.process.kill()


def nobody_answers() -> bool:
    """Say whether there is no way to any other machine (192.0.2.1 is nobody's: RFC 5737)."""
    with socket.socket() as plug:
        plug.settimeout(1)
        return plug.connect_ex(("192.0.2.1", 443)) == errno.ENETUNREACH


def people_of(count: int, data: Path) -> list[Person]:
    """Return so many people: one in six ill, one in twelve with a film that is none of a chest at first."""
    rng = np.random.default_rng(18)
    ill, well, other = (rng.permutation(films).tolist() for films in map(sorted, films_of(data)))
    people = []
    for number in range(count):
        sick = number % 6 == 0
        good = Path((ill if sick else well).pop())
        films = [good]
        if number % 12 == 5:
            films = [Path(other.pop())] if number % 36 == 5 else [Path(other.pop()), good]
        elif number % 50 == 7:
            films = [good, Path(well.pop())]
        people.append(Person(f"P{number + 1:03d}", films, sick, both_at_once=number % 50 == 7 and len(films) > 1))
    order = rng.permutation(count)
    return [people[at] for at in order]


def films_of(data: Path) -> tuple[list[str], list[str], list[str]]:
    """Return films of people with tuberculosis, of people without any finding, and of what is no frontal chest film."""
    extra = [path for path in (data / "tb-extra").rglob("*") if path.suffix in {".png", ".jpg"}]
    ill = [str(path) for path in extra if path.stem.endswith("_1") or path.stem.startswith("p")]
    well = [str(path) for path in extra if str(path) not in ill] + [str(path) for path in normals(data)]
    with (data / "ood" / "index.csv").open(encoding="utf-8", newline="") as file:
        other = [str(data / "ood" / row["image"]) for row in csv.DictReader(file) if row["class"] in NO_CHEST]
    return ill, well, other


def normals(data: Path) -> Iterator[Path]:
    """Yield films that radiologists called normal."""
    yield from (path for path in (data / "rsna-normals").rglob("*") if path.suffix in {".png", ".jpg"})


class Films:
    """Pictures as DICOM files of pydicom-data's chest film: its size, its device, twelve bits; and whose they are."""

    def __init__(self) -> None:
        spec = importlib.util.find_spec("data_store")
        folder = Path(next(iter(spec.submodule_search_locations))) / "data"  # type: ignore[union-attr, arg-type]
        self._film = pydicom.dcmread(folder / "RG1_UNCR.dcm")
        for word in ("WindowCenter", "WindowWidth", "VOILUTSequence", "PresentationLUTShape"):
            self._film.pop(word, None)
        self._film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        self._film.PhotometricInterpretation = "MONOCHROME2"
        self._film.BitsStored, self._film.HighBit, self._film.PixelRepresentation = 12, 11, 0

    def of(self, person: str, path: Path) -> bytes:
        """Return a film's bytes."""
        with Image.open(path) as picture:
            grey = picture.convert("L").resize((self._film.Columns, self._film.Rows), Image.Resampling.BICUBIC)
        self._film.PixelData = (np.asarray(grey).astype("<u2") * 16).tobytes()
        self._film.PatientID, self._film.PatientName = person, f"{person}^Made up"
        self._film.StudyDate = time.strftime("%Y%m%d")
        self._film.SOPInstanceUID = self._film.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        self._film.StudyInstanceUID, self._film.SeriesInstanceUID = generate_uid(), generate_uid()
        buffer = io.BytesIO()
        self._film.save_as(buffer)
        return buffer.getvalue()


class Day:
    """One server, killed and started again; who was filmed, and what was decided."""

    def __init__(self, people: Sequence[Person], folder: Path) -> None:
        self.people, self.folder = people, folder
        self.by_film: dict[str, Person] = {}
        self.bytes: dict[str, bytes] = {}
        self.lock = threading.Lock()
        self.films = Films()
        self.process, self.port = self.start()
        self.kills = self.most = 0
        self.done: set[str] = set()  # names of people who go home
        self.to_film: list[Person] = list(people)
        self.faults: list[BaseException] = []

    def start(self) -> tuple[subprocess.Popen[bytes], int]:
        """Start the server, and wait until it answers."""
        log = self.folder / f"log{time.monotonic_ns()}"
        words = ["serve", "--screen", LABEL, "--keep-identifiers", "--port", "0", "--data", str(self.folder / "today")]
        with log.open("wb") as sink:
            process = subprocess.Popen([sys.executable, "-m", "lungspot", *words], stderr=sink)
        while not (found := re.search(r"serving http://[^:]+:(\d+)", log.read_text())):
            if process.poll() is not None:
                raise SystemExit(log.read_text())
            time.sleep(0.05)
        return process, int(found[1])

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> Any:  # noqa: ANN401 - JSON
        """Return the answer's JSON, or its bytes; None where the server is dead, which it is only for a while."""
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            with contextlib.closing(connection):
                connection.request(method, path, body, {"Content-Type": kind})
                answer = connection.getresponse()
                text = answer.read()
        except (OSError, http.client.HTTPException):
            time.sleep(0.2)
            return None
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text) if answer.getheader("Content-Type", "").startswith("application/json") else text

    def live(self) -> None:
        """Send, read and kill, until everybody has been decided on; then look at the register."""
        began = time.monotonic()
        threads = [threading.Thread(target=self.watched, args=(each,)) for each in (self.send_all, self.read_all)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            if self.kills < len(KILLS) and len(self.done) >= KILLS[self.kills] * len(self.people):
                self.kills += 1
                self.look()
                self.process.send_signal(signal.SIGKILL)
                self.process.wait()
                self.process, self.port = self.start()
            time.sleep(0.02)
        if self.faults:
            raise self.faults[0]
        seconds = time.monotonic() - began
        rows = self.judge()
        self.look()
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(120) != 0:
            raise SystemExit("the server did not stop in order")
        self.tell(seconds, rows)
        self.give_to_tb(rows)
        print("`lungspot tb` reads the register with a column `reference` beside it")

    def look(self) -> None:
        """Note the most memory that the server has held; `ru_maxrss` would begin with this program's, at the fork."""
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())
        self.most = max(self.most, int(found[1]) // 1024 if found else 0)

    def watched(self, work: Callable[[], None]) -> None:
        """Do one thread's work, and keep what goes wrong in it."""
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again in `live`
            self.faults.append(error)

    def send_all(self) -> None:
        """Send films until nobody is left to be filmed; a film whose answer was lost is sent once more, as it was."""
        while len(self.done) < len(self.people) and not self.faults:
            with self.lock:
                person = self.to_film.pop(0) if self.to_film else None
            if person is None:
                time.sleep(0.05)
                continue
            for path in person.films if person.both_at_once else person.films[len(person.sent) :][:1]:
                data = self.films.of(person.name, path)
                answer = None
                while answer is None and not self.faults:
                    answer = self.ask("POST", f"/v1/readings?name={person.name}.dcm", data, "application/dicom")
                if answer is not None:
                    film = answer["readings"][0]["id"]
                    with self.lock:
                        person.sent.append(film)
                        self.by_film[film] = person
                        if person in self.people[:COMPARED]:
                            self.bytes[film] = data

    def read_all(self) -> None:
        """Decide on who stands first in the queue, until everybody has been decided on and nothing is left in it."""
        last = time.monotonic()
        while not self.faults:
            if time.monotonic() - last > PATIENCE:
                raise SystemExit(f"nothing to decide on for {PATIENCE:.0f} s, and {len(self.done)} are decided on")
            answer = self.ask("GET", "/v1/readings?reviewed=false&state=done&sort=screening&per_page=1")
            row = answer["readings"][0] if answer and answer["readings"] else None
            is_over = answer and not (row or answer["counts"]["queued"] or answer["counts"]["reading"])
            if is_over and len(self.done) == len(self.people):
                return
            with self.lock:
                person = self.by_film.get(row["id"]) if row else None
            if row is None or person is None or (person.both_at_once and len(person.sent) < len(person.films)):
                time.sleep(0.05)
                continue
            last = time.monotonic()
            self.decide(row, person)

    def decide(self, row: dict[str, Any], person: Person) -> None:
        """Make one decision, and make sure that the server has it once."""
        film = row["id"]
        reading = None
        while reading is None:
            reading = self.ask("GET", f"/v1/readings/{film}")
        limit = reading["image_thresholds"][LABEL]["balanced"] if row["screened"] is not None else None
        advice = AGAIN if limit is None else "refer" if row["screened"] >= limit else "do not refer"
        decision = "refer" if advice == "do not refer" and int(person.name[1:]) % 10 == 0 else advice
        body = json.dumps({"reader": READER, "decision": decision, "why": ""}).encode()
        while self.ask("POST", f"/v1/readings/{film}/decision", body) is None:
            known = None
            while known is None:
                known = self.ask("GET", f"/v1/readings/{film}/decisions")
            if known["decisions"]:
                break
        with self.lock:
            person.said = decision, film
            if decision == AGAIN and len(person.sent) < len(person.films):
                self.to_film.append(person)
            else:
                self.done.add(person.name)

    def judge(self) -> dict[str, dict[str, str]]:
        """Hold the register to what was sent, decided and read, and return its rows by person."""
        text = self.ask("GET", "/v1/register.csv").decode()
        rows = {row["id"]: row for row in csv.DictReader(io.StringIO(text, newline=""))}
        count = len(text.splitlines()) - 1
        if count != len(rows) or set(rows) != {person.name for person in self.people}:
            raise SystemExit(f"{count} rows of {len(rows)} people, of {len(self.people)} who came")
        listed = self.ask("GET", "/v1/readings?per_page=1")
        counts, sent = listed["counts"], sum(len(person.sent) for person in self.people)
        if (counts["done"], counts["reviewed"]) != (sent, sent):
            raise SystemExit(f"{sent} films were sent; the server has {counts}")
        for person in self.people:
            row, (decision, film) = rows[person.name], person.said or ("", "")
            found = {each["label"]: each for each in self.ask("GET", f"/v1/readings/{film}")["result"]["image_scores"]}
            score = f"{found[LABEL]['probability']:.4f}" if found else ""
            is_told = (row["decision"], row["decided_by"], row["score"]) == (decision, READER, score)
            if not (is_told and row["date"] and row["decided_at"] and bool(row["why_repeat"]) == (not score)):
                raise SystemExit(f"{person.name} decided {decision} by a score of {score or 'none'}, and: {row}")
        detector = load_detector(threads=1)
        for person in self.people[:COMPARED]:
            said = document(analyze(self.bytes[person.sent[-1]], detector))["image_scores"]
            kept = self.ask("GET", f"/v1/readings/{person.sent[-1]}")["result"]["image_scores"]
            if said != kept:
                raise SystemExit(f"{person.name}: the pipeline says {said}, the server {kept}")
        return rows

    def give_to_tb(self, rows: dict[str, dict[str, str]]) -> None:
        """Write the truth beside the register and ask for the programme's table."""
        table = self.folder / "people.csv"
        truth = {person.name: int(person.ill) for person in self.people}
        with table.open("w", encoding="utf-8", newline="") as file:
            out = csv.DictWriter(file, [*next(iter(rows.values())), "reference"])
            out.writeheader()
            out.writerows(row | {"reference": truth[name]} for name, row in rows.items())
        words = ["tb", str(table), "--quiet", "-o", str(self.folder / "report")]
        subprocess.run([sys.executable, "-m", "lungspot", *words], check=True, stdout=subprocess.DEVNULL)

    def tell(self, seconds: float, rows: dict[str, dict[str, str]]) -> None:
        """Print what it took."""
        said = [row["decision"] for row in rows.values()]
        sent = sum(len(person.sent) for person in self.people)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        again = sum(len(person.sent) > 1 and not person.both_at_once for person in self.people)
        at_once = sum(person.both_at_once for person in self.people)
        print(f"people: {len(self.people)}, films: {sent}; filmed again: {again}, two films at once: {at_once}")
        print("decided:", ", ".join(f"{word} {said.count(word)}" for word in sorted(set(said))))
        print(f"server killed and started again: {self.kills} times; register: {len(rows)} rows, all as decided")
        cpu = used.ru_utime + used.ru_stime
        print(f"{seconds:.0f} s on the clock, {cpu:.0f} CPU s of the servers ({cpu / sent:.2f} a film), ", end="")
        print(f"{self.most} MiB at most, {usage(self.folder / 'today') / 2**20:.0f} MiB on the disk")


def usage(folder: Path) -> int:
    """Return the bytes below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
