"""An archive read by one and by two workers: films a second, memory as it goes on, poison, and a loop over `detect`.

Films are made from one that is given (or the real chest film of pydicom-data), 320 pixels high: the same pixels, each
with a text of its own in the file, so that no two have one SHA-256. Poison, one film in twenty: cut short, no film, a
header that promises a picture of 60,000 x 60,000, an empty file.

Usage: python benchmarks/batch.py [--films N] [--workers 1,2] [--folder FOLDER] [--film FILE] [--poison] [--on ENGINE]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from lungspot.images import read

HEIGHT = 320
_LOOP = 10  # films of the loop over `lungspot detect`, a process each


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return one chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def made(film: Path, folder: Path) -> bytes:
    """Return a film as a small PNG."""
    pixels = Image.fromarray((read(film).pixels * 255).astype("uint8"))
    small = pixels.resize((round(HEIGHT * pixels.width / pixels.height), HEIGHT), Image.Resampling.LANCZOS)
    small.save(folder / "one.png")
    return (folder / "one.png").read_bytes()


def poison(number: int, png: bytes) -> bytes:
    """Return one of four files that are no film."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    bomb = png[:8] + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1 << 20))) + chunk(b"IEND", b"")
    return (png[: len(png) // 2], b"no film at all", bomb, b"")[number % 4] + (
        b"" if number % 4 == 3 else b"%d" % number
    )


def fill(folder: Path, films: int, png: bytes, *, poisoned: bool) -> None:
    """Write so many different files, a thousand a folder."""
    for number in range(films):
        below = folder / f"{number // 1000:04d}"
        below.mkdir(parents=True, exist_ok=True)
        bad = poisoned and number % 20 == 19
        own = png[:-12] + chunk(b"tEXt", b"Comment\0film %d" % number) + png[-12:]
        (below / f"{number:07d}.png").write_bytes(poison(number // 20, png) if bad else own)


def resident(pid: int) -> float:
    """Return a process's memory in MiB; 0 where it is gone (Linux)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def below(pid: int) -> list[int]:
    """Return a process and all that it started, and so on."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    except OSError:
        return [pid]
    return [pid, *(each for child in children for each in below(int(child)))]


def events(driver: subprocess.Popen[str]) -> Iterator[dict[str, object]]:
    """Yield what a run says."""
    for line in driver.stdout or ():
        yield json.loads(line)


def run(films: Path, out: Path, workers: int, on: str) -> dict[str, float]:
    """Read an archive; return films a second and memory, at its first tenth and at its end."""
    command = [sys.executable, "-m", "lungspot", "batch", films, "-o", out, "--workers", str(workers), "--on", on]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    driver = subprocess.Popen([*map(str, command), "--json", "-q"], stdout=subprocess.PIPE, text=True)
    early = late = driver_late = 0.0
    first, last = None, {}
    for event in events(driver):
        if event["event"] == "progress":
            first = first or (time.monotonic(), event["films"])
            memory = sum(map(resident, below(driver.pid)))
            done, total = event["films"], event["total"]
            if total and not early and done >= total / 10:
                early = memory
            late, driver_late = memory, resident(driver.pid)
        last = event
    driver.wait()
    end = time.monotonic()
    told = last["run"]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    computing = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    steady = (told["films"] - first[1]) / (end - first[0]) if first else told["films_per_second"]
    return {
        "films": told["films"],
        "rate": steady,
        "computing": computing / told["films"],
        "early": early,
        "late": late,
        "driver": driver_late,
        **last["status"],
    }


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
    asked = parser.parse_args()
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="lungspot-archive-"))
    folder.mkdir(parents=True, exist_ok=True)
    film = asked.film
    if film is None:
        import data_store  # noqa: PLC0415 - of pydicom-data, which comes with the development environment

        film = Path(data_store.__path__[0]) / "data" / "RG1_J2KR.dcm"
    films = folder / ("poisoned" if asked.poison else "films")
    if not films.exists():
        fill(films, asked.films, made(film, folder), poisoned=asked.poison)
    print(f"{asked.films} films, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    memory = "MiB at a tenth | MiB at the end | of it the driver"
    print(f"| workers | films/s | processor ms a film | {memory} | assessed | not assessed |")
    print("|---|---|---|---|---|---|---|---|")
    for workers in map(int, asked.workers.split(",")):
        shutil.rmtree(folder / f"out-{workers}", ignore_errors=True)
        said = run(films, folder / f"out-{workers}", workers, asked.on)
        numbers = f"{said['early']:.0f} | {said['late']:.0f} | {said['driver']:.0f}"
        counts = f"{said.get('assessed', 0)} | {said.get('not_assessed', 0)}"
        print(f"| {workers} | {said['rate']:.2f} | {1000 * said['computing']:.0f} | {numbers} | {counts} |", flush=True)
    if not asked.poison:
        rate, computing = loop(films, folder / "loop")
        print(f"| a loop over `lungspot detect` | {rate:.2f} | {1000 * computing:.0f} | | | | | |")
    if asked.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
