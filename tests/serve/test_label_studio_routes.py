"""The back end as Label Studio asks it: a real server, and a real host of films that stands for Label Studio."""

import base64
import io
import json
import re
import signal
import subprocess
import threading
from collections import Counter
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from PIL import Image

from lungspot.cli.app import run
from lungspot.formats import ANNOTATION_FORMATS, ClassMap
from lungspot.formats.labelstudio_regions import FilmRegions

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "sesame-open-please"  # noqa: S105 - a test's
CONFIG = """<View><Image name="xray" value="$film"/>
<RectangleLabels name="boxes" toName="xray">
<Label value="Pleural effusion"/><Label value="Oedema"/></RectangleLabels></View>"""


class Studio(BaseHTTPRequestHandler):
    """Gives films by name to whoever shows the token."""

    def do_GET(self):
        body = self.server.films.get(self.path)
        known = self.headers.get("Authorization") == "Token studio's"
        if self.server.holds is not None:
            self.server.asked.set()
            self.server.holds.wait(60)
        self.send_response(401 if not known else 404 if body is None else 200)
        self.send_header("Content-Length", str(len(body) if known and body else 0))
        self.end_headers()
        self.wfile.write(body if known and body else b"")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def running(serving):
    with serving(Studio) as server:
        yield server


@pytest.fixture
def studio(running):
    running.films, running.holds, running.asked = {}, None, threading.Event()
    return running


@pytest.fixture(scope="module")
def shared(start, running):
    return start("--label-studio", f"http://127.0.0.1:{running.server_port}")


@pytest.fixture
def backend(shared, studio):  # noqa: ARG001 - whose films are none again
    """The server that these tests share, and a Label Studio without films."""
    connect(shared)
    return shared


def connect(server, project="1.2", owner="studio's", **headers):
    body = {"project": project, "schema": CONFIG, "hostname": "http://evil.example", "access_token": owner}
    return server.ask("POST", "/setup", body | {"extra_params": None}, headers)


def predict(server, *links, config=CONFIG, project="1.2", **headers):
    tasks = [{"id": 5 + n, "data": {"film": link}, "annotations": [], "project": 1} for n, link in enumerate(links)]
    body = {"tasks": tasks, "project": project, "label_config": config, "params": {"login": None, "context": None}}
    return server.ask("POST", "/predict", body, headers, timeout=100)


def test_a_task_gets_the_boxes_that_reading_its_film_gives(backend, studio, film, picture):
    studio.films = {"/data/upload/1/a%20film.dcm": film, "/data/local-files/?d=b.png": picture(9)}
    assert backend.get("/health").json["status"] == "UP"
    version = connect(backend).json["model_version"]
    assert version.startswith("generated 0 (")
    assert backend.get("/versions").json["versions"] == [version]
    answer = predict(backend, "/data/upload/1/a film.dcm", "/data/local-files/?d=b.png").json
    assert answer["model_version"] == version
    for data, said in zip((film, picture(9)), answer["results"], strict=True):
        (whole,) = backend.read(("film", data))
        names = {"effusion": "Pleural effusion", "edema": "Oedema"}
        wanted = [each for each in whole["result"]["findings"] if each["positive"] and each["label"] in names]
        assert said["model_version"] == version
        assert said["score"] == max(each["score"] for each in wanted)
        regions = FilmRegions(ClassMap(), (), "film", ours=False)
        marks, _ = regions.drawn(said["result"], "test")
        assert [(mark.label, mark.score) for mark in marks] == [(each["label"], each["score"]) for each in wanted]
        for mark, each, region in zip(marks, wanted, said["result"], strict=True):
            assert mark.box.corners == pytest.approx(each["box"], abs=0.01)
            assert (region["from_name"], region["to_name"], region["type"]) == ("boxes", "xray", "rectanglelabels")
            assert region["value"]["rectanglelabels"] == [names[each["label"]]]
            assert (region["original_width"], region["original_height"]) == (whole["width"], whole["height"])


