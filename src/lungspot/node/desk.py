"""What all parts of the node share: the spool, the audit log, the ordinary log, and whether it is time to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from lungspot.node.audit import AuditEvent, AuditLog, Outcome
from lungspot.node.spool import Spool

__all__ = ["Desk"]


@dataclass(frozen=True, slots=True)
class Desk:
    """One node's shared things.

    ``say`` takes a line for people; it names films by their hash and senders by their AE title, never a patient.
    ``stopping``: nothing new is taken. ``closed``: after that, what is read and sent stops too.
    """

    spool: Spool
    audit: AuditLog
    say: Callable[[str], None]
    stopping: threading.Event
    closed: threading.Event = field(default_factory=threading.Event)

    def note(self, event: AuditEvent, outcome: Outcome, who: Mapping[str, Any] | None, what: Mapping[str, Any]) -> None:
        """Write into the audit log what has happened already and cannot be undone where the disk is full."""
        with suppress(OSError):
            self.audit.record(event, outcome, who=who, what=what)
            return
        self.say("the audit log cannot be written")
