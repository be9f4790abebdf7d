"""The files of TLS, and the contexts made of them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from lungspot.tls import load_certificates

__all__ = ["Certificates"]


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files for TLS: this node's certificate and key, and the authority that the other side's must come from."""

    certificate: Path
    key: Path
    authority: Path | None = None

    def context(self, *, server: bool) -> ssl.SSLContext:
        """Return a context of TLS 1.2 or later; a server with an authority admits only clients that it certified."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")  # BCP 195, as PS3.15 B.9 asks
        load_certificates(context, (self.certificate, self.key), self.authority)
        if self.authority is not None:
            context.verify_mode = ssl.CERT_REQUIRED
        elif not server:
            context.load_default_certs()
        return context
