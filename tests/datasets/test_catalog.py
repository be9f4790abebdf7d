import re
from pathlib import Path

import pytest

from lungspot.datasets.catalog import DATASETS, SOURCES, load, load_all, terms_of
from lungspot.datasets.declaration import Dataset
from lungspot.errors import DatasetError, InputError


@pytest.mark.parametrize("name", DATASETS)
def test_a_wrong_folder_is_one_line_that_names_it(name, tmp_path):
    with pytest.raises(DatasetError, match="DATASET_NOT_FOUND: not a folder") as caught:
        load(name, tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in str(caught.value)
    with pytest.raises(DatasetError, match="DATASET_INCOMPLETE: no ") as caught:
        load(name, tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_has_its_section_in_the_reference(name):
    data = DATASETS[name]
    page = (Path(__file__).parents[2] / "docs" / "reference" / "datasets.md").read_text(encoding="utf-8")
    assert f"\n| [`{name}`](#{name}) | `{data.folder}` | {data.title} | {data.boxed} | {data.terms} |\n" in page
    section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert section
    for link in re.findall(r"https?://\S+", data.link):
        assert link in section


@pytest.mark.parametrize("name", DATASETS)
def test_every_adapter_says_citation_link_terms_boxes_and_faults(name):
    data = DATASETS[name]
    doc = __import__(data.cases.__module__, fromlist=["cases"]).__doc__
    for word in ("Boxes: ", "Known faults: "):
        assert word in doc
    assert all((data.citation, data.link, data.terms))


def test_an_unknown_name_says_the_known_ones(tmp_path):
    with pytest.raises(DatasetError, match=re.escape("no dataset is called 'mimic'; use one of nih, chestxdet, rsna")):
        load("mimic", tmp_path)


def test_all_films_that_are_here_once_each(request):
    for name in ("nih", "chestxdet", "rsna"):
        root = request.getfixturevalue(name).parent
    cases = load_all(root)
    assert [case.id for case in cases] == ["00000001_000", "00000002_000", "cccc-3"]
    assert [len(case.readings) for case in cases] == [4, 2, 1]
    assert len(load_all(root, with_film=False)) == 6


def test_a_folder_without_datasets_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="DATASET_NOT_FOUND: none of the folders nih, chestx-det"):
        load_all(tmp_path)


def test_all_real_films_load(shared_data, real_cases):
    folders = ("nih/images", "siim-covid/train", "tbx11k/imgs/tb", "tb-extra/shenzhen", "tb-extra/montgomery")
    folders += (
        "tb-extra/dadb",
        "hannover/png",
        "rsna-normals/images",
        "jsrt/images",
        "wingspan/images",
        "lidc-drr/images",
    )
    films = {path for folder in folders for path in (shared_data / folder).iterdir()}
    assert {case.image for case in real_cases} == films
    assert len(real_cases) == len(films) == 16850


def test_terms_are_those_of_the_datasets_used_in_the_catalogue_s_order():
    assert terms_of(["wingspan", "nih", "nih"]) == (
        f"{DATASETS['nih'].title}: {DATASETS['nih'].terms} {DATASETS['nih'].link}",
        f"{DATASETS['wingspan'].title}: {DATASETS['wingspan'].terms} {DATASETS['wingspan'].link}",
    )
    with pytest.raises(DatasetError, match="no dataset is called 'mimic'"):
        terms_of(["nih", "mimic"])


def test_a_dataset_says_its_terms_or_is_none():
    with pytest.raises(InputError, match="x: BAD_VALUE: a dataset without terms"):
        Dataset("x", "x", "x", "none", "x", "x", "", iter, ())


def test_every_real_reader_is_declared(real):
    for name in DATASETS.keys() - {"csv", "vindr", "siim_acr"}:  # own films, 17 readers and a consensus, not here
        assert {reading.reader for case in real(name) for reading in case.readings} <= SOURCES.keys()
