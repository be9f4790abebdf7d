import csv
import gzip
import json
import re

import pytest
from pydicom.sr.codedict import codes as dicom

from lungspot.errors import InputError
from lungspot.findings import (
    DISEASES,
    Code,
    Label,
    LabelSet,
    Organ,
    in_taxonomy_order,
    is_label_id,
    label_id,
    name_of,
    taxonomy,
)

# label, scheme, value: pinned, for a code that drifts means another disease to every program that reads it.
CODES = [
    ("atelectasis", "SCT", "46621007"),
    ("atelectasis", "RADLEX", "RID28493"),
    ("cardiomegaly", "SCT", "8186001"),
    ("consolidation", "SCT", "95436008"),
    ("consolidation", "RADLEX", "RID43255"),
    ("covid19", "SCT", "840539006"),
    ("edema", "SCT", "19242006"),
    ("edema", "RADLEX", "RID4866"),
    ("effusion", "SCT", "60046008"),
    ("effusion", "RADLEX", "RID34539"),
    ("emphysema", "SCT", "87433001"),
    ("emphysema", "RADLEX", "RID4799"),
    ("infiltration", "DCM", "112121"),
    ("mass", "SCT", "309529002"),
    ("mass", "RADLEX", "RID39056"),
    ("nodule", "SCT", "786838002"),
    ("nodule", "RADLEX", "RID50149"),
    ("opacity", "DCM", "112001"),
    ("opacity", "RADLEX", "RID28530"),
    ("pneumonia", "SCT", "233604007"),
    ("pneumonia", "RADLEX", "RID5350"),
    ("pneumothorax", "SCT", "36118008"),
    ("pneumothorax", "RADLEX", "RID5352"),
    ("tuberculosis", "SCT", "154283005"),
]

# Codes that public projects use for these diseases and that mean something else (or nothing).
WRONG = {"287272002", "416940007", "164873001", "46775001", "RID4800", "RID35057"}

PARENTS = {
    "atelectasis": ("opacity",),
    "consolidation": ("opacity",),
    "covid19": ("opacity",),
    "infiltration": ("opacity",),
    "pneumonia": ("opacity",),
    "nodule": ("nodule_mass",),
    "diffuse_nodule": ("nodule_mass",),
    "mass": ("nodule_mass",),
    "tuberculosis_active": ("tuberculosis",),
    "tuberculosis_old": ("tuberculosis",),
    "rib_fracture": ("fracture",),
    "clavicle_fracture": ("fracture",),
}

# What datasets call things: NIH's labels and its box list, ChestX-Det, RSNA, SIIM, TBX11K, VinDr's two releases.
NAMES = {
    "Infiltrate": "infiltration",
    "Infiltration": "infiltration",
    "Effusion": "effusion",
    "Pleural effusion": "effusion",
    "pleural-effusion": "effusion",
    "Pleural_Thickening": "pleural_thickening",
    "Pleural Thickening": "pleural_thickening",
    "Hernia": "hernia",
    "Edema": "edema",
    "Fibrosis": "fibrosis",
    "Pulmonary fibrosis": "fibrosis",
    "Diffuse Nodule": "diffuse_nodule",
    "Nodule/Mass": "nodule_mass",
    "Lung Opacity": "opacity",
    "Airspace Opacity": "opacity",
    "ActiveTuberculosis": "tuberculosis_active",
    "ObsoletePulmonaryTuberculosis": "tuberculosis_old",
    "PulmonaryTuberculosis": "tuberculosis",
    "Tuberculosis": "tuberculosis",
    "Aortic enlargement": "aortic_enlargement",
    "ILD": "interstitial_lung_disease",
    "Other lesion": "other_lesion",
    "Other disease": "other_disease",
    "Other diseases": "other_disease",
    "Clavicle fracture": "clavicle_fracture",
    "Rib fracture": "rib_fracture",
    "Enlarged PA": "enlarged_pa",
    "Lung cavity": "lung_cavity",
    "Lung cyst": "lung_cyst",
    "Lung tumor": "lung_tumor",
    "Mediastinal shift": "mediastinal_shift",
    "COPD": "copd",
    "COVID-19": "covid19",
    "Typical Appearance": "covid19",
}

NOT_FINDINGS = ("No Finding", "No finding", "Normal", "No Lung Opacity / Not Normal", "Negative for Pneumonia", "")


