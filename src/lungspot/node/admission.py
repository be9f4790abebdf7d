"""Association admission: every connection is examined before pynetdicom spends two threads on it.

One thread holds all connections whose association request is not yet complete. A silent one costs a file descriptor
for ten seconds, no thread and no place among the associations. Only a whole A-ASSOCIATE-RQ, from an address and an AE
title of the allow-list, is handed to pynetdicom; others get the A-ASSOCIATE-RJ that PS3.8 has for them.
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

from lungspot.node.guard import GuardedDimse, GuardedSocket, MemoryBudget, NetworkLimits
from lungspot.node.peers import Rule, admits, knows
from lungspot.node.status import Rejection

__all__ = ["AdmissionServer", "PendingConnection"]

_ASSOCIATE_RQ: Final = 1
_HEAD: Final = 6
_TITLES: Final = 42  # where an association request's two AE titles end
_COLLECT_SECONDS: Final = 10.0
_TICK: Final = 0.2  # seconds between two looks at the clock


@dataclass(slots=True)
class PendingConnection:
    """A connection whose association request is not complete: its socket, and the bytes received so far.

    ``deadline``: when it is dropped (:func:`time.monotonic`). ``handshake_done``: False while TLS is negotiated.
    """

    sock: socket.socket
    address: tuple[Any, ...]
    deadline: float
    buffer: bytearray = field(default_factory=bytearray)
    handshake_done: bool = True

    @property
    def host(self) -> str:
        """Its IP address."""
        return str(self.address[0])


class _Handler(RequestHandler):
    """Makes the association of one admitted connection, with our socket and bounds in place of pynetdicom's."""

    server: AdmissionServer

    def _create_association(self) -> Association:
        association = super()._create_association()
        association.dul.event_queue.get_nowait()  # "connected": our socket says so again
        server = self.server
        association.dul.socket = GuardedSocket(association, self.request, server.request_pdu, server.limits)
        association.dimse = GuardedDimse(association, server.limits, server.budget)
        server.associations.append(association)
        return association


