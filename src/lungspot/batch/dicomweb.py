"""Films of a DICOMweb archive: found by QIDO-RS series by series, fetched by WADO-RS when their turn comes.

A source is ``dicomweb+https://host/dicom-web?Modality=CR,DX&StudyDate=20260101-20261231``: the archive's root, and what
is asked for. The environment variable LUNGSPOT_DICOMWEB_AUTHORIZATION says who asks, where one must.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache, partial
from itertools import product
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from lungspot.batch.entries import Entry, identity_of, refused_entry
from lungspot.errors import FilmError, InputError, SetupError
from lungspot.extras import extra
from lungspot.images import is_uid
from lungspot.pipeline import Film
from lungspot.sources import FilmSource, place_of

if TYPE_CHECKING:
    from lungspot.dicomweb import DicomWebArchive

__all__ = ["TlsFiles", "in_dicomweb", "instance_entry", "is_dicomweb", "require_dicomweb"]

_SCHEME: Final = "dicomweb+"
_OURS: Final = re.compile(r"dicomweb\+https?://", re.IGNORECASE)
_INSTANCE: Final = re.compile(r"(.+)/studies/([0-9.]+)/series/([0-9.]+)/instances/([0-9.]+)/?")
_PASSWORD: Final = re.compile(r"//[^?]*@")  # and whose it is
_AUTHORIZATION: Final = "LUNGSPOT_DICOMWEB_AUTHORIZATION"
_RANGE: Final = re.compile(r"(\d{8})-(\d{8})")
_STUDY, _SERIES, _SOP = "0020000D", "0020000E", "00080018"
_DEFAULT: Final = {"Modality": "CR,DX"}
_DATE: Final = "StudyDate"
_PART: Final = "ask for a part, as by StudyDate=20260101-20261231, which is asked for day by day"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files towards an https archive: what is shown to it, and the authority that it must come from."""

    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None


def is_dicomweb(source: str) -> bool:
    """Say whether a source is the address of a DICOMweb archive."""
    return _OURS.match(source) is not None


def require_dicomweb(sources: Sequence[str], tls: TlsFiles) -> None:
    """Raise what :func:`in_dicomweb` would at those of the sources that are archives; nothing is asked for yet."""
    for source in filter(is_dicomweb, sources):
        _asked(source, tls)


def in_dicomweb(url: str, tls: TlsFiles) -> Iterator[Entry]:
    """Yield the instances of the series that a QIDO-RS query finds, asked for page by page as they are drawn.

    A search that fails, or is too long to be followed, is a film that is refused. Raises ``MISSING_EXTRA`` without
    dicomweb-client, and InputError at an address, a filter or a certificate that is none.
    """
    root, filters, client = _asked(url, tls)
    for each in _queries(filters):
        found, about = 0, " of ".join(each[key] for key in ("Modality", _DATE) if key in each)
        try:
            for series in client.find_series(each):
                found += 1
                yield from _in_series(client, root, series, tls)
        except Exception as error:  # noqa: BLE001 - archives answer with anything
            yield _not_listed(root, f"a search for {about} failed after {found} series ({_words(error)})")
        if found >= _most():
            yield _not_listed(root, f"a search for {about} found {found} series, and was not followed further", _PART)


def instance_entry(url: str, tls: TlsFiles | None = None) -> Entry:
    """Return the entry of ``dicomweb+https://…/studies/UID/series/UID/instances/UID``."""
    plain = _without_password(url)
    if plain != url:
        error = FilmError("NOT_READABLE", plain, "an address with a password", advice=f"put it in {_AUTHORIZATION}")
        return refused_entry(plain, error, whole=False)
    parts = _INSTANCE.fullmatch(url[len(_SCHEME) :])
    if parts is None:
        reason = "names no instance: …/studies/UID/series/UID/instances/UID"
        return refused_entry(url, FilmError("NOT_READABLE", url, reason), whole=False)
    root, study, series, instance = parts.groups()
    film = Film(url, partial(_fetched, url, root, (study, series, instance), tls or TlsFiles()))
    return Entry(FilmSource(film, place_of(PurePath(instance)), None), identity_of(url))


def _asked(url: str, tls: TlsFiles) -> tuple[str, dict[str, str], DicomWebArchive]:
    """Return an archive's root, what is asked for, and a client."""
    root, _, query = url[len(_SCHEME) :].partition("?")
    root = root.rstrip("/")
    return root, _filters(url, query), _client(root, tls)


