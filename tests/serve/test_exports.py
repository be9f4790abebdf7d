"""Reviews as training data: what nobody looked at is called absent by nobody, and what was rejected says so."""

import csv
import io
import itertools
import json
import zipfile

import pytest

from lungspot.findings import reading_from_json
from lungspot.formats.catalog import ANNOTATION_FORMATS
from lungspot.serve.store import Store

GARBAGE = bytes(range(256)) * 4  # shaped like ../shared/cases/o3-unreadable


@pytest.fixture(scope="module")
def server(start):
    return start()  # one of its own: exports hold every review of a server


@pytest.fixture(scope="module")
def numbers():
    """Numbers of pictures, none of them twice: a film that a server has is not read again."""
    return itertools.count(20_000)


@pytest.fixture
def film(server, picture, numbers):
    return server.read(("a.png", picture(next(numbers), (128, 96))))[0]


@pytest.fixture(scope="module")
def unread(server):
    """Films that were not assessed: no film at all, an empty picture, and a broken DICOM file."""
    from PIL import Image  # noqa: PLC0415

    blank = io.BytesIO()
    Image.new("L", (200, 200), 90).save(blank, "png")
    broken = b"\0" * 128 + b"DICM" + GARBAGE
    names = (("garbage.dcm", GARBAGE), ("blank.png", blank.getvalue()), ("broken.dcm", broken))
    found = dict(zip(("garbage", "blank", "broken"), server.read(*names), strict=True))
    assert {each["status"] for each in found.values()} == {"not_assessed"}
    return found


def review(server, film, **body):
    return server.ask("POST", f"/v1/readings/{film['id']}/review", {"reader": "R1", **body})


def exported(server, kind, tmp_path, film, films="false"):
    """Return the case of a film as it comes back from an export, and the export's own folder."""
    answer = server.get(f"/v1/reviews.{kind}?films={films}")
    if answer.headers["Content-Type"] == "application/zip":
        zipfile.ZipFile(io.BytesIO(answer.body)).extractall(tmp_path)
    else:
        (tmp_path / "annotations.json").write_bytes(answer.body)
    return next(case for case in ANNOTATION_FORMATS[kind].read(tmp_path) if case.id == film["id"])


@pytest.mark.parametrize("kind", ["garbage", "blank", "broken"])
def test_a_film_that_was_not_read_cannot_be_called_looked_at_for_everything(server, unread, kind):
    film = unread[kind]
    answer = review(server, film, complete=True)
    assert (answer.status, answer.code, answer.json["error"]["where"]) == (422, "NOT_ASSESSED", "complete")
    added = [{"action": "add", "label": "edema"}]
    assert review(server, film, complete=True, verdicts=added).code == "NOT_ASSESSED"
    assert server.whole(film["id"])["reviews"] == []


def test_the_case_of_a_file_that_is_no_film(server, shared_cases):
    case = shared_cases / "o3-unreadable" / "garbage.dcm"
    film = server.read((case.name, case.read_bytes()))[0]
    assert review(server, film, complete=True).code == "NOT_ASSESSED"


def test_nothing_is_absent_where_there_is_nothing_to_look_at(server, unread):
    assert review(server, unread["garbage"], absent=["edema"]).code == "NOT_ASSESSED"
    seen = review(server, unread["blank"], absent=["edema"])  # the gate refused it, but it can be seen
    assert seen.json["reading"]["states"] == {"edema": "absent"}
    server.ask("DELETE", f"/v1/readings/{unread['blank']['id']}/reviews/{seen.json['id']}")


def test_a_review_that_an_earlier_version_took_trains_nobody(start, picture, tmp_path):
    server = start(data=tmp_path / "data")
    bad = server.read(("garbage.dcm", GARBAGE))[0]
    good = server.read(("a.png", picture(31)))[0]
    for film in (bad, good):
        assert review(server, film, verdicts=[{"action": "add", "label": "nodule"}]).status == 201
    assert server.stop() == 0
    store = Store(tmp_path / "data")
    with store.writing() as db:  # as 0.1.0 kept it
        for number, body in db.execute("SELECT number, body FROM reviews").fetchall():
            old = json.loads(body) | {"complete": True}
            old["reading"]["states"] |= {"edema": "absent", "effusion": "absent"}
            db.execute("UPDATE reviews SET body = ? WHERE number = ?", (json.dumps(old), number))
    store.close()
    server = start(data=tmp_path / "data")
    for kind in ("coco", "labelme"):
        for name in ("bad", "good"):
            (tmp_path / kind / name).mkdir(parents=True)
        states = exported(server, kind, tmp_path / kind / "bad", bad).readings[0].states
        assert dict(states) == {"nodule": "present"}
        assert exported(server, kind, tmp_path / kind / "good", good).readings[0].states["edema"] == "absent"