def check_digit_is_right(sctid):
    """Verhoeff's check over the dihedral group of ten, as SNOMED's release file specification gives it."""
    digits = [int(digit) for digit in reversed(sctid)]
    permutation = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]

    def multiply(a, b):
        if a < 5:
            return (a + b) % 5 if b < 5 else 5 + (a + b) % 5
        return 5 + (a - b) % 5 if b < 5 else (a - b) % 5

    check = 0
    for place, digit in enumerate(digits):
        permuted = digit
        for _ in range(place % 8):
            permuted = permutation[permuted]
        check = multiply(check, permuted)
    return check == 0


def test_the_ten_diseases_are_in_the_taxonomy():
    assert len(DISEASES) == 10
    assert list(DISEASES) == sorted(DISEASES)
    assert all(disease in taxonomy() for disease in DISEASES)


def test_codes_are_pinned():
    found = [(label.id, code.scheme, code.value) for label in taxonomy() for code in label.codes]
    assert sorted(found) == sorted(CODES)


@pytest.mark.parametrize(("label", "scheme", "value"), CODES)
def test_code_is_well_formed_and_says_how_it_was_verified(label, scheme, value):
    code = taxonomy()[label].code(scheme)
    assert code.value == value
    assert value not in WRONG
    assert code.meaning
    assert code.verified
    if scheme == "SCT":
        assert check_digit_is_right(value)
        assert not check_digit_is_right(value[:-1] + str((int(value[-1]) + 1) % 10))
        assert code.verified.startswith("Verhoeff digit valid; ")
    elif scheme == "RADLEX":
        assert re.fullmatch(r"RID\d+", value)
    else:
        assert scheme == "DCM"
        assert re.fullmatch(r"\d{6}", value)


def test_cardiomegaly_is_not_pydicoms_keyword():
    assert dicom.SCT.Cardiomegaly.value == "287272002"  # another term; a code is never taken by keyword
    assert taxonomy()["cardiomegaly"].code("SCT").value == "8186001"
    assert taxonomy()["cardiomegaly"].code("RADLEX") is None


@pytest.mark.parametrize(
    ("label", "theirs"),
    [
        ("opacity", dicom.DCM.Opacity),
        ("infiltration", dicom.DCM.Infiltrate),
        ("edema", dicom.SCT.PulmonaryEdema),
        ("effusion", dicom.SCT.PleuralEffusion),
        ("pneumothorax", dicom.SCT.Pneumothorax),
    ],
)
def test_code_is_the_one_of_dicom(label, theirs):
    code = taxonomy()[label].code(theirs.scheme_designator)
    assert (code.value, code.meaning) == (theirs.value, theirs.meaning)


def test_the_facts_about_the_ten():
    facts = {label.id: (label.organ, label.paired, label.urgency, label.group) for label in taxonomy() if label.disease}
    assert facts == {
        "atelectasis": (Organ.LUNG, True, 1, "atelectasis"),
        "cardiomegaly": (Organ.HEART, False, 1, "cardiomegaly"),
        "covid19": (Organ.LUNG, True, 2, "opacity"),
        "edema": (Organ.LUNG, True, 2, "edema"),
        "effusion": (Organ.PLEURA, True, 1, "effusion"),
        "emphysema": (Organ.LUNG, True, 1, "emphysema"),
        "nodule_mass": (Organ.LUNG, True, 1, "nodule_mass"),
        "pneumonia": (Organ.LUNG, True, 2, "opacity"),
        "pneumothorax": (Organ.PLEURA, True, 3, "pneumothorax"),
        "tuberculosis": (Organ.LUNG, True, 2, "opacity"),
    }
    assert [each.id for each in taxonomy() if each.well_boxed] == ["covid19", "effusion", "pneumonia", "tuberculosis"]
    assert [each for each in DISEASES if taxonomy()[each].germ] == ["covid19", "tuberculosis"]
    assert [each for each in DISEASES if not taxonomy()[each].in_lungs] == ["cardiomegaly"]
    spelled = {word: each.id for each in taxonomy() for word in each.spellings}
    assert spelled == {"oedema": "edema", "tb": "tuberculosis"}


def test_each_disease_has_a_colour_of_its_own_and_no_other_label_has_one():
    colors = [taxonomy()[disease].color for disease in DISEASES]
    assert len({*colors, taxonomy()["hernia"].color}) == 11
    assert all(re.fullmatch(r"#[0-9a-f]{6}", label.color) for label in taxonomy())
    assert {label.color for label in taxonomy() if not label.disease} == {taxonomy()["hernia"].color}


def test_what_must_have_been_looked_for_is_a_narrower_label():
    for label in taxonomy():
        assert set(label.parts) <= set(taxonomy().children(label.id))


def test_each_disease_has_a_code_but_the_grouping():
    assert [disease for disease in DISEASES if not taxonomy()[disease].codes] == ["nodule_mass"]
    assert all(taxonomy()[child].codes for child in ("nodule", "mass"))


