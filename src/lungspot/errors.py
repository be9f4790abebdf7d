"""Everything lungspot can refuse, in one tree.

    LungspotError
    ├── InputError      a value that the caller gave is refused (also a ValueError)   exit 1
    ├── FilmError       one film cannot be read or judged                             exit 1
    ├── DatasetError    a dataset on disk is not what its adapter expects             exit 1
    ├── ModelError      a model file is wrong, or its output is unusable              exit 4
    ├── SetupError      this machine or installation lacks something                  exit 4
    ├── OutputError     a result would replace an input, or what the run did not make exit 2
    └── RequestError    one HTTP request is refused (docs/reference/http.md)          exit 1

Every error carries a ``code`` out of :data:`CODES`, the place it happened (``where``: a path, a path and row, a UID),
what was found (``reason``), and what to do about it. Scripts branch on ``code``; people read the line. The line is
``WHERE: CODE: reason, and what to do``, with control characters escaped, so that a file name cannot forge a second one.
"""

from __future__ import annotations

import unicodedata
from typing import Final, Self

__all__ = [
    "CODES",
    "DatasetError",
    "FilmError",
    "InputError",
    "LungspotError",
    "ModelError",
    "OutputError",
    "RequestError",
    "SetupError",
    "printable",
]

# code → what the user can do next. docs/reference/errors.md explains each; a test keeps the two in step.
CODES: Final[dict[str, str]] = {
    # InputError
    "BAD_BOX": "give x0 < x1 and y0 < y1, finite, in pixels of the original image",
    "BAD_VALUE": "correct the value",
    "UNKNOWN_LABEL": "use an id or alias from `lungspot info --labels`",
    # FilmError
    "NOT_FOUND": "check the path",
    "NOT_READABLE": "check that it is a file that you may read",
    "NOT_AN_IMAGE": "give a DICOM, PNG, JPEG, TIFF, WebP or BMP film",
    "NOT_A_RADIOGRAPH": "give a projection X-ray (CR, DX, DR)",
    "NO_PIXELS": "export the image object itself, not a report or an index",
    "BAD_HEADER": "re-export the film; its header is damaged",
    "NOT_DECODABLE": "re-export the film; its pixel data contradict its header",
    "TRUNCATED": "copy or export the film again; the file ends early",
    "TOO_LARGE": "export one film per file at its native size",
    "DIMENSIONS": "re-export the film; its header gives an impossible size or depth",
    "UNSUPPORTED": "re-export the film uncompressed (Explicit VR Little Endian) or as PNG",
    "TIMED_OUT": "re-export the film; it took longer to decode than any film should",
    "OUT_OF_MEMORY": "re-export the film; it asked for more memory than any film should",
    "CRASHED": "re-export the film; its decoder stopped on it",
    "BURNED_IN": "look at the film; then give --mask x0,y0,x1,y1 for what is burned in, or --pixels-checked",
    "DUPLICATE": "nothing: its result is that of the film that is named",
    "NO_STUDY": "give the DICOM film as its archive stores it; a DICOM result belongs to a study",
    "SAME_UID": "keep one of the films, or put each in a run and folder of its own",
    "FOREIGN_HOST": "start the server with --label-studio-host for the host (and path) that keeps your films",
    "NOT_FETCHED": "check that the host answers, and give a token with --label-studio-key",
    "ARCHIVE": "pack the films anew into one plain zip: no nesting, no password",
    # DatasetError
    "DATASET_NOT_FOUND": "give the folder laid out as its publisher's download",
    "DATASET_INCOMPLETE": "finish or repeat the download",
    "DATASET_FORMAT": "export the annotations again; docs/reference/formats.md says what is read",
    "DATASET_COLUMNS": "use the publisher's file unchanged, or name its columns",
    "DATASET_ROW": "correct or remove the row",
    "DATASET_LEAK": "split again by patient: `lungspot data split`",
    "TOO_FEW": "add films whose truth is known, or ask for less (--goal)",
    "NOT_REACHED": "ask for less (--goal), match boxes less strictly (--iou), or predict again with --min-score 0.01",
    # ModelError
    "MODEL_HASH": "install lungspot again, or give the model that belongs to this hash",
    "MODEL_FORMAT": "export again with `lungspot export`",
    "WORSE": "keep the model that you have; the report beside the output says where it fell",
    "SITE_FORMAT": "make the site file again with `lungspot calibrate`",
    "SITE_MODEL": "calibrate with this model, or give the model that the site file was made for",
    "MODEL_MISSING": "install lungspot again, or give a model file with --model",
    "MODEL_NUMERIC": "report the film: the network gave a value that is not a number",
    # SetupError
    "MISSING_EXTRA": "install it",
    "NO_SANDBOX": "use Linux or macOS (on Windows: WSL or a container)",
    "NO_SPACE": "free disk space, or give another output folder",
    "NOT_WRITABLE": "give an output folder that you may write",
    "PORT": "give another --port or --host, or stop what listens there",
    "AUDIT_BROKEN": "keep the file as evidence, find out who changed it, and begin a new one",
    "IN_USE": "stop the other program, or give another folder (--data, --spool)",
    "WORKERS": "read what they wrote above; give fewer --workers, or more memory",
    "WEB_RUNTIME": "give the packages that `npm pack` makes with --runtime",
    # OutputError
    "IS_INPUT": "give another output",
    "EXISTS": "give another output, or --overwrite to replace results of an earlier run",
    # RequestError
    "BAD_REQUEST": "send what docs/reference/http.md asks for",
    "BUG": "please report it, with what was asked",
    "BUSY": "try again after the seconds that Retry-After names",
    "NOT_ASSESSED": "leave complete and absent away, or send a film that can be read",
    "NOT_DONE": "ask again when the film has been read (?wait=30)",
    "NO_PICTURE": "ask for films that were read, and for the maps listed in heatmaps",
    "NO_TRUTH": "ask of films whose truth was given, by --teach or POST /v1/readings/ID/truth",
    "NO_SCREENING": "start the server with --screen LABEL",
    "NO_READING": "list the readings with GET /v1/readings",
    "NO_ROUTE": "see docs/reference/http.md",
    "NO_TOKEN": "send Authorization: Bearer TOKEN, or sign in with POST /v1/session",
    "TOO_SLOW": "send again over a faster connection",
    "WRONG_HOST": "use localhost or an IP address, or start the server with --allow-host NAME",
    "WRONG_RANGE": "ask for bytes within the size that Content-Range names",
    "WRONG_METHOD": "use a method that Allow names",
    "WRONG_ORIGIN": "use the server's own page",
}