@pytest.mark.parametrize("films", ["false", "true"])
@pytest.mark.parametrize("kind", ["coco", "labelme"])
def test_rejected_boxes_travel_as_what_they_are(server, film, tmp_path, kind, films):
    first = film["candidates"][0]
    verdicts = [{"action": "reject", "candidate": 0}, {"action": "accept", "candidate": 1}]
    said = review(server, film, verdicts=verdicts).json["reading"]
    model = "{name} {version}".format(**server.get("/v1/model").json)
    wrong = {"label": first["label"], "box": first["box"], "score": first["score"], "source": model}
    assert said["rejected"] == [wrong]
    about = server.get("/v1/model").json
    assert said["basis"] == f"{model} sha256 {about['sha256']}"
    assert said["created"] == server.whole(film["id"])["reviews"][-1]["created"]
    case = exported(server, kind, tmp_path, film, films)
    assert case.readings == (reading_from_json(said),)
    assert case.readings[0].boxes() == (reading_from_json(said).findings[0].box,)
    if kind == "coco":
        value = json.loads((tmp_path / "annotations.json").read_bytes())
        image = next(each for each in value["images"] if each.get("case_id") == film["id"])
        drawn = [each for each in value["annotations"] if each["image_id"] == image["id"]]
        (rejected,) = [each for each in value["rejected"] if each["image_id"] == image["id"]]
        x0, y0, x1, y1 = first["box"]
        assert len(drawn) == 1, "no trainer takes a rejected box for a finding"
        assert (rejected["reader"], rejected["drawn_by"], rejected["label"]) == ("R1", model, first["label"])
        assert rejected["bbox"] == pytest.approx([x0, y0, x1 - x0, y1 - y0])
    else:
        (path,) = (
            each for each in tmp_path.rglob("*.json") if json.loads(each.read_bytes())["lungspot"]["id"] == film["id"]
        )
        value = json.loads(path.read_bytes())
        assert len(value["shapes"]) == 1
        assert value["lungspot"]["readings"][0]["rejected"] == [wrong]


def test_films_are_named_by_file_and_digest(server, film):
    review(server, film)
    sha256 = film["result"]["image"]["sha256"]
    names = {"names": {film["id"]: "Doe^Jane 1.png", "unknown": "x.png"}}
    told = server.ask("POST", "/v1/reviews.coco", names).json
    image = next(each for each in told["images"] if each.get("case_id") == film["id"])
    assert (image["file_name"], image["source_name"], image["source_sha256"]) == (
        "images/Doe^Jane 1.png",
        "Doe^Jane 1.png",
        sha256,
    )
    archive = zipfile.ZipFile(io.BytesIO(server.ask("POST", "/v1/reviews.labelme", names).body))
    shape = json.loads(archive.read("Doe^Jane 1.json"))
    assert (shape["imagePath"], shape["lungspot"]["source_sha256"]) == ("Doe^Jane 1.png", sha256)
    table = server.ask("POST", "/v1/reviews.csv", {"names": {film["id"]: "=x.png"}}).body.decode()
    (row,) = (row for row in csv.DictReader(io.StringIO(table)) if row["reading_id"] == film["id"])
    assert (row["film_name"], row["film_sha256"]) == ("'=x.png", sha256)
    packed = zipfile.ZipFile(io.BytesIO(server.ask("POST", "/v1/reviews.labelme?films=true", names).body))
    assert {"Doe^Jane 1.json", "Doe^Jane 1.png"} <= set(packed.namelist())
    assert not [name for name in packed.namelist() if name.startswith(".")]
    assert json.loads(packed.read("Doe^Jane 1.json"))["imagePath"] == "Doe^Jane 1.png"
    # nobody else learns the names: the server has kept none
    assert "Doe" not in server.get("/v1/reviews.coco").body.decode()
    assert not [path for path in server.data.rglob("*") if path.is_file() and b"Doe^Jane" in path.read_bytes()]
    assert server.ask("POST", "/v1/reviews.coco", {"names": []}).code == "BAD_VALUE"
    assert server.ask("POST", "/v1/reviews.coco", {"names": {"x": "y" * 1025}}).code == "BAD_VALUE"


def test_a_server_that_keeps_names_exports_them(start, picture):
    server = start("--keep-identifiers")
    film = server.read(("mine.png", picture(32)))[0]
    review(server, film)
    (image,) = server.get("/v1/reviews.coco").json["images"]
    assert (image["file_name"], image["source_name"]) == ("images/mine.png", "mine.png")
