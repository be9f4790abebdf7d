"""How large results are: every kind of DICOM result of six real films, as they are written, and uncompressed.

    python benchmarks/sizes.py FILM …

Prints the table of docs/benchmarks.md. Films: CR and DX, of pydicom-data and of ../shared/data/dicom.
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

from pydicom import dcmread

from lungspot.detect import load_detector
from lungspot.images import read_header
from lungspot.node.plain import plain
from lungspot.pipeline import analyze
from lungspot.report import DICOM_KINDS, dicom_bytes, dicom_results


def main() -> None:
    """Print the table."""
    detector = load_detector(threads=1)
    print("| film | KB |", *(f"{kind} KB | uncompressed |" for kind in DICOM_KINDS))
    print("|---|---|" + "---|---|" * len(DICOM_KINDS))
    for path in map(Path, sys.argv[1:]):
        result, header = analyze(path, detector), read_header(path)
        cells = [path.stem, f"{path.stat().st_size / 1e3:,.0f}"]
        for kind in DICOM_KINDS:
            made = dicom_results(header, result, kinds=(kind,))
            data = [dicom_bytes(each) for each in made]
            cells.append(f"{len(data[0]) / 1e3:,.0f}" if data else "none")
            cells.append(f"{len(dicom_bytes(plain(dcmread(BytesIO(data[0]))))) / 1e3:,.0f}" if data else "")
        print("|", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
