"""Performs the items of a UPS-RS work list: claims them, fetches their films, and closes them when results are stored.

What is to be sent is on the disk first: the lock of a claim, and how an item will be closed. Each request can be sent
again, so that an item goes on after a crash where it was, and none is done twice.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import requests
from pydicom.uid import generate_uid

from lungspot.dicomweb import DicomWebArchive, in_words, status_of, value_of
from lungspot.images import is_uid
from lungspot.node import performed
from lungspot.node.audit import AuditEvent, Outcome
from lungspot.node.context import NodeContext
from lungspot.node.listener import FILM_CLASSES
from lungspot.node.pull import fetch_film, take_film
from lungspot.node.sender import Unreachable
from lungspot.node.states import FilmState, ItemState
from lungspot.node.ups import (
    CANCELED,
    COMPLETED,
    GONE,
    IN_PROGRESS,
    SCHEDULED,
    ItemContent,
    NotGiven,
    UnifiedWorklist,
    inputs_of,
    is_of_the_server,
    state_of,
)
from lungspot.node.workitems import ItemFilm, Reference, WorkItem
from lungspot.queue import back_off, next_attempt

__all__ = ["Performer", "perform"]

_LOG = logging.getLogger("lungspot.node")
_AT_ONCE: Final = 8  # items that are claimed and not closed: others perform items, too
_ASKED: Final = 10  # times that a film is asked for which the archive does not give, in eight minutes
_ASKED_GONE: Final = 5  # likewise, where it says that it has none such, in half a minute
_PAUSE_SECONDS: Final = 1.0
# How many parts of its way (fetched, read, sent) a film has behind it; three where nothing more will be made of it.
_PARTS: Final[Mapping[str, int]] = {FilmState.RECEIVED: 1, FilmState.READING: 1, FilmState.ANALYSED: 2}
_SCHEDULED_CODE: Final = "00404018"


@dataclass(frozen=True, slots=True)
class Performer:
    """One work list's performer: where its items are, where their films are, and how results are had afterwards."""

    context: NodeContext
    worklist: UnifiedWorklist
    archive: DicomWebArchive
    station: str
    retrieval: performed.Retrieval
    down: dict[str, int] = field(default_factory=dict)  # how often in a row an item's server was not to be reached
    passed_by: set[str] = field(default_factory=set)  # scheduled items that are not for this node; said once in the log
    unsure: set[str] = field(default_factory=set)  # items whose claim was sent, and the answer to it lost
    told: dict[str, int] = field(default_factory=dict)  # the progress that the work list knows of, in per cent

    def consider(self, uid: str) -> bool:
        """Claim a scheduled item where it is for this node and its inputs are ready; tell whether it was claimed."""
        items = self.context.spool.items
        if uid in self.passed_by:
            return False
        if items.knows(uid):
            if items.get(uid) is None:  # else its claim waits for the server
                self._pass_by(uid, "it was performed here before")
            return False
        try:
            item = self.worklist.retrieve(uid)
        except NotGiven as error:  # the next search may find it again
            _LOG.warning("work item %s: %s; it is left alone", uid, error)
            return False
        if item is None or state_of(item) != SCHEDULED or inputs_of(item) is None:
            return False
        if not self.worklist.query.holds(item):
            self._pass_by(uid, "it is not what was asked for")
            return False
        items.begin(uid, self.worklist.name, generate_uid(prefix=None))
        claimed = items.get(uid)
        return claimed is not None and self.advance(claimed)

    def advance(self, item: WorkItem) -> bool:
        """Bring an item as far as it can be brought now; tell whether it is this node's.

        Where a server cannot be reached, or the disk is full, only this item waits: it may be the cause.
        """
        found: WorkItem | None = item
        steps = {
            ItemState.CLAIMING: self._claim,
            ItemState.CLAIMED: self._fetch,
            ItemState.PERFORMING: self._look,
            ItemState.COMPLETING: self._close,
            ItemState.CANCELING: self._close,
        }
        items = self.context.spool.items
        ours = True
        while found is not None and not self.context.stopping.is_set():
            try:
                steps[found.state](found)
            except (Unreachable, OSError) as error:
                self._wait(found, error)
                return True
            except NotGiven as error:
                self._postpone(found, str(error))
                return True
            except Exception as error:  # noqa: BLE001 - work lists answer with anything, and the other items must go on
                self._postpone(found, type(error).__name__)
                return True
            self.down.pop(item.uid, None)
            before, found = found, items.get(item.uid)
            ours = found is not None or items.knows(item.uid)
            if found is not None and found.state == before.state:
                break
        return ours

    # --- the steps of an item -----------------------------------------------------------------------------------------

    def _claim(self, item: WorkItem) -> None:
        """Claim an item. One that is in progress already may be ours: only its owner may change it.

        Was the answer to a claim lost, a refused change alone does not say that the item is another's.
        """
        try:
            ours = taken = self.worklist.change_state(item.uid, IN_PROGRESS, item.transaction)
        except Unreachable:
            self.unsure.add(item.uid)
            raise
        if taken.lost:
            self.unsure.add(item.uid)
        unsure = item.uid in self.unsure
        try:
            state = "" if taken else self.worklist.state(item.uid)
        except NotGiven as error:
            return self._postpone(item, str(error)) if unsure else self._again(item, str(error))
        if state == IN_PROGRESS:
            ours = self.worklist.update(item.uid, item.transaction, performed.progress(0, "claimed"))
        if state == SCHEDULED:
            return self._again(item, f"the work list does not take its claim (HTTP {taken.status})")
        if not ours and state == IN_PROGRESS and unsure:
            return self._postpone(item, f"the work list does not say whether it heard the claim (HTTP {ours.status})")
        self.unsure.discard(item.uid)
        if not ours:
            self._pass_by(item.uid, "it could not be claimed")
            return self.context.spool.items.forget(item)
        self.context.spool.items.move(item, ItemState.CLAIMED)
        self.context.tally.add("items_claimed")
        self._note(item, IN_PROGRESS)
        _LOG.info("claimed work item %s", item.uid)
        return None

    def _fetch(self, item: WorkItem) -> None:
        """Fetch an item's films into the spool, those that were had at an earlier attempt left out."""
        items = self.context.spool.items
        content = self.worklist.retrieve(item.uid)
        if content is None:
            return self._lose(item, "it is gone")
        films: dict[str, tuple[str, str, str]] = {}
        missing: list[Exception] = []
        had = {uid: film for uid, film in items.had(item).items() if film[2] != performed.NOT_GIVEN}
        for each in self._radiographs(content, missing):
            if not each.instance:  # a series or study that the archive does not list
                uid = each.series or each.study
                films[uid] = (uid, "", performed.NOT_GIVEN)
                continue
            if each.instance in had:
                films[each.instance] = had[each.instance]
                continue
            data = fetch_film(self.context, self.archive, (each.study, each.series, each.instance))
            if isinstance(data, Exception):
                if _is_of_the_archive(data):
                    raise Unreachable(in_words(data))
                missing.append(data)
                films[each.instance] = (each.instance, "", performed.NOT_GIVEN)
                continue
            why = take_film(self.context, self.archive, data, (each.study, each.instance))
            films[each.instance] = (each.instance, "" if why else hashlib.sha256(data).hexdigest(), why)
            items.keep(item, films[each.instance])
        if missing and item.attempts + 1 < (_ASKED_GONE if GONE.issuperset(map(status_of, missing)) else _ASKED):
            return self._postpone(item, f"{len(missing)} of {len(films)} inputs cannot be fetched")
        scheduled = content.get(_SCHEDULED_CODE)
        has_code = isinstance(scheduled, dict) and bool(scheduled.get("Value"))
        items.fetched(item, films.values(), json.dumps(scheduled) if has_code else "")
        return None

    def _look(self, item: WorkItem) -> None:
        """See whether all films of an item have come to their end: say how far it has come, or decide how it closes."""
        items = self.context.spool.items
        films = items.films(item)
        if not all(film.settled for film in films):
            return self._tell(item, films)
        if any(film.outputs for film in films):
            return items.move(item, ItemState.COMPLETING, reason=performed.why_partly(films))
        words, code = performed.why_nothing(films)
        return items.move(item, ItemState.CANCELING, reason=words, code=code)

    def _close(self, item: WorkItem) -> None:
        """Complete or cancel an item. The last request may have come through before a crash: its state says so then."""
        ended = datetime.now().astimezone()
        if item.state == ItemState.COMPLETING:
            films = self.context.spool.items.films(item)
            outputs = list(dict.fromkeys(each for film in films for each in film.outputs))
            state, local = COMPLETED, ItemState.COMPLETED
            change = performed.completed(item, outputs, self.station, self.retrieval, ended)
        else:
            state, local = CANCELED, ItemState.CANCELED
            change = performed.canceled(item, self.station, self.retrieval, ended)
        if (
            not self.worklist.update(item.uid, item.transaction, change)
            and self.worklist.state(item.uid) == IN_PROGRESS
        ):
            return self._postpone(item, "the work list does not take what was done")
        if not self.worklist.change_state(item.uid, state, item.transaction):
            found = self.worklist.state(item.uid)
            if found == IN_PROGRESS:
                return self._postpone(item, f"the work list does not take it as {state}")
            if found != state:
                return self._lose(item, f"it is {found or 'gone'}")
        self.context.spool.items.move(item, local, reason=item.reason, code=item.code)
        self.context.tally.add(f"items_{local}")
        self._note(item, state)
        self.told.pop(item.uid, None)
        _LOG.info("%s work item %s%s", local, item.uid, f": {item.reason}" if item.reason else "")
        return None

    # --- what the steps are made of -----------------------------------------------------------------------------------

    def _radiographs(self, content: ItemContent, missing: list[Exception]) -> Iterator[Reference]:
        """Yield the inputs of an item that may be films, each instance by its UIDs.

        A series or study that the archive says it cannot list is yielded as it is, and the error is added to
        ``missing``.
        """
        for each in inputs_of(content) or ():
            if each.instance and is_uid(each.instance) and is_uid(each.series):
                found = [each]
            elif not each.instance and (is_uid(each.series) or not each.series):
                try:
                    found = [
                        Reference(each.study, *(value_of(one, tag) for tag in ("0020000E", "00080016", "00080018")))
                        for one in self.archive.find_instances(each.study, each.series or None)
                    ]
                except requests.HTTPError as error:
                    if error.response is None or is_of_the_server(error.response.status_code):
                        raise
                    missing.append(error)
                    yield each
                    continue
            else:
                continue
            yield from (one for one in found if one.sop_class in {*FILM_CLASSES, ""} and is_uid(one.instance))

    def _tell(self, item: WorkItem, films: list[ItemFilm]) -> None:
        """Say how far an item has come, where that is news; the work list may have taken it away meanwhile."""
        done = sum(_PARTS.get(film.state, 3) for film in films)
        percent = 100 * done // (3 * len(films) + 1)
        if self.told.get(item.uid) == percent:
            return
        self.told[item.uid] = percent
        read = sum(film.state not in {FilmState.RECEIVED, FilmState.READING} for film in films)
        words = f"{read} of {len(films)} films read"
        if self.worklist.update(item.uid, item.transaction, performed.progress(percent, words)):
            return
        state = self.worklist.state(item.uid)
        if state != IN_PROGRESS:
            self._lose(item, f"it is {state or 'gone'}")

    def _lose(self, item: WorkItem, why: str) -> None:
        self.context.spool.items.move(item, ItemState.LOST, reason=why)
        self.context.tally.add("items_lost")
        self.told.pop(item.uid, None)
        self._note(item, why, Outcome.MINOR_FAILURE)
        _LOG.warning("work item %s is this node's no more: %s", item.uid, why)

    def _wait(self, item: WorkItem, error: OSError | Unreachable) -> None:
        self.down[item.uid] = times = self.down.get(item.uid, 0) + 1
        self.context.spool.items.wait(item, back_off(times))
        why = str(error) if isinstance(error, Unreachable) else in_words(error)
        _LOG.warning("work item %s: %s; next attempt in %.0f s", item.uid, why, back_off(times))

    def _postpone(self, item: WorkItem, why: str) -> None:
        again = self.context.spool.items.postpone(item, why)
        after = "trying again" if again else "set aside; --retry-failed takes it up again"
        _LOG.warning("work item %s: %s; %s", item.uid, why, after)
        if not again:
            self._note(item, why, Outcome.SERIOUS_FAILURE)

    def _again(self, item: WorkItem, why: str) -> None:
        """Claim an item once more later; after so many attempts it is left until the next start."""
        if next_attempt(item.attempts) is not None:
            return self._postpone(item, why)
        self._note(item, why, Outcome.SERIOUS_FAILURE)
        _LOG.warning("work item %s: %s; left as it is until the next start", item.uid, why)
        self.passed_by.add(item.uid)
        return self.context.spool.items.forget(item)

    def _pass_by(self, uid: str, why: str) -> None:
        self.passed_by.add(uid)
        _LOG.info("work item %s is passed by: %s", uid, why)

    def _note(self, item: WorkItem, what: str, outcome: Outcome = Outcome.SUCCESS) -> None:
        who = {"work_list": self.worklist.name}
        self.context.note(AuditEvent.PROCEDURE, outcome, who, {"work_item": item.uid, "state": what})


