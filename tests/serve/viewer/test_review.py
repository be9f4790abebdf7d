"""Verdicts by mouse and by keys, saved, exported and read back; teaching; and everything open to everyone."""

import io
import json
import re
import zipfile
from collections import Counter

import numpy as np
import pytest
from playwright.sync_api import expect
from tests.orthanc import until

from lungspot.formats.catalog import ANNOTATION_FORMATS


def last_review(server, reading, reader):
    return [each for each in server.get(f"v1/readings/{reading}")["reviews"] if each["reader"] == reader][-1]


def name_reader(page, name):
    page.fill("#reader", name)
    page.locator("#headline").click()


def save(page):
    with page.expect_response(lambda answer: answer.url.endswith("/review")) as answer:
        page.keyboard.press("Control+s")
    assert answer.value.status == 201
    page.locator("#saved", has_text="saved ").wait_for()


def dragger(page, facts, settle):
    """Return a function that drags from one film point to another, and the film's scale on the screen."""
    canvas = page.locator("#film").bounding_box()
    scale = min((canvas["width"] - 16) / facts["width"], (canvas["height"] - 16) / facts["height"])
    left = canvas["x"] + (canvas["width"] - scale * facts["width"]) / 2
    top = canvas["y"] + (canvas["height"] - scale * facts["height"]) / 2

    def drag(start, end):
        page.mouse.move(left + scale * start[0], top + scale * start[1])
        page.mouse.down()
        page.mouse.move(left + scale * (start[0] + end[0]) / 2, top + scale * (start[1] + end[1]) / 2)
        page.mouse.move(left + scale * end[0], top + scale * end[1])
        page.mouse.up()
        settle()

    return drag, scale


def test_what_is_edited_is_exported_and_read_back_equal(look_at_all, listed, server, chest, settle, tmp_path):
    page = look_at_all(chest)
    facts = server.get(f"v1/readings/{chest}")
    findings = listed(facts)
    drag, scale = dragger(page, facts, settle)
    name_reader(page, "mouse")
    page.locator("#found li").nth(0).locator("[data-key^=accept]").click()
    page.locator("#found li").nth(1).locator("[data-key^=reject]").click()
    page.locator("#found .pick").nth(2).click()
    page.locator("[data-key^=edit]").click()
    settle()
    x1, y1 = findings[2]["box"][2:]
    drag((x1, y1), (x1 + 100, y1 - 60))
    page.keyboard.press("n")
    drag((1000, 1200), (1300, 1500))
    page.keyboard.type("pneumothorax")
    page.keyboard.press("Enter")
    settle()
    page.fill("#note", "a test <b>note</b>")
    page.locator("#headline").click()
    save(page)

    review = last_review(server, chest, "mouse")
    edited = [findings[2]["box"][0], findings[2]["box"][1], x1 + 100, y1 - 60]
    actions = [each["action"] for each in review["verdicts"]]
    # a name that is rejected may have several boxes at its place: the verdict speaks of all
    assert Counter(actions) - Counter(reject=9) == {"accept": 1, "edit": 1, "add": 1}
    said = {each["action"]: each for each in review["verdicts"]}
    rejects = [each for each in review["verdicts"] if each["action"] == "reject"]
    said["reject"] = next(each for each in rejects if facts["candidates"][each["candidate"]] == findings[1])
    accepted, rejected, moved, drawn = (said[action] for action in ("accept", "reject", "edit", "add"))
    candidates = facts["candidates"]
    assert (accepted["action"], candidates[accepted["candidate"]]["box"]) == ("accept", findings[0]["box"])
    assert (rejected["action"], candidates[rejected["candidate"]]["box"]) == ("reject", findings[1]["box"])
    assert (moved["action"], candidates[moved["candidate"]]["box"]) == ("edit", findings[2]["box"])
    assert moved["box"] == pytest.approx(edited, abs=1 / scale)
    assert (drawn["action"], drawn["label"]) == ("add", "pneumothorax")
    assert drawn["box"] == pytest.approx([1000, 1200, 1300, 1500], abs=1 / scale)
    assert review["note"] == "a test <b>note</b>"

    kept = (findings[0], moved, drawn)
    said = sorted((each["label"], *each["box"]) for each in kept)
    (tmp_path / "annotations.json").write_text(json.dumps(server.get("v1/reviews.coco")))
    with zipfile.ZipFile(io.BytesIO(server.get("v1/reviews.labelme"))) as archive:
        archive.extractall(tmp_path / "labelme")
    for form, path in (("coco", tmp_path / "annotations.json"), ("labelme", tmp_path / "labelme")):
        boxes = [
            (finding.label, *finding.box.corners)
            for case in ANNOTATION_FORMATS[form].read(path)
            for reading in case.readings
            if reading.reader == "mouse"
            for finding in reading.findings
        ]
        assert [label for label, *_ in sorted(boxes)] == [label for label, *_ in said]
        assert np.allclose([corners for _, *corners in sorted(boxes)], [corners for _, *corners in said])

    page.reload()
    page.locator("#found li").first.wait_for()
    classes = [row.get_attribute("class").split()[0] for row in page.locator("#found li").all()]
    assert classes[:3] == ["accepted", "rejected", "edited"]
    assert classes[-1] == "added"
    assert page.locator("#note").input_value() == "a test <b>note</b>"