_LONGEST = 600  # characters of a reason in its line


class LungspotError(Exception):
    """What happened, where, and what to do next; ``exit_code`` is what a command line should end with."""

    exit_code: int = 1

    def __init__(self, code: str, where: object, reason: str, *, advice: str | None = None) -> None:
        if code not in CODES:
            msg = f"error code {code!r} is not in lungspot.errors.CODES"
            raise AssertionError(msg)
        self.code = code
        self.where = "" if where is None else str(where)
        self.reason = reason
        self.advice = CODES[code] if advice is None else advice
        super().__init__(code, self.where, reason)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        reason = self.reason
        if len(reason) > _LONGEST:  # it quotes a value of the file
            reason = f"{reason[: _LONGEST - 110]} … {reason[-100:]}"
        return printable(f"{place}{self.code}: {reason}; {self.advice}")

    def at(self, where: object) -> Self:
        """Return this error as one of ``where``, unless it names a place of its own already."""
        if self.where not in {"", "<bytes>"}:
            return self
        return type(self)(self.code, where, self.reason, advice=self.advice)

    def __reduce__(self) -> tuple[object, ...]:  # errors cross the sandbox's pipe
        return _rebuild, (type(self), self.code, self.where, self.reason, self.advice)


class InputError(LungspotError, ValueError):
    """A value that the caller gave is refused."""


class FilmError(LungspotError):
    """One film cannot be read, or cannot be judged."""


class DatasetError(LungspotError):
    """A dataset on disk is not what its adapter expects."""


class ModelError(LungspotError):
    """A model file is not the one it should be, or its output cannot be used."""

    exit_code = 4


class SetupError(LungspotError):
    """This machine or installation lacks something."""

    exit_code = 4


class OutputError(LungspotError):
    """A result would replace an input, or what this run did not write."""

    exit_code = 2


class RequestError(LungspotError):
    """One HTTP request is refused."""


def printable(text: str) -> str:
    r"""Return one line safe for terminals and logs: control and bidirectional characters become ``\xNN`` forms."""
    return "".join(
        character
        if character == " " or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def _rebuild(kind: type[LungspotError], code: str, where: str, reason: str, advice: str) -> LungspotError:
    return kind(code, where, reason, advice=advice)
