"""What a file is by its content; its name is never asked."""

from __future__ import annotations

from typing import Final

from lungspot.errors import FilmError

__all__ = ["DICOM", "KINDS", "sniff"]

DICOM: Final = "dicom"
KINDS: Final = (DICOM, "png", "jpeg", "tiff", "webp", "bmp")

_RASTERS: Final = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),  # BigTIFF
    (b"MM\x00+", "tiff"),
)
# Pictures of kinds that are not read: where the mark stands, the mark, the name.
_PICTURES: Final = (
    (0, b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture without its DICOM header"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 codestream without its DICOM header"),
    (0, b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"II\xbc", "a JPEG XR picture"),
    (4, b"ftypavi", "an AVIF picture"),
    *((4, b"ftyp" + brand, "a HEIC picture") for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")),
    *((4, b"ftyp" + brand, "a HEIC or AVIF picture") for brand in (b"mif1", b"msf1", b"miaf")),
    (0, b"GIF8", "a GIF picture"),
    (0, b"8BPS", "a Photoshop picture"),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (0, b"qoif", "a QOI picture"),
    (0, b"DDS ", "a DirectDraw picture"),
    (0, b"SIMPLE  =", "a FITS picture"),
    (0, b"\x00\x00\x01\x00", "an icon"),
    *((0, mark + b"\n", "a Netpbm picture") for mark in (b"P2", b"P3", b"P5", b"P6", b"Pf", b"PF")),
)
# What people give by mistake, so that the refusal can name it.
_OTHERS: Final = (  # where the mark stands, the mark, the name
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"PK\x05\x06", "an empty ZIP archive"),
    (0, b"\x1f\x8b", "a gzip file"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"BZh", "a bzip2 file"),
    (0, b"\xfd7zXZ", "an xz file"),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (0, b"%PDF", "a PDF"),
    (0, b"%!PS", "a PostScript document"),
    (0, b"{\\rtf", "an RTF document"),
    (0, b"\xd0\xcf\x11\xe0", "an old Office document"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program"),
    (0, b"SQLite format 3", "a database"),
    (0, b"\x80\x02", "a Python pickle"),
    (0, b"\x80\x04", "a Python pickle"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"\x89HDF", "an HDF5 file"),
    (4, b"ftyp", "an MP4 file, or one of its kin"),
    (0, b"NRRD000", "an NRRD volume"),
    (257, b"ustar", "a tar archive"),
    (344, b"n+1\x00", "a NIfTI volume"),
    (344, b"ni1\x00", "a NIfTI volume"),
)
_TEXTS: Final = (
    ("<!doctype html", "an HTML page"),
    ("<html", "an HTML page"),
    ("<svg", "an SVG drawing"),
    ("<", "an XML document"),
    ("version https://git-lfs", "a Git LFS pointer, not the film it points to"),
    ("{", "a JSON document"),
    ("[", "a JSON document"),
)
_FIRST_GROUPS: Final = (0x0002, 0x0008)
_SAVE: Final = "save it as PNG or TIFF"
_MOST_SEGMENTS: Final = 64  # before the header of a JPEG's frame


def sniff(data: bytes, where: str) -> str:
    """Return the kind of file that ``data`` begins: one of :data:`KINDS`.

    Raises FilmError UNSUPPORTED for other pictures, and NOT_AN_IMAGE, naming what it is instead.
    """
    if data[128:132] == b"DICM" or data[:4] == b"DICM":
        return DICOM
    for at, magic, name in _PICTURES:
        if data.startswith(magic, at):
            raise FilmError("UNSUPPORTED", where, f"this is {name}", advice=_SAVE)
    if _is_jpeg_ls(data):
        raise FilmError("UNSUPPORTED", where, "this is a JPEG-LS picture without its DICOM header", advice=_SAVE)
    for magic, kind in _RASTERS:
        if data.startswith(magic):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if (
        data[:2] == b"BM"
        and len(data) >= 26
        and int.from_bytes(data[14:18], "little") in {12, 40, 52, 56, 64, 108, 124}
    ):
        return "bmp"
    if _begins_like_dicom(data):
        return DICOM
    raise FilmError("NOT_AN_IMAGE", where, f"this is {_name(data)}")


def _is_jpeg_ls(data: bytes) -> bool:
    """Tell whether this begins like a JPEG and the header of its frame is JPEG-LS's (SOF55)."""
    at = 2 if data[:2] == b"\xff\xd8" else len(data)
    for _ in range(_MOST_SEGMENTS):
        if data[at : at + 1] != b"\xff" or data[at + 1 : at + 2] == b"\xf7":
            break
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return data[at : at + 2] == b"\xff\xf7"


def _begins_like_dicom(data: bytes) -> bool:
    """Tell whether the first bytes are a data element of group 2 or 8: a DICOM file without preamble."""
    if len(data) < 16:
        return False
    explicit = data[4:6].isalpha() and data[4:6].isupper()
    if int.from_bytes(data[0:2], "big") in _FIRST_GROUPS:
        return explicit
    implicit = int.from_bytes(data[4:8], "little") <= 1024  # a first value of sane length
    return int.from_bytes(data[0:2], "little") in _FIRST_GROUPS and (explicit or implicit)


def _name(data: bytes) -> str:
    if not data.strip(b"\x00"):
        return "a file of zeros" if data else "an empty file"
    for at, magic, name in _OTHERS:
        if data.startswith(magic, at):
            return name
    return _text_name(data[:512])


def _text_name(head: bytes) -> str:
    text = head.decode("utf-8", errors="replace").rstrip("\ufffd")  # the cut may have split the last character
    if any(character == "\ufffd" or (character < " " and character not in "\t\r\n\f\x1b") for character in text):
        return "no kind of file known here"
    start = text.lstrip("\ufeff \t\r\n").lower()
    for opening, name in _TEXTS:
        if start.startswith(opening):
            return name
    return "text"
