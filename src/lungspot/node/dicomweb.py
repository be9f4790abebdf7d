"""The DICOMweb client: it follows no redirect, reads no endless answer, and searches page by page to an end."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import dcmwrite
from pydicom.dataset import FileDataset

from lungspot.errors import InputError
from lungspot.node.certificates import Certificates

__all__ = ["AUTHORIZATION", "DicomWebArchive", "open_client", "value_of"]

AUTHORIZATION: Final = "LUNGSPOT_DICOMWEB_AUTHORIZATION"  # environment variable: the whole header, "Bearer …"
_MOST: Final = 256 * 1024 * 1024  # bytes of one answer
_SECONDS: Final = (10, 60)  # to connect, to answer
_MOST_FOUND: Final = 100_000  # series of one query, or instances of one series
_PAST_THE_END: Final = frozenset({400, 404, 416, 501})  # what servers say to an offset that they have nothing at

_LOG = logging.getLogger("lungspot.node")


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

    def find_series(self, filters: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        """Yield the series that a QIDO-RS query finds, as DICOM JSON, each once. Raises RequestException."""

        def search(offset: int | None) -> Sequence[Any]:
            return self.search_for_series(search_filters=dict(filters), offset=offset)

        return _pages(search, ("0020000D", "0020000E"))

    def find_instances(self, study: str, series: str) -> Iterator[Mapping[str, Any]]:
        """Yield the instances of a series, as DICOM JSON, each once. Raises RequestException."""

        def search(offset: int | None) -> Sequence[Any]:
            return self.search_for_instances(study, series, offset=offset)

        return _pages(search, ("00080018",))


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
    return str(values[0]) if isinstance(values, list) and values else ""


def open_client(url: str, where: str, certificates: Certificates | None = None) -> DicomWebArchive:
    """Return a client for a DICOMweb root that follows no redirect, reads no endless answer and tries nothing twice.

    ``certificates``: what is shown to an https server, and the authority that must have certified it.

    The environment variable LUNGSPOT_DICOMWEB_AUTHORIZATION holds the header that says who asks, where one is needed.
    Raises InputError BAD_VALUE where it is no address, or one with a password in it.
    """
    if "@" in url:
        advice = f"put `Basic …` or `Bearer …` in {AUTHORIZATION}"
        raise InputError("BAD_VALUE", where, "an address with a password ends up in logs", advice=advice)
    session = requests.Session()
    session.trust_env = False  # no proxy and no password file that the user did not name here
    session.max_redirects = 0
    if certificates is not None:
        certificates.context(server=False)  # refuses what cannot be used now, not at the first request
        session.cert = (str(certificates.certificate), str(certificates.key))
        session.verify = True if certificates.authority is None else str(certificates.authority)
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
        if len(seen) >= _MOST_FOUND:
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
