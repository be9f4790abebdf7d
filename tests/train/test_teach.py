"""A model taught on a site's films: what it may learn from, what stays locked, and when it is not written."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.generated import write_normal_films

from lungspot.cli.app import run
from lungspot.detect import load_detector
from lungspot.errors import DatasetError, ModelError
from lungspot.formats import ClassMap, Split
from lungspot.outputs import Outputs
from lungspot.train import (
    TrainConfig,
    export_taught,
    gather,
    gather_as_served,
    open_checkpoint,
    run_config,
    settings_for,
    taught_report,
    teach_model,
    write_taught,
)
from lungspot.train.site_films import SHARES, is_site, site_cases

FILMS = 40
SETTINGS = (
    *("labels=['effusion','edema']", "steps=2", "sizes=[[0.0, 64]]", "batch=2", "widths=[32,32,32,32]"),
    *("depths=[1,1,1,1]", "neck=32", "cache_size=64"),
)
SHORT = ("-s", "steps=1", "-s", "cache_size=64", "-s", "batch=2")


def words(settings):
    return [word for setting in settings for word in ("-s", setting)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Reviewed films as `lungspot serve` exports them: COCO, two films of each person, an effusion in a box on half."""
    root = tmp_path_factory.mktemp("site")
    (root / "images").mkdir()
    rng = np.random.default_rng(1)
    images, annotations = [], []
    for i in range(1, FILMS + 1):
        Image.fromarray(rng.integers(0, 255, (80, 70), dtype=np.uint8)).save(root / "images" / f"{i}.png")
        absent = [2] if i % 2 else [1, 2]
        about = {"neg_category_ids": absent, "not_exhaustive_category_ids": [], "patient_id": f"p{i // 2}"}
        images.append({"id": i, "file_name": f"images/{i}.png", "width": 70, "height": 80} | about)
        if i % 2:
            annotations.append({"id": i, "image_id": i, "category_id": 1, "bbox": [10, 10, 30, 30], "area": 900})
    names = [{"id": 1, "name": "effusion"}, {"id": 2, "name": "edema"}]
    value = {"images": images, "categories": names, "annotations": annotations}
    (root / "annotations.json").write_text(json.dumps(value))
    return root


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """A data folder of public films, on which the first model is trained."""
    return write_normal_films(tmp_path_factory.mktemp("old"))


@pytest.fixture(scope="module")
def model(old, tmp_path_factory):
    """The model file that is taught further."""
    folder = tmp_path_factory.mktemp("first")
    assert run(["train", "-o", str(folder / "run"), "--data", str(old), "--quiet", *words(SETTINGS)]) == 0
    assert run(["export", str(folder / "run"), "-o", str(folder / "first.onnx"), "--data", str(old), "--mirror"]) == 0
    return folder / "first.onnx"


@pytest.fixture(scope="module")
def taught(model, site, tmp_path_factory):
    """A run that began with the model and learnt from the site's films."""
    out = tmp_path_factory.mktemp("taught") / "run"
    assert run(["train", "-o", str(out), "--from", str(model), "--data", str(site), "--quiet", *SHORT]) == 0
    return out


def test_people_are_on_one_side_and_the_locked_ones_are_the_same_in_every_run(site):
    assert is_site(site)
    first, again = site_cases(site), site_cases(site)
    assert [case.split for case in first] == [case.split for case in again]
    sides = {}
    for case in first:
        sides.setdefault(case.patient, set()).add(case.split)
    assert all(len(splits) == 1 for splits in sides.values())
    assert {split for splits in sides.values() for split in splits} == set(SHARES)
    assert all(len(case.readings) == 1 for case in first)


def test_a_stranger_s_coco_is_a_site_s_once_its_classes_are_said(tmp_path):
    """Boxes of a class that is left out are gone, of one that is mapped they are the label's."""
    images = [{"id": number, "file_name": f"{number}.png", "width": 100, "height": 80} for number in range(3)]
    boxes = [
        {"id": number, "image_id": number, "category_id": kind, "bbox": [1, 2, 30, 40]}
        for number, kind in ((0, 1), (1, 2))
    ]
    classes = [{"id": 1, "name": "spot"}, {"id": 2, "name": "aortic knob"}]
    (tmp_path / "images").mkdir()
    for image in images:
        Image.new("L", (100, 80)).save(tmp_path / "images" / image["file_name"])
    value = {"images": images, "annotations": boxes, "categories": classes}
    (tmp_path / "annotations.json").write_text(json.dumps(value))
    with pytest.raises(DatasetError, match="--class-map 'spot=LABEL'"):
        site_cases(tmp_path)
    found = site_cases(tmp_path, {"spot": "nodule_mass", "aortic knob": "-"})
    assert [one.label for case in found for one in case.readings[0].findings] == ["nodule_mass"]


def test_only_a_sites_folder_has_classes_to_map(old, tmp_path, capsys):
    assert run(["train", "-o", str(tmp_path / "run"), "--data", str(old), "--class-map", "spot=mass"]) == 2
    assert "--class-map" in capsys.readouterr().err


def test_a_folder_of_public_sets_is_no_sites(old, tmp_path):
    assert not is_site(old)
    assert not is_site(tmp_path)


