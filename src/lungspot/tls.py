"""The files of TLS: what is shown to the other side, and the authority that it must come from."""

from __future__ import annotations

import ssl
from pathlib import Path

from lungspot.errors import InputError
from lungspot.inputs import regular

__all__ = ["load_certificates"]


def load_certificates(context: ssl.SSLContext, shown: tuple[Path, Path] | None, authority: Path | None) -> None:
    """Load PEM files into a context: a certificate and its key, and an authority; either may be left out.

    Raises InputError ``BAD_VALUE`` where they are no such files, or do not belong together.
    """
    try:
        for path in filter(None, (*(shown or ()), authority)):
            regular(path)
        if shown is not None:
            context.load_cert_chain(*shown)
        if authority is not None:
            context.load_verify_locations(authority)
    except (OSError, ssl.SSLError) as error:
        raise InputError("BAD_VALUE", "--tls-cert", "the certificates cannot be used") from error
