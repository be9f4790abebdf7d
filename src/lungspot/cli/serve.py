"""``lungspot serve``."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lungspot import BANNER
from lungspot.cli.data_options import Classes
from lungspot.cli.service_options import LogJson, LogLevel
from lungspot.cli.site_option import SiteFile
from lungspot.errors import InputError
from lungspot.extras import extra
from lungspot.inputs import regular
from lungspot.logs import service_log
from lungspot.outputs import writing

if TYPE_CHECKING:
    from lungspot.serve import Lesson

__all__ = ["serve"]

_STUDIO_KEY = "LABEL_STUDIO_API_KEY"  # as Label Studio's own programs call it
_TOKEN = "LUNGSPOT_TOKEN"  # noqa: S105 - the variable's name


def serve(
    data: Annotated[Path, typer.Option(help="The folder for films, results and reviews.")] = Path("lungspot-data"),
    port: Annotated[int, typer.Option(help="The port; 0 takes any free one.", min=0, max=65535)] = 8080,
    host: Annotated[
        str, typer.Option(help="The address to listen on; beyond this machine it needs a token.")
    ] = "127.0.0.1",
    token_file: Annotated[
        Path | None, typer.Option(help="A file with the token that clients must show (or $LUNGSPOT_TOKEN).")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A name under which browsers may reach the server.")
    ] = None,
    keep_identifiers: Annotated[
        bool, typer.Option("--keep-identifiers", help="Keep file names, patient names and ids, and the files.")
    ] = False,
    model: Annotated[str, typer.Option(help="A model file made by `lungspot export`.")] = "default",
    site: SiteFile = None,
    teach: Annotated[
        str | None,
        typer.Option(
            metavar="NAME:FOLDER", help="Teach with a dataset's films and truth, as `lungspot data` names it."
        ),
    ] = None,
    class_map: Classes = None,
    teach_films: Annotated[int, typer.Option(metavar="N", help="Cases for --teach.", min=1, max=1000)] = 40,
    screen: Annotated[
        str | None,
        typer.Option(metavar="LABEL", help="Screen people for this label: a queue by score, and a register."),
    ] = None,
    label_studio: Annotated[
        str | None, typer.Option(metavar="URL", help="Suggest boxes to the Label Studio at this address.")
    ] = None,
    label_studio_host: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="A further host that its films may be fetched from.")
    ] = None,
    label_studio_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A file with its access token (or $LABEL_STUDIO_API_KEY)."),
    ] = None,
    workers: Annotated[int, typer.Option(help="Films read at once.", min=1, max=64)] = 2,
    queue: Annotated[int, typer.Option(help="Films that may wait.", min=1)] = 256,
    max_upload: Annotated[int, typer.Option(help="MiB that one upload may have.", min=1)] = 512,
    log_level: LogLevel = "info",
    log_json: LogJson = False,
) -> None:
    """Serve the viewer and the HTTP interface to this machine, or with a token to others.

    Films are kept without anything about the patient. Stop it with Ctrl-C: films that wait are read at the next start.
    """
    with extra("serve", "serving"):
        from lungspot.serve import Settings, film_host
        from lungspot.serve import serve as run
    with writing(), service_log(log_level, json_lines=log_json):
        token = os.environ.get(_TOKEN) if token_file is None else _token_of(token_file)
        settings = Settings(
            data=data,
            host=host,
            port=port,
            token=token,
            allow_hosts=tuple(allow_host or ()),
            keep_identifiers=keep_identifiers,
            model=model,
            site=site,
            workers=workers,
            queue=queue,
            upload_bytes=max_upload << 20,
            teach=() if teach is None else _lessons(teach, teach_films, class_map, quiet=log_json),
            screen=screen,
            label_studio=None if label_studio is None else film_host(label_studio, "--label-studio"),
            label_studio_hosts=tuple(film_host(each, "--label-studio-host") for each in label_studio_host or ()),
            label_studio_key=os.environ.get(_STUDIO_KEY) if label_studio_key is None else _token_of(label_studio_key),
        )
        log = logging.getLogger("lungspot.serve")
        log.info(BANNER)
        run(settings, lambda address: log.info("serving %s (data in %s); stop with Ctrl-C", address, str(data)))


def _lessons(words: str, count: int, class_map: list[str] | None, *, quiet: bool) -> tuple[Lesson, ...]:
    """Return the cases that ``--teach`` means; a name that is none is a usage error."""
    from lungspot.cli.data_sources import cases_of
    from lungspot.evaluate import truth_source, truths
    from lungspot.serve import choose_lessons

    name, root = truth_source(words)
    cases = cases_of(name, root, merged=True, class_map=class_map, quiet=quiet)
    return choose_lessons(truths(cases, name), count)


def _token_of(path: Path) -> str:
    try:
        return regular(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise InputError("BAD_VALUE", path, reason or "no text", advice="give a file that holds the token") from error