def test_undo_goes_back_step_by_step_and_redo_forward(look_at_all, chest, settle):
    page = look_at_all(chest)
    classes = "(rows) => rows.map((row) => row.className.split(' ')[0])"
    states = [page.eval_on_selector_all("#found li", classes)]
    for keys in (("j", "a"), ("j", "x"), ("j", "e", "ArrowRight"), ("n", "Enter", "ArrowDown", "Enter")):
        for key in keys:
            page.keyboard.press(key)
        settle()
        states.append(page.eval_on_selector_all("#found li", classes))
    assert [states[-1].count(word) for word in ("accepted", "rejected", "edited", "added")] == [1, 1, 1, 1]
    live = page.locator("#live")  # what a screen reader hears of it
    expect(live).to_have_attribute("aria-live", "polite")
    told = [r"\S.* is gone", r"the box of \S.* is where it was", r"\S.* has no verdict", r"\S.* has no verdict"]
    for state, words in zip(reversed(states[:-1]), told, strict=True):
        page.keyboard.press("u")
        settle()
        assert page.eval_on_selector_all("#found li", classes) == state
        expect(live).to_have_text(re.compile(f"^Undone: {words}$"))
    assert page.locator("#undo").is_disabled()
    page.keyboard.press("u")
    expect(live).to_have_text("Nothing to be undone")
    told = [r"\S.* is accepted", r"\S.* is rejected", r"the box of \S.*", r"\S.* is back"]
    for state, words in zip(states[1:], told, strict=True):
        page.keyboard.press("Shift+U")
        settle()
        assert page.eval_on_selector_all("#found li", classes) == state
        expect(live).to_have_text(re.compile(f"^Done again: {words}"))


def test_what_is_not_saved_is_not_lost(look, chest, leg, settle):
    page = look(chest)
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.fill("#note", "to be kept")
    page.locator(f"#rows [data-key='{leg}']").click()
    page.locator("#refusal").wait_for()
    assert page.locator("#note").input_value() == ""
    page.locator(f"#rows [data-key='{chest}']").click()
    page.locator("#found li.rejected").wait_for()
    assert page.locator("#note").input_value() == "to be kept"
    assert page.locator("#saved").inner_text() == "not saved"
    page.reload()
    settle()
    assert asked == ["beforeunload"]


