"""What a run may write to: never its inputs, never what lungspot did not write itself. The one rule for every verb.

A file that is there already is replaced only where it is a result of an earlier run, by its content, and the caller
says so (``overwrite``). Inputs are known by device and inode, so that links, ``..``, and the case of letters make no
difference. Every form that lungspot writes says so: JSON by its schema, a page by its generator, a PNG by its Software,
a DICOM object by its implementation, a table by its header, a text by a first line of lungspot and the banner. A folder
for a labelling tool, where people go on to work, goes only whole: where each file in it is as lungspot left it, by the
digests in :data:`WRITTEN`. The room lies below those that write, so that all have it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lungspot.durable import move_new, write_atomic
from lungspot.errors import FilmError, OutputError, SetupError

if TYPE_CHECKING:
    from PIL.PngImagePlugin import PngInfo

__all__ = [
    "DRAWN",
    "WRITTEN",
    "Outputs",
    "escape_formula",
    "is_drawn",
    "is_film_of_ours",
    "is_formula",
    "is_ours",
    "is_read_by_name",
    "png_info",
    "writing",
]

# What a PNG with something drawn over the film calls itself; it is no film.
DRAWN: Final = "lungspot: a drawing over a film"
# A file in a folder that was written whole: the digest of each file there.
WRITTEN: Final = ".lungspot-written"
_PLAIN: Final = "lungspot: a film"
_SOFTWARE: Final = "Software"
_LOOK: Final = 1 << 18  # bytes at a file's beginning and end that are looked at
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_IN_FOLDERS: Final = re.compile(  # what verbs also find in a folder that they are given
    rb'\A(\s*\{\s*"schema":\s*"lungspot/|\{"info":\ \{"description":\ "Predictions\ of\ lungspot;)', re.VERBOSE
)
_BY_NAME: Final = re.compile(  # what verbs read only where it is named, or never
    rb"""\A\s*\{\s*"schema":\s*"lungspot-(batch|eval|round|site|taught|tb|watch)/  # a report, a site
    |\A\s*\{\s*"resourceType":\s*"Bundle".*"manufacturer":\s*"lungspot"
    |\A\s*\{\s*"file":\s*"[^"]*",\s*"sha256":\s*"[0-9a-f]{64}"\s*\}\s*\Z  # a model's manifest
    |\A(<!doctype\ html>).{0,500}<meta\ name=["']?generator["']?\ content=["']?lungspot
    |\A(label,metric,value,low,high|division,part,label,metric,value,low,high|label,curve,x,y|film,label,score,kind)\r?\n
    |\Aimage,patient,split\r?\n
    |\Adataset,film,label,kind,for,against,settled\r?\n    # what readers dispute
    |\Athreshold,share_tested,tested,                        # thresholds of a programme
    |\Afilm,status,reasons,width,height,label,                # predictions of a run
    |\Aplace,film,why,score,                                 # what to label next
    |\A\[\s*\{\s*"meta":\s*\{\s*"lungspot":\s*"next         # and the same as tasks
    |\A\#\ lungspot\b[^\n]*Research\ use\ only                # numbers for Prometheus
    |\Alungspot\b[^\n]*(Research\ use\ only|Nur\ f\xc3\xbcr\ Forschungszwecke)  # a text
    |\A\s*\{\s*"data":\s*"[0-9a-f]{64}",\s*"films":          # a run of training
    |\APK.*"tested_on"                                       # a gate
    |\APK.{0,60}lungspot_films                                # films packed for a gate
    """,
    re.DOTALL | re.VERBOSE,
)
_NOT_TO_BE_WRITTEN: Final = frozenset(
    getattr(errno, name)
    for name in (
        *("EACCES", "EBUSY", "EEXIST", "EFBIG", "EILSEQ", "EINVAL", "EIO", "EISDIR", "ELOOP", "EMLINK"),
        *("ENAMETOOLONG", "ENODEV", "ENOENT", "ENOTDIR", "ENOTEMPTY", "ENXIO", "EPERM", "EROFS", "ESTALE", "ETXTBSY"),
    )
)
_DICOM_RESULT: Final = re.compile(rb"LUNGSPOT_")  # the implementation's version name, in the file meta information
_DICOM_FILM: Final = re.compile(rb"lungspot: PS3\.15 E\.1")  # DeidentificationMethod


class Outputs:
    """The files that one run may write. ``inputs``: what it reads; ``overwrite``: results of an earlier run may go."""

    def __init__(self, inputs: Iterable[Path] = (), *, overwrite: bool = False) -> None:
        self._inputs: set[tuple[int, int]] = set()
        self._overwrite = overwrite
        self.protect(inputs)

    def protect(self, inputs: Iterable[Path]) -> None:
        """Take more files for inputs, as those that are known only once others were read."""
        for path in inputs:
            found = (_identity(path), _identity(path, links=False))
            self._inputs.update(identity for identity in found if identity is not None)

    def require(self, target: Path) -> None:
        """Raise OutputError ``IS_INPUT`` or ``EXISTS`` where ``target`` may not be written."""
        try:
            there = target.lstat()
        except OSError:  # nothing there, or nothing that can be
            self.require_folder(target.parent)
            return
        self.require_not_input(target)
        if stat.S_ISDIR(there.st_mode):
            raise OutputError("EXISTS", target, "a folder of that name is there", advice="give another output")
        if not stat.S_ISREG(there.st_mode):
            raise OutputError("EXISTS", target, "a link or a device is there", advice="give another output")
        if not is_ours(target):
            reason = "a file is there that lungspot did not write"
            raise OutputError("EXISTS", target, reason, advice="give another output, or move the file away")
        if not self._overwrite:
            raise OutputError("EXISTS", target, "a result of an earlier run is there")

    def require_folder(self, folder: Path) -> None:
        """Raise SetupError ``NOT_WRITABLE`` where a file in ``folder`` cannot be made; the folder need not be there."""
        with writing(folder):
            above = next(path for path in (folder, *folder.parents, Path("/")) if os.path.lexists(path))
            if not stat.S_ISDIR(above.stat().st_mode):
                raise NotADirectoryError(errno.ENOTDIR, "")
            if not os.access(above, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, "")

    def require_not_input(self, target: Path) -> None:
        """Raise OutputError ``IS_INPUT`` where ``target`` is a file that this run reads."""
        if (found := _identity(target)) and found in self._inputs:
            raise OutputError("IS_INPUT", target, "this would replace an input")

    def write(self, target: Path, data: bytes) -> Path:
        """Write a file whole, and the folders above it; return it.

        A file that appears meanwhile is not replaced either. Raises OutputError, and SetupError ``NO_SPACE`` or
        ``NOT_WRITABLE``.
        """
        self.require(target)
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                write_atomic(target, data, replace=self._overwrite)
            except FileExistsError:
                raise OutputError("EXISTS", target, "another program has just written it") from None
        return target

    def take(self, made: Path, target: Path) -> Path:
        """Give a file that was made in the folder of ``target`` its name there; raises what :meth:`write` raises."""
        self.require(target)
        with writing(target):
            try:
                made.replace(target) if self._overwrite else move_new(made, target)
            except FileExistsError:
                raise OutputError("EXISTS", target, "another program has just written it") from None
        return target

    @contextmanager
    def folder(self, out: Path) -> Iterator[Path]:
        """Give a folder to write into that becomes ``out`` whole at the end, or vanishes where something failed.

        An ``out`` that is there is replaced where it is empty, or where the caller says so and nothing in it was added
        or changed since an earlier run; never a mount point, nor the folder that this process is in or one above it.
        Raises OutputError ``IS_INPUT`` or ``EXISTS``, SetupError like :meth:`write`, and FilmError ``NOT_READABLE``
        where the system refuses another file than those that are written.
        """
        if out.name in {"", ".."}:  # ".", "/" and "a/..": no name that could be given to another folder
            out = out.resolve()
        partial, old = (out.parent / f".{out.name[:100]}.{word}-{os.getpid()}" for word in ("partial", "old"))
        with writing(out):
            self._require_whole(out)
            partial.mkdir(parents=True)
            try:
                try:
                    yield partial
                except OSError as error:
                    if (read := _named_elsewhere(error, partial)) is None:
                        raise
                    raise FilmError("NOT_READABLE", read, os.strerror(error.errno or 0)) from error
                files = dict(_contents(partial))
                text = json.dumps({"schema": "lungspot-folder/1", "files": files}, indent=0)
                (partial / WRITTEN).write_text(text + "\n", "ascii")
                if out.is_dir():
                    self._put_aside(out, old)
                try:
                    partial.replace(out)
                except BaseException:
                    if old.is_dir():
                        old.replace(out)
                    raise
                shutil.rmtree(old, ignore_errors=True)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise

    def _put_aside(self, out: Path, old: Path) -> None:
        """Rename a folder, and back where something came into it since it was looked at."""
        out.rename(old)
        try:
            self._require_whole(old)
        except BaseException:
            old.rename(out)
            raise

    def _require_whole(self, out: Path) -> None:
        """Raise OutputError where a folder may not be replaced whole."""
        if not os.path.lexists(out):
            return
        if out.is_symlink() or not out.is_dir():
            raise OutputError("EXISTS", out, "it is no folder", advice="give a new folder")
        if out.is_mount() or Path.cwd().is_relative_to(out.resolve()):
            reason = "a mount point, or the folder you are in, cannot be replaced whole"
            raise OutputError("EXISTS", out, reason, advice=f"give a new folder within it, as {out / 'films'}")
        within = list(_below(out))
        if not within:
            return
        if any(_identity(path, links=False) in self._inputs for path in (out, *within)):
            raise OutputError("IS_INPUT", out, "this would replace an input")
        if (changed := _changed(out)) is not None:
            raise OutputError("EXISTS", out, changed, advice="give a new folder")
        if not self._overwrite:
            raise OutputError("EXISTS", out, "a result of an earlier run is there")


def is_ours(path: Path) -> bool:
    """Say whether lungspot wrote a file, by its content alone."""
    head, tail = _ends(path)
    return (
        bool(_png_software(head).startswith(b"lungspot") or _is_dicom_of_ours(head) or _IN_FOLDERS.match(head))
        or (head[:4] == b"PAR1" and b"lungspot.schema" in head + tail)  # a table of films or findings
        or _is_by_name(head, tail)
    )


def is_read_by_name(path: Path) -> bool:
    """Say whether a file is a result of lungspot that no verb looks for in a folder that it is given.

    Such are reports, drawings, tables (CSV), sites, gates and models; not films, predictions, and DICOM objects.
    """
    head, tail = _ends(path)
    return _is_by_name(head, tail) or _png_software(head) == DRAWN.encode()


def is_drawn(path: Path) -> bool:
    """Say whether a file is a result of lungspot, and so no film to be read; a film that it wrote is one."""
    return is_ours(path) and not is_film_of_ours(path)


def is_film_of_ours(path: Path) -> bool:
    """Say whether lungspot wrote a file that is a film: what ``convert`` and ``deidentify`` make."""
    head, _ = _ends(path)
    if head[128:132] == b"DICM":
        return not _DICOM_RESULT.search(head[:1024]) and bool(_DICOM_FILM.search(head))
    return _png_software(head) == _PLAIN.encode()


def png_info(software: str = _PLAIN) -> PngInfo:
    """Return the text that makes a PNG one of lungspot's, for Pillow's ``pnginfo``: a film, or :data:`DRAWN`."""
    from PIL.PngImagePlugin import PngInfo  # noqa: PLC0415 - verbs that write no picture do without Pillow

    info = PngInfo()
    info.add_text(_SOFTWARE, software)
    return info


def escape_formula(text: str) -> str:
    """Return text with a quote before it where a spreadsheet would read it as a formula (CSV injection)."""
    return f"'{text}" if is_formula(text) else text


def is_formula(text: str) -> bool:
    """Say whether a spreadsheet would read this cell of a table as a formula."""
    return text[:1] in set("\t\r\n") or text.lstrip()[:1] in set("=+-@")


@contextmanager
def writing(target: Path | None = None) -> Iterator[None]:
    """Turn what the system refuses while something is written into SetupError ``NO_SPACE`` or ``NOT_WRITABLE``.

    ``target``: what is named; else the file that the system names. What has nothing to do with files stays an OSError.
    """
    try:
        yield
    except OSError as error:
        where = error.filename if target is None else target
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise SetupError("NO_SPACE", where, "no space left") from error
        if error.errno in _NOT_TO_BE_WRITTEN:
            raise SetupError("NOT_WRITABLE", where, os.strerror(error.errno or 0)) from error
        raise


def _named_elsewhere(error: OSError, folder: Path) -> str | None:
    """Return the file outside a folder that the system refused; None where it names none, or the disk is full."""
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes | Path)]
    if error.errno in {errno.ENOSPC, errno.EDQUOT} or not names:
        return None
    written = any(Path(name).resolve().is_relative_to(folder.resolve()) for name in names)
    return None if written else names[0]


def _changed(folder: Path) -> str | None:
    """Say what in a folder is not as lungspot left it; None where everything is."""
    try:
        with open(folder / WRITTEN, "rb", opener=_open_now) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return "it is not empty"
            files = json.load(file)["files"]
        for name, digest in _contents(folder):
            if name != WRITTEN and files.get(name) != digest:
                return f"{name} in it was changed, or is not lungspot's"
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return "it is not empty"
    return None


def _below(folder: Path) -> Iterator[Path]:
    """Yield what lies below a folder, behind no link; OSError where that cannot be seen."""

    def refuse(error: OSError) -> None:
        raise error

    for here, folders, files in os.walk(folder, onerror=refuse):
        yield from (Path(here, name) for name in (*folders, *files))


def _contents(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield of everything below a folder but folders its relative name, and a digest that tells it from any other."""
    for path in _below(folder):
        there = path.lstat()
        if stat.S_ISLNK(there.st_mode):
            digest = f"link to {path.readlink()}"
        elif stat.S_ISREG(there.st_mode):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        elif stat.S_ISDIR(there.st_mode):
            continue
        else:
            digest = "a pipe or a device"
        yield path.relative_to(folder).as_posix(), digest


def _identity(path: Path, *, links: bool = True) -> tuple[int, int] | None:
    """Return device and inode of a file, or of the link itself; None where nothing is there."""
    try:
        found = path.stat(follow_symlinks=links)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _ends(path: Path) -> tuple[bytes, bytes]:
    """Return the first and the last bytes of a regular file; nothing where it cannot be read."""
    try:
        with open(path, "rb", opener=_open_now) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return b"", b""
            head = file.read(_LOOK)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(len(head), size - _LOOK))
            return head, file.read()
    except (OSError, ValueError):
        return b"", b""


def _open_now(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe without a writer would wait for one


def _png_software(head: bytes) -> bytes:
    """Return the text of a PNG's Software, where it stands before the pixels."""
    if not head.startswith(_PNG):
        return b""
    at = len(_PNG)
    while at + 8 <= len(head):
        length, kind = int.from_bytes(head[at : at + 4], "big"), head[at + 4 : at + 8]
        if kind == b"IDAT":
            break
        if kind == b"tEXt":
            key, _, text = head[at + 8 : at + 8 + length].partition(b"\0")
            if key == _SOFTWARE.encode():
                return text
        at += 12 + length
    return b""


def _is_by_name(head: bytes, tail: bytes) -> bool:
    model = b"lungspot.card" in head or b"lungspot.card" in tail
    return model or bool(_BY_NAME.match(head)) or (head[:2] == b"PK" and b'"tested_on"' in head + tail)


def _is_dicom_of_ours(head: bytes) -> bool:
    return head[128:132] == b"DICM" and bool(_DICOM_RESULT.search(head[:1024]) or _DICOM_FILM.search(head))
