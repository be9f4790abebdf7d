"""The folder of a run: held by one driver, which alone gives shards their names.

::

    batch.json          what was asked; a run that goes on must ask for the same
    films/KEY.parquet   one row a film; a shard is done when this is there
    findings/KEY.parquet, jsonl/KEY.jsonl, files/KEY/   what else was asked for
    summary.html, summary.json, register.csv   at the end
    .partial/           what workers are writing; removed when a run begins, as is what belongs to no shard that is done
    .lock               held (flock) by the driver

A worker whose driver is gone may still write, but nothing that it writes gets a name any more.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from lungspot import BANNER, __version__
from lungspot.batch.read import PARTIAL, TABLE_FORMS
from lungspot.batch.settings import BatchSettings
from lungspot.batch.shards import ShardResult
from lungspot.detect import ModelCard
from lungspot.durable import sync_path
from lungspot.errors import OutputError, SetupError
from lungspot.formats import film_columns, shard_files
from lungspot.outputs import Outputs, writing
from lungspot.report import FORMATS, RegisterRow, one_row_a_person, screening_order

__all__ = ["BATCH_FORMATS", "BatchFolder", "asked_for", "screened_people"]

# What a run writes of its films: tables, and the forms of one film that `lungspot detect` writes.
BATCH_FORMATS: Final = (*TABLE_FORMS, *FORMATS)
_SCHEMA: Final = "lungspot-batch/1"
_ASKED: Final = "batch.json"
_BESIDE: Final = ("findings", "jsonl", "files")  # of a shard, named before its table of films
_KEY: Final = re.compile(r"[0-9a-f]{24}")  # of a shard
_ENTRIES: Final = 2  # how rows of a table are known: by their columns, too
_REGISTER: Final = tuple(each.name for each in fields(RegisterRow) if not each.name.startswith(("deci", "film")))


class BatchFolder:
    """A folder of results, open and held until :meth:`close`.

    Raises OutputError ``EXISTS`` where results are there and ``resume`` is False, or they are of another model, site or
    form; SetupError ``IN_USE`` where another driver holds it, ``NOT_WRITABLE`` and ``NO_SPACE``. ``given``: columns of
    tables, of this run and of those before it.
    """

    def __init__(self, folder: Path, asked: Mapping[str, Any], *, inputs: Sequence[Path], resume: bool) -> None:
        self.folder = folder
        self._outputs = Outputs(inputs, overwrite=True)
        self._outputs.require(folder / _ASKED)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._held = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            self._hold()
            before = self._require_same(asked, resume=resume)
            self.given = tuple(sorted({*asked["given"], *before.get("given", ())}))
            with writing(folder):
                for name in ("films", "findings", *(["jsonl"] if "jsonl" in asked["forms"] else []), PARTIAL):
                    (folder / name).mkdir(exist_ok=True)
            if before:  # else it is a folder of the caller's, whatever lies there
                self.tidy()
            told = {"schema": _SCHEMA, "banner": BANNER, **asked, "entries": _ENTRIES, "given": self.given}
            text = json.dumps(told, ensure_ascii=False, indent=1) + "\n"
            self._outputs.write(folder / _ASKED, text.encode())
        except BaseException:
            self.close()
            raise

    def commit(self, result: ShardResult) -> None:
        """Give a shard's files their names, the table of films last; then the shard is done, whatever comes."""
        for name_now, name in result.files:
            made, target = self.folder / PARTIAL / name_now, self.folder / name
            if made.is_dir():
                with writing(target):
                    target.parent.mkdir(exist_ok=True)
                    _remove(target)  # of a shard that was not done
                    made.replace(target)
            else:
                self._outputs.take(made, target)
            with writing(target.parent):
                sync_path(target.parent)

    def write(self, name: str, text: str) -> Path:
        """Write a file of the whole run; what an earlier one wrote there goes."""
        return self._outputs.write(self.folder / name, text.encode(errors="backslashreplace"))

    def write_register(self, text: str) -> Path:
        """Write the register where none is yet: people write in it what they decide, so none is ever replaced."""
        number = 1
        while (target := self.folder / f"register{'' if number == 1 else f'-{number}'}.csv").exists():
            if target.read_bytes() == text.encode():
                return target
            number += 1
        return self._outputs.write(target, text.encode())

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._held)

    def _hold(self) -> None:
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            advice = "stop the other run, or give another folder (--out)"
            raise SetupError("IN_USE", self.folder, "another run writes here", advice=advice) from None

    def tidy(self) -> None:
        """Remove what workers left, and what was named for a shard whose table of films never was."""
        done = {file.stem for file in shard_files(self.folder)}
        with writing(self.folder):
            left = list((self.folder / PARTIAL).iterdir())
            for name in _BESIDE:
                folder = self.folder / name
                made = folder.iterdir() if folder.is_dir() else ()
                left += [each for each in made if _KEY.fullmatch(each.stem) and each.stem not in done]
            for each in left:
                _remove(each)

    def _require_same(self, asked: Mapping[str, Any], *, resume: bool) -> dict[str, Any]:
        """Return what the run before was asked; raises where this one is asked for another thing."""
        path = self.folder / _ASKED
        if not path.exists():
            return {}
        if not resume:
            advice = "give a new folder, or --resume to go on"
            raise OutputError("EXISTS", self.folder, "results of an earlier run are there", advice=advice)
        try:
            before: dict[str, Any] = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            before = {}
        for name in ("model", "site", "operating_point", "forms", "screen"):
            if before.get(name) != asked[name]:
                reason = f"the results there are of another {name.replace('_', ' ')}: {before.get(name)}"
                raise OutputError("EXISTS", self.folder, reason, advice="ask for the same, or give a new folder")
        if before.get("given") and before.get("entries") != _ENTRIES:
            reason = "the results there are of a lungspot that knew rows of a table by their film alone"
            raise OutputError("EXISTS", self.folder, reason, advice="give a new folder")
        return before


def _remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; a worker that nobody waits for may still be writing there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def asked_for(settings: BatchSettings, card: ModelCard, sha256: str) -> dict[str, Any]:
    """Return what a run was asked to do, as JSON values; ``card``, ``sha256``: of the model, with the site's word."""
    return {
        "lungspot": __version__,
        "model": {"name": card.name, "version": card.version, "sha256": sha256},
        "site": None if card.site is None else {"name": card.site.name, "sha256": card.site.sha256},
        "operating_point": settings.point,
        "forms": sorted({"parquet", *settings.forms}),
        "screen": settings.screen,
        "given": list(settings.given),
    }


def screened_people(folder: Path) -> list[RegisterRow]:
    """Return the register of a folder's films, one row a person: who is to be filmed again, then by score.

    Of one person's films the last by its date counts, else by when it was read.
    """
    rows: list[tuple[str, str, RegisterRow]] = []
    for file in shard_files(folder):
        columns = film_columns(file, ["film", "made", *(f"register_{name}" for name in _REGISTER)])
        for film, made, *values in zip(*columns.values(), strict=True):
            found = dict(zip(_REGISTER, values, strict=True))
            if found["label"] is not None:
                rows.append((found["date"], str(made), RegisterRow(**found, film=film)))
    rows.sort(key=lambda each: each[:2])
    return screening_order(one_row_a_person(row for _, _, row in rows))
