"""What stands in the corners of the film and can be hidden; notices once; edges to a fraction of a screen pixel."""

import numpy as np
import pytest

SAID = """async () => (await import("/viewer/main.js")).now.words.map((word) => word.text)"""


def test_facts_stand_in_the_corners_and_each_can_be_hidden(look, server, nasty_film, settle, faults):
    reading = server.read(nasty_film)
    facts = server.get(f"v1/readings/{reading}")
    page = look(reading)
    said = page.evaluate(SAID)
    date = facts["identity"]["study_date"]
    assert {date, facts["view"], "0.2 \u00d7 0.3 mm a pixel", "W 100 C 50", "R", "L"} <= set(said)
    page.keyboard.press("i")
    page.keyboard.press("6")
    settle()
    assert "turned left, inverted" in page.evaluate(SAID)
    page.locator("#tools .fold", has_text="More").click()
    page.locator("#show-date").uncheck()
    page.locator("#show-sides").uncheck()
    assert faults() == []
    settle()
    said = page.evaluate(SAID)
    assert not {date, "R", "L"} & set(said)
    assert "W 100 C 50" in said
    page.reload()
    page.locator("#found li").first.wait_for()
    settle()
    assert date not in page.evaluate(SAID), "it stays hidden"
    page.keyboard.press("Shift+I")
    settle()
    assert "W 100 C 50" not in page.evaluate(SAID)


def test_lossy_compression_is_said_once_in_the_details(look, server, rg1, settle):
    reading = server.read(rg1["J2KI"], "lossy.dcm")
    assert "LOSSY" in {each["code"] for each in server.get(f"v1/readings/{reading}")["result"]["warnings"]}
    page = look(reading)
    assert page.locator("#warnings li").count() == 0
    page.locator("summary", has_text="About this film").click()
    settle()
    assert page.locator("#facts").inner_text().count("LOSSY") == 1


def test_edges_lie_where_the_box_is_to_a_fraction_of_a_pixel(look, chest, settle):
    page = look(chest)
    lie_right(page)
    for _ in range(9):
        page.keyboard.press("+")
    settle()
    lie_right(page)


def lie_right(page):
    """Draw a box with edges at 60.3 and 210.3 pixels of the screen as the page is zoomed now, and hold them to it."""
    wanted = page.evaluate(
        """async () => {
            const { now, store } = await import("/viewer/main.js");
            const { drawMarks } = await import("/viewer/marks.js");
            const context = new OffscreenCanvas(400, 300).getContext("2d");
            context.fillRect(0, 0, 400, 300);
            const box = [1000.37, 900.61, 1000.37 + 150 / now.view.scale, 900.61 + 90 / now.view.scale];
            const view = { ...now.view, x: 60.3 - 1000.37 * now.view.scale, y: 80.7 - 900.61 * now.view.scale };
            const mark = { key: 0, box, colour: "#ffffff", text: "" };
            drawMarks(context, view, [mark], { focus: null, size: { width: 400, height: 300 } });
            const { data } = context.getImageData(0, 0, 400, 300);
            return [...data].filter((_, at) => at % 4 === 0);
        }"""
    )
    grey = np.array(wanted, float).reshape(300, 400)
    line = grey[120]
    left, right = line[40:80], line[190:230]
    centre = lambda part, start: (part * (np.arange(len(part)) + start + 0.5)).sum() / part.sum()  # noqa: E731
    assert centre(left, 40) == pytest.approx(60.3, abs=0.15)
    assert centre(right, 190) == pytest.approx(210.3, abs=0.15)
