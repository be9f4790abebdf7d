"""The reports of `tb` and `watch` as people open them: axe-core finds nothing, and a telephone shows them whole."""

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from tests.cli.test_tb import EXAMPLE
from tests.cli.test_watch import UNTIL

from lungspot.cli.app import run

SIZES = ((390, 844), (1366, 768))


@pytest.fixture(scope="module")
def reports(tmp_path_factory, watched_film):
    """A programme's report with every section, and a watch with an alarm, by verb."""
    folder = tmp_path_factory.mktemp("reports")
    costs = ("--cost-test", "12", "--cost-screen", "2", "--currency", "USD")
    assert run(["tb", str(EXAMPLE), "--triage", "40", *costs, "-o", str(folder / "tb"), "--quiet"]) == 0
    results = folder / "results.jsonl"
    rows = [
        watched_film(week, n, 0.9 if week == 9 else (n * 7 + week) % 40 / 50) for week in range(10) for n in range(40)
    ]
    results.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(["watch", f"North={results}", *UNTIL, "-o", str(folder / "watch"), "--quiet"]) == 5
    return {"tb": folder / "tb" / "report.html", "watch": folder / "watch" / "watch.html"}


@pytest.fixture(scope="module")
def browser(browsing):
    with browsing() as running:
        yield running


@pytest.mark.parametrize("verb", ["tb", "watch"])
def test_a_report_can_be_read_by_everybody_on_everything(reports, browser, verb):
    opened = browser.new_page()
    opened.set_default_timeout(120_000)
    opened.goto(reports[verb].as_uri())
    for width, height in SIZES:
        opened.set_viewport_size({"width": width, "height": height})
        assert opened.evaluate("document.documentElement.scrollWidth") <= width, f"wider than {width}"
    opened.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    assert [each["id"] for each in Axe().run(opened).response["violations"]] == []
    assert opened.get_by_text("Research use only, not for clinical use").first.is_visible()
    opened.close()
