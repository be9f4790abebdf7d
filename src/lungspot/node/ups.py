"""A client of UPS-RS work lists (PS3.18 section 11): search, retrieve, claim, update, complete, cancel."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Any, Final
from urllib.parse import quote

import requests
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset

from lungspot.dicomweb import DicomWebArchive, in_words, value_of
from lungspot.errors import InputError
from lungspot.images import is_uid
from lungspot.node.patterns import meets
from lungspot.node.sender import Unreachable
from lungspot.node.workitems import Reference

__all__ = [
    "CANCELED",
    "COMPLETED",
    "GONE",
    "IN_PROGRESS",
    "SCHEDULED",
    "ItemContent",
    "ItemQuery",
    "NotGiven",
    "Taken",
    "UnifiedWorklist",
    "inputs_of",
    "is_of_the_server",
    "state_of",
]

SCHEDULED, IN_PROGRESS, COMPLETED, CANCELED = "SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED"
_STATE, _UID, _PRIORITY, _START = "00741000", "00080018", "00741200", "00404005"
_INPUTS, _READINESS = "00404021", "00404041"
_STUDY, _SERIES, _SOPS, _CLASS, _INSTANCE = "0020000D", "0020000E", "00081199", "00081150", "00081155"
_URGENT: Final = ("HIGH", "MEDIUM", "LOW")
_MOST: Final = 200  # items of one search that are considered
_OF_THE_SERVER: Final = frozenset({401, 403, 407, 408, 425, 429})  # not the item's fault, like 3xx and 5xx
GONE: Final = frozenset({404, 410})  # there is none such
_NO_SUCH: Final = frozenset({404, 405})  # no such address, or not for this method
_TYPE: Final = "application/dicom+json"
_ACCEPT: Final = "application/dicom+json, application/json;q=0.9"

ItemContent = Mapping[str, Any]  # DICOM JSON: by tag, eight capital hexadecimal digits


class NotGiven(Exception):  # noqa: N818 - an answer, not an error of the node's
    """The server says neither what an item is nor that it has none such."""


@dataclass(frozen=True, slots=True)
class ItemQuery:
    """Which items of a work list are this node's: values by path of keywords, as in a search by UPS-RS."""

    filters: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, texts: Sequence[str], title: str) -> ItemQuery:
        """Return the query of ``KEY=VALUE`` texts; without any, what is scheduled for the station ``title``.

        Raises InputError BAD_VALUE where a key is no path of keywords, or is the state, which the node asks for itself.
        """
        filters = []
        for text in texts or (f"ScheduledStationNameCodeSequence.CodeValue={title}",):
            key, equals, value = text.partition("=")
            known = all(part and tag_for_keyword(part) is not None for part in key.split("."))
            if not (equals and value and known) or key == "ProcedureStepState":
                advice = "give KEY=VALUE with DICOM's keywords: WorklistLabel=CHEST"
                raise InputError("BAD_VALUE", "--ups-query", f"{text!r} is no filter", advice=advice)
            filters.append((key, value))
        return cls(tuple(filters))

    def holds(self, item: ItemContent) -> bool:
        """Tell whether an item meets every filter, for a server may leave out those that it does not know.

        ``*`` and ``?`` stand for anything. Dates and times may be ranges: of those the server's word is taken.
        """
        return all(
            any(meets(value, wanted) for value in _values(item, key.split("."))) or _is_time(key)
            for key, wanted in self.filters
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """What a server answered to a change, by its HTTP ``status``: true where it made it.

    ``lost``: another request for the same change was not answered, and may have been heard.
    """

    status: int
    lost: bool = False

    def __bool__(self) -> bool:
        """Tell whether the change was made."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class UnifiedWorklist:
    """One work list server, and which of its items are asked for.

    ``station``: the node's AE title. Where it is given, a server that has no ``…/state`` (HTTP 404 or 405) is asked at
    ``…/state/STATION``, as dcm4chee would have it; ``named`` remembers servers that took that.
    """

    client: DicomWebArchive
    query: ItemQuery
    station: str = ""
    named: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """What logs and the journal call it."""
        return str(self.client.base_url)

    def scheduled(self, *, without: Container[str] = ()) -> list[str]:
        """Return the UIDs of the scheduled items that are asked for, the urgent and the early first: 200 at most.

        ``without``: UIDs that are left out; so are items that say that their inputs are not ready.
        Raises :class:`Unreachable`.
        """
        found = self.client.find_workitems({**dict(self.query.filters), "ProcedureStepState": SCHEDULED})
        asked_for = (
            item
            for item in found
            if is_uid(uid := value_of(item, _UID)) and uid not in without and inputs_of(item) is not None
        )
        try:
            return [value_of(item, _UID) for item in nsmallest(_MOST, asked_for, key=_order)]
        except (requests.RequestException, ValueError) as error:
            raise Unreachable(in_words(error)) from error

    def retrieve(self, uid: str) -> ItemContent | None:
        """Return an item, None where the server says that it has none such; it need not keep a closed one.

        Raises :class:`Unreachable`, and :class:`NotGiven` where it says something else.
        """
        response = self._ask("GET", f"workitems/{uid}", {"Accept": _ACCEPT})
        if response.status_code in GONE:
            return None
        if response.status_code != 200:
            raise NotGiven(f"the work list does not say what it is (HTTP {response.status_code})")
        try:
            found = response.json()
        except ValueError as error:
            raise Unreachable("an answer that is no JSON") from error
        item = found[0] if isinstance(found, list) and found else found
        return item if isinstance(item, dict) else None

    def state(self, uid: str) -> str:
        """Return the state of an item; empty where it is gone, or says none. Raises as :meth:`retrieve`."""
        return state_of(self.retrieve(uid) or {})

    def change_state(self, uid: str, state: str, transaction: str) -> Taken:
        """Claim, complete or cancel an item; tell whether it is in that state now."""
        change = Dataset()
        change.ProcedureStepState, change.TransactionUID = state, transaction
        plain = f"workitems/{uid}/state"
        named = f"{plain}/{quote(self.station, safe='')}"
        taken = self._send("PUT", named if self.name in self.named else plain, change)
        if taken.status in _NO_SUCH and self.station and self.name not in self.named:
            try:
                by_name = self._send("PUT", named, change)
            except Unreachable:
                return Taken(taken.status, lost=True)
            if by_name:
                self.named.add(self.name)
                return by_name
        return taken

    def update(self, uid: str, transaction: str, change: ItemContent) -> Taken:
        """Change attributes of an item in progress; tell whether the server did so.

        The standard puts the Transaction UID into the address; dcm4chee looks for it in the data set, as N-SET has it.
        """
        own = {**change, "00081195": {"vr": "UI", "Value": [transaction]}}
        return self._send("POST", f"workitems/{uid}?{transaction}", own)

    def _send(self, method: str, path: str, change: Dataset | ItemContent) -> Taken:
        content = change.to_json_dict() if isinstance(change, Dataset) else change
        headers = {"Accept": _ACCEPT, "Content-Type": _TYPE}
        return Taken(self._ask(method, path, headers, json.dumps(content).encode()).status_code)

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> requests.Response:
        try:
            response = self.client.ask(method, path, headers, body)
        except (requests.RequestException, OSError, ValueError) as error:
            raise Unreachable(in_words(error)) from error
        if is_of_the_server(response.status_code):
            raise Unreachable(f"HTTP {response.status_code}")
        return response


def inputs_of(item: ItemContent) -> Iterator[Reference] | None:
    """Return the objects that an item is about; None where they are not ready."""
    if value_of(item, _READINESS) not in {"READY", ""}:
        return None
    return (
        Reference(study, value_of(entry, _SERIES), value_of(each, _CLASS), value_of(each, _INSTANCE))
        for entry in _items_of(item, _INPUTS)
        if is_uid(study := value_of(entry, _STUDY))
        for each in _items_of(entry, _SOPS) or ({},)
    )


def is_of_the_server(status: int) -> bool:
    """Tell whether an HTTP status is about the server or who asks, so that the same request may do later."""
    return status // 100 in {3, 5} or status in _OF_THE_SERVER


def state_of(item: ItemContent) -> str:
    """Return the Procedure Step State of an item; empty where it has none."""
    return value_of(item, _STATE)


def _items_of(item: ItemContent, tag: str) -> list[ItemContent]:
    """Return the items of a sequence in DICOM JSON."""
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def _values(item: ItemContent, path: Sequence[str]) -> Iterator[str]:
    tag = f"{tag_for_keyword(path[0]):08X}"
    if len(path) > 1:
        for inner in _items_of(item, tag):
            yield from _values(inner, path[1:])
        return
    element = item.get(tag)
    for value in (element.get("Value") if isinstance(element, dict) else None) or ():
        text = value.get("Alphabetic") if isinstance(value, dict) else value
        yield "" if text is None else str(text).strip()


def _is_time(key: str) -> bool:
    return dictionary_VR(key.rpartition(".")[2]) in {"DA", "DT", "TM"}


def _order(item: ItemContent) -> tuple[int, str]:
    priority = value_of(item, _PRIORITY)
    return _URGENT.index(priority) if priority in _URGENT else 1, value_of(item, _START)
