"""DICOMweb: the bounded client, and the delivery of results by STOW-RS."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Final

import requests
from dicomweb_client.api import DICOMwebClient

from lungspot.errors import InputError
from lungspot.node.certificates import Certificates
from lungspot.node.sender import Batch, Deliver, Unreachable
from lungspot.node.spool import Job

__all__ = ["AUTHORIZATION", "open_client", "stow_to"]

AUTHORIZATION: Final = "LUNGSPOT_DICOMWEB_AUTHORIZATION"  # environment variable: the whole header, "Bearer …"
_BROKEN: Final = (requests.RequestException, OSError, ValueError, KeyError)  # what a call may end with

_MOST: Final = 256 * 1024 * 1024  # bytes of one answer
_SECONDS: Final = (10, 60)  # to connect, to answer
_NO_ROOM: Final = "A7"  # a failure reason: the archive's state, not the results' fault
_DUPLICATE: Final = "0111"  # a failure reason: the object was there before a crash of ours
_OF_THE_ARCHIVE: Final = frozenset({401, 403, 404, 407, 408, 425, 429})  # not the results' fault, like every 5xx


def open_client(url: str, where: str, certificates: Certificates | None = None) -> DICOMwebClient:
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
        client = DICOMwebClient(
            url.rstrip("/"), session=session, callback=_bounded, permissive_uid=True, timeout=_SECONDS
        )
    except ValueError as error:
        raise InputError("BAD_VALUE", where, f"{url!r} is no address", advice="give http(s)://host/path") from error
    client.set_http_retry_params(retry=False)
    return client


def stow_to(client: DICOMwebClient) -> Deliver:
    """Return what sends a batch by STOW-RS, one request for each film's results."""

    def deliver(batch: Batch) -> Iterator[tuple[Job, str | None]]:
        for job, objects in batch:
            try:
                answer = client.store_instances(objects)
            except requests.HTTPError as error:
                code = 0 if error.response is None else error.response.status_code
                if code >= 500 or code in _OF_THE_ARCHIVE:
                    raise Unreachable(f"HTTP {code}") from error
                yield job, f"HTTP {code}"
                continue
            except _BROKEN as error:
                raise Unreachable(type(error).__name__) from error
            failed = {f"{item.get('FailureReason', 0):04X}" for item in answer.get("FailedSOPSequence") or ()}
            if any(reason.startswith(_NO_ROOM) for reason in failed):
                raise Unreachable("it is out of resources")
            reasons = ", ".join(f"{reason}H" for reason in sorted(failed - {_DUPLICATE}))
            yield job, f"failure reason {reasons}" if reasons else None

    return deliver


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
