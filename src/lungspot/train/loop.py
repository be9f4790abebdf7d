"""The loop: draw films, step, follow with an average, look at val now and then, and be ready to be stopped.

What a run folder holds stands in :mod:`lungspot.train.run_folder`; its log has one row every :data:`LOG_EVERY` steps.
What step k draws depends on the seed and on k alone, so a resumed run goes on as if it had not been stopped; rows of
steps later than its checkpoint are forgotten then. ``accelerate launch`` spreads the same run over more processes or
machines.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from lungspot.durable import sync_path
from lungspot.errors import InputError
from lungspot.formats import Split
from lungspot.train.augment import augment, plain
from lungspot.train.backbones import begin_backbone
from lungspot.train.config import TrainConfig
from lungspot.train.data import Films, FilmTruth, crop_sampling, sampling
from lungspot.train.loss import losses
from lungspot.train.memory import keep_memory
from lungspot.train.model import Network
from lungspot.train.moving_average import moving_average
from lungspot.train.onnx_import import (
    ANATOMY,
    SUFFIX,
    WEIGHTS,
    of_labels,
    read_model_file,
    read_weights,
    recalibrate_batchnorm,
    restore,
)
from lungspot.train.optimiser import kept_share, parameter_groups, rate_at
from lungspot.train.parts import PartsHead
from lungspot.train.run_folder import (
    CHECKPOINT_FILE,
    CONFIG_FILE,
    FACTS_FILE,
    LOG_FILE,
    LOSSES_FILE,
    VAL_FILE,
    append_row,
    checkpoint_file,
    forget_after,
)
from lungspot.train.terms import NO_TERMS, Terms, card_terms, film_terms
from lungspot.train.validate import detect_all, predict

__all__ = ["LOG_EVERY", "Checkpoint", "load_checkpoint", "train"]

LOG_EVERY = 25
_TABLES = (LOG_FILE, LOSSES_FILE, VAL_FILE)
_FIRST = 50  # losses written one by one
_MEASURED = 512  # films that the normalisations of a backbone measure
_MEASURED_SIZE = 192  # pixels: more would not fit in memory at once
_RECALIBRATED = 128  # films that the normalisations of a model file measure


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a run stands: its averaged network, its config, and how far it is (``progress``, 0 to 1).

    ``opinion``: of a model file of two networks the other one (:class:`~lungspot.train.onnx_export.Served`). ``parts``:
    what a model file has for parts of films. ``terms``: of all that these learnt from; none where a run kept none.
    """

    config: TrainConfig
    network: Network
    step: int
    seconds: float
    progress: float
    data: str = ""
    opinion: Network | None = None
    parts: PartsHead | None = None
    terms: Terms = NO_TERMS


@dataclass(slots=True)
class _Run:
    """What changes while a run lasts."""

    config: TrainConfig
    films: Films
    folder: Path
    data: str
    say: Callable[[str], None]
    accelerator: Accelerator
    network: torch.nn.Module
    average: AveragedModel
    optimiser: Any
    indices: NDArray[np.int64]
    chance: NDArray[np.float64]
    outlined: NDArray[np.int64]
    terms: Terms
    crop_chance: NDArray[np.float64] | None = None  # of being shown in part
    began: float = field(default_factory=time.monotonic)
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    summed: int = 0  # steps that are in the sums
    marked: tuple[int, float] = (0, 0.0)  # the step and time of the last row of the log
    saved: float = field(default_factory=time.monotonic)
    validated: float = field(default_factory=time.monotonic)

    @property
    def bare(self) -> Network:
        network: Network = self.accelerator.unwrap_model(self.network)
        return network

    @property
    def averaged(self) -> Network:
        """The network whose weights follow the trained one's (an exponential moving average)."""
        return cast("Network", self.average.module)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def progress(self) -> float:
        """Return the first process's progress, so that all leave the loop and change size at one step."""
        done = self.step / self.config.steps if self.config.steps else self.seconds / (60 * self.config.minutes)
        if self.accelerator.num_processes > 1:
            shared = broadcast(torch.tensor([done], dtype=torch.float64, device=self.accelerator.device))
            done = float(shared[0])
        return min(done, 1.0)


