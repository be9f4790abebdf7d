"""XML from strangers, read by defusedxml: no document type, so no entities and no external files; no deep nesting."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, ParseError, indent, tostring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from lungspot.errors import DatasetError
from lungspot.inputs import regular

__all__ = ["parse_xml", "write_xml"]

_DEEPEST: Final = 32


def parse_xml(path: Path, root: str) -> Element:
    """Return the tree of an XML file whose outermost element is ``root``; raises :class:`DatasetError`."""
    try:
        tree: Element = fromstring(regular(path).read_bytes(), forbid_dtd=True)
    except FileNotFoundError as error:
        raise DatasetError("DATASET_NOT_FOUND", path, "no such file") from error
    except OSError as error:
        raise DatasetError("NOT_READABLE", path, error.strerror or type(error).__name__) from error
    except DefusedXmlException as error:
        reason = "it declares a document type or entities, which are not read"
        raise DatasetError("DATASET_FORMAT", path, reason) from error
    except (ParseError, ValueError, LookupError) as error:
        raise DatasetError("DATASET_FORMAT", path, f"not XML ({error})") from error
    level = [tree]
    for _ in range(_DEEPEST):
        level = [child for element in level for child in element]
    if level:
        raise DatasetError("DATASET_FORMAT", path, f"elements are nested more than {_DEEPEST} deep")
    if tree.tag != root:
        raise DatasetError("DATASET_FORMAT", path, f"its outermost element is {tree.tag!r}, not {root!r}")
    return tree


def write_xml(path: Path, tree: Element, *, declared: bool = True) -> None:
    """Write a tree, indented, UTF-8, with its declaration unless ``declared`` is False."""
    indent(tree)
    path.write_bytes(tostring(tree, encoding="utf-8", xml_declaration=declared) + b"\n")
