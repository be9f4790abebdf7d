"""The DICOMweb client: it follows no redirect, reads no endless answer, and searches page by page to an end.

Needs the ``[pacs]`` extra: who may lack it imports this within ``extra``.
"""

from __future__ import annotations

import logging
import os
import secrets
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import dcmwrite
from pydicom.dataset import FileDataset
from requests.adapters import HTTPAdapter
from urllib3.exceptions import InvalidHeader
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry

from lungspot.errors import InputError
from lungspot.tls import load_certificates

__all__ = [
    "AUTHORIZATION",
    "MOST_FOUND",
    "DicomWebArchive",
    "in_words",
    "open_client",
    "status_of",
    "value_of",
]

AUTHORIZATION: Final = "LUNGSPOT_DICOMWEB_AUTHORIZATION"  # environment variable: the whole header, "Bearer …"
_MOST: Final = 256 * 1024 * 1024  # bytes of one answer
_SECONDS: Final = (10, 60)  # to connect, to answer
MOST_FOUND: Final = 100_000  # series of one query, or instances of one series, after which it is not followed further
_BUSY: Final = (429, 502, 503, 504)
_LONGEST_WAIT: Final = 16.0  # seconds
_NOT_SO: Final = frozenset({400, 406})
_PAST_THE_END: Final = frozenset({400, 404, 416, 501})  # what servers say to an offset that they have nothing at

_LOG = logging.getLogger("lungspot.dicomweb")


class DicomWebArchive(DICOMwebClient):
    """One archive's DICOMweb root."""

    def store(self, objects: Sequence[FileDataset]) -> requests.Response:
        """Send objects by one STOW-RS request; return the answer, whatever its status. Raises RequestException."""
        boundary = secrets.token_hex(16)
        parts = []
        for each in objects:
            buffer = BytesIO()
            dcmwrite(buffer, each)
            head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n"
            parts += [head.encode(), buffer.getvalue(), b"\r\n"]
        headers = {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Accept": "application/dicom+json, application/json;q=0.9, application/dicom+xml;q=0.5",
        }
        body = b"".join([*parts, f"--{boundary}--\r\n".encode()])
        return self._session.post(f"{self.base_url}/studies", data=body, headers=headers, timeout=self._timeout)

    def fetch(self, study: str, series: str, instance: str) -> bytes:
        """Return one instance as a file, with the pixels as the archive keeps them (WADO-RS).

        Raises RequestException where it is not given, ValueError where what is given is none.
        """
        url = f"{self.base_url}/studies/{study}/series/{series}/instances/{instance}"
        for syntax in ("; transfer-syntax=*", ""):  # some do not know that any will do
            accept = f'multipart/related; type="application/dicom"{syntax}'
            response = self._session.get(url, headers={"Accept": accept}, timeout=self._timeout)
            if response.status_code not in _NOT_SO:
                break
        response.raise_for_status()
        if response.headers.get("Content-Type", "").partition(";")[0].strip().lower() == "application/dicom":
            return response.content
        parts = list(self._decode_multipart_message(response, stream=False))
        if len(parts) != 1:
            raise ValueError(f"{len(parts)} instances instead of one")
        return bytes(parts[0])

    def find_series(self, filters: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        """Yield the series that a QIDO-RS query finds, as DICOM JSON, each once. Raises RequestException."""

        def search(offset: int | None) -> Sequence[Any]:
            return self.search_for_series(search_filters=dict(filters), offset=offset)

        return _pages(search, ("0020000D", "0020000E"))

    def find_instances(self, study: str, series: str | None) -> Iterator[Mapping[str, Any]]:
        """Yield the instances of a series, or of a whole study, as DICOM JSON, each once. Raises RequestException."""

        def search(offset: int | None) -> Sequence[Any]:
            return self.search_for_instances(study, series, offset=offset)

        return _pages(search, ("00080018",))

    def find_workitems(self, filters: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        """Yield the work items that a UPS-RS search finds, as DICOM JSON, each once. Raises RequestException."""

        def search(offset: int | None) -> Sequence[Any]:
            page = {} if offset is None else {"offset": offset}
            return self._http_get_application_json(f"{self.base_url}/workitems", {**filters, **page})

        return _pages(search, ("00080018",))

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> requests.Response:
        """Send one request to a path below the root; return the answer, whatever its status. RequestException."""
        url = f"{self.base_url}/{path}"
        return self._session.request(method, url, data=body, headers=dict(headers), timeout=self._timeout)


def _require_host(url: str) -> None:
    """Refuse (ValueError) what the client would take, and no request could be sent to."""
    parts = urlsplit(url)
    if not parts.hostname or parts.port == 0 or any(character.isspace() for character in url):
        raise ValueError("no host or no port")
    parts.hostname.encode("idna")


def value_of(item: Mapping[str, Any], tag: str) -> str:
    """Return the first value of an attribute in DICOM JSON as text; empty where there is none."""
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return str(values[0]) if isinstance(values, list) and values and values[0] is not None else ""


class _Patience(Retry):
    """Ask again for half a minute, not for as long as a server would have it."""

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """Return the seconds that a busy server asks for, within bounds."""
        try:
            found = super().get_retry_after(response)
        except InvalidHeader:
            found = None
        return None if found is None else min(found, _LONGEST_WAIT)


def open_client(
    url: str,
    where: str,
    *,
    shown: tuple[Path, Path] | None = None,
    authority: Path | None = None,
    again: bool = False,
) -> DicomWebArchive:
    """Return a client for a DICOMweb root that follows no redirect, reads no endless answer and tries nothing twice.

    ``again``: what is only asked for is asked for again where the archive is busy (429, 502, 503, 504) or away, after
    0, 2, 4, 8 and 16 seconds, or those that it names (16 at most).

    ``shown``: PEM files of the certificate and key that are shown to an https server; ``authority``: of the one that
    must have certified it, where it is not one that the system knows.

    The environment variable LUNGSPOT_DICOMWEB_AUTHORIZATION holds the header that says who asks, where one is needed.
    Raises InputError BAD_VALUE where it is no address, or one with a password in it.
    """
    if "@" in url:
        advice = f"put `Basic …` or `Bearer …` in {AUTHORIZATION}"
        raise InputError("BAD_VALUE", where, "an address with a password ends up in logs", advice=advice)
    session = requests.Session()
    session.trust_env = False  # no proxy and no password file that the user did not name here
    session.max_redirects = 0
    if shown is not None or authority is not None:
        load_certificates(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), shown, authority)  # now, not at the first request
    if shown is not None:
        session.cert = (str(shown[0]), str(shown[1]))
    if authority is not None:
        session.verify = str(authority)
    if again:
        waits = _Patience(5, read=1, backoff_factor=1, status_forcelist=_BUSY, raise_on_status=False)
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=waits))
    if header := os.environ.get(AUTHORIZATION):
        session.headers["Authorization"] = header
    try:
        _require_host(url)
        client = DicomWebArchive(
            url.rstrip("/"), session=session, callback=_bounded, permissive_uid=True, timeout=_SECONDS
        )
    except ValueError as error:
        raise InputError("BAD_VALUE", where, f"{url!r} is no address", advice="give http(s)://host/path") from error
    client.set_http_retry_params(retry=False)
    return client


