"""``lungspot batch``."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

import typer

from lungspot import BANNER
from lungspot.cli.console import Exit, emit, people, require_one_of, say
from lungspot.cli.site_option import PointOption, SiteFile, detector_of, model_inputs
from lungspot.errors import printable
from lungspot.logs import service_log

if TYPE_CHECKING:
    from lungspot.batch import BatchSettings, Ledger, RunCounts, RunReport, WorkerPool
    from lungspot.detect import ModelCard

__all__ = ["batch"]

_EVERY: Final = 1.0  # seconds between two lines of progress
_MOST_NOTES: Final = 20


def batch(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Folders, zip and tar archives, a DICOMDIR, URLs, CSV or Parquet files with a column of paths, films.",
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder for the results.")],
    on: Annotated[
        str,
        typer.Option(
            "--on", metavar="local|ray[://ADDRESS]", help="What reads: processes of this machine, or a Ray cluster."
        ),
    ] = "local",
    workers: Annotated[int, typer.Option(help="How many; 0: one a processor.", min=0, max=10_000)] = 0,
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="LIST",
            help="Beside parquet, which is always written: jsonl; a file a film, in a form of one film of "
            "`lungspot detect --format`, as png or sr. Several with commas.",
        ),
    ] = "parquet",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run: read what is missing, no more.")] = False,
    shard_films: Annotated[int, typer.Option(help="Films that are written at a time.", min=1, max=100_000)] = 500,
    timeout: Annotated[
        float, typer.Option(help="Seconds that a film may hold up its worker.", min=1, max=86_400)
    ] = 120.0,
    sample: Annotated[
        float, typer.Option(metavar="SHARE", help="Read this share of the films, drawn by name.", min=0, max=1)
    ] = 1.0,
    operating_point: PointOption = "balanced",
    screen: Annotated[
        str | None, typer.Option(metavar="LABEL", help="Screen people for it: register.csv, by score.")
    ] = None,
    heatmap: Annotated[bool, typer.Option("--heatmap", help="Show activation maps in the PNG.")] = False,
    experimental: Annotated[
        bool, typer.Option("--experimental", help="Say the model's experimental labels too, marked as such.")
    ] = False,
    tls_cert: Annotated[Path | None, typer.Option(help="DICOMweb: the certificate that it is shown (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="DICOMweb: its private key (PEM).")] = None,
    tls_ca: Annotated[
        Path | None, typer.Option(help="DICOMweb: the authority that must have certified it (PEM).")
    ] = None,
    model: Annotated[str, typer.Option(help="A model file made by `lungspot export`.")] = "default",
    site: SiteFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print events as JSON Lines, for programs.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No banner, no progress.")] = False,
) -> None:
    """Read an archive of films with many workers, each film once; results as Parquet.

    Films are known by the SHA-256 of their file: of equal ones one is read. What cannot be read is a row that says why.
    """
    from lungspot.batch import (
        BATCH_FORMATS,
        BatchFolder,
        BatchSettings,
        Ledger,
        RunCounts,
        TlsFiles,
        asked_for,
        count_films,
        entries_in,
        finish_run,
        given_columns,
        require_dicomweb,
        run_batch,
        shards_of,
        usable_processors,
    )
    from lungspot.detect import OPERATING_POINTS
    from lungspot.report import DICOM_KINDS, require_dicom

    engine, _, address = on.partition("://")
    require_one_of(engine, ("local", "ray"), "--on")
    require_one_of(operating_point, OPERATING_POINTS, "--operating-point")
    forms = tuple(part.strip() for part in formats.split(",") if part.strip())
    for form in forms:
        require_one_of(form, BATCH_FORMATS, "--format")
    if set(forms) & set(DICOM_KINDS):
        require_dicom()
    _require_parquet()
    label, read_by = _read_by(model, site, screen)
    given = given_columns(sources)
    tls = TlsFiles(tls_cert, tls_key, tls_ca)
    require_dicomweb(sources, tls)
    looks = {"heatmap": heatmap, "experimental": experimental}
    kinds = tuple(form for form in forms if form != "parquet")
    settings = BatchSettings(model, site, operating_point, kinds, label, given, shard_films, timeout, **looks)
    inputs = [*map(Path, sources), *model_inputs(model, site)]
    folder = BatchFolder(out, asked_for(settings, *read_by), inputs=inputs, resume=resume)
    try:
        settings = replace(settings, given=folder.given)
        ledger = Ledger(out)
        if not quiet and sys.stderr.isatty():
            say(f"lungspot: {BANNER}")
        number = workers or (usable_processors() if engine == "local" else 0)
        entries = entries_in(sources, share=sample, without=out, tls=tls)
        shards = shards_of(entries, shard_films, ledger.take)
        count = partial(count_films, sources, share=sample, without=out)
        counts = RunCounts()
        shown = _Progress(counts, count, ledger.rows, as_json=as_json, quiet=quiet)
        with service_log("warning"), shown as progress:
            pool = _pool_of(engine, address or None, number, settings, out, ledger)
            number = (
                run_batch(shards, pool, folder=folder, ledger=ledger, settings=settings, tell=progress.tell) or number
            )
        told = counts.to_json(on=on, workers=number, timeout=timeout)
        _say_end(out, finish_run(folder, settings, told), quiet=quiet)
    finally:
        folder.close()


def _read_by(model: str, site: Path | None, screen: str | None) -> tuple[str | None, tuple[ModelCard, str]]:
    """Return the label that is screened for, and the card and SHA-256 of the model; it is not held any longer."""
    from lungspot.report import require_screened

    detector = detector_of(model, site, threads=1)
    return None if screen is None else require_screened(detector.card, screen), (detector.card, detector.sha256)


def _pool_of(
    engine: str, address: str | None, number: int, settings: BatchSettings, out: Path, ledger: Ledger
) -> Callable[[], WorkerPool]:
    from lungspot.batch import LocalPool, RayPool

    if engine == "ray":
        return lambda: RayPool(number, settings, out, ledger.claim, address)
    return lambda: LocalPool(number, settings, out, ledger.claim)


def _say_end(out: Path, report: RunReport, *, quiet: bool) -> None:
    """Say what was written at the end of a run, and end with the right exit code."""
    value = report.value
    done = {key: value[key] for key in ("films", "shards", "status", "errors", "run", "not_for_clinical_use")}
    emit({"event": "finished", "out": str(out), **done})
    if not quiet:
        say(printable(f"lungspot: {report.page}"))
        if report.register is not None:
            say(printable(f"lungspot: {report.register}"))
    status = value["status"]
    refused = status.get("not_assessed", 0)
    if refused:
        raise typer.Exit(Exit.SOME_REFUSED if status.get("assessed") else Exit.NOTHING_DONE)
    raise typer.Exit(Exit.DONE)


class _Progress:
    """Films a second, what is left, and errors by code; for people as a line that is written over, or as events.

    A thread of its own counts the films meanwhile; until it has, nobody knows when the end will be.
    """

    def __init__(
        self,
        counts: RunCounts,
        count: Callable[[Callable[[], bool]], int | None],
        before: int,
        *,
        as_json: bool,
        quiet: bool,
    ) -> None:
        self._json, self._shown = as_json, not quiet and not as_json and sys.stderr.isatty()
        self._count_films, self._before = count, before
        self._counts, self._said = counts, time.monotonic()
        self._total: int | None = None
        self._stop = threading.Event()
        self._notes = 0

    def __enter__(self) -> Self:
        if self._json or self._shown:
            threading.Thread(target=self._count, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._shown:
            sys.stderr.write("\r\x1b[K")

    def _count(self) -> None:
        self._total = self._count_films(self._stop.is_set)

    def tell(self, event: dict[str, Any]) -> None:
        """Take what the driver says."""
        self._counts.take(event)
        kind = event["event"]
        if kind == "shard":
            for note in event["notes"]:
                self._notes += 1
                if self._notes <= _MOST_NOTES:
                    say(f"lungspot: error: {note}")
        elif kind != "film":
            what = "was stopped" if kind == "timed_out" else "ended its worker, whose films are read again"
            if not self._json and self._counts.struck[kind] <= _MOST_NOTES:
                say(printable(f"lungspot: {event['film'] or 'the end of a shard'} {what}"))
        if self._json and kind != "film":
            emit(event)
        now = time.monotonic()
        if now - self._said >= _EVERY:
            self._said = now
            self._show()

    def _show(self) -> None:
        films, rate, codes = self._counts.films, self._counts.films_per_second, self._counts.codes
        left = None if self._total is None else max(self._total - self._before - films, 0)
        eta = None if left is None or not rate else left / rate
        told: dict[str, Any] = {"films": films, "done_before": self._before, "total": self._total}
        told["films_per_second"] = round(rate, 2)
        if self._json:
            emit(
                {
                    "event": "progress",
                    **told,
                    "eta_seconds": None if eta is None else round(eta),
                    "errors": dict(codes),
                }
            )
        elif self._shown:
            ends = "" if eta is None else f", {_clock(eta)} left"
            whole = "" if left is None else f" of {films + left}"
            errors = "".join(f", {number} {code}" for code, number in codes.most_common(4))
            line = f"lungspot: {films}{whole} films, {rate:.1f} a second{ends}{errors}"
            width = people(stderr=True).width
            sys.stderr.write(f"\r\x1b[K{line[: width - 1]}")
            sys.stderr.flush()


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _require_parquet() -> None:
    from lungspot.extras import extra

    with extra("batch", "an archive"):
        import jinja2  # noqa: F401 - whether it is there
        import pyarrow as pa  # noqa: F401
