"""Compressed films that lack their end marker: read where all pixels are there, refused where one is missing."""

import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate

from lungspot.errors import FilmError
from lungspot.images import read

RNG = np.random.default_rng(7)
NOISE = RNG.integers(0, 60, (97, 83))
TWELVE = (np.add.outer(np.arange(97) * 30, np.arange(83) * 13) + NOISE).astype(np.uint16)  # 0 to 4005
EIGHT = (TWELVE >> 4).astype(np.uint8)


def as_jpeg(**options):
    sink = io.BytesIO()
    Image.fromarray(np.dstack([EIGHT] * 3) if options.pop("color", False) else EIGHT).save(sink, "JPEG", **options)
    return sink.getvalue()


def tiled(pixels):
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "JPEG2000", no_jp2=True, tile_size=(32, 32), irreversible=False)
    return sink.getvalue()


RASTERS = {
    "baseline": as_jpeg(quality=90),
    "colour": as_jpeg(quality=90, color=True),
    "subsampled": as_jpeg(quality=75, color=True, subsampling=2),
    "restarts": as_jpeg(quality=90, restart_marker_rows=1),
    "progressive": as_jpeg(quality=90, progressive=True),
    "progressive colour": as_jpeg(quality=90, progressive=True, color=True),
}
STREAMS = {
    "baseline": (uid.JPEGBaseline8Bit, bytes(imagecodecs.jpeg8_encode(EIGHT, level=90)), 8),
    "extended": (uid.JPEGExtended12Bit, bytes(imagecodecs.jpeg8_encode(TWELVE, level=90, bitspersample=12)), 12),
    "lossless": (
        uid.JPEGLosslessSV1,
        bytes(imagecodecs.jpeg8_encode(TWELVE, lossless=True, predictor=1, bitspersample=12)),
        12,
    ),
    "jpeg-ls": (uid.JPEGLSLossless, bytes(imagecodecs.jpegls_encode(TWELVE)), 12),
    "near lossless": (uid.JPEGLSNearLossless, bytes(imagecodecs.jpegls_encode(TWELVE, level=3)), 12),
    "jpeg2000": (
        uid.JPEG2000Lossless,
        bytes(imagecodecs.jpeg2k_encode(TWELVE, codecformat="j2k", reversible=True, level=0, bitspersample=12)),
        12,
    ),
    "jpeg2000 tiles": (uid.JPEG2000Lossless, tiled(TWELVE), 16),
    "htj2k": (uid.HTJ2KLossless, bytes(imagecodecs.htj2k_encode(TWELVE, reversible=True)), 16),
}


def codes(film):
    return [notice.code for notice in film.notices]


def film_of(make_dicom, name, stream):
    syntax, _, bits = STREAMS[name]
    pixels = EIGHT if bits == 8 else TWELVE
    depth = {"BitsAllocated": 8 if bits == 8 else 16, "BitsStored": bits, "HighBit": bits - 1}
    raw = encapsulate([stream + b"\0" * (len(stream) % 2)])
    return make_dicom(pixels, syntax=syntax, raw=raw, **depth)


def outcome(data):
    try:
        return read(data, sandboxed=False)
    except FilmError as error:
        return error.code


@pytest.mark.parametrize("name", RASTERS)
def test_a_jpeg_without_its_end_is_read_or_refused_but_never_made_up(name):
    whole = RASTERS[name]
    assert whole.endswith(b"\xff\xd9")
    film = read(whole, sandboxed=False)
    assert codes(film) == ["LOSSY"]
    for cut in (1, 2):
        found = read(whole[:-cut], sandboxed=False)
        np.testing.assert_array_equal(found.pixels, film.pixels)
        assert codes(found) == ["LOSSY", "TRUNCATED"]
    for cut in (*range(3, 40), *range(60, len(whole), 211)):
        found = outcome(whole[:-cut])
        assert found == "TRUNCATED" if isinstance(found, str) else np.array_equal(found.pixels, film.pixels), cut
    assert all(outcome(whole[:-cut]) == "TRUNCATED" for cut in (10, 30, len(whole) // 2))


@pytest.mark.parametrize("name", STREAMS)
def test_a_dicom_film_without_its_end_marker_likewise(name, make_dicom):
    stream = STREAMS[name][1]
    assert stream.endswith(b"\xff\xd9")
    film = read(film_of(make_dicom, name, stream), sandboxed=False)
    usual = codes(film)
    assert "TRUNCATED" not in usual
    for cut in (1, 2):
        found = read(film_of(make_dicom, name, stream[:-cut]), sandboxed=False)
        np.testing.assert_array_equal(found.pixels, film.pixels)
        assert sorted(codes(found)) == sorted([*usual, "TRUNCATED"])
    for cut in (*range(3, 30), *range(60, len(stream), 211)):
        found = outcome(film_of(make_dicom, name, stream[:-cut]))
        refused = found in {"TRUNCATED", "NOT_DECODABLE"} if isinstance(found, str) else False
        assert refused or np.array_equal(found.pixels, film.pixels), cut
    assert all(outcome(film_of(make_dicom, name, stream[:-cut])) == "TRUNCATED" for cut in (20, 40, len(stream) // 2))


def test_a_progressive_jpeg_without_its_last_scans_is_refused():
    whole = RASTERS["progressive"]
    starts = [at for at in range(len(whole) - 1) if whole[at : at + 2] == b"\xff\xda"]
    assert len(starts) > 4
    tables = [whole.rfind(b"\xff\xc4", 0, start) for start in starts]
    for start, table in zip(starts[1:], tables[1:], strict=True):  # cut just where a scan, or its table, begins
        assert outcome(whole[:start]) == "TRUNCATED"
        assert outcome(whole[:table]) == "TRUNCATED"


def test_jpeg_2000_whose_last_tile_is_missing_is_refused(make_dicom):
    stream = STREAMS["jpeg2000 tiles"][1]
    last = stream.rfind(b"\xff\x90\x00\x0a")
    assert outcome(film_of(make_dicom, "jpeg2000 tiles", stream[:last])) == "TRUNCATED"
    open_end = bytearray(stream[:-2])
    open_end[last + 6 : last + 10] = bytes(4)  # the last tile-part ends where the codestream does: nobody knows where
    assert outcome(film_of(make_dicom, "jpeg2000 tiles", bytes(open_end))) == "TRUNCATED"
