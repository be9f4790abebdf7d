"""Films that a labelling tool's task names by address: fetched from the hosts that the server was told, and no other.

An address never says whom to connect to: it chooses one of the named hosts, by the same scheme, name, port and the path
before its own, and the connection is made from the list. So neither a task, nor a redirect, nor a name written another
way (an IP literal, a trailing dot, a user before an ``@``) leads anywhere else. No proxy of the environment is used.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from socket import SHUT_RDWR, socket
from typing import Final
from urllib.parse import quote, unquote, unquote_to_bytes, urljoin, urlsplit

from lungspot.errors import FilmError, InputError

__all__ = ["FilmHost", "RemoteFilms", "film_host"]

_PORTS: Final = {"http": 80, "https": 443}
_CLOUDS: Final = ("s3", "gs", "azure-blob")  # storages that Label Studio resolves for whoever may see the task
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HOPS: Final = 4  # connections a film: Label Studio sends to a storage once
_SILENCE: Final = 10.0  # seconds without a byte
_SECONDS: Final = 60.0  # for one film in all
_PIECE: Final = 1 << 18
_UNCLEAN: Final = re.compile(r"[\x00-\x1f\x7f\\]")
_KEPT: Final = "/%:@!$&'()*+,;=~?"  # of a path and a query, what is sent as it stands
_PROJECTS: Final = 1000  # whose access tokens are remembered
_FRESH: Final = 120.0  # seconds for which an access token got for a personal one is used; Label Studio's last 300


@dataclass(frozen=True, slots=True)
class FilmHost:
    """A host that films may be fetched from: ``http`` or ``https``, its name, its port, and the path of all its films.

    ``prefix``: that path without a slash at its end; empty: films of every path.
    """

    scheme: str
    name: str
    port: int
    prefix: str = ""

    def __str__(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name
        return f"{self.scheme}://{name}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")

    def holds(self, scheme: str, name: str | None, port: int | None) -> bool:
        """Say whether these parts of an address name this host and no other."""
        return (scheme, name, port or _PORTS.get(scheme)) == (self.scheme, self.name, self.port)

    def keeps(self, path: str) -> bool:
        """Say whether a path, quoted as it is asked for, lies below the host's own and leads out of it nowhere."""
        segments = unquote(path).replace("\\", "/").split("/")
        return path.startswith(f"{self.prefix}/") and not any(each.partition(";")[0] == ".." for each in segments)


def film_host(text: str, option: str) -> FilmHost:
    """Return the host that an option names, as ``https://NAME[:PORT][/PATH]``; raises ``BAD_VALUE``."""
    advice = "write it as https://NAME, https://NAME:PORT or http://NAME:PORT"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise InputError("BAD_VALUE", option, f"{text[:100]!r} is no address", advice=advice) from None
    plain = not (parts.query or parts.fragment or parts.username or parts.password or _UNCLEAN.search(text))
    if parts.scheme not in _PORTS or not parts.hostname or not plain:
        raise InputError("BAD_VALUE", option, f"{text[:100]!r} is no address of a host", advice=advice)
    prefix = quote(parts.path.rstrip("/"), safe=_KEPT)
    return FilmHost(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], prefix)


