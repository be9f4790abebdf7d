"""What is said of a whole run: its events counted as they come, and the files of its end."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lungspot.batch.folder import BatchFolder, screened_people
from lungspot.batch.settings import BatchSettings
from lungspot.batch.summary import batch_page, batch_summary
from lungspot.report import register_text

__all__ = ["RunCounts", "RunReport", "finish_run"]


class RunCounts:
    """A run counted by its events, from now on (:func:`lungspot.batch.run_batch` gives them to its ``tell``).

    ``films``: read and not to be read again; ``codes``: refused films and films that were not assessed, by error code
    or reason; ``struck``: how often a film was stopped (``timed_out``) and a worker ended (``worker_died``).
    """

    def __init__(self) -> None:
        self.films = 0
        self.codes, self.struck = Counter[str](), Counter[str]()
        self._began = time.monotonic()

    def take(self, event: Mapping[str, Any]) -> None:
        """Count an event of the driver."""
        kind = event["event"]
        if kind == "film":
            self.films += 1
        elif kind == "shard":
            self.codes.update(event["codes"])
        else:
            self.struck[kind] += 1
            self.films -= event["back"]

    @property
    def films_per_second(self) -> float:
        """Films read in a second, since the counting began."""
        return self.films / max(self._seconds, 1e-9)

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def to_json(self, *, on: str, workers: int, timeout: float) -> dict[str, Any]:
        """Return what is to be said of the run, for its summary.

        ``on``, ``workers``: what read, and how many; ``timeout``: seconds that a film might hold up its worker.
        """
        return {
            "on": on,
            "workers": workers,
            "films": self.films,
            "seconds": round(self._seconds, 2),
            "films_per_second": round(self.films_per_second, 2),
            "timeout": timeout,
            "timed_out": self.struck["timed_out"],
            "worker_deaths": self.struck["worker_died"],
        }


@dataclass(frozen=True, slots=True)
class RunReport:
    """What :func:`finish_run` wrote: the JSON values of the summary, its page, and the register where there is one."""

    value: Mapping[str, Any]
    page: Path
    register: Path | None = None


def finish_run(folder: BatchFolder, settings: BatchSettings, run: Mapping[str, Any]) -> RunReport:
    """Tidy the folder, and write what is said of all its films, of earlier runs too: ``summary.json`` and ``.html``.

    Where people are screened (``settings.screen``), the register is written as well; none is ever replaced. ``run``:
    :meth:`RunCounts.to_json`. Raises DatasetError at a damaged table, and what writing raises.
    """
    folder.tidy()
    value = batch_summary(folder.folder, settings.given).to_json(run)
    folder.write("summary.json", json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1) + "\n")
    page = folder.write("summary.html", batch_page(value))
    if settings.screen is None:
        return RunReport(value, page)
    return RunReport(value, page, folder.write_register(register_text(screened_people(folder.folder))))
