"""A worklist of many films: searched, sorted and filtered, walked through and reviewed with the keyboard alone."""

import json
import re
import sqlite3
from dataclasses import asdict

import pytest
from tests.orthanc import until

from lungspot.images import Identity
from lungspot.serve.search_text import search_text

COUNT = 400


@pytest.fixture(scope="module")
def crowd(serve, rg1, tmp_path_factory):
    """A server of 401 films: a real one, and copies of its result under other names, members of an archive."""
    folder = tmp_path_factory.mktemp("crowd")
    server = serve("--keep-identifiers", "--data", str(folder))
    first = server.read(rg1["UNCR"], "zzz.dcm")
    with sqlite3.connect(folder / "lungspot.db", timeout=30) as db:
        names = [row[1] for row in db.execute("PRAGMA table_info(readings)") if row[1] != "number"]
        row = dict(zip(names, db.execute(f"SELECT {', '.join(names)} FROM readings").fetchone(), strict=True))  # noqa: S608
        for at in range(COUNT):
            name = f"day.zip/{COUNT - at}/film-{at:03}.dcm"
            identity = json.dumps(asdict(Identity(accession=f"A-{at:03}")))
            copy = row | {"id": f"{at:016x}", "sha256": str(at), "name": name, "urgency": 1 - at / COUNT}
            copy |= {"identity": identity, "found_by": search_text(name, row["headline"], identity)}
            holes = ", ".join(f":{name}" for name in names)
            db.execute(f"INSERT INTO readings ({', '.join(names)}) VALUES ({holes})", copy)  # noqa: S608
            for kind in ("u16", "npy"):
                (folder / "films" / f"{at:016x}.{kind}").hardlink_to(folder / "films" / f"{first}.{kind}")
    db.close()
    return server


def names(page):
    return page.eval_on_selector_all("#rows .row .name", "(rows) => rows.map((row) => row.textContent)")


def in_sight(page):
    """Return the name in the selected row, if that is in sight."""
    return page.evaluate(
        """() => {
            const row = document.querySelector("#rows [aria-selected=true]");
            const [a, b] = [row, document.getElementById("rows")].map((each) => each.getBoundingClientRect());
            return a.top >= b.top - 1 && a.bottom <= b.bottom + 1 ? row.querySelector(".name").textContent : null;
        }"""
    )


def opened(page, name):
    page.locator(f"#film[aria-label*='{name}']").wait_for()
    page.locator("#rows [aria-selected=true]", has_text=name).wait_for()


def test_many_films_are_searched_sorted_and_walked_with_the_keyboard(page, crowd, faults):
    page.goto(crowd.address)
    opened(page, "zzz.dcm")
    assert page.locator("#worklist-title").inner_text() == f"Worklist ({COUNT + 1})"
    chips = ["All 401", "To read 401", "Read 0", "Not assessed 0"]
    assert page.locator("#chips button").all_inner_texts() == chips
    assert page.locator("#rows .row").count() < 60, "only those in sight are there"
    page.keyboard.press("/")
    page.keyboard.type("a-123 dcm")
    page.locator("#worklist-title", has_text="(1)").wait_for()
    assert names(page) == ["film-123.dcm"], "a member of an archive by the last part of its name"
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    opened(page, "film-123.dcm")
    page.keyboard.press("/")
    page.keyboard.press("Delete")
    page.locator("#worklist-title", has_text="(401)").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("]")
    opened(page, "film-124.dcm")
    assert in_sight(page) == "film-124.dcm"
    page.locator("#sort").focus()
    page.locator("#sort").select_option("name")
    page.locator("#rows .row[aria-posinset='125']", has_text="film-124.dcm").wait_for()
    assert in_sight(page) == "film-124.dcm"
    page.locator("#rows").focus()
    page.keyboard.press("End")
    page.locator("#rows .row.cursor", has_text="zzz.dcm").wait_for()
    assert page.locator("#rows").get_attribute("aria-activedescendant") == page.locator("#rows .cursor").get_attribute(
        "id"
    )
    assert faults() == []
    page.keyboard.press("Enter")
    opened(page, "zzz.dcm")
    page.keyboard.press("[")
    opened(page, "film-399.dcm")
    assert in_sight(page) == "film-399.dcm"
    page.reload()
    opened(page, "film-399.dcm")
    assert in_sight(page) == "film-399.dcm", "it is opened again, and in sight"
    assert page.locator("#sort").input_value() == "name", "the order is remembered"


def test_the_list_stays_where_the_reader_has_scrolled_to(page, crowd, settle):
    page.goto(f"{crowd.address}?id={7:016x}")
    opened(page, "film-007.dcm")
    page.keyboard.press("]")
    opened(page, "film-008.dcm")
    page.locator("#rows").evaluate("(rows) => { rows.scrollTop = 200 * rows.querySelector('.row').offsetHeight }")
    page.locator("#rows .row", has_text="film-205.dcm").click()  # the first click, which gives the list the focus too
    opened(page, "film-205.dcm")
    page.locator("#rows").evaluate("(rows) => { rows.scrollTop = 0 }")
    page.locator("#rows .row", has_text="film-000.dcm").wait_for()
    page.evaluate(
        """async () => {
            const { store } = await import("/viewer/main.js");
            const { beside } = store.state;
            store.set({ beside: { ...beside, position: beside.position + 1 } }); // a film arrived
        }"""
    )
    settle()
    assert page.locator("#rows").evaluate("(rows) => rows.scrollTop") == 0


