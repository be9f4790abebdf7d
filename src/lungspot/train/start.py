"""From a data folder to a run folder: gather the films, pack them, note what the run was made of, train."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

from lungspot.datasets.catalog import load_all
from lungspot.datasets.splits import apply_splits, read_splits
from lungspot.errors import LungspotError
from lungspot.images import Pixels, read
from lungspot.train.config import TrainConfig
from lungspot.train.curves import draw_curves
from lungspot.train.data import Films, fingerprint, pack, without_boxes
from lungspot.train.loop import Checkpoint, train

__all__ = ["gather", "run"]


def gather(config: TrainConfig, data: Path, cache: Path) -> tuple[Films, tuple[LungspotError, ...]]:
    """Return the packed films of every dataset below ``data`` that its ``splits.csv`` names, and what was refused.

    Of several processes one packs and the others wait. Raises :class:`~lungspot.errors.DatasetError`.
    """
    cases = apply_splits(load_all(data), read_splits(data / "splits.csv"), data)
    first: AbstractContextManager[Any] = PartialState(cpu=not torch.cuda.is_available()).main_process_first()
    with first:
        return pack(cases, config.labels, config.cache_size, cache, _pixels)


def run(  # noqa: PLR0913 - where from, where to, and how
    config: TrainConfig,
    data: Path,
    out: Path,
    *,
    cache: Path | None = None,
    resume: bool = False,
    begin: Path | None = None,
    boxes: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> Checkpoint:
    """Train on the films below ``data`` into the run folder ``out``; what happens is told to ``say``.

    ``boxes``: without them the network learns from the films' labels alone (:mod:`lungspot.study`).
    """
    films, refused = gather(config, data, cache or out / "cache")
    films = films if boxes else without_boxes(films)
    state = PartialState()
    if state.is_main_process:
        for error in refused:
            say(str(error))
    facts = {
        "data": fingerprint(films),
        "films": len(films),
        "boxes": boxes,
        "git": git_state(),
        "begin": str(begin or ""),
        "machine": platform.platform(),
        "processes": state.num_processes,
        "torch": torch.__version__,
    }
    end = train(config, films, out, resume=resume, begin=begin, facts=facts, say=say)
    if state.is_main_process:
        draw_curves(out)
    return end


def git_state() -> str:
    """Return the commit of the working folder, with ``+`` where files differ from it; empty outside a checkout."""
    try:
        found = [
            subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S607, S603
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain"])
        ]
    except (OSError, subprocess.CalledProcessError):
        return ""
    return found[0] + ("+" if found[1] else "")


def _pixels(path: Path) -> Pixels:
    return read(path, sandboxed=False).pixels
