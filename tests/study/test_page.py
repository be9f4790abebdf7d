import re
from importlib import resources
from pathlib import Path

from lungspot.evaluate import Value
from lungspot.study.compare import DIFFERENCE, NUMBERS, WAYS
from lungspot.study.page import bars, page, summary_table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "boxes-vs-heatmaps.md"


def results():
    cell = {way: Value(0.1 * (3 - i), (0.1, 0.4)).to_json() for i, way in enumerate(WAYS)}
    rows = {way: {label: dict.fromkeys(NUMBERS, cell[way]) for label in ("effusion", "mean")} for way in WAYS}
    rows[DIFFERENCE] = {"mean": dict.fromkeys(NUMBERS, Value(0.123, (0.05, 0.2)).to_json())}
    choice = {"method": "gradcam", "stride": 16, "fraction": 0.5, "precision": 0.2, "per_method": {"gradcam": 0.2}}
    nih = {"films": 7, "labels": ["effusion"]} | {way: dict.fromkeys(NUMBERS, cell[way]) for way in WAYS}
    people = {"effusion": {"t_iou0.3": Value(0.467).to_json()}}
    return {
        "films": 12,
        "patients": 10,
        "labels": ["effusion"],
        "ways": rows,
        "p": {"effusion": 0.004, "mean": 0.002},
        "people": people,
        "sources": {"nih": nih},
        "agreement": {"boxes": 9, "wrong": 4, "auroc": {"energy_in_box": Value(0.61, (0.5, 0.7)).to_json()}},
        "chosen": {"effusion": choice},
    }


def test_before_it_has_run_it_claims_nothing():
    text = page(None)
    assert "Not measured yet" in text
    assert "{{" not in text
    assert "On 12 films" not in text
    assert "lungspot's boxes, on the films here" not in text


def test_the_page_says_whose_heat_map_it_is():
    assert "from which all boxes were taken away" in page(results() | {"classifier": {"own": False}})
    assert "the detector's own network" in page(results() | {"classifier": {"own": True}})


def test_the_committed_page_is_one_of_the_two():
    text = PAGE.read_text("utf-8")
    if text != page(None):
        template = re.escape(resources.files("lungspot.study").joinpath("page.md").read_text("utf-8"))
        for placeholder in ("answer", "heat", "beside"):
            template = template.replace(re.escape(f"{{{{{placeholder}}}}}"), f"(?P<{placeholder}>.+?)")
        measured = re.fullmatch(template, text, re.DOTALL)
        assert measured, "not what page.md makes"
        shape = re.fullmatch(template, page(results()), re.DOTALL)["answer"]
        assert headings(measured["answer"]) == headings(shape)


def headings(text):
    """Its headings and the heads of its tables, and its first words, without numbers."""
    lines = [line for line in text.splitlines() if line.startswith(("#", "On ", "| |", "!"))]
    return [re.sub(r"[\d.]+", "#", line) for line in lines]


def test_the_page_says_what_was_measured():
    text = page(results())
    assert "**0.300 (0.100 to 0.400)** for boxes, **0.200 (0.100 to 0.400)** for heat maps" in text
    assert "Not measured" not in text
    assert "difference is 0.123 (0.050 to 0.200)" in text
    chance = "p = 0.002 where whole patients change sides at random (1 of 1 labels alone: p < 0.05)"
    assert chance in " ".join(text.split())
    assert "| nih | 7 | 1 | 0.300 (0.100 to 0.400)" in text
    assert "| energy_in_box | 0.610 (0.500 to 0.700) |" in text
    assert all(text.count(f"| {words} | lungspot's boxes") == 1 for words in NUMBERS.values())  # each by label
    assert "0.467" in text  # the human ceiling stands beside T(IoU)
    assert "| Grad-CAM | labels | 12.53 | 6.67 | 0.13 |" in text  # published, detection.md 2.1
    assert "{{" not in text


def test_every_row_of_a_table_is_as_wide_as_its_head():
    block: list[str] = []
    for line in [*page(results()).splitlines(), ""]:
        if line.startswith("|"):
            block.append(line)
        elif block:
            assert len({row.count("|") for row in block}) == 1, block[0]
            block = []


def test_the_front_pages_table_has_five_lines():
    lines = summary_table(results()).splitlines()
    assert len(lines) == 5
    assert "0.300" in lines[2]


def test_the_picture_is_the_same_twice():
    one = bars(results())
    assert one == bars(results())
    assert b"<svg" in one
