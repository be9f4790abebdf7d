"""How long it takes to read a film of each kind, in its child process and without one; prints a Markdown table.

    python benchmarks/read.py [--repeat 15] [--size 512] [--clock cpu] [--json] [--check]

The films are one real chest film (RG1 of the package pydicom-data, 1955 x 1841 pixels, 15 bits) as it is, and encoded
anew. Times are the best of ``--repeat`` runs, the ways taken in turn, so that other work on the machine counts little;
``--clock cpu`` counts computing alone, for a machine that is never idle. "plain" is what one would write without
lungspot: pydicom's ``pixel_array``, or Pillow and numpy; neither turns pixels into grey values from 0 to 1, as reading
does. ``--check`` ends with 1 where a goal of the project is missed.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate

from lungspot.images import prepare, read

MOST_OVERHEAD_J2K = 0.10  # of the time without a child
MOST_OVERHEAD_PNG = 12.0  # ms
MOST_HELP, MOST_INFO = 0.3, 0.8  # s


def main() -> int:
    """Measure, print, and say whether the goals hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=15, help="runs of each kind and way (default: 15)")
    parser.add_argument("--size", type=int, default=512, help="side of the prepared square (default: 512)")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="what to measure (default: wall)")
    parser.add_argument("--only", default="", help="measure the kinds whose name holds this")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--check", action="store_true", help="end with 1 where a goal is missed")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = [
        measure(name, data, CLOCKS[options.clock], options)
        for name, data in films(rg1())
        if options.only.lower() in name.lower()
    ]
    starts = [] if options.only else startup(CLOCKS[options.clock], options.repeat)
    if options.json:
        print(json.dumps({"films": rows, "commands": starts}, indent=2))
    else:
        show(rows, starts)
    missed = goals(rows, starts)
    for line in missed:
        print(f"missed: {line}", file=sys.stderr)
    return 1 if missed and options.check else 0


def cpu() -> float:
    """Return the seconds of computing that this process and its ended children have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": cpu}


def rg1() -> Path:
    """Return the folder that holds the real film."""
    spec = importlib.util.find_spec("data_store")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("install pydicom-data")
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def films(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Give each kind of file by name."""
    film = pydicom.dcmread(folder / "RG1_UNCR.dcm")
    stored = film.pixel_array.astype(np.uint16)
    square = Image.fromarray((stored >> 7).astype(np.uint8)).resize((1024, 1024), Image.Resampling.BILINEAR)
    wide = Image.fromarray(np.asarray(square).astype(np.uint16) * 257)
    yield "PNG 1024 x 1024, 8 bits", saved(square, "PNG")
    yield "PNG 1024 x 1024, 16 bits", saved(wide, "PNG")
    yield "JPEG 1024 x 1024", saved(square, "JPEG", quality=92)
    yield "TIFF 1024 x 1024, LZW", saved(square, "TIFF", compression="tiff_lzw")
    yield "WebP 1024 x 1024, lossless", saved(square, "WEBP", lossless=True)
    yield "BMP 1024 x 1024", saved(square, "BMP")
    yield "PNG 1841 x 1955, 8 bits", saved(Image.fromarray((stored >> 7).astype(np.uint8)), "PNG")
    yield "DICOM uncompressed", (folder / "RG1_UNCR.dcm").read_bytes()
    yield "DICOM JPEG 2000 lossless", (folder / "RG1_J2KR.dcm").read_bytes()
    yield "DICOM JPEG 2000 lossy", (folder / "RG1_J2KI.dcm").read_bytes()
    yield (
        "DICOM HTJ2K lossless",
        encoded(film, uid.HTJ2KLossless, bytes(imagecodecs.htj2k_encode(stored, reversible=True))),
    )
    yield "DICOM JPEG lossless", encoded(film, uid.JPEGLosslessSV1, lossless_jpeg(stored))
    yield "DICOM JPEG-LS", encoded(film, uid.JPEGLSLossless, bytes(imagecodecs.jpegls_encode(stored)))
    yield "DICOM RLE", encoded(film, uid.RLELossless, None)
    yield "DICOM deflated", encoded(film, uid.DeflatedExplicitVRLittleEndian, None)


def lossless_jpeg(stored: np.ndarray) -> bytes:
    """Return JPEG lossless, first-order prediction, 16 bits."""
    return bytes(imagecodecs.jpeg8_encode(stored, lossless=True, predictor=1, bitspersample=16))


def saved(picture: Image.Image, form: str, **options: object) -> bytes:
    """Return the picture as a file."""
    sink = io.BytesIO()
    picture.save(sink, form, **options)
    return sink.getvalue()