def test_an_answer_that_comes_late_takes_back_no_verdict(look, chest, leg, settle):
    page = look(leg)
    held = []
    asked = re.compile(rf"/v1/readings/{chest}(\?|$)")
    page.route(asked, lambda route: held.append(route))  # noqa: PLW0108 - playwright marks the function
    page.locator(f"#rows [data-key='{chest}']").dblclick()
    page.locator(f"#rows [data-key='{leg}']").click()
    page.locator("#refusal").wait_for()
    page.locator(f"#rows [data-key='{chest}']").click()
    page.locator("#headline", has_text="Opening").wait_for()
    until(lambda: page.evaluate("1") and len(held) >= 2, "the second question")  # the page is heard while it is asked
    settle()
    assert len(held) == 2, "a film that is on its way is not asked for again"
    held[1].continue_()
    page.locator("#found li").first.wait_for()
    page.keyboard.press("j")
    page.keyboard.press("x")
    with page.expect_response(lambda answer: f"/v1/readings/{chest}" in answer.url):
        held[0].continue_()
    page.wait_for_load_state("networkidle")
    settle()
    assert page.locator("#found li.rejected").count() == 1


def test_a_film_is_read_from_upload_to_saved_verdict_without_a_mouse(page, server, rg1, settle):
    page.on("filechooser", lambda chooser: chooser.set_files(rg1["J2KI"]))
    page.goto(server.address)
    page.locator("#worklist-title", has_text="(").wait_for()
    page.keyboard.press("o")
    page.locator("#rows .row.assessed").filter(has_text=rg1["J2KI"].name).wait_for()
    for _ in range(40):  # by Tab into the worklist
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "rows":
            break
    page.keyboard.press("Home")
    for _ in range(40):  # by arrows to the film
        active = "document.getElementById(document.activeElement.getAttribute('aria-activedescendant'))"
        if rg1["J2KI"].name in page.evaluate(f"{active}.textContent"):
            break
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator(f"#film[aria-label*='{rg1['J2KI'].name}']").wait_for()
    settle()
    for key in ("j", "a", "ArrowDown", "x", "n", "Enter"):
        page.keyboard.press(key)
        settle()
    assert page.locator("#label-list [aria-selected=true]").count() == 0, "no label is given unasked"
    page.keyboard.type("consol")
    for key in ("Enter", "ArrowLeft", "Shift+ArrowDown", "Enter", "l"):
        page.keyboard.press(key)
        settle()
    assert page.evaluate("document.activeElement.id") == "label-search"
    assert page.locator("#label-list [role=option]").first.inner_text().startswith("Consolidation"), "used last first"
    page.keyboard.type("Pneumoth")
    page.keyboard.press("Enter")
    settle()
    page.keyboard.press("s")
    assert page.evaluate("document.activeElement.id") == "reader", "a review without a name is not sent"
    page.keyboard.type("keys")
    page.keyboard.press("Control+s")
    page.locator("#saved", has_text="saved ").wait_for()
    reading = page.evaluate("document.querySelector('#rows [aria-selected=true]').dataset.key")
    facts = server.get(f"v1/readings/{reading}")
    verdicts = last_review(server, reading, "keys")["verdicts"]
    actions = [each["action"] for each in verdicts]
    assert (actions[0], set(actions[1:-1]), actions[-1]) == ("accept", {"reject"}, "add")  # all boxes of one name
    assert verdicts[-1]["label"] == "pneumothorax"
    wide, high = facts["width"], facts["height"]
    x0, y0, x1, y1 = verdicts[-1]["box"]
    assert x0 < round(0.4 * wide), "moved to the left"
    assert x1 - x0 == pytest.approx(0.2 * wide, abs=1)
    assert y1 - y0 > 0.2 * high + 1, "made taller"


def test_single_keys_can_be_turned_off(look, chest, settle):
    page = look(chest)
    page.keyboard.press("?")
    page.locator("#single-keys").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    settle()
    assert page.locator("#boxes").get_attribute("aria-pressed") == "true"
    page.reload()
    page.locator("#found li").first.wait_for()
    page.keyboard.press("b")
    settle()
    assert page.locator("#boxes").get_attribute("aria-pressed") == "true"
    page.locator("#boxes").click()
    settle()
    assert page.locator("#boxes").get_attribute("aria-pressed") == "false"


