"""The verb as cron calls it: what it writes, what it says, and the number that it ends with."""

import json

import pytest

from lungspot.cli.app import run
from lungspot.cli.console import Exit
from lungspot.outputs import is_ours


@pytest.fixture
def results(tmp_path, watched_film):
    """A function that writes ten weeks of 40 films; in the last of them scores may be others."""

    def write(last=None, more=""):
        rows = [
            watched_film(
                week, n, last if last is not None and week == 9 else (n * 7 + week) % 40 / 50, model="<b>m</b>"
            )
            for week in range(10)
            for n in range(40)
        ]
        path = tmp_path / "results.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows) + more)
        return path

    return write


@pytest.fixture
def watch(tmp_path, capsys):
    def call(*words):
        code = run(["watch", *map(str, words), "-o", str(tmp_path / "out")])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else None, said.err

    return call


UNTIL = ("--until", "2026-03-13")


def test_a_quiet_site_and_one_that_changed(results, watch, tmp_path):
    code, said, words = watch(f"North={results()}", *UNTIL)
    assert (code, said["alarm"], said["films"], said["alarms"]) == (0, False, 400, [])
    assert "No alarm in the seven days" in words
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"watch.html", "watch.json", "watch.prom"}
    assert all(is_ours(path) for path in (tmp_path / "out").iterdir())
    assert watch(f"North={results()}", *UNTIL)[0] == Exit.USAGE  # a report of an earlier run is there
    code, said, words = watch(f"North={results(last=0.9)}", *UNTIL, "--overwrite")
    assert (code, said["alarm"]) == (Exit.ALARM, True)
    assert "lungspot: alarm: North: Pleural effusion: " in words
    report = json.loads((tmp_path / "out" / "watch.json").read_text())
    assert report["alarms"][0]["on"]
    assert report["not_for_clinical_use"] is True
    page = (tmp_path / "out" / "watch.html").read_text()
    assert "An early warning, not a measure of performance" in page
    assert "&lt;b&gt;m&lt;/b&gt;" in page
    assert "<b>" not in page
    lines = (tmp_path / "out" / "watch.prom").read_text().splitlines()
    assert lines[0].startswith("# lungspot watch. Research use only")
    assert any(line.startswith('lungspot_watch_alarm{site="North",') and line.endswith(" 1") for line in lines)


def test_the_numbers_are_what_prometheus_reads(results, watch, tmp_path):
    parser = pytest.importorskip("prometheus_client.parser")
    watch(f'No"rth\\={results(last=0.9)}', *UNTIL, "--format", "prom")
    families = list(parser.text_string_to_metric_families((tmp_path / "out" / "watch.prom").read_text()))
    samples = {sample.name: sample for family in families for sample in family.samples}
    assert samples["lungspot_watch_films"].value == 400
    assert samples["lungspot_watch_alarm"].labels["site"] == 'No"rth\\'


def test_the_same_films_give_the_same_report(results, watch, tmp_path):
    texts = []
    for _ in range(2):
        watch(results(last=0.9), *UNTIL, "--overwrite", "--format", "html,json", "-q")
        texts.append([(tmp_path / "out" / name).read_bytes() for name in ("watch.html", "watch.json")])
    assert texts[0] == texts[1]


def test_refused_rows_do_not_hide_an_alarm(results, watch):
    assert watch(results(more="{broken\n"), *UNTIL, "--format", "json")[0] == Exit.SOME_REFUSED
    code, said, words = watch(results(last=0.9, more="{broken\n"), *UNTIL, "--format", "json", "--overwrite")
    assert (code, said["refused"]) == (Exit.ALARM, 1)
    assert "DATASET_ROW" in words


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--format", "pdf"], Exit.USAGE, "none of html"),
        (["--baseline", "2026-01-05"], Exit.USAGE, "two days"),
        (["--baseline", "2026-03-05..2026-01-01"], Exit.USAGE, "is after"),
        (["--until", "tomorrow"], Exit.USAGE, "is no day"),
        (["--until", "2026-02-01"], Exit.DONE, "no baseline yet"),
        (["--baseline", "2026-01-05..2026-02-20", *UNTIL], Exit.DONE, "No alarm"),
    ],
)
def test_options(results, watch, words, code, says):
    found, _, said = watch(results(), *words)
    assert found == code
    assert says in " ".join(said.split())


def test_an_input_is_never_written_over(results, watch, tmp_path):
    (tmp_path / "out").mkdir()
    assert watch(tmp_path / "nothing")[0] == Exit.NOTHING_DONE
    source = results().rename(tmp_path / "out" / "watch.json")
    code, _, words = watch(source, "--overwrite")
    assert code == Exit.USAGE
    assert "IS_INPUT" in words