def load_checkpoint(run: Path) -> Checkpoint:
    """Return the last checkpoint of a run folder with the averaged weights; raises ``NOT_FOUND``."""
    state = _load(checkpoint_file(run))
    config = TrainConfig.from_dict(state["config"])
    network = Network(config)
    network.load_state_dict(state["average"])
    network.eval()
    done, terms = (state["step"], state["seconds"], state["progress"]), Terms.from_dict(state.get("terms"))
    return Checkpoint(config, network, *done, state["data"], terms=terms)


def train(  # noqa: PLR0913 - what a run is, and how it is told
    config: TrainConfig,
    films: Films,
    folder: Path,
    *,
    resume: bool = False,
    begin: Path | None = None,
    lent: Terms = NO_TERMS,
    facts: Mapping[str, Any] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Checkpoint:
    """Train until the config's minutes or steps are done and return the end; ``folder`` is written as the module says.

    ``begin``: another run, or a model file, whose averaged weights this one starts with. ``lent``: the terms of
    what it learns from besides films and ``begin``; with theirs they are the run's. ``facts`` go into ``run.json``, the
    terms too; ``facts["data"]`` is the films' fingerprint. Raises ``BAD_VALUE`` where ``resume`` finds another
    config or other data, or ``begin`` a network of another shape, and ``NOT_FOUND`` where there is nothing to resume or
    begin with.
    """
    run = _start(config, films, folder, dict(facts or {}), say)
    if resume:
        _resume(run)
    else:
        run.terms |= _begin(run, begin)
    run.terms |= lent
    if not resume and run.accelerator.is_main_process:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG_FILE).write_text(json.dumps(config.to_dict(), indent=1), "utf-8")
        (folder / FACTS_FILE).write_text(json.dumps({**(facts or {}), "terms": run.terms.to_dict()}, indent=1), "utf-8")
        for name in _TABLES:
            (folder / name).unlink(missing_ok=True)
    run.marked = (run.step, time.monotonic())
    while (done := run.progress()) < 1.0:
        parts = _step(run, done)
        if not run.accelerator.is_main_process:
            continue
        run.average.update_parameters(run.bare)
        _log(run, parts, done)
        now = time.monotonic()
        if now - run.saved > 60 * config.checkpoint_minutes:
            _save(run, done)
            run.saved = now
        if now - run.validated > 60 * config.evaluate_minutes:
            _validate(run, config.size_at(done))
            run.validated = time.monotonic()
            run.marked = (run.step, run.validated)
    if run.accelerator.is_main_process:
        _save(run, 1.0)
        _validate(run, config.input_size)
    run.accelerator.wait_for_everyone()
    return Checkpoint(config, run.averaged, run.step, run.seconds, 1.0, run.data, terms=run.terms)


