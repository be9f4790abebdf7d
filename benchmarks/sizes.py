"""How large results are: every kind of result of six real films, as they are written, and pixels uncompressed.

    python benchmarks/sizes.py FILM …

Prints the table of docs/benchmarks.md. Films: CR and DX, of pydicom-data and of ../shared/data/dicom.
"""

from __future__ import annotations

import json
import sys
from io import BytesIO
from pathlib import Path

from pydicom import dcmread

from lungspot.detect import load_detector
from lungspot.images import read_header
from lungspot.node.plain import plain
from lungspot.pipeline import analyze
from lungspot.report import DICOM_KINDS, dicom_bytes, dicom_results, document, fhir_bundle

COMPRESSED = ("sc", "seg")  # the others hold no pixels


def main() -> None:
    """Print the table."""
    detector = load_detector(threads=1)
    heads = ["film", "film KB"]
    for kind in DICOM_KINDS:
        heads += [kind.upper(), f"{kind.upper()} uncompressed"] if kind in COMPRESSED else [kind.upper()]
    print("|", " | ".join([*heads, "JSON", "FHIR"]), "|")
    print("|" + "---|" * (len(heads) + 2))
    for path in map(Path, sys.argv[1:]):
        result, header = analyze(path, detector), read_header(path)
        cells = [path.stem, _kilobytes(path.stat().st_size)]
        for kind in DICOM_KINDS:
            made = dicom_results(header, result, kinds=(kind,))
            data = [dicom_bytes(each) for each in made]
            cells.append(_kilobytes(len(data[0])) if data else "none")
            if kind in COMPRESSED:
                cells.append(_kilobytes(len(dicom_bytes(plain(dcmread(BytesIO(data[0])))))) if data else "")
        values = document(result), fhir_bundle(result, header)
        cells += [_kilobytes(len(json.dumps(value, indent=1, ensure_ascii=False).encode())) for value in values]
        print("|", " | ".join(cells), "|", flush=True)


def _kilobytes(size: int) -> str:
    return f"{size / 1e3:,.0f}"


if __name__ == "__main__":
    main()
