"""Nothing leaves: every verb under strace, with a home of its own. No look-up, no connection but to peers that its
options name, no file but below the outputs that they name.

System calls are looked at, for what C code does never passes Python's audit hooks.
"""

import getpass
import io
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from tests.generated import write_third
from typer.main import get_command

from lungspot.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 120  # seconds; a bound for a test that has gone wrong, not a measure

CALLS = "%network,open,openat,openat2,creat,mkdir,mkdirat,mknod,mknodat,rename,renameat,renameat2,link,linkat,symlink"
CALLS += ",symlinkat"
CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\w+)")
FLAGS = re.compile(r"O_(WRONLY|RDWR|CREAT|TRUNC|TMPFILE)")
PATHS = re.compile(r'(?:(AT_FDCWD)<([^>]*)>, |(\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')
FAMILY = re.compile(r"sa_family=AF_(\w+)(?:, sin6?_port=htons\((\d+)\))?(?:.*?(?:inet_addr\(|AF_INET6, )\"([^\"]*)\")?")
# Nobody is spoken to: the kernel; the cache of users' names, where torch asks for the user's (a host's would go on to
# the files below); port 0, by which getaddrinfo sorts addresses of this machine, and the end of that.
NOBODY = re.compile(r'AF_NETLINK|AF_UNIX, sun_path="/var/run/nscd/socket"|htons\(0\)|AF_UNSPEC')
LOOKING_UP = {"/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/run/systemd/resolve/stub-resolv.conf"}
# what belongs to the process or to nobody: no file of anyone's
NOBODYS = re.compile(r"/dev/(null|tty|u?random)|/proc/(self|thread-self|\d+)/.*")

VERBS = """
import json, sys
from lungspot.cli.app import run
for words, codes in json.loads(sys.argv[1]):
    code = run(words)
    assert code in codes, (words, code)
"""


class Audit:
    """What one program asked the system for, read from strace's log."""

    def __init__(self, log, here):
        self.here = here
        self.asked, self.written, self.looked_up = set(), set(), set()
        for line in log.read_text(errors="replace").splitlines():
            if match := CALL.match(line):
                self._note(*match.groups())

    def _note(self, call, arguments, result):
        if call in {"connect", "sendto", "sendmsg", "sendmmsg"}:
            if (found := FAMILY.search(arguments)) and not NOBODY.search(arguments):
                family, port, address = found.groups()
                self.asked.add((family, address, port and int(port)))
            return
        if call in {"open", "openat", "openat2"}:
            paths = self._paths(arguments)[:1]
            self.looked_up |= LOOKING_UP & set(paths)
            if result.startswith("-") or not FLAGS.search(arguments):
                return
        elif call.startswith(("rename", "link", "symlink")):
            paths = self._paths(arguments)[-1:]
        elif call.startswith(("creat", "mk")):
            paths = self._paths(arguments)[:1]
        else:
            return
        self.written |= {path for path in paths if not result.startswith("-") and not NOBODYS.fullmatch(path)}

    def _paths(self, arguments):
        """The paths of a call, made absolute by the folder that strace names beside a descriptor."""
        found = []
        for match in PATHS.finditer(arguments):
            folder = match[2] or match[4] or self.here
            found.append(os.path.normpath(Path(folder, match[5])))
        return found