def _is_of_the_archive(error: Exception) -> bool:
    """Tell whether the error with which a film was not given is the archive's, and no film's.

    HTTP 500 is what archives say of a film that they cannot read.
    """
    status = status_of(error)
    return isinstance(error, requests.TooManyRedirects) or (is_of_the_server(status) and status != 500)


def perform(performer: Performer, *, every: float, once: bool = False) -> None:
    """Perform what a work list holds, asking it every so many seconds until the node stops, or ``once``.

    A work list or archive that cannot be reached, and a full disk, are met again after 1, 2, 4, … 300 seconds. What is
    open when the node stops stays in progress, and is taken up at its next start.
    """
    context, worklist = performer.context, performer.worklist
    items = context.spool.items
    found: deque[str] = deque()
    failures, next_search, news = 0, 0.0, False
    while not context.stopping.is_set():
        try:
            for item in items.due(worklist.name):
                performer.advance(item)
            if not found and time.monotonic() >= next_search and len(items.open(worklist.name)) < _AT_ONCE:
                found.extend(worklist.scheduled(without=performer.passed_by))
                context.audit.record(AuditEvent.QUERY, who={"work_list": worklist.name}, what={"found": len(found)})
                news, next_search = False, time.monotonic() + every
            while found and len(items.open(worklist.name)) < _AT_ONCE and not context.stopping.is_set():
                passed_by = len(performer.passed_by)
                news |= performer.consider(found.popleft()) or len(performer.passed_by) > passed_by
            if not found and news:
                next_search = 0.0  # there may be more behind what one search gives
        except Exception as error:  # noqa: BLE001 - servers answer with anything, and the next answer may be better
            failures += 1
            why = str(error) if isinstance(error, Unreachable) else in_words(error)
            _LOG.warning("%s: %s; next attempt in %.0f s", worklist.name, why, back_off(failures))
            context.stopping.wait(back_off(failures))
            continue
        failures = 0
        if once and not found and not news and not items.open(worklist.name):
            return
        context.spool.pause(_PAUSE_SECONDS)
