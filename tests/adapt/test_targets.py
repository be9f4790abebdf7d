"""Targets are data with their sources."""

import pytest

from lungspot.adapt.tb import read_targets
from lungspot.errors import DatasetError


def test_the_targets_that_ship_name_their_sources():
    targets = {target.name: (target.sensitivity, target.specificity) for target in read_targets()}
    assert targets == {
        "WHO 2014, triage test, minimal": (0.9, 0.7),
        "WHO 2014, triage test, optimal": (0.95, 0.8),
        "WHO 2025, tuberculosis screening tests": (None, None),
    }
    assert all("WHO" in target.source for target in read_targets())


def test_targets_of_the_user(tmp_path):
    path = tmp_path / "targets.toml"
    path.write_text('[[target]]\nname = "ours"\nsource = "our ministry"\nsensitivity = 0.85\n')
    (target,) = read_targets(path)
    assert (target.name, target.sensitivity, target.specificity) == ("ours", 0.85, None)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[[target", "DATASET_INCOMPLETE"),
        ("target = 3", "DATASET_FORMAT"),
        ("", "DATASET_FORMAT"),
        ('[[target]]\nname = "a"\n', "DATASET_FORMAT"),
        ('[[target]]\nname = "a"\nsource = "b"\nsensitivity = 90\n', "DATASET_FORMAT"),
        ('[[target]]\nname = "a"\nsource = "b"\nsensitivity = true\n', "DATASET_FORMAT"),
        ('[[target]]\nname = "a"\nsource = "b"\nsens = 0.9\n', "DATASET_FORMAT"),
    ],
)
def test_targets_that_cannot_be_meant(tmp_path, text, code):
    path = tmp_path / "targets.toml"
    path.write_text(text)
    with pytest.raises(DatasetError) as caught:
        read_targets(path)
    assert caught.value.code == code


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DatasetError, match="DATASET_INCOMPLETE"):
        read_targets(tmp_path / "none.toml")