def test_each_task_says_what_is_wrong_with_it_and_the_others_are_answered(backend, studio, picture):
    studio.films = {"/a.png": picture(3), "/text.png": b"no film at all", "/white.png": white()}
    before = outcomes(backend)
    links = ["/a.png", "/gone.png", "/text.png", "/white.png", "http://169.254.169.254/a", "file:///etc/passwd"]
    results = predict(backend, *links, "http://127.0.0.1:9/a.png").json["results"]
    assert results[0]["result"]
    codes = [each["error"]["code"] for each in results[1:]]
    assert codes == ["NOT_FETCHED", "NOT_AN_IMAGE", "NOT_ASSESSED", *["FOREIGN_HOST"] * 3]
    assert all("result" not in each and each["error"]["advice"] for each in results[1:])  # nothing to be stored
    assert "--label-studio-host" in results[-1]["error"]["advice"]
    assert outcomes(backend) - before == Counter({"made": 1, "FOREIGN_HOST": 3, **dict.fromkeys(codes[:3], 1)})
    assert "169.254" not in backend.log.read_text()


def test_a_project_is_served_with_the_token_of_its_own_owner(backend, studio, picture):
    studio.films = {"/a.png": picture(3)}
    connect(backend, project="7.1", owner="another's")
    assert predict(backend, "/a.png").json["results"][0]["result"]
    for project in ("7.1", "8.1", 9, None):
        (said,) = predict(backend, "/a.png", project=project).json["results"]
        assert said["error"]["code"] == "NOT_FETCHED"
        assert "401" in said["error"]["reason"]


def outcomes(server):
    lines = re.findall(r'lungspot_suggestions_total{outcome="(\w+)"} (\d+)', server.get("/metrics").body.decode())
    return Counter({outcome: int(number) for outcome, number in lines})


def white():
    buffer = io.BytesIO()
    Image.new("L", (96, 96), 250).save(buffer, "png")
    return buffer.getvalue()


def test_two_hundred_tasks_at_once_are_answered(backend, studio, picture):
    studio.films = {f"/{n}.png": picture(n % 20) for n in range(200)}
    results = predict(backend, *studio.films).json["results"]
    assert len(results) == 200
    late = [each for each in results if "error" in each]
    assert {each["error"]["code"] for each in late} <= {"BUSY"}  # a slow machine: these are asked for again
    made = [json.dumps(each["result"]) for each in results if "error" not in each]
    assert len(made) >= 20
    assert len(set(made)) == 20
    assert backend.get("/readyz").status == 200
    assert predict(backend, *["/1.png"] * 257).code == "BUSY"


def test_a_back_end_that_was_killed_answers_the_same_tasks_when_it_is_back(start, studio, picture):
    studio.films, studio.holds = {"/a.png": picture(1), "/b.png": picture(2)}, threading.Event()
    server = start("--label-studio", f"http://127.0.0.1:{studio.server_port}")
    connect(server)
    failed = []

    def ask():
        try:
            predict(server, *studio.films)
        except OSError as error:
            failed.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    assert studio.asked.wait(60)
    server.stop(signal.SIGKILL)
    studio.holds.set()
    asking.join(60)
    assert failed  # Label Studio stores nothing, and asks again
    studio.holds = None
    again = start("--label-studio", f"http://127.0.0.1:{studio.server_port}", data=server.data)
    connect(again)  # as Label Studio does before each request for suggestions
    assert all(each["result"] for each in predict(again, *studio.films).json["results"])


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/setup", {"schema": "<View/>"}, 422, "BAD_VALUE"),
        ("/setup", {}, 422, "BAD_VALUE"),
        ("/predict", {"tasks": [], "label_config": "<View/>"}, 422, "BAD_VALUE"),
        ("/predict", {"tasks": [5], "label_config": CONFIG}, 422, "BAD_VALUE"),
        ("/predict", {"label_config": CONFIG}, 422, "BAD_VALUE"),
    ],
)
def test_a_project_that_cannot_be_served_is_told_why(backend, path, body, status, code):
    answer = backend.ask("POST", path, body)
    assert (answer.status, answer.code) == (status, code)


