"""The base install, without any extra: it reads films, and every verb runs or names the extra that it wants."""

import functools
import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import typer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

from lungspot import labelling
from lungspot.cli.app import app
from lungspot.formats import ANNOTATION_FORMATS

ROOT = Path(__file__).resolve().parent.parent


def base_distributions():
    """Return the names of the distributions that `pip install lungspot` brings, without any extra."""
    found, waiting = set(), ["lungspot"]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for text in metadata.requires(name) or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(canonicalize_name(requirement.name))
    return found


@functools.cache
def beyond_the_base():
    """Return the top-level modules of every other distribution here."""
    base = base_distributions()
    assert {"numpy", "pydicom", "imagecodecs", "onnxruntime"} <= base
    assert not base & {"torch", "onnx", "pytest", "scipy", "matplotlib"}
    owners = metadata.packages_distributions().items()
    return sorted(top for top, names in owners if not base & {canonicalize_name(name) for name in names})


def fence():
    """Return Python code after which nothing can be imported that `pip install lungspot` does not bring."""
    return f"""
import sys
class Base:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        absent = name.partition(".")[0] in {beyond_the_base()!r}
        return None if absent else self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = [Base(finder) for finder in sys.meta_path if hasattr(finder, "find_spec")]
"""


# Each command is run by a child of its own, which has what most of them would load first: half a second of imports.
COMMANDS = """
import json, os
import imagecodecs, lungspot.datasets, lungspot.detect, lungspot.images, lungspot.report, pydicom, typer
from lungspot.cli.app import app, run
typer.main.get_command(app)
for line in sys.stdin:
    words, folder, said = json.loads(line)
    if (child := os.fork()) == 0:
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
        os.dup2(1, 2)
        sys.exit(run(words))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def base_install():
    """A function that runs a command line in a folder, as the base install does; its exit code and what it said."""
    command = [sys.executable, "-c", fence() + COMMANDS]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:

        def run(words, folder):
            said = folder / "said.txt"
            program.stdin.write(json.dumps((words, str(folder), str(said))) + "\n")
            program.stdin.flush()
            return int(program.stdout.readline()), said.read_text()

        yield run
        program.stdin.close()


def test_the_base_install_alone_reads_films(rg1):
    code = f"""
import lungspot
films = {{name: lungspot.read(path) for name, path in { {name: str(path) for name, path in rg1.items()}!r}.items()}}
assert (films["J2KR"].pixels == films["UNCR"].pixels).all()
assert all(film.frame == films["UNCR"].frame for film in films.values())
"""
    done = subprocess.run([sys.executable, "-c", fence() + code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


IN_THE_BASE_INSTALL = [
    ("info FILM --json", 0, '"modality": "CR"'),
    ("convert FILM -o film.png", 0, ""),
    ("detect FILM --model MODEL --format json,png,html -o out", 0, ""),
    ("deidentify FILM out", 0, "1 film in out"),
    ("detect FILM --model MODEL --format fhir -o out", 0, ""),
    ("detect FILM --model MODEL --format sr -o out", 4, "lungspot[pacs]"),
    ("demo", 4, "pip install pydicom-data"),
    ("data check coco SET --films open", 0, "no problems"),
    ("data check coco SET", 4, "lungspot[data]"),
    ("data stats coco SET", 0, "effusion"),
    ("data split coco SET -o splits.csv", 0, "splits.csv"),
    ("data fuse coco SET", 0, "effusion"),
    ("data convert coco SET --to yolo -o out", 0, "1 films as yolo"),
    ("data merge coco SET -o out", 0, "1 films as coco"),
    ("data draw coco SET -o sheet.png", 0, "1 films"),
    ("data pool coco SET -o out --label edema", 0, "1 edema"),
    ("data collect out -o back", 3, "out"),
    ("data readers coco SET", 3, "no film has two readers"),
    ("labelling next POOL --model MODEL", 0, "1 of 1 films that wait"),
    ("labelling round POOL -o rounds", 4, "lungspot[train]"),
    ("eval SET/annotations.json SET/annotations.json", 4, "lungspot[eval]"),
    ("batch FILM -o out --model MODEL", 4, "lungspot[batch]"),
    ("calibrate SET/annotations.json SET/annotations.json", 4, "lungspot[eval]"),
    ("tb SET/people.csv -o out", 4, "lungspot[eval]"),
    ("tb-plan", 0, "people to screen"),
    ("serve --port 0", 4, "lungspot[serve]"),
    ("watch SET --format json,prom", 3, "DATASET"),
    ("web -o page --runtime SET", 4, "npm pack"),
    ("train -o run", 4, "lungspot[train]"),
    ("train-gate -o gate.npz", 4, "lungspot[train]"),
    ("export run -o model.onnx", 4, "lungspot[train]"),
    ("node --allow *@127.0.0.1", 4, "lungspot[pacs]"),
]


def small_set(folder):
    """One film in COCO: an effusion in a box, an edema that nobody boxed, and its pool; and two people's scores."""
    (folder / "images").mkdir(parents=True)
    Image.effect_noise((90, 80), 64).save(folder / "images" / "a.png")
    value = {
        "images": [{"id": 1, "file_name": "a.png", "width": 90, "height": 80, "not_exhaustive_category_ids": [2]}],
        "categories": [{"id": 1, "name": "effusion"}, {"id": 2, "name": "edema"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 30, 20], "area": 600, "iscrowd": 0}
        ],
    }
    (folder / "annotations.json").write_text(json.dumps(value))
    (folder / "people.csv").write_text("score,reference\n0.9,1\n0.1,0\n")
    labelling.make(labelling.select_tasks(ANNOTATION_FORMATS["coco"].read(folder), ["edema"]), folder.parent / "POOL")


@pytest.mark.parametrize(("command", "exit_code", "says"), IN_THE_BASE_INSTALL)
def test_the_base_install_alone_runs(command, exit_code, says, base_install, rg1, model_file, tmp_path):
    small_set(tmp_path / "SET")
    places = {"FILM": str(rg1["UNCR"]), "MODEL": str(model_file)}
    words = [places.get(word, word) for word in command.split()]
    code, said = base_install(words, tmp_path)
    assert code == exit_code, said
    assert says in said
    assert "Traceback" not in said


def test_the_base_install_is_tried_with_every_verb():
    def verbs(command, words=()):
        for name, each in getattr(command, "commands", {}).items():
            yield from verbs(each, (*words, name))
        if not hasattr(command, "commands"):
            yield " ".join(words)

    tried = [f"{command} " for command, _, _ in IN_THE_BASE_INSTALL]
    known = verbs(typer.main.get_command(app))
    assert not [verb for verb in known if not any(command.startswith(f"{verb} ") for command in tried)]
