"""Croissant 1.0 (MLCommons): what the files of a folder are and what stands in their columns, as JSON-LD.

It says only what is in the folder: paths, digests, columns. No row of a table, and so no patient, stands in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lungspot import BANNER, __version__

__all__ = ["CROISSANT_FILE", "Column", "CroissantTable", "write_croissant"]

CROISSANT_FILE: Final = "croissant.jsonld"  # the name of the description (MLCommons Croissant) beside tables

_OWN: Final = (
    *("citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet", "format"),
    *("includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex"),
    *("repeated", "replace", "samplingRate", "separator", "source", "subField", "transform"),
)
_CONTEXT: Final[Mapping[str, Any]] = {  # as the standard gives it
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{name: f"cr:{name}" for name in _OWN},
}
_TYPES: Final = {".csv": "text/csv", ".json": "application/json", ".md": "text/markdown", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, what it says, its type as schema.org has it, and where it is in a JSON file.

    ``at``: a JSONPath; empty: the CSV column of that name. ``repeated``: a list of such values in each row.
    """

    name: str
    says: str
    kind: str = "Text"
    at: str = ""
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class CroissantTable:
    """The rows of one file, ``name``, and their columns."""

    name: str
    file: str
    says: str
    columns: tuple[Column, ...]


def write_croissant(  # noqa: PLR0913 - what a reader of the file must find in it
    folder: Path, name: str, says: str, *, licence: str, files: Sequence[str], tables: Sequence[CroissantTable]
) -> None:
    """Write ``croissant.jsonld`` about the named files of ``folder``, each with its SHA-256.

    Raises OSError where one of them is missing.
    """
    value = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": f"{says} Made with lungspot {__version__}. {BANNER}",
        "license": licence,
        "distribution": [_file(folder, each) for each in files],
        "recordSet": [_table(each) for each in tables],
    }
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    (folder / CROISSANT_FILE).write_text(text, encoding="utf-8")


def _file(folder: Path, name: str) -> dict[str, Any]:
    with (folder / name).open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    kind = _TYPES[Path(name).suffix]
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "encodingFormat": kind,
        "sha256": digest,
    }


def _table(table: CroissantTable) -> dict[str, Any]:
    def field(column: Column) -> dict[str, Any]:
        extract = {"jsonPath": column.at} if column.at else {"column": column.name}
        return {
            "@type": "cr:Field",
            "@id": f"{table.name}/{column.name}",
            "name": column.name,
            "description": column.says,
            "dataType": f"sc:{column.kind}",
            **({"repeated": True} if column.repeated else {}),
            "source": {"fileObject": {"@id": table.file}, "extract": extract},
        }

    return {
        "@type": "cr:RecordSet",
        "@id": table.name,
        "name": table.name,
        "description": table.says,
        "field": [field(column) for column in table.columns],
    }
