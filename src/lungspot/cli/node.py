"""``lungspot node``: the DICOM node of a hospital's network."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lungspot import BANNER
from lungspot.cli.console import emit, require_one_of
from lungspot.cli.service_options import LogJson, LogLevel
from lungspot.cli.site_option import PointOption, SiteFile, detector_of
from lungspot.extras import extra
from lungspot.logs import service_log
from lungspot.outputs import writing

if TYPE_CHECKING:
    from lungspot.node import NodeSettings

__all__ = ["node"]

MIB = 1 << 20


def node(
    ae: Annotated[str, typer.Option(help="This node's AE title.", metavar="AET")] = "LUNGSPOT",
    host: Annotated[str, typer.Option(help="The address to listen at; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen at.", min=0, max=65535)] = 11112,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="AET@HOST", help="A sender: title (* for any) and host or network; may be repeated."),
    ] = None,
    send_to: Annotated[str | None, typer.Option(metavar="AET@HOST:PORT", help="Where results go, by C-STORE.")] = None,
    stow: Annotated[str | None, typer.Option(metavar="URL", help="Where results go, by STOW-RS.")] = None,
    from_dicomweb: Annotated[
        str | None, typer.Option(metavar="URL", help="A DICOMweb archive to fetch films from; results go back to it.")
    ] = None,
    query: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Which films to fetch; Modality=CR,DX,DR if not given."),
    ] = None,
    since: Annotated[str, typer.Option(help="The first study date to fetch: 2026-01-31, or 7d.")] = "1d",
    ups: Annotated[
        str | None, typer.Option(metavar="URL", help="A work list (UPS-RS) whose items to perform; results go to it.")
    ] = None,
    ups_query: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Which items; those scheduled for the station --ae if not given."),
    ] = None,
    wado: Annotated[
        str | None, typer.Option(metavar="URL", help="The DICOMweb archive of the items' films, if not at --ups.")
    ] = None,
    every: Annotated[
        float, typer.Option(help="Seconds between two questions to archive or work list.", min=1, max=86400)
    ] = 60,
    once: Annotated[bool, typer.Option("--once", help="Fetch, read and send once, then stop.")] = False,
    spool: Annotated[Path, typer.Option(help="The folder that holds films and results until they are sent.")] = Path(
        "lungspot-node"
    ),
    formats: Annotated[str, typer.Option("--format", help="sr, gsps, sc, seg; several with commas.")] = "sr",
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Read these films only: body=CHEST,THORAX, description=, station=."),
    ] = None,
    skip: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="Do not read these films.")] = None,
    chest_only: Annotated[
        bool, typer.Option("--chest-only", help="Send nothing about films that are no upright frontal chest films.")
    ] = False,
    compare_days: Annotated[
        int,
        typer.Option(
            metavar="DAYS",
            help="Compare with the patient's newest earlier film, and keep for so many days what that needs of each.",
            min=0,
            max=36500,
        ),
    ] = 0,
    sr_class: Annotated[str, typer.Option(help="comprehensive, or comprehensive3d as IHE AI Results asks.")] = (
        "comprehensive"
    ),
    operating_point: PointOption = "balanced",
    min_score: Annotated[
        float | None, typer.Option(help="Report boxes from this score, not the operating point's.", min=0, max=1)
    ] = None,
    experimental: Annotated[
        bool, typer.Option("--experimental", help="Say the model's experimental labels too, marked as such.")
    ] = False,
    model: Annotated[str, typer.Option(help="A model file made by `lungspot export`.")] = "default",
    site: SiteFile = None,
    max_associations: Annotated[int, typer.Option(help="Associations at once.", min=1, max=200)] = 16,
    max_mib: Annotated[int, typer.Option(help="The largest data set that is taken, in MiB.", min=1)] = 128,
    idle: Annotated[float, typer.Option(help="Seconds after which a silent association ends.", min=1, max=3600)] = 30,
    keep_free: Annotated[int, typer.Option(help="MiB of disk that no film may use.", min=0)] = 512,
    tls_cert: Annotated[Path | None, typer.Option(help="TLS: this node's certificate (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="TLS: its private key (PEM).")] = None,
    tls_ca: Annotated[Path | None, typer.Option(help="TLS: only peers that this authority certified (PEM).")] = None,
    tls_out: Annotated[
        bool, typer.Option("--tls-out", help="TLS towards the archive as well (--send-to, https).")
    ] = False,
    metrics: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Answer /metrics (Prometheus) and /healthz there, by HTTP.")
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try films again that were set aside.")] = False,
    check_audit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Check the chain of an audit log, and do nothing else.")
    ] = None,
    log_level: LogLevel = "info",
    log_json: LogJson = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No log on stderr.")] = False,
) -> None:
    """Be a DICOM node: take CR and DX films from senders, read them, give the results to the archive.

    Runs until SIGTERM or Ctrl-C, then finishes what it has begun. What it acknowledged survives a crash in --spool.
    """
    from lungspot.errors import InputError

    with extra("pacs", "the node"):
        import lungspot.node as room
    if check_audit is not None:
        if not check_audit.is_file():
            raise InputError("BAD_VALUE", check_audit, "there is no such file", advice="give an audit log")
        with writing():
            count, last = room.verify(check_audit)
        emit({"records": count, "last_hash": last})
        return
    if not allow and from_dicomweb is None and ups is None:
        advice = "give --allow AET@HOST, --from-dicomweb or --ups"
        raise InputError("BAD_VALUE", None, "nobody may send films", advice=advice)
    if ups is None and (ups_query or wado is not None):
        raise InputError("BAD_VALUE", None, "there is no work list", advice="give --ups URL")
    if send_to is not None and stow is not None:
        raise InputError("BAD_VALUE", None, "two places for results", advice="give --send-to or --stow")
    if (tls_cert is None) != (tls_key is None) or ((tls_ca or tls_out) and tls_cert is None):
        raise InputError("BAD_VALUE", None, "half of TLS", advice="give --tls-cert and --tls-key")
    if once and from_dicomweb is None and ups is None:
        raise InputError("BAD_VALUE", "--once", "there is nothing to fetch", advice="give --from-dicomweb or --ups")
    from lungspot.detect import OPERATING_POINTS
    from lungspot.report import SR_CLASSES

    require_one_of(operating_point, OPERATING_POINTS, "--operating-point")
    require_one_of(sr_class, SR_CLASSES, "--sr-class")
    settings = room.NodeSettings(
        spool=spool,
        title=room.require_ae_title(ae, "--ae"),
        address=(host, port),
        rules=tuple(room.parse_rule(text) for text in allow or ()),
        send_to=None if send_to is None else room.parse_peer(send_to),
        stow=stow,
        source=from_dicomweb,
        query=None if from_dicomweb is None else room.QidoQuery.parse(query or (), since),
        ups=ups,
        items=None if ups is None else room.ItemQuery.parse(ups_query or (), ae),
        wado=wado,
        every=every,
        once=once,
        results=room.ResultOptions(
            _kinds(formats),
            sr_class,
            operating_point,
            min_score,
            detector_of(model, site),
            experimental,
            room.FilmFilter.parse(only or (), skip or (), chest_only=chest_only),
        ),
        limits=room.NetworkLimits(
            associations=max_associations,
            data_set=max_mib * MIB,
            in_memory=max(room.NetworkLimits().in_memory, max_mib * MIB),
            idle_seconds=idle,
        ),
        reserve=keep_free * MIB,
        certificates=None if tls_cert is None or tls_key is None else room.Certificates(tls_cert, tls_key, tls_ca),
        tls_out=tls_out,
        retry_failed=retry_failed,
        metrics=None if metrics is None else _address(metrics),
        compare_days=compare_days,
    )
    _run(settings, log_level, json_lines=log_json, quiet=quiet)


def _run(settings: NodeSettings, level: str, *, json_lines: bool, quiet: bool) -> None:
    from lungspot.images import use_fork_server
    from lungspot.node import run_node

    stopping = threading.Event()
    _become_service(stopping)
    with service_log(None if quiet else level, json_lines=json_lines):
        logging.getLogger("lungspot.node").info(BANNER)
        with writing(), use_fork_server():
            run_node(settings, stopping)


def _become_service(stopping: threading.Event) -> None:
    """Make this process a service: signals end it in good order, and no library writes to stderr.

    Libraries quote what they read in warnings and messages, and what they read may name a patient.
    """
    warnings.simplefilter("ignore")
    logging.lastResort = None
    threading.excepthook = lambda bug: logging.getLogger("lungspot.node").error(
        "bug in thread %s: %s", bug.thread and bug.thread.name, bug.exc_value, exc_info=bug.exc_value
    )
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopping.set())


def _address(text: str) -> tuple[str, int]:
    from lungspot.errors import InputError

    host, _, port = text.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise InputError("BAD_VALUE", "--metrics", f"{text!r} is no address", advice="give HOST:PORT, 127.0.0.1:9100")
    return host, int(port)


def _kinds(text: str) -> tuple[str, ...]:
    from lungspot.report import DICOM_KINDS

    kinds = tuple(part.strip() for part in text.split(",") if part.strip())
    if not kinds or set(kinds) - set(DICOM_KINDS):
        raise typer.BadParameter(f"{text!r}: give some of {', '.join(DICOM_KINDS)}", param_hint="--format")
    return kinds
