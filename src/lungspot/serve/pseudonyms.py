"""Keyed digests: equal where what they stand for is, and nothing else, without the key that was drawn for a folder."""

from __future__ import annotations

import hashlib
import hmac

__all__ = ["pseudonym"]


def pseudonym(salt: bytes, what: bytes, text: str) -> str:
    """Return HMAC-SHA-256 of a text as 64 hexadecimal digits; ``what``: of what kind it is, which has its own key."""
    return hmac.new(salt + what, text.encode(), hashlib.sha256).hexdigest()