def encoded(film: pydicom.Dataset, syntax: uid.UID, stream: bytes | None) -> bytes:
    """Return the film in another transfer syntax."""
    copy = pydicom.dcmread(io.BytesIO(saved_dicom(film)))
    if syntax == uid.RLELossless:
        copy.compress(syntax, generate_instance_uid=False)
    elif stream is not None:
        copy.PixelData = encapsulate([stream])
        copy["PixelData"].VR = "OB"
        copy["PixelData"].is_undefined_length = True
    copy.file_meta.TransferSyntaxUID = syntax
    return saved_dicom(copy)


def saved_dicom(film: pydicom.Dataset) -> bytes:
    """Return the film as a file."""
    sink = io.BytesIO()
    film.save_as(sink)
    return sink.getvalue()


def measure(name: str, data: bytes, clock: Callable[[], float], options: argparse.Namespace) -> dict[str, object]:
    """Return the times of one film, in ms."""
    film = read(data)
    ways: dict[str, Callable[[], object]] = {
        "child_ms": lambda: read(data),
        "here_ms": lambda: read(data, sandboxed=False),
        "prepare_ms": lambda: prepare(film, options.size),
        "plain_ms": lambda: plain(data),
    }
    times: dict[str, list[float]] = {key: [] for key in ways}
    for _ in range(options.repeat):
        for key, way in ways.items():
            begin = clock()
            if way() is not None:
                times[key].append((clock() - begin) * 1e3)
    best = {key: min(found) if found else None for key, found in times.items()}
    median = {key.replace("_ms", "_median_ms"): statistics.median(found or [0]) for key, found in times.items()}
    height, width = film.pixels.shape
    facts = {"kind": name, "megabytes": len(data) / 1e6, "megapixels": height * width / 1e6}
    return facts | best | {"overhead_ms": min(times["child_ms"]) - min(times["here_ms"])} | median


def plain(data: bytes) -> object:
    """Return the stored pixels as one would get them without lungspot; None where one would not."""
    if data[128:132] == b"DICM":
        try:
            return pydicom.dcmread(io.BytesIO(data)).pixel_array
        except RuntimeError:  # pydicom has no decoder of a free licence for it
            return None
    return np.asarray(Image.open(io.BytesIO(data)))


def startup(clock: Callable[[], float], repeat: int) -> list[dict[str, object]]:
    """Return how long a fresh process takes, in s."""
    command = [sys.executable, "-m", "lungspot"]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.dcm"
        path.write_bytes((rg1() / "RG1_UNCR.dcm").read_bytes())
        for arguments in (["--help"], ["--version"], ["info", str(path)]):
            times = []
            for _ in range(repeat):
                begin = clock()
                subprocess.run([*command, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                times.append(clock() - begin)
            name = " ".join(Path(argument).name for argument in arguments)
            found.append({"command": f"lungspot {name}", "s": min(times), "median_s": statistics.median(times)})
    return found


def show(rows: list[dict[str, object]], starts: list[dict[str, object]]) -> None:
    """Print the tables, and the machine that they were measured on."""
    machine = f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores"
    print(f"{machine}, load {os.getloadavg()[0]:.1f}\n")
    print("| film | MB | Mpx | read, in a child ms | read, here ms | the child costs ms | prepare ms | plain ms |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        cells = [f"{row[key]:.1f}" for key in ("megabytes", "megapixels", "child_ms", "here_ms", "overhead_ms")]
        plain_ms = "cannot" if row["plain_ms"] is None else f"{row['plain_ms']:.1f}"
        print(f"| {row['kind']} | {' | '.join(cells)} | {row['prepare_ms']:.1f} | {plain_ms} |")
    if starts:
        print("\n| command, fresh process | s |\n|---|---|")
    for start in starts:
        print(f"| `{start['command']}` | {start['s']:.2f} |")


def goals(rows: list[dict[str, object]], starts: list[dict[str, object]]) -> list[str]:
    """Return the goals that are missed."""
    cost = {str(row["kind"]): float(str(row["overhead_ms"])) for row in rows}
    here = {str(row["kind"]): float(str(row["here_ms"])) for row in rows}
    taken = {str(start["command"]): float(str(start["s"])) for start in starts}
    film, png = "DICOM JPEG 2000 lossless", "PNG 1024 x 1024, 8 bits"
    bounds = [
        (f"{film}: the child costs at most 10 %", cost.get(film, 0), MOST_OVERHEAD_J2K * here.get(film, 0)),
        (f"{png}: the child costs at most 12 ms", cost.get(png, 0), MOST_OVERHEAD_PNG),
        ("lungspot --help takes at most 0.3 s", taken.get("lungspot --help", 0), MOST_HELP),
        ("lungspot info takes at most 0.8 s", taken.get("lungspot info film.dcm", 0), MOST_INFO),
    ]
    return [f"{goal}; {found:.3g} found" for goal, found, most in bounds if found > most]


if __name__ == "__main__":
    sys.exit(main())
