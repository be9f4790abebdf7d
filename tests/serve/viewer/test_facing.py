"""A film is shown as it was read, turned and its greys set right; one key shows it as stored; it turns and mirrors."""

import io

import numpy as np
import pytest
from PIL import Image

import lungspot

SIDES = """async () => {
    const { store } = await import("/viewer/main.js");
    const { drawSides } = await import("/viewer/aids.js");
    const { fit } = await import("/viewer/geometry.js");
    const { reading, facing } = store.state;
    const canvas = document.getElementById("film");
    const size = { width: canvas.clientWidth, height: canvas.clientHeight };
    const context = new OffscreenCanvas(10, 10).getContext("2d");
    const said = {};
    context.fillText = (text, x, y) => (said[text] = [x / size.width, y / size.height]);
    drawSides(context, fit(reading.frame, size, facing), reading.frame, reading.edges, size);
    return said;
}"""


def drawn(page, settle):
    """Return what is on the canvas, grey, the film alone: shape (height, width)."""
    page.mouse.move(2, 2)
    settle()
    settle()
    box = page.locator("#film").bounding_box()
    grey = np.asarray(Image.open(io.BytesIO(page.screenshot(clip=box))).convert("L")).astype(float)
    rows, columns = np.nonzero(grey > 12)
    return grey[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def alike(found, wanted):
    """Return how far two pictures of one film go together, from -1 to 1."""
    sizes = [Image.fromarray(each.astype(np.uint8)).resize((200, 200)) for each in (found, wanted)]
    return np.corrcoef(*(np.asarray(each, float).ravel() for each in sizes))[0, 1]


def test_a_film_on_its_side_with_swapped_greys_is_shown_as_it_was_read(look, server, rg1, tmp_path, settle):
    upright = np.asarray(Image.fromarray((lungspot.read(rg1["UNCR"]).pixels * 255).astype(np.uint8)).resize((600, 640)))
    stored = np.rot90(255 - upright, -1)
    Image.fromarray(stored).save(tmp_path / "side.png")
    reading = server.read(tmp_path / "side.png", "side.png")
    facts = server.get(f"v1/readings/{reading}")
    assert facts["correction"] == {"quarter_turns": 1, "invert": True}
    page = look(reading)
    page.keyboard.press("b")
    page.keyboard.press("Shift+I")  # no words beside the film
    assert alike(drawn(page, settle), upright) > 0.95
    lung = drawn(page, settle).std()
    page.keyboard.press("3")
    assert alike(drawn(page, settle), upright) > 0.8
    assert drawn(page, settle).std() > lung, "the lung preset looks at the lungs, and is not swapped"
    page.keyboard.press("1")
    page.keyboard.press("9")
    assert alike(drawn(page, settle), stored) > 0.95
    assert page.locator("#stored").get_attribute("aria-pressed") == "true"
    assert page.locator("#live").inner_text() == "as stored"
    page.keyboard.press("9")
    assert alike(drawn(page, settle), upright) > 0.95
    assert page.locator("#live").inner_text() == "shown as read: turned left, inverted"


def test_left_and_right_turn_and_mirror_with_the_film_and_boxes_stay_where_they_are(look, server, chest, settle):
    page = look(chest)
    facts = server.get(f"v1/readings/{chest}")
    assert page.evaluate(SIDES)["R"][0] < 0.3
    page.keyboard.press("8")
    settle()
    assert page.evaluate(SIDES)["R"][0] > 0.7, "a mirrored film has the patient's right at the right"
    page.keyboard.press("6")
    settle()
    assert page.evaluate(SIDES)["R"][1] < 0.3, "turned to the left, what was right is above"
    assert page.locator("#live").inner_text() == "turned right, mirrored"
    # Turned by three quarters against the clock, (x, y) of the film goes to (height - y, x); then mirrored, to (y, x).
    canvas = page.locator("#film").bounding_box()
    width, height = facts["width"], facts["height"]
    scale = min((canvas["width"] - 16) / height, (canvas["height"] - 16) / width)
    left = canvas["x"] + (canvas["width"] - scale * height) / 2
    top = canvas["y"] + (canvas["height"] - scale * width) / 2
    page.keyboard.press("n")
    page.mouse.move(left + 300 * scale, top + 500 * scale)
    page.mouse.down()
    page.mouse.move(left + 700 * scale, top + 900 * scale, steps=3)
    page.mouse.up()
    page.keyboard.type("nodule")
    page.keyboard.press("Enter")
    settle()
    item = """async () => (await import("/viewer/main.js")).store.state.review.items.at(-1).box"""
    assert page.evaluate(item) == pytest.approx([500, 300, 900, 700], abs=1 / scale)
    before = page.evaluate(item)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    settle()
    x0, y0, x1, y1 = page.evaluate(item)
    assert (x0, y0) == pytest.approx((before[0], before[1] + 2 / scale), abs=0.02), (
        "to the right of the screen is down the film"
    )
    assert (x1, y1) == pytest.approx((before[2] + 2 / scale, before[3] + 2 / scale), abs=0.02)
