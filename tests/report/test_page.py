import base64
import hashlib
import html.parser
import json
import re
from dataclasses import replace

from playwright.sync_api import sync_playwright

from lungspot.report import page


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


def test_no_box_is_drawn_over_a_word(make, chromium, tmp_path):
    (tmp_path / "page.html").write_text(page(make()), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        opened = browser.new_page()
        faults = []
        opened.on("pageerror", lambda error: faults.append(error.message))
        opened.goto((tmp_path / "page.html").as_uri())
        names = opened.evaluate(
            "[...document.querySelectorAll('#marks > :not(#edges) :is(rect, text)')].map((each) => each.localName)"
        )
        opened.keyboard.press("ArrowDown")
        dim = opened.locator("#marks .dim").count()
        opened.keyboard.press("b")
        seen = opened.locator("#marks > :not(#edges) text:visible").count()
        edges = opened.locator("#edges text").all_text_contents()
        browser.close()
    assert not faults
    assert names == sorted(names)  # every rect, then every text
    assert len(names) >= 4
    assert dim == len(names) - 2
    assert seen == 0
    assert edges == ["R", "L"]  # which stay where the boxes are put away
