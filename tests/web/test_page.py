"""The page as a person meets it: nothing leaves it, it opens without a network, it saves what lungspot writes."""

import functools
import json
import re

import jsonschema
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect
from tests.web.conftest import Quiet

from lungspot.images import read
from lungspot.outputs import Outputs, is_drawn
from lungspot.report import review_from_json, schema
from lungspot.web import write_page


@pytest.fixture(scope="module")
def film(rg1):
    return rg1["UNCR"]


@pytest.fixture(scope="module")
def opened(own_page, film, tmp_path_factory):
    """The page with a chest film whose result is shown; and what was asked of anybody since it was given."""
    picture = tmp_path_factory.mktemp("film") / "a name of a person.png"
    pixels = Image.fromarray((read(film).pixels * 255).astype("uint8")).resize((978, 921))
    pixels.save(picture)
    own_page.requests.clear()
    with own_page.page.expect_file_chooser() as chooser:
        by_tab(own_page.page, "#open")
    chooser.value.set_files(picture)
    own_page.page.locator("#report", has_text="IMPRESSION").wait_for()
    return own_page


WHERE = """(wanted) => {
  const { activeElement: here } = document;
  const { outlineStyle, outlineWidth } = getComputedStyle(here);
  const seen = outlineStyle !== "none" && parseFloat(outlineWidth) >= 1;
  return { there: [`#${here.id}`, here.textContent.trim()].includes(wanted), seen, html: here.outerHTML.slice(0, 100) };
}"""


def by_tab(page, wanted):
    """Go with Tab alone to what has this id or text, and press Enter; each stop on the way is seen."""
    for _ in range(150):
        page.keyboard.press("Tab")
        stop = page.evaluate(WHERE, wanted)
        assert stop["seen"] or "<body" in stop["html"] or "<html" in stop["html"], stop
        if stop["there"]:
            return page.keyboard.press("Enter")
    pytest.fail(f"Tab never comes to {wanted}")


@pytest.fixture(autouse=True)
def fresh(opened):
    opened.page.set_viewport_size({"width": 1366, "height": 768})


def test_reviews_of_no_film_are_exported_as_none_and_a_store_without_all_files_is_given_up(browser, files, tmp_path):
    page = browser.new_page()
    page.set_default_timeout(90000)  # the runtime and the model are read anew; the machine may be busy
    files.lost.add("/LICENCES.txt")  # only the store asks for it
    page.goto(f"http://127.0.0.1:{files.server_port}/")
    page.locator("html[data-threads]").wait_for(state="attached")
    page.get_by_text("Export reviews").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON").click()
    download.value.save_as(tmp_path / "reviews.json")
    expect(page.locator("html")).to_have_attribute("data-offline", "none")
    page.close()
    files.lost.clear()
    assert json.loads((tmp_path / "reviews.json").read_text())["reviews"] == []
    assert not [path for path in files.asked if "v1/" in path]


def test_a_film_is_read_and_nobody_is_asked_for_anything(opened, files):
    before = len(files.asked)
    opened.page.get_by_role("slider", name="Sensitivity").press("ArrowRight")
    expect(opened.page.locator("#point-word")).to_have_text("sensitive")
    expect(opened.page.locator("#found li").first).to_be_visible()
    opened.page.locator("#heat").click()
    opened.page.locator("canvas#film[data-heat]:not([data-heat=''])").wait_for()
    opened.page.locator("#heat").click()
    assert opened.requests == []
    assert len(files.asked) == before


TRIES = """async () => {
  const told = (name, act) => act().then(() => `${name} sent`, () => `${name} refused`);
  const opened = (make, event) => new Promise((done, fail) => Object.assign(make(), { [event]: done, onerror: fail }));
  const image = () => opened(() => Object.assign(new Image(), { src: "/leak?1" }), "onload");
  const socket = async () => opened(() => new WebSocket(`ws://${location.host}/leak`), "onopen");
  navigator.sendBeacon("/leak?2", "film");
  return Promise.all([told("fetch", () => fetch("/leak?3")), told("image", image), told("socket", socket)]);
}"""


def test_the_page_may_connect_to_nothing_not_even_where_it_came_from(opened, files):
    assert opened.page.evaluate(TRIES) == ["fetch refused", "image refused", "socket refused"]
    assert not [path for path in files.asked if "leak" in path]
    assert "person" not in opened.page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }])")


