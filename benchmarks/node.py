"""The drill of `lungspot node`: nothing that it acknowledged is lost or doubled, whatever happens to it.

    python benchmarks/node.py                                    the whole drill: 2,000 films, 50 kills
    python benchmarks/node.py --films 50 --kills 5 --down 5      a short one

Three parts, each with a node of its own on loopback, DCMTK's storescp as the archive, and films that are a real one
(pydicom-data's RG1, every fourth pixel) with new UIDs:

- storm: films by many associations, `kill -9` at random moments, the archive down for a while;
- disk: a spool on a small tmpfs that fills up (as root; left out elsewhere), so that senders hear A700 and come again;
- siege: silent sockets, lies about lengths, unknown AE titles, while an honest sender is served.

Prints one table and ends with 1 where a film has no result, has two, or an honest sender was not served.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import random
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, generate_uid
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from lungspot.node import verify

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
FAULTS = "lost", "doubled", "exit code of SIGTERM", "honest echoes refused", "disk was never full", "memory grew"
FLAT = 64  # MiB by which memory may grow under siege; one liar alone sends as much
PATIENCE = 3600.0  # seconds without any progress, then the drill gives up


def free_port() -> int:
    """Return a port of loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Tell whether somebody listens at a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Neighbour:
    """A program that listens at a port and can be killed and started again."""

    def __init__(self, command: list[str], port: int, log: Path) -> None:
        self.command, self.port, self.log, self.process = command, port, log, None

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        while not answers(self.port):
            if self.process.poll() is not None:
                raise SystemExit(f"{self.command[0]} ended: {self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)

    def end(self, how: int) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(how)
        return self.process.wait(60)

    def kib(self, what: str) -> int:
        """Return a line of its /proc status in KiB: VmRSS, or VmHWM for the most so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(what))


@dataclass
class Scene:
    """One part's folder, archive and node."""

    folder: Path
    archive: Neighbour
    node: Neighbour

    @property
    def spool(self) -> Path:
        """The node's spool."""
        return self.folder / "spool"

    def results(self) -> list[Path]:
        """Return the results that the archive holds."""
        return [path for path in (self.folder / "archive").iterdir() if not path.name.endswith(".tmp")]


@contextlib.contextmanager
def scene(name: str, options: argparse.Namespace, *more: str) -> Iterator[Scene]:
    """Make one part's folder and neighbours; end them afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"lungspot-{name}-") as made:
        folder = Path(made)
        (folder / "archive").mkdir()
        ports = free_port(), free_port()
        scp = shutil.which("storescp") or sys.exit("storescp is not installed (apt install dcmtk)")
        archive = Neighbour(
            [scp, "-od", str(folder / "archive"), "-aet", "ARCHIVE", str(ports[0])], ports[0], folder / "archive.log"
        )
        command = [
            *(sys.executable, "-m", "lungspot", "node", "--port", str(ports[1]), "--allow", "*@127.0.0.1"),
            *("--send-to", f"ARCHIVE@127.0.0.1:{ports[0]}", "--spool", str(folder / "spool"), "--model", options.model),
            *("--keep-free", "0", "--idle", "20", *more),
        ]
        node = Neighbour(command, ports[1], folder / "node.log")
        try:
            yield Scene(folder, archive, node)
        finally:
            for each in (node, archive):
                if each.process is not None and each.process.poll() is None:
                    each.end(signal.SIGKILL)


def template() -> FileDataset:
    """Return the real film that all others are made of, small."""
    spec = importlib.util.find_spec("data_store")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("pydicom-data is not installed")
    film = dcmread(Path(next(iter(spec.submodule_search_locations))) / "data" / "RG1_UNCR.dcm")
    pixels = film.pixel_array[::4, ::4]
    film.Rows, film.Columns = pixels.shape
    film.PixelData = pixels.tobytes()
    return film


def films(number: int, name: str) -> Iterator[FileDataset]:
    """Yield so many different films, each of a study of its own."""
    film = template()
    for each in range(number):
        copy = FileDataset(None, {}, preamble=bytes(128))
        copy.file_meta = FileMetaDataset()
        copy.file_meta.TransferSyntaxUID = film.file_meta.TransferSyntaxUID
        copy.update(film)  # shares the elements, pixels among them, so those that differ are made anew
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            del copy[keyword]
            setattr(copy, keyword, generate_uid(entropy_srcs=[keyword, name, str(each)]))
        yield copy


@dataclass
class Senders:
    """Many senders of one list of films; each film is sent again until it is acknowledged."""

    films: Iterator[FileDataset]
    port: int
    lock: threading.Lock = field(default_factory=threading.Lock)
    acknowledged: list[str] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    def run(self, associations: int) -> list[threading.Thread]:
        """Start so many senders."""
        threads = [threading.Thread(target=self._send, args=(number,)) for number in range(associations)]
        for thread in threads:
            thread.start()
        return threads

    def _next(self) -> tuple[FileDataset, str] | None:
        with self.lock:
            film = next(self.films, None)
            return None if film is None else (film, str(film.StudyInstanceUID))

    def _send(self, number: int) -> None:
        entity = AE(f"CR{number}")
        entity.add_requested_context(ComputedRadiographyImageStorage)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 30
        association = None
        while (given := self._next()) is not None:
            film, study = given
            while True:
                if association is None or not association.is_established:
                    association = entity.associate("127.0.0.1", self.port, ae_title="LUNGSPOT")
                status = None
                if association.is_established:
                    with contextlib.suppress(RuntimeError):
                        status = association.send_c_store(film).get("Status")
                with self.lock:
                    self.statuses["none" if status is None else f"{status:04X}H"] += 1
                    if status == SUCCESS:
                        self.acknowledged.append(study)
                if status == SUCCESS:
                    break
                time.sleep(0.2)
        if association is not None and association.is_established:
            association.release()


def settle(part: Scene, senders: Senders, number: int) -> None:
    """Wait until the archive holds so many results, as long as there is progress."""
    last, since = -1, time.monotonic()
    while (held := len(part.results())) < number or len(senders.acknowledged) < number:
        if held + len(senders.acknowledged) != last:
            last, since = held + len(senders.acknowledged), time.monotonic()
        if time.monotonic() - since > PATIENCE:
            return
        time.sleep(0.1)


def judge(part: Scene, senders: Senders, number: int) -> dict[str, object]:
    """Count what was lost and what was doubled."""
    code = part.node.end(signal.SIGTERM)
    found = Counter(str(dcmread(path, specific_tags=["StudyInstanceUID"]).StudyInstanceUID) for path in part.results())
    records, _ = verify(part.spool / "audit.jsonl")
    left = (*(part.spool / "films").iterdir(), *(part.spool / "results").iterdir())
    return {
        "films": number,
        "acknowledged": len(set(senders.acknowledged)),
        "results": sum(found.values()),
        "lost": len(set(senders.acknowledged) - set(found)),
        "doubled": sum(count - 1 for count in found.values()),
        "left in the spool": len(left),
        "audit records": records,
        "exit code of SIGTERM": code,
        "answers": " ".join(f"{status}:{count}" for status, count in sorted(senders.statuses.items())),
    }


def storm(options: argparse.Namespace) -> dict[str, object]:
    """Run films by many associations, kills at random moments, and an archive that is down for a while."""
    random_number = random.Random(options.seed)  # noqa: S311 - moments, not secrets
    with scene("storm", options) as part:
        part.archive.start()
        part.node.start()
        senders = Senders(films(options.films, "storm"), part.node.port)
        start = time.monotonic()
        threads = senders.run(options.associations)
        down_at, busy = options.kills // 2, 0
        for kill in range(options.kills):
            if kill == down_at and options.down:
                part.archive.end(signal.SIGKILL)
                threading.Timer(options.down, part.archive.start).start()
            _progress(part, senders, options.films * (kill + 1) // (options.kills + 1), random_number)
            busy += len(part.results()) < options.films
            part.node.end(signal.SIGKILL)
            part.node.start()
        for thread in threads:
            thread.join()
        settle(part, senders, options.films)
        seconds = round(time.monotonic() - start, 1)
        rest = {"kills": options.kills, "of them with films under way": busy, "archive down, s": options.down}
        rest |= {"seconds": seconds, "peak RSS of the last node, MiB": part.node.kib("VmHWM") >> 10}
        return {**judge(part, senders, options.films), **rest}


def _progress(part: Scene, senders: Senders, most: int, random_number: random.Random) -> None:
    """Wait until there is progress, then a moment that nobody can foresee."""
    begun = len(senders.acknowledged) + len(part.results())
    end = time.monotonic() + 30
    while len(part.results()) < most and time.monotonic() < end:
        if most == 0 or len(senders.acknowledged) + len(part.results()) > begun + 2:
            break
        time.sleep(0.01)
    time.sleep(random_number.uniform(0, 0.7))


def disk(options: argparse.Namespace) -> dict[str, object]:
    """Let the spool's disk fill up while the archive is down, then let the archive come back."""
    number = max(60, options.films // 10)
    with scene("disk", options, "--keep-free", "6") as part:
        part.spool.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", part.spool], check=False).returncode:
            return {"left out": "mounting a tmpfs needs root"}
        try:
            part.node.start()
            senders = Senders(films(number, "disk"), part.node.port)
            threads = senders.run(options.associations)
            end = time.monotonic() + 120
            while not senders.statuses[f"{OUT_OF_RESOURCES:04X}H"] and time.monotonic() < end:
                time.sleep(0.05)
            part.archive.start()
            for thread in threads:
                thread.join()
            settle(part, senders, number)
            refused = senders.statuses[f"{OUT_OF_RESOURCES:04X}H"]
            return {**judge(part, senders, number), "disk was never full": int(not refused)}
        finally:
            if part.node.process is not None and part.node.process.poll() is None:
                part.node.end(signal.SIGKILL)
            subprocess.run(["umount", part.spool], check=False)


def siege(options: argparse.Namespace) -> dict[str, object]:
    """Serve an honest sender while liars and silent ones open connections."""
    with scene("siege", options) as part:
        part.archive.start()
        part.node.start()
        quiet = [_echo(part.node.port) for _ in range(20)]
        before, peak = part.node.kib("VmRSS"), part.node.kib("VmHWM")
        silent = [socket.create_connection(("127.0.0.1", part.node.port)) for _ in range(options.silent)]
        siege_times, liars = [], 0
        for number in range(20):
            liars += _lie(part.node.port, number)
            siege_times.append(_echo(part.node.port))
        during = part.node.kib("VmHWM")
        senders = Senders(films(5, "siege"), part.node.port)
        for thread in senders.run(1):
            thread.join()
        settle(part, senders, 5)
        for line in silent:
            line.close()
        threads = len(list(Path(f"/proc/{part.node.process.pid}/task").iterdir()))
        return {
            **judge(part, senders, 5),
            "silent sockets": options.silent,
            "liars and strangers": liars,
            "echo alone, median ms": round(1000 * statistics.median(quiet)),
            "echo besieged, median ms": round(1000 * statistics.median(siege_times)),
            "echo besieged, longest ms": round(1000 * max(siege_times)),
            "honest echoes refused": sum(each == float("inf") for each in siege_times),
            "RSS before, MiB": before >> 10,
            "most RSS under siege, MiB": during >> 10,
            "memory grew": int(during - peak > FLAT << 10),
            "threads": threads,
        }


def _echo(port: int) -> float:
    """Return how long an honest C-ECHO took, infinite where it was refused."""
    start = time.monotonic()
    entity = AE("HONEST")
    entity.add_requested_context(Verification)
    association = entity.associate("127.0.0.1", port, ae_title="LUNGSPOT")
    if not association.is_established or association.send_c_echo().get("Status") != SUCCESS:
        return float("inf")
    seconds = time.monotonic() - start
    association.release()
    return seconds


def _lie(port: int, number: int) -> int:
    """Tell the node one lie: a strange title, no DICOM, 64 MiB behind a length of 4 GiB before or in an association."""
    entity = AE("STRANGER")
    entity.add_requested_context(Verification)
    if number % 4 == 0:
        entity.associate("127.0.0.1", port, ae_title="OTHER")
    elif number % 4 == 1:
        association = entity.associate("127.0.0.1", port, ae_title="LUNGSPOT")
        line = association.dul.socket.socket
        if line is not None:
            _push(line, struct.pack(">BBL", 4, 0, 0xFFFFFFFF))
        association.abort()
    else:
        head = struct.pack(">BBL", 1, 0, 0xFFFFFFFF) if number % 4 == 2 else b"GET / HTTP/1.1\r\n\r\n"
        with socket.create_connection(("127.0.0.1", port)) as line:
            _push(line, head)
    return 1


def _push(line: socket.socket, head: bytes) -> None:
    with contextlib.suppress(OSError):
        line.sendall(head)
        for _ in range(64):
            line.sendall(bytes(1 << 20))


def main() -> int:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--films", type=int, default=2000)
    parser.add_argument("--associations", type=int, default=10)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--down", type=float, default=60, help="seconds that the archive is down")
    parser.add_argument("--silent", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default="default")
    parser.add_argument("--parts", default="storm,disk,siege")
    options = parser.parse_args()
    faults = 0
    for name in options.parts.split(","):
        row = {"storm": storm, "disk": disk, "siege": siege}[name](options)
        print(f"\n## {name}\n\n| | |\n|---|---|")
        for key, value in row.items():
            print(f"| {key} | {value} |", flush=True)
        wrong = [row.get(key) for key in FAULTS]
        complete = row.get("acknowledged") == row.get("results") == row.get("films")
        faults += bool(any(wrong) or not complete)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
