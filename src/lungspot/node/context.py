"""What all parts of the node share: the spool, the audit log, and whether it is time to stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from lungspot.node.audit import AuditEvent, AuditLog, Outcome
from lungspot.node.metrics import NodeCounts
from lungspot.node.spool import Spool

__all__ = ["NodeContext"]

_LOG = logging.getLogger("lungspot.node")


@dataclass(frozen=True, slots=True)
class NodeContext:
    """What the threads of one node share.

    The ordinary log (``lungspot.node``) names films by their hash and senders by their AE title, never a patient.
    ``stopping``: nothing new is taken. ``closed``: after that, what is read and sent stops too.
    """

    spool: Spool
    audit: AuditLog
    stopping: threading.Event
    closed: threading.Event = field(default_factory=threading.Event)
    tally: NodeCounts = field(default_factory=NodeCounts)

    def note(self, event: AuditEvent, outcome: Outcome, who: Mapping[str, Any] | None, what: Mapping[str, Any]) -> None:
        """Write into the audit log what has happened already and cannot be undone where the disk is full."""
        with suppress(OSError):
            self.audit.record(event, outcome, who=who, what=what)
            return
        _LOG.error("the audit log cannot be written")
