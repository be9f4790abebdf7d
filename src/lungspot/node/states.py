"""What may become of a film in the spool and of a work item, in the words that the journal keeps."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["FilmState", "ItemState"]


class FilmState(StrEnum):
    """How far a film in the spool has come; ``FAILED``: set aside until it is sent again."""

    RECEIVED = "received"
    READING = "reading"
    ANALYSED = "analysed"
    SENT = "sent"
    FAILED = "failed"


class ItemState(StrEnum):
    """How far a claimed work item has come; ``LOST``: it is somebody else's, ``FAILED``: it is set aside."""

    CLAIMING = "claiming"
    CLAIMED = "claimed"
    PERFORMING = "performing"
    COMPLETING = "completing"
    CANCELING = "canceling"
    COMPLETED = "completed"
    CANCELED = "canceled"
    LOST = "lost"
    FAILED = "failed"
