"""`--class-map` on the verbs that read annotations, and what is said of classes and patients."""

import json

import pytest
from PIL import Image

from lungspot.cli.app import run

NAMES = "names: ['Pleural Effusion', 'aortic knob', No Finding, Cardiomegally, Pneumonia Bacterial]"
SAID = (
    "lungspot: classes: Pleural Effusion → effusion (1); aortic knob: left out (1); No Finding → all absent (1); "
    "Cardiomegally → cardiomegaly (1); Pneumonia Bacterial: not used"
)
OR = "or 'Cardiomegally=-' to leave it out"
MAP = ("--class-map", "aortic knob=-", "--class-map", "Cardiomegally=cardiomegaly")


@pytest.fixture
def yolo(tmp_path):
    """A folder of three films with classes that need a map."""
    for row, line in enumerate(("0 .5 .5 .2 .2\n1 .1 .1 .1 .1\n", "2 .5 .5 1 1\n", "3 .5 .5 .2 .2\n")):
        for folder in ("images", "labels"):
            (tmp_path / "set" / folder).mkdir(parents=True, exist_ok=True)
        Image.effect_noise((100, 80), 10 * row + 30).save(tmp_path / f"set/images/{row}.png")
        (tmp_path / f"set/labels/{row}.txt").write_text(line)
    (tmp_path / "set/data.yaml").write_text(NAMES)
    return tmp_path / "set"


@pytest.fixture
def call(capsys):
    """A function that runs `lungspot …`: exit code, stdout, stderr."""

    def run_it(*arguments):
        code = run([*map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run_it


def test_check_suggests_the_map_for_every_class_at_once(call, yolo):
    code, out, err = call("data", "check", "yolo", yolo, "--films", "skip")
    assert code == 1
    lines = [line.partition("LABEL_UNKNOWN: ")[2] for line in out.splitlines()]
    assert lines == [
        "'aortic knob', of 1 annotations: --class-map 'aortic knob=LABEL', or 'aortic knob=-' to leave it out",
        f"'Cardiomegally', of 1 annotations: --class-map 'Cardiomegally=cardiomegaly', {OR}",
    ]
    assert "lungspot: 2 LABEL_UNKNOWN" in err
    code, out, err = call("data", "check", "yolo", yolo, "--films", "skip", *MAP)
    assert (code, out, err.splitlines()) == (0, "", [SAID, "lungspot: no problems"])


@pytest.mark.parametrize(
    "verb",
    [
        ("convert", "yolo", "SET", "--to", "coco", "-o", "out"),
        ("merge", "yolo", "SET", "-o", "out"),
        ("fuse", "yolo", "SET", "-o", "out"),
        ("split", "yolo", "SET", "-o", "split.csv"),
        ("draw", "yolo", "SET", "-o", "sheet.png"),
        ("stats", "yolo", "SET"),
    ],
)
def test_every_verb_takes_the_map_and_says_what_became_of_every_class(call, yolo, verb, monkeypatch):
    monkeypatch.chdir(yolo.parent)
    words = [str(yolo) if word == "SET" else word for word in verb]
    code, _, err = call("data", *words)
    assert code == 3
    assert "UNKNOWN_LABEL: no label is called 'aortic knob'; say what it means: --class-map 'aortic knob=LABEL'" in err
    code, _, err = call("data", *words, "--class-map", "Nonsense=What?!")
    assert "UNKNOWN_LABEL: no label is called 'What?!'" in err
    assert code != 0
    code, _, err = call("data", *words, *MAP)
    assert code == 0
    assert SAID in err.splitlines()


def test_a_map_from_a_file(call, yolo):
    (yolo.parent / "map.txt").write_text("aortic knob=-\nCardiomegally=cardiomegaly\n")
    code, out, _ = call("data", "stats", "yolo", yolo, "--class-map", yolo.parent / "map.txt", "--json")
    counts = {(row["label"], row["state"]): row["films"] for row in json.loads(out)["counts"]}
    assert code == 0
    assert counts["effusion", "boxed"] == counts["effusion", "absent"] == counts["cardiomegaly", "boxed"] == 1


def test_our_own_files_have_no_classes_to_speak_of(call, yolo, tmp_path):
    call("data", "convert", "yolo", yolo, "--to", "yolo", "-o", tmp_path / "own", *MAP)
    code, _, err = call("data", "convert", "yolo", tmp_path / "own", "--to", "voc", "-o", tmp_path / "again")
    assert (code, err) == (0, f"{tmp_path / 'again'}: 3 films as voc\n")


def test_eval_takes_the_map_for_truth_and_predictions(call, tmp_path):
    images = [{"id": 1, "file_name": "a.png", "width": 100, "height": 80}]
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 30, 30]}
    truth = {"images": images, "annotations": [box], "categories": [{"id": 1, "name": "spot"}]}
    found = [{"image_id": 1, "category_id": 1, "bbox": [10, 10, 30, 30], "score": 0.9}]
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "found.json").write_text(json.dumps(found))
    words = ("eval", tmp_path / "truth.json", tmp_path / "found.json", "-o", tmp_path / "report", "--resamples", "10")
    code, _, err = call(*words)
    assert (code, "--class-map 'spot=LABEL'" in err) == (3, True)
    code, out, err = call(*words, "--class-map", "spot=nodule_mass", "--films", "0")
    assert code == 0
    assert json.loads(out)["mean"]["ap0.4"] == pytest.approx(1)
    assert "lungspot: classes: spot → nodule_mass (1)" in err


def test_split_warns_where_no_patient_is_known(call, yolo, tmp_path):
    code, _, err = call("data", "split", "yolo", yolo, "-o", tmp_path / "split.csv", *MAP)
    assert code == 0
    assert "lungspot: warning: of 3 of 3 films no patient is known: each counts as a patient of its own" in err
    (tmp_path / "labels.csv").write_text("image,PatientID,edema\n0.png,p1,1\n1.png,p1,0\n2.png,,0\n")
    (tmp_path / "labels.csv").rename(yolo / "labels.csv")
    code, _, err = call("data", "split", "csv", yolo, "-o", yolo / "split.csv")
    assert "of 1 of 3 films no patient is known" in err


def test_check_names_a_size_that_is_not_the_film_s_and_a_film_that_stands_for_two(call, tmp_path):
    Image.new("L", (300, 300)).save(tmp_path / "a.png")
    shape = {"label": "Effusion", "points": [[40, 60], [160, 180]], "shape_type": "rectangle"}
    value = {"shapes": [shape], "imagePath": "a.png", "imageHeight": 300, "imageWidth": 400}
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps(value))
    code, out, _ = call("data", "check", "labelme", tmp_path, "--films", "skip")
    assert code == 1
    assert "a.json: SIZE_DIFFERS: 400 x 300 is stated, " in out
    assert f"b.json: ROW_DUPLICATED: {tmp_path / 'a.png'} is the film of {tmp_path / 'a.json'} too" in out
