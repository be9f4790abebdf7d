import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import pytest
from defusedxml.ElementTree import fromstring

from lungspot.findings import DISEASES, taxonomy
from lungspot.labelling import GUIDED, drawing, guide, guide_markdown, guide_page, instruction

DOCS = Path(__file__).resolve().parents[2] / "docs"
SVG = "{http://www.w3.org/2000/svg}"


def test_the_labels_that_hardly_any_set_boxes_have_a_guide():
    assert set(GUIDED) == {"edema", "emphysema", "tuberculosis", "covid19"}


@pytest.mark.parametrize("label", GUIDED)
def test_a_drawing_boxes_its_signs_in_the_colour_of_the_label(label):
    tree = fromstring(drawing(label))
    boxes = [each for each in tree.iter(f"{SVG}rect") if each.get("stroke")]
    assert {each.get("stroke") for each in boxes} == {taxonomy()[label].color}
    for each in boxes:
        x, y, width, height = (int(each.get(name)) for name in ("x", "y", "width", "height"))
        assert 0 <= x < x + width <= 400
        assert 0 <= y < y + height <= 400
    numbers = {each.text for each in tree.iter(f"{SVG}text")} - {"R"}
    signs = len(re.findall("<li>", instruction([label])))
    assert numbers <= {str(number) for number in range(1, signs + 1)}
    assert "1" in numbers
    assert "image" not in {each.tag.removeprefix(SVG) for each in tree.iter()}  # no film


def test_no_box_lies_in_both_lungs():
    for label in GUIDED:
        for each in fromstring(drawing(label)).iter(f"{SVG}rect"):
            if each.get("stroke"):
                left, right = int(each.get("x")), int(each.get("x")) + int(each.get("width"))
                assert right <= 200 or left >= 200


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen, self.words = [], ""

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data


def test_an_instruction_loads_nothing_and_names_every_asked_label_alone():
    html = instruction(["tuberculosis", "edema", "effusion"])
    tags = Tags()
    tags.feed(html)
    assert {tag for tag, _ in tags.seen} <= {"h2", "span", "code", "p", "img", "ol", "li", "b", "small"}
    assert all(
        attributes["src"].startswith("data:image/svg+xml;base64,") for tag, attributes in tags.seen if tag == "img"
    )
    assert re.findall(r"<code>(\w+)</code>", html) == ["edema", "tuberculosis"]
    assert "not for clinical use" in html
    assert html in guide_page(["edema", "tuberculosis"])


def test_the_markdown_says_the_same():
    text = guide_markdown(GUIDED, "images/")
    for label in GUIDED:
        assert f"](images/{label}.svg)" in text
    assert "![" not in guide_markdown(GUIDED)
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        f"## {taxonomy()[label].name} (`{label}`, `{taxonomy()[label].color}`)" for label in GUIDED
    ]


def test_the_page_in_the_documents_is_that_of_the_pools():
    """Made by hand with ``guide_markdown(GUIDED, "../images/label-")`` and ``drawing``."""
    page = (DOCS / "how-to" / "label-examples.md").read_text(encoding="utf-8")
    made = "# How four labels are boxed\n\n" + guide_markdown(GUIDED, "../images/label-")
    assert page.split() == made.split()  # its lines may be wrapped
    for label in GUIDED:
        assert (DOCS / "images" / f"label-{label}.svg").read_text(encoding="utf-8") == drawing(label)


def test_drawings_of_an_instruction_may_come_from_a_server_or_be_left_out():
    served = re.findall(r'src="([^"]+)"', instruction(["edema", "covid19"], "http://films:8080/drawings/"))
    assert served == ["http://films:8080/drawings/edema.svg", "http://films:8080/drawings/covid19.svg"]
    assert "<img" not in instruction(["edema"], "")


def test_what_is_written_in_an_instruction_is_text_and_no_html(monkeypatch):
    edema, address = guide._GUIDES["edema"], 'http://films/?a=1&copy=2&b="><script>/'
    signs = (replace(edema.signs[0], name="<b>A & B</b>", words="</li><script>"), *edema.signs[1:])
    monkeypatch.setitem(guide._GUIDES, "edema", replace(edema, signs=signs, never="x < y &amp; z"))
    for html in (instruction(["edema"], address), guide_page(["edema"])):
        tags = Tags()
        tags.feed(html)
        assert "script" not in {tag for tag, _ in tags.seen}
        assert "<b>A & B</b>. </li><script>" in tags.words
        assert "x < y &amp; z" in tags.words
    tags = Tags()
    tags.feed(instruction(["edema"], address))
    assert [attributes["src"] for tag, attributes in tags.seen if tag == "img"] == [f"{address}edema.svg"]


def test_every_disease_has_its_paragraph_in_the_guidelines_of_a_pool():
    page = resources.files("lungspot.labelling").joinpath("guidelines.md").read_text("utf-8")
    words = page.partition("\n## Each label\n")[2].partition("\n## ")[0]
    named = [taxonomy().named(title) for title in re.findall(r"^\*\*(.+?)\.\*\* \S", words, re.MULTILINE)]
    assert sorted(label.id if label else "no label" for label in named) == sorted(DISEASES)
