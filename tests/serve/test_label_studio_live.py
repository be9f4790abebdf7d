"""A real Label Studio, from its first start to a suggestion of the model that learnt from its answers.

``LUNGSPOT_LABEL_STUDIO`` names its program; without it the drill is skipped. `make label-studio` and `make drill`
install it in an environment of its own (it pins what others need newer, and weighs a gigabyte) and set that. The drill
asks nothing of any network.
"""

import io
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lungspot import labelling
from lungspot.cli.app import run
from lungspot.findings import Reading
from lungspot.formats import ANNOTATION_FORMATS, Case
from lungspot.images import read

pytestmark = pytest.mark.drill

PROGRAM = os.environ.get("LUNGSPOT_LABEL_STUDIO") or None
TOKEN = "0123456789abcdef0123456789abcdef01234567"  # noqa: S105 - a drill's
FILMS = 16


@dataclass(frozen=True)
class Studio:
    """A Label Studio that runs; ``ask`` speaks its API."""

    address: str

    def ask(self, method, path, value=None, body=None, kind="application/json"):
        data = body if value is None else json.dumps(value).encode()
        headers = {"Authorization": f"Token {TOKEN}", "Content-Type": kind}
        request = urllib.request.Request(self.address + path, data, headers, method=method)  # noqa: S310 - our own
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()[:500]}") from error

    def suggested(self, project):
        """Have suggestions made for every task, and return the tasks, the first first."""
        path = f"/api/dm/actions?id=retrieve_tasks_predictions&project={project}"
        self.ask("POST", path, {"selectedItems": {"all": True, "excluded": []}})
        found = self.ask("GET", f"/api/tasks?project={project}&fields=all&page_size=100")["tasks"]
        return sorted(found, key=lambda task: task["id"])


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    if PROGRAM is None:
        pytest.skip("LUNGSPOT_LABEL_STUDIO names no Label Studio")
    folder = tmp_path_factory.mktemp("studio")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--no-browser", "--init", "drill", "--port", port, "--internal-host", "127.0.0.1", "--data-dir", folder]
    words += ["--username", "a@example.org", "--password", "sesame-open", "--user-token", TOKEN]
    settings = {"USE_DEFAULT_BANNED_SUBNETS": "false", "COLLECT_ANALYTICS": "false", "SENTRY_DSN": ""}
    settings |= {"FRONTEND_SENTRY_DSN": "", "LATEST_VERSION_CHECK": "false"}
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | settings
    command = [PROGRAM, "start", *map(str, words), "--enable-legacy-api-token"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        found = Studio(f"http://localhost:{port}")
        deadline = time.monotonic() + 900
        while True:
            try:
                found.ask("GET", "/health")
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()[-2000:]
                assert time.monotonic() < deadline
                time.sleep(1)
        yield found
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


@pytest.fixture(scope="module")
def films(rg1):
    """The real DICOM film, and pictures of it of which a little is cut away: films that are not the same."""
    pixels = read(rg1["J2KR"]).pixels
    found = [("a.dcm", rg1["J2KR"].read_bytes())]
    for n in range(1, FILMS):
        buffer = io.BytesIO()
        part = pixels[4 * n :: 2, 3 * n :: 2]
        Image.fromarray((part * np.float32(255)).astype(np.uint8)).save(buffer, "png")
        found.append((f"{n}.png", buffer.getvalue()))
    return found


def test_suggestion_correction_export_training_new_suggestion(studio, films, start, tmp_path, record_property):
    began = time.monotonic()
    server = start("--label-studio", studio.address, model="default")
    whole = server.read(films[0])[0]
    config = server.get("/v1/label-studio/config.xml").body.decode()
    instruction = server.get("/v1/label-studio/instruction.html").body.decode()
    project = studio.ask(
        "POST", "/api/projects", {"title": "drill", "label_config": config, "expert_instruction": instruction}
    )["id"]
    kept = studio.ask("GET", f"/api/projects/{project}")["expert_instruction"]
    assert f'src="{server.address}label-studio/drawings/edema.svg"' in kept  # what Label Studio strips is gone
    backend = studio.ask("POST", "/api/ml", {"url": server.address, "project": project, "title": "lungspot"})
    assert backend["readable_state"] == "Connected"

    # the first suggested box on a DICOM film
    bring(server, studio, project)
    (task,) = studio.suggested(project)
    (made,) = task["predictions"]
    boxed = [each for each in whole["result"]["findings"] if each["positive"]]
    assert [each["value"]["rectanglelabels"][0] for each in made["result"]] == [each["label"] for each in boxed]
    assert made["model_version"] == backend["model_version"]
    record_property("seconds to the first suggestion", round(time.monotonic() - began))

    # films that Label Studio has itself, and one that is none
    upload(studio, project, "upload.png", films[1][1])
    studio.ask("POST", f"/api/projects/{project}/import", [{"image": "http://169.254.169.254/film.png"}])
    own, uploaded, foreign = (task["predictions"] for task in studio.suggested(project))
    assert [len(each) for each in (own, uploaded, foreign)] == [1, 1, 0]
    assert uploaded[0]["result"]

    # more films; every box of every suggestion is moved a little, and handed in
    server.read(*films[1:])
    listed = server.get("/v1/readings?per_page=200").json["readings"]
    bring(server, studio, project, *[each["id"] for each in listed if each["id"] != whole["id"]])
    ours = [task for task in studio.suggested(project) if "/label-studio/" in task["data"]["image"]]
    assert len(ours) == FILMS
    for task in ours:
        suggestion = task["predictions"][0]
        moved = json.loads(json.dumps(suggestion["result"]))
        for region in moved:
            region["value"]["x"] = min(region["value"]["x"] + 1, 100 - region["value"]["width"])
        answer = {"result": moved, "parent_prediction": suggestion["id"], "lead_time": 5}
        studio.ask("POST", f"/api/tasks/{task['id']}/annotations", answer)

    # export, read back, learn, serve
    site = collected(server, studio, project, tmp_path)
    short = ("-s", "steps=2", "-s", "batch=1")
    learn = ["train", "--from", "default", "--data", str(site), "-o", str(tmp_path / "run"), "--quiet", *short]
    assert run(learn) == 0
    mine = tmp_path / "mine.onnx"
    judge = ["export", str(tmp_path / "run"), "--data", str(site), "--taught-from", "default", "--worse", "1"]
    assert run([*judge, "-o", str(mine)]) == 0
    port = server.port
    server.stop()
    again = start("--label-studio", studio.address, "--port", str(port), data=server.data, model=mine)
    assert again.address == server.address  # as Label Studio knows it; its tasks lead there, too
    first = studio.suggested(project)[0]
    assert len({each["model_version"] for each in first["predictions"]}) == 2
    record_property("seconds to the second model's suggestion", round(time.monotonic() - began))


def test_the_order_of_next_json_is_the_order_in_which_films_are_handed_out(studio, films, start, tmp_path):
    """With a back end connected first, whose title is then the project's version, as docs/how-to/label-next.md says."""
    server = start("--label-studio", studio.address, model="default")
    cases = []
    for name, data in films[1:5]:
        (tmp_path / name).write_bytes(data)
        cases.append(Case(name[:-4], "own", name, (Reading("r", (), {"effusion": "present"}),), tmp_path / name))
    folder = tmp_path / "pool"
    labelling.make(labelling.select_tasks(cases, ["effusion"]), folder, tool="labelstudio")
    pool = labelling.open_pool(folder)
    chosen = [labelling.Choice(name, "random", 0.5, labelling.Uncertainty()) for name in reversed(pool.films)]
    order = json.loads(labelling.next_tasks(pool, chosen))
    config = (folder / "config.xml").read_text()
    project = studio.ask("POST", "/api/projects", {"title": "order", "label_config": config})["id"]
    studio.ask("POST", "/api/ml", {"url": server.address, "project": project, "title": "lungspot"})
    studio.ask("POST", f"/api/projects/{project}/import", order[::-1])
    chosen_so = {"sampling": "Uncertainty sampling", "model_version": labelling.NEXT_VERSION}
    studio.ask("PATCH", f"/api/projects/{project}", chosen_so)
    handed = []
    for _ in order:
        task = studio.ask("GET", f"/api/projects/{project}/next")
        handed.append(task["data"]["image"])
        studio.ask("POST", f"/api/tasks/{task['id']}/annotations", {"result": []})
    assert handed == [task["data"]["image"] for task in order]


def bring(server, studio, project, *ids):
    """Import films of the server as tasks, without the suggestions that they carry."""
    tasks = server.get("/v1/label-studio/tasks.json" + (f"?ids={','.join(ids)}" if ids else "")).json
    studio.ask("POST", f"/api/projects/{project}/import", [{"data": task["data"]} for task in tasks])


def upload(studio, project, name, data):
    head = (
        f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: image/png\r\n\r\n'
    )
    body = head.encode() + data + b"\r\n--edge--\r\n"
    studio.ask("POST", f"/api/projects/{project}/import", body=body, kind="multipart/form-data; boundary=edge")


def collected(server, studio, project, tmp_path):
    """Return the answers as a dataset in COCO, with the films that Label Studio's tasks lead to."""
    folder = tmp_path / "answers"
    (folder / "images").mkdir(parents=True)
    tasks = studio.ask("GET", f"/api/projects/{project}/export?exportType=JSON")
    (folder / "tasks.json").write_text(json.dumps(tasks))
    for task in tasks:
        path = task["data"]["image"].removeprefix(server.address.rstrip("/"))
        (folder / "images" / Path(path).name).write_bytes(server.get(path).body)
    cases = ANNOTATION_FORMATS["labelstudio"].read(folder)
    assert len(cases) == FILMS
    assert any(case.readings[0].findings for case in cases)
    out = tmp_path / "site"
    assert run(["data", "convert", "labelstudio", str(folder), "-o", str(out), "--to", "coco", "--quiet"]) == 0
    return out
