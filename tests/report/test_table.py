import dataclasses
import io

import pytest
from rich.console import Console

from lungspot.findings import Finding, Reading
from lungspot.report import table


def printed(result, title="film.png"):
    file = io.StringIO()
    Console(file=file, width=100).print(table(result, title))
    return file.getvalue()


def test_findings_stand_best_first_with_place_and_box(make):
    lines = [line.split() for line in printed(make()).splitlines()]
    assert ["■", "Pleural", "effusion", "90", "%", "left", "lower", "zone", "120", "210", "180", "270"] in lines
    assert ["■", "Cardiomegaly", "40", "%", "left", "lower", "zone", "60", "150", "140", "240"] in lines


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [({"boxes": ()}, "No finding at the balanced"), ({"reasons": ("BLANK",)}, "Not assessed: the picture is nearly")],
)
def test_a_film_without_boxes_has_a_sentence(make, arguments, expected):
    text = printed(make(**arguments))
    assert expected in text
    assert "film.png" in text
    assert "%" not in text


def test_a_file_name_cannot_forge_a_line(make):
    assert "\x1b" not in printed(make(boxes=()), "a\x1b[2Jb\nc.png")
    assert "[red]x" in printed(make(boxes=()), "[red]x")


def test_look_alikes_stand_under_their_group(make):
    result = make(boxes=[("effusion", (0.1, 0.2, 0.4, 0.5), 0.9)])
    card = dataclasses.replace(result.model.card, labels=("covid19", "tuberculosis"), thresholds={})
    box = result.boxed[0].box
    findings = [Finding("covid19", box, 0.65, "right"), Finding("tuberculosis", box, 0.51, "right")]
    findings += [Finding("covid19", score=0.9), Finding("tuberculosis", score=0.8)]
    reading = Reading("m 2", findings, dict.fromkeys(card.labels, "boxed"), result.reading.frame)
    model = dataclasses.replace(result.model, card=card)
    text = printed(dataclasses.replace(result, model=model, reading=reading, agreement=()))
    lines = [line.split() for line in text.splitlines()]
    group = ["■", "Lung", "opacity:", "cannot", "be", "told", "apart", "on", "a", "film"]
    start = lines.index([*group, "right", "lung", "20", "60", "80", "150"])
    assert lines[start + 1 : start + 3] == [["■", "COVID-19", "65", "%"], ["■", "Pulmonary", "tuberculosis", "51", "%"]]
