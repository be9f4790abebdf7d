"""One round of labelling: the answers become a dataset, a model learns from it, and says what to answer next.

A folder of rounds has ``rounds.jsonl``, one line a round (``lungspot-round/1``), and a folder ``round-N`` each:
``answers`` (COCO, with who drew each box), ``run`` (the training), ``model.onnx`` where the model did not get worse,
``report.json`` (``lungspot-taught/1``), and what to answer next. Every round begins with the same model and learns from
all answers there are, so that no round's mistakes are handed on.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from lungspot import BANNER, __version__
from lungspot.detect import load_detector
from lungspot.errors import DatasetError
from lungspot.extras import extra
from lungspot.formats import ANNOTATION_FORMATS, Case, FilmTransfer, Progress, Split
from lungspot.labelling.choosing import RANDOM_SHARE, Choice, choose, random_sample
from lungspot.labelling.next_films import Pool, ask, pool_films, write_next
from lungspot.outputs import Outputs

__all__ = ["LOG", "ROUND_SCHEMA", "Round", "play_round", "rounds_of"]

LOG: Final = "rounds.jsonl"
ROUND_SCHEMA: Final = "lungspot-round/1"


@dataclass(frozen=True, slots=True)
class Round:
    """A round that was played: ``row`` is its line in the log, ``folder`` its own, ``choices`` what to answer next."""

    row: Mapping[str, Any]
    folder: Path
    choices: tuple[Choice, ...]


def rounds_of(folder: Path) -> list[dict[str, Any]]:
    """Return the rounds that were played in a folder, in order; raises :class:`DatasetError` ``DATASET_FORMAT``."""
    path = folder / LOG
    if not path.exists():
        return []
    try:
        rows: list[dict[str, Any]] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        if any(row["schema"] != ROUND_SCHEMA or row["round"] != number for number, row in enumerate(rows, 1)):
            raise DatasetError("DATASET_FORMAT", path, "not a log of rounds")
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise DatasetError("DATASET_FORMAT", path, f"not a log of rounds ({error})") from error
    return rows


def play_round(  # noqa: PLR0913 - what is learnt from, how, and what is chosen
    pool: Pool,
    folder: Path,
    base: Path,
    *,
    settings: Mapping[str, Any] | None = None,
    locked: Path | None = None,
    worse: float = 0.02,
    count: int = 50,
    by: str = "mixed",
    random_share: float = RANDOM_SHARE,
    seed: int = 0,
    progress: Progress = iter,
    say: Callable[[str], None] = lambda _: None,
) -> Round:
    """Learn from the answers to ``pool``, beginning with the model ``base``, and choose ``count`` films to answer next.

    ``folder``: of the rounds. ``settings``: over those of a short run (:data:`lungspot.train.teach.RECIPE`).
    ``locked``: a data folder on whose test films every round's model is judged, beside the answers of those people that
    are locked away (three in ten); answers about its test films, or of their people, are not learnt from. ``worse``: as
    for :func:`lungspot.train.teach_model`; of a model that got worse only the report is kept, and ``base`` chooses.
    ``seed``: the same in every round of a pool. ``progress`` draws a bar over the films that are read. A round that was
    stopped goes on where its training stood, if the answers are still the same. Raises ``DATASET_INCOMPLETE`` where
    nobody answered, or nobody who is locked away. Needs ``[train]``.
    """
    with extra("train", "a round of labelling"):
        from lungspot.train import (  # noqa: PLC0415 - torch
            cases_of,
            fingerprint,
            gather,
            gather_as_served,
            open_checkpoint,
            run,
            settings_for,
            stands_ready,
            teach_model,
        )

    earlier = rounds_of(folder)
    number = len(earlier) + 1
    here = folder / f"round-{number}"
    answered = _answered(pool)
    if locked is not None:
        told = len(answered)
        answered = _apart(answered, [case for case in cases_of(locked) if case.split is Split.TEST], pool.folder)
        say(f"{told - len(answered)} of {told} answered films are left out: they, or their people, are locked away")
    outputs = Outputs([*pool.inputs, base], overwrite=True)
    ANNOTATION_FORMATS["coco"].write(answered, here / "answers", films=FilmTransfer.COPY, outputs=outputs)
    config = settings_for(base, settings or {}, short=True)
    training = here / "run"
    given, _ = gather(config, here / "answers", training / "cache")
    if not len(given.of(Split.TEST)):
        reason = f"none of the people on {len(answered)} answered films is locked away to judge on"
        raise DatasetError("DATASET_INCOMPLETE", pool.folder, reason, advice="answer more films")
    resume = stands_ready(training, config, fingerprint(given))
    run(config, here / "answers", training, resume=resume, begin=None if resume else base, say=say)
    checkpoint = open_checkpoint(training)
    films, _ = gather_as_served(checkpoint.config, here / "answers", training / "cache")
    old = None if locked is None else gather_as_served(checkpoint.config, locked, folder / "cache", only=Split.TEST)[0]
    version = f"{load_detector(base).card.version}+round{number}"
    taught = teach_model(checkpoint, films, base, old=old, worse=worse, version=version, say=say)
    outputs.write(here / "report.json", (json.dumps(taught.report, indent=1, allow_nan=False) + "\n").encode())
    model = here / "model.onnx"
    if not taught.worse:
        outputs.write(model, taught.data)
    chooser = load_detector(base if taught.worse else model)
    seen, mirrored = ask(pool, chooser, progress, lambda error: say(str(error)))
    chosen = choose(pool_films(pool, seen, mirrored), count, pool.labels, by=by, random_share=random_share, seed=seed)
    write_next(pool, chosen, here, outputs)
    row = {
        "schema": ROUND_SCHEMA,
        "round": number,
        "made": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "software": {"lungspot": __version__},
        "answered": len(answered),
        "waiting": len(pool.answers.pending),
        "boxes": dict(Counter(each.source for case in answered for one in case.readings for each in one.findings)),
        "random_sample": random_sample(pool.films, pool.answered, seed),
        "readers": sorted({one.reader for case in answered for one in case.readings}),
        "began_with": taught.report["before"],
        "learnt_from": taught.report["learnt_from"],
        "judged": taught.report["judged"],
        "got_worse": list(taught.worse),
        "model": None if taught.worse else {"name": chooser.card.name, "version": version, "sha256": chooser.sha256},
        "next": {"films": len(chosen), "by": by, "random": sum(one.why == "random" for one in chosen)},
        "banner": BANNER,
    }
    log = "".join(json.dumps(each, allow_nan=False) + "\n" for each in [*earlier, row])
    outputs.write(folder / LOG, log.encode())
    return Round(row, here, tuple(chosen))


def _answered(pool: Pool) -> list[Case]:
    """Return the films that people answered, with their answers alone: what a data set said before is not theirs."""
    before = {(case.dataset, case.id): len(case.readings) for case in pool.films.values()}
    cases = [
        replace(case, readings=case.readings[before[case.dataset, case.id] :], split=None)
        for case in pool.answers.cases
    ]
    if not cases:
        waiting = len(pool.answers.pending)
        raise DatasetError("DATASET_INCOMPLETE", pool.folder, f"none of {waiting} films is answered")
    return cases


def _apart(answered: Sequence[Case], locked: Sequence[Case], where: Path) -> list[Case]:
    """Return the answered films that are none of the locked ones, and of none of their people."""
    people = {case.patient for case in locked}
    files = {case.image.resolve() for case in locked if case.image is not None}
    kept = [
        case
        for case in answered
        if case.patient not in people and (case.image is None or case.image.resolve() not in files)
    ]
    if not kept:
        raise DatasetError("DATASET_INCOMPLETE", where, f"all {len(answered)} answered films are of those locked away")
    return kept
