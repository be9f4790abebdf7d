"""``lungspot watch``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from lungspot.cli.console import Exit, Overwrite, emit, print_error, require_one_of, say
from lungspot.errors import DatasetError, printable
from lungspot.outputs import Outputs

if TYPE_CHECKING:
    from lungspot.adapt import FilmRow, SourceDoubts, Watch

__all__ = ["watch"]

_MOST_LINES: Final = 20


def watch(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="[SITE=]SOURCE...",
            help="The --data of serve, the --spool of node, the --out of batch, or lungspot/1 JSON.",
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder to write the report into.")] = Path("watch"),
    formats: Annotated[
        str, typer.Option("--format", help="What to write, with commas: html, json, prom (for node_exporter).")
    ] = "html,json,prom",
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="FROM..TO", help="Days to compare with (2026-01-05..2026-03-01); else the first 8 weeks of each."
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DAY", help="Look at what was made before this day; else before today (UTC).")
    ] = None,
    false_alarms: Annotated[
        float, typer.Option(help="False alarms to be expected in a year, at most, over all charts.", min=0.001, max=100)
    ] = 1.0,
    overwrite: Overwrite = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No words on stderr but for what was refused.")] = False,
) -> None:
    """Watch results over time for changes: per site, device and week, with control charts and alarms.

    An early warning, not a measure of performance. Exit code 5: an alarm of the last seven days is on.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: its threads only wait for others
    from lungspot.adapt import (
        WATCH_FORMS,
        AlarmRule,
        SourceDoubts,
        film_history,
        result_files,
        watch_file,
        watch_films,
        watch_text,
    )

    wanted = [part.strip() for part in formats.split(",") if part.strip()]
    for part in wanted:
        require_one_of(part, WATCH_FORMS, "--format")
    now = datetime.now(UTC)
    end = now.date() if until is None else _day(until, "--until")
    rule = AlarmRule(false_alarms, baseline=None if baseline is None else _range(baseline))
    named = [_named(source) for source in sources]
    outputs = Outputs([file for _, path in named for file in result_files(path)], overwrite=overwrite)
    for part in wanted:
        outputs.require(out / watch_file(part))
    if "html" in wanted:
        _require_page()
    doubts = SourceDoubts()
    films = film_history(_rows(named, doubts))
    for error in doubts.refused[:_MOST_LINES]:
        print_error(error)
    if len(doubts.refused) > _MOST_LINES:
        say(f"lungspot: and {len(doubts.refused) - _MOST_LINES} more")
    if not len(films):
        raise DatasetError("DATASET_INCOMPLETE", ", ".join(sources), "no dated result in it")
    found = watch_films(films, end, rule, doubts.notices)
    for part in wanted:
        outputs.write(out / watch_file(part), watch_text(found, part, now).encode(errors="backslashreplace"))
    _say(found, out, wanted, doubts, quiet=quiet)
    if found.on:
        raise typer.Exit(Exit.ALARM)
    raise typer.Exit(Exit.SOME_REFUSED if doubts.refused else Exit.DONE)


def _rows(named: Sequence[tuple[str | None, Path]], doubts: SourceDoubts) -> Iterator[FilmRow]:
    from lungspot.adapt import result_rows

    for site, path in named:
        yield from result_rows(path, site, doubts)


def _named(source: str) -> tuple[str | None, Path]:
    """Return the site and the path of an argument; a path with = in it is one where it exists."""
    site, equals, path = source.partition("=")
    if equals and site and path and not Path(source).exists():
        return site, Path(path)
    return None, Path(source)


def _require_page() -> None:
    from lungspot.extras import extra

    with extra("eval", "a report"):
        import jinja2  # noqa: F401 - whether it is there


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day, such as 2026-01-31", param_hint=option) from None


def _range(text: str) -> tuple[date, date]:
    first, dots, last = text.partition("..")
    if not dots:
        raise typer.BadParameter("give two days, as 2026-01-05..2026-03-01", param_hint="--baseline")
    days = _day(first, "--baseline"), _day(last, "--baseline")
    if days[0] > days[1]:
        raise typer.BadParameter(f"{days[0]} is after {days[1]}", param_hint="--baseline")
    return days


def _say(found: Watch, out: Path, wanted: Sequence[str], doubts: SourceDoubts, *, quiet: bool) -> None:
    from lungspot.adapt import alarm_text, verdict, watch_file

    emit(
        {
            "out": str(out),
            "alarm": bool(found.on),
            "says": verdict(found),
            "films": found.films,
            "refused": len(doubts.refused),
            "alarms": [{"site": alarm.chart.stream.name, "text": alarm_text(alarm)} for alarm in found.on],
            "not_for_clinical_use": True,
        }
    )
    if quiet:
        return
    for line in found.notices:
        say(printable(f"lungspot: {line}"))
    for alarm in found.on:
        say(printable(f"lungspot: alarm: {alarm.chart.stream.name}: {alarm_text(alarm)}"))
    say(printable(f"lungspot: {verdict(found)}"))
    say(
        printable(f"lungspot: {out / watch_file(wanted[0])}") if wanted else "lungspot: nothing was asked to be written"
    )
