"""Cases for teaching in the page: drawn first, then told, counted over the session; by keys and by finger."""

import pytest
from PIL import Image

import lungspot
from lungspot.findings import Box, Frame, Reading
from lungspot.formats import Case, FilmTransfer
from lungspot.formats.catalog import ANNOTATION_FORMATS


@pytest.fixture(scope="module")
def school(serve, rg1, tmp_path_factory):
    """A server that teaches with two films: the real chest film, and the same a little darker."""
    pixels = lungspot.read(rg1["UNCR"]).pixels
    films = tmp_path_factory.mktemp("films")
    cases = []
    for number in range(2):
        path = films / f"film{number}.png"
        Image.fromarray((pixels * (255 - number)).astype("uint8")).save(path)
        frame = Frame(pixels.shape[1], pixels.shape[0])
        reading = Reading.of_boxes("R", frame, [("pneumonia", Box(730, 780, 1110, 1180))], ("pneumonia", "effusion"))
        cases.append(Case(path.stem, "mine", path.stem, (reading,), path, frame))
    out = tmp_path_factory.mktemp("coco") / "set"
    ANNOTATION_FORMATS["coco"].write(cases, out, films=FilmTransfer.COPY)
    return serve("--teach", f"coco:{out}")


def begin(page, school):
    while school.get("v1/readings")["counts"]["done"] < 2:
        pass
    page.goto(school.address)
    page.wait_for_selector("#lesson:not([hidden])")
    assert "%" not in page.locator("#side").inner_text(), "nothing of the model's is seen before"


def test_keys_alone_answer_and_are_told_and_counted(page, school, settle, faults):
    begin(page, school)
    page.keyboard.press("n")
    page.keyboard.press("Enter")  # a box in the middle
    page.keyboard.type("pneumonia")
    page.keyboard.press("Enter")
    settle()
    page.keyboard.press("r")  # nobody is named yet
    page.locator("#lesson-score", has_text="Give a name").wait_for()
    page.keyboard.type("S1")
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    page.locator("#lesson-score", has_text="Against the truth: 1 of 1 found").wait_for()
    assert (
        page.locator("#session")
        .inner_text()
        .startswith("S1: 1 film, 100 % of 1 place found at 0.00 false marks a film")
    )
    assert faults() == []
    page.keyboard.press("]")
    page.locator("#lesson-score", has_text="draw what you see").wait_for()
    page.keyboard.press("r")
    page.locator("#session", has_text="S1: 2 films, 50 % of 2 places found").wait_for()
    assert school.get("v1/lessons", learner="S1")["sessions"][0]["sensitivity"] == 0.5
    assert not school.get("v1/readings")["counts"]["reviewed"], "an exercise is no review"


def test_a_finger_answers_too(browser, school):
    context = browser.new_context(viewport={"width": 820, "height": 1180}, has_touch=True)
    page = context.new_page()
    begin(page, school)
    page.locator("#learner").tap()
    page.keyboard.type("S2")
    page.locator("#reveal").tap()
    page.locator("#session", has_text="S2: 1 film, 0 % of 1 place found").wait_for()
    with page.expect_download() as download:
        page.locator("#lesson a").first.tap()
    assert "S2,1,1,0,0.0" in download.value.path().read_text()
    context.close()
