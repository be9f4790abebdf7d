"""The page makes no false training data: what was not read is not looked at, and exports say which film is which."""

import json
import zipfile

import pytest
from playwright.sync_api import expect


@pytest.fixture(scope="module")
def garbage(server, tmp_path_factory):
    """A file that is no film, shaped like ../shared/cases/o3-unreadable."""
    path = tmp_path_factory.mktemp("garbage") / "garbage.dcm"
    path.write_bytes(bytes(range(256)) * 4)
    return server.read(path, "garbage.dcm")


@pytest.mark.parametrize("film", ["garbage", "leg"])
def test_a_film_that_was_not_read_is_not_looked_at_for_everything(page, server, settle, request, film):
    reading = request.getfixturevalue(film)
    page.goto(f"{server.address}?id={reading}")
    page.locator("#refusal").wait_for()
    settle()
    assert page.locator("#complete").is_disabled()
    assert page.locator("#complete-words").inner_text() == "Not assessed: nothing can be called absent"
    page.fill("#reader", f"reader of {film}")
    page.fill("#note", "not a film")
    settle()
    page.evaluate("document.getElementById('complete').checked = true")  # however it came to be on
    page.locator("#save-here").click()
    page.locator("#saved", has_text="saved ").wait_for()
    review = server.get(f"v1/readings/{reading}")["reviews"][-1]
    assert (review["complete"], review["reading"]["states"], review["note"]) == (False, {}, "not a film")


def test_going_from_a_film_that_was_looked_at_to_one_that_cannot_be(look, page, chest, garbage, settle):
    look(chest)
    page.locator("#complete").check()
    page.locator(f"#rows [data-key='{garbage}']").click()
    page.locator("#refusal").wait_for()
    settle()
    assert not page.locator("#complete").is_checked()
    assert page.locator("#complete").is_disabled()
    page.locator(f"#rows [data-key='{chest}']").click()
    page.locator("#found li").first.wait_for()
    settle()
    assert page.locator("#complete").is_enabled()
    assert page.locator("#complete-words").inner_text() == "Looked for everything: the rest is absent"


def test_an_export_names_the_films_that_this_page_sent(page, serve, rg1, settle, faults, tmp_path):
    server = serve()  # keeps no names
    path = tmp_path / "Doe, Jane.dcm"
    path.write_bytes(rg1["UNCI"].read_bytes())
    page.on("filechooser", lambda chooser: chooser.set_files(path))
    page.goto(server.address)
    page.locator("#worklist-title", has_text="(").wait_for()
    page.keyboard.press("o")
    page.locator("#rows .row.assessed").filter(has_text=path.name).click()
    page.locator("#found li").first.wait_for()
    page.reload()
    row = page.locator("#rows .row.assessed").filter(has_text=path.name)  # its name survives, in this tab alone
    row.click()
    page.locator("#found li").first.wait_for()
    settle()
    reading = row.get_attribute("data-key")
    page.fill("#reader", "exporter")
    page.locator("#found li").first.locator("[data-key^=reject]").click()
    page.locator("#save-here").click()
    page.locator("#saved", has_text="saved ").wait_for()
    page.locator("#exports summary").focus()
    page.keyboard.press("Enter")
    with page.expect_download() as download:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # COCO with films, by one link
    packed = zipfile.ZipFile(download.value.path())
    value = json.loads(packed.read("annotations.json"))
    image = next(each for each in value["images"] if each.get("case_id") == reading)
    facts = server.get(f"v1/readings/{reading}")
    assert (image["file_name"], image["source_name"]) == ("images/Doe, Jane.png", "Doe, Jane.dcm")
    assert image["source_sha256"] == facts["result"]["image"]["sha256"]
    assert [each["reader"] for each in value["rejected"] if each["image_id"] == image["id"]] == ["exporter"]
    assert image["file_name"] in packed.namelist()
    assert faults() == []
    (told,) = [each for each in image["readings"] if each["reader"] == "exporter"]
    saved = [each for each in facts["reviews"] if each["reader"] == "exporter"][-1]
    assert (told["created"], told["basis"]) == (
        saved["created"],
        "{name} {version} sha256 {sha256}".format(**saved["model"]),
    )
    assert "Doe" not in json.dumps(server.get("v1/reviews.coco"))


def test_a_finger_filters_compares_undoes_and_exports(browser, server, chest, nasty_film):
    server.read(nasty_film)  # an earlier film of the same patient
    context = browser.new_context(viewport={"width": 820, "height": 1180}, has_touch=True)
    page = context.new_page()
    page.goto(f"{server.address}?id={chest}")
    page.locator("#found li").first.wait_for()
    page.locator("#found li [data-key^=accept]").first.tap()
    page.locator("#found li.accepted").wait_for()
    page.locator("#undo").tap()
    expect(page.locator("#found li.accepted")).to_have_count(0)
    page.locator("#tools .fold", has_text="Mode").tap()
    page.locator("#compare").tap()
    page.locator("#prior[aria-label*=': ']").wait_for()
    expect(page.locator("#changed")).to_contain_text("lung opacity, right middle zone")
    page.locator("#over").tap()
    page.locator("#split").wait_for()
    page.locator("#toggle-list").tap()
    page.locator("[data-key=show-refused]").tap()
    expect(page.locator(f"#rows [data-key='{chest}']")).to_have_count(0)
    page.locator("#exports summary").tap()
    with page.expect_download() as download:
        page.locator("#exports a", has_text="with films").first.tap()
    assert "annotations.json" in zipfile.ZipFile(download.value.path()).namelist()
    context.close()
