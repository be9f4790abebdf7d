"""Screening in the page: the score against the threshold, one decision, the register."""

import csv
import io
import re

import pytest
from playwright.sync_api import expect


@pytest.fixture(scope="module")
def clinic(serve, rg1, pydicom_data):
    """A server that screens, and two people: a chest film, and a leg, which is no chest film."""
    server = serve("--screen", "tuberculosis")
    server.read(rg1["UNCR"], "P1.dcm")
    server.read(pydicom_data / "RG3_UNCR.dcm", "P2.dcm")
    return server


def test_people_are_decided_on_one_after_the_other_and_go_into_the_register(page, clinic, faults):
    page.goto(clinic.address)
    advice = page.locator("#advice")
    expect(advice).to_have_text(re.compile("Advice: repeat film. .+: .+"))  # who must be filmed again comes first
    expect(page.locator("#sort")).to_have_value("screening")
    page.get_by_role("button", name="repeat film").click()
    expect(page.locator("#decided")).to_have_text("Not decided: who reads? Give a name.")
    expect(page.locator("#reader")).to_be_focused()
    page.keyboard.type("R1")
    page.get_by_role("button", name="repeat film").click()
    expect(advice).to_have_text(re.compile(r"Pulmonary tuberculosis .+ %.* \(the model's own threshold\)\. Advice: "))
    assert faults() == []
    page.get_by_role("button", name="refer", exact=True).click()
    expect(page.locator("#decided")).to_have_text("Decided: refer")
    expect(page.locator("#rows .by").first).to_be_visible()
    page.locator("#exports summary").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Register").click()
    text = download.value.path().read_text()
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(text))}
    assert {row["decision"] for row in rows.values()} == {"refer", "repeat film"}
    assert {row["decided_by"] for row in rows.values()} == {"R1"}
    assert all(row["why_repeat"] for row in rows.values() if row["decision"] == "repeat film")


def test_a_server_that_screens_nobody_shows_nothing_of_it(look, chest, page):
    look(chest)
    expect(page.locator("#screening")).to_be_hidden()
    expect(page.locator("#register")).to_be_hidden()
    assert page.locator("#sort option[value=screening]").count() == 0
