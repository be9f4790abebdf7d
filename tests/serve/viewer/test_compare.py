"""A prior film hangs left, follows in zoom, pan and window, may lie over the open one; no other patient's unasked."""

import io
import json
import re

import numpy as np
import pydicom
import pytest
from PIL import Image
from playwright.sync_api import expect
from tests.orthanc import until

NOW = """async () => {
    const { store } = await import("/viewer/main.js");
    const { prior, window, compare } = store.state;
    return { window, compare, prior: prior && { window: prior.window, id: prior.reading.id } };
}"""


@pytest.fixture(scope="module")
def priors(server, rg1, tmp_path_factory):
    """The reading of a patient's film of 2020, among its films of 2010, 2019 and 2021."""
    folder = tmp_path_factory.mktemp("priors")
    found = {}
    for year in (2010, 2021, 2019, 2020):
        data = pydicom.dcmread(rg1["UNCR"])
        data.PatientID, data.StudyDate, data.ContentDate = "compared", f"{year}0301", f"{year}0301"
        data.SOPInstanceUID = f"1.2.3.{year}"
        data.save_as(folder / f"{year}.dcm")
        found[year] = server.read(folder / f"{year}.dcm", f"{year}.dcm")
    return found


def as_large(page):
    """Return where the prior film's canvas and the open one's are; one is as large as the other."""
    one, other = page.locator("#prior").bounding_box(), page.locator("#film").bounding_box()
    assert (one["width"], one["height"]) == pytest.approx((other["width"], other["height"]), abs=1)
    return one, other


def on_a_telephone(page):
    page.locator("#toggle-list").click()
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.locator("#stages")).not_to_have_class(re.compile("stacked"))
    one, other = as_large(page)
    assert one["x"] + one["width"] <= other["x"], "a low room: side by side"
    page.locator("#toggle-side").click()
    expect(page.locator("#stages")).to_have_class(re.compile("stacked"))
    one, other = as_large(page)
    assert one["y"] + one["height"] <= other["y"], "a high room: one below the other"
    page.locator("#toggle-side").click()


def grey(page, selector):
    return np.asarray(Image.open(io.BytesIO(page.locator(selector).screenshot())).convert("L")).astype(float)


def test_one_key_hangs_the_newest_earlier_film_left_and_both_move_together(look, priors, settle, faults):
    page = look(priors[2020])
    page.keyboard.press("b")
    page.keyboard.press("c")
    page.locator("#prior[aria-label*=': ']").wait_for()
    state = page.evaluate(NOW)
    assert state["prior"]["id"] == priors[2019]
    left, right = as_large(page)
    assert left["x"] + left["width"] <= right["x"], "prior left, current right"
    assert left["y"] == right["y"]
    page.keyboard.press("3")
    page.keyboard.press("i")
    page.mouse.move(right["x"] + 100, right["y"] + 200)
    page.mouse.down(button="right")
    page.mouse.move(right["x"] + 130, right["y"] + 180, steps=3)
    page.mouse.up(button="right")
    settle()
    state = page.evaluate(NOW)
    assert state["window"] == state["prior"]["window"], "the same film, so the same window"
    assert state["window"]["invert"]
    before = grey(page, "#prior")
    page.keyboard.press("+")
    page.keyboard.press("Control+ArrowLeft")
    settle()
    assert np.abs(grey(page, "#prior") - before).mean() > 3
    page.keyboard.press("f")
    page.keyboard.press("i")
    page.keyboard.press("1")
    page.keyboard.press("Shift+I")
    page.keyboard.press("Shift+P")
    settle()
    assert page.locator("#prior").is_hidden()
    assert faults() == []
    whole = grey(page, "#film")
    page.locator("#split").focus()
    page.keyboard.press("Home")
    settle()
    alone = grey(page, "#film")
    assert np.abs(alone - whole).max() > 50, "the line has moved"
    assert np.abs(alone - whole).mean() < 2, "both films are the same"
    page.locator("#over").click()
    on_a_telephone(page)
    page.keyboard.press("c")
    settle()
    assert page.locator("#then").is_hidden()


