"""Asks a DICOMweb archive for films (QIDO-RS) and fetches those it has not seen (WADO-RS) into the spool."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO
from itertools import product, takewhile
from typing import Final

import requests
from pydicom import dcmwrite

from lungspot.dicomweb import DicomWebArchive, in_words, value_of
from lungspot.errors import FilmError, InputError
from lungspot.images import is_uid
from lungspot.node.audit import AuditEvent, Outcome
from lungspot.node.context import NodeContext
from lungspot.node.listener import FILM_CLASSES, film_header
from lungspot.queue import back_off

__all__ = ["QidoQuery", "fetch_film", "parse_since", "pull", "take_film"]

_LOG = logging.getLogger("lungspot.node")
_SERIES, _INSTANCE, _STUDY, _CLASS = "0020000E", "00080018", "0020000D", "00080016"
_DEFAULT: Final = ("Modality=CR,DX,DR",)
_SAID: Final = frozenset({"Modality", "StudyDate"})  # keys whose values the audit log holds
_DATE: Final = frozenset({"StudyDate", "00080020"})
_ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class QidoQuery:
    """Which films are asked for: filters of the query, and the first study date as a date or as a number of days."""

    filters: tuple[tuple[str, tuple[str, ...]], ...]
    since: date | timedelta

    @classmethod
    def parse(cls, texts: Sequence[str], since: str) -> QidoQuery:
        """Return the query of ``KEY=VALUE[,VALUE…]`` texts; CR, DX and DR where none names the modality.

        Raises InputError BAD_VALUE where one is no filter, has an empty value, or is the study date, which ``since``
        says.
        """
        given = [*texts, *(() if any(text.startswith("Modality=") for text in texts) else _DEFAULT)]
        filters = []
        for text in given:
            key, equals, values = text.partition("=")
            if not (key.isalnum() and equals and all(values.split(","))) or key in _DATE:
                raise InputError(
                    "BAD_VALUE",
                    "--query",
                    f"{text!r} is no filter",
                    advice="give KEY=VALUE[,VALUE…]; --since says the study date",
                )
            filters.append((key, tuple(values.split(","))))
        return cls(tuple(filters), parse_since(since))

    @property
    def first(self) -> date:
        """The first study date that is asked for today."""
        return self.since if isinstance(self.since, date) else date.today() - self.since  # noqa: DTZ011 - DICOM dates are local

    def queries(self) -> Iterator[dict[str, str]]:
        """Yield the search filters of one QIDO query each: every combination of values, each with the dates."""
        for values in product(*(values for _, values in self.filters)):
            keys = (key for key, _ in self.filters)
            yield {**dict(zip(keys, values, strict=True)), "StudyDate": f"{self.first.isoformat().replace('-', '')}-"}


def parse_since(text: str) -> date | timedelta:
    """Return the date of ``2026-01-31`` or the days of ``7d``; InputError BAD_VALUE where it is neither."""
    try:
        if not text.endswith("d"):
            return date.fromisoformat(text)
        days = timedelta(days=int(text[:-1]))
        date.today() - days  # noqa: DTZ011 - raises where there is no such date
    except (ValueError, OverflowError) as error:
        advice = "give a date, 2026-01-31, or days, 7d"
        raise InputError("BAD_VALUE", "--since", f"{text!r} is no date", advice=advice) from error
    return days


def pull(context: NodeContext, client: DicomWebArchive, query: QidoQuery, *, every: float, once: bool = False) -> None:
    """Fetch what is new, every so many seconds until the node stops, or ``once``.

    An archive that cannot be reached, and a full disk, are met again after 1, 2, 4, … 300 seconds. Films that the
    archive cannot give do not hold up the others: they are asked for again in the next round, of which ``once`` has
    three at most.
    """
    failures = 0
    refused: set[str] = set()  # instances that are no films after all; not asked for again in this run
    while not context.stopping.is_set():
        try:
            missed = _round(context, client, query, refused)
        except Exception as error:  # noqa: BLE001 - archives answer with anything, and the next answer may be better
            failures += 1
            _LOG.warning("%s: %s; next attempt in %.0f s", client.base_url, in_words(error), back_off(failures))
            context.stopping.wait(back_off(failures))
            continue
        failures = failures + 1 if missed else 0
        if once and (not missed or failures >= _ROUNDS):
            return
        context.stopping.wait(back_off(failures) if once else every)


def _round(context: NodeContext, client: DicomWebArchive, query: QidoQuery, refused: set[str]) -> int:
    """Fetch what is new once; return how many films the archive could not give."""
    missed = 0
    for study, series, instance in _new_films(context, client, query, refused):
        data = fetch_film(context, client, (study, series, instance))
        if isinstance(data, Exception):
            missed += 1
        elif take_film(context, client, data, (study, instance)):
            refused.add(instance)
    return missed


def _new_films(
    context: NodeContext, client: DicomWebArchive, query: QidoQuery, refused: set[str]
) -> Iterator[tuple[str, str, str]]:
    """Yield study, series and SOP instance UID of the films that the archive lists and the spool has not seen."""

    def going_on(_: object) -> bool:
        return not context.stopping.is_set()

    for filters in takewhile(going_on, query.queries()):
        found = list(takewhile(going_on, client.find_series(filters)))
        asked = {key: value if key in _SAID else "…" for key, value in filters.items()}  # others may name a patient
        context.audit.record(AuditEvent.QUERY, who={"archive": client.base_url}, what={"filters": asked})
        for entry in takewhile(going_on, found):
            study, series = value_of(entry, _STUDY), value_of(entry, _SERIES)
            if not (is_uid(study) and is_uid(series)):
                continue
            for instance in takewhile(going_on, client.find_instances(study, series)):
                uid = value_of(instance, _INSTANCE)
                film = is_uid(uid) and value_of(instance, _CLASS) in {*FILM_CLASSES, ""}
                if film and uid not in refused and not context.spool.holds(uid):
                    yield study, series, uid


def fetch_film(context: NodeContext, client: DicomWebArchive, uids: tuple[str, str, str]) -> bytes | Exception:
    """Return one instance as a file, or the error with which the archive did not give it.

    Raises requests' ConnectionError and Timeout where nobody is there.
    """
    try:
        found = client.retrieve_instance(*uids)
        found.preamble = bytes(128)
        buffer = BytesIO()
        dcmwrite(buffer, found)
    except (requests.ConnectionError, requests.Timeout):
        raise
    except Exception as error:  # noqa: BLE001 - HTTP errors, damaged answers, and what pydicom meets in damaged films
        _LOG.warning("%s: a film cannot be fetched: %s", client.base_url, in_words(error))
        what = {"sop_instance": uids[2], "study": uids[0], "reason": in_words(error)}
        context.note(AuditEvent.READ, Outcome.SERIOUS_FAILURE, {"archive": client.base_url}, what)
        return error
    return buffer.getvalue()


def take_film(context: NodeContext, client: DicomWebArchive, data: bytes, uids: tuple[str, str]) -> str:
    """Take one instance into the spool; return the code of why it is no film, empty where it is one."""
    study, instance = uids
    who, what = {"archive": client.base_url}, {"sop_instance": instance, "study": study}
    try:
        film_header(data, instance=instance)
    except FilmError as error:
        _LOG.warning("refused a film of %s: %s", client.base_url, error.code)
        context.tally.add("refused")
        context.note(AuditEvent.READ, Outcome.SERIOUS_FAILURE, who, {**what, "reason": error.code})
        return error.code
    new = context.spool.accept([data], instance=instance, study=study, source=client.base_url)
    context.tally.add("received" if new else "duplicate")
    context.audit.record(AuditEvent.READ, who=who, what={**what, "new": new})
    return ""
