"""What a run folder holds, by name, and when a new run may be written there.

``config.json``: the settings; ``run.json``: facts (the films' fingerprint, git state, machine); ``log.csv``: losses, a
row each :data:`~lungspot.train.loop.LOG_EVERY` steps; ``losses.csv``: the first steps, for comparing two runs;
``val.csv``: how the network did on val; ``last.pt``: everything that resuming needs; ``curves.png``: a picture of it.
"""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from lungspot.durable import write_atomic
from lungspot.errors import OutputError
from lungspot.outputs import Outputs
from lungspot.train.config import TrainConfig

__all__ = [
    "CHECKPOINT_FILE",
    "CONFIG_FILE",
    "CURVES_FILE",
    "FACTS_FILE",
    "LOG_FILE",
    "LOSSES_FILE",
    "RUN_FOLDER_FILES",
    "VAL_FILE",
    "append_row",
    "checkpoint_file",
    "forget_after",
    "require_new_run",
    "stands_ready",
]

FACTS_FILE: Final = "run.json"
CONFIG_FILE: Final = "config.json"
LOG_FILE: Final = "log.csv"
LOSSES_FILE: Final = "losses.csv"
VAL_FILE: Final = "val.csv"
CHECKPOINT_FILE: Final = "last.pt"
CURVES_FILE: Final = "curves.png"
# Every file that a run writes into its folder, that one first which says that the others are a run's.
RUN_FOLDER_FILES: Final = (FACTS_FILE, CONFIG_FILE, LOG_FILE, LOSSES_FILE, VAL_FILE, CHECKPOINT_FILE, CURVES_FILE)


def checkpoint_file(run: Path) -> Path:
    """Return the file that holds the weights of ``run``: a run folder's last checkpoint, else ``run`` itself."""
    return run / CHECKPOINT_FILE if run.is_dir() else run


def require_new_run(
    out: Path, begin: Path | None = None, *, inputs: Iterable[Path] = (), overwrite: bool = False
) -> None:
    """Refuse a run folder ``out`` in which a new run would replace what it must not.

    That is the run or model file that it begins with (``begin``), other runs, model files and files that it reads
    (``inputs``): raises OutputError ``IS_INPUT``; an earlier run unless ``overwrite`` says so, and anybody's file:
    raises OutputError ``EXISTS``. Files that a run does not write stay, and are no hindrance.
    """
    read = [*inputs, *([] if begin is None else [begin])]
    outputs = Outputs(map(checkpoint_file, read), overwrite=overwrite)
    there = [name for name in RUN_FOLDER_FILES if os.path.lexists(out / name)]
    if CHECKPOINT_FILE in there:
        outputs.require_not_input(out / CHECKPOINT_FILE)
    if there:  # run.json says that the others are a run's
        outputs.require(out / there[0])
    for name in there:
        outputs.require_not_input(out / name)
        if not stat.S_ISREG((out / name).lstat().st_mode):
            raise OutputError("EXISTS", out / name, "it is no file of a run", advice="give another output")


def stands_ready(run: Path, config: TrainConfig, data: str) -> bool:
    """Say whether a run stopped in the folder ``run`` that can go on: of the same settings and films.

    ``data``: the films' fingerprint (:func:`lungspot.train.fingerprint`).
    """
    try:
        before = json.loads((run / CONFIG_FILE).read_text("utf-8"))
        facts = json.loads((run / FACTS_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    same = before == json.loads(json.dumps(config.to_dict())) and facts.get("data") == data
    return bool(same) and (run / CHECKPOINT_FILE).exists()


def forget_after(path: Path, step: int) -> None:
    """Take the rows of later steps out of a table: a run that was killed took them, and they are taken again."""
    lines = [*csv.reader(path.read_text("utf-8").splitlines())] if path.exists() else []
    if not lines:  # killed before it wrote a head
        path.unlink(missing_ok=True)
        return
    head, *rows = lines
    kept = (row for row in rows if len(row) == len(head) and row[0].isdecimal() and int(row[0]) <= step)
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([head, *kept])
    write_atomic(path, buffer.getvalue().encode())


def append_row(path: Path, row: Mapping[str, float | str]) -> None:
    """Write a row to the end of a table (CSV), after its head where it is new."""
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)
