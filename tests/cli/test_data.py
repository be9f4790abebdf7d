"""`lungspot data`: each verb once through the command line, with its exit codes; the rooms' own tests go deeper."""

import json

import numpy as np
import pytest
from PIL import Image

from lungspot.cli.app import run
from lungspot.cli.console import aligned
from lungspot.cli.data import FilmCheck, FilmPlacing, How
from lungspot.datasets.catalog import load
from lungspot.formats.catalog import ANNOTATION_FORMATS
from lungspot.formats.image_files import FilmTransfer

HEADER = "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max,width,height\n"
ROWS = """\
{a},Pleural effusion,10,R8,10,20,60,80,100,100
{a},Pleural effusion,10,R9,12,20,60,80,100,100
{a},Pleural effusion,10,R9,70,70,90,90,100,100
{a},No finding,14,R10,,,,,100,100
{b},Cardiomegaly,3,R8,20,50,90,75,100,100
{b},Cardiomegaly,3,R9,20,50,90,75,100,100
{b},Cardiomegaly,3,R10,20,50,90,75,100,100
{c},No finding,14,R8,,,,,100,100
{c},No finding,14,R9,,,,,100,100
{c},No finding,14,R1,,,,,100,100
"""
FILMS = ("a", "b", "c")


@pytest.fixture
def vindr(tmp_path):
    root = tmp_path / "data" / "vindr"
    (root / "train").mkdir(parents=True)
    (root / "train.csv").write_text(HEADER + ROWS.format(a="a", b="b", c="c"))
    for seed, name in enumerate(FILMS):
        blobs = np.random.default_rng(seed).integers(0, 256, (9, 9)).astype(np.uint8)
        Image.fromarray(blobs).resize((100, 100)).save(root / "train" / f"{name}.png")
    return root


