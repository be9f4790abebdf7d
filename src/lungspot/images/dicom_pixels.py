"""The stored pixels of a DICOM film, decoded and checked against its header: whole, unpadded, of the right sign."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import numpy as np
from imagecodecs import jpeg8_decode
from jpeg_ls import decode_buffer
from numpy.typing import NDArray
from openjpeg.utils import decode as jpeg2000_decode
from pydicom.pixels.processing import apply_color_lut
from rle.utils import decode_pixel_data as rle_decode

from lungspot.errors import FilmError
from lungspot.images.codestream import Codestream, contradiction, describe
from lungspot.images.dicom_header import Header, frame_bytes
from lungspot.images.dicom_table import table_in
from lungspot.images.dicom_values import text_of
from lungspot.images.end_marker import decode_whole
from lungspot.images.grey import luma
from lungspot.images.radiograph import Notice

__all__ = ["decode_pixels"]

_UNDEFINED: Final = 0xFFFFFFFF
_LONG_FORMS: Final = {b"OB", b"OW", b"OF", b"OD", b"UN"}
_ITEM, _DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_MOST_FRAGMENTS: Final = 20_000  # a frame has one, seldom some hundred
_MOST_TRAILERS: Final = 1000  # elements behind the pixels
_LOSSY: Final = {
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.203",
}
Samples = NDArray[np.integer]


def decode_pixels(header: Header) -> tuple[Samples, tuple[Notice, ...]]:
    """Return the first frame's stored values, int32 or narrower, shape (rows, columns), and what there is to know.

    Values are right-aligned, signed where the header says so; colour has become grey.
    Raises FilmError NOT_DECODABLE, TRUNCATED or UNSUPPORTED.
    """
    value, fragments, trailing_is_sane = _element(header)
    notices = [] if trailing_is_sane else [Notice("TRAILING", "the bytes after the pixel data are no data elements")]
    if header.frames > 1:
        notices.append(Notice("FRAME_CHOSEN", f"the first of {header.frames} frames was read"))
    if header.encoding == "native":
        samples = _native(header, value, notices)
        bits = header.stored
    else:
        stream = _first_frame(header, fragments)
        samples, bits = _compressed(header, stream, notices)
    if _is_lossy(header):
        notices.append(Notice("LOSSY", "compressed with loss"))
    if samples.ndim == 3 or header.photometric == "PALETTE COLOR":
        return _grey(header, samples, notices), tuple(notices)
    return _align(header, samples, bits, notices), tuple(notices)


# ------------------------------------------------------------------------------------------- where the pixels lie


def _element(header: Header) -> tuple[memoryview, list[memoryview], bool]:
    """Return the value of the pixel data element (native), or its fragments (the first is the offset table).

    And whether sane data elements, or nothing, follow it.
    """
    body, at = memoryview(header.body), header.start
    order: Literal["big", "little"] = "big" if header.big_endian else "little"
    if header.body[at + 2 : at + 4] not in {b"\x10\x00", b"\x00\x10"}:
        raise FilmError("UNSUPPORTED", header.where, "its pixels are floating-point numbers")
    at += 4
    explicit = header.body[at : at + 2] in _LONG_FORMS
    at += 4 if explicit else 0
    length = int.from_bytes(body[at : at + 4], order)
    at += 4
    if length != _UNDEFINED:
        if header.encoding != "native":
            raise FilmError(
                "NOT_DECODABLE", header.where, "its pixel data are not in fragments, as compressed data are"
            )
        if at + length > len(body):
            missing = at + length - len(body)
            raise FilmError("TRUNCATED", header.where, f"{missing} of {length} bytes of pixel data are missing")
        return body[at : at + length], [], _ends_well(header.body, at + length, header, explicit=explicit)
    if header.encoding == "native":
        raise FilmError("NOT_DECODABLE", header.where, "its pixel data are in fragments, but no compression is named")
    fragments: list[memoryview] = []
    while header.body[at : at + 4] == _ITEM:
        length = int.from_bytes(body[at + 4 : at + 8], "little")
        at += 8
        if len(fragments) == _MOST_FRAGMENTS:
            raise FilmError("NOT_DECODABLE", header.where, f"its pixel data lie in more than {_MOST_FRAGMENTS} pieces")
        if at + length > len(body):
            break
        fragments.append(body[at : at + length])
        at += length
    if header.body[at : at + 4] != _DELIMITER:
        raise FilmError("TRUNCATED", header.where, "its last fragment of pixel data is not whole")
    return body[:0], fragments, _ends_well(header.body, at + 8, header, explicit=True)


def _ends_well(body: bytes, at: int, header: Header, *, explicit: bool) -> bool:
    """Tell whether elements that fit follow up to the end of the file; zeros may fill its last bytes."""
    order: Literal["big", "little"] = "big" if header.big_endian else "little"
    count = 0
    while at + 8 <= len(body):
        if body[at : at + 8] == bytes(8):
            break
        count += 1
        if count > _MOST_TRAILERS:
            return False
        long_form = explicit and body[at + 4 : at + 6] in _LONG_FORMS | {b"SQ", b"UT", b"OL", b"OV", b"UC", b"UR"}
        field = body[at + 8 : at + 12] if long_form else body[at + 6 : at + 8] if explicit else body[at + 4 : at + 8]
        length = int.from_bytes(field, order)
        if length == _UNDEFINED:
            return True  # a sequence after the pixels: not followed further
        at += (12 if long_form else 8) + length
    return at <= len(body) and not body[at:].strip(b"\x00")


def _first_frame(header: Header, fragments: list[memoryview]) -> bytes:
    """Return the codestream of the first frame."""
    offsets, parts = fragments[:1], fragments[1:]
    if not parts:
        raise FilmError("NOT_DECODABLE", header.where, "its pixel data hold no fragment")
    if header.frames == 1:
        return b"".join(parts)
    if len(parts) == header.frames:
        return bytes(parts[0])
    second = int.from_bytes(offsets[0][4:8], "little")
    stream, end = bytearray(), 0
    for part in parts:
        if end and (end >= second if second else stream[-16:].rstrip(b"\x00").endswith(b"\xff\xd9")):
            break
        stream += part
        end += 8 + len(part)
    return bytes(stream)


# ------------------------------------------------------------------------------------------------------- decoding


def _native(header: Header, value: memoryview, notices: list[Notice]) -> Samples:
    """Return (rows, columns) or (rows, columns, 3) samples."""
    size = frame_bytes(header)
    if len(value) < size:
        raise FilmError("TRUNCATED", header.where, f"{len(value)} bytes of pixel data where its size needs {size}")
    if len(value) > size * header.frames + size * header.frames % 2:
        notices.append(Notice("SIZE_MISMATCH", f"{len(value)} bytes of pixel data, {size * header.frames} needed"))
    if header.allocated == 8:
        flat: Samples = np.frombuffer(value[:size], dtype=np.uint8)
        if header.big_endian and header.body[header.start + 4 : header.start + 6] == b"OW":
            swapped = np.frombuffer(value[: size + size % 2], dtype=np.uint8) if len(value) > size else flat
            flat = swapped[: len(swapped) // 2 * 2].reshape(-1, 2)[:, ::-1].ravel()[:size]
    else:
        flat = np.frombuffer(value[:size], dtype=">u2" if header.big_endian else "<u2").astype(np.uint16)
    shape = (header.rows, header.columns)
    if header.samples == 1:
        return flat.reshape(shape)
    if header.photometric == "YBR_FULL_422":
        return flat.reshape(-1, 4)[:, :2].reshape(shape)[..., None]  # Y Y Cb Cr: brightness is all that is wanted
    if header.planar == 1:
        return np.moveaxis(flat.reshape(3, *shape), 0, -1)
    return flat.reshape(*shape, 3)


def _compressed(header: Header, stream: bytes, notices: list[Notice]) -> tuple[Samples, int]:
    """Return (rows, columns) or (rows, columns, 3) samples, and how many bits of them have a meaning."""
    said = Codestream(header.columns, header.rows, header.allocated, header.samples)
    problem = contradiction(stream, header.syntax, said)
    if problem is not None:
        raise FilmError("NOT_DECODABLE", header.where, problem)
    decoder = _DECODERS[header.encoding]
    try:
        samples, cut = decode_whole(
            stream, header.syntax, lambda whole: decoder(whole, header), lambda found: found, header.where
        )
    except (MemoryError, FilmError):
        raise
    except Exception as error:  # each decoder has its own kinds
        reason = f"its {header.encoding.upper()} pixel data cannot be decoded ({error})"
        raise FilmError("NOT_DECODABLE", header.where, reason) from error
    notices += cut
    if samples.shape[:2] != (header.rows, header.columns) or samples.shape[2:] not in {(), (3,)}:
        raise FilmError("NOT_DECODABLE", header.where, f"its pixel data decode to {samples.shape}")
    facts = describe(stream, header.syntax)
    if facts is None:  # RLE has no codestream header
        return samples, header.stored
    if np.issubdtype(samples.dtype, np.signedinteger):  # a JPEG 2000 codestream with signed samples
        samples = samples.astype(np.int32) & ((1 << facts.bits) - 1)
    if facts.signed != header.signed and header.encoding == "jpeg2000":
        notices.append(Notice("PIXEL_REPRESENTATION", "header and codestream differ; the header was followed"))
    return samples, min(facts.bits, header.stored)


def _jpeg(stream: bytes, header: Header) -> Samples:
    if header.photometric == "RGB":  # else libjpeg takes three components without a marker for YCbCr
        return np.asarray(jpeg8_decode(stream, colorspace="RGB", outcolorspace="RGB"))
    return np.asarray(jpeg8_decode(stream))


def _jpeg_ls(stream: bytes, header: Header) -> Samples:
    plain, facts = decode_buffer(stream)
    flat = np.frombuffer(plain, dtype=np.uint8 if facts["bits_per_sample"] <= 8 else "<u2")
    if header.samples == 1:
        return flat.reshape(header.rows, header.columns)
    if facts["interleave_mode"] == 0:
        return np.moveaxis(flat.reshape(3, header.rows, header.columns), 0, -1)
    return flat.reshape(header.rows, header.columns, 3)


def _jpeg2000(stream: bytes, _header: Header) -> Samples:
    return np.asarray(jpeg2000_decode(stream, j2k_format=2 if stream[4:8] == b"jP  " else 0))


def _rle(stream: bytes, header: Header) -> Samples:
    plain = rle_decode(stream, version=2, rows=header.rows, columns=header.columns, bits_allocated=header.allocated)
    flat = np.frombuffer(plain, dtype="<u2" if header.allocated == 16 else np.uint8)
    if header.samples == 1:
        return flat.reshape(header.rows, header.columns)
    return np.moveaxis(flat.reshape(3, header.rows, header.columns), 0, -1)


_DECODERS: Final[dict[str, Callable[[bytes, Header], Samples]]] = {
    "jpeg": _jpeg,
    "jpeg-ls": _jpeg_ls,
    "jpeg2000": _jpeg2000,
    "rle": _rle,
}


def _is_lossy(header: Header) -> bool:
    said = text_of(header.dataset, "LossyImageCompression")
    return said == "01" or (header.syntax in _LOSSY and said != "00")


# ----------------------------------------------------------------------------------------- from samples to values


def _align(header: Header, samples: Samples, bits: int, notices: list[Notice]) -> Samples:
    """Return values that begin at bit 0, with their sign; ``bits`` of them have a meaning."""
    shift = header.high + 1 - header.stored if header.encoding in {"native", "rle"} else 0
    values = samples >> shift if shift else samples
    most = (1 << bits) - 1
    if header.signed:
        half = (most + 1) >> 1
        signed: Samples = ((values.astype(np.int32) + half) & most) - half
        return signed
    if most < np.iinfo(values.dtype).max and values.max() > most:
        if header.syntax in _LOSSY:  # a lossy decoder may overshoot
            return np.minimum(values, most)
        if _has_embedded_overlay(header):
            return values & most
        found = int(values.max()).bit_length()
        notices.append(Notice("BITS_STORED", f"the header says {header.stored} bits, the pixels use {found}"))
    return values


def _has_embedded_overlay(header: Header) -> bool:
    """Tell whether unused bits of the pixels hold an overlay plane (retired, but found)."""
    groups = range(0x6000, 0x6020, 2)
    return any((group, 0x0102) in header.dataset and (group, 0x3000) not in header.dataset for group in groups)


def _palette(header: Header, indices: Samples, notices: list[Notice]) -> Samples:
    """Return the colours, shape (rows, columns, 3), that palette indices stand for."""
    if "SegmentedRedPaletteColorLookupTableData" in header.dataset:
        try:
            return np.asarray(apply_color_lut(indices, header.dataset))
        except Exception as error:  # pydicom meets damaged palettes with many kinds
            raise FilmError("NOT_DECODABLE", header.where, "its colour palette is damaged") from error
    low, high = int(indices.min()), int(indices.max())
    names = [f"{color}PaletteColorLookupTable" for color in ("Red", "Green", "Blue")]
    tables = [
        table_in(header.dataset, (low, high), descriptor=f"{name}Descriptor", data=f"{name}Data") for name in names
    ]
    usable = [table for table in tables if table is not None]
    if len(usable) < 3:
        raise FilmError("NOT_DECODABLE", header.where, "its colour palette is damaged")
    short = [table for table in usable if not table.is_as_announced]
    if short:
        said = f"palette: {len(short[0].values)} entries where {short[0].announced} are announced"
        notices.append(Notice("LUT_LENGTH", said))
    levels = np.arange(low, high + 1, dtype=np.float64)
    colors = np.stack([table(levels) for table in usable], axis=-1).astype(np.uint16)
    return np.asarray(colors[indices - low])


def _grey(header: Header, samples: Samples, notices: list[Notice]) -> Samples:
    """Return colour samples as grey ones."""
    if header.photometric == "PALETTE COLOR":
        samples = _palette(header, samples, notices)
    elif header.photometric in {"YBR_FULL", "YBR_FULL_422"} and header.encoding != "jpeg":
        notices.append(Notice("COLOR_CONVERTED", "the brightness of the colours was taken"))
        return samples[..., 0]
    if (samples[..., 0] == samples[..., 1]).all() and (samples[..., 0] == samples[..., 2]).all():
        return samples[..., 0]
    notices.append(Notice("COLOR_CONVERTED", "colour turned into grey"))
    return luma(samples)
