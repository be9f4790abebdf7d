"""What the node answers to C-ECHO and C-STORE. "Success" is said only when the film lies in the spool."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from pydicom.dataset import Dataset
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE, _config, evt
from pynetdicom.events import EventHandlerType
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from lungspot.errors import FilmError
from lungspot.images import SYNTAXES, is_uid, read_header
from lungspot.node.audit import AuditEvent, Outcome
from lungspot.node.context import NodeContext
from lungspot.node.guard import GuardedDimse
from lungspot.node.status import DimseStatus, status_of

if TYPE_CHECKING:
    from pynetdicom.dimse_primitives import C_STORE

__all__ = ["FILM_CLASSES", "Listener", "application_entity", "film_header"]

# Secondary captures are taken where they say that they are radiographs: films that were scanned, or exported.
FILM_CLASSES: Final = (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
)
_LOG = logging.getLogger("lungspot.node")
_LOSSY: Final = frozenset({JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless, JPEG2000, HTJ2K})
_NAMED: Final = 3  # classes in a line of the log
_COMMENT: Final = 64  # characters of an Error Comment (LO)


def application_entity(title: str) -> AE:
    """Return the application entity: verification, and the storage of CR and DX in every syntax that is read."""
    _config.LOG_HANDLER_LEVEL = "none"  # pynetdicom would format every PDU for a log that nobody keeps
    entity = AE(title)
    entity.add_supported_context(Verification)
    for sop_class in FILM_CLASSES:
        entity.add_supported_context(sop_class, sorted(SYNTAXES, key=_preference))
    return entity


def _preference(syntax: str) -> tuple[bool, bool]:
    """Sort what a sender offers: explicit before implicit, and what loses nothing before what does."""
    return syntax in _LOSSY, syntax != ExplicitVRLittleEndian


def film_header(data: bytes | memoryview, sop_class: str | None = None, instance: str | None = None) -> Dataset:
    """Return the header of a film that the node will take, or raise FilmError with the reason why not.

    ``sop_class``, ``instance``: what the sender said it is; the film must say the same.
    """
    header = read_header(bytes(data))
    said = {name: str(header.get(name, "")) for name in ("SOPClassUID", "SOPInstanceUID")}
    if said["SOPClassUID"] not in FILM_CLASSES or sop_class not in {None, said["SOPClassUID"]}:
        raise FilmError("NOT_A_RADIOGRAPH", None, "its SOP class is not the one announced, or none of a radiograph")
    if instance not in {None, said["SOPInstanceUID"]}:
        raise FilmError("NO_STUDY", None, "its SOP Instance UID is not the one announced")
    for name in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        if not is_uid(str(header.get(name, ""))):
            raise FilmError("NO_STUDY", None, f"its {name} is none")
    return header


@dataclass(frozen=True, slots=True)
class Listener:
    """The handlers of pynetdicom's events."""

    context: NodeContext
    on_refused: Callable[[str, str, str], None]

    def handlers(self) -> list[EventHandlerType]:
        """Return the pairs of event and function that pynetdicom binds."""
        return [(evt.EVT_C_ECHO, self.echo), (evt.EVT_C_STORE, self.store), (evt.EVT_ACCEPTED, self.accepted)]

    def accepted(self, event: evt.Event) -> None:
        """Say where a sender offers objects and none that is taken: it hears that, its administrator may not."""
        refused = {context.abstract_syntax for context in event.assoc.rejected_contexts}
        if refused and not any(each.abstract_syntax != Verification for each in event.assoc.accepted_contexts):
            names = sorted(UID(uid).name if uid else "" for uid in refused)
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            who = _who(event)
            why = f"it offers only classes or syntaxes that are not taken: {', '.join(names[:_NAMED])}{more}"
            self.on_refused(who["host"], who["ae"], why)

    def echo(self, _: evt.Event) -> int:
        """Answer C-ECHO."""
        return DimseStatus.SUCCESS

    def store(self, event: evt.Event) -> Dataset:
        """Take a film into the spool, or say by status and comment why not."""
        try:
            status, comment = self._take(event)
        finally:
            dimse = event.assoc.dimse
            if isinstance(dimse, GuardedDimse):
                dimse.release_handled()
        answer = Dataset()
        answer.Status = int(status)
        if comment:
            answer.ErrorComment = comment[:_COMMENT]
        return answer

    def _take(self, event: evt.Event) -> tuple[DimseStatus, str]:
        request, who = cast("C_STORE", event.request), _who(event)
        instance, sop_class = str(request.AffectedSOPInstanceUID or ""), str(request.AffectedSOPClassUID or "")
        if sop_class != event.context.abstract_syntax:
            return self._refuse(who, DimseStatus.SOP_CLASS_NOT_SUPPORTED, "not the class of this presentation context")
        if not is_uid(instance):
            return self._refuse(who, DimseStatus.INVALID_SOP_INSTANCE, "the SOP Instance UID is no UID")
        if self.context.stopping.is_set():
            return self._refuse(who, DimseStatus.OUT_OF_RESOURCES, "the node is being stopped")
        data = event.encoded_dataset()  # a whole file: zero preamble, file meta, data set
        try:
            facts = film_header(data, sop_class, instance)
        except FilmError as error:
            return self._refuse(who, status_of(error), error.code, instance)
        study = str(facts.StudyInstanceUID)
        try:
            new = self.context.spool.accept([data], instance=instance, study=study, source=who["ae"])
            what = {"sop_class": sop_class, "sop_instance": instance, "study": study, "new": new}
            self.context.audit.record(AuditEvent.RECEIVED, who=who, what=what)
            self.context.tally.add("received" if new else "duplicate")
            if not new:
                _LOG.info("%s sent a film that was here before; it is not read again", who["ae"])
        except (OSError, sqlite3.Error) as error:
            return self._refuse(
                who, DimseStatus.OUT_OF_RESOURCES, getattr(error, "strerror", None) or "journal", instance
            )
        return DimseStatus.SUCCESS, ""

    def _refuse(
        self, who: dict[str, str], status: DimseStatus, why: str, instance: str = ""
    ) -> tuple[DimseStatus, str]:
        self.context.tally.add("refused")
        _LOG.warning("refused a film from %s: %s (%04XH): %s", who["ae"], status.name, status, why)
        what = {"status": f"{status:04X}", "reason": why} | ({"sop_instance": instance} if instance else {})
        self.context.note(AuditEvent.RECEIVED, Outcome.SERIOUS_FAILURE, who, what)
        return status, why


def _who(event: evt.Event) -> dict[str, str]:
    requestor = event.assoc.requestor
    return {"ae": requestor.ae_title, "host": str(requestor.address)}