def test_what_changed_is_said_of_the_film_that_hangs_beside(look, priors, server):
    page = look(priors[2020])
    changed = page.locator("#changed")
    page.locator("#report", has_text="COMPARISON: A film of 366 days before. Against it: ").wait_for()
    expect(changed).to_be_hidden()
    page.keyboard.press("c")
    expect(changed).to_have_text(re.compile("^A film of 366 days before. Against it: "))
    for _ in range(page.locator("#found li").count()):
        page.keyboard.press("j")
        page.keyboard.press("x")
    expect(changed).to_contain_text("Marked on one of the two only, where both look alike: ")
    page.locator("#then select").select_option(priors[2010])
    expect(changed).to_have_text(re.compile("^A film of 3653 days before. "))
    expect(page.locator("#report")).to_contain_text("COMPARISON: A film of 3653 days before.")
    page.keyboard.press("c")
    expect(changed).to_be_hidden()
    (kept,) = [
        each["resource"]["text"]["div"]
        for each in json.loads(server.get(f"v1/readings/{priors[2020]}/fhir"))["entry"]
        if each["resource"]["resourceType"] == "DiagnosticReport"
    ]
    assert "A film of 366 days before. Against it: " in kept


WORDS = """async () => {
    const { store } = await import("/viewer/main.js");
    const scene = await import("/viewer/scene.js");
    const [state, lines] = [store.state, (marks) => marks.map(({ text, short }) => [text, short])];
    return [lines(scene.marks(state)), state.prior ? lines(scene.priorMarks(state, state.prior.reading)) : []];
}"""


def test_each_place_says_at_its_box_and_in_the_list_what_became_of_it(look, priors):
    """The two films are one, so that each place is unchanged; what one film alone marks is said on that film."""
    page = look(priors[2020])
    page.keyboard.press("c")
    expect(page.locator("#found li.first .became").first).to_have_text("Against the prior film: unchanged")
    now, then = page.evaluate(WORDS)
    assert now
    assert all(text.endswith("\nunchanged") for mark in now for text in mark)
    assert not any("unchanged" in text for mark in then for text in mark)
    for _ in range(page.locator("#found li").count()):
        page.keyboard.press("j")
        page.keyboard.press("x")
    expect(page.locator("#found .became")).to_have_count(0)
    assert all(text.endswith("\nboth films look alike here") for mark in page.evaluate(WORDS)[1] for text in mark)
    page.keyboard.press("c")
    expect(page.locator("#then")).to_be_hidden()
    assert not any("alike here" in text for mark in page.evaluate(WORDS)[0] for text in mark)


LOOKED_AHEAD = """() => import("/viewer/main.js").then(
    ({ store: { state } }) => state.film && state.beside?.id === state.id)"""


def test_a_film_chosen_twice_is_asked_for_once(look, priors, settle):
    page = look(priors[2020])
    until(lambda: page.evaluate(LOOKED_AHEAD), "the film beside looked up")
    page.evaluate("import('/viewer/ahead.js').then(({ letGo }) => letGo())")  # else the films may be here already
    asked, held = [], []
    page.route("**/image.raw16", lambda route: (asked.append(route.request.url), held.append(route)))
    page.keyboard.press("c")
    page.locator("#then select").select_option(priors[2019])  # the film that is on its way already
    settle()
    page.locator("#then select").select_option(priors[2010])
    until(lambda: page.evaluate("1") and len(held) == 2, "the second question")
    held[1].continue_()
    page.locator("#prior[aria-label*=': ']").wait_for()
    held[0].continue_()
    page.wait_for_load_state("networkidle")
    settle()
    assert page.evaluate(NOW)["prior"]["id"] == priors[2010], "the film that was chosen last"
    assert len(asked) == 2
    page.unroute("**/image.raw16")


def test_no_other_patients_film_is_shown_unasked(look, priors, settle):
    page = look(priors[2010])
    page.keyboard.press("c")
    page.locator("#then select").wait_for()
    settle()
    assert page.evaluate(NOW)["prior"] is None
    assert page.locator("#then option:checked").inner_text() == "choose a film…"
    page.locator("#then select").select_option(priors[2021])
    page.locator("#prior[aria-label*=': ']").wait_for()
    settle()
    assert "days later" in page.locator("#then option:checked").inner_text()
    assert page.locator("#then p").inner_text() == ""