def _in_series(client: DicomWebArchive, root: str, series: Mapping[str, object], tls: TlsFiles) -> Iterator[Entry]:
    from lungspot.dicomweb import value_of  # noqa: PLC0415 - needs an optional package

    study, uid = value_of(series, _STUDY), value_of(series, _SERIES)
    place = f"{_SCHEME}{root}/studies/{study}/series/{uid}"
    if not (is_uid(study) and is_uid(uid)):
        yield _not_listed(root, "a series whose UIDs are none")
        return
    found = 0
    try:
        for instance in client.find_instances(study, uid):
            found += 1
            sop = value_of(instance, _SOP)
            name = f"{place}/instances/{sop}"
            if is_uid(sop):
                yield instance_entry(name, tls)
            else:
                yield refused_entry(name, FilmError("NOT_READABLE", name, "its SOP Instance UID is none"), whole=False)
    except Exception as error:  # noqa: BLE001 - likewise
        words = f"its instances cannot be listed ({_words(error)})"
        yield refused_entry(place, FilmError("NOT_READABLE", place, words))


def _not_listed(root: str, reason: str, advice: str = "") -> Entry:
    """Return a film that is refused, whose name is without what was asked for: that may be a patient."""
    name = _SCHEME + root
    return refused_entry(name, FilmError("NOT_READABLE", name, reason, advice=advice or None))


def _fetched(name: str, root: str, uids: tuple[str, str, str], tls: TlsFiles) -> bytes:
    try:
        return _client(root, tls).fetch(*uids)
    except SetupError:  # no such package on this machine
        raise
    except Exception as error:
        raise FilmError("NOT_READABLE", name, f"cannot be fetched ({_words(error)})") from error


@lru_cache(maxsize=8)
def _client(root: str, tls: TlsFiles) -> DicomWebArchive:
    """Return this process's client of an archive, which asks again where that is busy or away for half a minute."""
    with extra("pacs", "a DICOMweb archive"):
        from lungspot.dicomweb import open_client  # noqa: PLC0415 - needs an optional package

    if (tls.certificate is None) != (tls.key is None):
        raise InputError("BAD_VALUE", None, "half of TLS", advice="give --tls-cert and --tls-key")
    shown = None if tls.certificate is None or tls.key is None else (tls.certificate, tls.key)
    return open_client(root, _SCHEME + _without_password(root), shown=shown, authority=tls.authority, again=True)


def _most() -> int:
    from lungspot.dicomweb import MOST_FOUND  # noqa: PLC0415 - needs an optional package

    return MOST_FOUND


def _filters(url: str, query: str) -> dict[str, str]:
    """Return the attributes that are asked for, CR and DX where no modality is."""
    where = _without_password(url).partition("?")[0]
    try:
        given = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        given = [("", "")]
    if not all(key.isalnum() and value for key, value in given):
        reason = "what is asked for is not KEY=VALUE[,VALUE…], with & between"
        raise InputError("BAD_VALUE", where, reason, advice="as ?Modality=CR,DX&StudyDate=20260101-")
    filters = _DEFAULT | dict(given)
    twice = next((key for key, _ in given if [other for other, _ in given].count(key) > 1), None)
    if twice is not None:
        advice = f"several values with commas, as ?{twice}=A,B"
        raise InputError("BAD_VALUE", where, f"{twice} is asked for twice", advice=advice)
    for part in filters.get(_DATE, "").split(","):
        first, dash, last = part.partition("-")
        if dash and first > last > "":
            raise InputError("BAD_VALUE", where, f"{_DATE}: the range ends before it begins")
    return filters


def _queries(filters: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield one search each: every combination of values, and of a range of dates each day."""
    for values in product(*(value.split(",") for key, value in filters.items() if key != _DATE)):
        asked = dict(zip((key for key in filters if key != _DATE), values, strict=True))
        if _DATE not in filters:
            yield asked
            continue
        for part in filters[_DATE].split(","):
            for day in _days(part):
                yield asked | {_DATE: day}


def _days(text: str) -> Iterator[str]:
    """Yield the days of a range of dates; another text as it is. A day's answer is short, a decade's is not."""
    ends = _RANGE.fullmatch(text)
    try:
        first, last = (date.fromisoformat(day) for day in ends.groups()) if ends else (None, None)
    except ValueError:
        first = last = None
    if first is None or last is None:
        yield text
        return
    for number in range((last - first).days + 1):
        yield f"{first + timedelta(days=number):%Y%m%d}"


def _without_password(url: str) -> str:
    """Return an address as it may be printed and kept."""
    return _PASSWORD.sub("//", url)


def _words(error: BaseException) -> str:
    response = getattr(error, "response", None)
    return type(error).__name__ if response is None else f"HTTP {response.status_code}"
