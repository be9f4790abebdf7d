"""Measuring in the viewer: by keys, by mouse and by finger; kept with the review, and counted as the server counts."""

import dataclasses

import numpy as np
import pytest
from playwright.sync_api import expect

from lungspot.images import Origin, Radiograph
from lungspot.report import measure


@pytest.fixture(scope="module")
def ask(browser, server):
    """A function that asks measures.js for the value of an expression in which ``m`` is the module."""
    page = browser.new_page()
    page.goto(server.address)
    yield lambda text: page.evaluate(f"async () => {{ const m = await import('/viewer/measures.js'); return {text}; }}")
    page.close()


GREYS = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
FILM = f"{{ width: 4, height: 3, pixels: new Uint16Array([{','.join(map(str, GREYS.ravel()))}]) }}"
SAME = [
    ("length", [[0.5, 0.5], [3, 2.5]]),
    ("angle", [[3, 0], [0.5, 0.5], [0, 3]]),
    ("angle", [[3, 1], [2, 1], [0, 1]]),
    ("region", [[3.2, 2.4], [0.6, 0.2]]),
    ("region", [[1.1, 1.1], [1.2, 1.3]]),
    ("cardiothoracic_ratio", [[1, 1], [2.5, 1], [0, 2], [4, 2]]),
]


@pytest.mark.parametrize("spacing", [None, (0.2, 0.1)])
@pytest.mark.parametrize(("kind", "points"), SAME)
def test_the_page_counts_as_the_server_does(ask, kind, points, spacing):
    pixels = (GREYS / 65535).astype(np.float32)
    film = Radiograph(pixels, Origin("a", "a" * 64, "png"), 16, spacing, pixel_aspect=(2, 1))
    made = measure(kind, points, film, pixels=GREYS)
    scale = f"{{ spacing: {'null' if spacing is None else list(spacing)}, tall: 2 }}"
    found = ask(f"m.valueOf({{ kind: '{kind}', points: {points} }}, {scale}, {FILM})")
    assert (found["value"], found["unit"]) == (pytest.approx(made.value), made.unit)
    if made.greys is not None:
        assert found["greys"] == {
            name: pytest.approx(value, abs=1e-6) for name, value in dataclasses.asdict(made.greys).items()
        }
    if made.widths is not None:
        assert found["widths"] == [pytest.approx(made.widths.heart), pytest.approx(made.widths.chest)]


ANATOMY = "{ heart: [40, 50, 80, 90], left_lung: [60, 10, 110, 100], right_lung: [5, 12, 50, 98] }"
TURNED = "{ heart: [50, 40, 90, 80], left_lung: [10, 60, 100, 110], right_lung: [12, 5, 98, 50] }"
NO_CHEST = f"{{ ...{ANATOMY}, cardiothoracic_ratio: null }}"  # outlines that nothing was measured from
UNSIDED = "{ heart: [40, 50, 80, 90], left_lung: null, right_lung: null, lungs: [[5, 12, 50, 98], [60, 10, 110, 100]] }"
RATIO = "{ kind: 'cardiothoracic_ratio', points: [[40, 70], [80, 70], [5, 82], [110, 82]] }"
POINTS = [
    (f"m.ratioLines({ANATOMY}, {{ width: 120, height: 120 }}).points", [[40, 70], [80, 70], [5, 82], [110, 82]]),
    (f"m.ratioLines({TURNED}, {{ width: 120, height: 120 }}).points", [[70, 40], [70, 80], [82, 5], [82, 110]]),
    (f"m.ratioLines({ANATOMY}, {{ width: 120, height: 120 }}).by", "model"),
    (f"m.ratioLines({UNSIDED}, {{ width: 120, height: 120 }}).points", [[40, 70], [80, 70], [5, 82], [110, 82]]),
    (f"m.ratioLines({NO_CHEST}, {{ width: 120, height: 120 }}).by", "reader"),
    ("m.ratioLines(null, { width: 100, height: 100 }).by", "reader"),
    (f"m.dragged({RATIO}, 0, [30, 60], {{ width: 120, height: 120 }}).points.slice(0, 2)", [[30, 60], [80, 60]]),
    (f"m.dragged({RATIO}, 3, [999, 90], {{ width: 120, height: 120 }}).points.slice(2)", [[5, 90], [120, 90]]),
    ("m.begun('length', [-5, 20.123], [30, 40], { width: 50, height: 50 })", [[0, 20.12], [30, 40]]),
    ("m.begun('angle', [10, 30], [30, 30], { width: 50, height: 50 }).length", 3),
    ("m.gripAt([{ key: 7, points: [[1, 1], [9, 9]] }], [8, 8.5], [2, 2])", {"key": 7, "point": 1}),
    ("m.gripAt([{ key: 7, points: [[1, 1], [9, 9]] }], [5, 5], [2, 2])", None),
    ("m.solid({ kind: 'length', points: [[1, 1], [2, 1]] })", False),
]


