"""Worker threads: each claims the next film of the queue, analyses it, and writes the result down."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from typing import Any, Final

from lungspot.adapt import film_facts
from lungspot.detect import DEFAULT_POINT, Detector, floor_of
from lungspot.errors import FilmError, SetupError
from lungspot.images import Identity, read_identity
from lungspot.pipeline import analyze
from lungspot.report import Analysis, Refusal, document, save_arrays, to_record
from lungspot.serve.pseudonyms import pseudonym
from lungspot.serve.record import at_point
from lungspot.serve.said import columns_of, scores_of
from lungspot.serve.search_text import search_text
from lungspot.serve.store import ClaimedFilm, Store, now

__all__ = ["Workers"]

_LOG = logging.getLogger("lungspot.serve")
_SECONDS_SHIFT: Final = 10_000_000  # most that a patient's times of day are shifted by
_TO_THE_SECOND: Final = len("HHMMSS")
_PAUSE: Final = 0.5  # seconds until a thread that had nothing to do, or could not, looks again


class Workers:
    """``count`` threads over one store and one detector; ``done`` is called with each film's id and its seconds."""

    def __init__(
        self, store: Store, detector: Detector, count: int, done: Callable[[str, str, float], None] | None = None
    ) -> None:
        self._store = store
        self._detector = detector
        self._done = done or (lambda *_: None)
        self._wake = threading.Condition()
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._run, name=f"lungspot-read-{n}", daemon=True) for n in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Say that films have been accepted."""
        with self._wake:
            self._wake.notify_all()

    def stop(self, seconds: float) -> None:
        """Finish the films that are being read, within ``seconds``; the rest waits on the disk for the next start."""
        with self._wake:
            self._stopped = True
            self._wake.notify_all()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))

    @property
    def alive(self) -> bool:
        """Whether every thread lives."""
        return all(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        while not self._stopped:
            try:
                claimed = self._store.claim()
                if claimed is not None:
                    self._finish(claimed)
                    continue
            except Exception as error:  # noqa: BLE001 - neither a full disk nor a bug may end the thread
                _LOG.error("%s in a worker; the film stays in the queue", type(error).__name__)
            with self._wake:
                if not self._stopped:
                    self._wake.wait(_PAUSE)

    def _finish(self, claimed: ClaimedFilm) -> None:
        """Read one film and write its result down; give it back where that failed."""
        start = time.monotonic()
        try:
            status = self._read(claimed)
        except Exception as error:
            self._give_back(
                claimed, count_attempt=not isinstance(error, OSError | SetupError | sqlite3.OperationalError)
            )
            raise
        seconds = time.monotonic() - start
        _LOG.debug("film %d: %s in %.1f s", claimed.number, status, seconds)
        self._done(claimed.id, status, seconds)

    def _give_back(self, claimed: ClaimedFilm, *, count_attempt: bool) -> None:
        """Put a film back into the queue as soon as the disk lets us; where it never does, the next start will."""
        while True:
            try:
                return self._store.give_back(claimed, count_attempt=count_attempt)
            except sqlite3.OperationalError:
                with self._wake:
                    if self._stopped:
                        raise
                    self._wake.wait(_PAUSE)

    def _read(self, claimed: ClaimedFilm) -> str:
        keep = self._store.keep_identifiers
        identity = Identity()
        result: Analysis | Refusal
        try:
            data = _bytes_of(claimed)
            result = analyze(data, self._detector, min_score=floor_of(self._detector.card))
            identity = read_identity(data, claimed.name)
        except FilmError as error:
            result = Refusal(claimed.name, error, now())
        if isinstance(result, Analysis):
            save_arrays(result, self._store.pixels(claimed.id), self._store.maps(claimed.id))
        values = columns_of(result) | self._patient(identity)
        values["record"] = json.dumps(to_record(result, keep_identifiers=keep), ensure_ascii=False, allow_nan=False)
        values["found_by"] = search_text(claimed.name, values["headline"], values["identity"])
        values["facts"] = json.dumps(self._facts(result), ensure_ascii=False, allow_nan=False)
        self._store.finish(claimed, values, scores_of(result))
        return str(values["status"])

    def _patient(self, identity: Identity) -> dict[str, Any]:
        """Return what ties a patient's films: keyed digests, and day and second, shifted as far as the key says.

        ``patient`` is of the ID; ``issuer`` and ``born``, of who issued it and of the date of birth, tell two people
        with one ID apart; ``instance`` is of the film's UID. What the file does not say is None, of those three "".
        """
        if not identity.patient_id:
            key, shift = None, b""
        else:
            key = self._digest(b"patient", identity.patient_id)[:16]
            shift = self._digest(b"day", identity.patient_id).encode()
        day = second = None
        if key is not None and identity.taken:
            day = date.fromisoformat(identity.taken).toordinal() - int(shift[:8], 16) % 20_000
        if day is not None and len(identity.clock) == _TO_THE_SECOND:
            hour, minute, last = (int(identity.clock[at : at + 2]) for at in (0, 2, 4))
            second = hour * 3600 + minute * 60 + last + int(shift[8:16], 16) % _SECONDS_SHIFT
        said = asdict(identity)
        issuer, born, instance = (
            self._digest(name.encode(), f"{identity.patient_id}\n{text}")[:16] if key is not None and text else ""
            for name, text in (
                ("issuer", said.pop("issuer")),
                ("born", identity.birth_date),
                ("film", said.pop("film")),
            )
        )
        del said["taken"], said["clock"]
        kept = json.dumps(said) if self._store.keep_identifiers and any(said.values()) else None
        return {
            "patient": None if key is None else f"p{key}",
            "issuer": issuer,
            "born": born,
            "instance": instance,
            "day": day,
            "second": second,
            "identity": kept,
        }

    def _facts(self, result: Analysis | Refusal) -> dict[str, Any]:
        """Return what the watch looks at; devices can be told apart and, without identifiers, not be named."""
        facts = film_facts(document(at_point(result, DEFAULT_POINT) if isinstance(result, Analysis) else result))
        if facts["device"] is not None and not self._store.keep_identifiers:
            facts["device"] = f"device {self._digest(b'device', facts['device'])[:8]}"
        return facts

    def _digest(self, what: bytes, text: str) -> str:
        return pseudonym(self._store.salt, what, text)


def _bytes_of(claimed: ClaimedFilm) -> bytes:
    if claimed.exhausted:
        raise FilmError("CRASHED", claimed.name, "the server failed each time that it read this film")
    try:
        return claimed.path.read_bytes()
    except FileNotFoundError:  # no failure that passes, and other films wait behind this one
        reason = "its bytes are no longer in the server's folder"
        raise FilmError("NOT_READABLE", claimed.name, reason, advice="send it again") from None
