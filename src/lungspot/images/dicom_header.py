"""What a DICOM file says before any pixel is decoded, and the header check that it must pass first.

Only projection X-rays pass (CR, DX, and secondary captures whose modality says that they are copies of one); anything
else is refused with its name. Sizes, depths, frames and the transfer syntax are checked against what a film can have.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Final, NamedTuple

from pydicom import config, dcmread, uid
from pydicom.dataset import Dataset, FileDataset

from lungspot.errors import FilmError
from lungspot.images.dicom_charset import decode_extensions
from lungspot.images.dicom_values import text_of, whole_of
from lungspot.images.dicom_walk import MAX_ELEMENTS, require_sane
from lungspot.images.size import check_size

__all__ = [
    "MAX_FRAMES",
    "MAX_INFLATED",
    "SYNTAXES",
    "Header",
    "frame_bytes",
    "open_dicom",
]

MAX_FRAMES: Final = 1000
MAX_INFLATED: Final = 128 * 1024 * 1024  # bytes; the largest film that check_size admits has 100 MB of 16-bit pixels
_MAX_HEADER: Final = 2 * 1024 * 1024  # bytes of a deflated data set that are inflated to find its header
_SLACK: Final = 1024 * 1024  # bytes that may follow the pixels
_PIXEL_GROUPS: Final = (b"\xe0\x7f", b"\x7f\xe0")  # little and big endian
_LONG_FORMS: Final = {b"OB", b"OW", b"SQ", b"UN", b"UT", b"OF", b"OD", b"OL", b"OV", b"UC", b"UR", b"SV", b"UV"}
_PLAIN_META: Final = bytes(128) + b"DICM\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\x00"
_PEOPLE_ONLY: Final = "give a film of a person"

# transfer syntax → how its pixels are encoded
SYNTAXES: Final[dict[str, str]] = {
    uid.ImplicitVRLittleEndian: "native",
    uid.ExplicitVRLittleEndian: "native",
    uid.ExplicitVRBigEndian: "native",
    uid.DeflatedExplicitVRLittleEndian: "native",
    uid.RLELossless: "rle",
    uid.JPEGBaseline8Bit: "jpeg",
    uid.JPEGExtended12Bit: "jpeg",
    uid.JPEGLossless: "jpeg",
    uid.JPEGLosslessSV1: "jpeg",
    uid.JPEGLSLossless: "jpeg-ls",
    uid.JPEGLSNearLossless: "jpeg-ls",
    uid.JPEG2000Lossless: "jpeg2000",
    uid.JPEG2000: "jpeg2000",
    uid.HTJ2KLossless: "jpeg2000",
    uid.HTJ2KLosslessRPCL: "jpeg2000",
    uid.HTJ2K: "jpeg2000",
}
_FILM_CLASSES: Final = {
    uid.ComputedRadiographyImageStorage,
    uid.DigitalXRayImageStorageForPresentation,
    uid.DigitalXRayImageStorageForProcessing,
}
_COPY_CLASSES: Final = {
    uid.SecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    uid.MultiFrameTrueColorSecondaryCaptureImageStorage,
}
# DR, XR and RX stand in no edition of the standard, but in films; RG is its "radiographic imaging (film, screen)"
_FILM_MODALITIES: Final = {"CR", "DX", "DR", "RG", "XR", "RX"}
_MODALITY_NAMES: Final = {
    "CT": "a CT image",
    "ES": "an endoscopy image",
    "IO": "an intra-oral X-ray",
    "KO": "a key object selection",
    "MG": "a mammogram",
    "MR": "an MR image",
    "NM": "a nuclear medicine image",
    "OP": "an ophthalmic photograph",
    "OT": "an image of modality OT (other)",
    "PR": "a presentation state",
    "PT": "a PET image",
    "PX": "a panoramic X-ray",
    "RF": "a fluoroscopy image",
    "SC": "a secondary capture",
    "SM": "a slide microscopy image",
    "SR": "a structured report",
    "US": "an ultrasound image",
    "XA": "an angiography image",
    "XC": "a photograph",
}
_PHOTOMETRIC: Final = {  # photometric interpretation → samples per pixel
    "MONOCHROME1": 1,
    "MONOCHROME2": 1,
    "PALETTE COLOR": 1,
    "RGB": 3,
    "YBR_FULL": 3,
    "YBR_FULL_422": 3,
    "YBR_RCT": 3,
    "YBR_ICT": 3,
}


@dataclass(frozen=True, slots=True)
class Header:
    """A film's header after the header check: ``body[start:]`` is its pixel data element; ``high`` is HighBit."""

    dataset: Dataset
    where: str
    body: bytes
    start: int
    syntax: str
    encoding: str  # of SYNTAXES
    big_endian: bool
    rows: int
    columns: int
    samples: int
    allocated: int
    stored: int
    high: int
    signed: bool
    photometric: str
    planar: int
    frames: int


