import io

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from PIL import Image

from lungspot.detect import load_detector
from lungspot.findings import taxonomy
from lungspot.pipeline import analyze
from lungspot.report import NOT_ASSESSED, document, schema


@pytest.fixture(scope="module")
def done(server, film):
    return server.read(("a.dcm", film))[0]


@pytest.mark.parametrize("point", ["sensitive", "balanced", "specific"])
def test_a_film_gives_what_the_command_line_gives(server, done, film, model_file, point):
    said = server.whole(done["id"], point)["result"]
    Draft202012Validator(schema()).validate(said)
    plain = document(analyze(film, load_detector(model_file), point=point))
    for value in (said, plain):  # the name, and the clock
        value["image"].pop("path")
        value["image"].pop("sop_instance_uid")
        value["image"].pop("device")  # kept as a digest, beside the record
        value.pop("timing_ms")
        value.pop("made")
    assert said == plain
    assert said["image"]["statistics"]
    assert said["features"]
    assert said["findings"] or point == "specific"


def test_candidates_need_no_second_request(server, done):
    for point in ("sensitive", "balanced", "specific"):
        chosen = [each["box"] for each in done["candidates"] if each["score"] >= each["thresholds"][point]]
        result = server.whole(done["id"], point)["result"]
        assert chosen == [each["box"] for each in result["findings"]]
        limits = {label: limit[point] for label, limit in done["image_thresholds"].items()}
        assert limits == {each["label"]: each["threshold"] for each in result["image_scores"]}
    assert min(each["score"] for each in done["candidates"]) >= done["floor"]
    assert all(each["agreement"] for each in done["candidates"])


def test_pictures_are_the_film(server, done, film):
    path = f"/v1/readings/{done['id']}"
    whole = np.rint(analyze_pixels(film) * 65535)
    sixteen = np.asarray(Image.open(io.BytesIO(server.get(f"{path}/image?bits=16").body)))
    eight = np.asarray(Image.open(io.BytesIO(server.get(f"{path}/image").body)))
    raw = server.get(f"{path}/image.raw16")
    size = (int(raw.headers["X-Image-Height"]), int(raw.headers["X-Image-Width"]))
    assert (np.frombuffer(raw.body, "<u2").reshape(size) == whole).all()
    assert (sixteen == whole).all()
    assert np.abs(eight - whole / 257).max() <= 0.5
    small = Image.open(io.BytesIO(server.get(f"{path}/image?max_side=256").body))
    assert max(small.size) == 256


def analyze_pixels(film):
    from lungspot.images import read  # noqa: PLC0415

    return read(film).pixels


def test_views_of_a_result(server, done):
    path = f"/v1/readings/{done['id']}"
    overlay = server.get(f"{path}/overlay.png?heatmap=true")
    assert overlay.headers["Content-Type"] == "image/png"
    assert Image.open(io.BytesIO(overlay.body)).mode == "RGB"
    page = server.get(f"{path}/report.html")
    assert b"Research use only" in page.body
    assert "sandbox" in page.headers["Content-Security-Policy"]
    for label in done["heatmaps"]:
        colour = Image.open(io.BytesIO(server.get(f"{path}/heatmap/{label}").body))
        grey = Image.open(io.BytesIO(server.get(f"{path}/heatmap/{label}?style=grey").body))
        assert (colour.mode, grey.mode, colour.size) == ("RGBA", "L", grey.size)
    assert server.get(f"{path}/heatmap/nothing").code == "NO_PICTURE"


def test_the_model_is_told_with_every_label_that_a_reader_may_use(server):
    about = server.get("/v1/model").json
    assert {each["id"]: each["color"] for each in about["taxonomy"]} == {each.id: each.color for each in taxonomy()}
    assert {each["id"]: each["color"] for each in about["labels"]}.items() <= {
        (each["id"], each["color"]) for each in about["taxonomy"]
    }
    assert about["not_assessed"] == NOT_ASSESSED


def test_a_file_that_is_no_film_is_not_assessed(server):
    value = server.read(("notes.txt", b"Dear Sir"))[0]
    assert (value["status"], value["reasons"]) == ("not_assessed", ["NOT_AN_IMAGE"])
    assert value["result"]["findings"] == value["candidates"] == value["heatmaps"] == []
    assert value["headline"].startswith("Not assessed: ")
    assert server.get(f"/v1/readings/{value['id']}/image").code == "NO_PICTURE"


def test_the_gate_refuses_with_a_reason_and_no_score(server):
    buffer = io.BytesIO()
    Image.new("L", (200, 200), 90).save(buffer, "png")
    value = server.read(("blank.png", buffer.getvalue()))[0]
    assert (value["status"], value["reasons"]) == ("not_assessed", ["BLANK"])
    assert value["result"]["image_scores"] == value["candidates"] == []
    assert value["top"] is None
    assert server.get(f"/v1/readings/{value['id']}/image").status == 200


def test_deleting_removes_everything(server, film):
    value = server.read(("b.dcm", film + b"\0\0"))[0]
    path = f"/v1/readings/{value['id']}"
    assert server.ask("DELETE", path).status == 204
    assert server.get(path).code == "NO_READING"
    assert server.ask("DELETE", path).code == "NO_READING"
    assert not [file for file in server.data.rglob("*") if value["id"] in file.name]
