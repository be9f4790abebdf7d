import struct
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from lungspot.errors import FilmError
from lungspot.images import dicom_walk
from lungspot.images.dicom_walk import MAX_DEPTH, MAX_ELEMENTS, require_sane

BUNDLED = Path(pydicom.__file__).parent / "data"
LONG = {b"OB", b"SQ", b"UN", b"UT"}
UNDEFINED = 0xFFFFFFFF


def element(group, number, vr, value=b"", length=None, order="<"):  # as the parts of an element lie
    length = len(value) if length is None else length
    head = struct.pack(order + "HH", group, number)
    if vr is None:
        return head + struct.pack(order + "I", length) + value
    return head + vr + struct.pack(order + ("2xI" if vr in LONG else "H"), length) + value


def item(value=b"", length=None, order="<"):
    return element(0xFFFE, 0xE000, None, value, length, order)


def nest(depth, vr=b"SQ", order="<", *, lengths=False):
    end_item, end = element(0xFFFE, 0xE00D, None, order=order), element(0xFFFE, 0xE0DD, None, order=order)
    value = b""
    for _ in range(depth):
        if lengths:
            value = element(8, 0x1115, vr, item(value, order=order), order=order)
        else:
            value = element(8, 0x1115, vr, item(value + end_item, UNDEFINED, order) + end, UNDEFINED, order)
    return value


META = bytes(128) + b"DICM" + element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1\0")
PIXELS = element(0x7FE0, 0x10, b"OB", b"\xfe\xff\x00\xe0" * 100_000)


@pytest.mark.parametrize("start", [META, b"DICM", b""], ids=["meta", "prefix", "bare"])
@pytest.mark.parametrize("lengths", [True, False])
@pytest.mark.parametrize(("vr", "order"), [(b"SQ", "<"), (b"SQ", ">"), (b"UN", "<"), (None, "<"), (None, ">")])
def test_depth_is_bounded_in_every_encoding(start, lengths, vr, order):
    if start == b"DICM":
        start = bytes(128) + start
    opening = element(8, 5, vr if vr is None else b"CS", b"ab", order=order)
    require_sane(start + opening + nest(MAX_DEPTH, vr, order, lengths=lengths) + PIXELS)
    with pytest.raises(FilmError, match="nested deeper"):
        require_sane(start + opening + nest(MAX_DEPTH + 1, vr, order, lengths=lengths) + PIXELS)


def test_siblings_are_not_depth():
    require_sane(META + nest(3) * 500 + nest(3, lengths=True) * 500 + PIXELS)
    require_sane(META + element(0xFFFE, 0xE0DD, None) * 500 + PIXELS)  # stray delimiters close nothing


@pytest.mark.parametrize(
    "many",
    [
        element(9, 0x10, b"LO"),
        element(9, 0x10, None),
        element(2, 0x13, b"SH"),
        item(),
        element(8, 0x1115, b"SQ", item()),
    ],
    ids=["elements", "implicit", "meta", "items", "sequences"],
)
def test_elements_are_counted(many, monkeypatch):
    monkeypatch.setattr(dicom_walk, "MAX_ELEMENTS", 100)
    require_sane(META + many * 20 + PIXELS)
    with pytest.raises(FilmError, match="BAD_HEADER: its header has more than 100 elements"):
        require_sane(META + many * 101 + PIXELS, "film.dcm")


def test_fragments_of_an_icon_are_counted_and_not_opened(monkeypatch):
    monkeypatch.setattr(dicom_walk, "MAX_ELEMENTS", 100)
    end = element(0xFFFE, 0xE0DD, None)
    icon = element(0x7FE0, 0x10, b"OB", item(b"\xfe\xff\x00\xe0\xff\xff\xff\xff" * 99) * 20 + end, UNDEFINED)
    require_sane(META + element(0x88, 0x200, b"SQ", item(icon)) + PIXELS)
    with pytest.raises(FilmError, match="elements"):
        require_sane(META + element(0x88, 0x200, b"SQ", item(icon * 10)) + PIXELS)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x02\x00", META, META + b"\x08", META[:-7], META + element(8, 5, b"UT", b"", 0xFFFFFFF0), b"\xfe" * 999],
)
def test_what_leads_nowhere_is_left_to_the_parser(data):
    require_sane(data)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_count_is_that_of_pydicom(monkeypatch):
    def count(dataset: Dataset) -> int:
        inner = [entry for one in dataset if one.VR == "SQ" for entry in one.value]
        return len(dataset) + len(inner) + sum(count(entry) for entry in inner)

    for name in ("MR_small.dcm", "MR_small_bigendian.dcm", "rtplan.dcm", "liver_1frame.dcm"):
        path = BUNDLED / "test_files" / name
        film = pydicom.dcmread(path, stop_before_pixels=True)
        delimiters = path.read_bytes().count(b"\xfe\xff\x0d\xe0") + path.read_bytes().count(b"\xfe\xff\xdd\xe0")
        number = count(film) + delimiters
        if "Rows" in film:
            number += 1  # the pixel data element, where the walk ends
        monkeypatch.setattr(dicom_walk, "MAX_ELEMENTS", number)
        require_sane(path.read_bytes(), name)
        monkeypatch.setattr(dicom_walk, "MAX_ELEMENTS", number - 1)
        with pytest.raises(FilmError, match="elements"):
            require_sane(path.read_bytes(), name)


def test_every_real_file_passes(pydicom_data):
    files = [*BUNDLED.rglob("*.dcm"), *pydicom_data.glob("*.dcm")]
    assert len(files) > 100
    assert MAX_ELEMENTS > 10_000
    for path in files:
        require_sane(path.read_bytes(), path)
