"""Five sizes, two themes: no word lies on another, buttons suit fingers, panels fold; one finger pans or measures."""

import pytest
from tests.orthanc import until

# Rectangles of all words that are seen: the page's own, clipped by what scrolls, and what is written on the film.
WORDS = """async () => {
    const { now } = await import("/viewer/main.js");
    const found = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const node = walk.currentNode;
        const held = node.parentElement;
        if (!node.data.trim() || !held.checkVisibility() || held.closest(".unseen, option, .skip")) continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        for (const rect of range.getClientRects()) {
            let [left, top, right, bottom] = [rect.left, rect.top, rect.right, rect.bottom];
            for (let each = node.parentElement; each; each = each.parentElement) {
                if (getComputedStyle(each).overflow === "visible") continue;
                const box = each.getBoundingClientRect();
                [left, top] = [Math.max(left, box.left), Math.max(top, box.top)];
                [right, bottom] = [Math.min(right, box.right), Math.min(bottom, box.bottom)];
            }
            if (right - left > 2 && bottom - top > 2) found.push([node.data.trim(), left, top, right, bottom]);
        }
    }
    const { x, y } = now.canvas.getBoundingClientRect();
    for (const { text, left, top, wide, high } of now.words)
        found.push([text, x + left, y + top, x + left + wide, y + top + high]);
    return found;
}"""


def clashes(words):
    """Return the pairs of words that share more than a sliver."""
    return [
        (a[0], b[0])
        for at, a in enumerate(words)
        for b in words[at + 1 :]
        if a[0] != b[0]  # lines of one text are set by the browser
        and min(a[3], b[3]) - max(a[1], b[1]) > 1.5
        and min(a[4], b[4]) - max(a[2], b[2]) > 2.5
    ]


@pytest.fixture(params=[((1920, 1080), (1366, 768)), ((1024, 768),), ((820, 1180), (390, 844))], ids=str)
def sized(request, browser, server, chest, nasty_film):
    """A page with the chest film open, and its sizes; by touch where they are a tablet's or a phone's."""
    server.read(nasty_film)  # a prior film of the same patient
    sizes = [{"width": wide, "height": high} for wide, high in request.param]
    context = browser.new_context(viewport=sizes[0], has_touch=sizes[0]["width"] < 1100)
    page = context.new_page()
    page.set_default_timeout(60000)
    page.goto(f"{server.address}?id={chest}")
    page.locator("#found li").first.wait_for()
    page.locator("#report", has_text="FINDINGS").wait_for()
    page.locator("#rows .row").first.wait_for(state="attached")
    until(lambda: page.evaluate("async () => (await import('/viewer/main.js')).now.words.length > 1"), "the words")
    yield page, sizes
    context.close()


# What is done between one look at the words and the next, and what is there then.
STEPS = (
    ((), "#report"),
    (("j",), "#found li.on"),
    (("j", "e"), "#found li.on"),
    (("Escape", "m", "Enter", "Escape"), "#measures li"),
    (("c",), "#prior[aria-label*=': ']"),
    (("c", "u", "Escape", "+", "+"), "#report"),
)


def at_rest(page, frames):
    """Return the words once none lies on another, or those that stay so: a new size takes some frames to go round."""
    for _ in range(20):
        frames(page)
        words = page.evaluate(WORDS)
        if not clashes(words):
            break
    return words


def test_no_word_lies_on_another_and_fingers_find_the_buttons(sized, frames):
    page, sizes = sized
    for size in sizes:
        page.set_viewport_size(size)
        for theme in range(2):
            for keys, there in STEPS:
                for key in keys:
                    page.keyboard.press(key)
                page.locator(there).first.wait_for(state="attached")
                words = at_rest(page, frames)
                assert len(words) > 20
                assert not {text for text, *_ in words} & {"null", "undefined", "NaN", "[object Object]"}
                assert clashes(words) == [], (size, theme, keys)
            page.keyboard.press("f")
            page.keyboard.press("d")
        suits_fingers(page, size["width"])


def suits_fingers(page, wide):
    """Hold a page to its width and, where it is touched, its buttons to a finger's size, and panels to folding."""
    assert page.evaluate("document.documentElement.scrollWidth") <= wide
    if wide > 1100:
        return
    small = """() => [...document.querySelectorAll("button, select, summary")].filter((each) => each.checkVisibility())
        .map((each) => [each.textContent, each.getBoundingClientRect()])
        .filter(([, { width, height }]) => width < 43.5 || height < 43.5).map(([text]) => text)"""
    assert page.evaluate(small) == []
    for fold in page.locator("#tools .fold:visible").all():
        fold.tap()
        menu = page.locator("#tools .open .buttons").bounding_box()
        assert menu["x"] >= 0
        assert menu["x"] + menu["width"] <= wide
    page.keyboard.press("Escape")
    if wide > 900:
        return
    film = page.locator("#film").bounding_box()["height"]
    page.locator("#toggle-side").tap()
    page.locator("#side").wait_for(state="hidden")
    until(lambda: page.evaluate("document.getElementById('film').clientHeight") > film + 100, "a taller film")
    assert page.locator("#list").is_hidden()
    page.locator("#toggle-list").tap()
    page.locator("#rows [aria-selected=true]").tap()
    page.locator("#list").wait_for(state="hidden")
    page.locator("#toggle-side").tap()
    page.locator("#side").wait_for()
    page.locator("#reading").focus()  # Enter is then for the film, not for the button


def test_one_finger_pans_and_one_that_rests_measures(browser, server, chest):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.goto(f"{server.address}?id={chest}")
    page.locator("#found li").first.wait_for()
    state = """async () => {
        const { now, store } = await import("/viewer/main.js");
        const [a, b] = store.state.review.measures.at(-1)?.points ?? [];
        const { x, y, scale } = now.view;
        return { x, y, scale, window: store.state.window, line: a ? Math.hypot(a[0] - b[0], a[1] - b[1]) : null };
    }"""
    canvas = page.locator("#film").bounding_box()
    x, y = canvas["x"] + canvas["width"] / 2, canvas["y"] + canvas["height"] / 2
    touch = context.new_cdp_session(page)

    def finger(kind, *point):
        points = [{"x": point[0], "y": point[1], "id": 0}] if point else []
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    before = page.evaluate(state)
    finger("touchStart", x, y)
    finger("touchMove", x + 20, y + 10)
    finger("touchMove", x + 40, y + 30)
    finger("touchEnd")
    after = page.evaluate(state)
    assert (after["x"] - before["x"], after["y"] - before["y"]) == pytest.approx((40, 30), abs=1)
    assert (after["window"], after["line"]) == (before["window"], None)
    finger("touchStart", x, y)
    page.wait_for_timeout(600)
    finger("touchMove", x + 30, y)
    finger("touchMove", x + 60, y)
    finger("touchEnd")
    measured = page.evaluate(state)
    assert measured["line"] == pytest.approx(60 / measured["scale"], rel=0.02)
    assert (measured["x"], measured["y"]) == (after["x"], after["y"])
    context.close()
