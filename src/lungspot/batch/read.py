"""One shard from films to files: what every worker runs, of whatever engine."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path, PurePath
from typing import Any, Final

from lungspot.adapt import load_for_site
from lungspot.batch.settings import BatchSettings
from lungspot.batch.shards import Shard, ShardResult
from lungspot.detect import Detector
from lungspot.durable import write_atomic
from lungspot.errors import FilmError
from lungspot.formats import GIVEN, film_row, films_parquet, finding_rows, findings_parquet
from lungspot.images import Identity, film_bytes
from lungspot.outputs import is_drawn, writing
from lungspot.pipeline import Film, analyze_all
from lungspot.report import Analysis, Refusal, document, register_row
from lungspot.results import Results, identity_of

__all__ = ["PARTIAL", "TABLE_FORMS", "ClaimFilm", "detector_for", "read_shard"]

# Where files lie, below the folder of results, until their shard is done.
PARTIAL: Final = ".partial"
# Forms of which a shard has one file; the others have one a film.
TABLE_FORMS: Final = ("parquet", "jsonl")
# SHA-256, shard, place in it, name → the name of the same film elsewhere, or None: it is the caller's to read.
ClaimFilm = Callable[[str, str, int, str], str | None]


class _Reader:
    """Opens the films of one shard, by whatever threads, and remembers what their bytes said."""

    def __init__(self, shard: Shard, claim: ClaimFilm, *, screened: bool) -> None:
        self._shard, self._claim, self._screened, self._key = shard, claim, screened, shard.key
        self.sha256: dict[int, str] = {}
        self.status: dict[int, str] = {}
        self.whose: dict[int, Identity] = {}

    def films(self) -> Iterator[Film]:
        for number, entry in enumerate(self._shard.entries):
            yield Film(entry.name, partial(self._open, number))

    def _open(self, number: int) -> bytes:
        entry, struck = self._shard.entries[number], self._shard.struck.get(number)
        if struck is not None:
            if struck.sha256 is not None:
                self.sha256[number] = struck.sha256
            raise FilmError(struck.code, entry.name, struck.reason)
        source = entry.source.film.open()
        if isinstance(source, Path) and is_drawn(source):
            self.status[number] = "left_out"
            raise FilmError("NOT_A_RADIOGRAPH", entry.name, "a result of lungspot")
        data = film_bytes(source)
        self.sha256[number] = digest = hashlib.sha256(data).hexdigest()
        other = self._claim(digest, self._key, number, entry.name)
        if other is not None:
            self.status[number] = "duplicate"
            raise FilmError("DUPLICATE", entry.name, f"the same film as {other}")
        if self._screened:
            self.whose[number] = identity_of(Film(entry.name, lambda: data))
        return data


def detector_for(settings: BatchSettings) -> Detector:
    """Return the detector that a worker reads with: one thread, for there are other workers."""
    return load_for_site(settings.model, settings.site, threads=1)


def read_shard(  # noqa: PLR0913 - what is read, how, where to, and whom to ask
    shard: Shard,
    detector: Detector,
    settings: BatchSettings,
    out: Path,
    *,
    claim: ClaimFilm,
    done: Callable[[str, int], None],
) -> ShardResult:
    """Read the films of a shard and write its tables, unnamed yet, below ``out``; every film has its row.

    ``done`` is called with the shard's key and a film's place when its row is made. Raises what is wrong with the
    machine or the model.
    """
    reader = _Reader(shard, claim, screened=settings.screen is not None)
    key, notes = shard.key, list[str]()
    rows, found, lines = list[dict[str, Any]](), list[dict[str, Any]](), list[str]()
    codes = Counter[str]()
    own = uuid.uuid4().hex  # of the folder of files a film, until the shard is done
    files = _films_files(shard, settings, out / PARTIAL / own)
    for number, result in enumerate(analyze_all(reader.films(), detector, point=settings.point)):
        entry, status = shard.entries[number], reader.status.get(number)
        told = document(result)
        told["image"]["sha256"] = reader.sha256.get(number)
        row = {**film_row(told), **{GIVEN + name: value for name, value in entry.given.items()}}
        row["entry"] = entry.identity
        if isinstance(result, Refusal):
            row["error"] = result.error.reason
        if status is not None:
            row["status"] = status
        else:
            found += finding_rows(told)
            lines.append(json.dumps(told, allow_nan=False))
            if settings.screen is not None:
                row |= _register(result, settings.screen, reader.whose.get(number, Identity()))
            if files is not None:
                notes += map(str, files.write(number, result, entry.source.film))
        rows.append(row)
        codes.update(row["reasons"])
        done(key, number)
    made = {
        f"findings/{key}.parquet": findings_parquet(found),
        **({f"jsonl/{key}.jsonl": _text(lines)} if "jsonl" in settings.forms else {}),
        f"films/{key}.parquet": films_parquet(rows, settings.given),  # the last: with it the shard is done
    }
    statuses = Counter(str(row["status"]) for row in rows)
    folders = () if files is None else ((own, f"files/{key}"),)
    return ShardResult(key, len(rows), (*folders, *_put(out, made)), statuses, codes, tuple(notes))


def _films_files(shard: Shard, settings: BatchSettings, folder: Path) -> Results | None:
    forms = [form for form in settings.forms if form not in TABLE_FORMS]
    if not forms:
        return None
    looks = {"heatmap": settings.heatmap, "experimental": settings.experimental}
    sources = [entry.source for entry in shard.entries]
    return Results(folder, forms, sources, overwrite=True, looks=looks)


def _put(out: Path, made: dict[str, bytes]) -> Iterator[tuple[str, str]]:
    """Write files under names that nobody else has, to the disk."""
    for name, data in made.items():
        partial_name = f"{uuid.uuid4().hex}{PurePath(name).suffix}"
        target = out / PARTIAL / partial_name
        with writing(target):
            write_atomic(target, data)
        yield partial_name, name


def _register(result: Analysis | Refusal, label: str, whose: Identity) -> dict[str, Any]:
    row = register_row(result, label, whose.patient_id, whose.study_date)
    told = ("person", "date", "thresholds_of", "advice", "why", "label", "model", "score", "threshold")
    values = asdict(row)
    return {f"register_{name}": values[name] for name in told}


def _text(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