@pytest.fixture
def data(capsys):
    """A function that runs `lungspot data …`: exit code, stdout, stderr."""

    def call(*arguments):
        code = run(["data", *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_check_ends_with_one_where_something_is_wrong(data, vindr):
    assert data("check", "vindr", vindr) == (0, "", "lungspot: no problems\n")
    (vindr / "train" / "c.png").unlink()
    text = (vindr / "train.csv").read_text()
    (vindr / "train.csv").write_text(text + "a,Cardiomegaly,3,R8,5,5,900,40,100,100\n")
    code, out, err = data("check", "vindr", vindr)
    assert code == 1
    assert out.splitlines() == [
        f"{vindr}/train.csv:12: BOX_OUTSIDE: a: Cardiomegaly from (5, 5) to (900, 40), on a film of 100 x 100",
        "vindr/c: FILM_MISSING: no film of this name below the dataset's folder",
    ]
    assert err == "lungspot: 1 BOX_OUTSIDE, 1 FILM_MISSING\n"
    code, out, err = data("check", "vindr", vindr, "--json", "--quiet")
    value = json.loads(out)
    assert (code, value["counts"], err) == (1, {"BOX_OUTSIDE": 1, "FILM_MISSING": 1}, "")
    assert value["problems"][1] == {
        "code": "FILM_MISSING",
        "where": "vindr/c",
        "text": "no film of this name below the dataset's folder",
    }


def test_check_looks_at_a_folder_in_a_tools_format_too(data, vindr, tmp_path):
    data("convert", "vindr", vindr, "-o", tmp_path / "coco", "--to", "coco")
    assert data("check", "coco", tmp_path / "coco", "--films", "skip")[0] == 0
    path = tmp_path / "coco" / "annotations.json"
    value = json.loads(path.read_text())
    value["annotations"][0]["bbox"][0] = 85
    path.write_text(json.dumps(value))
    code, out, _ = data("check", "coco", tmp_path / "coco", "--films", "skip")
    assert (code, out) == (1, "vindr/a: BOX_OUTSIDE: effusion of R8 at 85, 20, 135, 80, on a film of 100 x 100\n")
    value["annotations"][0]["category_id"] = 99
    path.write_text(json.dumps(value))
    code, out, _ = data("check", "coco", tmp_path / "coco", "--films", "skip")
    assert (code, out) == (1, f"{path}: annotations[0]: NOT_LOADED: UNKNOWN_LABEL: no category has the id 99\n")


def test_check_names_films_that_only_the_split_knows(data, vindr):
    given = vindr.parent / "given.csv"
    given.write_text("image,patient,split\nvindr/train/a.png,p,train\nvindr/train/z.png,q,test\n")
    code, out, _ = data("check", "vindr", vindr, "--splits", given)
    assert (code, out) == (1, f"{vindr}/train/z.png: FILM_MISSING: the split names it, and it is not there\n")


def test_check_shows_ten_of_a_kind_or_all(data, vindr):
    rows = "".join(f"x{n},No finding,14,R8,,,,,100,100\n" for n in range(15))
    (vindr / "train.csv").write_text(HEADER + rows)
    code, out, _ = data("check", "vindr", vindr, "--films", "skip")
    assert (code, len(out.splitlines())) == (1, 11)
    assert out.endswith("… and 5 more FILM_MISSING (--all shows them)\n")
    assert len(data("check", "vindr", vindr, "--all")[1].splitlines()) == 15


def test_check_all_finds_one_film_in_two_sets(data, vindr):
    other = vindr.parent / "tb-extra" / "dadb"
    other.mkdir(parents=True)
    with Image.open(vindr / "train" / "a.png") as film:
        film.convert("L").resize((64, 64)).save(other / "p1.jpg")
    (other.parent / "montgomery").mkdir()
    with Image.open(vindr / "train" / "c.png") as film:
        film.transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(other.parent / "montgomery" / "MCUCXR_0001_0.png")
    code, out, _ = data("check", "all", vindr.parent, "--json")
    found = [problem for problem in json.loads(out)["problems"] if problem["code"] == "FILM_TWICE"]
    assert code == 1
    assert len(found) == 1
    assert {"a.png", "p1.jpg"} == {found[0]["where"].rpartition("/")[2], found[0]["text"].split()[5].rpartition("/")[2]}


def test_stats(data, vindr):
    code, out, err = data("stats", "vindr", vindr)
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines()]
    assert ["cardiomegaly", "vindr", "1", "0", "2"] in rows
    assert ["effusion", "vindr", "1", "3", "0.480", "0.600", "0.288", "0.83", "0.50"] in rows
    value = json.loads(data("stats", "vindr", vindr, "--json")[1])
    assert (value["films"], value["warnings"]) == (3, [])
    assert {"label": "cardiomegaly", "source": "vindr", "split": None, "state": "boxed", "films": 1} in value["counts"]
    diseases = json.loads(data("stats", "vindr", vindr, "--json", "--diseases")[1])
    assert {row["label"] for row in diseases["counts"]} < {row["label"] for row in value["counts"]}


def test_stats_agreement(data, vindr):
    code, out, _ = data("stats", "vindr", vindr, "--agreement")
    header, first, second = out.splitlines()
    assert (code, header.split()[-3:]) == (0, ["match@0.4", "one", "reader's"])
    assert first.split() == ["cardiomegaly", "1", "1", "1", "3", "1.000", "1.000", "1.000", "0%"]
    # six boxes in pairs (each of three drawn, against two others), two of them matched
    assert second.split()[:5] == ["effusion", "1", "1", "0", "3"]
    assert second.split()[-2:] == ["0.333", "50%"]
    rows = json.loads(data("stats", "vindr", vindr, "--agreement", "--json", "--iou", "0.97")[1])["agreement"]
    assert [row["match"] for row in rows] == [1.0, 0.0]


def test_stats_agreement_of_vindr_is_the_human_ceiling(data, shared_data):
    code, out, _ = data("stats", "vindr", shared_data / "vindr", "--agreement")
    rows = {line.split()[0]: line.split() for line in out.splitlines()[1:]}
    assert code == 0
    assert [rows[label][1] for label in ("atelectasis", "effusion", "cardiomegaly")] == ["186", "1032", "2300"]
    assert [rows[label][-2] for label in ("cardiomegaly", "effusion", "atelectasis")] == ["0.806", "0.467", "0.229"]


def test_split_and_honour_it(data, vindr):
    base = vindr.parent
    code, out, err = data("split", "vindr", vindr, "-o", base / "splits.csv", "--fractions", "0,0,1")
    assert (code, out) == (0, "")
    assert "0 films of 0 patients in train, 0 films of 0 patients in val, 3 films of 3 patients in test" in err
    assert (base / "splits.csv").read_text().splitlines()[1] == "vindr/train/a.png,vindr_a,test"
    again = data("split", "vindr", vindr, "-o", base / "2.csv", "--given", base / "splits.csv", "--json")
    assert json.loads(again[1])["films"] == {"test": 3}
    counts = json.loads(data("stats", "vindr", vindr, "--splits", base / "splits.csv", "--json")[1])["counts"]
    assert {row["split"] for row in counts} == {"test"}


def test_split_refuses_a_leak(data, vindr):
    given = vindr.parent / "given.csv"
    given.write_text("image,patient,split\nvindr/train/a.png,p,train\nvindr/train/b.png,p,test\n")
    code, _, err = data("split", "vindr", vindr, "-o", vindr.parent / "s.csv", "--given", given)
    assert code == 3
    assert "DATASET_LEAK: p is in train and in test; split again by patient" in err
    assert data("check", "vindr", vindr, "--splits", given, "--films", "skip")[1].startswith("p: PATIENT_IN_TWO_SPLITS")


@pytest.mark.parametrize(
    ("options", "boxes", "source"),
    [
        (["--how", "wbf"], [2, 1, 0], "R8+R9"),
        (["--how", "majority"], [1, 1, 0], "R8+R9"),
        (["--how", "majority", "--least", "3"], [0, 1, 0], None),
        (["--how", "union"], [3, 3, 0], "R8"),
        (["--how", "one", "--reader", "R9"], [2, 1, 0], None),
        (["--how", "one", "--reader", "R10", "--reader", "R1"], [0, 1, 0], None),
        (["--how", "one", "--reader", "R10"], [0, 1], None),
    ],
)
def test_fuse(data, vindr, options, boxes, source):
    code, out, _ = data("fuse", "vindr", vindr, *options)
    films = [json.loads(line) for line in out.splitlines()]
    assert (code, [len(film["reading"]["findings"]) for film in films]) == (0, boxes)
    if boxes[0]:
        assert films[0]["reading"]["findings"][0].get("source") == source


def test_fuse_into_a_format(data, vindr, tmp_path):
    code, _, err = data("fuse", "vindr", vindr, "-o", tmp_path / "coco")
    assert (code, err) == (0, f"lungspot: {tmp_path}/coco: 3 films as coco\n".removeprefix("lungspot: "))
    cases = ANNOTATION_FORMATS["coco"].read(tmp_path / "coco")
    assert {finding.source for case in cases for r in case.readings for finding in r.findings} == {
        "R8+R9",
        "R9",
        "R8+R9+R10",
    }


@pytest.mark.parametrize("format_", ["coco", "yolo", "voc", "labelme"])
def test_convert_and_back(data, vindr, tmp_path, format_):
    code, out, _ = data("convert", "vindr", vindr, "-o", tmp_path / "out", "--to", format_, "--json")
    assert (code, json.loads(out)["films"]) == (0, 3)
    back = json.loads(data("stats", format_, tmp_path / "out", "--json")[1])
    here = json.loads(data("stats", "vindr", vindr, "--json")[1])
    assert back["counts"] == here["counts"]


def test_a_bad_film_does_not_stop_the_rest(data, vindr, tmp_path):
    (vindr / "train" / "b.png").write_text("half a film")
    says = f"lungspot: error: {vindr}/train/b.png: NOT_AN_IMAGE: no size can be read from it"
    code, out, err = data("convert", "vindr", vindr, "-o", tmp_path / "out", "--to", "yolo", "--json")
    assert (code, json.loads(out)["films"], json.loads(out)["refused"]) == (1, 2, 1)
    assert err.startswith(says)
    assert len(err.splitlines()) == 1
    assert [case.id for case in ANNOTATION_FORMATS["yolo"].read(tmp_path / "out")] == ["a", "c"]
    (vindr / "labels.csv").write_text("image,Edema\na.png,1\nb.png,1\n")
    (vindr / "train.csv").unlink()
    code, out, err = data("pool", "csv", vindr, "-o", tmp_path / "pool", "--label", "edema", "--json")
    assert (code, json.loads(out)["labels"]) == (1, {"edema": 1})
    assert err.startswith(f"lungspot: classes: Edema → edema (2)\n{says}")
    (vindr / "train" / "a.png").unlink()
    (vindr / "labels.csv").write_text("image,Edema\nb.png,1\n")
    assert data("convert", "csv", vindr, "-o", tmp_path / "no", "--to", "coco")[0] == 3
    assert not (tmp_path / "no").exists()


def test_merge(data, vindr, tmp_path):
    code, out, _ = data("merge", "vindr", vindr, "vindr", vindr, "-o", tmp_path / "out", "--json")
    assert (code, json.loads(out)["films"]) == (0, 3)
    assert len(ANNOTATION_FORMATS["coco"].read(tmp_path / "out")[0].readings) == 3
    assert data("merge", "vindr", "-o", tmp_path / "2")[0] == 2


def test_draw(data, vindr, tmp_path):
    code, out, _ = data("draw", "vindr", vindr, "-o", tmp_path / "1.png", "--json", "--cell", "120")
    assert (code, sorted(json.loads(out)["films"])) == (0, ["a", "b"])  # c has no box
    data("draw", "vindr", vindr, "-o", tmp_path / "2.png", "--film", "c", "--cell", "120")
    with Image.open(tmp_path / "1.png") as one, Image.open(tmp_path / "2.png") as two:
        assert (one.format, one.width, two.width) == ("PNG", 270, 140)
    hearts = data("draw", "vindr", vindr, "-o", tmp_path / "3.png", "--label", "Cardiomegaly", "--json")
    assert json.loads(hearts[1])["films"] == ["b"]
    (vindr / "train" / "b.png").unlink()
    here = data("draw", "vindr", vindr, "-o", tmp_path / "4.png", "--json")
    assert json.loads(here[1])["films"] == ["a"]  # films before annotations without one
    assert data("draw", "vindr", vindr, "-o", tmp_path / "5.png", "--film", "z")[0] == 3
    assert data("draw", "vindr", vindr, "-o", tmp_path / "5.png", "--label", "edema")[0] == 3
    assert data("draw", "vindr", vindr, "-o", tmp_path / "5.png", "--label", "lump")[0] == 3


def test_pool_and_collect(data, vindr, tmp_path):
    root = tmp_path / "mine"
    root.mkdir()
    (root / "labels.csv").write_text("image,Edema,patient\na.png,1,p1\nb.png,0,p2\n")
    for name in ("a", "b"):
        (root / f"{name}.png").write_bytes((vindr / "train" / f"{name}.png").read_bytes())
    code, out, _ = data("pool", "csv", root, "-o", tmp_path / "pool", "--label", "edema", "--json")
    assert (code, json.loads(out)["labels"]) == (0, {"edema": 1})
    assert "GUIDELINES.md" in {path.name for path in (tmp_path / "pool").iterdir()}
    code, _, err = data("collect", tmp_path / "pool", "-o", tmp_path / "answers")
    assert code == 3
    assert "none of 1 films is answered" in err
    code, out, _ = data("collect", tmp_path / "pool", "-o", tmp_path / "answers", "--complete", "--json")
    assert (code, json.loads(out)["films"]) == (0, 1)
    (case,) = ANNOTATION_FORMATS["coco"].read(tmp_path / "answers")
    assert {reading.reader: str(reading.state("edema")) for reading in case.readings} == {
        "labels": "present",
        "annotator": "absent",
    }


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("stats", "nihh", "."), 2, ""),
        (("stats", "nih", "nowhere"), 3, "nowhere: DATASET_NOT_FOUND: not a folder"),
        (("stats", "all", "."), 3, "none of the folders nih, chestx-det"),
        (("fuse", "vindr", ".", "--how", "one"), 2, ""),
        (("split", "vindr", "{vindr}", "-o", "s.csv", "--fractions", "1,2"), 2, ""),
        (("split", "vindr", "{vindr}", "-o", "s.csv", "--fractions", "1,2,3"), 3, "split fractions"),
        (("split", "vindr", "{vindr}", "-o", "{vindr}/no/s.csv"), 4, "its folder does not exist"),
        (("draw", "vindr", "{vindr}", "-o", "{vindr}/no/s.png"), 4, "its folder does not exist"),
        (("fuse", "vindr", "{vindr}", "--how", "one", "--reader", "R99"), 3, "no film was read by R99"),
        (("stats", "vindr", "{vindr}", "--splits", "{vindr}/train.csv"), 3, "no column image"),
    ],
)
def test_what_is_refused(data, vindr, monkeypatch, arguments, code, says):
    monkeypatch.chdir(vindr)
    found, out, err = data(*(argument.format(vindr=vindr) for argument in arguments))
    assert (found, out) == (code, "")
    assert says in err


