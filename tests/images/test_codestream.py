import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import generate_frames

from lungspot.errors import FilmError
from lungspot.images.codestream import Codestream, contradiction, describe, require_complete, tiff_pages

BASELINE, LOSSLESS, JLS, J2K, RLE = (f"1.2.840.10008.1.2.{n}" for n in ("4.50", "4.70", "4.80", "4.90", "5"))
BUNDLED = Path(pydicom.__file__).parent / "data" / "test_files"


def segment(code, content):
    return struct.pack(">BBH", 0xFF, code, len(content) + 2) + content


def jpeg(width=5, height=3, *, bits=8, components=1, sof=0xC0, entropy=b"\x12\xff\x00\x34\xff\xd0\x56"):
    frame = struct.pack(">BHHB", bits, height, width, components) + b"\x01\x11\x00" * components
    return b"\xff\xd8" + segment(0xE0, b"JFIF\0") + segment(sof, frame) + segment(0xDA, b"\x01") + entropy + b"\xff\xd9"


def j2k(width=5, height=3, *, left=0, top=0, tile=(5, 3), samples=((7, 1, 1),), body=None):
    sizes = struct.pack(">H8IH", 0, width, height, left, top, *tile, 0, 0, len(samples))
    header = (
        b"\xff\x4f" + segment(0x51, sizes + b"".join(bytes(sample) for sample in samples)) + segment(0x52, b"\0" * 10)
    )
    part = b"\xff\x90\x00\x0a\x00\x00" + struct.pack(">IBB", 20, 0, 1) + b"\xff\x93" + b"\x01\xff\xd9\x02\x03\x04"
    return header + (part if body is None else body) + b"\xff\xd9"


def box(name, content, *, long=False):
    if long:
        return struct.pack(">I4sQ", 1, name, len(content) + 16) + content
    return struct.pack(">I4s", len(content) + 8, name) + content


def rle(*segments):
    offsets = [64 + sum(map(len, segments[:i])) for i in range(len(segments))]
    return struct.pack("<16I", len(segments), *offsets, *[0] * (15 - len(offsets))) + b"".join(segments)


def name(value):
    return f"{len(value)}-bytes" if isinstance(value, bytes) else None


JP2 = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 ")


@pytest.mark.parametrize(
    ("data", "kind", "expected"),
    [
        (jpeg(), BASELINE, Codestream(5, 3, 8, 1)),
        (jpeg(bits=12, sof=0xC1), "1.2.840.10008.1.2.4.51", Codestream(5, 3, 12, 1)),
        (jpeg(65535, 65535, bits=16, sof=0xC3), LOSSLESS, Codestream(65535, 65535, 16, 1)),
        (jpeg(components=3), "jpeg", Codestream(5, 3, 8, 3)),
        (jpeg(sof=0xF7, bits=16), JLS, Codestream(5, 3, 16, 1)),
        (jpeg(sof=0xF7), BASELINE, None),  # JPEG-LS under the name of JPEG
        (jpeg(), JLS, None),
        (b"\xff\xd8" + segment(0xC4, b"tables") + b"\xff\xd9", BASELINE, None),
        (jpeg()[:12], BASELINE, None),
        (j2k(), J2K, Codestream(5, 3, 8, 1)),
        (j2k(samples=((0x80 | 15, 1, 1),)), J2K, Codestream(5, 3, 16, 1, signed=True)),
        (j2k(7, 9, left=2, top=6, samples=((11, 1, 1), (7, 2, 2))), J2K, Codestream(5, 3, 12, 2)),
        (JP2 + box(b"jp2c", j2k()), J2K, Codestream(5, 3, 8, 1)),
        (JP2 + box(b"jp2c", j2k(), long=True), "1.2.840.10008.1.2.4.201", Codestream(5, 3, 8, 1)),
        (JP2 + struct.pack(">I4s", 0, b"jp2c") + j2k(), J2K, Codestream(5, 3, 8, 1)),
        (JP2 + box(b"jp2c", b"not a codestream"), J2K, None),
        (JP2 + struct.pack(">I4s", 4, b"loop"), J2K, None),
        (JP2, J2K, None),
        (j2k(tile=(0, 3)), J2K, None),
        (j2k(60000, 60000, tile=(1, 1)), J2K, None),  # 3.6e9 tiles
        (j2k(left=5), J2K, None),
        (j2k(samples=()), J2K, None),
        (j2k(samples=((7, 0, 1),)), J2K, None),
        (j2k()[:44], J2K, None),
        (jpeg(), J2K, None),
        (b"", J2K, None),
        (b"", BASELINE, None),
        (jpeg(), "1.2.840.10008.1.2.1", None),
        (rle(b"x"), RLE, None),  # RLE does not say its size
    ],
    ids=name,
)
def test_a_codestream_says_what_it_is(data, kind, expected):
    assert describe(data, kind) == expected


