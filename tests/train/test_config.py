import json
from pathlib import Path

import pytest

from lungspot.errors import InputError
from lungspot.train.config import TrainConfig


def test_survives_json():
    config = TrainConfig(seed=3, widths=(32, 32, 32, 32))
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_reads_toml(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text("minutes = 5\nsizes = [[0.0, 192], [0.5, 256]]\n")
    config = TrainConfig.from_toml(path)
    assert (config.minutes, config.sizes, config.input_size) == (5, ((0.0, 192), (0.5, 256)), 256)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"batches": 3}, "unknown settings"),
        ({"sizes": []}, "begin at 0"),
        ({"sizes": [[0.1, 256]]}, "begin at 0"),
        ({"sizes": [[0.0, 250]]}, "multiples of 32"),
        ({"sizes": 3}, "iterable"),
        ({"batch": 0}, "a batch"),
        ({"minutes": 0}, "a length"),
        ({"labels": ["edema", "edema"]}, "edema"),
        ({"widths": [1, 2, 3]}, "four widths"),
        ({"labels": ["edema"], "crop_share": 0.25}, "nodule_mass, pneumothorax: not among the labels"),
        ({"crop_labels": ["nodule_mass", "nodul"], "crop_share": 0.25}, "nodul: not among the labels"),
    ],
)
def test_refuses(values, reason):
    with pytest.raises(InputError, match=reason) as caught:
        TrainConfig.from_dict(values)
    assert caught.value.code == "BAD_VALUE"


def test_parts_are_shown_for_the_sake_of_labels_that_are_learnt():
    two = TrainConfig(labels=("edema", "nodule_mass"), crop_share=0.25)
    assert two.cropped == ("nodule_mass",)
    assert TrainConfig.from_dict(json.loads(json.dumps(two.to_dict()))) == two
    assert TrainConfig(crop_share=0.25).cropped == ("nodule_mass", "pneumothorax")
    assert TrainConfig(labels=("edema",)).cropped == ()  # none are shown


@pytest.mark.parametrize(("text", "code"), [("minutes =", "BAD_VALUE"), (None, "NOT_FOUND")])
def test_refuses_files(tmp_path, text, code):
    path = tmp_path / "run.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError) as caught:
        TrainConfig.from_toml(path)
    assert caught.value.code == code


@pytest.mark.parametrize(("progress", "size"), [(0, 192), (0.39, 192), (0.4, 256), (0.99, 320), (1.0, 320)])
def test_size_follows_progress(progress, size):
    assert TrainConfig(sizes=((0.0, 192), (0.4, 256), (0.85, 320))).size_at(progress) == size


def test_the_recipe_of_the_detector_that_ships_is_one():
    recipe = TrainConfig.from_toml(Path(__file__).parents[2] / "tools" / "recipe.toml")
    assert (recipe.backbone, recipe.input_size, recipe.anatomy) == ("lite2", 320, True)
