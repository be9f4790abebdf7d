"""The door: it hears every connection out before pynetdicom spends two threads on it.

One thread holds all connections that have not yet said who they are. A silent one costs a file descriptor for ten
seconds, no thread and no place among the associations. Only a whole association request, from an address and an AE
title of the allow-list, goes on; strangers get the rejection that DICOM has for them.
"""

from __future__ import annotations

import contextlib
import gc
import selectors
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.events import EventHandlerType
from pynetdicom.transport import AssociationServer, RequestHandler

from lungspot.node.guard import Budget, GuardedDimse, GuardedSocket, Limits
from lungspot.node.peers import Rule, admits, knows
from lungspot.node.status import Rejection

__all__ = ["Door", "Visitor"]

_ASSOCIATE_RQ: Final = 1
_HEAD: Final = 6
_TITLES: Final = 42  # where an association request's two AE titles end
_COLLECT_SECONDS: Final = 10.0
_TICK: Final = 0.2  # seconds between two looks at the clock


@dataclass(slots=True)
class Visitor:
    """A connection that has not yet said who it is."""

    line: socket.socket
    address: tuple[Any, ...]
    until: float
    heard: bytearray = field(default_factory=bytearray)
    shaken: bool = True  # False: its TLS handshake is under way

    @property
    def host(self) -> str:
        """Its IP address."""
        return str(self.address[0])


class _Handler(RequestHandler):
    """Makes the association of one visitor, with our socket and our bounds in place of pynetdicom's."""

    server: Door

    def _create_association(self) -> Association:
        association = super()._create_association()
        association.dul.event_queue.get_nowait()  # "connected": our socket says so again
        door = self.server
        association.dul.socket = GuardedSocket(association, self.request, door.heard, door.limits)
        association.dimse = GuardedDimse(association, door.limits, door.budget)
        door.associations.append(association)
        return association


