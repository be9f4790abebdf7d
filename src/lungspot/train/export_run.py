"""From a run folder and its data folder to a model file: which network, which films, at which size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from lungspot.errors import InputError
from lungspot.formats import ClassMap
from lungspot.train.average import average_weights
from lungspot.train.export_model import ExportedModel, export_model, open_checkpoint
from lungspot.train.gate import load_gate
from lungspot.train.loop import Checkpoint
from lungspot.train.outlines import with_outlines
from lungspot.train.parts import parts_head
from lungspot.train.site_films import is_site
from lungspot.train.start import gather, gather_as_served
from lungspot.train.teach import Taught, teach_model

__all__ = ["export_run", "export_taught"]


def export_run(  # noqa: PLR0913 - what makes one file another
    run: Path,
    data: Path,
    cache: Path,
    *,
    average: Sequence[Path] = (),
    size: int | None = None,
    mirror: bool = False,
    gate: Path | None = None,
    opinion: Path | None = None,
    parts: Sequence[Path] = (),
    outlines: Path | None = None,
    name: str = "lungspot",
    version: str = "0",
    notes: Sequence[str] = (),
    say: Callable[[str], None] = lambda _: None,
) -> ExportedModel:
    """Return the model file of a run, calibrated and measured on the films of ``data`` (:func:`export_model`).

    ``run``: a run folder, or a model file to calibrate anew. ``cache``: the folder where packed films are kept: those
    as served and, if there is a head for parts of films, those as large as it looks at them. ``average``: more runs
    that began with the same network; the mean of their weights counts. ``gate``: a file of :func:`save_gate`, or a
    model file whose gate it is. ``opinion``: a run or model file that gives the second network; the run's own if None.
    ``parts``: runs that learnt parts of films with the run's backbone, of whose weights, too, the mean counts; the
    run's own if there are none. ``outlines``: a run that learnt heart and lungs on the run's backbone, whose heads
    are added (:func:`with_outlines`). All else is as for :func:`export_model`.
    Raises ``BAD_VALUE`` where the films are a site's, for which there is :func:`export_taught`, and what
    :func:`open_checkpoint`, :func:`average_weights`, :func:`gather`, :func:`load_gate`, :func:`parts_head`,
    :func:`with_outlines` and :func:`export_model` raise.
    """
    if is_site(data):
        advice = "say --taught-from with the model that the run began with"
        raise InputError("BAD_VALUE", data, "a site's films teach a model that there is, and judge it", advice=advice)
    checkpoint = _opened(run, average)
    checkpoint = with_outlines(checkpoint, open_checkpoint(outlines)) if outlines else checkpoint
    pixels = size or checkpoint.config.input_size
    films, _ = gather_as_served(checkpoint.config, data, cache, pixels)
    head = checkpoint.parts
    if parts:
        learnt = average_weights([open_checkpoint(each) for each in parts])
        head = parts_head(learnt.config, learnt.network, checkpoint.network, learnt.terms)
    return export_model(
        checkpoint,
        films,
        name=name,
        version=version,
        size=pixels,
        mirror=mirror,
        gate=load_gate(gate, pixels) if gate else None,
        opinion=open_checkpoint(opinion) if opinion else None,
        parts=head,
        fine=gather(replace(checkpoint.config, cache_size=head.look.size), data, cache)[0] if head else None,
        notes=notes,
        say=say,
    )


def export_taught(  # noqa: PLR0913 - a run, two models, and what may be lost
    run: Path,
    data: Path,
    cache: Path,
    model: Path,
    *,
    average: Sequence[Path] = (),
    old: Path | None = None,
    worse: float = 0.02,
    classes: ClassMap | None = None,
    say_classes: Callable[[ClassMap], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> Taught:
    """Return the model file of a run that taught ``model`` a site's films, and how the two compare.

    ``run``, ``cache`` and ``average`` are as for :func:`export_run`; ``model``, ``worse`` and ``say`` as for
    :func:`teach_model`. ``data``: the site's folder. ``old``: a data folder on whose test films both are judged, too.
    ``classes``: what the site's own classes mean; ``say_classes`` is told what became of each, before anything is
    judged. Raises what :func:`open_checkpoint`, :func:`average_weights`, :func:`gather` and :func:`teach_model` raise.
    """
    checkpoint, classes = _opened(run, average), ClassMap.of(classes)
    films, _ = gather_as_served(checkpoint.config, data, cache, names=classes)
    say_classes(classes)
    judges = None if old is None else gather_as_served(checkpoint.config, old, cache)[0]
    return teach_model(checkpoint, films, model, old=judges, worse=worse, say=say)


def _opened(run: Path, average: Sequence[Path]) -> Checkpoint:
    """Return the checkpoint of a run, or the mean of several."""
    checkpoint = open_checkpoint(run)
    return average_weights([checkpoint, *map(open_checkpoint, average)]) if average else checkpoint
