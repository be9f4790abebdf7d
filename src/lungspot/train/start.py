"""From a data folder to a run folder: gather the films, pack them, note what the run was made of, train."""

from __future__ import annotations

import hashlib
import io
import platform
import subprocess
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState

from lungspot.datasets import load_with_splits
from lungspot.errors import InputError, LungspotError
from lungspot.formats import Case, ClassNames, Split
from lungspot.outputs import Outputs
from lungspot.train.config import TrainConfig
from lungspot.train.curves import draw_curves
from lungspot.train.data import Films, fingerprint, pack, without_boxes
from lungspot.train.export_model import open_checkpoint
from lungspot.train.loop import Checkpoint, train
from lungspot.train.model import Mirrored
from lungspot.train.onnx_import import SUFFIX
from lungspot.train.run_folder import checkpoint_file
from lungspot.train.site_films import is_site, site_cases
from lungspot.train.teacher import Committee, PseudoLabels, ask, hint_organs, outline_lungs, teach
from lungspot.train.terms import NO_TERMS, Terms

__all__ = ["cases_of", "gather", "gather_as_served", "run"]


def cases_of(data: Path, names: ClassNames = None) -> list[Case]:
    """Return the films of every dataset below ``data`` that its ``splits.csv`` names, or of a site's folder.

    ``names`` are what a site's classes mean (:mod:`lungspot.train.site_films`). Raises
    :class:`~lungspot.errors.DatasetError`.
    """
    if is_site(data):
        return site_cases(data, names)
    return load_with_splits(data)


def gather(
    config: TrainConfig, data: Path, cache: Path, names: ClassNames = None, only: Split | None = None
) -> tuple[Films, tuple[LungspotError, ...]]:
    """Return the packed films of :func:`cases_of`, ``only`` those of one split where it is given, and what was refused.

    Of several processes one packs and the others wait. Raises :class:`~lungspot.errors.DatasetError`.
    """
    cases = [case for case in cases_of(data, names) if only is None or case.split is only]
    first: AbstractContextManager[Any] = PartialState(cpu=not torch.cuda.is_available()).main_process_first()
    with first:
        return pack(cases, config.labels, config.cache_size, cache)


def gather_as_served(  # noqa: PLR0913 - what, where, and how
    config: TrainConfig,
    data: Path,
    cache: Path,
    size: int | None = None,
    *,
    names: ClassNames = None,
    only: Split | None = None,
) -> tuple[Films, tuple[LungspotError, ...]]:
    """Return what :func:`gather` does, packed at ``size``, the network's input size if None, as a film is served.

    A film that is packed larger and brought down again is a little softer, and a network that is judged on it gets
    other thresholds. Runs that were shown parts of films (``crop_share``) keep the size that those need.
    """
    served = size or config.input_size
    return gather(config if config.crop_share else replace(config, cache_size=served), data, cache, names, only)


def run(  # noqa: PLR0913 - where from, where to, and how
    config: TrainConfig,
    data: Path,
    out: Path,
    *,
    cache: Path | None = None,
    resume: bool = False,
    begin: Path | None = None,
    boxes: bool = True,
    teachers: Sequence[Path] = (),
    names: ClassNames = None,
    say: Callable[[str], None] = lambda _: None,
) -> Checkpoint:
    """Train on the films below ``data`` into the run folder ``out``; what happens is told to ``say``.

    ``boxes``: without them the network learns from the films' labels alone (:mod:`lungspot.study`). ``teachers``: runs
    or model files that are asked about the films of train first (:mod:`lungspot.train.teacher`). ``names``: as for
    :func:`gather`.
    """
    films, refused = gather(config, data, cache or out / "cache", names)
    films = films if boxes else without_boxes(films)
    if config.paste_share and begin is not None and begin.suffix == SUFFIX:
        films = outline_lungs(films, open_checkpoint(begin).network, config.made_column, config.input_size)
    if config.cover_gain and begin is not None and begin.suffix == SUFFIX:
        films = hint_organs(films, open_checkpoint(begin).network, config.input_size)
    lent = NO_TERMS
    if teachers:
        films, lent = _taught(films, config, teachers, cache or out / "cache")
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
        "teachers": [str(path) for path in teachers],
        "machine": platform.platform(),
        "processes": state.num_processes,
        "torch": torch.__version__,
    }
    end = train(config, films, out, resume=resume, begin=begin, lent=lent, facts=facts, say=say)
    if state.is_main_process:
        draw_curves(out)
    return end


def _taught(films: Films, config: TrainConfig, teachers: Sequence[Path], cache: Path) -> tuple[Films, Terms]:
    """Return the films with what the teachers add, and the teachers' terms.

    Their answers are kept in ``cache``; one process asks.
    """
    loaded = [open_checkpoint(path) for path in teachers]
    for path, one in zip(teachers, loaded, strict=True):
        if one.config.labels != config.labels:
            raise InputError("BAD_VALUE", path, f"the teacher has the labels {one.config.labels}")
    digest = hashlib.sha256(fingerprint(films).encode())
    for teacher in teachers:
        digest.update(checkpoint_file(teacher).read_bytes())
    path = cache / f"taught-{config.input_size}-{digest.hexdigest()[:16]}.npz"
    state = PartialState(cpu=not torch.cuda.is_available())
    with state.main_process_first():
        if not path.exists():
            size = config.input_size
            members = [Mirrored(one.network, size) for one in loaded]
            opinions = [Mirrored(one.opinion, size) for one in loaded if one.opinion is not None]  # they know no boxes
            committee = Committee(members, opinions).to(state.device)
            answers = ask(committee.to(memory_format=torch.channels_last), films, config.labels, size)  # type: ignore[call-overload]
            buffer = io.BytesIO()
            np.savez(buffer, **asdict(answers))
            Outputs().write(path, buffer.getvalue())
    with np.load(path, allow_pickle=False) as stored:
        told = teach(films, PseudoLabels(**{name: stored[name] for name in stored.files}))
    return told, reduce(or_, (one.terms for one in loaded))


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
