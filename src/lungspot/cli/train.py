"""``lungspot train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lungspot.cli.console import Overwrite, say
from lungspot.cli.data_options import Classes
from lungspot.cli.data_sources import say_classes, site_classes
from lungspot.extras import extra
from lungspot.outputs import writing

__all__ = ["train"]


def train(
    out: Annotated[Path, typer.Option("-o", "--out", help="The run folder to write.")],
    config: Annotated[
        Path | None, typer.Argument(help="TOML file of settings; the defaults are those of release 1.1.")
    ] = None,
    data: Annotated[Path, typer.Option(help="The folder with the datasets' downloads and splits.csv.")] = Path("data"),
    cache: Annotated[Path | None, typer.Option(help="Where packed films are kept; OUT/cache if not given.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("-s", "--set", metavar="NAME=VALUE", help="A setting (TOML), over the file's.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from OUT's last checkpoint.")] = False,
    begin: Annotated[
        Path | None,
        typer.Option("--from", help="A run, or a model file, to begin with; `default` is the shipped one."),
    ] = None,
    no_boxes: Annotated[
        bool, typer.Option("--no-boxes", help="Learn from the films' labels alone, for the study of heat maps.")
    ] = False,
    teachers: Annotated[
        list[Path] | None,
        typer.Option("--teacher", help="A run or model file that is asked about the films first; may be repeated."),
    ] = None,
    class_map: Classes = None,
    overwrite: Overwrite = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
) -> None:
    """Train a detector from films and readings; `accelerate launch -m lungspot train …` uses more processes."""
    import tomllib

    from lungspot.errors import InputError

    with extra("train", "training"):
        from lungspot.train import is_site, read_toml, require_new_run, run, run_config
    if str(begin) == "default":
        from lungspot.detect import default_weights

        begin, _ = default_weights()
    try:
        over = tomllib.loads("\n".join(settings or []))
    except tomllib.TOMLDecodeError as error:
        raise InputError("BAD_VALUE", "--set", str(error)) from error
    given = read_toml(config) if config else {}
    chosen = run_config(begin, {**given, **over}, short=is_site(data))
    if not resume:
        read = [*(teachers or ()), *([config] if config else [])]
        require_new_run(out, begin, inputs=read, overwrite=overwrite)
    tell = (lambda _: None) if quiet else say
    classes = site_classes(class_map, data)
    with writing():
        end = run(
            *(chosen, data, out),
            cache=cache,
            resume=resume,
            begin=begin,
            boxes=not no_boxes,
            teachers=teachers or (),
            names=classes,
            say=tell,
        )
    if not quiet:
        say_classes(classes)
    say(f"{out}: {end.step} steps in {end.seconds / 60:.1f} minutes; next: lungspot export {out}")