def children(process):
    """The traced program, while it runs."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


@pytest.fixture
def audit(program, tmp_path):
    """A function that starts a program under strace, with a home and a temporary folder that must stay empty.

    It gives the process, and at the end the Audit; what is written must lie below ``here``, where it starts.
    """
    strace = program("strace", "strace")
    here, home, temporary = (tmp_path / name for name in ("here", "home", "tmp"))
    for folder in (here, home, temporary):
        folder.mkdir(exist_ok=True)
    environment = {
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TERM": "dumb",
    }

    @contextmanager
    def start(*command, peers=()):
        log = tmp_path / "calls"
        words = [strace, "-f", "-y", "-qq", "-s", "4096", "--seccomp-bpf", "-e", f"trace={CALLS}", "-o", log]
        with subprocess.Popen(
            [*words, sys.executable, *command],
            cwd=here,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
                _, said = process.communicate(timeout=PATIENCE)
            finally:
                for child in children(process):  # not ended by the test, for it failed
                    os.kill(child, signal.SIGKILL)
                process.kill()
        assert process.returncode == 0, said
        found = Audit(log, here)
        assert found.written, "strace saw nothing"
        assert found.asked <= set(peers)
        assert not found.looked_up
        elsewhere = {path for path in found.written if not path.startswith((f"{here}/", f"{temporary}/"))}
        assert elsewhere <= {str(here), str(temporary)}  # themselves: made, or opened for a file without a name
        assert [*home.rglob("*")] == []
        left = {path.name for path in temporary.rglob("*")}
        assert left <= {f"torchinductor_{getpass.getuser()}"}  # an empty folder that the import of torch makes

    start.here = here
    return start


@pytest.fixture
def verbs(audit):
    """A function that runs command lines, one after another, each with the exit codes that it may have."""

    def run(*lines):
        words = [(shlex.split(line), codes) for line, codes in lines]
        with audit("-c", VERBS, json.dumps(words)):
            pass

    return run


def film(path, seed=0):
    """What the generated gate calls an upright film."""
    pixels = np.random.default_rng(seed).random((120, 100)) * 0.3 + 0.65
    pixels[:60, :50] -= 0.45
    Image.fromarray((pixels * 255).astype(np.uint8)).save(path)


@pytest.fixture
def small_set(audit):
    """A folder of COCO with twelve films: an effusion in a box, an edema that nobody boxed."""
    folder = audit.here / "set"
    (folder / "images").mkdir(parents=True)
    value = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "effusion"}, {"id": 2, "name": "edema"}]}
    for number in range(1, 13):
        film(folder / "images" / f"{number}.png", number)
        about = {"id": number, "file_name": f"{number}.png", "width": 100, "height": 120}
        value["images"].append(about | {"not_exhaustive_category_ids": [2]})
        box = {"bbox": [10, 10, 30, 20], "area": 600}
        value["annotations"].append({"id": number, "image_id": number, "category_id": 1, **box})
    (folder / "annotations.json").write_text(json.dumps(value))
    return folder


@pytest.fixture(scope="module")
def chest(rg1, tmp_path_factory):
    """A real film, small."""
    return write_third(rg1["UNCR"], tmp_path_factory.mktemp("chest") / "film.dcm")


@pytest.mark.usefixtures("small_set")
def test_films_in_results_out(verbs, rg1, chest, model_file):
    packed, dicom = rg1["J2KR"], chest  # a library decodes the one
    verbs(
        ("info --json", [0]),
        (f"info {packed}", [0]),
        (f"convert {dicom} -o film.png", [0]),
        (
            f"detect {dicom} film.png -o out --format json,png,html,sr,gsps,sc,seg,fhir --heatmap --model {model_file}",
            [1, 3],
        ),
        ("detect set/images/1.png", [0, 3]),
        (f"batch set -o archive --format jsonl,png --screen effusion --workers 1 --model {model_file}", [1]),
        (f"demo -o demo --model {model_file}", [0]),
        (f"deidentify {dicom} nobody --key key", [0]),
    )


@pytest.mark.usefixtures("small_set")
def test_datasets(verbs, model_file):
    verbs(
        ("data check coco set", [0, 1]),
        ("data stats coco set", [0]),
        ("data split coco set -o splits.csv", [0]),
        ("data fuse coco set -o fused", [0]),
        ("data convert coco set -o yolo --to yolo", [0]),
        ("data merge coco set -o merged", [0]),
        ("data draw coco set -o sheet.png", [0]),
        (f"data pool coco set -o tasks --label edema --count 3 --model {model_file}", [0]),
        (f"labelling next tasks --model {model_file}", [0]),
        (f"labelling round tasks -o rounds --complete --from {model_file}", [3]),
        ("data collect tasks -o answers --complete", [0, 3]),
        ("data readers coco set", [0, 3]),
        (f"detect set/images -o predictions --format json --model {model_file}", [0]),
        (f"eval set/annotations.json predictions -o report --resamples 20 --shortcuts {model_file}", [0, 1]),
    )


def test_a_site(verbs, audit, model_file, watched_film):
    rows = [f"{number}.png,p{number},{int(number % 3 == 0)},{20 + number % 7 * 10}" for number in range(60)]
    table = audit.here / "films.csv"
    table.write_text("\n".join(("image,patient,reference,score", *rows)) + "\n")
    film(audit.here / "one.png", 1)
    changed = (json.dumps(watched_film(week, n, 0.9 if week == 9 else n / 50)) for week in range(10) for n in range(40))
    (audit.here / "changed.jsonl").write_text("\n".join(changed))
    verbs(
        ("calibrate films.csv films.csv --label effusion -o site.json", [0, 3]),
        (f"detect one.png -o predictions --format json --model {model_file}", [0]),
        ("watch North=predictions --until 2100-01-01 -o watched", [0]),
        ("watch North=changed.jsonl --until 2026-03-13 -o alarmed", [5]),
        (f"tb {ROOT / 'docs' / 'how-to' / 'people.csv'} --triage 40 -o programme", [0]),
        ("tb-plan --json", [0]),
        ("web -o page", [0, 4]),  # 4: the page's runtime is not here
    )


def test_training(verbs, audit):
    films = audit.here / "data" / "rsna-normals"
    films.mkdir(parents=True)
    rows = ["image,patient,split"]
    for number in range(9):
        film(films / f"rsna_Normal-{number:08x}.png", number)
        rows.append(f"rsna-normals/rsna_Normal-{number:08x}.png,p{number},{('train', 'val', 'test')[number % 3]}")
    (films.parent / "splits.csv").write_text("\n".join(rows) + "\n")
    small = """-s "labels=['effusion','edema']" -s steps=2 -s "sizes=[[0.0, 64]]" -s batch=2 -s "widths=[32,32,32,32]"
        -s "depths=[1,1,1,1]" -s neck=32 -s cache_size=64"""
    verbs((f"train -o run --data data {small}", [0]), ("export run -o model.onnx --data data", [0]))


def test_training_a_gate(verbs, audit):
    folder = audit.here / "data"
    (folder / "ood").mkdir(parents=True)
    rows = ["image,patient,split"]
    for number in range(9):
        film(folder / f"{number}.png", number)
        rows.append(f"{number}.png,p{number},{('train', 'val', 'test')[number % 3]}")
    (folder / "splits.csv").write_text("\n".join(rows) + "\n")
    kinds = ["image,class,group,split,terms"]
    for number, kind in enumerate(("lateral", "bone", "photo"), 20):
        film(folder / "ood" / f"{number}.png", number)
        kinds.append(f"{number}.png,{kind},g{number},train,free")
    (folder / "ood" / "index.csv").write_text("\n".join(kinds) + "\n")
    verbs(("train-gate -o gate.npz --data data --steps 2 --side-steps 2 --quiet", [0]))


def test_every_verb_is_looked_at():
    here = Path(__file__).read_text("utf-8")
    known = get_command(app).commands
    groups = {name: group.commands for name, group in known.items() if hasattr(group, "commands")}
    verbs = [command for command in known if command not in groups]
    verbs += [f"{name} {command}" for name, commands in groups.items() for command in commands]
    assert [verb for verb in verbs if not re.search(rf'\(f?"{verb}[ "]|"lungspot", "{verb}"', here)] == []


def says(process, pattern):
    """Read a program's log until it says something, and return the match."""
    lines = []
    for line in process.stderr:
        lines.append(line)
        if found := re.search(pattern, line):
            return found
    raise AssertionError("".join(lines))


