"""Who may talk to the node, and whom it talks to: ``AET@host``, ``AET@10.1.0.0/16``, ``AET@host:port``."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from lungspot.errors import InputError

__all__ = ["ANY", "Peer", "Rule", "admits", "knows", "parse_peer", "parse_rule", "require_ae_title"]

ANY: Final = "*"

Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network
_AE_TITLE: Final = re.compile(r"[!-\[\]-~](?:[ -\[\]-~]{0,14}[!-\[\]-~])?")  # PS3.5: printable, no backslash
_PEER: Final = re.compile(r"(?P<ae>[^@]+)@(?P<host>\[[0-9A-Fa-f:.]+\]|[^:@\[\]]+):(?P<port>\d{1,5})")


@dataclass(frozen=True, slots=True)
class Peer:
    """An application entity that results are sent to."""

    ae: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.ae}@{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the allow-list: an AE title, or ``*`` for any, and the networks that it may call from."""

    ae: str
    networks: tuple[Subnet, ...]

    def covers(self, address: str) -> bool:
        """Tell whether an IP address is in one of the networks; an IPv4 address inside an IPv6 one is IPv4."""
        ip = ipaddress.ip_address(address.partition("%")[0])
        ip = getattr(ip, "ipv4_mapped", None) or ip
        return any(ip in network for network in self.networks)


def admits(rules: Iterable[Rule], ae: str, address: str) -> bool:
    """Tell whether an AE title may call from an address."""
    return any(rule.ae in {ANY, ae} and rule.covers(address) for rule in rules)


def knows(rules: Iterable[Rule], address: str) -> bool:
    """Tell whether anybody may call from an address."""
    return any(rule.covers(address) for rule in rules)


def require_ae_title(text: str, where: str) -> str:
    """Return an AE title as it is, or refuse it (InputError BAD_VALUE)."""
    if not _AE_TITLE.fullmatch(text):
        raise InputError("BAD_VALUE", where, f"{text!r} is no AE title", advice="give 1 to 16 plain characters")
    return text


def parse_peer(text: str, where: str = "--send-to") -> Peer:
    """Return the peer of ``AET@host:port``; raises InputError ``BAD_VALUE`` where it is none."""
    found = _PEER.fullmatch(text)
    if not found or not 0 < int(found["port"]) < 65536:
        raise InputError("BAD_VALUE", where, f"{text!r} is no peer", advice="give AET@host:port")
    try:
        found["host"].encode("idna")
    except UnicodeError as error:
        raise InputError("BAD_VALUE", where, f"{found['host']!r} can be no host's name") from error
    return Peer(require_ae_title(found["ae"], where), found["host"].strip("[]"), int(found["port"]))


def parse_rule(text: str, where: str = "--allow") -> Rule:
    """Return the rule of ``AET@host``, where the host is a name, an address or a network, and the title may be ``*``.

    A name is looked up here, once. Raises InputError BAD_VALUE where it is no rule or the name is unknown.
    """
    ae, at, host = text.partition("@")
    if not at or not host:
        raise InputError("BAD_VALUE", where, f"{text!r} is no rule", advice="give AET@host, or AET@10.1.0.0/16")
    if ae != ANY:
        require_ae_title(ae, where)
    try:
        return Rule(ae, (ipaddress.ip_network(host.strip("[]"), strict=False),))
    except ValueError:
        pass
    try:
        found = {str(entry[4][0]).partition("%")[0] for entry in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError) as error:  # no such host, and what can be no host's name
        raise InputError("BAD_VALUE", where, f"nobody knows the host {host!r}") from error
    return Rule(ae, tuple(ipaddress.ip_network(address) for address in sorted(found)))
