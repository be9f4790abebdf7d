"""What the page takes from npm: which files of which packages, pinned by version and SHA-256, and where they lie.

``make web`` packs them with npm and puts them into ``vendor/`` beside this file, which git ignores and the wheel
carries (docs/adr/0027). Where they are not there, ``lungspot web --runtime FOLDER`` takes them out of what npm packed.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from lungspot.errors import SetupError

__all__ = ["PACKAGES", "STAMP", "Vendored", "require_vendored", "vendor", "vendored_files", "vendored_stamp"]

STAMP: Final = "made-of.txt"  # in the folder: what its files were made of, written after the last of them

_HERE: Final = Path(__file__).parent
_VENDOR: Final = _HERE / "vendor"
_MOST: Final = 64 << 20  # bytes of one file
_BEFORE: Final = b"const module = { exports: {} };\nconst exports = module.exports;\nconst require = () => undefined;\n"
_AFTER: Final = b"\nexport default module.exports;\n"
_WITH_WASM: Final = """
const wasm = "{}";
const bytes = () => Uint8Array.from(atob(wasm), (letter) => letter.charCodeAt(0));
export default () => module.exports({{ wasmBinary: bytes() }});
"""


@dataclass(frozen=True, slots=True)
class Vendored:
    """One file of a package: its path there, the SHA-256 of its bytes, and its path in the page.

    ``how``: ``as it is``; ``packed`` with gzip; ``module`` where a CommonJS script is to be imported as a module;
    ``codec`` where that script needs a WebAssembly binary (``wasm``, ``wasm_sha256``) and is to carry it along, so that
    the page may forbid itself every connection.
    """

    package: str
    path: str
    how: str
    member: str
    sha256: str
    wasm: str = ""
    wasm_sha256: str = ""


@lru_cache(maxsize=1)
def _pins() -> dict[str, Any]:
    value: dict[str, Any] = json.loads((_HERE / "runtime.json").read_text("utf-8"))
    return value


# name@version → licence: what `npm pack` is asked for.
PACKAGES: Final[Mapping[str, str]] = {
    f"{each['name']}@{each['version']}": each["licence"] for each in _pins()["packages"]
}


def vendored_files() -> tuple[Vendored, ...]:
    """Return the files that the page needs."""
    return tuple(
        Vendored(f"{each['name']}@{each['version']}", **file) for each in _pins()["packages"] for file in each["files"]
    )


def vendor(packed: Path) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of each file for the page, from a folder of packages (``.tgz``) as ``npm pack`` makes them.

    Raises SetupError ``WEB_RUNTIME`` where a package is missing, or one of its files is not the pinned one.
    """
    for package in PACKAGES:
        mine = [each for each in vendored_files() if each.package == package]
        name, _, version = package.removeprefix("@").rpartition("@")
        archive = packed / f"{name.replace('/', '-')}-{version}.tgz"
        try:
            with tarfile.open(archive) as tar:
                members = {member.name: member for member in tar if member.isfile() and member.size <= _MOST}
                for each in mine:
                    yield each.path, _made(each, tar, members, archive)
        except (OSError, tarfile.TarError, EOFError) as error:
            reason = f"{package} is not there as npm packs it"
            raise SetupError("WEB_RUNTIME", archive, reason, advice=f"in {packed}: npm pack {package}") from error


def vendored_stamp() -> bytes:
    """Return all that the files for the page follow from: the pins, and what is put around a script."""
    return b"\0".join(((_HERE / "runtime.json").read_bytes(), _BEFORE, _AFTER, _WITH_WASM.encode()))


def require_vendored(folder: Path = _VENDOR) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of each file for the page, as ``make web`` laid them into the package.

    Raises SetupError ``WEB_RUNTIME`` where they are not there, not all of them, or made from other pins.
    """
    try:
        if (folder / STAMP).read_bytes() != vendored_stamp():
            raise _unbuilt("with another runtime of the page")
        for each in vendored_files():
            yield each.path, (folder / each.path).read_bytes()
    except OSError as error:
        raise _unbuilt("without the page's runtime") from error


def _unbuilt(how: str) -> SetupError:
    packages = " ".join(PACKAGES)
    advice = f"in an empty folder: npm pack {packages}; then give that folder with --runtime"
    return SetupError("WEB_RUNTIME", None, f"this lungspot was built {how}", advice=advice)


def _made(file: Vendored, tar: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo], archive: Path) -> bytes:
    """Return a file as the page has it, out of its package; raises ``WEB_RUNTIME`` where it is not the pinned one."""

    def pinned(member: str, sha256: str) -> bytes:
        opened = tar.extractfile(members[member]) if member in members else None
        data = b"" if opened is None else opened.read()
        if hashlib.sha256(data).hexdigest() != sha256:
            reason = f"{member} is not the file of {file.package} that this lungspot was made with"
            raise SetupError("WEB_RUNTIME", archive, reason, advice=f"pack it anew: npm pack {file.package}")
        return data

    data = pinned(file.member, file.sha256)
    if file.how == "packed":
        return gzip.compress(data, 9, mtime=0)
    if file.how == "module":
        return _BEFORE + data + _AFTER
    if file.how == "codec":
        wasm = base64.b64encode(pinned(file.wasm, file.wasm_sha256)).decode()
        return _BEFORE + data + _WITH_WASM.format(wasm).encode()
    return data
