"""``lungspot train-gate``."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated

import typer

from lungspot.cli.console import Overwrite, emit, print_error, say
from lungspot.extras import extra
from lungspot.outputs import Outputs

__all__ = ["train_gate"]


def train_gate(
    out: Annotated[Path, typer.Option("-o", "--out", help="The .npz that `lungspot export` bakes in.")],
    data: Annotated[Path, typer.Option(help="The folder with splits.csv and ood/index.csv.")] = Path("data"),
    cache: Annotated[Path | None, typer.Option(help="Where packed films are kept; OUT.films.npz if not given.")] = None,
    keep: Annotated[
        Path | None, typer.Option(help="A gate, or a model file, whose gate is kept: only mirror images are learnt.")
    ] = None,
    steps: Annotated[int, typer.Option(help="Optimiser steps of the gate.", min=1)] = 1500,
    side_steps: Annotated[
        int, typer.Option(help="Optimiser steps of what knows mirror images; 0 keeps that of --keep, too.", min=0)
    ] = 5000,
    threads: Annotated[int, typer.Option(help="Processor threads.", min=1)] = 1,
    overwrite: Overwrite = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
) -> None:
    """Train the gate: it refuses what is no frontal chest film, and finds turned, inverted and mirrored ones."""
    from lungspot.formats import inputs_of

    with extra("train", "training a gate"):
        import torch

        from lungspot.train import learn_gate, pack_gate, save_gate

    read_from = [cache or out.with_suffix(".films.npz"), keep, data]
    outputs = Outputs(inputs_of(read_from, out=[out]), overwrite=overwrite)
    outputs.require(out)

    torch.set_num_threads(threads)
    films, refused = pack_gate(data, cache or out.with_suffix(".films.npz"))
    for error in refused:
        print_error(error)
    watch = None if quiet else lambda step, loss: say(f"step {step}: loss {loss:.3f}")
    found = learn_gate(films, keep, steps=steps, side_steps=side_steps, watch=watch)
    buffer = io.BytesIO()
    save_gate(buffer, found.net, found.card)
    outputs.write(out, buffer.getvalue())
    card, told = found.card, dict(found.told_mirrored)
    emit({"thresholds": dict(card.thresholds), "tested_on": dict(card.tested_on), "told from mirror images": told})
