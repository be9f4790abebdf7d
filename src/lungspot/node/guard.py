"""What keeps one association within bounds.

pynetdicom trusts the length that a PDU says, and waits as long as it takes. :class:`GuardedSocket` reads no PDU longer
than was agreed and none that takes too long. :class:`GuardedDimse` bounds a data set, all data sets in memory together,
and the time that one may take. Who breaks a bound is aborted.
"""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from typing import Any, Final

from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.transport import AssociationSocket

__all__ = ["GuardedDimse", "GuardedSocket", "MemoryBudget", "NetworkLimits"]

_ABORT: Final = bytes((7, 0, 0, 0, 0, 4, 0, 0, 2, 6))  # A-ABORT by the provider: invalid PDU parameter value
_CHUNK: Final = 64 * 1024
_COMMAND: Final = 64 * 1024  # bytes; a C-STORE request's command set has some 200
_UNRECOGNISED: Final = "Evt19"  # pynetdicom's state machine: abort the association


@dataclass(frozen=True, slots=True)
class NetworkLimits:
    """How much is taken: associations at once, connections whose association request is incomplete, bytes, seconds."""

    associations: int = 16
    pending: int = 256
    pdu: int = 128 * 1024
    data_set: int = 128 * 1024 * 1024
    in_memory: int = 512 * 1024 * 1024
    request_seconds: float = 10.0  # DICOM's ARTIM timer: until a whole association request is there
    idle_seconds: float = 30.0
    message_seconds: float = 300.0


class MemoryBudget:
    """Bytes that all associations together may hold in memory."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._lock = threading.Lock()

    def take(self, count: int) -> bool:
        """Take so many bytes, or none and return False."""
        with self._lock:
            if count > self._left:
                return False
            self._left -= count
            return True

    def give(self, count: int) -> None:
        """Give bytes back."""
        with self._lock:
            self._left += count


class GuardedSocket(AssociationSocket):
    """A peer's connection; ``received`` is what was read of it at admission, and is read again first."""

    def __init__(self, assoc: Association, client: socket.socket, received: bytes, limits: NetworkLimits) -> None:
        super().__init__(assoc, client_socket=client)
        self._received = bytearray(received)
        self._limits = limits
        client.settimeout(limits.idle_seconds)

    @property
    def ready(self) -> bool:
        """Whether there is something to read."""
        return bool(self._received) or super().ready

    def recv(self, nr_bytes: int) -> bytearray:
        """Return so many bytes, or fewer where the peer has closed; OSError where it is too much or takes too long."""
        sock = self.socket
        if sock is None:
            raise OSError("the connection is closed")
        if nr_bytes > self._limits.pdu:
            self.send(_ABORT)
            raise OSError("a PDU longer than agreed")
        found, self._received = self._received[:nr_bytes], self._received[nr_bytes:]
        end = time.monotonic() + self._limits.idle_seconds
        try:
            while len(found) < nr_bytes:
                sock.settimeout(max(0.001, end - time.monotonic()))
                part = sock.recv(min(_CHUNK, nr_bytes - len(found)))
                if not part:
                    break
                found += part
        finally:
            sock.settimeout(self._limits.idle_seconds)  # for what is sent
        return found

    def _shutdown_socket(self) -> None:
        """Close the connection, one that the peer has reset, too: pynetdicom leaves that to the garbage collector."""
        sock = self.socket
        super()._shutdown_socket()
        if sock is not None:
            sock.close()


class GuardedDimse(DIMSEServiceProvider):
    """The messages of one association, none larger or slower than the limits allow."""

    def __init__(self, assoc: Association, limits: NetworkLimits, budget: MemoryBudget) -> None:
        super().__init__(assoc)
        self._limits, self._budget = limits, budget
        self._command = self._data = self._held = 0
        self._began = 0.0

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take the next fragments of a message, or abort."""
        if self.message is None:
            self._command = self._data = 0
            self._began = time.monotonic()
        if not self._within_limits(primitive.presentation_data_value_list):
            self.message = None
            self.dul.event_queue.put(_UNRECOGNISED)
            return
        try:
            super().receive_primitive(primitive)
        except Exception:  # noqa: BLE001 - a damaged message must not end the thread that has to abort
            self.message = None
            self.dul.event_queue.put(_UNRECOGNISED)

    def release_handled(self) -> None:
        """Give back the bytes of the messages that are done with."""
        if self.message is None and self.msg_queue.empty():
            held, self._held = self._held, 0
            self._budget.give(held)

    def close(self) -> None:
        """Give everything back."""
        held, self._held = self._held, 0
        self._budget.give(held)

    def _within_limits(self, fragments: list[Any]) -> bool:
        commands = sum(len(data) for _, data in fragments if data[:1] and data[0] & 1)
        total = sum(len(data) for _, data in fragments)
        if not all(len(data) for _, data in fragments) or self.msg_queue.qsize() > 1:
            return False  # an empty fragment; or messages that do not wait for their answers
        if not self._budget.take(total):
            return False
        self._held += total
        self._command += commands
        self._data += total - commands
        in_time = time.monotonic() - self._began < self._limits.message_seconds
        return self._command <= _COMMAND and self._data <= self._limits.data_set and in_time
