"""The node: its spool, its log, and the threads that receive, read and send, from start to a graceful stop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final

from lungspot.dicomweb import DicomWebArchive, open_client
from lungspot.errors import InputError, SetupError
from lungspot.node.admission import AdmissionServer
from lungspot.node.audit import AuditEvent, AuditLog, Outcome
from lungspot.node.certificates import Certificates
from lungspot.node.context import NodeContext
from lungspot.node.dimse import store_to
from lungspot.node.guard import NetworkLimits
from lungspot.node.listener import Listener, application_entity
from lungspot.node.metrics import MetricsServer
from lungspot.node.peers import Peer, Rule
from lungspot.node.performed import by_dicom, by_wado
from lungspot.node.performer import Performer, perform
from lungspot.node.pull import QidoQuery, pull
from lungspot.node.sender import Deliver, send
from lungspot.node.spool import KEEP_SECONDS, OPEN_STATES, Spool
from lungspot.node.states import FilmState
from lungspot.node.stow import stow_to
from lungspot.node.ups import ItemQuery, UnifiedWorklist
from lungspot.node.worker import ResultOptions, work

__all__ = ["NodeSettings", "run_node"]

_LOG = logging.getLogger("lungspot.node")
_DRAIN_SECONDS: Final = 8.0  # for associations that stand when the node is stopped
_ALERTS_A_MINUTE: Final = 60
_TICK_SECONDS: Final = 0.2
_ASKING: Final = frozenset({"puller", "performer"})  # parts that end by themselves where the node runs once


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """Everything that the node is told at its start.

    It listens where there are ``rules``, asks an archive where there is a ``source``, and performs the items of a work
    list where there is one at ``ups``, with films fetched at ``wado`` (at ``ups`` if not given). Results go to
    ``send_to`` by C-STORE, else to ``stow`` by STOW-RS. ``reserve``: bytes that must stay free. ``every``: seconds
    between questions. ``metrics``: where ``/metrics`` and ``/healthz`` are answered. ``compare_days``: for how many
    days it is kept what later films of a patient are compared with.
    """

    spool: Path
    title: str = "LUNGSPOT"
    address: tuple[str, int] = ("127.0.0.1", 11112)
    rules: tuple[Rule, ...] = ()
    send_to: Peer | None = None
    stow: str | None = None
    source: str | None = None
    query: QidoQuery | None = None
    ups: str | None = None
    items: ItemQuery | None = None
    wado: str | None = None
    every: float = 60.0
    once: bool = False
    results: ResultOptions = field(default_factory=ResultOptions)
    limits: NetworkLimits = field(default_factory=NetworkLimits)
    reserve: int = 512 * 1024 * 1024
    certificates: Certificates | None = None
    tls_out: bool = False
    retry_failed: bool = False
    metrics: tuple[str, int] | None = None
    compare_days: int = 0

    @property
    def shown(self) -> Certificates | None:
        """The certificates that are used towards the archive."""
        return self.certificates if self.tls_out else None


def run_node(settings: NodeSettings, stopping: threading.Event) -> dict[str, int]:
    """Run the node until ``stopping`` is set, or ``once`` everything asked for is done; return the films by state.

    Raises LungspotError before anything runs: a port that is taken, a spool in use, certificates that cannot be read.
    """
    deliver, target = _delivery(settings)
    with ExitStack() as stack:
        memory, days = _memory(settings), settings.compare_days
        spool = Spool(settings.spool, reserve=settings.reserve, keep_seconds=memory, compare_days=days)
        stack.callback(spool.close)
        audit = AuditLog(settings.spool / "audit.jsonl", source=settings.title)
        stack.callback(audit.close)
        if settings.retry_failed:
            _LOG.info("%d films that were set aside are tried again", spool.retry_failed())
        counts = spool.counts()
        if any(counts[state] for state in OPEN_STATES):
            _LOG.info("in the spool: %s", ", ".join(f"{counts[state]} {word}" for state, word in OPEN_STATES.items()))
        context = NodeContext(spool, audit, stopping)
        admission = _admission(settings, context) if settings.rules else None
        parts: dict[str, Callable[[], object]] = {
            "worker": partial(work, context, settings.results),
            "sender": partial(send, context, deliver, target),
        }
        if admission is not None:
            parts["admission"] = admission.run
        if settings.source is not None:
            client = _client(settings, settings.source, "--from-dicomweb")
            query = settings.query or QidoQuery.parse((), "1d")
            parts["puller"] = partial(pull, context, client, query, every=settings.every, once=settings.once)
        if settings.ups is not None:
            performer = _performer(settings, settings.ups, context, target)
            parts["performer"] = partial(perform, performer, every=settings.every, once=settings.once)
        threads = {
            name: threading.Thread(target=part, name=f"lungspot-{name}", daemon=True) for name, part in parts.items()
        }
        if settings.metrics is not None:
            well = partial(_what_is_wrong, context, threads, once=settings.once)
            watched = MetricsServer(settings.metrics, context.tally, spool, well)
            stack.callback(watched.close)
            _LOG.info("numbers for Prometheus at http://%s:%d/metrics", *watched.address)
        audit.record(AuditEvent.START, what={"results_to": target})
        for thread in threads.values():
            thread.start()
        if admission is not None:
            _LOG.info("%s listens at %s:%d", settings.title, *admission.server_address[:2])
        ended = _watch(context, threads, once=settings.once)
        _LOG.info("stopping")
        _stop(context, admission, threads)
        counts = spool.counts()
        context.note(AuditEvent.STOP, Outcome.SERIOUS_FAILURE if ended else Outcome.SUCCESS, None, counts)
    if ended:
        raise RuntimeError(f"the {ended} ended")
    _LOG.info(
        "stopped; %d films wait to be read, %d to be sent", counts[FilmState.RECEIVED], counts[FilmState.ANALYSED]
    )
    return counts


def _what_is_wrong(context: NodeContext, threads: dict[str, threading.Thread], *, once: bool) -> str:
    """Return why a load balancer or a supervisor should not count on this node; empty where it may."""
    if context.stopping.is_set():
        return "stopping"
    if ended := _ended(threads, once=once):
        return f"the {ended} ended"
    return "the disk is full" if context.spool.free() <= 0 else ""


def _ended(threads: dict[str, threading.Thread], *, once: bool) -> str:
    """Return the name of a thread that ended and should not have; empty where none did."""
    for name, thread in threads.items():
        if thread.ident is not None and not thread.is_alive() and not (once and name in _ASKING):
            return name
    return ""


def _memory(settings: NodeSettings) -> float:
    """Return for how many seconds sent films must be remembered, so that none in the query's dates comes twice."""
    asked = 0 if settings.query is None else (date.today() - settings.query.first).days + 1  # noqa: DTZ011
    return max(KEEP_SECONDS, asked * 86400)