def in_words(error: BaseException) -> str:
    """Return what logs say of an error: never its own words, which may quote what was asked for."""
    status = status_of(error)
    return f"HTTP {status}" if status else type(error).__name__


def status_of(error: BaseException) -> int:
    """Return the HTTP status that an error tells of; 0 where it tells of none."""
    answer = error.response if isinstance(error, requests.HTTPError) else None
    return 0 if answer is None else answer.status_code


def _pages(search: Callable[[int | None], Sequence[Any]], keys: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Yield what a paged search finds, each entry once, until a page brings nothing new.

    So it ends as well where a server ignores ``offset`` and says the same again, repeats entries, or says nothing.
    """
    seen: set[tuple[str, ...]] = set()
    offset = 0
    while True:
        try:
            page = search(offset or None)
        except requests.HTTPError as error:
            if not offset or error.response is None or error.response.status_code not in _PAST_THE_END:
                raise
            return
        before = len(seen)
        for item in page:
            key = tuple(value_of(item, tag) for tag in keys) if isinstance(item, dict) else ("",)
            if all(key) and key not in seen:
                seen.add(key)
                yield item
        if len(seen) == before:
            return
        if len(seen) >= MOST_FOUND:
            _LOG.warning("a search found %d entries and was not followed further", len(seen))
            return
        offset += len(page)


def _bounded(response: requests.Response, *_: object, **__: Any) -> requests.Response:  # noqa: ANN401 - requests' own
    """Read an answer here, while it can still be stopped."""
    parts, total = [], 0
    for part in response.iter_content(1 << 20):
        total += len(part)
        if total > _MOST:
            response.close()
            raise requests.exceptions.ContentDecodingError("an answer larger than any film")
        parts.append(part)
    response._content = b"".join(parts)  # noqa: SLF001 - where requests keeps what it would have read without a bound
    return response
