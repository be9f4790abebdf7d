"""docs/how-to/orthanc.md on a bare Debian: every command of the page, from its first line to a result in Orthanc.

    python benchmarks/bare_debian.py            as root, with debootstrap; ten minutes, most of them downloads

A minimal Debian 12 (debootstrap) with sudo, and nothing of this machine but what its registries need to be reached
(resolver, certificates, pip's configuration). Packages are installed from Debian and PyPI as the page says, then the
network is cut off: node and Orthanc run in a network of their own, with a loopback and nothing else. First without TLS,
by the Lua script and by the node's own fetching; then with TLS, as the page makes its certificates.

What is not as on a real machine: systemd does not run in a changed root, so `systemctl restart orthanc` is replaced by
what its unit would start, as its user; the node's own unit is checked by `systemd-analyze verify`. Prints a table and
ends with 1 where a step did not do what the page says.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "how-to" / "orthanc.md").read_text()
PACKAGES = "sudo,ca-certificates,systemd"
SOURCES = "/srv/lungspot"
CARRIED = ("/etc/resolv.conf", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")
# What the page's commands stand in for, and the words before them that the page gives.
AS_NODE = "sudo -u lungspot /opt/lungspot/bin/"
PATIENCE = 240.0  # seconds


def block(language: str, holding: str) -> str:
    """Return the one block of the page in a language that holds some words."""
    (found,) = [body for body in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if holding in body]
    return str(found)


class Debian:
    """A folder with a Debian in it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.running = folder, list[subprocess.Popen[bytes]]()

    def run(self, script: str, *, cwd: str = "/srv", network: bool = False, check: bool = True) -> str:
        """Run a script as root in it; return what it prints."""
        done = subprocess.run(self._words(script, cwd, network=network), capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise SystemExit(f"{script}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout + done.stderr

    def start(self, script: str, log: str, *, cwd: str = "/srv") -> None:
        """Start a script in it and leave it running."""
        with (self.folder / log.lstrip("/")).open("ab") as file:
            words = self._words(script, cwd, network=False)
            self.running.append(subprocess.Popen(words, stdout=file, stderr=file))

    def stop(self) -> None:
        """End what was started: the first process of each namespace, and with it all others."""
        for process in self.running:
            for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
            process.wait(30)
        self.running.clear()

    def _words(self, script: str, cwd: str, *, network: bool) -> list[str]:
        inside = ["chroot", str(self.folder), "/bin/bash", "-ec", f"mount -t proc proc /proc; cd {cwd}\n{script}"]
        namespace = [] if network else ["nsenter", f"--net={self.folder}.net"]
        return [*namespace, "unshare", "--mount", "--pid", "--fork", "--kill-child", *inside]


def made(folder: Path) -> Debian:
    """Return a new, minimal Debian with the checkout's sources."""
    if not (folder / "etc/debian_version").exists():
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(folder)]
        subprocess.run(command, check=True, capture_output=True)
    for name in CARRIED:
        if Path(name).exists():
            (folder / name.lstrip("/")).write_bytes(Path(name).read_bytes())
    (folder / "etc/hosts").write_text(f"127.0.0.1 localhost {socket.gethostname()}\n")
    sources = folder / SOURCES.lstrip("/")
    sources.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(sources)], input=archive, check=True)
    services = folder / "usr/sbin/policy-rc.d"
    services.write_text("#!/bin/sh\nexit 101\n")  # packages start no service: there is no init in a changed root
    services.chmod(0o755)
    return Debian(folder)


