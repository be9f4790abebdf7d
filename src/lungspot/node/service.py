"""The node: its spool, its log, and the threads that receive, read and send, from start to a graceful stop."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final

from lungspot.errors import InputError, SetupError
from lungspot.node.audit import AuditEvent, AuditLog, Outcome
from lungspot.node.certificates import Certificates
from lungspot.node.desk import Desk
from lungspot.node.dicomweb import open_client, stow_to
from lungspot.node.dimse import store_to
from lungspot.node.door import Door
from lungspot.node.guard import Limits
from lungspot.node.listener import Listener, application_entity
from lungspot.node.peers import Peer, Rule
from lungspot.node.pull import Question, pull
from lungspot.node.sender import Deliver, send
from lungspot.node.spool import KEEP_SECONDS, Spool
from lungspot.node.worker import Asked, work

__all__ = ["Settings", "serve"]

_DRAIN_SECONDS: Final = 8.0  # for associations that stand when the node is stopped
_ALERTS_A_MINUTE: Final = 60
_TICK_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the node is told at its start.

    It listens where there are ``rules``, and asks an archive where there is a ``source``. Results go to ``send_to`` by
    C-STORE, else to ``stow`` by STOW-RS. ``reserve``: bytes that must stay free. ``every``: seconds between questions.
    """

    spool: Path
    title: str = "LUNGSPOT"
    address: tuple[str, int] = ("127.0.0.1", 11112)
    rules: tuple[Rule, ...] = ()
    send_to: Peer | None = None
    stow: str | None = None
    source: str | None = None
    question: Question | None = None
    every: float = 60.0
    once: bool = False
    asked: Asked = field(default_factory=Asked)
    limits: Limits = field(default_factory=Limits)
    reserve: int = 512 * 1024 * 1024
    certificates: Certificates | None = None
    tls_out: bool = False
    retry_failed: bool = False

    @property
    def shown(self) -> Certificates | None:
        """The certificates that are used towards the archive."""
        return self.certificates if self.tls_out else None


def serve(settings: Settings, say: Callable[[str], None], stopping: threading.Event) -> dict[str, int]:
    """Run the node until ``stopping`` is set, or ``once`` everything asked for is done; return the films by state.

    Raises LungspotError before anything runs: a port that is taken, a spool in use, certificates that cannot be read.
    """
    deliver, target = _delivery(settings)
    with ExitStack() as stack:
        spool = Spool(settings.spool, reserve=settings.reserve, keep_seconds=_memory(settings))
        stack.callback(spool.close)
        audit = AuditLog(settings.spool / "audit.jsonl", source=settings.title)
        stack.callback(audit.close)
        if settings.retry_failed:
            say(f"{spool.retry_failed()} films that were set aside are tried again")
        counts, words = spool.counts(), {"received": "to be read", "analysed": "to be sent", "failed": "set aside"}
        if any(counts[state] for state in words):
            say("in the spool: " + ", ".join(f"{counts[state]} {word}" for state, word in words.items()))
        desk = Desk(spool, audit, say, stopping)
        door = _door(settings, desk) if settings.rules else None
        parts: dict[str, Callable[[], object]] = {
            "worker": partial(work, desk, settings.asked),
            "sender": partial(send, desk, deliver, target),
        }
        if door is not None:
            parts["door"] = door.watch
        if settings.source is not None:
            client = open_client(settings.source, "--from-dicomweb", settings.shown)
            question = settings.question or Question.parse((), "1d")
            parts["puller"] = partial(pull, desk, client, question, every=settings.every, once=settings.once)
        threads = {
            name: threading.Thread(target=part, name=f"lungspot-{name}", daemon=True) for name, part in parts.items()
        }
        audit.record(AuditEvent.START, what={"results_to": target})
        for thread in threads.values():
            thread.start()
        if door is not None:
            say(f"{settings.title} listens at {door.server_address[0]}:{door.server_address[1]}")
        ended = _watch(desk, threads, once=settings.once)
        say("stopping")
        _stop(desk, door, threads)
        counts = spool.counts()
        desk.note(AuditEvent.STOP, Outcome.SERIOUS_FAILURE if ended else Outcome.SUCCESS, None, counts)
    if ended:
        raise RuntimeError(f"the {ended} ended")
    say(f"stopped; {counts['received']} films wait to be read, {counts['analysed']} to be sent")
    return counts


def _memory(settings: Settings) -> float:
    """Return for how many seconds sent films must be remembered, so that none in the question's dates comes twice."""
    asked = 0 if settings.question is None else (date.today() - settings.question.first).days + 1  # noqa: DTZ011
    return max(KEEP_SECONDS, asked * 86400)


def _watch(desk: Desk, threads: dict[str, threading.Thread], *, once: bool) -> str:
    """Wait for the end; return the name of a thread that ended and should not have."""
    while not desk.stopping.wait(_TICK_SECONDS):
        for name, thread in threads.items():
            if not thread.is_alive() and not (once and name == "puller"):
                return name
        if once and not threads["puller"].is_alive():
            counts = desk.spool.counts()
            if not counts["received"] and not counts["analysed"]:
                break
    return ""


def _stop(desk: Desk, door: Door | None, threads: dict[str, threading.Thread]) -> None:
    """Let nobody in, let those who are in finish, then let worker and sender finish what they hold."""
    desk.stopping.set()
    if door is not None:
        door.stop()
        end = time.monotonic() + _DRAIN_SECONDS
        while door.serving() and time.monotonic() < end:
            time.sleep(0.05)
        for association in door.serving():
            association.abort()
    desk.closed.set()
    desk.spool.wake()
    for thread in threads.values():
        thread.join(_DRAIN_SECONDS)


def _delivery(settings: Settings) -> tuple[Deliver, str]:
    if settings.send_to is not None:
        tls = None if settings.shown is None else settings.shown.context(server=False)
        return store_to(settings.send_to, settings.title, tls), str(settings.send_to)
    url = settings.stow or settings.source
    if url is None:
        raise InputError("BAD_VALUE", None, "results have no place to go", advice="give --send-to or --stow")
    client = open_client(url, "--stow", settings.shown)
    return stow_to(client), f"{client.protocol}://{client.host}:{client.port}{client.url_prefix}"


def _door(settings: Settings, desk: Desk) -> Door:
    tls = settings.certificates.context(server=True) if settings.certificates else None
    try:
        return Door(
            application_entity(settings.title),
            settings.address,
            rules=settings.rules,
            limits=settings.limits,
            turned_away=_alarm(desk),
            tls=tls,
            handlers=Listener(desk).handlers(),
        )
    except OSError as error:
        where = f"{settings.address[0]}:{settings.address[1]}"
        if error.errno in {errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL}:
            raise SetupError("PORT", where, error.strerror or "cannot listen here") from error
        raise


def _alarm(desk: Desk) -> Callable[[str, str, str], None]:
    """Return what writes down who was turned away: so many a minute, and how many were left out."""
    state = {"minute": 0, "written": 0, "left_out": 0}

    def turned_away(host: str, ae: str, why: str) -> None:
        minute = int(time.monotonic() // 60)
        if state["minute"] != minute:
            state.update(minute=minute, written=0)
        if state["written"] >= _ALERTS_A_MINUTE:
            state["left_out"] += 1
            return
        state["written"] += 1
        desk.say(f"turned away {f'{ae}@' if ae else ''}{host}: {why}")
        what = {"reason": why} | ({"left_out": state["left_out"]} if state["left_out"] else {})
        state["left_out"] = 0
        desk.note(AuditEvent.STRANGER, Outcome.MINOR_FAILURE, {"ae": ae, "host": host}, what)

    return turned_away
