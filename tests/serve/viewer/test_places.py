"""One shadow is one place, experimental labels are one click away, and the page says what every other form says."""

from collections import Counter

import pytest

POINTS = ("specific", "balanced", "sensitive")


def marks(page):
    """Return what is drawn on the film: a frame and a label each, and where its label is, in screen pixels."""
    return page.evaluate(
        """async () => {
            const { marks } = await import("/viewer/scene.js");
            const { store } = await import("/viewer/main.js");
            return marks(store.state);
        }"""
    )


@pytest.fixture
def facts(server, chest):
    return server.get(f"v1/readings/{chest}")


def test_a_film_with_many_boxes_on_one_lung_shows_one_place(look_at_all, facts, chest, settle):
    page = look_at_all(chest)
    places = facts["statements"]["balanced"]["places"]
    first = [facts["candidates"][index] for index in places["1"]]
    found = {each["label"]: each for each in reversed(first)}  # of each label the best box
    assert found.keys() >= {"covid19", "pneumonia"}
    assert len(facts["result"]["findings"]) == sum(map(len, places.values()))
    page.mouse.move(2, 2)  # off the list, whose rows stand out under the pointer
    settle()
    drawn = marks(page)
    assert len(drawn) == len(places)
    assert drawn[0]["box"] == first[0]["box"]
    head, *lines = drawn[0]["text"].split("\n")
    assert head == "Lung opacity: cannot be told apart on a film"
    alike = [found[label] for label in found if label in {"covid19", "pneumonia", "tuberculosis"}]
    words = [f"{each['name']} {100 * each['score']:.0f} %" for each in sorted(alike, key=lambda each: -each["score"])]
    assert lines[0].startswith(", ".join(words[:2]))
    said = page.locator("#found .alike").first.inner_text()
    assert said.startswith(f"Lung opacity, right middle zone: cannot be told apart on a film: {words[0]}, {words[1]}")


def test_experimental_labels_are_one_click_away_and_marked_with_their_numbers(look, facts, server, chest, settle):
    page = look(chest)
    page.locator("#found li").first.wait_for()
    model = server.get("v1/model")
    tried = {label["id"] for label in model["labels"] if label["standing"] == "experimental"}
    names = {label["name"] for label in model["labels"] if label["id"] in tried}
    assert tried
    assert {each["label"] for each in facts["candidates"]} & tried
    texts = [page.locator(f"#{part}").inner_text() for part in ("found", "headline", "scores", "rows", "whole")]
    assert not [name for name in names for text in texts if name in text]
    assert all(name in page.locator("#caveats").inner_text() for name in names)
    page.keyboard.press(".")
    page.locator("#experimental").click()
    settle()
    assert page.locator("#experimental").get_attribute("aria-pressed") == "true"
    shown = {
        facts["candidates"][index]["label"]
        for place in facts["statements"]["sensitive"]["places"].values()
        for index in place
    }
    assert (page.locator("#found .tried").count() > 0) == bool(shown & tried)
    for label in (each for each in model["labels"] if each["id"] in shown & tried):
        row = page.locator("#found li", has_text=label["name"]).filter(has=page.locator(".tried")).first.inner_text()
        assert f"{round(100 * label['evidence']['calls_right'])} in 100 of its calls were right" in row
    assert all(f"{name} (experimental)" in page.locator("#scores").inner_text() for name in names)
    page.locator("#experimental").click()
    settle()
    assert page.locator("#found .tried").count() == 0


def test_headline_and_list_are_those_of_every_other_form(look, facts, chest, settle):
    page = look(chest)
    page.locator("#found li").first.wait_for()
    page.keyboard.press(",")
    for point in POINTS:
        settle()
        told = facts["statements"][point]["reported"]
        assert page.locator("#headline").inner_text() == told["headline"]
        boxes = [each["box"] for each in told["said"] if each["box"]]
        assert [mark["box"] for mark in marks(page)] == boxes
        whole = [each["text"] for each in told["said"] if not each["box"]]
        assert page.locator("#whole li").all_inner_texts() == whole
        assert told["percentages"] in page.locator("#caveats").inner_text()
        page.keyboard.press(".")
    assert facts["result"]["statement"] == facts["statements"]["balanced"]["reported"]
    assert facts["headline"] == facts["statements"]["balanced"]["reported"]["headline"]


def test_findings_only_appear_when_the_slider_moves_to_sensitive(look, chest, settle):
    page = look(chest)
    page.locator("#found li").first.wait_for()
    for everything in (False, True):
        if everything:
            page.locator("#experimental").click()
        page.keyboard.press(",")
        page.keyboard.press(",")
        before, films = set(), set()
        for point in POINTS:
            settle()
            assert page.locator("#point-word").inner_text() == point
            texts = page.eval_on_selector_all(
                "#found li", "(rows) => rows.map((row) => row.querySelector('.name').textContent)"
            )
            scores = page.locator("#scores li:not(.below) .name").all_inner_texts()
            assert before <= set(texts), point
            assert films <= set(scores), point
            before, films = set(texts), set(scores)
            page.keyboard.press(".")
        assert before