class _Place(NamedTuple):
    """Where the pixel data element begins, in which bytes, under which transfer syntax."""

    where: str
    body: bytes
    start: int
    syntax: str


def open_dicom(data: bytes, where: str) -> Header:
    """Parse the header of a DICOM file and put it through the header check.

    Raises FilmError BAD_HEADER, NOT_A_RADIOGRAPH, NO_PIXELS, UNSUPPORTED, DIMENSIONS, TOO_LARGE or TRUNCATED.
    """
    if data[:4] == b"DICM":  # the prefix without its preamble
        data = bytes(128) + data
    meta_syntax, meta_end = _scan_meta(data, where)
    if meta_syntax != uid.DeflatedExplicitVRLittleEndian:
        return _check_header(data, "", where)
    head, whole_head = _inflate(data[meta_end:], _MAX_HEADER, where)  # no pixels before the header check
    try:
        header = _check_header(head, meta_syntax, where)
    except FilmError as error:
        if whole_head or error.code != "TRUNCATED":
            raise
        raise FilmError("TOO_LARGE", where, f"its header inflates to more than {_MAX_HEADER >> 20} MiB") from None
    size = frame_bytes(header) * header.frames
    if size > MAX_INFLATED:
        raise FilmError("TOO_LARGE", where, f"its {header.frames} frames take {size >> 20} MiB")
    body, whole_stream = _inflate(data[meta_end:], header.start + size + _SLACK, where)
    if not whole_stream:
        raise FilmError("TOO_LARGE", where, "its compressed data set is larger than its header says")
    return replace(header, body=body)


