import imagecodecs
import numpy as np
import pytest
from jpeg_ls import encode_buffer
from pydicom import uid
from pydicom.encaps import encapsulate

from lungspot.errors import FilmError
from lungspot.images.dicom_header import open_dicom
from lungspot.images.dicom_pixels import decode_pixels

RED = np.zeros((40, 60, 3), np.uint8) + np.array([200, 20, 20], np.uint8)
RED[0, 0] = 10, 10, 10


def decoded(data):
    values, notices = decode_pixels(open_dicom(data, "film.dcm"))
    return values, [notice.code for notice in notices]


def refusal(data):
    header = open_dicom(data, "film.dcm")
    with pytest.raises(FilmError) as caught:
        decode_pixels(header)
    assert caught.value.where == "film.dcm"
    return caught.value.code, caught.value.reason


def packed(make_dicom, pixels, syntax, streams, *, has_bot=True, **elements):
    return make_dicom(pixels, syntax=syntax, raw=encapsulate(streams, has_bot=has_bot), **elements)


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
@pytest.mark.parametrize("planar", [0, 1])
def test_colour_becomes_brightness(make_dicom, syntax, planar):
    raw = np.moveaxis(RED, -1, 0).tobytes() if planar else None
    values, codes = decoded(make_dicom(RED, syntax=syntax, raw=raw, PlanarConfiguration=planar))
    assert np.unique(values).tolist() == [10, 74]  # 0.299 * 200 + 0.587 * 20 + 0.114 * 20
    assert codes == ["COLOR_CONVERTED"]


@pytest.mark.parametrize("encode", [uid.RLELossless, uid.JPEGLSLossless, uid.JPEG2000Lossless])
def test_compressed_colour_becomes_brightness(make_dicom, encode):
    values, codes = decoded(make_dicom(RED, encode=encode))
    assert np.unique(values).tolist() == [10, 74]
    assert codes == ["COLOR_CONVERTED"]


@pytest.mark.parametrize("interleave", ["none", "sample"])
def test_jpeg_ls_colour_is_read_plane_by_plane_or_pixel_by_pixel(make_dicom, interleave):
    pixels = np.moveaxis(RED, -1, 0).tobytes() if interleave == "none" else RED.tobytes()
    stream = encode_buffer(pixels, 40, 60, 3, 8, interleave_mode=0 if interleave == "none" else 2)
    values, codes = decoded(packed(make_dicom, RED, uid.JPEGLSLossless, [bytes(stream)]))
    assert np.unique(values).tolist() == [10, 74]
    assert codes == ["COLOR_CONVERTED"]


def test_a_jpeg_of_rgb_is_not_taken_for_ycbcr(make_dicom):
    stream = imagecodecs.jpeg8_encode(RED, level=100, colorspace="RGB", outcolorspace="RGB")
    values, codes = decoded(packed(make_dicom, RED, uid.JPEGBaseline8Bit, [stream]))
    np.testing.assert_allclose(values, np.where(RED[..., 0] == 10, 10, 74), atol=12)
    assert codes == ["LOSSY", "COLOR_CONVERTED"]


def test_grey_in_three_channels_loses_nothing(make_dicom):
    grey = np.dstack([np.arange(24, dtype=np.uint8).reshape(4, 6)] * 3)
    values, codes = decoded(make_dicom(grey))
    np.testing.assert_array_equal(values, grey[..., 0])
    assert codes == []


def test_of_ybr_the_brightness_is_taken(make_dicom):
    values, codes = decoded(make_dicom(RED, PhotometricInterpretation="YBR_FULL"))
    assert np.unique(values).tolist() == [10, 200]
    assert codes == ["COLOR_CONVERTED"]
    subsampled = bytes([1, 2, 128, 128, 3, 4, 128, 128])
    film = make_dicom(np.zeros((2, 2, 3), np.uint8), raw=subsampled, PhotometricInterpretation="YBR_FULL_422")
    np.testing.assert_array_equal(decoded(film)[0], [[1, 2], [3, 4]])


def test_a_palette_is_looked_up(make_dicom):
    table = (np.arange(4) * 20000).astype("<u2").tobytes()
    said = {
        "PhotometricInterpretation": "PALETTE COLOR",
        **{f"{color}PaletteColorLookupTableDescriptor": [4, 0, 16] for color in ("Red", "Green", "Blue")},
        **{f"{color}PaletteColorLookupTableData": table for color in ("Red", "Green", "Blue")},
    }
    index = np.array([[0, 1], [2, 3]], np.uint8)
    values, codes = decoded(make_dicom(index, **said))
    np.testing.assert_array_equal(values, index.astype(int) * 20000)
    assert codes == []
    assert refusal(make_dicom(index, PhotometricInterpretation="PALETTE COLOR")) == (
        "NOT_DECODABLE",
        "its colour palette is damaged",
    )
