"""DCMTK, the reference toolkit of the field: films that it encodes, and its decoders beside ours."""

import imagecodecs
import numpy as np
import pytest
from pydicom import dcmread, uid
from pydicom.encaps import encapsulate

from lungspot.images import read
from lungspot.images.dicom_header import open_dicom
from lungspot.images.dicom_pixels import decode_pixels


@pytest.fixture(scope="module")
def part(rg1):
    """A part of a real chest film: 15 bit, 301 x 260, an odd number of rows."""
    return dcmread(rg1["UNCR"]).pixel_array[700:1001, 500:760].astype(np.int32)


@pytest.fixture(scope="module")
def film(part, make_dicom, tmp_path_factory):
    """That part as an uncompressed DICOM file."""
    path = tmp_path_factory.mktemp("film") / "film.dcm"
    path.write_bytes(make_dicom(part, BitsStored=15, HighBit=14, PhotometricInterpretation="MONOCHROME1"))
    return path


LOSSLESS = {
    "dcmcjpeg +e1": uid.JPEGLosslessSV1,
    **{f"dcmcjpeg +el +sv {predictor}": uid.JPEGLossless for predictor in range(1, 8)},
    "dcmcjpls +el": uid.JPEGLSLossless,
    "dcmcrle": uid.RLELossless,
    "dcmconv +ti": uid.ImplicitVRLittleEndian,
    "dcmconv +te": uid.ExplicitVRLittleEndian,
    "dcmconv +tb": uid.ExplicitVRBigEndian,
    "dcmconv +td": uid.DeflatedExplicitVRLittleEndian,
    "dcmconv -F +te": None,  # a bare data set, without preamble and file meta
    "dcmconv -F +ti": None,
    "dcmconv -F +tb": None,
    "dcmconv +te -e": uid.ExplicitVRLittleEndian,  # sequences of undefined length
    "dcmconv +te +p 512 512": uid.ExplicitVRLittleEndian,  # padded
}


@pytest.mark.parametrize("command", LOSSLESS)
def test_a_film_that_dcmtk_re_encodes_is_the_same_film(dcmtk, film, tmp_path, command):
    other = tmp_path / "other.dcm"
    dcmtk(*command.split(), film, other)
    one, two = read(film), read(other)
    assert two.origin.transfer_syntax == LOSSLESS[command]
    np.testing.assert_array_equal(one.pixels, two.pixels)
    assert [notice.code for notice in two.notices] == ["NO_WINDOW"]
    assert (two.inverted, two.bits) == (True, 15)


@pytest.mark.parametrize(
    ("command", "syntax", "tolerance"),
    [
        ("dcmcjpls +en +md 2", uid.JPEGLSNearLossless, 2 / 15_000),
        ("dcmcjpeg +ee +q 100", uid.JPEGExtended12Bit, 0.02),
        ("dcmcjpeg +eb +q 100", uid.JPEGBaseline8Bit, 0.03),
    ],
)
def test_a_film_that_dcmtk_compresses_with_loss_is_close(dcmtk, film, tmp_path, command, syntax, tolerance):
    other = tmp_path / "other.dcm"
    dcmtk(*command.split(), film, other)
    one, two = read(film), read(other)
    assert two.origin.transfer_syntax == syntax
    assert "LOSSY" in [notice.code for notice in two.notices]
    assert np.abs(one.pixels - two.pixels).mean() < tolerance


# -------------------------------------------------------------------------------------------- decoder beside decoder

_DECODER = {"jpeg": "dcmdjpeg", "jpeg-ls": "dcmdjpls", "rle": "dcmdrle"}


def both(dcmtk, data, tmp_path):
    """Return the values that we and DCMTK decode."""
    compressed, plain = tmp_path / "compressed.dcm", tmp_path / "plain.dcm"
    compressed.write_bytes(data)
    header = open_dicom(data, "film")
    dcmtk(_DECODER[header.encoding], compressed, plain)
    reference = open_dicom(plain.read_bytes(), "film")
    assert reference.encoding == "native"
    return decode_pixels(header)[0], decode_pixels(reference)[0]


def jpeg_lossless(predictor):
    def encode(pixels):
        return imagecodecs.jpeg8_encode(pixels.astype(np.uint16), lossless=True, predictor=predictor, bitspersample=16)

    return encode


@pytest.mark.parametrize(
    ("syntax", "encode"),
    [
        *((uid.JPEGLossless, jpeg_lossless(predictor)) for predictor in range(1, 8)),
        (uid.JPEGLSLossless, lambda pixels: imagecodecs.jpegls_encode(pixels.astype(np.uint16))),
    ],
)
def test_what_we_decode_dcmtk_decodes_alike(dcmtk, part, make_dicom, tmp_path, syntax, encode):
    data = make_dicom(part, syntax=syntax, raw=encapsulate([encode(part)]), BitsStored=16, HighBit=15)
    ours, theirs = both(dcmtk, data, tmp_path)
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(ours, part)


@pytest.mark.parametrize(
    "name", ["not_a_chest_tibia_JLSL.dcm", "not_a_chest_tibia_JPLL.dcm", "not_a_chest_tibia_RLE.dcm"]
)
def test_a_real_lossless_film_is_bit_equal_to_dcmtk(dcmtk, shared_data, tmp_path, name):
    ours, theirs = both(dcmtk, (shared_data / "dicom" / name).read_bytes(), tmp_path)
    np.testing.assert_array_equal(ours, theirs)


def test_a_real_lossy_film_is_within_two_levels_of_dcmtk(dcmtk, shared_data, tmp_path):
    ours, theirs = both(dcmtk, (shared_data / "dicom" / "not_a_chest_tibia_JPLY.dcm").read_bytes(), tmp_path)
    assert np.abs(ours - np.minimum(theirs, 1023)).max() <= 2


# grey pictures among pydicom's files in the syntaxes that DCMTK decodes
_COMPRESSED = [
    "JPEG-LL",
    "JPGLosslessP14SV1_1s_1f_8b",
    "bad_sequence",
    "MR_small_RLE",
    "emri_small_RLE",
    "MR_small_jpeg_ls_lossless",
    "emri_small_jpeg_ls_lossless",
    "JPEGLSNearLossless_08",
    "JPEGLSNearLossless_16",
    "JPEG-lossy",
    "JPGExtended",
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", _COMPRESSED)
def test_pydicoms_files_are_decoded_as_dcmtk_does(dcmtk, relabel, pydicom_files, tmp_path, name):
    path = next(path for path in pydicom_files if path.stem == name)
    ours, theirs = both(dcmtk, relabel(path), tmp_path)
    if name in {"JPEG-lossy", "JPGExtended"}:
        assert np.abs(ours - theirs).max() <= 2
    else:
        np.testing.assert_array_equal(ours, theirs)