def end(process):
    """Ask the traced program, not strace, to stop."""
    (child,) = children(process)
    os.kill(child, signal.SIGTERM)


def test_serving(audit, chest, model_file):
    with audit("-m", "lungspot", "serve", "--port", "0", "--data", "data", "--model", str(model_file)) as process:
        address = says(process, r"serving (\S+?)/* ")[1]
        head = b'--edge\r\nContent-Disposition: form-data; name="film"; filename="a"\r\n\r\n'
        body = head + chest.read_bytes() + b"\r\n--edge--\r\n"
        kind = {"Content-Type": "multipart/form-data; boundary=edge"}
        with urllib.request.urlopen(urllib.request.Request(f"{address}/v1/readings", body, kind)) as answer:  # noqa: S310
            (reading,) = json.load(answer)["readings"]
        one = f"v1/readings/{reading['id']}"
        for path in (f"{one}?wait=30", f"{one}/overlay.png", f"{one}/image", "", "metrics", "v1/model"):
            with urllib.request.urlopen(f"{address}/{path}", timeout=PATIENCE) as answer:  # noqa: S310
                assert answer.status == 200
        end(process)


def test_a_node_speaks_to_the_archive_that_it_was_told(audit, program, chest, model_file, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = tmp_path / "archive"
    kept.mkdir()
    archive = subprocess.Popen([program("storescp", "dcmtk"), "-od", kept, "-aet", "ARCHIVE", str(port)])
    words = ("--port", "0", "--allow", "*@127.0.0.1", "--send-to", f"ARCHIVE@127.0.0.1:{port}", "--model", model_file)
    try:
        with audit("-m", "lungspot", "node", *map(str, words), peers={("INET", "127.0.0.1", port)}) as process:
            ours = says(process, r"listens at \S+:(\d+)")[1]
            dcmsend = program("dcmsend", "dcmtk")
            subprocess.run([dcmsend, "-aec", "LUNGSPOT", "127.0.0.1", ours, chest], check=True)
            says(process, "results sent")
            end(process)
    finally:
        archive.kill()
        archive.wait()
    assert len(list(kept.iterdir())) == 1


@pytest.fixture
def archive(chest, serving):
    """A DICOMweb archive that has one film and keeps what it is sent: QIDO-RS, WADO-RS, STOW-RS; `kept`: its UIDs."""
    film = chest.read_bytes()
    header = dcmread(io.BytesIO(film), stop_before_pixels=True)
    names = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
    entry = {f"{header[name].tag:08X}": {"vr": "UI", "Value": [str(header[name].value)]} for name in names}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path.partition("?")[0].endswith(str(header.SOPInstanceUID)):
                part = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + film + b"\r\n--x--"
                self.reply(part, 'multipart/related; type="application/dicom"; boundary=x')
            else:
                self.reply(json.dumps([] if "offset" in self.path else [entry]).encode())

        def do_POST(self):
            boundary = self.headers["Content-Type"].rpartition("=")[2].encode()
            parts = self.rfile.read(int(self.headers["Content-Length"])).split(b"--" + boundary)[1:-1]
            objects = [dcmread(io.BytesIO(part.partition(b"\r\n\r\n")[2][:-2])) for part in parts]
            self.server.kept += (uids := [str(each.SOPInstanceUID) for each in objects])
            stored = [{"00081155": {"vr": "UI", "Value": [uid]}} for uid in uids]
            self.reply(json.dumps({"00081199": {"vr": "SQ", "Value": stored}}).encode())

        def reply(self, body, kind="application/dicom+json"):
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with serving(Handler, kept=[]) as running:
        yield running


def test_a_node_that_fetches_and_stores_over_dicomweb(audit, archive, model_file):
    port = archive.server_port
    words = ("--from-dicomweb", f"http://127.0.0.1:{port}/web", "--query", "Modality=CR", "--since", "1900-01-01")
    told = ("--once", "--format", "sr,gsps,sc", "--spool", "spool", "--model", str(model_file))
    with audit("-m", "lungspot", "node", *words, *told, peers={("INET", "127.0.0.1", port)}):
        pass
    assert len(archive.kept) == 3