def test_a_verdict_on_a_name_speaks_of_its_other_boxes_at_that_place(look_at_all, chest, facts, server, settle):
    page = look_at_all(chest)
    page.fill("#reader", "of places")
    page.locator("#banner").click()  # out of the field, so that a key is a key
    page.keyboard.press(".")
    settle()
    label_of = [each["label"] for each in facts["candidates"]]
    label, boxes = next(
        (label, [index for index in place if label_of[index] == label])
        for place in facts["statements"]["sensitive"]["places"].values()
        for label, count in Counter(label_of[index] for index in place).items()
        if count > 1
    )
    page.locator(", ".join(f"[data-key=reject-{index}]" for index in boxes)).first.click()
    settle()
    assert page.locator("#found li.rejected").count() == 1
    page.locator("#save-here").click()
    page.locator("#saved", has_text="saved ").wait_for()
    verdicts = server.get(f"v1/readings/{chest}")["reviews"][-1]["verdicts"]
    assert [(each["action"], each["label"]) for each in verdicts] == [("reject", label)] * len(boxes)
    page.locator("#undo").click()
    settle()
    assert page.locator("#found li.rejected").count() == 0


def test_left_and_right_stand_on_the_film(look, chest, leg, facts, settle):
    page = look(chest)
    assert facts["edges"] == {"left": "R", "right": "L"}
    words = sides(page)
    assert [word["text"] for word in words] == ["R", "L"]
    assert words[0]["left"] < words[1]["left"]
    page.locator(f"#rows [data-key='{leg}']").click()
    page.locator("#refusal").wait_for()
    page.locator("summary", has_text="About this film").click()
    settle()
    assert "Sides" in page.locator("#facts").inner_text()


def test_where_no_side_is_known_the_film_says_so(look, server, settle, tmp_path):
    from PIL import Image  # noqa: PLC0415

    path = tmp_path / "grey.png"
    Image.radial_gradient("L").save(path)
    reading = server.read(path, "grey.png")
    assert server.get(f"v1/readings/{reading}")["edges"] == {}
    page = look(reading)
    settle()
    assert [word["text"] for word in sides(page)] == ["side unknown"]


def sides(page):
    """Return what is written at the edges of the film."""
    return page.evaluate(
        """async () => {
            const { drawSides } = await import("/viewer/aids.js");
            const { store } = await import("/viewer/main.js");
            const canvas = document.getElementById("film");
            const words = [];
            const context = canvas.getContext("2d");
            const draw = context.fillText;
            context.fillText = (text, left, top) => words.push({ text, left, top });
            const size = { width: canvas.clientWidth, height: canvas.clientHeight };
            const view = { scale: 0.3, x: 100, y: 10 };
            drawSides(context, view, store.state.reading.frame, store.state.reading.edges, size);
            delete context.fillText;
            return words;
        }"""
    )


def test_labels_never_cover_one_another(page, server):
    page.goto(server.address)
    clash = page.evaluate(
        """async () => {
            const { drawMarks } = await import("/viewer/marks.js");
            const context = new OffscreenCanvas(700, 600).getContext("2d");
            const size = { width: 700, height: 600 };
            const overlap = (a, b) =>
                a.left < b.left + b.wide && b.left < a.left + a.wide
                && a.top < b.top + b.high && b.top < a.top + a.high;
            let seed = 7;
            const random = (most) => (seed = (seed * 16807) % 2147483647) % most;
            const found = [];
            for (let round = 0; round < 200; round += 1) {
                const marks = [...Array(8)].map((_, key) => {
                    const [x, y] = [random(600), random(500)];
                    const long = "Lung opacity: cannot be told apart\\nCOVID-19 65 %, TB 53 %";
                    const text = key % 2 ? long : "Effusion 40 %";
                    return { key, box: [x, y, x + 20 + random(200), y + 20 + random(200)], colour: "#fff", text };
                });
                const view = { scale: 1, x: 0, y: 0 };
                const taken = [{ left: 0, top: 0, wide: 60, high: 26 }];
                const labels = drawMarks(context, view, marks, { focus: round % 8, size, taken });
                const all = [...taken, ...labels];
                all.forEach((a, at) => all.slice(at + 1).forEach((b) => overlap(a, b) && found.push([round, a, b])));
                const inside = (a) => a.left >= 0 && a.top >= 0 && a.left + a.wide <= 700 && a.top + a.high <= 600;
                if (!labels.every(inside)) found.push(round);
                const own = ({ left, top, wide, high, key }) => {
                    const [x0, y0, x1, y1] = marks[key].box;
                    return overlap({ left, top, wide, high }, { left: x0, top: y0, wide: x1 - x0, high: y1 - y0 });
                };
                if (labels.some(own)) found.push(["over its box", round]);
                if (!labels.length) found.push(["no label", round]);
            }
            return found;
        }"""
    )
    assert clash == []


def test_a_row_that_is_made_anew_under_the_pointer_lets_go_of_it(look_at_all, chest, settle):
    page = look_at_all(chest)
    page.locator("#found li").nth(1).hover()
    settle()
    assert page.locator("#found li.hover").count() == 1
    page.keyboard.press("b")  # the list is made anew
    settle()
    page.mouse.move(2, 2)
    settle()
    state = "async () => (await import('/viewer/main.js')).store.state.hover"
    assert page.evaluate(state) is None
