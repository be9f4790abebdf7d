"""Build the release into dist/ (`make release`): wheel and sdist, proven the same twice, tried in fresh environments.

Built from the commit alone, in two folders under two umasks, and the wheel once more from the sdist: the bytes must be
the same. Then each is installed where nothing else is, on each Python that is here, the base and every extra, and does
what it is for. Beside them lie the bill of materials and the SHA-256 of all.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import pydicom.data

from lungspot.web import STAMP, require_vendored, vendored_stamp

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
VENDOR = Path("src/lungspot/web/vendor")  # the one part that is not in git: what `make web` took by its hash
PYTHONS = ("3.11", "3.12", "3.13")
FILM = Path(str(pydicom.data.get_testdata_file("RG1_UNCR.dcm")))
SERVED = """
import re, subprocess, sys, urllib.request
command = ["bin/lungspot", "serve", "--port", "0", "--data", "served"]
server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
try:
    address = next(found[1] for line in server.stderr if (found := re.search(r"serving (http\\S+?)/?\\s", line)))
    for place in ("/readyz", "/", "/local/"):
        assert urllib.request.urlopen(address + place, timeout=60).status == 200, place
finally:
    server.terminate()
    server.wait(60)
"""
# extra → what must work with it alone; each line runs in the environment's folder, where films/ holds one film.
TRIED = {
    "": (
        ["bin/lungspot", "--version"],
        ["bin/lungspot", "detect", "films", "-o", "results", "--format", "json,png,text,html"],
        ["bin/lungspot", "web", "-o", "page"],
    ),
    "batch": (["bin/lungspot", "batch", "films", "-o", "results", "--workers", "1"],),
    "cvat": (["bin/python", "-c", "from lungspot.cvat import create; print(create().spec)"],),
    "data": (["bin/python", "-c", "import imagehash, lungspot.datasets.check_films"],),
    "eval": (["bin/lungspot", "tb", "people.csv", "--triage", "40", "-o", "results"],),
    "pacs": (["bin/lungspot", "detect", "films", "-o", "results", "--format", "json,sr,gsps,sc,seg"],),
    "ray": (["bin/lungspot", "batch", "films", "-o", "results", "--workers", "1", "--on", "ray"],),
    "serve": (["bin/python", "-c", SERVED],),
    "train": (
        ["bin/python", "-c", "import lungspot.train.loop, lungspot.train.onnx_export, lungspot.train.backbones"],
    ),
}


def main() -> None:
    """Build, compare, try, and write bill and sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pythons", default=",".join(PYTHONS), help="tried on these, where they are here")
    parser.add_argument("--extras", default=",".join(TRIED), help="tried; the base is the empty one")
    parser.add_argument("--build-only", action="store_true", help="neither environments nor the bill")
    asked = parser.parse_args()
    if subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, check=True).stdout:
        sys.exit("a release is built from a commit: there are changes that are not committed")
    shutil.rmtree(DIST, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        built = [path for path in reproduced(Path(scratch), DIST) if path.suffix == ".whl"]
        print("wheel and sdist: the same bytes twice, and the same wheel from the sdist", flush=True)
        if not asked.build_only:
            tried(built[0], asked.pythons.split(","), asked.extras.split(","), Path(scratch))
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(DIST.iterdir())]
    (DIST / "SHA256SUMS").write_text("".join(sums), "utf-8")
    print("".join(sums), end="")


