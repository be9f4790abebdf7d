import re
from pathlib import Path

import pytest

from lungspot.datasets.catalog import DATASETS, load, load_all
from lungspot.errors import DatasetError


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
    page = (Path(__file__).parents[2] / "docs" / "reference" / "datasets.md").read_text(encoding="utf-8")
    assert f"\n## {name}\n" in page
    assert f"| `{DATASETS[name].folder}` |" in page


@pytest.mark.parametrize("name", DATASETS)
def test_every_adapter_says_citation_link_terms_boxes_and_faults(name):
    doc = __import__(DATASETS[name].cases.__module__, fromlist=["cases"]).__doc__
    for word in ("Citation", "ink", "erms", "Boxes: ", "Known faults: "):
        assert word in doc


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
