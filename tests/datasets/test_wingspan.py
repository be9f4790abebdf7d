import csv

import numpy as np
import pytest
from PIL import Image

from lungspot.datasets import wingspan as adapter
from lungspot.datasets.anatomy import anatomy_of
from lungspot.datasets.truth import truth
from lungspot.errors import DatasetError
from lungspot.findings import Box, State


def outline(root, name, heart, *, lungs=((20, 20, 110, 200), (130, 20, 220, 200))):
    """Write the film and its masks at half its size; x0, y0, x1, y1 in pixels of the masks."""
    (root / "images").mkdir(exist_ok=True)
    Image.new("L", (512, 512)).save(root / "images" / f"{name}.jpg")
    for organ, (x0, y0, x1, y1) in zip(("heart", "right_lung", "left_lung"), (heart, *lungs), strict=True):
        (root / "masks" / organ).mkdir(parents=True, exist_ok=True)
        mask = np.zeros((256, 256), bool)
        mask[y0:y1, x0:x1] = True
        Image.fromarray(mask).save(root / "masks" / organ / f"{name}.png")


@pytest.fixture
def root(download):
    """Five films: large, between, normal, and two without a ratio whose masks say large and normal."""
    root = download({"ctr_ground_truth.csv": "id,ctr\n1.2.large.png,0.56\n1.2.between.png,0.55\n1.2.normal.png,0.5\n"})
    for name in ("1.2.large", "1.2.between", "1.2.normal"):
        outline(root, name, (60, 100, 180, 160))
    outline(root, "9.wide", (60, 100, 180, 160))  # 120 of 200
    outline(root, "8.slim", (90, 100, 170, 160))  # 80 of 200
    return root


def test_the_ratio_decides_and_the_heart_is_the_box(root):
    found = {case.id: case.readings[0] for case in adapter.cases(root)}
    assert list(found) == ["1.2.large", "1.2.between", "1.2.normal", "8.slim", "9.wide"]
    states = {name: reading.state("cardiomegaly") for name, reading in found.items()}
    assert states == {
        "1.2.large": State.BOXED,
        "1.2.between": State.NOT_LOOKED_FOR,
        "1.2.normal": State.ABSENT,
        "8.slim": State.ABSENT,
        "9.wide": State.BOXED,
    }
    for name in ("1.2.large", "9.wide"):
        assert [finding.box for finding in found[name].findings] == [Box(120, 200, 360, 320)]


def test_nothing_but_cardiomegaly_was_looked_for(root):
    for case in adapter.cases(root):
        assert set(truth(case).states) <= {"cardiomegaly"}
        assert case.patient == f"wingspan_{case.id}"


def test_a_large_heart_without_its_mask_is_present(root):
    (root / "masks" / "heart" / "1.2.large.png").unlink()
    first = next(adapter.cases(root))
    assert first.readings[0].state("cardiomegaly") is State.PRESENT
    assert first.readings[0].findings[0].box is None


def test_a_film_with_neither_ratio_nor_masks_says_nothing(root):
    (root / "masks" / "left_lung" / "9.wide.png").unlink()
    *_, last = adapter.cases(root)
    assert last.id == "9.wide"
    assert dict(last.readings[0].states) == {}


@pytest.mark.parametrize("ratio", ["1.5", "0", "wide"])
def test_a_ratio_that_is_none_is_one_line(download, ratio):
    with pytest.raises(DatasetError, match=r"ctr_ground_truth\.csv:2: DATASET_ROW: ctr is"):
        list(adapter.cases(download({"ctr_ground_truth.csv": f"id,ctr\na.png,{ratio}\n"})))


def test_counts_equal_the_raw_files(shared_data, real):
    root = shared_data / "wingspan"
    with (root / "ctr_ground_truth.csv").open(newline="") as file:
        ratios = {row["id"].removesuffix(".png"): float(row["ctr"]) for row in csv.DictReader(file)}
    cases = {case.id: case for case in real("wingspan")}
    assert {case.image for case in cases.values()} == set((root / "images").iterdir())
    states = {name: cases[name].readings[0].state("cardiomegaly") for name in ratios}
    assert [name for name in ratios if states[name] is State.BOXED] == [
        n for n, ratio in ratios.items() if ratio > 0.55
    ]
    assert [name for name in ratios if states[name] is State.ABSENT] == [n for n, r in ratios.items() if r <= 0.5]
    errors = [adapter.mask_ratio(anatomy_of(cases[name])) - ratio for name, ratio in ratios.items()]
    assert np.abs(errors).max() < 0.007  # so that masks can stand in where a ratio is missing
    assert (len(cases), len(ratios)) == (234, 200)