def reproduced(scratch: Path, target: Path) -> list[Path]:
    """Build twice from the commit, and the wheel again from the sdist; exit where one byte differs."""
    epoch = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, check=True, text=True)
    files = []
    for name, umask in (("one", 0o022), ("two", 0o077)):
        source, out = scratch / name / "source", scratch / name / "out"
        source.mkdir(parents=True)
        archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout
        subprocess.run(["tar", "x"], cwd=source, input=archive, check=True, umask=umask)
        vendored(ROOT / VENDOR, source / VENDOR)
        files.append(build(source, out, epoch.stdout.strip(), "sdist", "wheel"))
    again = scratch / "sdist"
    with tarfile.open(next(path for path in files[0] if path.suffix == ".gz")) as sdist:
        sdist.extractall(again, filter="data")
    (unpacked,) = again.iterdir()
    files.append(build(unpacked, again / "out", epoch.stdout.strip(), "wheel"))
    first = {path.name: path for path in files[0]}
    for path in (*files[1], *files[2]):
        if path.read_bytes() != first[path.name].read_bytes():
            sys.exit(f"{path.name} is not the same when it is built again: compare {path} and {first[path.name]}")
    target.mkdir(parents=True)
    return [Path(shutil.copy(path, target)) for path in files[0]]


def vendored(laid: Path, target: Path) -> None:
    """Copy the files that the page needs, and no other that lies there; none where `make web` never ran."""
    if not laid.is_dir():
        return
    for name, data in (*require_vendored(laid), (STAMP, vendored_stamp())):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(data)


def build(source: Path, out: Path, epoch: str, *kinds: str) -> list[Path]:
    """Return what hatchling makes of a folder of sources."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(out)]
    environment = os.environ | {"SOURCE_DATE_EPOCH": epoch}
    environment.pop("PYTHONPATH", None)
    wanted = [part for kind in kinds for part in ("-t", kind)]
    subprocess.run([*command, *wanted], cwd=source, env=environment, check=True, capture_output=True)
    return sorted(out.iterdir())


def interpreter(version: str) -> str | None:
    """Return a Python of this version: on the path, or of pyenv."""
    found = shutil.which(f"python{version}")
    mine = sorted(
        Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions").glob(f"{version}.*/bin/python")
    )
    return str(mine[-1]) if mine else found


def tried(wheel: Path, pythons: list[str], extras: list[str], scratch: Path) -> None:
    """Install the wheel alone, and with each extra alone, on each Python, and have it do what it is for."""
    here = {version: python for version in pythons if (python := interpreter(version))}
    for version in pythons:
        if version not in here:
            print(f"Python {version}: not here, not tried", flush=True)
    if not here:
        sys.exit(f"none of these Pythons is here, so nothing was tried: {', '.join(pythons)}")
    for version, python in here.items():
        for extra in extras:
            begun = time.monotonic()
            folder = scratch / f"{version}-{extra or 'base'}"
            fresh(python, wheel, extra, folder)
            for command in TRIED[extra]:
                attempt(command, folder)
            if extra == "" and version == next(iter(here)):
                bill = DIST / f"{re.sub(r'-py3.*', '', wheel.name)}.cdx.json"
                run([sys.executable, str(ROOT / "tools" / "bill.py"), str(folder / "bin" / "python"), str(bill)], ROOT)
            shutil.rmtree(folder)
            took = time.monotonic() - begun
            print(f"Python {version}, {extra or 'base'}: installed, checked, works ({took:.0f} s)", flush=True)


def fresh(python: str, wheel: Path, extra: str, folder: Path) -> None:
    """Make an environment that holds the wheel, with an extra or without, and what it needs; one film beside it."""
    run([python, "-m", "venv", str(folder)], folder.parent)
    what = f"lungspot[{extra}] @ {wheel.as_uri()}" if extra else str(wheel)
    run(["bin/python", "-m", "pip", "install", "-q", "--no-compile", what], folder)
    run(["bin/python", "-m", "pip", "check"], folder)
    (folder / "films").mkdir()
    shutil.copy(FILM, folder / "films")
    shutil.copy(ROOT / "docs" / "how-to" / "people.csv", folder)


def attempt(command: list[str], folder: Path) -> None:
    """Run one thing that must work there."""
    run(command, folder)
    shutil.rmtree(folder / "results", ignore_errors=True)


def run(command: list[str], folder: Path) -> None:
    """Run a command that must succeed; what it said is shown where it does not."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
