"""Delivers results by C-STORE."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from typing import Final

from pydicom.dataset import FileDataset
from pynetdicom import AE, build_context
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from lungspot.node.peers import Peer
from lungspot.node.plain import PLAIN, plain
from lungspot.node.sender import Batch, Deliver, Unreachable
from lungspot.node.spool import Job

__all__ = ["store_to"]

_CONNECT_SECONDS: Final = 10
_ANSWER_SECONDS: Final = 60
_STORED: Final = frozenset({"0000", "0111"})  # success; duplicate SOP instance: it was there before a crash of ours
_OF_THE_ARCHIVE: Final = ("A7", "0124")  # out of resources, not authorized: its state, not the result's fault
_WARNINGS: Final = "B"  # B000, B006, B007: stored, with a remark


def store_to(peer: Peer, title: str, tls: ssl.SSLContext | None = None) -> Deliver:
    """Return what sends a batch to ``peer`` from the AE ``title``, over one association."""

    def deliver(batch: Batch) -> Iterator[tuple[Job, str | None]]:
        if not batch:
            return
        entity = AE(title)
        entity.connection_timeout = entity.acse_timeout = _CONNECT_SECONDS
        entity.dimse_timeout = entity.network_timeout = _ANSWER_SECONDS
        secure = (tls, peer.host) if tls is not None else None
        association = entity.associate(
            peer.host, peer.port, contexts=_contexts(batch), ae_title=peer.ae, tls_args=secure
        )
        line = association.dul.socket and association.dul.socket.socket
        try:
            if association.is_rejected:
                raise Unreachable("it rejects the association")
            if not association.is_established and association.rejected_contexts:
                yield from ((job, "it accepts none of these objects") for job, _ in batch)
                return
            if not association.is_established:
                raise Unreachable("no association")
            for job, objects in batch:
                yield job, _store(association, objects)
        finally:
            if association.is_established:
                association.release()
            if line:
                line.close()  # pynetdicom leaves one that the archive has reset to the garbage collector

    return deliver


def _contexts(batch: Batch) -> list[PresentationContext]:
    """Return what is proposed: each class uncompressed and, where results are compressed, apart from it as they are."""
    pairs = {(each.SOPClassUID, each.file_meta.TransferSyntaxUID) for _, objects in batch for each in objects}
    compressed = [build_context(sop_class, syntax) for sop_class, syntax in sorted(pairs) if syntax not in PLAIN]
    return [*(build_context(sop_class, list(PLAIN)) for sop_class in sorted({pair[0] for pair in pairs})), *compressed]


def _as_accepted(association: Association, each: FileDataset) -> FileDataset:
    """Return an object in a transfer syntax that the archive accepts for its class, as it is if it can, or must."""
    syntaxes = {
        syntax
        for context in association.accepted_contexts
        if context.abstract_syntax == each.SOPClassUID
        for syntax in context.transfer_syntax
    }
    return each if not syntaxes or each.file_meta.TransferSyntaxUID in syntaxes else plain(each)


def _store(association: Association, objects: Sequence[FileDataset]) -> str | None:
    """Store one film's results; None when all are there, else the first refusal."""
    refused = None
    for each in objects:
        try:
            offered = _as_accepted(association, each)
        except Exception as error:  # noqa: BLE001 - a decoder that meets damage raises anything
            refused = refused or f"{each.SOPClassUID.name} cannot be decompressed ({type(error).__name__})"
            continue
        try:
            status = association.send_c_store(offered)
        except ValueError:  # no accepted presentation context
            refused = refused or f"{each.SOPClassUID.name} is not accepted"
            continue
        except RuntimeError as error:  # no association any more
            raise Unreachable("the association ended") from error
        if "Status" not in status:
            raise Unreachable("no answer")
        code = f"{status.Status:04X}"
        if code.startswith(_OF_THE_ARCHIVE):
            raise Unreachable("it is out of resources" if code.startswith("A7") else f"status {code}H")
        if code not in _STORED and not code.startswith(_WARNINGS):
            refused = refused or f"status {code}H for {each.SOPClassUID.name}"
    return refused
