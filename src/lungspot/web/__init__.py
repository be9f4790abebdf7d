"""The browser page: the same model file and the viewer, without a server; nothing of a film leaves the page.

``page/`` and ``engine/`` are the page's own modules; ``engine/`` does in JavaScript what :mod:`lungspot.images`,
:mod:`lungspot.detect` and :mod:`lungspot.report` do, driven by the card in the model file, and tests hold it to them.
"""

from lungspot.web.build import POLICY, build_page, write_page
from lungspot.web.facts import model_facts
from lungspot.web.runtime import PACKAGES, STAMP, require_vendored, vendor, vendored_stamp

__all__ = [
    "PACKAGES",
    "POLICY",
    "STAMP",
    "build_page",
    "model_facts",
    "require_vendored",
    "vendor",
    "vendored_stamp",
    "write_page",
]
