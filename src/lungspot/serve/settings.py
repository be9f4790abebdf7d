"""How one server is run."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from lungspot.errors import InputError
from lungspot.findings import Reading
from lungspot.serve.remote_films import FilmHost

__all__ = ["Lesson", "Settings", "is_loopback"]


@dataclass(frozen=True, slots=True)
class Lesson:
    """One case for teaching: its film's file, what is true on it (in the dataset's frame), and its name there."""

    film: Path
    truth: Reading
    name: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What ``lungspot serve`` was told.

    ``data``: the folder of the database and the films. ``port`` 0: any free one. ``token``: what every request must
    show; without one the server may listen on this machine only. ``allow_hosts``: names under which browsers may reach
    it, besides ``localhost`` and IP addresses. ``site``: a site file, whose thresholds films are judged by.
    ``workers``: films read at once. ``queue``: films that may wait. ``upload_bytes``: the most that one request may
    bring. ``least_free``: bytes of disk that are never filled.
    ``teach``: cases that learners answer. ``screen``: the label that people are screened for. ``label_studio``: the
    Label Studio that may ask for suggestions, ``label_studio_hosts``: further hosts of its films, ``label_studio_key``:
    its access token.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = None
    allow_hosts: tuple[str, ...] = ()
    keep_identifiers: bool = False
    model: str = "default"
    site: Path | None = None
    workers: int = 2
    queue: int = 256
    upload_bytes: int = 512 << 20
    least_free: int = 512 << 20
    teach: tuple[Lesson, ...] = ()
    screen: str | None = None
    label_studio: FilmHost | None = None
    label_studio_hosts: tuple[FilmHost, ...] = ()
    label_studio_key: str | None = None

    def __post_init__(self) -> None:
        """Refuse to listen beyond this machine without a token (``BAD_VALUE``), and numbers that make no server."""
        if self.token is not None and len(self.token) < 16:
            raise InputError("BAD_VALUE", "--token-file", f"a token of {len(self.token)} characters; 16 are the least")
        if self.token is None and not is_loopback(self.host):
            advice = "give --token-file FILE, or leave --host away"
            raise InputError("BAD_VALUE", "--host", f"{self.host} reaches beyond this machine", advice=advice)
        if not (0 <= self.port < 65536 and 1 <= self.workers <= 64 and self.queue >= 1 and self.upload_bytes >= 1):
            raise InputError("BAD_VALUE", None, f"port {self.port}, {self.workers} workers, a queue of {self.queue}")
        if self.label_studio is None and self.label_studio_hosts:
            advice = "name the Label Studio that asks, with --label-studio"
            raise InputError("BAD_VALUE", "--label-studio-host", "nobody asks for its films", advice=advice)
        if len(self.teach) > self.queue:
            advice = "give fewer --teach-films, or a longer --queue"
            raise InputError(
                "BAD_VALUE", "--teach-films", f"{len(self.teach)} cases; {self.queue} may wait", advice=advice
            )


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach a server that listens on ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