def test_no_task_is_no_answer_and_an_event_is_noted(backend):
    assert predict(backend).json["results"] == []
    said = backend.ask("POST", "/webhook", {"action": "START_TRAINING", "project": {"id": 1}}).json
    assert (said["action"], said["trained"]) == ("START_TRAINING", False)


def test_label_studio_shows_the_token_as_a_password(start, studio, picture):
    studio.films = {"/a.png": picture(1)}
    environment = {"LUNGSPOT_TOKEN": TOKEN, "LABEL_STUDIO_API_KEY": "studio's"}
    server = start("--label-studio", f"http://127.0.0.1:{studio.server_port}", environment=environment)
    basic = {"Authorization": "Basic " + base64.b64encode(f"label-studio:{TOKEN}".encode()).decode()}
    wrong = {"Authorization": "Basic " + base64.b64encode(b"label-studio:guess").decode()}
    broken = {"Authorization": "Basic \x7f"}
    for path in ("/health", "/versions"):
        assert [server.get(path, **headers).status for headers in ({}, wrong, broken, basic)] == [401, 401, 401, 200]
    assert predict(server, "/a.png").code == predict(server, "/a.png", **wrong).code == "NO_TOKEN"
    assert predict(server, "/a.png", **basic).json["results"][0]["result"]  # with the token that the server was given
    assert server.get("/v1/readings", **basic).code == "NO_TOKEN"  # a browser would send it for any page
    assert predict(server, "/a.png", **basic, Origin="https://evil.example").code == "WRONG_ORIGIN"
    assert server.get("/v1/label-studio/tasks.json").code == "NO_TOKEN"


def test_films_of_the_server_are_tasks_that_a_page_of_label_studio_can_show(backend, studio, film, picture):
    whole, refused = backend.read(("a.dcm", film), ("b.png", b"no film"))
    other = backend.read(("c.png", picture(8)))[0]
    task, last = backend.get(f"/v1/label-studio/tasks.json?ids={whole['id']},{refused['id']},{other['id']}").json
    link = task["data"]["image"]
    assert link.startswith(f"http://{backend.host}:{backend.port}/label-studio/")
    assert link.endswith(f"/{whole['id']}.png")
    assert task["predictions"][0]["result"]
    assert last["data"]["image"].endswith(f"/{other['id']}.png")
    path = link.removeprefix(f"http://{backend.host}:{backend.port}")
    page = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    shown = backend.get(path, **page, Origin="http://studio.example")
    assert shown.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert shown.headers["Access-Control-Allow-Origin"] == f"http://127.0.0.1:{studio.server_port}"
    assert Image.open(io.BytesIO(shown.body)).size == (whole["width"], whole["height"])
    assert shown.body == backend.get(f"/v1/readings/{whole['id']}/image").body  # windowed as everywhere
    forged = path.replace("/label-studio/", "/label-studio/0")
    for wrong in (forged, path.replace(whole["id"], other["id"]), f"/label-studio/x/{whole['id']}.png"):
        assert backend.get(wrong, **page).status == 404
    assert backend.ask("POST", path, b"", page).code == "WRONG_ORIGIN"
    config = backend.get("/v1/label-studio/config.xml").body.decode()
    named = "http://films.example:99" + path  # as browsers call the server is all the same
    answer = predict(backend, config=config)
    assert answer.json["results"] == []
    tasks = [{"id": 1, "data": {"image": named}}, {"id": 2, "data": {"image": "http://films.example:99" + forged}}]
    said = backend.ask("POST", "/predict", {"tasks": tasks, "label_config": config}).json["results"]
    assert said[0] == task["predictions"][0]
    assert said[1]["error"]["code"] == "FOREIGN_HOST"
    only = backend.get(f"/v1/label-studio/tasks.json?ids={other['id']}&base=https://films.example").json
    assert [each["data"]["image"][:22] for each in only] == ["https://films.example/"]
    assert refused["status"] == "not_assessed"


