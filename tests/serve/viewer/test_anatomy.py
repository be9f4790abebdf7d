"""Heart and lungs in the viewer: shown and hidden by key and button, named, and not where they lie as in no chest."""

import pytest

NAMES = """async (anatomy) => {
  const m = await import('/viewer/anatomy.js');
  return m.organsOf(anatomy && { anatomy }).map(({ name, box }) => [name, ...box]);
}"""
SIDED = {
    "heart": [7, 8, 12, 14],
    "left_lung": [10, 2, 16, 15],
    "right_lung": [2, 2, 8, 14],
    "lungs": [[2, 2, 8, 14], [10, 2, 16, 15]],
    "cardiothoracic_ratio": 0.36,
    "mirrored": False,
}
UNSIDED = SIDED | {"left_lung": None, "right_lung": None}


@pytest.mark.parametrize(
    ("anatomy", "names"),
    [
        (SIDED, ["heart", "left lung", "right lung"]),
        (UNSIDED, ["heart", "lung", "lung"]),
        (SIDED | {"cardiothoracic_ratio": None}, []),
        (UNSIDED | {"cardiothoracic_ratio": None, "heart": None}, []),
        (None, []),
    ],
)
def test_what_is_shown_and_what_it_is_called(page, server, anatomy, names):
    page.goto(server.address)
    found = page.evaluate(NAMES, anatomy)
    assert [name for name, *_ in found] == names
    assert not found or [box for _, *box in found][:1] == [SIDED["heart"]]


SAID = """async () => (await import("/viewer/main.js")).now.words.map((word) => word.text)"""


@pytest.mark.usefixtures("outlined")
def test_they_are_shown_and_hidden_by_key_and_button(look, chest, settle, faults):
    page = look(chest)
    button = page.locator("#anatomy")
    drawn = page.locator("#now").screenshot()
    assert button.get_attribute("aria-pressed") == "false"
    page.keyboard.press("Shift+H")
    settle()
    assert page.locator("#live").inner_text() == "Heart and lungs are shown"
    assert button.get_attribute("aria-pressed") == "true"
    shown = page.locator("#now").screenshot()
    assert shown != drawn
    assert {"heart", "left lung", "right lung"} <= set(page.evaluate(SAID))
    assert faults() == []
    page.locator("#tools .always .fold").click()
    button.click()
    settle()
    assert page.locator("#live").inner_text() == "Heart and lungs are hidden"
    page.keyboard.press("Shift+H")
    page.keyboard.press("b")  # they do not go with the boxes
    settle()
    assert {"heart", "left lung", "right lung"} <= set(page.evaluate(SAID))
    page.keyboard.press("?")
    assert "heart and lungs on or off" in page.locator("dialog[open]").inner_text()


def test_where_they_lie_as_in_no_chest_that_is_said(look, chest, settle):
    page = look(chest)  # masses lie beside this heart
    drawn = page.locator("#now").screenshot()
    page.keyboard.press("Shift+H")
    settle()
    assert page.locator("#live").inner_text() == "No heart and lungs were found that lie as in a chest"
    assert page.locator("#now").screenshot() == drawn
