"""The DIMSE statuses and association rejections that the node gives, by name (PS3.4 B.2.3, PS3.7 C.5, PS3.8 9.3.4)."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Final

from lungspot.errors import FilmError

__all__ = ["DimseStatus", "Rejection", "status_of"]


class DimseStatus(IntEnum):
    """What a C-STORE or C-ECHO is answered with."""

    SUCCESS = 0x0000
    INVALID_SOP_INSTANCE = 0x0117
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    OUT_OF_RESOURCES = 0xA700
    DATA_SET_DOES_NOT_MATCH_SOP_CLASS = 0xA900
    CANNOT_UNDERSTAND = 0xC000


class Rejection(Enum):
    """Why an association is rejected: result, source and reason of an A-ASSOCIATE-RJ PDU."""

    CALLING_AE_TITLE_NOT_RECOGNISED = (1, 1, 3)
    CALLED_AE_TITLE_NOT_RECOGNISED = (1, 1, 7)
    LOCAL_LIMIT_EXCEEDED = (2, 3, 2)

    @property
    def pdu(self) -> bytes:
        """The whole PDU."""
        return bytes((3, 0, 0, 0, 0, 4, 0, *self.value))


_OTHER_OBJECT: Final = frozenset({"NOT_A_RADIOGRAPH", "NO_PIXELS", "NO_STUDY"})


def status_of(error: FilmError) -> DimseStatus:
    """Return the status for a data set whose header check refuses it."""
    return (
        DimseStatus.DATA_SET_DOES_NOT_MATCH_SOP_CLASS if error.code in _OTHER_OBJECT else DimseStatus.CANNOT_UNDERSTAND
    )
