import io

import imagecodecs
import numpy as np
import pytest
from pydicom import dcmread, uid
from pydicom.encaps import encapsulate
from pydicom.pixels import pixel_array

from lungspot.errors import FilmError
from lungspot.images import dicom_pixels
from lungspot.images.dicom_header import open_dicom
from lungspot.images.dicom_pixels import decode_pixels


def decoded(data):
    values, notices = decode_pixels(open_dicom(data, "film.dcm"))
    return values, [notice.code for notice in notices]


def refusal(data):
    header = open_dicom(data, "film.dcm")
    with pytest.raises(FilmError) as caught:
        decode_pixels(header)
    assert caught.value.where == "film.dcm"
    return caught.value.code, caught.value.reason


BIG = uid.ExplicitVRBigEndian


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, BIG])
@pytest.mark.parametrize(
    ("shift", "elements"),
    [
        (0, {}),
        (4, {"HighBit": 15}),
        (2, {"HighBit": 13}),
        (0, {"BitsStored": 16, "HighBit": 15}),
    ],
)
def test_native_values_are_aligned(make_dicom, gradient, syntax, shift, elements):
    values, codes = decoded(make_dicom(gradient << shift, syntax=syntax, **elements))
    np.testing.assert_array_equal(values, gradient)
    assert codes == []


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, BIG])
@pytest.mark.parametrize("shape", [(48, 40), (3, 3)])
def test_eight_bits_in_words_are_put_in_order(make_dicom, syntax, shape):
    levels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    film = make_dicom(levels, syntax=syntax)
    np.testing.assert_array_equal(decoded(film)[0], levels)
    start = film.index(b"\x7f\xe0\x00\x10OB" if syntax == BIG else b"\xe0\x7f\x10\x00OB")
    words = film[: start + 4] + b"OW" + film[start + 6 : start + 12]
    pixels = np.frombuffer(film[start + 12 :], np.uint8)
    if syntax == BIG:
        pixels = pixels.reshape(-1, 2)[:, ::-1]
    np.testing.assert_array_equal(decoded(words + pixels.tobytes())[0], levels)


@pytest.mark.parametrize(
    ("elements", "values"),
    [
        ({}, [[-2048, -1], [0, 2047]]),
        ({"BitsStored": 16, "HighBit": 15}, [[-32768, -1], [0, 32767]]),
    ],
)
def test_signed_values_keep_their_sign(make_dicom, elements, values):
    np.testing.assert_array_equal(decoded(make_dicom(np.array(values), **elements))[0], values)


def test_a_sign_in_12_bits_is_found_without_its_extension(make_dicom):
    stored = np.array([[0x800, 0xFFF], [0, 0x7FF]])
    values, _ = decoded(make_dicom(stored, PixelRepresentation=1))
    np.testing.assert_array_equal(values, [[-2048, -1], [0, 2047]])


def test_more_bits_than_the_header_says_are_kept_and_said(make_dicom):
    values, codes = decoded(make_dicom(np.array([[0, 5000], [300, 4095]])))
    np.testing.assert_array_equal(values, [[0, 5000], [300, 4095]])
    assert codes == ["BITS_STORED"]


def test_an_overlay_in_unused_bits_is_taken_away(make_dicom):
    data = make_dicom(np.array([[0, 5000], [300, 4095]]))
    start = data.index(b"\xe0\x7f\x10\x00")
    position = b"\x00\x60\x02\x01US\x02\x00\x0c\x00"  # OverlayBitPosition 12
    values, codes = decoded(data[:start] + position + data[start:])
    np.testing.assert_array_equal(values, [[0, 5000 - 4096], [300, 4095]])
    assert codes == []


# ---------------------------------------------------------------------------------------------------- compressed


def jpeg_lossless(pixels, **_):
    return imagecodecs.jpeg8_encode(pixels.astype(np.uint16), lossless=True, predictor=1, bitspersample=12)


def jpeg_lossless_8(pixels, **_):
    return imagecodecs.jpeg8_encode((pixels >> 4).astype(np.uint8), lossless=True, predictor=1)


def jpeg_ls(pixels, **_):
    return imagecodecs.jpegls_encode(pixels.astype(np.uint16))