def test_one_key_accepts_all_one_says_normal_and_saving_goes_to_the_next_unread(page, crowd, settle):
    page.goto(f"{crowd.address}?id={1:016x}")
    opened(page, "film-001.dcm")
    page.fill("#reader", "fast")
    page.locator("#headline").click()
    rows = page.locator("#found li").count()
    page.keyboard.press("Shift+A")
    settle()
    assert page.locator("#found li.accepted").count() == rows > 1
    assert page.locator("#live").inner_text() == f"Accepted: {rows} findings"
    page.keyboard.press("g")
    settle()
    assert page.locator("#live").inner_text().startswith("Not called normal")
    page.keyboard.press("u")
    settle()
    assert page.locator("#found li.accepted").count() == 0, "one step back"
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("Shift+A")
    page.keyboard.press("s")
    opened(page, "film-002.dcm")
    page.locator("#saved", has_text="saved: film-001.dcm").wait_for()
    assert in_sight(page) == "film-002.dcm"
    verdicts = crowd.get(f"v1/readings/{1:016x}")["reviews"][-1]["verdicts"]
    assert {each["action"] for each in verdicts} == {"accept", "reject"}
    page.keyboard.press("g")
    settle()
    assert page.locator("#found li.rejected").count() == rows
    page.keyboard.press("s")
    opened(page, "film-003.dcm")
    review = crowd.get(f"v1/readings/{2:016x}")["reviews"][-1]
    assert (review["complete"], set(review["reading"]["states"].values())) == (True, {"absent"})
    page.locator("#chips button", has_text="Read 2").click()
    page.locator("#worklist-title", has_text="(2)").wait_for()
    page.keyboard.press("]")
    opened(page, "film-001.dcm")
    page.locator("#chips button", has_text="To read 399").click()
    page.locator("#worklist-title", has_text="(399)").wait_for()
    page.keyboard.press("Shift+S")
    page.locator("#saved", has_text="saved ").wait_for()
    assert page.locator("#film").get_attribute("aria-label").startswith("Film film-001.dcm"), "it stays"


def test_the_next_film_is_there_before_it_is_asked_for_and_no_other(page, crowd):
    raw = re.compile(r"/readings/0*(\w+)/image\.raw16")
    asked = []
    page.on("request", lambda request: (found := raw.search(request.url)) and asked.append(found[1]))
    with page.expect_response(re.compile(rf"{16:016x}/image\.raw16")):
        page.goto(f"{crowd.address}?id={15:016x}")
        opened(page, "film-015.dcm")
    page.route(raw, lambda route: route.abort())
    page.keyboard.press("]")
    opened(page, "film-016.dcm")
    until(lambda: page.evaluate("async () => !!(await import('/viewer/main.js')).store.state.film"), "a film")
    assert sorted(asked[:2]) == ["10", "f"]
    page.unroute(raw)
    with page.expect_response(raw):
        page.keyboard.press("]")  # what did not come is asked for again
    opened(page, "film-017.dcm")


def test_letters_typed_while_an_answer_is_on_its_way_are_looked_for_together(page, crowd):
    page.goto(crowd.address)
    page.locator("#worklist-title", has_text="(401)").wait_for()
    held, asked = [], []

    def first_waits(route):
        asked.append(route.request.post_data_json["search"])
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route("**/v1/worklist", first_waits)
    with page.expect_request("**/v1/worklist"):
        page.keyboard.press("/")
        page.keyboard.type("film-12")
    until(lambda: page.evaluate("1") and held, "the first question")
    page.wait_for_timeout(200)
    assert len(asked) == 1, "no other before that is answered"
    held[0].continue_()
    page.locator("#worklist-title", has_text="(10)").wait_for()
    assert asked[-1] == "film-12"
    assert len(asked) <= 2, "seven letters, and no question for each"


def test_a_review_that_was_not_kept_stays_and_the_next_film_is_asked_for_anew(page, crowd):
    here, there = f"{60:016x}", f"{61:016x}"
    page.goto(f"{crowd.address}?id={here}")
    opened(page, "film-060.dcm")
    page.locator("#sort").select_option("name")  # the next film is then the next that nobody reviewed
    page.locator("#rows .row[aria-posinset='61']", has_text="film-060.dcm").wait_for()
    page.fill("#reader", "fast")
    page.locator("#headline").click()
    asked = []
    page.on("request", lambda request: f"readings/{there}?" in request.url and asked.append(request.url))
    page.route("**/review", lambda route: route.abort())
    page.keyboard.press("a")
    with page.expect_request(re.compile(f"{there}[?]")):  # it is on its way while the review is being kept
        page.keyboard.press("s")
    page.locator("#saved", has_text="not saved: the server does not answer").wait_for()
    assert page.locator("#film").get_attribute("aria-label").startswith("Film film-060.dcm")
    page.unroute("**/review")
    page.route(re.compile(r"/v1/readings[?]"), lambda _: None)  # the list as it was: else the film after that is next
    crowd.post(f"v1/readings/{there}/review", {"reader": "fast", "note": "said meanwhile"})
    page.keyboard.press("s")
    opened(page, "film-061.dcm")
    assert page.locator("#note").input_value() == "said meanwhile"
    assert len(asked) == 2
    assert len(crowd.get(f"v1/readings/{here}")["reviews"]) == 1