@dataclass(slots=True)
class RemoteFilms:
    """Films of one Label Studio's tasks.

    ``studio``: where it is; links without a host are its own. ``others``: further hosts, storages to which it sends.
    ``key``: its access token, sent to ``studio`` alone; a personal one is changed for a short-lived one there. Without
    it, each project is served with its own (:meth:`connect`). ``most``: bytes of one film.
    """

    studio: FilmHost
    others: Sequence[FilmHost] = ()
    key: str | None = None
    most: int = 512 << 20
    _closed: bool = field(default=False, init=False)
    _sockets: set[socket] = field(default_factory=set, init=False)
    _keys: dict[str | None, str] = field(default_factory=dict, init=False)
    _access: dict[str, tuple[float, str]] = field(default_factory=dict, init=False)

    def close(self) -> None:
        """End what other threads fetch: that, and whatever is asked for later, raises ``NOT_FETCHED``."""
        self._closed = True
        for each in self._sockets.copy():
            with suppress(OSError):
                socket.shutdown(each, SHUT_RDWR)  # below TLS: who reads there sees the end at once

    def connect(self, project: str | None, key: str) -> None:
        """Remember the access token of a project's owner, for that project; the last projects are remembered."""
        self._keys.pop(project, None)
        while len(self._keys) >= _PROJECTS:
            del self._keys[next(iter(self._keys))]
        self._keys[project] = key

    def key_of(self, project: str | None) -> str | None:
        """Return the access token for films of a project: the one given for all or, without it, the project's own."""
        return self.key or self._keys.get(project)

    def fetch(self, link: str, task: object = None, key: str | None = None) -> bytes:
        """Return the bytes of the film that a task's ``link`` names.

        ``task``: the task's number, for cloud storages. ``key``: the access token of its project.

        Raises FilmError ``FOREIGN_HOST``, ``NOT_FETCHED``, ``TOO_LARGE`` or ``NOT_READABLE`` (a link that is none).
        """
        if link.startswith("data:"):
            return self._inline(link)
        address = self._address(link, task)
        end = time.monotonic() + _SECONDS
        for _ in range(_HOPS):
            host, target = self._allowed(address)
            _refuse_after(end, host)
            try:
                with self._connected(host) as connection:
                    answer = self._ask(connection, host, target, key or self.key)
                    if answer.status not in _REDIRECTS:
                        return self._body(answer, host, end)
                    address = urljoin(f"{host}{target}", answer.getheader("Location") or "")
            except (OSError, HTTPException, ValueError) as error:
                reason = getattr(error, "strerror", None) or type(error).__name__
                raise FilmError("NOT_FETCHED", str(host), f"{host} does not give the film ({reason})") from error
        raise FilmError("NOT_FETCHED", str(self.studio), "one redirect after the other")

    def _address(self, link: str, task: object) -> str:
        """Return the whole address of a task's link."""
        if _UNCLEAN.search(link) or link.startswith("//"):
            raise FilmError("NOT_READABLE", link[:100], "it is no link to a film", advice="correct the task's data")
        scheme = link.partition("://")[0]
        if scheme in _CLOUDS and isinstance(task, int) and not isinstance(task, bool):
            uri = quote(base64.b64encode(link.encode()).decode(), safe="")
            return f"{self.studio}{self.studio.prefix}/tasks/{task}/resolve/?fileuri={uri}"
        if link.startswith("/"):
            prefix = "" if link.startswith(f"{self.studio.prefix}/") else self.studio.prefix
            return f"{self.studio}{prefix}{link}"
        return link

    def _allowed(self, address: str) -> tuple[FilmHost, str]:
        """Return which named host an address means, and what to ask it for."""
        try:
            parts = urlsplit(address)
            where = (parts.scheme, parts.hostname, parts.port)
        except ValueError:
            raise FilmError("NOT_READABLE", address[:100], "it is no address") from None
        path = quote(parts.path, safe=_KEPT) or "/"
        known = [host for host in (self.studio, *self.others) if host.holds(*where)]
        named = next((host for host in known if host.keeps(path)), None)
        if named is None or "@" in parts.netloc or _UNCLEAN.search(address):
            shown = f"{parts.scheme}://{parts.netloc}" if parts.netloc else address
            reason = f"films of this {'path of the ' if known else ''}host are not fetched"
            raise FilmError("FOREIGN_HOST", shown[:100], reason)
        query = f"?{quote(parts.query, safe=_KEPT)}" if parts.query else ""
        return named, path + query

    @contextmanager
    def _connected(self, host: FilmHost) -> Iterator[HTTPConnection]:
        """Yield a connection that :meth:`close` ends."""
        connection = HTTPConnection(host.name, host.port, timeout=_SILENCE)
        if host.scheme == "https":
            connection = HTTPSConnection(host.name, host.port, timeout=_SILENCE, context=ssl.create_default_context())
        connection.connect()
        opened = connection.sock  # the connection forgets it where only the film's bytes are still to come
        self._sockets.add(opened)
        try:
            if self._closed:
                raise ConnectionAbortedError
            yield connection
        finally:
            self._sockets.discard(opened)
            connection.close()

    def _ask(self, connection: HTTPConnection, host: FilmHost, target: str, key: str | None) -> HTTPResponse:
        headers = {"Accept-Encoding": "identity", "User-Agent": "lungspot"}
        if host is self.studio and key:
            headers["Authorization"] = self._authorization(key)
        connection.request("GET", target, headers=headers)
        return connection.getresponse()

    def _authorization(self, key: str) -> str:
        if key.count(".") != 2:
            return f"Token {key}"
        now = time.monotonic()
        until, access = self._access.get(key, (now, ""))
        if until <= now:
            with self._connected(self.studio) as connection:
                body = json.dumps({"refresh": key})
                target = f"{self.studio.prefix}/api/token/refresh"
                connection.request("POST", target, body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                said = json.loads(answer.read(1 << 16)) if answer.status == 200 else {}
            if not isinstance(said, Mapping) or not isinstance(said.get("access"), str):
                advice = "give a token of Label Studio's that is valid (Account & Settings)"
                raise FilmError("NOT_FETCHED", str(self.studio), "it does not know the token", advice=advice)
            access = said["access"]
            fresh = {each: known for each, known in self._access.copy().items() if known[0] > now}
            self._access = fresh | {key: (now + _FRESH, access)}
        return f"Bearer {access}"

    def _body(self, answer: HTTPResponse, host: FilmHost, end: float) -> bytes:
        if answer.status != 200:
            known = {401: "it wants another token", 403: "it gives no leave", 404: "it has no such film"}
            reason = f"{host} answers {answer.status}: {known.get(answer.status, 'no film')}"
            raise FilmError("NOT_FETCHED", str(host), reason)
        if answer.getheader("Content-Encoding", "identity").lower() != "identity":
            raise FilmError("NOT_FETCHED", str(host), "it packs the film, which was not asked for")
        pieces: list[bytes] = []
        size = 0
        while piece := answer.read1(_PIECE):
            pieces.append(piece)
            size += len(piece)
            if size > self.most:
                raise FilmError("TOO_LARGE", str(host), f"more than {self.most} bytes")
            _refuse_after(end, host)
        if answer.length:
            raise FilmError("NOT_FETCHED", str(host), "the film ends early")
        return b"".join(pieces)

    def _inline(self, link: str) -> bytes:
        """Return a picture that is written within the link itself."""
        head, _, text = link.partition(",")
        if len(text) > self.most * 4 // 3:
            raise FilmError("TOO_LARGE", "data:", f"more than {self.most} bytes")
        try:
            return base64.b64decode(text, validate=True) if head.endswith(";base64") else unquote_to_bytes(text)
        except (binascii.Error, ValueError) as error:
            raise FilmError("NOT_READABLE", "data:", "the picture within the task is damaged") from error


def _refuse_after(end: float, host: FilmHost) -> None:
    if time.monotonic() > end:
        raise FilmError("NOT_FETCHED", str(host), f"the film takes longer than {_SECONDS:.0f} s")
