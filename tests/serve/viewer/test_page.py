"""Films in, the worklist, refusals, hostile names, and what the page asks of the network."""

import base64
import re

import pytest
from PIL import Image
from playwright.sync_api import expect

import lungspot


@pytest.fixture(scope="module")
def png(rg1, tmp_path_factory):
    """The chest film as an 8-bit PNG at half its size."""
    film = lungspot.read(rg1["UNCR"])
    picture = Image.fromarray((film.pixels * 255).round().astype("uint8"))
    path = tmp_path_factory.mktemp("png") / "chest.png"
    picture.resize((picture.width // 2, picture.height // 2)).save(path)
    return path


def test_a_dicom_and_a_png_are_picked_and_read(page, server, rg1, png, is_open):
    page.goto(server.address)
    page.set_input_files("#picker", [rg1["J2KR"], png])
    rows = page.locator("#rows .row.assessed")
    rows.filter(has_text=rg1["J2KR"].name).wait_for()
    rows.filter(has_text="chest.png").click()
    is_open("chest.png")
    assert page.locator("#found li").count()
    page.locator("#uploads:empty").wait_for(state="attached")
    sizes = {row["name"]: (row["width"], row["height"]) for row in server.get("v1/readings")["readings"]}
    assert sizes["chest.png"] == (1841 // 2, 1955 // 2)


def test_a_film_is_dropped_and_followed(page, server, png):
    page.goto(server.address)
    page.locator("#worklist-title", has_text="(").wait_for()
    dropped = page.evaluate_handle(
        """(text) => {
            const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], "dropped.png"));
            return transfer;
        }""",
        base64.b64encode(png.read_bytes() + b"x").decode(),
    )
    page.dispatch_event("body", "dragenter", {"dataTransfer": dropped})
    assert page.locator("#drop").is_visible()
    page.dispatch_event("body", "drop", {"dataTransfer": dropped})
    assert page.locator("#drop").is_hidden()
    page.locator("#rows .row.assessed").filter(has_text="dropped.png").wait_for()


def test_a_film_that_another_model_read_says_which(page, look, chest):
    look(chest)
    page.locator("summary", has_text="About the model").click()
    expect(page.locator("#card")).not_to_contain_text("This film was read by")
    page.evaluate(
        """async () => {
            const { store } = await import("/viewer/main.js");
            const { reading } = store.state;
            const model = { name: "before", version: "1", sha256: "0".repeat(64) };
            store.set({ reading: { ...reading, result: { ...reading.result, model } } });
        }"""
    )
    expect(page.locator("#card")).to_contain_text(f"This film was read bybefore 1, SHA-256 {'0' * 64}")
    expect(page.locator("#card")).to_contain_text("New films are read by")


def test_what_is_no_film_is_said_to_be_none(page, server, tmp_path):
    (tmp_path / "letter.txt").write_text("Dear colleague")
    page.goto(server.address)
    page.set_input_files("#picker", tmp_path / "letter.txt")
    row = page.locator("#rows .row.not_assessed").filter(has_text="letter.txt")
    row.click()
    refusal = page.locator("#refusal")
    refusal.filter(has_text="could not be read as a film").wait_for()
    assert "this is text" in refusal.inner_text()
    assert "NOT_AN_IMAGE" in refusal.inner_text()


def test_a_film_that_the_server_would_not_take_is_not_sent(page, serve):
    page.goto(serve("--max-upload", "1").address)
    page.locator("#banner").wait_for()
    page.locator("#empty").wait_for()
    page.set_input_files("#picker", {"name": "large.dcm", "mimeType": "", "buffer": bytes((1 << 20) + 1)})
    assert "2 MiB; the server takes 1" in page.locator("#uploads .failed").inner_text()


def test_nothing_of_the_worklist_is_cut_off_on_a_tablet(page, server, chest):
    page.set_viewport_size({"width": 1024, "height": 768})
    page.goto(server.address)
    page.locator(f"[data-key='{chest}']").wait_for()
    room, *parts = page.evaluate(  # at once: the list is drawn anew while its films are read
        """() => [...document.querySelectorAll("#list, #search, #chips button, #orders select")].map((part) => {
            const { left, right } = part.getBoundingClientRect();
            return { left, right };
        })"""
    )
    assert len(parts) > 3
    for part in parts:
        assert room["left"] <= part["left"] < part["right"] <= room["right"]


def test_a_film_is_deleted_after_a_question(page, look, server, png, tmp_path):
    path = tmp_path / "wrong.png"
    path.write_bytes(png.read_bytes() + b"another film by its bytes")
    wrong = server.read(path, "wrong.png")
    look(wrong)
    page.locator("summary", has_text="About this film").click()
    answers = [False, True]
    page.on("dialog", lambda dialog: dialog.accept() if answers.pop(0) else dialog.dismiss())
    page.locator("#delete").click()
    assert wrong in [row["id"] for row in server.get("v1/readings")["readings"]]
    page.locator("#delete").click()
    page.locator(f"[data-key='{wrong}']").wait_for(state="detached")
    assert wrong not in [row["id"] for row in server.get("v1/readings")["readings"]]
    assert not answers


@pytest.mark.parametrize("order", ["rows", "[...rows].reverse()"])
def test_a_click_is_not_lost_while_the_worklist_changes(page, server, chest, leg, is_open, settle, order):
    page.goto(f"{server.address}?id={chest}")
    is_open("chest.dcm")
    page.wait_for_load_state("networkidle")  # the list has answered with the open film in it
    settle()
    page.locator(f"[data-key='{leg}']").scroll_into_view_if_needed()
    settle()
    where = page.locator(f"[data-key='{leg}']").bounding_box()
    page.mouse.move(where["x"] + 5, where["y"] + 5)
    page.mouse.down()
    page.evaluate(
        f"""async () => {{
            const {{ store }} = await import("/viewer/main.js");
            const rows = store.state.rows.map((row) => ({{ ...row, headline: `${{row.headline}}, newly` }}));
            store.set({{ rows: {order} }});
        }}"""
    )
    settle()
    assert page.locator("#rows .what", has_text=", newly").count() == page.locator("#rows .row").count()
    page.mouse.up()
    is_open("leg.dcm")


def test_a_film_sent_again_is_called_by_its_new_name_where_it_is_open(page, server, png, tmp_path, is_open):
    first = tmp_path / "before.png"
    first.write_bytes(png.read_bytes() + b"sent twice")
    page.goto(f"{server.address}?id={server.read(first, 'before.png')}")
    is_open("before.png")
    page.set_input_files("#picker", first.rename(tmp_path / "after.png"))
    is_open("after.png")
    page.reload()
    is_open("after.png")


def test_the_worklist_is_by_urgency(page, server, chest, leg):
    page.goto(server.address)
    page.locator(f"[data-key='{leg}']").wait_for()
    expected = [row["id"] for row in server.get("v1/readings", sort="urgency")["readings"]]
    assert chest in expected
    assert page.eval_on_selector_all("#rows .row", "(rows) => rows.map((row) => row.dataset.key)") == expected
    page.locator("[data-key=show-refused]").click()
    page.locator(f"[data-key='{chest}']").wait_for(state="detached")
    assert page.locator(f"[data-key='{leg}']").is_visible()


def test_a_refused_film_has_no_score_and_is_never_normal(look, leg, settle):
    page = look(leg)
    text = page.locator("#refusal").inner_text()
    assert "not of a chest from the front" in text
    assert re.findall(r"[^.\n]*\bnormal\b", text) == ["This does not mean that the film is normal"]
    side = page.locator("#side").inner_text()
    assert side.startswith("Not assessed")
    assert "%" not in side
    assert page.locator("#found li").count() == 0
    assert page.locator("#heat").is_disabled()
    page.keyboard.press("h")
    settle()
    assert page.locator("#heat-note").is_hidden()


def test_names_from_files_are_only_ever_text(page, server, nasty_film, is_open, settle):
    alerts = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    page.goto(server.address)
    page.set_input_files("#picker", nasty_film)
    page.locator("#rows .row.assessed").filter(has_text=nasty_film.name).click()
    is_open(nasty_film.name)
    page.locator("summary", has_text="About this film").click()
    page.keyboard.press("c")
    settle()
    facts = page.locator("#facts").inner_text()
    assert facts.count(nasty_film.stem) == 2, "the patient's name and the file's"
    assert page.locator("img").count() == 0
    assert not alerts


def test_the_banner_is_always_there(look, page, leg, chest):
    for reading in (leg, chest):
        look(reading)
        for size in ((1366, 768), (820, 1180), (480, 800)):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
            box = page.locator("#banner").bounding_box()
            assert page.locator("#banner").inner_text() == "Research use only, not for clinical use."
            assert 0 <= box["y"] < size[1] - box["height"]
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_the_page_is_light_and_asks_no_one_else(browser, frames, server, chest):
    asked = []
    page = browser.new_page()  # which has read nothing yet
    page.on("requestfinished", lambda request: asked.append(request))  # noqa: PLW0108 - playwright marks the function
    page.goto(f"{server.address}?id={chest}")
    page.locator("#dock:not([hidden])").wait_for()
    frames(page)
    assert asked
    assert all(request.url.startswith((server.address, "data:", "blob:")) for request in asked)
    own = [request for request in asked if "/v1/" not in request.url and request.url.startswith(server.address)]
    weight = sum(len(request.response().body()) for request in own)
    assert 50_000 < weight <= 350_000


def test_a_token_is_asked_for_once(page, serve, faults):
    server = serve(environment={"LUNGSPOT_TOKEN": "a-token-of-the-test-0123456789abcdef"})
    page.goto(server.address)
    page.locator("#token").wait_for()
    assert faults() == []
    page.fill("#token", "wrong")
    page.keyboard.press("Enter")
    page.locator("dialog [role=alert]:not(:empty)").wait_for()
    page.fill("#token", "a-token-of-the-test-0123456789abcdef")
    page.keyboard.press("Enter")
    page.locator("dialog[open]").wait_for(state="detached")
    page.locator("#worklist-title", has_text="(0)").wait_for()
    page.reload()
    page.locator("#worklist-title", has_text="(0)").wait_for()
    assert page.locator("dialog[open]").count() == 0
    assert faults() == []