def test_the_rest_is_absent_only_once_each_listed_box_has_a_verdict(look, server, chest, settle):
    before = len(server.get(f"v1/readings/{chest}")["reviews"])
    page = look(chest)
    page.fill("#reader", "a reader of everything")
    listed = page.locator("#found li").count()
    page.locator("#complete").check()
    page.locator("#save-here").click()
    settle()
    assert f"not saved: {listed} boxes have no verdict" in page.locator("#saved").inner_text()
    assert len(server.get(f"v1/readings/{chest}")["reviews"]) == before
    for row in page.locator("#found li").all():
        row.locator("[data-key^=reject]").click()
        settle()
    page.locator("#save-here").click()
    page.locator("#saved", has_text=re.compile("^saved")).wait_for()
    assert set(server.get(f"v1/readings/{chest}")["reviews"][-1]["reading"]["states"].values()) == {"absent"}


def test_a_learner_sees_nothing_of_the_models_on_any_film(look, chest, leg, settle):
    page = look(chest)
    page.keyboard.press("t")
    settle()
    assert "%" not in page.locator("#rows").inner_text()
    assert page.locator("#film").get_attribute("aria-label").endswith(": Your reading first")
    assert page.locator("#heat").is_disabled()
    page.keyboard.press("r")
    settle()
    assert "%" in page.locator(f"#rows [data-key='{chest}']").inner_text()
    assert page.locator("#heat").is_enabled()
    page.locator(f"#rows [data-key='{leg}']").click()
    page.locator("#refusal").wait_for()
    assert page.locator("#lesson").is_hidden()
    page.locator(f"#rows [data-key='{chest}']").click()
    page.locator("#headline", has_text="Your reading first").wait_for()
    assert page.locator("#found li").count() == 0
    page.locator("#teach").click()
    page.locator("#found li").first.wait_for()


def test_a_learner_draws_first_and_is_scored(look, server, chest, settle):
    truth = [
        {"label": "atelectasis", "box": [740, 790, 1100, 1180]},
        {"label": "effusion", "box": [10, 1500, 300, 1900]},
    ]
    server.post(f"v1/readings/{chest}/truth", {"reader": "a test", "findings": truth})
    before = len(server.get(f"v1/readings/{chest}")["reviews"])
    page = look(chest)
    page.keyboard.press("t")
    settle()
    assert page.locator("#found li").count() == 0
    assert "%" not in page.locator("#side").inner_text(), "nothing of the model's is seen before"
    page.keyboard.press("Enter")  # in the middle: 736 to 1105, 782 to 1173
    page.keyboard.type("atelectasis")
    page.keyboard.press("Enter")
    settle()
    page.keyboard.press("r")
    settle()
    words = page.locator("#lesson-score").inner_text()
    assert "Against the truth: 1 of 2 found" in words
    assert "1 missed, 0 extra" in words
    assert "Against the model: 0 of" in words
    page.keyboard.press("t")
    settle()
    page.locator("#experimental").click()
    settle()
    assert page.locator("#found li").count() > 3
    assert len(server.get(f"v1/readings/{chest}")["reviews"]) == before, "an exercise is no review"


# As the button does, which a dialog covers.
THEME = "document.getElementById('theme').click()"


def test_axe_finds_nothing_serious(look, faults, chest, leg, settle):
    page = look(chest)

    def in_both_themes():
        for _ in range(2):
            assert faults() == []
            page.evaluate(THEME)

    page.keyboard.press("j")
    page.keyboard.press("a")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("h")
    page.keyboard.press("n")
    page.keyboard.press("Enter")
    page.locator("#label-search").wait_for()
    in_both_themes()
    page.keyboard.type("mass")
    page.keyboard.press("Enter")
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    settle()
    in_both_themes()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    in_both_themes()
    page.keyboard.press("Escape")
    page.locator("#compare").click()
    page.locator("#then select").wait_for()
    settle()
    in_both_themes()
    page.locator("#compare").click()
    page.locator("#teach").click()
    settle()
    in_both_themes()
    page.locator(f"#rows [data-key='{leg}']").click()
    page.locator("#refusal").wait_for()
    in_both_themes()