def test_a_label_has_one_code_a_scheme_a_definition_and_no_idle_alias():
    for label in taxonomy():
        assert len({code.scheme for code in label.codes}) == len(label.codes)
        assert label.definition
        assert label.name
        names = [re.sub(r"[\s_/\-]+", "_", name.lower()) for name in (label.id, label.name, *label.aliases)]
        assert len(set(names[1:])) == len(names[1:]), f"{label.id} has an alias that its name already covers"


def test_parents():
    assert {label.id: taxonomy().ancestors(label.id) for label in taxonomy() if label.parent} == PARENTS
    assert taxonomy().children("tuberculosis") == ("tuberculosis_active", "tuberculosis_old")
    assert taxonomy().children("hernia") == ()


@pytest.mark.parametrize(("name", "identifier"), NAMES.items())
def test_a_dataset_name_has_an_id(name, identifier):
    assert label_id(name) == identifier
    assert label_id(f"  {name.upper()} ") == identifier


@pytest.mark.parametrize("name", NOT_FINDINGS)
def test_a_verdict_on_the_whole_film_is_not_a_label(name):
    assert taxonomy().named(name) is None
    with pytest.raises(InputError, match="UNKNOWN_LABEL"):
        label_id(name)


def test_every_label_in_the_real_datasets_has_an_id(shared_data):
    names = set()
    with (shared_data / "nih" / "Data_Entry_2017_v2020.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            names |= set(row["Finding Labels"].split("|"))
    with (shared_data / "nih" / "BBox_List_2017.csv").open(newline="") as file:
        names |= {row["Finding Label"] for row in csv.DictReader(file)}
    for part in ("train", "test"):
        for film in json.loads((shared_data / "chestx-det" / f"ChestX_Det_{part}.json").read_text()):
            names |= set(film["syms"])
    with gzip.open(shared_data / "vindr" / "train.csv.gz", "rt", newline="") as file:
        names |= {row["class_name"] for row in csv.DictReader(file)}
    for file in (shared_data / "tbx11k" / "annotations" / "xml").glob("*.xml"):
        names |= set(re.findall(r"<name>(.*?)</name>", file.read_text()))
    assert len(names) > 30
    assert {name for name in names if taxonomy().named(name) is None} == {"No Finding", "No finding"}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("effusion", True),
        ("covid19", True),
        ("nodule_mass", True),
        ("Effusion", False),
        ("19covid", False),
        ("_mass", False),
        ("pleural effusion", False),
        ("effusion\n", False),
        ("", False),
    ],
)
def test_the_form_of_an_id(text, answer):
    assert is_label_id(text) is answer


def test_a_set_of_labels():
    lung = Label("lung", "Lung", aliases=("Pulmo",), codes=(Code("DCM", "1", "x", "y"),))
    labels = LabelSet([lung, Label("lobe", "Lobe", parent="lung"), Label("segment", "Segment", parent="lobe")])
    assert [label.id for label in labels] == ["lung", "lobe", "segment"]
    assert len(labels) == 3
    assert "lobe" in labels
    assert "Lobe" not in labels
    assert labels["lung"].code("DCM").value == "1"
    assert labels["lung"].code("SCT") is None
    assert labels.named("PULMO") is lung
    assert labels.named("heart") is None
    assert labels.ancestors("segment") == ("lobe", "lung")
    with pytest.raises(InputError, match="no label has the id 'heart'"):
        labels["heart"]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Label("Lung", "Lung"), "not a lower-case word"),
        (lambda: LabelSet([Label("a", "Same"), Label("b", "same")]), "'same' names both b and a"),
        (lambda: LabelSet([Label("a", "A", parent="b")]), "parent 'b' of a is not in the set"),
        (lambda: LabelSet([Label("a", "A", look_alike="b")]), "group 'b' of a is not in the set"),
    ],
)
def test_a_set_refuses_what_is_ambiguous(make, reason):
    with pytest.raises(InputError, match=reason):
        make()


@pytest.mark.parametrize(("label", "name"), [("covid19", "COVID-19"), ("a_stranger", "a_stranger")])
def test_a_label_that_nobody_knows_goes_by_its_id(label, name):
    assert name_of(label) == name


def test_labels_stand_in_the_order_of_the_taxonomy_then_by_name():
    given = ["wires", "pneumonia", "edema", "pneumonia", "aortic_thing", "atelectasis"]
    assert in_taxonomy_order(given) == ["atelectasis", "edema", "pneumonia", "aortic_thing", "wires"]
    assert in_taxonomy_order(reversed(DISEASES)) == list(DISEASES)
    assert in_taxonomy_order([]) == []
