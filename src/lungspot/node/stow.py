"""Delivers results by STOW-RS. Stored is what the archive's answer lists as stored, object by object, and nothing else.

The answer is the Store Instances Response Module (PS3.18 10.5.3), as DICOM JSON or as Native DICOM Model XML. Which of
the two it is, its bytes say, because archives and what stands before them name media types in many ways.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, Final
from xml.etree.ElementTree import ParseError

import requests
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from pydicom.dataset import FileDataset

from lungspot.dicomweb import DicomWebArchive
from lungspot.node.plain import is_plain, plain
from lungspot.node.sender import Batch, Deliver, Unreachable
from lungspot.node.spool import Job

__all__ = ["StoreAnswer", "read_answer", "stow_to"]

_FAILED, _REFERENCED, _OTHER = "00081198", "00081199", "0008119A"  # Failed SOP, Referenced SOP, Other Failures Sequence
_INSTANCE, _REASON = "00081155", "00081197"  # Referenced SOP Instance UID, Failure Reason
_DUPLICATE: Final = 0x0111  # the object was there before: a crash of ours came between its answer and our journal
_NO_ROOM: Final = range(0xA700, 0xA800)  # the archive's state, not the results' fault
_UNKNOWN: Final = 0xFFFF  # stands for a failure without a reason that can be read
_OF_THE_ARCHIVE: Final = frozenset({401, 403, 404, 407, 408, 425, 429})  # not the results' fault, like 3xx and 5xx
_LONGEST: Final = 16 * 1024 * 1024  # bytes of an answer about one film's results
_BROKEN: Final = (requests.RequestException, OSError, ValueError)  # what a request may end with

Attributes = Mapping[str, list[Any]]  # by tag, eight capital hexadecimal digits


@dataclass(frozen=True, slots=True)
class StoreAnswer:
    """What an archive said.

    ``stored``: SOP Instance UIDs; ``failed``: by SOP Instance UID the Failure Reason; ``other``: reasons of failures of
    which it does not say what failed.
    """

    stored: frozenset[str]
    failed: Mapping[str, int]
    other: tuple[int, ...]


def stow_to(archive: DicomWebArchive) -> Deliver:
    """Return what sends a batch by STOW-RS, one request for each film's results.

    Once the archive took uncompressed what it had refused as it was, it is offered nothing else any more.
    """
    only_plain = False

    def deliver(batch: Batch) -> Iterator[tuple[Job, str | None]]:
        nonlocal only_plain
        for job, objects in batch:
            refused = (_store_plain if only_plain else _store)(archive, objects)
            if refused is not None and not only_plain and not all(map(is_plain, objects)):
                refused = _store_plain(archive, objects)  # perhaps it takes nothing compressed
                only_plain = refused is None
            yield job, refused

    return deliver


def _store_plain(archive: DicomWebArchive, objects: Sequence[FileDataset]) -> str | None:
    try:
        made = list(map(plain, objects))
    except Exception as error:  # noqa: BLE001 - a decoder that meets damage raises anything
        return f"results that cannot be decompressed ({type(error).__name__})"
    return _store(archive, made)


def _store(archive: DicomWebArchive, objects: Sequence[FileDataset]) -> str | None:
    try:
        response = archive.store(objects)
    except _BROKEN as error:
        raise Unreachable(type(error).__name__) from error
    if response.status_code // 100 in {3, 5} or response.status_code in _OF_THE_ARCHIVE:
        raise Unreachable(f"HTTP {response.status_code}")
    uids = {str(each.SOPInstanceUID) for each in objects}
    return _refusal(uids, response.status_code, read_answer(response))


def _refusal(uids: Collection[str], status: int, answer: StoreAnswer | None) -> str | None:
    """Return None where the archive says that it has every object, else why it refused some.

    Raises :class:`Unreachable` where the answer is about the archive's state, or is nobody's who stores objects.
    """
    accepted = 200 <= status < 300
    if answer is None or not (answer.stored or answer.failed or answer.other):
        if accepted:
            raise Unreachable(f"HTTP {status}, and no list of what it stored")
        return f"HTTP {status}"
    failed = {uid: reason for uid, reason in answer.failed.items() if reason != _DUPLICATE}
    there = (answer.stored | answer.failed.keys()) - failed.keys()
    reasons = {*failed.values(), *answer.other}
    if any(reason in _NO_ROOM for reason in reasons):
        raise Unreachable("it is out of resources")
    if reasons:
        return "failure reason " + ", ".join(f"{reason:04X}H" for reason in sorted(reasons))
    missing = set(uids) - there
    if missing and accepted and not there & set(uids):
        raise Unreachable(f"HTTP {status}, and none of the results in the list of what it stored")
    return f"{len(missing)} of {len(uids)} results not listed as stored" if missing else None


def read_answer(response: requests.Response) -> StoreAnswer | None:
    """Return what an answer lists, None where it is no Store Instances Response: a login page, say."""
    stored: set[str] = set()
    failed: dict[str, int] = {}
    other: list[int] = []
    try:
        for data_set in _data_sets(response.content, response.headers.get("Content-Type", "")):
            stored.update(filter(None, (_uid(item) for item in data_set.get(_REFERENCED, ()))))
            for item in data_set.get(_FAILED, ()):
                if uid := _uid(item):
                    failed[uid] = _reason(item)
                else:
                    other.append(_reason(item))
            other += [_reason(item) for item in data_set.get(_OTHER, ())]
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError, ParseError, DefusedXmlException):
        return None
    return StoreAnswer(frozenset(stored), failed, tuple(other))


def _data_sets(body: bytes, content_type: str) -> Iterator[Attributes]:
    """Yield the data sets of an answer; ValueError and its like where it holds none."""
    if len(body) > _LONGEST:
        raise ValueError("an answer longer than any about one film")
    if content_type.strip().lower().startswith("multipart/"):
        head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1")
        message = BytesParser(policy=HTTP).parsebytes(head + body)
        if not message.is_multipart():
            raise ValueError("no parts")
        for part in message.iter_parts():
            payload = part.get_payload(decode=True)
            yield from _data_sets(payload if isinstance(payload, bytes) else b"", part.get("Content-Type", ""))
        return
    try:
        found = json.loads(body)
    except ValueError:
        root = fromstring(body)
        if _local(root.tag) != "NativeDicomModel":
            raise ValueError("neither JSON nor a Native DICOM Model") from None
        yield dict(_of_xml(element) for element in root)
        return
    for each in found if isinstance(found, list) else [found]:
        yield {tag.upper(): list(element.get("Value") or ()) for tag, element in each.items()}


def _of_xml(element: Any) -> tuple[str, list[Any]]:  # noqa: ANN401 - an Element; defusedxml's are untyped
    """Return tag and values of one DicomAttribute, items of a sequence as DICOM JSON has them."""
    values: list[Any] = []
    for child in element:
        if _local(child.tag) == "Item":
            values.append({tag: {"Value": inner} for tag, inner in map(_of_xml, child)})
        else:
            values.append((child.text or "").strip())
    return element.get("tag", "").upper(), values


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _first(item: Mapping[str, Any], tag: str) -> Any:  # noqa: ANN401 - what a server wrote
    for name, element in item.items():
        if name.upper() == tag:
            return next(iter(element.get("Value") or ()), None)
    return None


def _uid(item: Mapping[str, Any]) -> str:
    value = _first(item, _INSTANCE)
    return value.strip(" \0") if isinstance(value, str) else ""


def _reason(item: Mapping[str, Any]) -> int:
    value = _first(item, _REASON)
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return _UNKNOWN
