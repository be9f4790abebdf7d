"""What is no file is a line and never waited for, wherever a verb takes a file."""

import json
import os
import shlex
import shutil
import signal
from pathlib import Path

import pytest
from PIL import Image

from lungspot.cli.app import run

PATIENCE = 60  # seconds; a bound for a test that has gone wrong, not a measure
COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 100, "height": 120}],
    "categories": [{"id": 1, "name": "effusion"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 30, 20], "area": 600}],
}
FORMS = ("coco", "labelme", "voc", "yolo", "cvat", "labelstudio", "csv")
EVAL = "-o new --resamples 5"


class WaitingError(BaseException):
    """Nobody catches it, so that it ends whatever waits."""


@pytest.fixture
def here(tmp_path, monkeypatch, model_file):
    """A folder with pipes that nobody writes to, as the folder that verbs run in; none may wait for one."""

    def ring(*_):
        raise WaitingError

    monkeypatch.chdir(tmp_path)
    Path("d").mkdir()
    Path("pipes").mkdir()
    Image.new("L", (100, 120)).save("d/a.png")
    Path("d/annotations.json").write_text(json.dumps(COCO))
    table = "".join(f"{number}.png,p{number},{number % 2},{number}\n" for number in range(9))
    Path("t.csv").write_text(f"image,patient,reference,score\n{table}")
    shutil.copy(model_file, "model.onnx")
    for name in ("pipe", "pipe.csv", "pipe.zip", "pipe.toml", "pipe.dcm", "pipes/a.png", "pipes/a.json", "pipes/a.txt"):
        os.mkfifo(name)
    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(PATIENCE)
    yield tmp_path
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    "line",
    [
        "info pipe",
        "convert pipe.dcm -o new.png",
        "detect pipe --model model.onnx",
        "detect pipe.zip -o new --model model.onnx",
        "detect d/a.png pipe.dcm -o new --format register --screen effusion --model model.onnx",
        "detect pipes -o new --model model.onnx",
        "detect d/a.png -o new --model pipe",
        "detect d/a.png -o new --model model.onnx --site pipe",
        "detect d/a.png -o new --model model.onnx --format text --reviews pipe",
        "detect d/a.png -o new --model model.onnx --format coco --coco-ids pipe",
        "deidentify pipe.dcm new.dcm",
        "deidentify d/a.png new --key pipe",
        "demo -o new --model pipe",
        *(
            f"data check {name} pipe"
            for name in ("coco", "labelme", "voc", "yolo", "cvat", "labelstudio", "csv", "nih")
        ),
        *(
            f"data check {name} pipes"
            for name in ("coco", "labelme", "voc", "yolo", "cvat", "labelstudio", "csv", "all")
        ),
        "data stats coco d --splits pipe",
        "data check coco d --class-map pipe",
        "data split coco d -o new.csv --given pipe",
        "data convert predictions pipe -o new.csv --to csv",
        f"eval pipe d/annotations.json {EVAL}",
        f"eval d/annotations.json pipe {EVAL}",
        f"eval d/annotations.json pipes {EVAL}",
        f"eval d/annotations.json d/annotations.json {EVAL} --splits pipe",
        f"eval d/annotations.json d/annotations.json {EVAL} --shortcuts pipe",
        "calibrate pipe.csv t.csv --label effusion -o new.json",
        "calibrate t.csv pipe.csv --label effusion -o new.json",
        "tb pipe -o new",
        "tb t.csv -o new --targets pipe.toml",
        "watch N=pipe -o new",
        "watch N=pipes -o new",
        "train pipe.toml -o new --data d",
        "train -o new --data d --from pipe",
        "train -o new --data d --teacher pipe",
        "train-gate -o new.npz --data pipes",
        "export pipe -o new.onnx",
        "serve --port 0 --data new --model pipe",
        "serve --port 0 --data new --model model.onnx --site pipe",
        "serve --port 0 --data new --model model.onnx --token-file pipe",
        "serve --port 0 --data new --model model.onnx --teach coco:pipes",
        "node --port 0 --spool new --allow A@127.0.0.1 --stow http://x/y --model pipe",
        "node --port 0 --spool new --allow A@::1 --stow http://x --model model.onnx --tls-cert pipe --tls-key pipe",
        "node --check-audit pipe",
    ],
)
@pytest.mark.usefixtures("here")
def test_a_pipe_is_a_line_and_never_waited_for(line, capsys):
    assert run(shlex.split(line)) in {1, 2, 3, 4}
    said = capsys.readouterr()
    assert "lungspot: bug" not in said.err
    assert any(word in said.err + said.out for word in ("pipe", "--tls-cert"))
