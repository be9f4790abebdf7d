"""XML from strangers: no document type, so no entities, no external files, no expansion; no deep nesting."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, TreeBuilder, indent, tostring
from xml.parsers import expat

from lungspot.errors import DatasetError

__all__ = ["parse_xml", "write_xml"]

_DEEPEST: Final = 32


def parse_xml(path: Path, root: str) -> Element:
    """Return the tree of an XML file whose outermost element is ``root``; raises :class:`DatasetError`."""
    builder = TreeBuilder()
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise DatasetError("DATASET_FORMAT", path, f"elements are nested more than {_DEEPEST} deep")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> None:
        raise DatasetError("DATASET_FORMAT", path, "it declares a document type or entities, which are not read")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(path.read_bytes(), True)  # noqa: FBT003  # the C function takes no name
        tree = builder.close()
    except FileNotFoundError as error:
        raise DatasetError("DATASET_NOT_FOUND", path, "no such file") from error
    except OSError as error:
        raise DatasetError("NOT_READABLE", path, error.strerror or type(error).__name__) from error
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise DatasetError("DATASET_FORMAT", path, f"not XML ({error})") from error
    if not isinstance(tree, Element) or tree.tag != root:
        raise DatasetError("DATASET_FORMAT", path, f"its outermost element is {tree.tag!r}, not {root!r}")
    return tree


def write_xml(path: Path, tree: Element) -> None:
    """Write a tree, indented, UTF-8, with its declaration."""
    indent(tree)
    path.write_bytes(tostring(tree, encoding="utf-8", xml_declaration=True) + b"\n")