def test_the_choices_on_the_command_line_are_those_of_the_rooms():
    assert {str(one) for one in FilmPlacing} == {str(one) for one in FilmTransfer}
    assert [str(one) for one in FilmCheck] == ["skip", "open", "compare"]
    assert [str(one) for one in How] == ["wbf", "majority", "union", "one"]


def test_columns_line_up():
    assert aligned(("a", "number"), [("word", 1), ("b", None), ("c", 22)]) == [
        "a     number",
        "word       1",
        "b",
        "c         22",
    ]


def test_a_real_dataset_through_a_format_keeps_its_counts(data, shared_data, tmp_path):
    folder = shared_data / "tb-extra"
    assert data("convert", "nlm_tb", folder, "-o", tmp_path / "out", "--to", "coco", "--films", "none")[0] == 0
    assert len(ANNOTATION_FORMATS["coco"].read(tmp_path / "out")) == len(load("nlm_tb", folder))


@pytest.mark.parametrize("to", ANNOTATION_FORMATS)
def test_every_format_of_the_catalogue_can_be_written(to, tmp_path):
    """A format is added in its module and in the catalogue, and nowhere else."""
    root = tmp_path / "set"
    (root / "images").mkdir(parents=True)
    Image.new("L", (200, 100)).save(root / "images" / "a.png")
    value = {
        "categories": [{"id": 1, "name": "effusion"}],
        "images": [{"id": 1, "file_name": "a.png", "width": 200, "height": 100}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 20, 30, 40], "area": 1200}],
    }
    (root / "annotations.json").write_text(json.dumps(value))
    assert run(["data", "convert", "coco", str(root), "-o", str(tmp_path / "out"), "--to", to]) == 0
    (case,) = ANNOTATION_FORMATS[to].read(tmp_path / "out")
    assert [box.corners for box in case.readings[0].boxes()] == [(10, 20, 40, 60)]


def test_a_format_that_nobody_knows_is_refused_before_anything_is_read(tmp_path, capsys):
    assert run(["data", "convert", "coco", str(tmp_path / "nowhere"), "-o", str(tmp_path / "out"), "--to", "gout"]) == 2
    assert "'gout' is none of coco, cvat" in capsys.readouterr().err
