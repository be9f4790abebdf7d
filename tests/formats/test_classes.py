import json

import pytest

from lungspot.errors import DatasetError, InputError
from lungspot.formats.classes import NO_FINDING, SKIP, ClassMap, guessed, read_class_map


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Pleural Effusion", "effusion"),
        ("pleural_effusion", "effusion"),
        ("PLEURAL-EFFUSION", "effusion"),
        ("Effusions", "effusion"),
        ("Pneumonia Bacterial", "pneumonia"),
        ("viral pneumonia", "pneumonia"),
        ("Left Pneumothorax", "pneumothorax"),
        ("Nodules", "nodule"),
        ("lung masses", "mass"),
        ("covid-19", "covid19"),
        ("No Finding", NO_FINDING),
        ("no_findings", NO_FINDING),
        ("Normal", NO_FINDING),
        ("healthy", NO_FINDING),
        ("PleuralEffusion", "effusion"),
        ("LungOpacity", "opacity"),
        ("leftPleuralEffusion", "effusion"),
        ("Lung opacities", "opacity"),
        ("Atelectases", "atelectasis"),
        ("metastases", None),
        ("Interstitial lung diseases", "interstitial_lung_disease"),
        ("pneumothoraces", "pneumothorax"),
        ("Oedema", "edema"),
        ("Active TB", "tuberculosis_active"),
        ("NORMAL CXR", NO_FINDING),
        ("Normal chest X-ray", NO_FINDING),
        ("normal lungs", None),  # of the heart it says nothing
        ("healthy_chest", NO_FINDING),
        ("NotPneumonia", None),
        ("NoPneumonia", None),
        ("PneumoniaNegative", None),
        ("pneumonia?", None),
        ("Mass (?)", None),
        ("normal heart", None),
        ("abnormal", None),
        ("lungs", None),
        ("phases", None),
        ("No Pneumonia", None),
        ("TB-negative", None),
        ("suspected mass", None),
        ("non-nodule", None),
        ("object", None),
        ("aortic knob", None),
        ("lung", None),
        ("", None),
        ("0", None),
    ],
)
def test_common_spellings_are_understood_and_nothing_else(name, label):
    assert guessed(name) == label


def test_what_the_caller_says_counts_first_and_is_counted():
    classes = ClassMap({"Mass": "nodule_mass", "object": SKIP, "clear": "normal", "spot": "House_label".lower()})
    found = [classes.meaning(name, "w", ours=False) for name in ("Mass", "object", "object", "clear", "spot", "Edema")]
    assert found == ["nodule_mass", SKIP, SKIP, NO_FINDING, "house_label", "edema"]
    classes.unused("cxr")
    assert classes.summary() == (
        "Mass → nodule_mass (1); object: left out (2); clear → all absent (1); spot → house_label (1); "
        "Edema → edema (1); cxr: not used"
    )


@pytest.mark.parametrize("name", ["aortic knob", None, 7, "No TB", "NoMass", r"Mass\?"])
def test_an_unknown_class_says_how_to_map_it(name):
    with pytest.raises(DatasetError, match=rf"UNKNOWN_LABEL: no label is called .*--class-map '{name}=LABEL'"):
        ClassMap().meaning(name.replace("\\", "") if isinstance(name, str) else name, "w", ours=False)


def test_ids_of_our_own_files_need_not_be_known():
    assert ClassMap().meaning("house_label", "w", ours=True) == "house_label"


def test_a_map_comes_from_words_and_files(tmp_path):
    (tmp_path / "a.txt").write_text("# mine\naortic knob = -\n\nA=B=mass\n")
    (tmp_path / "b.yaml").write_text("No: normal\n7: effusion\n")
    (tmp_path / "c.json").write_text(json.dumps({"Spot": "Nodule"}))
    classes = read_class_map([str(tmp_path / name) for name in ("a.txt", "b.yaml", "c.json")] + ["knob=-", "x=Mass"])
    names = ("aortic knob", "A=B", "No", "7", "Spot", "knob", "x")
    meant = [classes.look_up(name) for name in names]
    assert meant == [SKIP, "mass", NO_FINDING, "effusion", "nodule", SKIP, "mass"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (None, "Spot", "BAD_VALUE: no class map"),
        (None, "Spot=Dot!", "UNKNOWN_LABEL: no label is called 'Dot!'"),
        ("a.txt", "Spot\n", "BAD_VALUE: 'Spot' is not NAME=LABEL"),
        ("a.yaml", "- Spot\n", "BAD_VALUE: not a mapping"),
        ("a.yaml", "a: [b\n", "BAD_VALUE: not YAML"),
        ("a.json", '{"a": {"b": "mass"}}', "BAD_VALUE: not a mapping"),
    ],
)
def test_a_bad_map_is_one_line(tmp_path, name, text, words):
    if name:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        read_class_map([str(tmp_path / name) if name else text])
    assert words in str(caught.value)
