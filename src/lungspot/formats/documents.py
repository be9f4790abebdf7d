"""``lungspot/1`` documents (docs/reference/json.md) as files hold them: one, a list of them, JSON Lines, or tables.

What else may stand in such files is told from documents by :func:`is_document`; what is no JSON comes as its bytes.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeGuard

from lungspot.errors import DatasetError
from lungspot.formats.result_tables import DOCUMENT_SCHEMA, result_documents
from lungspot.inputs import regular

__all__ = ["DOCUMENT_SUFFIXES", "is_document", "no_document", "read_documents"]

# What a file of documents ends in: one document, or JSON Lines.
DOCUMENT_SUFFIXES: Final = (".json", ".jsonl")
_LARGEST: Final = 1 << 30  # bytes of one JSON value; JSON Lines may be as long as they like


def read_documents(path: Path, *, places: bool = True) -> Iterator[tuple[Any, str]]:
    """Yield each value of a file, or of a folder of ``lungspot batch``, with its place, for errors.

    A line, or a file, that is no JSON in UTF-8 is yielded as its bytes, an empty file as ``b""``. ``places``: as for
    :func:`lungspot.formats.result_documents`. Raises :class:`DatasetError` where the file cannot be read, or holds one
    value of more than a gibibyte.
    """
    if path.is_dir():
        yield from result_documents(path, places=places)
        return
    try:
        with regular(path).open("rb") as file:
            if _is_lines(file):
                yield from ((_json(line), f"{path}:{number}") for number, line in enumerate(file, 1) if line.strip())
                return
            text = file.read(_LARGEST + 1)
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise DatasetError("DATASET_NOT_FOUND", path, reason, advice="check the path") from error
    if len(text) > _LARGEST:
        raise DatasetError("DATASET_FORMAT", path, "one value of more than a gibibyte", advice="write JSON Lines")
    value = _json(text)
    if isinstance(value, list):
        yield from ((one, f"{path}: [{number}]") for number, one in enumerate(value))
    else:
        yield value, str(path)


def is_document(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Say whether a JSON value says of itself that it is a document."""
    return isinstance(value, Mapping) and value.get("schema") == DOCUMENT_SCHEMA


def no_document(where: str, error: Exception | None = None) -> DatasetError:
    """Return the error of a value that is no document; ``error``: what was wrong with one that said it was."""
    why = "" if error is None else f" ({type(error).__name__}: {error})"
    return DatasetError("DATASET_ROW", where, f"not a document of {DOCUMENT_SCHEMA}{why}")


def _is_lines(file: BinaryIO) -> bool:
    """Say whether a file holds an object a line; of one JSON value, no two lines can begin one."""
    lines = (line.removeprefix(BOM_UTF8).strip() for line in file)
    first, second = (*islice(filter(None, lines), 2), b"", b"")[:2]
    file.seek(0)
    whole = first.startswith(b"{") and bool(second)
    return whole and (second.startswith(b"{") or isinstance(_json(first), dict))


def _json(text: bytes) -> Any:  # noqa: ANN401 - any value
    try:
        return json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return text.removeprefix(BOM_UTF8).strip()