def _start(
    config: TrainConfig, films: Films, folder: Path, facts: Mapping[str, Any], say: Callable[[str], None]
) -> _Run:
    torch.set_num_threads(config.threads)
    keep_memory()
    torch.manual_seed(config.seed)
    accelerator = Accelerator(mixed_precision="bf16", cpu=not torch.cuda.is_available())
    network = Network(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = moving_average(network, partial(kept_share, config.ema), device=accelerator.device)
    average.eval()
    _set_learning(network, config.learn)
    groups = parameter_groups(network, config)
    optimiser = torch.optim.AdamW(groups, lr=config.rate, betas=(0.9, 0.99), fused=True)
    network, optimiser = accelerator.prepare(network, optimiser)
    indices = films.of(Split.TRAIN)
    chance = sampling(
        [films.films[i] for i in indices],
        len(config.labels),
        rare=config.rare_share,
        label_only=config.label_only_share,
    )
    outlined = np.array([i for i in indices if _by_people(films.films[i])], dtype=np.int64)
    if config.outlined_share and not len(outlined):
        raise InputError("BAD_VALUE", "outlined_share", "no film of train has outlines of heart and lungs")
    data = str(facts.get("data", ""))
    drawn = (indices, chance, outlined)
    run = _Run(config, films, folder, data, say, accelerator, network, average, optimiser, *drawn, film_terms(films))
    if config.crop_share:
        wanted = [config.labels.index(label) for label in config.cropped]
        run.crop_chance = crop_sampling([films.films[i] for i in indices], wanted)
    return run


def _by_people(film: FilmTruth) -> bool:
    return film.outlines is not None and film.hint is None


def _set_learning(network: Network, parts: Sequence[str]) -> None:
    """Put the network in training mode; where ``parts`` are named, everything else stays as it is."""
    network.train()
    if unknown := set(parts) - {name for name, _ in network.named_children()}:
        raise InputError("BAD_VALUE", "learn", f"the network has no part {sorted(unknown)}")
    for name, child in network.named_children():
        if parts and name not in parts:
            child.eval().requires_grad_(False)  # noqa: FBT003 - torch's own form
    if parts:
        network.reach.requires_grad_(False)  # noqa: FBT003 - likewise


def _begin(run: _Run, begin: Path | None) -> Terms:
    """Give the network, and its average, what the run begins with; return the terms of that."""
    terms = NO_TERMS
    if begin is None:
        begin_backbone(
            run.config.backbone, run.bare.backbone, _sample_films(run, _MEASURED), imagenet=run.config.imagenet
        )
    elif begin.suffix == SUFFIX:
        card, weights = read_model_file(begin)
        terms = card_terms(card)
        if not set(run.config.labels) <= set(card.labels):
            raise InputError("BAD_VALUE", begin, f"the model file has the labels {card.labels}")
        restore(run.bare, of_labels(weights, card.labels, run.config.labels))
        recalibrate_batchnorm(run.bare, _sample_films(run, _RECALIBRATED))
    else:
        if begin.suffix == WEIGHTS:
            weights = read_weights(begin)
        else:
            before = load_checkpoint(begin)
            weights, terms = before.network.state_dict(), before.terms
        mine = run.bare.state_dict()
        if not any(name.startswith(ANATOMY) for name in weights):  # it was not taught anatomy, and this one may be
            weights = {**{name: value for name, value in mine.items() if name.startswith(ANATOMY)}, **weights}
        try:
            run.bare.load_state_dict(weights)
        except RuntimeError as error:
            raise InputError("BAD_VALUE", begin, "the network to begin with has another shape") from error
    run.averaged.load_state_dict(run.bare.state_dict())
    return terms


def _sample_films(run: _Run, most: int) -> Tensor:
    """Return some films to measure with, (N, 1, S, S), evenly drawn from train."""
    train = run.films.of(Split.TRAIN)
    chosen = train[np.linspace(0, len(train) - 1, min(most, len(train))).astype(int)]
    return plain(run.films.pixels[chosen], min(run.config.size_at(0), _MEASURED_SIZE)).to(run.accelerator.device)


def _resume(run: _Run) -> None:
    state = _load(run.folder / CHECKPOINT_FILE)
    if TrainConfig.from_dict(state["config"]) != run.config or state["data"] != run.data:
        raise InputError("BAD_VALUE", run.folder, "the run to resume has another config or other data")
    run.bare.load_state_dict(state["network"])
    run.averaged.load_state_dict(state["average"])
    run.average.n_averaged.fill_(state["step"])
    run.optimiser.load_state_dict(state["optimiser"])
    run.step = state["step"]
    run.terms = Terms.from_dict(state.get("terms")) | run.terms
    if run.accelerator.is_main_process:
        for name in _TABLES:
            forget_after(run.folder / name, run.step)
    run.began = time.monotonic() - state["seconds"]


def _step(run: _Run, done: float) -> dict[str, float]:
    """Take one step and return the parts of its loss; a step whose gradient is not finite is left out."""
    config, size = run.config, run.config.size_at(done)
    for group in run.optimiser.param_groups:
        group["lr"] = rate_at(config, run.step, done) * group["share"]
    rng = np.random.default_rng((config.seed, run.step, run.accelerator.process_index))
    share = max(1, config.batch // run.accelerator.num_processes)
    drawn = run.indices[rng.choice(len(run.indices), share, p=run.chance)]
    if outlined := round(share * config.outlined_share):
        drawn[:outlined] = rng.choice(run.outlined, outlined)
    if crops := round(share * config.crop_share):
        drawn[-crops:] = rng.choice(run.indices, crops, p=run.crop_chance)
    films = [run.films.films[i] for i in drawn]
    images, target = augment(run.films.pixels[drawn], films, size, config, rng, crops=crops, progress=done)
    _set_learning(run.bare, config.learn)
    with run.accelerator.autocast():
        output = run.network(images.to(run.accelerator.device, memory_format=torch.channels_last))
    parts = losses(output, target.to(run.accelerator.device), config, size)
    loss = torch.stack(list(parts.values())).sum()
    run.accelerator.backward(loss)
    norm = run.accelerator.clip_grad_norm_(run.network.parameters(), config.clip)
    if math.isfinite(float(norm)):
        run.optimiser.step()
    run.optimiser.zero_grad(set_to_none=True)
    run.step += 1
    return {name: float(value.detach()) for name, value in {**parts, "loss": loss, "norm": norm}.items()}


def _log(run: _Run, parts: Mapping[str, float], done: float) -> None:
    if run.step <= _FIRST:
        append_row(run.folder / LOSSES_FILE, {"step": run.step, "loss": repr(parts["loss"])})
    for name, value in parts.items():
        run.sums[name] = run.sums.get(name, 0.0) + value
    run.summed += 1
    if run.step % LOG_EVERY:
        return
    now, (step, then) = time.monotonic(), run.marked
    speed = (run.step - step) * run.config.batch / max(now - then, 1e-9)
    size = run.config.size_at(done)
    row = {name: round(value / run.summed, 4) for name, value in run.sums.items()}
    row |= {"rate": run.optimiser.param_groups[0]["lr"], "size": size, "films_per_second": round(speed, 1)}
    append_row(run.folder / LOG_FILE, {"step": run.step, "minutes": round(run.seconds / 60, 2), **row})
    left = run.seconds * (1 - done) / max(done, 1e-6) / 60
    run.say(f"step {run.step} {done:.1%} loss {row['loss']} {size} px {speed:.0f} films/s, {left:.0f} min left")
    run.sums, run.summed, run.marked = {}, 0, (run.step, now)


def _validate(run: _Run, size: int) -> None:
    """Judge the averaged network on val."""
    val = run.films.of(Split.VAL)
    if run.config.evaluate_films:
        val = val[:: max(1, len(val) // run.config.evaluate_films)]
    if not len(val):
        return
    found = detect_all(predict(run.averaged, run.films, val, size), run.config.labels)
    forget_after(run.folder / VAL_FILE, run.step - 1)  # a run that was done when it was resumed is judged anew
    append_row(run.folder / VAL_FILE, {"step": run.step, "minutes": round(run.seconds / 60, 2), **found})
    each = " ".join(f"{k[3:9]} {v:.2f}" for k, v in found.items() if k.startswith("ap/") and math.isfinite(v))
    run.say(f"val at step {run.step}: mAP@0.4 {found['map']:.3f}, AUROC {found['auroc']:.3f} ({each})")


def _save(run: _Run, done: float) -> None:
    state = {
        "config": json.loads(json.dumps(run.config.to_dict())),
        "data": run.data,
        "terms": run.terms.to_dict(),
        "step": run.step,
        "seconds": run.seconds,
        "progress": done,
        "network": run.bare.state_dict(),
        "average": run.averaged.state_dict(),
        "optimiser": run.optimiser.state_dict(),
    }
    torch.save(state, run.folder / "last.tmp")
    sync_path(run.folder / "last.tmp")
    (run.folder / "last.tmp").replace(run.folder / CHECKPOINT_FILE)


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError("NOT_FOUND", path, "no checkpoint here")
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state
