"""What stands in the corners of the film and can be hidden; notices once; edges to a fraction of a screen pixel."""

import io
from base64 import b64decode

import numpy as np
import pytest
from PIL import Image

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


# The marks as they are drawn now: their boxes, their rectangles on the canvas, and the words about them.
MARKS = """async () => {
    const { now, store } = await import("/viewer/main.js");
    const { marks } = await import("/viewer/scene.js");
    const { onScreen } = await import("/viewer/geometry.js");
    const { focus, editing } = store.state;
    const found = marks(store.state).map(({ key, box }) => ({ key, box, ...onScreen(now.view, box) }));
    const words = now.words.map(({ left, top, wide, high }) => [left, top, left + wide, top + high]);
    return { focus, editing, marks: found, words, scale: now.view.scale };
}"""
# Zoom about one corner of the box in focus, so that it stays in sight; `to`: screen pixels for a pixel of the film.
ZOOM = """async ([to, right, down]) => {
    const { now, store } = await import("/viewer/main.js");
    const { marks } = await import("/viewer/scene.js");
    const { onScreen, zoomAt, pan } = await import("/viewer/geometry.js");
    const { box } = marks(store.state).find(({ key }) => key === store.state.focus);
    const at = onScreen(now.view, box);
    const corner = { x: at.x + right * at.width, y: at.y + down * at.height };
    const view = zoomAt(now.view, to / now.view.scale, corner);
    const { width, height } = now.size;
    now.look({ ...view, x: view.x + width / 2 + 0.37 - corner.x, y: view.y + height / 2 + 0.21 - corner.y });
}"""
CANVAS = """async () => (await import("/viewer/main.js")).now.canvas.toDataURL().split(",")[1]"""
HANDLES = [(0, 0), (0.5, 0), (1, 0), (0, 0.5), (1, 0.5), (0, 1), (0.5, 1), (1, 1)]


@pytest.mark.parametrize(("dense", "scales"), [(1, (0.11, 0.73, 2.7)), (1.5, (0.29, 9.3))])
def test_handles_are_on_the_edited_box_alone_and_edges_true_to_a_fraction_of_a_pixel(
    browser, server, chest, frames, dense, scales
):
    """As the screen shows it: the film is grey, so that what has a colour is a box, in proportion to how much of it."""
    context = browser.new_context(viewport={"width": 1024, "height": 600}, device_scale_factor=dense)
    page = context.new_page()
    page.set_default_timeout(60000)
    page.goto(f"{server.address}?id={chest}")
    page.locator("#found li").first.wait_for()
    page.keyboard.press("j")
    page.locator("#found li.on").wait_for()
    boxes = [each["box"] for each in server.get(f"v1/readings/{chest}")["candidates"]]
    for at, scale in enumerate(scales):
        corner = at % 2
        page.evaluate(ZOOM, [scale, corner, corner])
        for key in ("", "e", "Escape"):
            if key:
                page.keyboard.press(key)
            frames(page)
            found, picture = page.evaluate(MARKS), pixels(b64decode(page.evaluate(CANVAS)))
            assert found["editing"] == (key == "e")
            assert found["scale"] == pytest.approx(scale)
            held = {mark["key"] for mark in found["marks"] if handled(picture, mark, dense)}
            assert held == ({found["focus"]} if key == "e" else set()), (scale, key)
        picture = pixels(page.locator("#film").screenshot())
        mark = next(each for each in found["marks"] if each["key"] == found["focus"])
        assert mark["box"] in boxes, "of the server's own"
        assert abs(off(picture, found, corner, dense)) < 0.2, (scale, "across")
        assert abs(off(np.swapaxes(picture, 0, 1), turned(found), corner, dense)) < 0.2, (scale, "along")
    context.close()


def pixels(png):
    """Return a picture as numbers, shape (rows, columns, 3)."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(float)


def handled(picture, mark, dense):
    """Say whether the handles of a box are drawn, as white squares: all that are in sight, or none."""
    places = [(mark["x"] + a * mark["width"], mark["y"] + b * mark["height"]) for a, b in HANDLES]
    parts = [
        picture[round((y - 2) * dense) : round((y + 2) * dense), round((x - 2) * dense) : round((x + 2) * dense)]
        for x, y in places
        if 4 < x < picture.shape[1] / dense - 4 and 4 < y < picture.shape[0] / dense - 4
    ]
    white = [part.min() == 255 for part in parts]
    assert all(white) or not any(white)
    return any(white)


def turned(found):
    """Return the same with across and along changed for one another."""
    marks = [
        each | {"x": each["y"], "y": each["x"], "width": each["height"], "height": each["width"]}
        for each in found["marks"]
    ]
    return found | {"marks": marks, "words": [[y0, x0, y1, x1] for x0, y0, x1, y1 in found["words"]]}


def off(picture, found, end, dense):
    """Return how far the left (``end`` 0) or right (1) edge of the box in focus lies from where it should.

    The middle of its colour, in pixels of the page, by the median of the rows along it that nothing else crosses.
    """
    mark = next(each for each in found["marks"] if each["key"] == found["focus"])
    others = [each for each in found["marks"] if each is not mark]
    x = mark["x"] + end * mark["width"]
    first, last = max(mark["y"] + 8, 0), min(mark["y"] + mark["height"] - 8, picture.shape[0] / dense)
    rows = [
        row
        for row in range(round(first * dense), round(last * dense))
        if not any(x0 - 8 < x < x1 + 8 and y0 - 3 < row / dense < y1 + 3 for x0, y0, x1, y1 in found["words"])
        and not any(crossed(x, row / dense, each) for each in others)
    ]
    near = slice(round((x - 6) * dense), round((x + 6) * dense))
    part = picture[rows, near]
    colour = part.max(axis=2) - part.min(axis=2)
    colour = colour[colour.sum(axis=1) > 60]
    assert len(colour) > 10
    middles = (colour * (np.arange(colour.shape[1]) + 0.5)).sum(axis=1) / colour.sum(axis=1)
    return (np.median(middles) + near.start) / dense - x


def crossed(x, y, mark):
    """Say whether the frame of a box comes near a point."""
    beside = [abs(x - mark["x"]), abs(x - mark["x"] - mark["width"])]
    over = [abs(y - mark["y"]), abs(y - mark["y"] - mark["height"])]
    across = mark["x"] - 10 < x < mark["x"] + mark["width"] + 10
    along = mark["y"] - 10 < y < mark["y"] + mark["height"] + 10
    return (min(beside) < 10 and along) or (min(over) < 10 and across)