def jpeg2000(pixels, **_):
    return imagecodecs.jpeg2k_encode(pixels.astype(np.uint16), codecformat="j2k", bitspersample=12, reversible=True)


def jp2(pixels, **_):
    return imagecodecs.jpeg2k_encode(pixels.astype(np.uint16), codecformat="jp2", bitspersample=12, reversible=True)


def htj2k(pixels, **_):
    return imagecodecs.htj2k_encode(pixels.astype(np.uint16), reversible=True)


LOSSLESS = [
    (uid.JPEGLossless, jpeg_lossless),
    (uid.JPEGLosslessSV1, jpeg_lossless),
    (uid.JPEGLSLossless, jpeg_ls),
    (uid.JPEGLSNearLossless, jpeg_ls),
    (uid.JPEG2000Lossless, jpeg2000),
    (uid.JPEG2000Lossless, jp2),
    (uid.JPEG2000, jpeg2000),
    (uid.HTJ2KLossless, htj2k),
    (uid.HTJ2KLosslessRPCL, htj2k),
    (uid.HTJ2K, htj2k),
]
LOSSY = {uid.JPEGLSNearLossless, uid.JPEG2000, uid.HTJ2K}


def packed(make_dicom, pixels, syntax, streams, *, has_bot=True, **elements):
    return make_dicom(pixels, syntax=syntax, raw=encapsulate(streams, has_bot=has_bot), **elements)


@pytest.mark.parametrize(("syntax", "encode"), LOSSLESS)
def test_every_lossless_syntax_is_bit_equal(make_dicom, gradient, syntax, encode):
    values, codes = decoded(packed(make_dicom, gradient, syntax, [encode(gradient)]))
    np.testing.assert_array_equal(values, gradient)
    assert codes == (["LOSSY"] if syntax in LOSSY else [])


@pytest.mark.parametrize("encode", [uid.RLELossless, uid.JPEGLSLossless, uid.JPEG2000Lossless])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("wide", [False, True])
def test_what_pydicom_compresses_is_bit_equal(make_dicom, gradient, encode, signed, wide):
    pixels = gradient if wide else gradient >> 4
    elements = {}
    if signed:
        pixels = pixels - 2048 if wide else pixels.astype(np.int32) - 100
        elements = {} if wide else {"BitsStored": 16, "HighBit": 15}
    values, codes = decoded(make_dicom(pixels, encode=encode, **elements))
    np.testing.assert_array_equal(values, pixels)
    assert codes == []


@pytest.mark.parametrize("syntax", [uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit])
def test_lossy_jpeg_of_8_bits_is_close(make_dicom, gradient, syntax):
    small = (gradient >> 4).astype(np.uint8)
    stream = imagecodecs.jpeg8_encode(small, level=100)
    values, codes = decoded(packed(make_dicom, small, syntax, [stream]))
    assert codes == ["LOSSY"]
    np.testing.assert_allclose(values, small, atol=2)


def test_lossy_jpeg_of_12_bits_is_close(make_dicom, gradient):
    stream = imagecodecs.jpeg8_encode(gradient.astype(np.uint16), level=100, bitspersample=12)
    values, codes = decoded(packed(make_dicom, gradient, uid.JPEGExtended12Bit, [stream]))
    assert codes == ["LOSSY"]
    np.testing.assert_allclose(values, gradient, atol=3)


def test_a_lossy_decoder_that_overshoots_is_clipped(make_dicom, gradient):
    stream = imagecodecs.jpeg8_encode(gradient.astype(np.uint16), level=100, bitspersample=12)
    values, codes = decoded(packed(make_dicom, gradient, uid.JPEGExtended12Bit, [stream], BitsStored=11, HighBit=10))
    assert values.max() == 2047
    assert codes == ["LOSSY"]


