"""The form of the viewer's files, and its pure modules, asked in the browser that runs them."""

import re
from pathlib import Path

import numpy as np
import pytest

VIEWER = Path(__file__).resolve().parents[3] / "src" / "lungspot" / "serve" / "viewer"
FILES = sorted(path for path in VIEWER.iterdir() if path.suffix in {".js", ".css"})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_is_short_and_says_what_it_is_for(path):
    text = path.read_text(encoding="utf-8")
    first = text.splitlines()[0]
    assert re.fullmatch(r"// \S.{20,}" if path.suffix == ".js" else r"/\* \S.{20,} \*/", first)
    assert len(text.splitlines()) <= 300
    assert set(re.findall(r"https?://[^\"'` ]+", text)) <= {"http://www.w3.org/2000/svg"}  # a name, never fetched
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)


def test_the_page_has_no_inline_script_or_style():
    text = (VIEWER / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|https?:", text)
    assert [tag for tag in re.findall(r"<script[^>]*>", text) if "src=" not in tag] == []
    assert set(re.findall(r"viewer/([\w.]+)", text)) <= {path.name for path in VIEWER.iterdir()}


@pytest.fixture(scope="module")
def ask(browser, server):
    """A function that asks a module for the value of an expression in which ``m`` is the module."""
    page = browser.new_page()
    page.goto(server.address)
    yield lambda module, text: page.evaluate(
        f"async () => {{ const m = await import('/viewer/{module}.js'); return {text}; }}"
    )
    page.close()


VIEW = "{ scale: 0.5, x: 10, y: -20 }"
TALL = "{ scale: 0.5, tall: 2, x: 10, y: -20 }"
TURNED = "{ scale: 0.5, tall: 2, turns: 1, flip: false, x: 10, y: -20 }"
LAID = {"tall": 1, "turns": 0, "flip": False}
FRAME = "{ width: 200, height: 100 }"

GEOMETRY = [
    ("m.fit({ width: 100, height: 200 }, { width: 116, height: 216 })", LAID | {"scale": 1, "x": 8, "y": 8}),
    ("m.fit({ width: 400, height: 100 }, { width: 216, height: 200 })", LAID | {"scale": 0.5, "x": 8, "y": 75}),
    (
        "m.fit({ width: 100, height: 100, tall: 2 }, { width: 116, height: 216 })",
        LAID | {"scale": 1, "tall": 2, "x": 8, "y": 8},
    ),
    (
        "m.fit({ width: 400, height: 100 }, { width: 116, height: 216 }, { turns: 1, flip: false })",
        LAID | {"scale": 0.5, "turns": 1, "x": 33, "y": 208},
    ),
    (f"m.onScreen({TURNED}, [20, 40, 60, 100])", {"x": 50, "y": -50, "width": 60, "height": 20}),
    (f"m.toFilm({TURNED}, m.toScreen({TURNED}, {{ x: 7, y: 9 }}))", {"x": 7, "y": 9}),
    (f"m.onScreen({{ ...{TURNED}, flip: true }}, [20, 40, 60, 100])", {"x": -90, "y": -50, "width": 60, "height": 20}),
    (f"['n', 'e', 'sw'].map((each) => m.compassOnScreen({TURNED}, each)).join()", "w,n,se"),
    (f"m.compassOnFilm({TURNED}, 'se')", "sw"),
    (
        f"m.toFilm(m.turnAbout({VIEW}, {{ turns: 3, flip: true }}, {{ x: 9, y: 9 }}), {{ x: 9, y: 9 }})",
        {"x": -2, "y": 58},
    ),
    (f"m.toScreen({TALL}, {{ x: 100, y: 60 }})", {"x": 60, "y": 40}),
    (f"m.toFilm({TALL}, {{ x: 60, y: 40 }})", {"x": 100, "y": 60}),
    (f"m.toScreen(m.zoomAt({TALL}, 4, {{ x: 60, y: 40 }}), {{ x: 100, y: 60 }})", {"x": 60, "y": 40}),
    (f"m.onScreen({TALL}, [20, 40, 60, 100])", {"x": 20, "y": 20, "width": 20, "height": 60}),
    (f"m.pan({TALL}, 1, -1e6, {FRAME}, {{ width: 300, height: 300 }})", {"scale": 0.5, "tall": 2, "x": 11, "y": -40}),
    ("m.pixelWidths({ x: 0, y: 0 }, { x: 30, y: 20 }, 2)", 50),
    (f"m.toScreen({VIEW}, {{ x: 100, y: 60 }})", {"x": 60, "y": 10}),
    (f"m.toFilm({VIEW}, {{ x: 60, y: 10 }})", {"x": 100, "y": 60}),
    (f"m.toScreen(m.zoomAt({VIEW}, 4, {{ x: 60, y: 10 }}), {{ x: 100, y: 60 }})", {"x": 60, "y": 10}),
    (f"m.zoomAt({VIEW}, 1e6, {{ x: 0, y: 0 }}).scale", 24),
    (f"m.onScreen({VIEW}, [20, 40, 60, 100])", {"x": 20, "y": 0, "width": 20, "height": 30}),
    (f"m.boxBetween({{ x: 50, y: 80.123 }}, {{ x: -5, y: 20 }}, {FRAME})", [0, 20, 50, 80.12]),
    ("m.handleAt([10, 10, 50, 40], { x: 11, y: 39 }, [3, 3])", "sw"),
    ("m.handleAt([10, 10, 50, 40], { x: 49, y: 9 }, [3, 3])", "ne"),
    ("m.handleAt([10, 10, 50, 40], { x: 30, y: 25 }, [3, 3])", "move"),
    ("m.handleAt([10, 10, 50, 40], { x: 60, y: 25 }, [3, 3])", None),
    ("m.handleAt([10, 10, 13, 40], { x: 10, y: 25 }, [5, 5])", "w"),
    ("m.handleAt([10, 10, 50, 40], { x: 30, y: 37.5 }, [4, 2])", "move"),
    ("m.handleAt([10, 10, 50, 40], { x: 13, y: 38.5 }, [4, 2])", "sw"),
    (f"m.dragBox([10, 10, 50, 40], 'se', 5, -10, {FRAME})", [10, 10, 55, 30]),
    (f"m.dragBox([10, 10, 50, 40], 'w', 60, 0, {FRAME})", [50, 10, 70, 40]),
    (f"m.dragBox([10, 10, 50, 40], 'move', -90, 500, {FRAME})", [0, 70, 40, 100]),
    ("m.iou([0, 0, 10, 10], [5, 0, 15, 10])", pytest.approx(1 / 3)),
    ("m.iou([0, 0, 10, 10], [10, 0, 20, 10])", 0),
    ("m.millimetres({ x: 0, y: 0 }, { x: 30, y: 40 }, [0.1, 0.2])", pytest.approx((36 + 16) ** 0.5)),
    ("m.scaleBar({ scale: 0.5 }, [0.2, 0.2], 180)", {"mm": 50, "pixels": 125}),
]


@pytest.mark.parametrize("turns", range(4))
def test_the_part_of_an_upright_film_lies_where_its_file_has_it(ask, turns):
    stored = np.zeros((100, 100), bool)
    x0, y0, x1, y1 = (round(100 * each) for each in ask("upright", f"m.storedPart([0.1, 0.2, 0.4, 0.8], {turns})"))
    stored[y0:y1, x0:x1] = True
    rows, columns = np.nonzero(np.rot90(stored, turns))
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (10, 20, 40, 80)


@pytest.mark.parametrize(("text", "value"), GEOMETRY)
def test_geometry(ask, text, value):
    assert ask("geometry", text) == value


WINDOW = [
    ("Array.from(m.table({ centre: 32768, width: 65536, invert: false }).slice(0, 2))", [0, 0]),
    ("m.table({ centre: 32767.5, width: 65535, invert: false })[65535]", 255),
    ("m.table({ centre: 1000, width: 100, invert: true })[940]", 255),
    ("m.clamp({ centre: -5, width: 0 })", {"centre": 0, "width": 64, "invert": False}),
    ("m.inWords(m.between(0, 65535, true))", "W 100 C 50 inverted"),
    (
        (
            "m.histogram({ width: 4, height: 2, pixels: new Uint16Array([0, 64, 64, 0, 9, 9, 9, 65535]) },"
            " [0, 0, 1, 0.5]).slice(0, 2).join()"
        ),
        "2,2",
    ),
]


@pytest.mark.parametrize(("text", "value"), WINDOW)
def test_window(ask, text, value):
    assert ask("window", text) == value


def test_a_label_that_the_model_lacks_has_its_own_colour(ask):
    thresholds = "{ balanced: { box: 0.2, image: 0.3 } }"
    words = "[{ id: 'edema', name: 'E', group: 'g', color: '#000001' }, { id: 'mass', name: 'M', color: '#000002' }]"
    labels = f"[{{ id: 'edema', name: 'E', color: '#000001', thresholds: {thresholds} }}]"
    model = f"m.inShape({{ labels: {labels}, taxonomy: {words}, reasons: {{}}, warnings: {{}} }})"
    assert ask("model", f"{model}.known") == ["edema"]
    assert ask("model", f"['edema', 'mass'].map((id) => {model}.labels.get(id).color)") == ["#000001", "#000002"]


START = "m.opened([{ label: 'a', box: [0, 0, 9, 9], score: 0.5 }, { label: 'b', box: [5, 5, 8, 8], score: 0.4 }])"
VERDICTS = [
    (f"m.said({START})", []),
    (f"m.said(m.judge({START}, 1, 'accepted'))", [{"action": "accept", "candidate": 1}]),
    (f"m.said(m.judge(m.judge({START}, 1, 'accepted'), 1, 'accepted'))", []),
    (
        f"m.said(m.judge(m.reshape({START}, 0, [0, 0, 5, 5]), 0, 'accepted'))",
        [{"action": "edit", "candidate": 0, "label": "a", "box": [0, 0, 5, 5]}],
    ),
    (f"m.said(m.reshape(m.reshape({START}, 0, [0, 0, 5, 5]), 0, [0, 0, 9, 9]))", []),
    (f"m.said(m.rename({START}, 1, 'c'))", [{"action": "edit", "candidate": 1, "label": "c", "box": [5, 5, 8, 8]}]),
    (f"m.said(m.rename(m.rename({START}, 1, 'c'), 1, 'b'))", []),
    (f"m.said(m.add({START}, 'c', [1, 1, 2, 2]))", [{"action": "add", "label": "c", "box": [1, 1, 2, 2]}]),
    (f"m.said(m.judge(m.add({START}, 'c', [1, 1, 2, 2]), 2, 'rejected'))", []),
    (f"m.said(m.remove({START}, 0))", [{"action": "reject", "candidate": 0}]),
    (f"m.said(m.undo(m.judge({START}, 0, 'rejected')))", []),
    (f"m.said(m.redo(m.undo(m.judge({START}, 0, 'rejected'))))", [{"action": "reject", "candidate": 0}]),
    (f"m.add(m.undo(m.add({START}, 'c', [1, 1, 2, 2])), 'd', [1, 1, 2, 2]).items.map((item) => item.key)", [0, 1, 3]),
    (
        (
            "m.said(m.resumed([{ label: 'a', box: [0, 0, 9, 9], score: 0.5 }], { verdicts: "
            "[{ action: 'edit', candidate: 0, label: 'c', box: [0, 0, 1, 1] }, { action: 'add', label: 'd' }] }))"
        ),
        [{"action": "edit", "candidate": 0, "label": "c", "box": [0, 0, 1, 1]}],
    ),
]


@pytest.mark.parametrize(("text", "value"), VERDICTS)
def test_verdicts(ask, text, value):
    assert ask("verdicts", text) == value


HERE = "{ label: 'a', box: [0, 0, 10, 10] }"
NEAR = "{ label: 'a', box: [2, 0, 12, 10] }"
OTHER = "{ label: 'b', box: [0, 0, 10, 10] }"
LESSONS = [
    ("[]", "[]", "Nothing drawn, and the reference has no box."),
    (f"[{HERE}]", f"[{HERE}]", "1 of 1 found (mean overlap 100 %), 0 missed, 0 extra."),
    (f"[{HERE}]", f"[{OTHER}]", "0 of 1 found, 1 missed, 1 extra."),
    (f"[{HERE}, {NEAR}]", f"[{NEAR}]", "1 of 1 found (mean overlap 100 %), 0 missed, 1 extra."),
    (f"[{NEAR}]", f"[{HERE}, {OTHER}]", "1 of 2 found (mean overlap 67 %), 1 missed, 0 extra."),
]


@pytest.mark.parametrize(("drawn", "reference", "words"), LESSONS)
def test_a_lesson_is_scored(ask, drawn, reference, words):
    assert ask("lesson", f"m.inWords(m.score({drawn}, {reference}))") == words


@pytest.mark.parametrize(
    ("press", "name"),
    [
        ("{ key: 'A', shiftKey: false }", "a"),  # caps lock
        ("{ key: 'u', shiftKey: true }", "Shift+U"),
        ("{ key: '?', shiftKey: true }", "?"),
        ("{ key: 'Z', shiftKey: true, ctrlKey: true }", "Ctrl+Shift+Z"),
        ("{ key: 'ArrowUp', ctrlKey: true }", "Ctrl+ArrowUp"),
        ("{ key: 'a', altKey: true }", None),
    ],
)
def test_a_key_has_one_name(ask, press, name):
    assert ask("keys", f"m.nameOf({press})") == name


def test_every_key_has_one_act(ask):
    keys = ask("keys", "m.KEYS.flatMap(([, rows]) => rows.flatMap(([keys]) => keys))")
    assert len(keys) == len(set(keys)) > 40