def main() -> int:
    """Carry the page out."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--root", type=Path, help="keep the Debian here, and use it again where it is")
    options = parser.parse_args()
    folder = options.root or Path(tempfile.mkdtemp(prefix="lungspot-debian-")) / "root"
    network = Path(f"{folder}.net")
    steps: dict[str, str] = {}
    debian = None
    begun = time.monotonic()
    try:
        debian = Debian(folder) if (folder / SOURCES.lstrip("/")).is_dir() else made(folder)
        network.touch()
        subprocess.run(["unshare", f"--net={network}", "ip", "link", "set", "lo", "up"], check=True)
        steps["Debian made"] = f"{time.monotonic() - begun:.0f} s"
        for name, what in carried_out(debian):
            steps[name] = what
            print(f"| {name} | {what} |", flush=True)
    finally:
        if debian is not None:
            debian.stop()
        subprocess.run(["umount", "-q", str(network)], check=False)
        network.unlink(missing_ok=True)
        if options.root is None:
            shutil.rmtree(folder.parent, ignore_errors=True)
    print(f"| in all | {time.monotonic() - begun:.0f} s |")
    return 0


def carried_out(debian: Debian) -> Iterator[tuple[str, str]]:
    """Carry out the page's steps in their order; yield each with what came of it."""
    begun = time.monotonic()
    debian.run(block("sh", "apt-get install"), cwd=SOURCES, network=True)
    version = debian.run("/opt/lungspot/bin/lungspot --version").strip()
    yield "1. installed", f"{time.monotonic() - begun:.0f} s; {version}"
    films = film_of(debian)
    configure(debian, block("json", '"lungspot": ["LUNGSPOT"'))
    (debian.folder / "etc/orthanc/lungspot.lua").write_text(block("lua", "OnStoredInstance"))
    configure(debian, re.search(r'("LuaScripts": \[.*?\])', PAGE)[1])  # type: ignore[index] - the page names it
    start_orthanc(debian)
    node = AS_NODE + block("sh", "--send-to ORTHANC@127.0.0.1:4242 --spool /var/lib/lungspot\n")
    debian.start(node, "/srv/node.log")
    until(debian, block("sh", "echoscu"), "", "the node answers C-ECHO")
    yield "3. the node answers", "echoscu"
    debian.run(f"storescu -aec ORTHANC 127.0.0.1 4242 {films[0]}")
    said = until(debian, block("sh", "ModalitiesInStudy=SR"), "0020000D", "a report in Orthanc")
    yield "4. a film sent, its report in Orthanc", f"{len(json.loads(said))} study"
    debian.stop()

    start_orthanc(debian)
    debian.run(f"storescu -aec ORTHANC 127.0.0.1 4242 {films[1]}")
    fetch = block("sh", "lungspot node --from-dicomweb").replace("--since 1d", "--since 1900-01-01")  # the film is old
    debian.run(f"rm -rf /var/lib/lungspot/*; timeout {PATIENCE:.0f} {AS_NODE}{fetch.strip()} --once")
    said = debian.run(block("sh", "ModalitiesInStudy=SR"))
    yield "or: films fetched by the node", f"{len(json.loads(said))} studies with a report"
    debian.stop()

    debian.run(block("sh", "openssl req"))
    debian.run(block("sh", "sudo install -d -m 700 -o orthanc"))
    configure(debian, block("json", "DicomTlsEnabled"))
    start_orthanc(debian)
    debian.run("rm -rf /var/lib/lungspot/*")
    tls = block("sh", "--spool /var/lib/lungspot --tls-cert")
    debian.start(AS_NODE + tls, "/srv/node-tls.log")
    keys = "+tls node.key node.pem +cf ca.pem"
    until(debian, f"echoscu {keys} -aet ORTHANC -aec LUNGSPOT 127.0.0.1 11112", "", "the node answers over TLS")
    refused = debian.run(block("sh", "echoscu") + "echo let in", check=False)
    yield "TLS: who has no certificate", "is let in" if "let in" in refused else "is not let in"
    debian.run(f"storescu {keys} -aec ORTHANC 127.0.0.1 4242 {films[2]}")
    words = until(debian, "cat /srv/node-tls.log", "results sent", "results sent over TLS")
    said = debian.run(block("sh", "ModalitiesInStudy=SR"))
    found = f"{len(json.loads(said))} studies with a report; {words.count('results sent')} sent"
    yield "TLS: a film sent, its report in Orthanc", found

    unit = debian.folder / "etc/systemd/system/lungspot-node.service"
    unit.write_text(block("ini", "ExecStart"))
    wrong = debian.run(f"systemd-analyze verify /etc/systemd/system/{unit.name}", check=False)
    wrong = "; ".join(line for line in wrong.splitlines() if unit.name in line)
    started = re.search(r"ExecStart=(.*)", unit.read_text())[1]  # type: ignore[index] - the page has it
    debian.run(f"test -x {started.split()[0]}")
    yield "the unit", wrong or f"systemd-analyze verify finds nothing; {started.split()[0]} is there"


def configure(debian: Debian, lines: str) -> None:
    """Write lines of the page into /etc/orthanc/orthanc.json, as a person would: in place of those of the same name."""
    path = debian.folder / "etc/orthanc/orthanc.json"
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    text = re.sub(r"^\s*//.*$|(?<=[,{}\[\]])\s*//.*$", "", text, flags=re.MULTILINE)
    settings = json.loads(text) | json.loads("{" + lines + "}")
    path.write_text(json.dumps(settings, indent=2))


def start_orthanc(debian: Debian) -> None:
    """Start Orthanc as its unit does."""
    unit = debian.run("cat /lib/systemd/system/orthanc.service")
    user, command = (re.search(rf"^{name}=(.*)$", unit, re.MULTILINE)[1] for name in ("User", "ExecStart"))  # type: ignore[index]
    debian.start(f"sudo -u {user} {command}", "/srv/orthanc.log")
    until(debian, "curl -s http://127.0.0.1:8042/system", "DicomAet", "Orthanc answers")


def until(debian: Debian, script: str, holds: str, what: str) -> str:
    """Run a script until it succeeds and its output holds some words; return the output."""
    end = time.monotonic() + PATIENCE
    while True:
        said = debian.run(f"{script}\necho && echo DONE", check=False)
        if "DONE" in said and holds in said:
            return said.rpartition("\nDONE")[0].strip()
        if time.monotonic() > end:
            logs = "".join(path.read_text(errors="replace")[-2000:] for path in (debian.folder / "srv").glob("*.log"))
            raise SystemExit(f"{what}: not in {PATIENCE:.0f} s\n{said[-2000:]}\n{logs}")
        time.sleep(1)


def film_of(debian: Debian) -> list[str]:
    """Copy three real films into it: pydicom-data's RG1, under three UIDs; return their paths there."""
    from pydicom import dcmread  # noqa: PLC0415 - as little as possible before the Debian stands

    spec = importlib.util.find_spec("data_store")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("pydicom-data is not installed")
    film = dcmread(Path(next(iter(spec.submodule_search_locations))) / "data" / "RG1_UNCR.dcm")
    paths = []
    for number in range(3):
        for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            setattr(film, name, f"2.25.7{number}{len(name)}")
        film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
        film.save_as(debian.folder / "srv" / f"film-{number}.dcm")
        paths.append(f"/srv/film-{number}.dcm")
    return paths


if __name__ == "__main__":
    sys.exit(main())