def _watch(context: NodeContext, threads: dict[str, threading.Thread], *, once: bool) -> str:
    """Wait for the end; return the name of a thread that ended and should not have."""
    while not context.stopping.wait(_TICK_SECONDS):
        if ended := _ended(threads, once=once):
            return ended
        if once and not any(thread.is_alive() for name, thread in threads.items() if name in _ASKING):
            counts = context.spool.counts()
            if not counts[FilmState.RECEIVED] and not counts[FilmState.ANALYSED]:
                break
    return ""


def _stop(context: NodeContext, admission: AdmissionServer | None, threads: dict[str, threading.Thread]) -> None:
    """Admit nobody, let the associations that stand finish, then let worker and sender finish what they hold."""
    context.stopping.set()
    if admission is not None:
        admission.stop()
        end = time.monotonic() + _DRAIN_SECONDS
        while admission.active() and time.monotonic() < end:
            time.sleep(0.05)
        for association in admission.active():
            association.abort()
    context.closed.set()
    context.spool.wake()
    for thread in threads.values():
        thread.join(_DRAIN_SECONDS)


def _delivery(settings: NodeSettings) -> tuple[Deliver, str]:
    if settings.send_to is not None:
        tls = None if settings.shown is None else settings.shown.context(server=False)
        return store_to(settings.send_to, settings.title, tls), str(settings.send_to)
    url = settings.stow or settings.source or settings.wado or settings.ups
    if url is None:
        raise InputError("BAD_VALUE", None, "results have no place to go", advice="give --send-to or --stow")
    options = {
        settings.ups: "--ups",
        settings.wado: "--wado",
        settings.source: "--from-dicomweb",
        settings.stow: "--stow",
    }
    client = _client(settings, url, options[url])
    return stow_to(client), f"{client.protocol}://{client.host}:{client.port}{client.url_prefix}"


def _client(settings: NodeSettings, url: str, where: str) -> DicomWebArchive:
    if settings.shown is None:
        return open_client(url, where)
    files = settings.shown
    return open_client(url, where, shown=(files.certificate, files.key), authority=files.authority)


def _performer(settings: NodeSettings, url: str, context: NodeContext, target: str) -> Performer:
    """Return what performs a work list; ``target``: where results go."""
    query = settings.items or ItemQuery.parse((), settings.title)
    worklist = UnifiedWorklist(_client(settings, url, "--ups"), query, settings.title)
    archive = _client(settings, settings.wado or url, "--wado" if settings.wado else "--ups")
    retrieval = by_wado(target) if settings.send_to is None else by_dicom(settings.send_to.ae)
    return Performer(context, worklist, archive, settings.title, retrieval)


def _admission(settings: NodeSettings, context: NodeContext) -> AdmissionServer:
    tls = settings.certificates.context(server=True) if settings.certificates else None
    on_refused = _refusal_log(context)
    try:
        return AdmissionServer(
            application_entity(settings.title),
            settings.address,
            rules=settings.rules,
            limits=settings.limits,
            on_refused=on_refused,
            tls=tls,
            handlers=Listener(context, on_refused).handlers(),
        )
    except (OSError, UnicodeError) as error:  # taken, not ours, not known, and what can be no host's name
        where = f"{settings.address[0]}:{settings.address[1]}"
        raise SetupError("PORT", where, getattr(error, "strerror", None) or "cannot listen here") from error


def _refusal_log(context: NodeContext) -> Callable[[str, str, str], None]:
    """Return what writes down who was refused: so many a minute, and how many were left out."""
    state = {"minute": 0, "written": 0, "left_out": 0}

    def on_refused(host: str, ae: str, why: str) -> None:
        context.tally.add("rejected")
        minute = int(time.monotonic() // 60)
        if state["minute"] != minute:
            state.update(minute=minute, written=0)
        if state["written"] >= _ALERTS_A_MINUTE:
            state["left_out"] += 1
            return
        state["written"] += 1
        _LOG.warning("rejected %s%s: %s", f"{ae}@" if ae else "", host, why)
        what = {"reason": why} | ({"left_out": state["left_out"]} if state["left_out"] else {})
        state["left_out"] = 0
        context.note(AuditEvent.STRANGER, Outcome.MINOR_FAILURE, {"ae": ae, "host": host}, what)

    return on_refused
