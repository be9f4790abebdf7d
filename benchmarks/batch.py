"""An archive read by one and by two workers: films a second, memory as it goes on, poison, and a loop over `detect`.

Films are made from one that is given (or the real chest film of pydicom-data), --height pixels high: moved, lighter or
darker, in forty ways, each file with a text of its own, so that no two have one SHA-256. Poison, one film in twenty:
cut short, no film, a header that promises a picture of 60,000 x 60,000, an empty file. With --hang-every N a film in N
hangs: its worker is stopped (SIGSTOP), and after --timeout seconds the driver ends it and gives the film up.

A run of 100,000 films takes half an hour and more: with --minutes it is ended in time, and says how far it came; with
--folder the films stay where they are, and FOLDER/memory-N.csv has the memory second by second.

Usage: python benchmarks/batch.py [--films N] [--workers 1,2] [--folder FOLDER] [--film FILE] [--poison] [--on ENGINE]
    [--height H] [--model FILE] [--minutes M] [--no-loop] [--hang-every N] [--timeout S]
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import resource
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from lungspot.images import read

_MARKS = (1_000, 10_000, 50_000)  # films at which memory is told
_NEAR = 20
_WAYS = 40  # in which a film is changed a little
_LOOP = 10  # films of the loop over `lungspot detect`, a process each


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return one chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def made(film: Path, height: int) -> list[bytes]:
    """Return a film as small PNGs: as it is, then with up to seven pixels off a side, lighter and darker."""
    whole = read(film).pixels
    made = []
    for way in range(_WAYS):
        side, power = way % 8, (1.0, 0.9, 1.1, 0.95, 1.05)[way // 8]
        pixels = Image.fromarray((whole[:, side * 8 :] ** power * 255).astype("uint8"))
        small = pixels.resize((round(height * pixels.width / pixels.height), height), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        small.save(buffer, "PNG")
        made.append(buffer.getvalue())
    return made


def poison(number: int, png: bytes) -> bytes:
    """Return one of four files that are no film."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    bomb = png[:8] + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1 << 20))) + chunk(b"IEND", b"")
    return (png[: len(png) // 2], b"no film at all", bomb, b"")[number % 4] + (
        b"" if number % 4 == 3 else b"%d" % number
    )


def fill(folder: Path, films: int, pngs: list[bytes], *, poisoned: bool) -> None:
    """Write so many different files, a thousand a folder."""
    for number in range(films):
        png = pngs[number % len(pngs)]
        below = folder / f"{number // 1000:04d}"
        below.mkdir(parents=True, exist_ok=True)
        bad = poisoned and number % 20 == 19
        own = png[:-12] + chunk(b"tEXt", b"Comment\0film %d" % number) + png[-12:]
        (below / f"{number:07d}.png").write_bytes(poison(number // 20, png) if bad else own)


def resident(pid: int) -> float:
    """Return a process's memory in MiB, of what it shares with others its share; 0 where it is gone (Linux)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Pss_Anon", "Pss_Shmem"))) / 1024


def below(pid: int) -> list[int]:
    """Return a process and all that it started, and so on."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    except OSError:
        return [pid]
    return [pid, *(each for child in children for each in below(int(child)))]


class Sample(NamedTuple):
    """Memory in MiB, of a run and of its driver, when so many films were read."""

    at: float
    films: int
    whole: float
    driver: float


def hang(driver: int) -> None:
    """Stop a worker at the film that it is at: a child of the driver whose small process forks for it."""
    workers = [child for child in below(driver)[1:] if len(below(child)) > 1]
    if workers:
        os.kill(workers[0], signal.SIGSTOP)


def events(driver: subprocess.Popen[str]) -> Iterator[dict[str, object]]:
    """Yield what a run says."""
    for line in driver.stdout or ():
        yield json.loads(line)


def run(films: Path, out: Path, workers: int, asked: argparse.Namespace) -> tuple[dict[str, float], list[Sample]]:
    """Read an archive, for so long at most; return what was done, and the memory second by second."""
    command = [sys.executable, "-m", "lungspot", "batch", films, "-o", out, "--workers", str(workers), "--on", asked.on]
    command += ["--model", asked.model, "--timeout", asked.timeout]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    driver = subprocess.Popen([*map(str, command), "--json", "-q"], stdout=subprocess.PIPE, text=True)
    end = time.monotonic() + 60 * asked.minutes
    samples, status, told, hung = list[Sample](), Counter[str](), None, 0
    for event in events(driver):
        if event["event"] == "progress":
            memory = sum(map(resident, below(driver.pid)))
            samples.append(Sample(time.monotonic(), event["films"], memory, resident(driver.pid)))
            if asked.hang_every and event["films"] // asked.hang_every > hung:
                hung += 1
                hang(driver.pid)
        elif event["event"] == "shard":
            status.update(event["statuses"])
        elif event["event"] == "finished":
            told = event["run"]
        if told is None and time.monotonic() > end:
            driver.terminate()
            end = float("inf")
    driver.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    computing = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    first, last = samples[0], samples[-1]
    done = last.films if told is None else told["films"]
    rate = (last.films - first.films) / max(last.at - first.at, 1e-9)  # without the start
    return {"films": done, "rate": rate, "computing": computing / done, **status}, samples


def memory_at(samples: list[Sample], films: float) -> Sample:
    """Return the medians of what was held around a number of films: a film's own small process comes and goes."""
    near = [each for each in samples if abs(each.films - films) <= max(_NEAR, films / 50)] or samples[-1:]
    whole, driver = (statistics.median(values) for values in zip(*(each[2:] for each in near), strict=True))
    return Sample(0.0, round(films), whole, driver)


def loop(films: Path, out: Path) -> tuple[float, float]:
    """Return films a second of a shell's loop over `lungspot detect`, and seconds of computing a film."""
    some = sorted(films.rglob("*.png"))[:_LOOP]
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    for film in some:
        command = [sys.executable, "-m", "lungspot", "detect", film, "-o", out, "--format", "json", "-q", "--overwrite"]
        subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    computing = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return len(some) / (time.monotonic() - begun), computing / len(some)


def main() -> None:
    """Print the table of docs/benchmarks.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--films", type=int, default=2000)
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--folder", type=Path, help="where films and results go, and stay")
    parser.add_argument("--film", type=Path, help="a film to make the others from")
    parser.add_argument("--poison", action="store_true", help="one file in twenty is no film")
    parser.add_argument("--on", default="local")
    parser.add_argument("--height", type=int, default=320, help="of the films, in pixels")
    parser.add_argument("--model", default="default", help="a model file, in place of the one that ships")
    parser.add_argument("--minutes", type=float, default=600.0, help="after which a run is ended")
    parser.add_argument("--hang-every", type=int, default=0, metavar="N", help="films, of which one hangs its worker")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds that a film may hold up its worker")
    parser.add_argument("--no-loop", action="store_true", help="without a loop over `lungspot detect`")
    asked = parser.parse_args()
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="lungspot-archive-"))
    folder.mkdir(parents=True, exist_ok=True)
    film = asked.film
    if film is None:
        import data_store  # noqa: PLC0415 - of pydicom-data, which comes with the development environment

        film = Path(data_store.__path__[0]) / "data" / "RG1_J2KR.dcm"
    films = folder / ("poisoned" if asked.poison else "films")
    if not films.exists():
        fill(films, asked.films, made(film, asked.height), poisoned=asked.poison)
    print(f"{asked.films} films, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    heads = "films/s", "processor ms a film", "MiB (of it the driver) at film", "peak MiB", "assessed", "not assessed"
    print(f"| workers | films | {' | '.join(heads)} |")
    print("|---|---|---|---|---|---|---|---|")
    for workers in map(int, asked.workers.split(",")):
        shutil.rmtree(folder / f"out-{workers}", ignore_errors=True)
        said, samples = run(films, folder / f"out-{workers}", workers, asked)
        with (folder / f"memory-{workers}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([Sample._fields, *samples])
        at = sorted({*(mark for mark in _MARKS if mark < said["films"]), said["films"] // 10, said["films"]})
        held = [memory_at(samples, number) for number in at]
        memory = ", ".join(f"{each.films}: {each.whole:.0f} ({each.driver:.0f})" for each in held)
        peak = max(each.whole for each in samples)
        counts = f"{peak:.0f} | {said.get('assessed', 0)} | {said.get('not_assessed', 0)}"
        numbers = f"{said['films']} | {said['rate']:.2f} | {1000 * said['computing']:.0f} | {memory} | {counts}"
        print(f"| {workers} | {numbers} |", flush=True)
    if not asked.no_loop:
        rate, computing = loop(films, folder / "loop")
        print(f"| a loop over `lungspot detect` | {_LOOP} | {rate:.2f} | {1000 * computing:.0f} | | | | |")
    if asked.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
