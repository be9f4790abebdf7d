"""The report to copy: one key or one tap, with the reader's verdicts in it, in either language."""

import re

import pytest


@pytest.fixture
def clipboard(page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    return lambda: page.evaluate("navigator.clipboard.readText()")


def copied(page):
    page.locator("#copy-report", has_text="Copied").wait_for()


def test_one_key_copies_what_the_reader_says_now(look, server, chest, settle, clipboard):
    page = look(chest)
    page.keyboard.press("y")
    copied(page)
    assert clipboard().strip() == server.get(f"v1/readings/{chest}/report", reader="")["text"].strip()
    assert "reviewed by nobody" in clipboard()

    page.fill("#reader", "Dr. K")
    page.locator("#headline").click()
    page.keyboard.press("j")
    page.keyboard.press("a")
    page.keyboard.press("y")  # at once: what is copied waits for the text that the verdict makes
    copied(page)
    words = clipboard()
    assert "reviewed by Dr. K" in words
    first = page.locator("#found li").first.locator(".name").first.inner_text()
    assert re.search(rf"\d\. {re.escape(first)}, right middle zone\.\n", words)

    page.keyboard.press("x")
    settle()
    page.fill("#note", "Sternal wires.")
    page.locator("#headline").click()
    page.select_option("#language", "de")
    page.locator("#report", has_text="BEFUND").wait_for()
    page.keyboard.press("y")
    copied(page)
    assert "geprüft von Dr. K" in clipboard()
    assert "ANMERKUNG: Sternal wires." in clipboard()
    assert page.locator("#report").get_attribute("lang") == "de"
    assert clipboard().strip() == page.locator("#report").inner_text().strip()
    page.reload()
    page.locator("#report", has_text="BEFUND").wait_for()  # this browser remembers the language
    page.select_option("#language", "en")


def test_a_learner_can_neither_read_nor_copy_what_the_model_says(look, chest, settle, clipboard):
    page = look(chest)
    page.locator("#report", has_text="FINDINGS").wait_for()
    page.evaluate("navigator.clipboard.writeText('before')")
    page.keyboard.press("t")
    settle()
    assert page.locator("#report-box").is_hidden()
    assert page.locator("#copy-report").is_disabled()
    page.keyboard.press("y")
    settle()
    assert clipboard() == "before"


def test_a_finger_copies_too_and_nothing_serious_is_found(browser, server, chest, leg):
    context = browser.new_context(viewport={"width": 820, "height": 1180}, has_touch=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{server.address}?id={leg}")
    page.locator("#report", has_text="Not assessed by lungspot").wait_for()
    page.locator("#copy-report").tap()
    copied(page)
    assert "Not assessed by lungspot: an X-ray" in page.evaluate("navigator.clipboard.readText()")
    page.goto(f"{server.address}v1/readings/{chest}/report.html?language=de")
    page.locator("#copy").tap()  # in its sandbox a page has no clipboard but by what is chosen
    page.locator("#copied", has_text="copied").wait_for()
    context.close()