def test_the_run_takes_the_models_shape_and_a_short_recipe_and_what_is_set_counts(model, tmp_path):
    short, plain = (settings_for(model, {"batch": 4}, short=short) for short in (True, False))
    assert (short.labels, short.sizes, short.widths, short.neck, short.batch) == (
        *(("effusion", "edema"), ((0.0, 64),), (32, 32, 32, 32), 32, 4),
    )
    assert short.rate < plain.rate == TrainConfig().rate
    assert settings_for(model, {"rate": 0.5}, short=True).rate == 0.5
    assert run_config(model, {"batch": 4}, short=True) == short
    assert run_config(None, {"batch": 4}, short=True) == TrainConfig(batch=4)
    assert run_config(tmp_path, {}, short=True) == TrainConfig()  # with a run: its shape is the caller's to say


def test_a_taught_model_says_what_it_learnt_from_and_keeps_its_thresholds(taught, model, site, old, tmp_path, capsys):
    out = tmp_path / "mine.onnx"
    command = ["export", str(taught), "-o", str(out), "--data", str(site), "--taught-from", str(model)]
    assert run([*command, "--old-test", str(old), "--worse", "1"]) == 0
    before, after = load_detector(model).card, load_detector(out).card
    said = capsys.readouterr()
    assert json.loads(said.out)["judged_on"] == ["locked films of the site", "old test films"]
    assert said.err.startswith("lungspot: classes: effusion → effusion (")
    report = json.loads((tmp_path / "mine.report.json").read_text())
    learnt = report["learnt_from"]["films"]
    assert after.version == f"{before.version}+site"
    assert after.training_data == (*before.training_data, f"a site's own: {learnt} films")
    assert "Taught further on" in after.notes[-1]
    assert (after.thresholds, after.standing) == (before.thresholds, before.standing)
    assert 0 < report["judged"]["locked films of the site"]["films"] < FILMS - learnt
    assert after.metrics["taught"]["locked films of the site"]["auroc"]["other"] is not None


def test_python_teaches_as_the_verb_does_with_all_packed_films_in_one_place(taught, model, site, old, tmp_path):
    told = []
    classes, cache = ClassMap({"effusion": "effusion"}), tmp_path / "cache"
    options = {"worse": 1.0, "classes": classes, "say_classes": told.append, "say": lambda _: told.append("judged")}
    found = export_taught(taught, site, cache, model, average=[taught], old=old, **options)
    assert list(found.report["judged"]) == ["locked films of the site", "old test films"]
    assert told == [classes, *["judged"] * 4]
    assert "effusion → effusion" in classes.summary()
    assert len(list(cache.glob("*.json"))) == 2  # the site's and the old ones
    assert list(export_taught(taught, site, cache, model, worse=1.0).report["judged"]) == ["locked films of the site"]


def test_without_the_old_films_only_the_locked_ones_judge(taught, model, site):
    films, _ = gather(open_checkpoint(taught).config, site, taught / "cache")
    found = teach_model(open_checkpoint(taught), films, model, worse=1.0)
    assert list(found.report["judged"]) == ["locked films of the site"]
    locked = {films.films[i].patient for i in films.of(Split.TEST)}
    assert not locked & {films.films[i].patient for i in films.of(Split.TRAIN)}


@pytest.mark.parametrize(("crops", "size", "packed"), [(0.0, None, 64), (0.0, 96, 96), (0.5, None, 128)])
def test_films_are_packed_as_they_are_served(site, tmp_path, crops, size, packed):
    """At the network's input size, but where parts of films are looked at again."""
    how = {"sizes": ((0.0, 64),), "cache_size": 128, "crop_share": crops, "crop_labels": ("effusion",)}
    config = TrainConfig(labels=("effusion", "edema"), **how)
    films, _ = gather_as_served(config, site, tmp_path, size)
    assert films.pixels.shape == (FILMS, packed, packed)


def test_a_sites_films_calibrate_no_model_anew(taught, site, tmp_path, capsys):
    assert run(["export", str(taught), "-o", str(tmp_path / "mine.onnx"), "--data", str(site)]) == 3
    assert "say --taught-from" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_model_that_got_worse_is_not_written_and_its_report_is(taught, model, site, tmp_path):
    """Asked to rise by 1, which no model can, every model got worse."""
    checkpoint = open_checkpoint(taught)
    films, _ = gather(checkpoint.config, site, taught / "cache")
    out = tmp_path / "mine.onnx"
    found = teach_model(checkpoint, films, model, worse=-1.0)
    with pytest.raises(ModelError, match="WORSE") as error:
        write_taught(found, out, Outputs())
    assert "auroc on the locked films of the site fell" in error.value.reason
    assert not out.exists()
    assert taught_report(out) == tmp_path / "mine.report.json"
    assert len(json.loads(taught_report(out).read_text())["got_worse"]) == 2
    write_taught(replace(found, worse=()), out, Outputs(overwrite=True))
    assert out.read_bytes() == found.data


def test_without_locked_films_nothing_is_judged(taught, model, site):
    checkpoint = open_checkpoint(taught)
    films, _ = gather(checkpoint.config, site, taught / "cache")
    with pytest.raises(DatasetError, match="locked away"):
        teach_model(checkpoint, type(films)(films.films[:1], films.pixels[:1]), model)


def test_a_model_that_is_gone_is_named(taught, site, tmp_path):
    checkpoint = open_checkpoint(taught)
    films, _ = gather(checkpoint.config, site, taught / "cache")
    with pytest.raises(ModelError, match="MODEL_MISSING"):
        teach_model(checkpoint, films, tmp_path / "gone.onnx")