def test_an_export_becomes_a_set_to_learn_from_by_the_steps_that_are_written_down(backend, rg1, picture, tmp_path):
    """Two films of one person stay that person's, by a pseudonym; the films come from their signed addresses."""
    page = (ROOT / "docs/how-to/label-studio.md").read_text()
    (steps,) = [one for one in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "label-studio/" in one]
    read = backend.read(("a.dcm", rg1["UNCR"].read_bytes()), ("b.dcm", rg1["J2KR"].read_bytes()), ("c.png", picture(5)))
    tasks = backend.get(f"/v1/label-studio/tasks.json?ids={','.join(each['id'] for each in read)}").json
    for number, task in enumerate(tasks):
        (suggested,) = task["predictions"]
        task |= {"id": number, "annotations": [{"id": number, "completed_by": 1, "result": suggested["result"]}]}
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    *fetched, convert, train = steps.splitlines()
    assert train.startswith("lungspot train --from default --data site")
    done = subprocess.run(["sh", "-ec", "\n".join(fetched)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert convert == "lungspot data convert labelstudio answers -o site --to coco"
    folders = [str(tmp_path / name) for name in ("answers", "site")]
    assert run(["data", "convert", "labelstudio", folders[0], "-o", folders[1], "--to", "coco", "--quiet"]) == 0
    cases = {case.id: case for case in ANNOTATION_FORMATS["coco"].read(tmp_path / "site")}
    one, other, nobody = (cases[each["id"]].patient for each in read)
    assert one == other != nobody == f"lungspot_{read[2]['id']}"
    assert re.fullmatch(r"lungspot_p[0-9a-f]{16}", one)
    assert all(case.readings[0].boxes() and case.image.is_file() for case in cases.values())


def test_instructions_show_drawings_that_the_server_gives(backend):
    html = backend.get("/v1/label-studio/instruction.html?base=https://films.example").body.decode()
    sources = re.findall(r'src="https://films.example(/label-studio/drawings/\w+\.svg)"', html)
    assert sources
    for path in sources:
        answer = backend.get(path, **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"})
        assert (answer.status, answer.headers["Cross-Origin-Resource-Policy"]) == (200, "cross-origin")
        assert b"<svg" in answer.body
    assert backend.get("/label-studio/drawings/effusion.svg").code == "NO_PICTURE"


def test_another_model_suggests_anew_for_films_that_were_read_before(
    start, studio, picture, write_model, generated_card, tmp_path
):
    options = ("--label-studio", f"http://127.0.0.1:{studio.server_port}")
    server = start(*options)
    server.read(("a.png", picture(8)))
    (task,) = server.get("/v1/label-studio/tasks.json").json
    server.stop()
    other = write_model(tmp_path / "other.onnx", replace(generated_card, version="1", thresholds={}))
    again = start(*options, data=server.data, model=other)
    version = connect(again).json["model_version"]
    config = again.get("/v1/label-studio/config.xml").body.decode()
    asked = {"tasks": [{"id": 1, "data": task["data"]}], "label_config": config}
    (said,) = again.ask("POST", "/predict", asked).json["results"]
    assert said["model_version"] == version != task["predictions"][0]["model_version"]
    again.ask("DELETE", f"/v1/readings/{again.get('/v1/readings').json['readings'][0]['id']}")
    (anew,) = again.read(("a.png", picture(8)))
    wanted = [(each["label"], each["score"]) for each in anew["result"]["findings"] if each["positive"]]
    found = [(each["value"]["rectanglelabels"][0], each["score"]) for each in said["result"]]
    assert [label for label, _ in found] == [label for label, _ in wanted]
    assert [score for _, score in found] == pytest.approx([score for _, score in wanted], abs=0.01)
    assert found != [(each["value"]["rectanglelabels"][0], each["score"]) for each in task["predictions"][0]["result"]]


def test_a_server_that_serves_no_label_studio_has_none_of_its_routes(server):
    for method, path in (("GET", "/health"), ("POST", "/predict"), ("GET", "/label-studio/a/b.png")):
        assert server.ask(method, path).code == "NO_ROUTE"


def test_answers_are_described(backend):
    paths = backend.get("/openapi.json").json["paths"]
    assert {"/health", "/setup", "/predict", "/webhook", "/metrics", "/versions"} <= set(paths)