@pytest.mark.parametrize(("text", "value"), POINTS)
def test_points_follow_the_pointer(ask, text, value):
    assert ask(text) == ([[pytest.approx(each) for each in row] for row in value] if isinstance(value, list) else value)


def rows(page):
    return [row.inner_text().split("\n")[0] for row in page.locator("#measures li").all()]


def last_review(server, reading, reader):
    return [each for each in server.get(f"v1/readings/{reading}")["reviews"] if each["reader"] == reader][-1]


def save(page):
    with page.expect_response(lambda answer: answer.url.endswith("/review")) as answer:
        page.keyboard.press("Shift+S")
    assert answer.value.status == 201


@pytest.mark.usefixtures("outlined")
def test_keys_alone_measure_move_undo_remove_and_save(look, server, chest, settle, faults):
    page = look(chest)
    page.fill("#reader", "keys")
    page.locator("#headline").click()
    page.keyboard.press("Shift+C")
    settle()
    (first,) = rows(page)
    assert "borders found by the model" in first
    page.keyboard.press("ArrowRight")
    settle()
    assert "by hand" in rows(page)[0]
    page.keyboard.press("m")
    page.keyboard.press("Enter")
    settle()
    before = rows(page)[1]
    page.keyboard.press("Enter")  # the other end
    page.keyboard.press("Control+ArrowUp")
    settle()
    assert rows(page)[1] != before
    page.keyboard.press("u")
    settle()
    assert rows(page)[1] == before
    assert page.locator("#live").inner_text() == "Undone: Distance is where it was"
    page.keyboard.press("u")
    settle()
    assert page.locator("#live").inner_text() == "Undone: Distance is gone"
    page.keyboard.press("Shift+U")
    settle()
    assert page.locator("#live").inner_text() == "Done again: Distance is back"
    page.keyboard.press("Shift+G")
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+M")
    page.keyboard.press("Enter")
    settle()
    assert [row.split()[1] for row in rows(page)] == ["Cardiothoracic", "Distance", "Region", "Angle"]
    page.keyboard.press("Delete")
    settle()
    assert len(rows(page)) == 3
    page.locator("#report", has_text="measured by hand").wait_for()
    assert faults() == []
    save(page)
    kept = last_review(server, chest, "keys")["measurements"]
    assert [each["kind"] for each in kept] == ["cardiothoracic_ratio", "length", "region"]
    assert f"{kept[0]['value']:.2f} (heart" in rows(page)[0]
    page.reload()
    page.locator("#measures li").nth(2).wait_for()
    assert f"{kept[0]['value']:.2f} (heart" in rows(page)[0], "what was saved is there again"


def test_a_mouse_draws_and_moves_and_a_finger_too(browser, server, nasty_film):
    reading = server.read(nasty_film)
    facts = server.get(f"v1/readings/{reading}")
    high, wide = facts["result"]["image"]["pixel_aspect"]
    across = facts["result"]["image"]["pixel_spacing_mm"][1]
    for touch in (False, True):
        context = browser.new_context(viewport={"width": 1366, "height": 900}, has_touch=touch)
        own = context.new_page()
        own.goto(f"{server.address}?id={reading}")
        own.wait_for_selector("#measuring:not([hidden])")
        own.locator("#measure-length").click()
        box = own.locator("#film").bounding_box()
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        swipe(own, touch, middle, (middle[0] + 100, middle[1]))
        own.locator("#measures li").wait_for()
        (text,) = rows(own)
        scale = min((box["width"] - 16) / facts["width"], (box["height"] - 16) / (facts["height"] * high / wide))
        assert float(text.split()[2]) == pytest.approx(across * 100 / scale, rel=0.03)
        own.keyboard.press("Escape")
        swipe(own, touch, (middle[0] + 100, middle[1]), (middle[0] + 150, middle[1]))  # its end, not a new one
        expect(own.locator("#measures")).not_to_contain_text(text)
        (longer,) = rows(own)
        assert float(longer.split()[2]) == pytest.approx(across * 150 / scale, rel=0.03)
        context.close()


def swipe(page, touch, start, end):
    if not touch:
        page.mouse.move(*start)
        page.mouse.down()
        page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        page.mouse.move(*end)
        page.mouse.up()
        return
    session = page.context.new_cdp_session(page)
    for kind, at in (("touchStart", start), ("touchMove", ((start[0] + end[0]) / 2, end[1])), ("touchMove", end)):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": at[0], "y": at[1]}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