class AdmissionServer(AssociationServer):
    """A listening socket with its allow-list."""

    request_queue_size = 128  # connections that the kernel holds until they are accepted

    def __init__(  # noqa: PLR0913 - what TCPServer takes, and ours
        self,
        ae: AE,
        address: tuple[str, int],
        *,
        rules: Sequence[Rule],
        limits: NetworkLimits,
        on_refused: Callable[[str, str, str], None],
        tls: ssl.SSLContext | None = None,
        handlers: Sequence[EventHandlerType] = (),
    ) -> None:
        """Bind the socket; OSError where the port is taken.

        ``on_refused(host, ae, why)`` is called for every connection that is not admitted, before the peer is told.
        """
        ae.maximum_associations = limits.associations
        ae.maximum_pdu_size = limits.pdu
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = limits.idle_seconds
        super().__init__(ae, address, ae.ae_title, ae.supported_contexts, tls, list(handlers), _Handler)
        self.rules, self.limits, self.budget = rules, limits, MemoryBudget(limits.in_memory)
        self.request_pdu = b""  # of the connection that is being handed over
        self.associations: list[Association] = []
        self._on_refused = on_refused
        self._pending: dict[int, PendingConnection] = {}
        self._stopping = threading.Event()

    def run(self) -> None:
        """Accept connections and decide about them until :meth:`stop`; blocks, so give it a thread of its own."""
        assert self.socket is not None  # noqa: S101 - bound in __init__
        self.socket.setblocking(False)  # noqa: FBT003 - the socket's own word
        collected = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            while not self._stopping.is_set():
                for key, _ in selector.select(_TICK):
                    connection: PendingConnection | None = key.data
                    if connection is None:
                        self._accept_all(selector)
                    elif self._pending.get(key.fd) is connection:  # not dropped a moment ago
                        self._receive(selector, connection)
                self._drop_expired(selector)
                if time.monotonic() > collected + _COLLECT_SECONDS:
                    gc.collect()  # ended associations are cycles: threads, queues, buffers
                    collected = time.monotonic()
            for connection in list(self._pending.values()):
                self._drop(selector, connection)
        self.server_close()

    def stop(self) -> None:
        """Admit nobody any more; associations that stand go on."""
        self._stopping.set()

    def active(self) -> list[Association]:
        """Return the associations that stand."""
        return [each for each in self.associations if each.is_alive()]

    def _accept_all(self, selector: selectors.BaseSelector) -> None:
        """Accept every connection that the kernel holds."""
        while True:
            try:
                sock, address = self.socket.accept()  # type: ignore[union-attr]
            except BlockingIOError:
                return
            except OSError:  # gone again, or no descriptor is free: pending connections will be dropped in time
                time.sleep(0.01)
                return
            self._accept(selector, sock, address)

    def _accept(self, selector: selectors.BaseSelector, sock: socket.socket, address: tuple[Any, ...]) -> None:
        """Keep one connection as pending, or close it where its address is on no line of the allow-list."""
        if not knows(self.rules, str(address[0])):
            self._on_refused(str(address[0]), "", "no sender is expected at this address")
            sock.close()
            return
        if len(self._pending) >= self.limits.pending:  # the one that is pending longest
            self._drop(selector, next(iter(self._pending.values())))
        sock.setblocking(False)  # noqa: FBT003 - the socket's own word
        connection = PendingConnection(sock, address, time.monotonic() + self.limits.request_seconds)
        if self.ssl_context is not None:
            try:
                connection.sock = self.ssl_context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            except OSError:  # gone again
                sock.close()
                return
            connection.handshake_done = False
        self._pending[connection.sock.fileno()] = connection
        selector.register(connection.sock, selectors.EVENT_READ, connection)

    def _receive(self, selector: selectors.BaseSelector, connection: PendingConnection) -> None:
        """Read what a pending connection has sent; decide about it once its association request is complete."""
        try:
            if not connection.handshake_done:
                connection.sock.do_handshake()  # type: ignore[attr-defined]
                connection.handshake_done = True
            data = connection.sock.recv(self.limits.pdu)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            if isinstance(error, ssl.SSLError):
                self._on_refused(connection.host, "", "its TLS handshake failed")
            self._drop(selector, connection)
            return
        connection.buffer += data
        if not data or not self._may_be_request(connection):
            self._drop(selector, connection)
            return
        if len(connection.buffer) >= _HEAD and len(connection.buffer) >= _HEAD + _length(connection.buffer):
            selector.unregister(connection.sock)
            del self._pending[connection.sock.fileno()]
            self._decide(connection)

    def _may_be_request(self, connection: PendingConnection) -> bool:
        """Tell whether the bytes received so far may still become an association request."""
        buffer = connection.buffer
        if buffer[:1] and buffer[0] != _ASSOCIATE_RQ:
            self._on_refused(connection.host, "", "not an association request")
            return False
        if len(buffer) >= _HEAD and not _TITLES - _HEAD <= _length(buffer) <= self.limits.pdu - _HEAD:
            self._on_refused(connection.host, "", "an association request of an impossible length")
            return False
        return True

    def _decide(self, connection: PendingConnection) -> None:
        """Answer a whole association request: hand the connection to pynetdicom, or reject it."""
        called, calling = (_title(connection.buffer[at : at + 16]) for at in (10, 26))
        why: Rejection | None = None
        if not admits(self.rules, calling, connection.host):
            why = Rejection.CALLING_AE_TITLE_NOT_RECOGNISED
        elif called != self.ae_title.strip():
            why = Rejection.CALLED_AE_TITLE_NOT_RECOGNISED
        elif len(self.active()) >= self.limits.associations:
            why = Rejection.LOCAL_LIMIT_EXCEEDED
        connection.sock.settimeout(self.limits.idle_seconds)
        if why is not None:
            reason = why.name.lower().replace("_", " ")
            self._on_refused(connection.host, calling, reason)  # written down before it is said
            with contextlib.suppress(OSError):
                connection.sock.send(why.pdu)
            connection.sock.close()
            return
        self.request_pdu = bytes(connection.buffer)
        try:
            self.finish_request(connection.sock, connection.address)
        except Exception:  # noqa: BLE001 - one connection's trouble (no thread can be started) must not end admission
            connection.sock.close()

    def _drop_expired(self, selector: selectors.BaseSelector) -> None:
        """Drop connections past their deadline, and take back the memory that ended associations held."""
        for association in [each for each in self.associations if not each.is_alive()]:
            association.dimse.close()  # type: ignore[attr-defined]
            self.associations.remove(association)
        now = time.monotonic()
        for connection in list(self._pending.values()):
            if connection.deadline > now:
                return  # they stand in the order in which they came
            self._drop(selector, connection)

    def _drop(self, selector: selectors.BaseSelector, connection: PendingConnection) -> None:
        """Close a pending connection without an answer."""
        del self._pending[connection.sock.fileno()]
        selector.unregister(connection.sock)
        connection.sock.close()


def _length(pdu: bytearray) -> int:
    return int(struct.unpack_from(">L", pdu, 2)[0])


def _title(field: bytearray) -> str:
    return field.decode("ascii", errors="replace").strip(" \x00")