def frame_bytes(header: Header) -> int:
    """Return how many bytes one native frame takes."""
    samples = 2 if header.photometric == "YBR_FULL_422" else header.samples
    return header.rows * header.columns * samples * (header.allocated // 8)


def _check_header(body: bytes, syntax: str, where: str) -> Header:
    require_sane(body, where)
    source = BytesIO(body)
    try:
        with config.disable_value_validation():
            dataset = dcmread(source, stop_before_pixels=True, force=True)
    except MemoryError:
        raise
    except Exception as error:  # pydicom meets damage with many kinds
        raise FilmError("BAD_HEADER", where, f"its header cannot be parsed ({type(error).__name__})") from error
    decode_extensions(dataset)
    syntax = syntax or text_of(dataset.file_meta, "TransferSyntaxUID")
    _refuse_other_objects(dataset, where)
    start = source.tell()
    if body[start : start + 2] not in _PIXEL_GROUPS:
        if start + 8 > len(body):
            raise FilmError("TRUNCATED", where, "the file ends before its pixel data")
        raise FilmError("NO_PIXELS", where, "its header ends without pixel data")
    if syntax and syntax not in SYNTAXES:
        raise FilmError("UNSUPPORTED", where, f"its transfer syntax is {uid.UID(syntax).name}")
    return _measure(dataset, _Place(where, body, start, syntax))


def _scan_meta(data: bytes, where: str) -> tuple[str, int]:
    """Return the transfer syntax that the file meta group (explicit little endian) names, and where the group ends."""
    at = 132 if data[128:132] == b"DICM" else 0
    syntax = ""
    count = 0
    while data[at : at + 2] == b"\x02\x00":
        count += 1
        if count > MAX_ELEMENTS:
            raise FilmError("BAD_HEADER", where, f"its header has more than {MAX_ELEMENTS} elements")
        long_form = data[at + 4 : at + 6] in _LONG_FORMS
        length = int.from_bytes(data[at + 8 : at + 12] if long_form else data[at + 6 : at + 8], "little")
        value = at + (12 if long_form else 8)
        if data[at + 2 : at + 4] == b"\x10\x00":
            syntax = data[value : value + length].rstrip(b"\x00 ").decode("ascii", errors="replace")
        at = value + length
    return syntax, at


def _inflate(packed: bytes, most: int, where: str) -> tuple[bytes, bool]:
    """Return a deflated data set behind a plain file meta group, at most ``most`` bytes of it, and whether that is all.

    Raises FilmError TRUNCATED or BAD_HEADER.
    """
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = unpacker.decompress(packed, most)
    except zlib.error as error:
        raise FilmError("BAD_HEADER", where, "its deflated data set is damaged") from error
    ended = unpacker.eof
    if not ended and len(inflated) < most:
        raise FilmError("TRUNCATED", where, "its deflated data set ends early")
    return _PLAIN_META + inflated, ended


def _refuse_other_objects(dataset: FileDataset, where: str) -> None:
    """Let projection X-rays of people through; name anything else."""
    sop_class = text_of(dataset, "SOPClassUID") or text_of(dataset.file_meta, "MediaStorageSOPClassUID")
    modality = text_of(dataset, "Modality").upper()
    if sop_class in _FILM_CLASSES:
        passes = modality in _FILM_MODALITIES or modality in {"", "OT"}
    else:
        passes = (sop_class in _COPY_CLASSES or not sop_class) and modality in _FILM_MODALITIES
    if not passes and "Rows" not in dataset:
        raise FilmError("NO_PIXELS", where, f"this is {_what(sop_class, modality)}")
    if not passes:
        raise FilmError("NOT_A_RADIOGRAPH", where, f"this is {_what(sop_class, modality)}")
    species = text_of(dataset, "PatientSpeciesDescription")
    if species and not species.lower().startswith(("human", "homo")):
        raise FilmError("NOT_A_RADIOGRAPH", where, "this is a film of an animal", advice=_PEOPLE_ONLY)


def _what(sop_class: str, modality: str) -> str:
    name = uid.UID(sop_class).name if sop_class else ""
    if modality:
        what = _MODALITY_NAMES.get(modality, f"an object of modality {modality}")
        return f"{what} ({name})" if name else what
    return f"an object of class {name}" if name else "a DICOM file that names neither its class nor its modality"


def _measure(dataset: Dataset, place: _Place) -> Header:
    """Check sizes, depths and frames, and return the header."""
    where = place.where
    rows, columns = whole_of(dataset, "Rows") or 0, whole_of(dataset, "Columns") or 0
    check_size(columns, rows, where)
    photometric = text_of(dataset, "PhotometricInterpretation").upper() or "MONOCHROME2"
    samples = whole_of(dataset, "SamplesPerPixel") or 1
    if _PHOTOMETRIC.get(photometric) != samples:
        raise FilmError("DIMENSIONS", where, f"{samples} samples a pixel that are {photometric}")
    allocated = whole_of(dataset, "BitsAllocated") or 0
    stored = whole_of(dataset, "BitsStored") or allocated
    high = whole_of(dataset, "HighBit")
    high = stored - 1 if high is None else high
    if allocated not in {8, 16} or not (0 < stored <= high + 1 <= allocated):
        raise FilmError(
            "DIMENSIONS", where, f"{stored} bits up to bit {high} in {allocated} allocated; 8 or 16 are read"
        )
    frames = whole_of(dataset, "NumberOfFrames") or 1
    if not 0 < frames <= MAX_FRAMES:
        raise FilmError("TOO_LARGE", where, f"the header says {frames} frames; at most {MAX_FRAMES} are read")
    return Header(
        dataset=dataset,
        where=where,
        body=place.body,
        start=place.start,
        syntax=place.syntax,
        encoding=SYNTAXES.get(place.syntax, "native"),
        big_endian=place.body[place.start : place.start + 1] == b"\x7f",
        rows=rows,
        columns=columns,
        samples=samples,
        allocated=allocated,
        stored=stored,
        high=high,
        signed=whole_of(dataset, "PixelRepresentation") == 1,
        photometric=photometric,
        planar=whole_of(dataset, "PlanarConfiguration") or 0,
        frames=frames,
    )