def test_the_first_of_several_frames_is_read_wherever_it_ends(make_dicom, gradient):
    frames = [jpeg2000(gradient), jpeg2000(gradient[::-1]), jpeg2000(gradient // 2)]
    halves = [part for frame in frames for part in (frame[:300], frame[300:])]
    items = b"".join(b"\xfe\xff\x00\xe0" + len(part).to_bytes(4, "little") + part for part in map(even, halves))
    offsets = np.cumsum([0] + [len(even(f[:300])) + len(even(f[300:])) + 16 for f in frames])[:3]
    empty = b"\xfe\xff\x00\xe0" + bytes(4)
    table = b"\xfe\xff\x00\xe0\x0c\0\0\0" + offsets.astype("<u4").tobytes()
    for raw in (encapsulate(frames), encapsulate(frames, has_bot=False), table + items, empty + items):
        film = make_dicom(gradient, syntax=uid.JPEG2000Lossless, raw=raw, NumberOfFrames=3)
        values, codes = decoded(film)
        np.testing.assert_array_equal(values, gradient)
        assert codes == ["FRAME_CHOSEN"]


def even(data):
    return data + bytes(len(data) % 2)


def test_the_first_of_several_native_frames_is_read(make_dicom, gradient):
    both = np.concatenate([gradient, gradient[::-1]])
    values, codes = decoded(make_dicom(gradient, raw=both.astype("<u2").tobytes(), NumberOfFrames=2))
    np.testing.assert_array_equal(values, gradient)
    assert codes == ["FRAME_CHOSEN"]


def test_a_codestream_in_many_fragments_is_joined(make_dicom, gradient):
    raw = encapsulate([jpeg2000(gradient)], fragments_per_frame=5)
    np.testing.assert_array_equal(decoded(make_dicom(gradient, syntax=uid.JPEG2000Lossless, raw=raw))[0], gradient)


@pytest.mark.parametrize(
    ("header_signed", "stream_signed"),
    [(False, True), (True, False)],
)
def test_a_header_that_contradicts_the_codestreams_sign_is_followed(make_dicom, header_signed, stream_signed):
    signed = np.arange(-100, 100).reshape(10, 20)
    unsigned = signed & 0xFFF
    stream = imagecodecs.jpeg2k_encode(
        signed.astype(np.int16) if stream_signed else unsigned.astype(np.uint16),
        codecformat="j2k",
        bitspersample=12,
        reversible=True,
    )
    film = packed(make_dicom, unsigned, uid.JPEG2000Lossless, [stream], PixelRepresentation=int(header_signed))
    values, codes = decoded(film)
    np.testing.assert_array_equal(values, signed if header_signed else unsigned)
    assert codes == ["PIXEL_REPRESENTATION"]


# ------------------------------------------------------------------------------------------------------ refusals


def test_pixels_that_are_cut_are_refused(make_dicom, gradient):
    native = make_dicom(gradient)
    assert refusal(native[:-2]) == ("TRUNCATED", "2 of 3840 bytes of pixel data are missing")
    short = make_dicom(gradient, Rows=49)
    assert refusal(short) == ("TRUNCATED", "3840 bytes of pixel data where its size needs 3920")
    whole = make_dicom(gradient, encode=uid.JPEG2000Lossless)
    for cut in (5, 8, 9, 50):
        assert refusal(whole[:-cut])[0] == "TRUNCATED"
    values, codes = decoded(whole[:-4])  # the pixels are whole, the last element is not
    np.testing.assert_array_equal(values, gradient)
    assert codes == ["TRAILING"]


def test_a_codestream_that_is_cut_is_refused(make_dicom, gradient):
    for syntax, encode in LOSSLESS:
        assert refusal(packed(make_dicom, gradient, syntax, [encode(gradient)[:-40]]))[0] == "TRUNCATED"


def test_pixel_data_that_contradict_the_header_are_refused(make_dicom, gradient):
    stream = jpeg2000(gradient)
    jls = uid.JPEGLSLossless
    for film in (
        packed(make_dicom, gradient[:-1], uid.JPEG2000Lossless, [stream]),
        packed(make_dicom, gradient >> 4, uid.JPEG2000Lossless, [stream]),
        packed(make_dicom, gradient, jls, [stream]),
        packed(make_dicom, np.zeros((40, 60, 3), np.uint8), uid.JPEG2000Lossless, [stream]),
        make_dicom(gradient, syntax=jls, raw=b"\xfe\xff\x00\xe0" + bytes(4)),
    ):
        assert refusal(film)[0] in {"NOT_DECODABLE", "TRUNCATED"}


def test_structure_and_transfer_syntax_must_agree(make_dicom, gradient):
    native = make_dicom(gradient)
    wrong = native.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0")
    assert refusal(wrong) == ("NOT_DECODABLE", "its pixel data are not in fragments, as compressed data are")
    rle = make_dicom(gradient, encode=uid.RLELossless)
    wrong = rle.replace(b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.1\0")
    assert refusal(wrong) == ("NOT_DECODABLE", "its pixel data are in fragments, but no compression is named")


def test_floating_point_pixels_are_refused(make_dicom, gradient):
    film = make_dicom(gradient)
    start = film.index(b"\xe0\x7f\x10\x00OW")
    assert refusal(film[:start] + b"\xe0\x7f\x08\x00OF" + film[start + 6 :]) == (
        "UNSUPPORTED",
        "its pixels are floating-point numbers",
    )


def test_what_a_decoder_raises_becomes_one_refusal(monkeypatch, make_dicom, gradient):
    film = make_dicom(gradient, encode=uid.RLELossless)

    def broken(*_):
        raise RuntimeError("odd")

    monkeypatch.setitem(dicom_pixels._DECODERS, "rle", broken)
    assert refusal(film) == ("NOT_DECODABLE", "its RLE pixel data cannot be decoded (odd)")
    monkeypatch.setitem(dicom_pixels._DECODERS, "rle", lambda *_: np.zeros((3, 3), np.uint8))
    assert refusal(film) == ("NOT_DECODABLE", "its pixel data decode to (3, 3)")


def test_a_want_of_memory_is_not_taken_for_damage(monkeypatch, make_dicom, gradient):
    def want(*_):
        raise MemoryError

    monkeypatch.setitem(dicom_pixels._DECODERS, "rle", want)
    with pytest.raises(MemoryError):
        decode_pixels(open_dicom(make_dicom(gradient, encode=uid.RLELossless), "film.dcm"))


@pytest.mark.parametrize(
    ("after", "codes"),
    [
        (b"", []),
        (bytes(1), []),
        (bytes(300), []),
        (b"\xfc\xff\xfc\xffOB\0\0\x04\0\0\0abcd", []),  # DataSetTrailingPadding
        (b"\xfe\x7f\x01\0LO\x02\0ab", []),
        (b"\xfe\x7f\x01\0SQ\0\0\xff\xff\xff\xff", []),
        (b"\xfc\xff\xfc\xffOB\0\0\x04\0\0\0abc", ["TRAILING"]),
        (b"\xfc\xff\xfc\xffOB\0\0\x04\0", ["TRAILING"]),
        (b"\xfc\xff", ["TRAILING"]),
    ],
)
def test_what_follows_the_pixels_must_make_sense(make_dicom, gradient, after, codes):
    assert decoded(make_dicom(gradient) + after)[1] == codes


def test_more_pixel_data_than_needed_is_said(make_dicom, gradient):
    film = make_dicom(gradient, raw=gradient.astype("<u2").tobytes() + bytes(6))
    values, codes = decoded(film)
    np.testing.assert_array_equal(values, gradient)
    assert codes == ["SIZE_MISMATCH"]


@pytest.mark.parametrize(("said", "codes"), [("01", ["LOSSY"]), ("00", []), (None, [])])
def test_a_native_film_that_was_lossy_once_says_so(make_dicom, gradient, said, codes):
    elements = {} if said is None else {"LossyImageCompression": said}
    assert decoded(make_dicom(gradient, **elements))[1] == codes


# ---------------------------------------------------------------------------------------- against another decoder


@pytest.mark.filterwarnings("ignore")
def test_values_are_those_of_pydicom_on_its_own_files(relabel, pydicom_files):
    """Every grey picture among pydicom's files, called a CR: the same values, of whatever syntax, sign and depth."""
    compared = 0
    for path in pydicom_files:
        dataset = dcmread(path, force=True, stop_before_pixels=True)
        fits = dataset.get("SamplesPerPixel") == 1 and dataset.get("BitsAllocated") in {8, 16}
        if not fits or dataset.PhotometricInterpretation == "PALETTE COLOR":
            continue
        film = relabel(path)
        try:
            reference = pixel_array(io.BytesIO(film), index=0, raw=True)
        except (RuntimeError, ValueError, AttributeError):  # pydicom has no decoder here, or refuses it
            continue
        values, _ = decoded(film)
        np.testing.assert_array_equal(values, reference, err_msg=path.name)
        compared += 1
    assert compared >= 40