@pytest.mark.parametrize(
    ("data", "kind", "header", "says"),
    [
        (jpeg(), BASELINE, Codestream(5, 3, 8, 1), None),
        (jpeg(), BASELINE, Codestream(5, 3, 16, 1), None),  # room to spare
        (j2k(), J2K, Codestream(5, 3, 8, 1), None),
        (jpeg(50000, 3), BASELINE, Codestream(5, 3, 8, 1), "its header says 5 x 3 pixels, its data 50000 x 3"),
        (j2k(5, 40000), J2K, Codestream(5, 3, 8, 1), "its header says 5 x 3 pixels, its data 5 x 40000"),
        (jpeg(sof=0xF7), JLS, Codestream(3, 5, 8, 1), "its header says 3 x 5 pixels, its data 5 x 3"),
        (jpeg(components=3), BASELINE, Codestream(5, 3, 8, 1), "its header says 1 samples a pixel, its pixel data 3"),
        (j2k(samples=((15, 1, 1),)), J2K, Codestream(5, 3, 8, 1), "room for 8 bits a sample, its pixel data have 16"),
        (jpeg(), J2K, Codestream(5, 3, 8, 1), "not what its transfer syntax says"),
        (rle(b"12345678"), RLE, Codestream(5, 3, 8, 1), None),
        (rle(b"1234", b"5678"), RLE, Codestream(5, 3, 16, 1), None),
        (rle(b"1234"), RLE, Codestream(5, 3, 16, 1), "needs 2 RLE segments, its pixel data have 1"),
        (rle(b"1234"), RLE, Codestream(65535, 65535, 8, 1), "too short for 4294836225 pixels"),
        (rle(), RLE, Codestream(5, 3, 8, 1), "counts no segments"),
        (b"", "1.2.840.10008.1.2.1", Codestream(5, 3, 8, 1), None),
    ],
    ids=name,
)
def test_a_codestream_must_be_the_picture_of_its_header(data, kind, header, says):
    found = contradiction(data, kind, header)
    assert found == says if says is None else says in found


def picture(form, mode="L", **options):
    file = io.BytesIO()
    pixels = np.random.default_rng(3).integers(0, 256, (40, 30), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(file, form, **options)
    return file.getvalue()


RASTERS = {
    "png": [picture("PNG"), picture("PNG", "RGB"), picture("PNG", "P")],
    "jpeg": [picture("JPEG"), picture("JPEG", progressive=True), picture("JPEG", "CMYK"), jpeg()],
    "tiff": [picture("TIFF"), picture("TIFF", compression="tiff_lzw"), picture("TIFF", big_tiff=True)],
    "bmp": [picture("BMP"), picture("BMP", "RGB")],
    "webp": [picture("WEBP"), picture("WEBP", "RGB", lossless=True)],
    BASELINE: [jpeg()],
    JLS: [jpeg(sof=0xF7, entropy=b"\x12\xff\x7f\xff\x00")],
    J2K: [j2k(), JP2 + box(b"jp2c", j2k())],
}


@pytest.mark.parametrize(
    ("kind", "data"), [(kind, data) for kind, list_ in RASTERS.items() for data in list_], ids=name
)
def test_whole_data_pass_and_no_cut_does(kind, data):
    require_complete(data, kind)
    needed = range(8, len(data) - 8) if kind == "tiff" else range(12, len(data))  # a TIFF may end with its header
    passed = []
    for end in needed:
        try:
            require_complete(data[:end], kind, "film")
        except FilmError as error:
            assert (error.code, error.where) == ("TRUNCATED", "film")  # noqa: PT017 - a sweep, each end counted
        else:
            passed.append(end)
    assert passed == []


@pytest.mark.parametrize("padding", [b"\0", b"\0\0", b"trailing rubbish"])
@pytest.mark.parametrize(("kind", "data"), [(kind, list_[0]) for kind, list_ in RASTERS.items()], ids=name)
def test_what_follows_the_end_is_ignored(kind, data, padding):
    require_complete(data + padding, kind)


@pytest.mark.parametrize("length", [0, 13, 40])
def test_a_jpeg_2000_tile_of_unknown_length_needs_the_end_marker(length):
    body = b"\xff\x90\x00\x0a\x00\x00" + struct.pack(">IBB", length, 0, 1) + b"\xff\x93" + b"abcdef"
    whole = j2k(body=body)
    if length == 40:  # its length leads beyond the end
        with pytest.raises(FilmError, match="TRUNCATED: its JPEG 2000 data end inside a tile"):
            require_complete(whole, J2K)
        return
    require_complete(whole, J2K)
    require_complete(whole + b"\0", J2K)
    with pytest.raises(FilmError, match="TRUNCATED"):
        require_complete(whole[:-2], J2K)


def png(*chunks):
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )


def tiff(entries):
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + b"\0" * 4


@pytest.mark.parametrize(
    ("kind", "data", "code", "says"),
    [
        ("png", picture("PNG").replace(b"IDAT", b"IDAU", 1), "NOT_DECODABLE", "checksum"),
        ("png", png(*[(b"tEXt", b"")] * 100_001), "NOT_DECODABLE", "more than 100000 chunks"),
        ("jpeg", b"\xff\xd8" + segment(0xDA, b"") * 300 + b"\xff\xd9", "NOT_DECODABLE", "more than 256 scans"),
        ("jpeg", b"\xff\xd8\xff\xd9", "TRUNCATED", "no picture"),
        ("jpeg", b"", "TRUNCATED", "do not begin as JPEG"),
        (J2K, b"\xff\xd8", "TRUNCATED", "do not begin as JPEG 2000"),
        ("tiff", tiff([(273, 4, 2_000_000, 0)]), "NOT_DECODABLE", "more than 1000000 strips"),
        ("tiff", b"II*\0\x08\0\0\0\xff\xff" + b"\0" * 99, "NOT_DECODABLE", "4096 entries"),
        ("tiff", tiff([(273, 4, 1, 60), (279, 4, 1, 4_000_000_000)]), "TRUNCATED", "inside a strip"),
        ("tiff", tiff([(324, 3, 1, 60), (325, 3, 1, 60000)]), "TRUNCATED", "inside a strip"),
        ("bmp", b"BM" + struct.pack("<IHHIIHHHH", 0, 0, 0, 26, 12, 100, 100, 1, 24), "TRUNCATED", "BMP data"),
        ("bmp", b"BM" + struct.pack("<IHHIIiiHHI", 999, 0, 0, 54, 40, 9, 9, 1, 8, 1), "TRUNCATED", "BMP data"),
        (RLE, rle(b"x")[:63], "TRUNCATED", "inside their header"),
        (RLE, rle(b"abc", b"d")[:66], "TRUNCATED", "begin after its end"),
        (RLE, struct.pack("<16I", 1, 9999, *[0] * 14), "TRUNCATED", "begin after its end"),
        (RLE, struct.pack("<16I", 16, 64, *[0] * 14), "TRUNCATED", "counts no segments"),
    ],
    ids=name,
)
def test_damage_has_its_code(kind, data, code, says):
    with pytest.raises(FilmError, match=says) as caught:
        require_complete(data, kind)
    assert caught.value.code == code


def pages(count, *, back_to=None):
    """Return a TIFF of empty directories; the last one leads to the page ``back_to``."""
    starts = [8 + 6 * i for i in range(count)]
    nexts = [*starts[1:], 0 if back_to is None else starts[back_to]]
    return b"II*\0\x08\0\0\0" + b"".join(struct.pack("<HI", 0, at) for at in nexts)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (picture("TIFF"), (1, True)),
        (picture("TIFF", big_tiff=True), (1, True)),
        (picture("TIFF", save_all=True, append_images=[Image.new("L", (3, 3))] * 4), (5, True)),
        (pages(3), (3, True)),
        (pages(3, back_to=0), (3, True)),
        (pages(5000), (1000, True)),
        (pages(3)[:-3], (3, False)),
        (b"II*\0", (1, False)),
    ],
    ids=name,
)
def test_the_pages_of_a_tiff_are_counted_without_reading_them(data, expected):
    assert tiff_pages(data) == expected


def compressed_files(*folders):
    for folder in folders:
        for path in sorted(folder.glob("*.dcm")):
            film = pydicom.dcmread(path, force=True)
            syntax = film.file_meta.get("TransferSyntaxUID")
            if syntax is not None and syntax.is_encapsulated and "PixelData" in film and path.name not in BROKEN:
                yield path, film, str(syntax)


BROKEN = {
    "JPEG2000-embedded-sequence-delimiter.dcm",  # pydicom itself cannot split it
    "emri_small_jpeg_2k_lossless_too_short.dcm",  # its last frame is cut
}


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_real_codestream_is_whole_and_agrees_with_its_header(pydicom_data):
    seen = set()
    for path, film, syntax in compressed_files(BUNDLED, pydicom_data):
        header = Codestream(film.Columns, film.Rows, film.BitsAllocated, film.SamplesPerPixel)
        for frame in generate_frames(film.PixelData, number_of_frames=int(film.get("NumberOfFrames", 1) or 1)):
            assert contradiction(frame, syntax, header) is None, path
            require_complete(frame, syntax, path)
            if syntax != RLE:
                with pytest.raises(FilmError, match="TRUNCATED"):
                    require_complete(frame[: len(frame) * 3 // 4], syntax, path)
        seen.add(syntax[-2:])
    assert seen >= {"50", "51", "70", "80", "81", "90", "91", ".5"}
