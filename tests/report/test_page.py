import base64
import hashlib
import html.parser
import json
import re
from dataclasses import replace

import pytest

from lungspot.detect import Anatomy
from lungspot.findings import Box
from lungspot.report import Review, Verdict, page, report_text


class Reader(html.parser.HTMLParser):
    """Collects tags, and the text of each script and style."""

    def __init__(self):
        super().__init__()
        self.tags, self.inside, self.text = [], None, {}

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in {"script", "style"}:
            self.inside = dict(attrs).get("id", tag)

    def handle_endtag(self, tag):
        if tag in {"script", "style"}:
            self.inside = None

    def handle_data(self, data):
        if self.inside:
            self.text[self.inside] = self.text.get(self.inside, "") + data


def read(text):
    reader = Reader()
    reader.feed(text)
    return reader


def test_the_page_asks_nothing_of_any_network(make):
    text = page(make())
    reader = read(text)
    addresses = set(re.findall(r"https?://[^\"' <>)]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg"}  # a namespace's name, never fetched
    for tag, attributes in reader.tags:
        assert tag not in {"link", "iframe", "object", "embed", "form", "base"}
        assert "href" not in attributes
        assert tag != "script" or "src" not in attributes
    policy = next(a["content"] for t, a in reader.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:;")
    for part in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(reader.text[part].encode()).digest()).decode()
        assert f"{part}-src 'sha256-{digest}'" in policy


def test_what_a_file_says_never_becomes_markup(make):
    nasty = "</script><script>alert(1)</script><img src=x onerror=alert(1)>&\u2028.png"
    text = page(make(path=nasty))
    reader = read(text)
    assert [tag for tag, _ in reader.tags].count("script") == 2
    assert "<b>x</b>" not in text
    data = json.loads(reader.text["data"])
    assert dict(data["facts"])["File"] == nasty
    assert any("<b>x</b>" in warning for warning in data["warnings"])


def test_the_page_holds_film_boxes_maps_and_card(make):
    data = json.loads(read(page(make())).text["data"])
    assert data["frame"] == [200, 300]
    assert data["picture"].startswith("data:image/jpeg;base64,")
    assert [(said["place"], said["where"]) for said in data["said"]] == [(1, "left lower zone"), (2, "left lower zone")]
    assert data["edges"] == {"left": "R", "right": "L"}
    assert set(data["heat"]) == {"effusion", "cardiomegaly"}
    assert dict(data["card"])["Terms"] == "research"
    assert "Research use only" in page(make())


def test_a_film_whose_pixels_are_not_square_is_stretched_and_its_frames_with_it(make):
    square = make()
    tall = replace(square, radiograph=replace(square.radiograph, pixel_aspect=(2, 1)))
    one, two = (json.loads(read(page(each)).text["data"]) for each in (square, tall))
    assert (two["pixels"], two["frame"]) == ([200, 300], [200, 600])
    stretched = [[x0, 2 * y0, x1, 2 * y1] for x0, y0, x1, y1 in (mark["box"] for mark in one["marks"])]
    assert [mark["box"] for mark in two["marks"]] == stretched != []
    assert "Pixel height : width" not in dict(one["facts"])
    assert dict(two["facts"])["Pixel height : width"].startswith("2 : 1")


def test_the_page_of_a_film_that_is_not_assessed_has_no_score(make):
    data = json.loads(read(page(make(reasons=("LATERAL",)))).text["data"])
    assert data["headline"] == "Not assessed: a lateral view"
    assert data["said"] == data["marks"] == data["image_scores"] == []
    assert data["heat"] == {}


@pytest.fixture(scope="module")
def show(browsing, tmp_path_factory):
    """A function that opens a page's text in a browser; an error of its script fails the test."""
    with browsing() as browser:
        faults = []

        def open_page(text):
            path = tmp_path_factory.mktemp("page") / "page.html"
            path.write_text(text, encoding="utf-8")
            opened = browser.new_page()
            opened.on("pageerror", lambda error: faults.append(error.message))
            opened.goto(path.as_uri())
            return opened

        yield open_page
    assert not faults


def test_no_box_is_drawn_over_a_word(make, show):
    opened = show(page(make()))
    names = opened.evaluate(
        "[...document.querySelectorAll('#marks > :not(#edges) :is(rect, text)')].map((each) => each.localName)"
    )
    opened.keyboard.press("ArrowDown")
    dim = opened.locator("#marks .dim").count()
    opened.keyboard.press("b")
    assert names == ["rect"] * 4 + ["text"] * 2  # every frame, a light line on a dark one, then every label
    assert dim == 2  # frame and label of the other place
    assert opened.locator("#marks > :not(#edges) text:visible").count() == 0
    assert opened.locator("#edges text").all_text_contents() == ["R", "L"]  # which stay where the boxes are put away


REVIEW = Review(
    "R. Ader",
    (
        Verdict("reject", "effusion", Box(120, 210, 180, 270), ("effusion", Box(120, 210, 180, 270))),
        Verdict("edit", "nodule", Box(20, 40, 60, 80), ("cardiomegaly", Box(60, 150, 140, 240))),
        Verdict("add", "fracture"),
    ),
    absent=("edema",),
    note="<i>see</i>",
    created="2026-11-29T01:02:03.000Z",
)


def test_the_page_holds_the_readers_review_and_the_report_that_it_makes(make, show):
    opened = show(page(make(), review=REVIEW, language="de"))
    rows = [row.locator("td").all_inner_texts() for row in opened.locator("#verdicts tr").all()[1:]]
    assert rows == [
        ["rejected", "Pleural effusion", "left lower zone"],
        ["edited (the model: Cardiomegaly)", "Lung nodule", "right upper zone"],
        ["drawn", "Fracture", "no box"],
    ]
    assert opened.locator("#review-by").inner_text() == "R. Ader · 2026-11-29 01:02 UTC"
    assert opened.locator("#review-notes p").all_inner_texts() == ["Called absent: Pulmonary edema.", "<i>see</i>"]
    words = opened.locator("#report").inner_text()
    assert words.strip() == report_text(make(), review=REVIEW, language="de").text.strip()
    assert "Lungenrundherd im rechten Oberfeld" in words
    opened.keyboard.press("c")
    opened.locator("#copied", has_text="copied").wait_for()
    assert page(make()).count("R. Ader") == 0


def test_the_page_says_thresholds_and_judges_no_heat_map(make, show):
    opened = show(page(make()))
    cells = opened.locator("#findings tbody").first.locator("td").all_inner_texts()
    assert cells[:4] == ["1", "Pleural effusion", "left lower zone", "90 % ≥ 50 %"]
    assert "30 % < 50 %" in opened.locator("#whole").inner_text()
    assert not set("✓✗✔✘") & set(opened.locator("body").inner_text())


# of every text, and of every line on the film, in print: its colour, and what lies under it
INKS = """() => {
  const colour = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !node.checkVisibility() || node.closest("svg, script, .unseen")) continue;
    found.push(colour(getComputedStyle(node).color));
  }
  const marks = [...document.querySelectorAll("#marks rect, #marks text")];
  return { words: found, marks: marks.map((each) => [getComputedStyle(each).fill, getComputedStyle(each).stroke]) };
}"""


def test_the_page_prints_in_black_and_white_with_everything_open(make, show):
    opened = show(page(make(), review=REVIEW))
    opened.evaluate(
        "addEventListener('beforeprint', () => "
        "{ window.open = [...document.querySelectorAll('details')].map((each) => each.open); })"
    )
    assert opened.pdf().startswith(b"%PDF")
    assert opened.evaluate("window.open") == [True, True, True]
    assert opened.locator("details:not([open])").count() == 2  # as they were, once it is printed
    opened.emulate_media(media="print")
    inks = opened.evaluate(INKS)
    assert len(inks["words"]) > 30
    assert all(max(ink) - min(ink) == 0 and max(ink) < 64 for ink in inks["words"])  # dark greys on white
    assert {paint for pair in inks["marks"] for paint in pair} <= {
        "rgba(0, 0, 0, 0)",
        "rgb(255, 255, 255)",
        "rgb(0, 0, 0)",
    }
    assert opened.locator("#copy:visible, .tools:visible").count() == 0


def test_the_page_hides_and_shows_them_by_key_and_button(make, show):
    organs = Box(76, 135, 136, 234), Box(112, 30, 180, 246), Box(24, 30, 92, 240)
    result = replace(make(), anatomy=Anatomy(*organs, 0.38, mirrored=False))
    shown = show(page(result, anatomy=True))
    rectangles = shown.locator("#anatomy rect:not(.under)")
    assert rectangles.count() == 3
    assert shown.locator("#anatomy text").all_text_contents() == ["heart", "left lung", "right lung"]
    assert rectangles.first.is_visible()
    shown.keyboard.press("a")
    assert not rectangles.first.is_visible()
    shown.locator("#organs").click()
    assert rectangles.first.is_visible()
    without = show(page(result))
    assert without.locator("#anatomy rect").count() == 0
    assert not without.locator("#organs").is_visible()