class Door(AssociationServer):
    """A listening socket with its allow-list."""

    request_queue_size = 128  # connections that the kernel holds until they are answered

    def __init__(  # noqa: PLR0913 - what TCPServer takes, and ours
        self,
        ae: AE,
        address: tuple[str, int],
        *,
        rules: Sequence[Rule],
        limits: Limits,
        turned_away: Callable[[str, str, str], None],
        tls: ssl.SSLContext | None = None,
        handlers: Sequence[EventHandlerType] = (),
    ) -> None:
        """Bind the socket; ``turned_away(host, ae, why)`` hears of everybody who is not let in. OSError: port taken."""
        ae.maximum_associations = limits.associations
        ae.maximum_pdu_size = limits.pdu
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = limits.idle_seconds
        super().__init__(ae, address, ae.ae_title, ae.supported_contexts, tls, list(handlers), _Handler)
        self.rules, self.limits, self.budget = rules, limits, Budget(limits.in_memory)
        self.heard = b""
        self.associations: list[Association] = []
        self._turned_away = turned_away
        self._visitors: dict[int, Visitor] = {}
        self._stopping = threading.Event()

    def watch(self) -> None:
        """Let visitors in until :meth:`stop`; runs in a thread of its own."""
        assert self.socket is not None  # noqa: S101 - bound in __init__
        self.socket.setblocking(False)  # noqa: FBT003 - the socket's own word
        collected = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            while not self._stopping.is_set():
                for key, _ in selector.select(_TICK):
                    visitor: Visitor | None = key.data
                    if visitor is None:
                        self._answer(selector)
                    elif self._visitors.get(key.fd) is visitor:  # not dismissed a moment ago
                        self._hear(selector, visitor)
                self._expire(selector)
                if time.monotonic() > collected + _COLLECT_SECONDS:
                    gc.collect()  # ended associations are cycles: threads, queues, buffers
                    collected = time.monotonic()
            for visitor in list(self._visitors.values()):
                self._dismiss(selector, visitor)
        self.server_close()

    def stop(self) -> None:
        """Let nobody in any more; associations that stand go on."""
        self._stopping.set()

    def serving(self) -> list[Association]:
        """Return the associations that stand."""
        return [each for each in self.associations if each.is_alive()]

    def _answer(self, selector: selectors.BaseSelector) -> None:
        while True:
            try:
                line, address = self.socket.accept()  # type: ignore[union-attr]
            except BlockingIOError:
                return
            except OSError:  # gone again, or no descriptor is free: those that wait will be dismissed in time
                time.sleep(0.01)
                return
            self._welcome(selector, line, address)

    def _welcome(self, selector: selectors.BaseSelector, line: socket.socket, address: tuple[Any, ...]) -> None:
        if not knows(self.rules, str(address[0])):
            self._turned_away(str(address[0]), "", "no sender is expected at this address")
            line.close()
            return
        if len(self._visitors) >= self.limits.waiting:  # the one that has been silent longest
            self._dismiss(selector, next(iter(self._visitors.values())))
        line.setblocking(False)  # noqa: FBT003 - the socket's own word
        visitor = Visitor(line, address, time.monotonic() + self.limits.hello_seconds)
        if self.ssl_context is not None:
            try:
                visitor.line = self.ssl_context.wrap_socket(line, server_side=True, do_handshake_on_connect=False)
            except OSError:  # gone again
                line.close()
                return
            visitor.shaken = False
        self._visitors[visitor.line.fileno()] = visitor
        selector.register(visitor.line, selectors.EVENT_READ, visitor)

    def _hear(self, selector: selectors.BaseSelector, visitor: Visitor) -> None:
        try:
            if not visitor.shaken:
                visitor.line.do_handshake()  # type: ignore[attr-defined]
                visitor.shaken = True
            data = visitor.line.recv(self.limits.pdu)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            if isinstance(error, ssl.SSLError):
                self._turned_away(visitor.host, "", "its TLS handshake failed")
            self._dismiss(selector, visitor)
            return
        visitor.heard += data
        if not data or not self._may_go_on(visitor):
            self._dismiss(selector, visitor)
            return
        if len(visitor.heard) >= _HEAD and len(visitor.heard) >= _HEAD + _length(visitor.heard):
            selector.unregister(visitor.line)
            del self._visitors[visitor.line.fileno()]
            self._admit(visitor)

    def _may_go_on(self, visitor: Visitor) -> bool:
        """Tell whether what was heard may still become an association request."""
        heard = visitor.heard
        if heard[:1] and heard[0] != _ASSOCIATE_RQ:
            self._turned_away(visitor.host, "", "not an association request")
            return False
        if len(heard) >= _HEAD and not _TITLES - _HEAD <= _length(heard) <= self.limits.pdu - _HEAD:
            self._turned_away(visitor.host, "", "an association request of an impossible length")
            return False
        return True

    def _admit(self, visitor: Visitor) -> None:
        """Answer a whole association request: hand it to pynetdicom, or reject it."""
        called, calling = (_title(visitor.heard[at : at + 16]) for at in (10, 26))
        why: Rejection | None = None
        if not admits(self.rules, calling, visitor.host):
            why = Rejection.CALLING_AE_TITLE_NOT_RECOGNISED
        elif called != self.ae_title.strip():
            why = Rejection.CALLED_AE_TITLE_NOT_RECOGNISED
        elif len(self.serving()) >= self.limits.associations:
            why = Rejection.LOCAL_LIMIT_EXCEEDED
        visitor.line.settimeout(self.limits.idle_seconds)
        if why is not None:
            reason = why.name.lower().replace("_", " ")
            self._turned_away(visitor.host, calling, reason)  # written down before it is said
            with contextlib.suppress(OSError):
                visitor.line.send(why.pdu)
            visitor.line.close()
            return
        self.heard = bytes(visitor.heard)
        try:
            self.finish_request(visitor.line, visitor.address)
        except Exception:  # noqa: BLE001 - one visitor's trouble (no thread can be started) must not close the door
            visitor.line.close()

    def _expire(self, selector: selectors.BaseSelector) -> None:
        """Dismiss those who were silent too long, and take back what ended associations held."""
        for association in [each for each in self.associations if not each.is_alive()]:
            association.dimse.close()  # type: ignore[attr-defined]
            self.associations.remove(association)
        now = time.monotonic()
        for visitor in list(self._visitors.values()):
            if visitor.until > now:
                return  # they stand in the order in which they came
            self._dismiss(selector, visitor)

    def _dismiss(self, selector: selectors.BaseSelector, visitor: Visitor) -> None:
        del self._visitors[visitor.line.fileno()]
        selector.unregister(visitor.line)
        visitor.line.close()


def _length(pdu: bytearray) -> int:
    return int(struct.unpack_from(">L", pdu, 2)[0])


def _title(field: bytearray) -> str:
    return field.decode("ascii", errors="replace").strip(" \x00")