def test_all_that_a_film_is_looked_at_with_works_by_keys_alone(opened):
    page = opened.page
    page.keyboard.press(".")
    expect(page.locator("#point-word")).to_have_text("sensitive")
    page.keyboard.press("j")
    expect(page.locator("#found li.on .pick")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("a")
    expect(page.locator("#found li.on")).to_contain_text("accepted")
    page.keyboard.press("u")
    expect(page.locator("#found li.on")).not_to_contain_text("accepted")
    by_tab(page, "#boxes")
    expect(page.locator("#boxes")).to_have_attribute("aria-pressed", "false")
    by_tab(page, "#heat")
    expect(page.locator("canvas#film")).to_have_attribute("data-heat", re.compile("."))
    by_tab(page, "#preset-3")
    expect(page.locator("#preset-3")).to_have_attribute("aria-pressed", "true")
    window = page.locator("#window-note").text_content()
    page.keyboard.press("Shift+ArrowUp")
    expect(page.locator("#window-note")).not_to_have_text(window)
    for key in ("1", "b", "h", ",", "Escape"):
        page.keyboard.press(key)
    expect(page.locator("#point-word")).to_have_text("balanced")


def test_what_is_saved_by_keys_alone_is_as_lungspot_writes_it(opened, tmp_path):
    by_tab(opened.page, "About this film")

    def saved(words):
        with opened.page.expect_download() as download:
            by_tab(opened.page, words)
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        return path

    document = json.loads(saved("Save JSON").read_text())
    jsonschema.validate(document, schema())
    assert document["image"]["path"] == "a name of a person.png"
    assert document["not_for_clinical_use"] is True
    assert saved("Save report").read_text() == opened.page.locator("#report").text_content()
    picture = saved("Save picture")
    assert is_drawn(picture)
    with Image.open(picture) as drawn:
        assert drawn.size[1] > 921


def test_a_review_changes_the_report_and_can_be_exported(opened, tmp_path):
    page = opened.page
    page.locator("#reader").fill("Dr Test")
    page.locator("#normal").click()
    expect(page.locator("#report")).to_contain_text("reviewed by Dr Test")
    page.locator("#save-here").click()
    expect(page.locator("#saved")).to_contain_text("saved")
    page.get_by_text("Export reviews").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON").click()
    download.value.save_as(tmp_path / "reviews.json")
    value = json.loads((tmp_path / "reviews.json").read_text())
    assert value["schema"] == "lungspot-reviews/1"
    assert review_from_json(value["reviews"][0]).reader == "Dr Test"


def test_what_is_no_film_says_why(opened, tmp_path):
    (tmp_path / "letter.txt").write_text("hello")
    opened.page.set_input_files("#picker", tmp_path / "letter.txt")
    row = opened.page.locator(".row", has_text="letter.txt")
    expect(row).to_contain_text("Not assessed")
    row.click()
    expect(opened.page.locator("#refusal")).to_contain_text("NOT_AN_IMAGE")


UNREAD = """async () => {
  const api = await import(new URL("viewer/api.js", document.baseURI));
  const [file] = document.getElementById("gone").files;
  const { readings: [{ id }] } = await api.upload(file, () => {});
  const { result, headline } = await api.reading(id);
  await api.remove(id);
  return { reasons: result.reasons, headline };
}"""


def test_a_file_that_is_gone_when_its_turn_comes_says_so(opened, tmp_path):
    page = opened.page
    (tmp_path / "gone.png").write_bytes(b"film")
    page.evaluate("document.body.append(Object.assign(document.createElement('input'), { type: 'file', id: 'gone' }))")
    page.set_input_files("#gone", tmp_path / "gone.png")
    (tmp_path / "gone.png").unlink()
    said = page.evaluate(UNREAD)
    page.evaluate("document.getElementById('gone').remove()")
    assert said["reasons"] == ["NOT_READABLE"]
    assert said["headline"].startswith("Not assessed: the browser cannot read it")


UNTAKEN = """async () => {
  const api = await import(new URL("viewer/api.js", document.baseURI));
  const { arrayBuffer } = Blob.prototype;
  Blob.prototype.arrayBuffer = async () => { throw new Error("the page took the bytes itself"); };
  try {
    const { readings: [{ id }] } = await api.upload(new File(["x"], "x.png"), () => {});
    const { result } = await api.reading(id);
    await api.remove(id);
    return result.reasons;
  } finally {
    Blob.prototype.arrayBuffer = arrayBuffer;
  }
}"""


def test_the_bytes_of_a_film_are_taken_by_the_thread_alone(opened):
    assert opened.page.evaluate(UNTAKEN) == ["NOT_AN_IMAGE"]


@pytest.mark.long
def test_a_page_that_was_given_a_film_opens_it_by_itself_and_offline(browser, serving, rg1, tmp_path):
    write_page(Outputs(), tmp_path / "page", film=rg1["J2KI"])
    with serving(functools.partial(Quiet, directory=str(tmp_path / "page")), asked=[], lost=set()) as server:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        expect(page.locator("#report")).to_contain_text("IMPRESSION", timeout=180_000)
        expect(page.locator(".row")).to_contain_text("RG1_J2KI.dcm")
        expect(page.locator("html")).to_have_attribute("data-offline", "ready")
        page.context.set_offline(True)
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        expect(page.locator("#report")).to_contain_text("IMPRESSION", timeout=180_000)
        page.close()


@pytest.mark.parametrize("width", [1366, 390])
def test_axe_finds_nothing(opened, width):
    opened.page.set_viewport_size({"width": width, "height": 768})
    found = Axe().run(opened.page)
    assert found.violations_count == 0, found.generate_report()
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_it_opens_and_reads_without_a_network_and_on_several_threads(opened, tmp_path):
    page = opened.page
    page.context.set_offline(True)
    try:
        page.goto(opened.address)
        page.locator("html[data-threads]").wait_for(state="attached")
        assert page.evaluate("crossOriginIsolated")
        Image.effect_noise((256, 256), 60).save(tmp_path / "noise.png")
        page.set_input_files("#picker", tmp_path / "noise.png")
        expect(page.locator("#headline")).to_contain_text("Not assessed")
    finally:
        page.context.set_offline(False)
