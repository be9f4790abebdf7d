"""Real films: what each becomes; the same film in every encoding; every file of pydicom refused by its name."""

import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate

from lungspot.errors import FilmError
from lungspot.images import read
from lungspot.images.radiograph import Sex, View

# file → size, bits, modality, inverted, view, laterality, body part, spacing, age, sex, codes of notices
FILMS = {
    "RG1_J2KI.dcm": (1955, 1841, 15, "CR", True, "PA", None, "CHEST", None, 64.48, "F", "LOSSY"),
    "dx_pa_966_j2k_lossless.dcm": (2128, 2000, 12, "DX", True, "PA", "R", "CHEST", (0.16, 0.16), None, "UNKNOWN", ""),
    "gdcm-CR-MONO1-10-chest.dcm": (440, 440, 10, "CR", True, "PA", None, "CHEST", None, None, "UNKNOWN", ""),
    "nih_dx_implicit_vr.dcm": (
        *(1024, 1024, 8, "DX", False, "UNKNOWN", None, None, None, 81, "M"),
        "SECONDARY_CAPTURE NO_WINDOW",
    ),
    "not_a_chest_dog.dcm": (
        *(169, 211, 8, "DX", True, "UNKNOWN", "L", "THORAX", (1.2, 1.201199999999), 5, "F"),
        "CHILD",
    ),
    "not_a_chest_hip_J2KR.dcm": (
        *(2140, 1760, 10, "CR", False, "UNKNOWN", None, "HIP", (0.2, 0.2), None, "M"),
        "BODY_PART",
    ),
    "not_a_chest_tibia_JLSL.dcm": (
        *(1760, 1760, 10, "CR", True, "AP", "R", "EXTREMITY", None, 25.39, "F"),
        "BODY_PART MIRRORED",
    ),
    "not_a_chest_tibia_JPLL.dcm": (
        *(1760, 1760, 10, "CR", True, "AP", "R", "EXTREMITY", None, 25.39, "F"),
        "BODY_PART MIRRORED",
    ),
    "not_a_chest_tibia_JPLY.dcm": (
        *(1760, 1760, 10, "CR", True, "AP", "R", "EXTREMITY", None, 25.39, "F"),
        "BODY_PART MIRRORED LOSSY",
    ),
    "not_a_chest_tibia_RLE.dcm": (
        *(1760, 1760, 10, "CR", True, "AP", "R", "EXTREMITY", None, 24.67, "F"),
        "PREAMBLE BODY_PART MIRRORED",
    ),
}
# (row, column, height, width) as parts of the film where the reader knows what is dense and what is air
DENSE_AND_AIR = {
    "RG1_J2KI.dcm": ((0.3, 0.49), (0.2, 0.3)),  # spine, lung
    "dx_pa_966_j2k_lossless.dcm": ((0.8, 0.5), (0.02, 0.02)),  # below the diaphragm, beside the neck
    "gdcm-CR-MONO1-10-chest.dcm": ((0.3, 0.49), (0.5, 0.25)),
    "nih_dx_implicit_vr.dcm": ((0.85, 0.4), (0.4, 0.3)),
    "not_a_chest_tibia_JLSL.dcm": ((0.5, 0.5), (0.9, 0.3)),  # bone, beside the leg
}


@pytest.mark.parametrize("name", FILMS)
def test_a_real_film_gives_its_facts(shared_data, name):
    film = read(shared_data / "dicom" / name, sandboxed=False)
    height, width, bits, modality, inverted, view, side, part, spacing, age, sex, codes = FILMS[name]
    assert film.pixels.shape == (height, width)
    assert (film.bits, film.origin.modality, film.inverted) == (bits, modality, inverted)
    assert (film.view, film.laterality, film.body_part, film.sex) == (View(view), side, part, Sex(sex))
    assert film.pixel_spacing_mm == spacing
    assert film.age_years == (None if age is None else pytest.approx(age, abs=0.01))
    assert " ".join(notice.code for notice in film.notices) == codes
    assert (film.pixels.min(), film.pixels.max()) == (0, 1)


@pytest.mark.parametrize("name", DENSE_AND_AIR)
def test_what_is_dense_is_white(shared_data, name):
    film = read(shared_data / "dicom" / name, sandboxed=False)
    height, width = film.pixels.shape
    dense, air = (
        film.pixels[int(row * height) :, int(column * width) :][:20, :20].mean() for row, column in DENSE_AND_AIR[name]
    )
    assert dense > air + 0.2


def test_the_broken_twin_is_one_refusal(shared_data):
    path = shared_data / "dicom" / "dx_pa_966_broken.dcm"
    with pytest.raises(FilmError) as caught:
        read(path)
    assert (caught.value.code, caught.value.where) == ("NOT_DECODABLE", str(path))
    assert "\n" not in str(caught.value)


def test_no_file_of_the_folder_is_left_out(shared_data):
    names = {path.name for path in (shared_data / "dicom").glob("*.dcm")}
    assert names == FILMS.keys() | {"dx_pa_966_broken.dcm"}


@pytest.mark.parametrize(("one", "other"), [("UNCR", "J2KR"), ("UNCI", "J2KI")])
def test_one_real_film_in_two_encodings_is_bit_identical(rg1, one, other):
    films = [read(rg1[name], sandboxed=False) for name in (one, other)]
    assert films[0].pixels.shape == (1955, 1841)
    assert films[0].inverted
    np.testing.assert_array_equal(films[0].pixels, films[1].pixels)
    assert (films[0].bits, films[0].view, films[0].age_years) == (films[1].bits, films[1].view, films[1].age_years)


def test_a_lossy_copy_of_a_real_film_is_close(rg1):
    exact, lossy = (read(rg1[name], sandboxed=False).pixels for name in ("UNCR", "UNCI"))
    assert np.abs(exact - lossy).mean() < 0.004


# ------------------------------------------------------------------------------------- one film, every encoding


def raster(pixels, kind, **options):
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, kind, **options)
    return sink.getvalue()


def deep(levels, bits):
    """Return 12-bit levels as levels of another depth."""
    return np.rint(levels * (((1 << bits) - 1) / 4095)).astype(np.uint16 if bits > 8 else np.uint8)


def jpeg_lossless(levels, predictor):
    return imagecodecs.jpeg8_encode(levels.astype(np.uint16), lossless=True, predictor=predictor, bitspersample=12)


NATIVE = [
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
]
SAME = {
    **{f"native {syntax.name}": (lambda m, g, s=syntax: m(g, syntax=s)) for syntax in NATIVE},
    **{
        f"compressed {syntax.name}": (lambda m, g, s=syntax: m(g, encode=s))
        for syntax in (uid.RLELossless, uid.JPEGLSLossless, uid.JPEG2000Lossless)
    },
    **{
        f"compressed {syntax.name}": (lambda m, g, s=syntax, e=encode: m(g, syntax=s, raw=encapsulate([e(g)])))
        for syntax, encode in (
            (uid.JPEGLossless, lambda g: jpeg_lossless(g, 6)),
            (uid.JPEGLosslessSV1, lambda g: jpeg_lossless(g, 1)),
            (uid.HTJ2KLossless, lambda g: imagecodecs.htj2k_encode(g.astype(np.uint16), reversible=True)),
            (uid.HTJ2KLosslessRPCL, lambda g: imagecodecs.htj2k_encode(g.astype(np.uint16), reversible=True)),
        )
    },
    "no preamble": lambda m, g: m(g, preamble=False),
    "no meta": lambda m, g: m(g, meta=False),
    "implicit, no meta": lambda m, g: m(g, meta=False, syntax=uid.ImplicitVRLittleEndian),
    "big endian, no meta": lambda m, g: m(g, meta=False, syntax=uid.ExplicitVRBigEndian),
    "MONOCHROME1": lambda m, g: m(4095 - g, PhotometricInterpretation="MONOCHROME1"),
    "MONOCHROME1, windowed": lambda m, g: m(
        4095 - g, PhotometricInterpretation="MONOCHROME1", WindowCenter=2048, WindowWidth=4096
    ),
    "windowed": lambda m, g: m(g, WindowCenter=2048, WindowWidth=4096),
    "signed": lambda m, g: m(g - 2048),
    "16 bit": lambda m, g: m(deep(g, 16), BitsStored=16, HighBit=15),
    "14 bit": lambda m, g: m(deep(g, 14), BitsStored=14, HighBit=13),
    "12 bit at the top": lambda m, g: m(g << 4, HighBit=15),
    "12 bit called 16": lambda m, g: m(g, BitsStored=16, HighBit=15),
    "rescaled": lambda m, g: m(g, RescaleSlope="2.5", RescaleIntercept="-1024"),
    "rescaled, windowed": lambda m, g: m(
        g, RescaleSlope="2.5", RescaleIntercept="-1024", WindowCenter="4000", WindowWidth="12000"
    ),
    "8 bit": lambda m, g: m(deep(g, 8)),
    "8 bit MONOCHROME1": lambda m, g: m(255 - deep(g, 8), PhotometricInterpretation="MONOCHROME1"),
    "RGB": lambda m, g: m(np.dstack([deep(g, 8)] * 3)),
    "secondary capture": lambda m, g: m(g, SOPClassUID=uid.SecondaryCaptureImageStorage),
    "PNG 16": lambda _, g: raster(deep(g, 16), "png"),
    "PNG 12 in 16": lambda _, g: raster(g.astype(np.uint16), "png"),
    "PNG 8": lambda _, g: raster(deep(g, 8), "png"),
    "TIFF 16": lambda _, g: raster(deep(g, 16), "tiff", compression="tiff_lzw"),
    "TIFF of real numbers": lambda _, g: raster((g / 4095).astype(np.float32), "tiff"),
    "BMP": lambda _, g: raster(deep(g, 8), "bmp"),
    "WebP": lambda _, g: raster(deep(g, 8), "webp", lossless=True),
}


@pytest.mark.parametrize("encoding", SAME)
def test_one_film_is_the_same_in_every_encoding(make_dicom, gradient, encoding):
    film = read(SAME[encoding](make_dicom, gradient), sandboxed=False)
    expected = (gradient - gradient.min()) / np.ptp(gradient)
    steps = 2 ** min(film.bits, 12) - 1
    tolerance = 1.1 / steps if film.bits == 8 or encoding in {"14 bit", "16 bit", "PNG 16", "TIFF 16"} else 1e-6
    np.testing.assert_allclose(film.pixels, expected, atol=tolerance)
    assert film.inverted == ("MONOCHROME1" in encoding)


def test_a_converted_film_is_the_film(rg1):
    """What is read from a PNG written from a film is that film: reading adds and takes nothing."""
    film = read(rg1["UNCR"], sandboxed=False)
    again = read(raster(np.rint(film.pixels * 65535).astype(np.uint16), "png"), sandboxed=False)
    np.testing.assert_allclose(again.pixels, film.pixels, atol=0.51 / 65535)


# -------------------------------------------------------------------------------- every file of pydicom's, refused

REFUSED = {
    "NOT_A_RADIOGRAPH": (
        "693_J2KI 693_J2KR 693_UNCI 693_UNCR CT_small ExplVR_BigEnd GDCMJ2K_TextGBR J2K_pixelrep_mismatch JPEG-LL "
        "JPEG-lossy JPEG2000 JPEG2000-embedded-sequence-delimiter JPEG2000_UNC JPEGLSNearLossless_08 "
        "JPEGLSNearLossless_16 JPGExtended JPGLosslessP14SV1_1s_1f_8b MR-SIEMENS-DICOM-WithOverlays MR2_J2KI MR2_J2KR "
        "MR2_UNCI MR2_UNCR MR_small MR_small_RLE MR_small_bigendian MR_small_expb MR_small_implicit "
        "MR_small_jp2klossless MR_small_jpeg_ls_lossless MR_small_padded MR_truncated OBXXXX1A OBXXXX1A_2frame "
        "OBXXXX1A_expb OBXXXX1A_expb_2frame OBXXXX1A_rle OBXXXX1A_rle_2frame OT-PAL-8-face SC_jpeg_no_color_transform "
        "SC_jpeg_no_color_transform_2 SC_rgb SC_rgb_16bit SC_rgb_16bit_2frame SC_rgb_2frame SC_rgb_32bit "
        "SC_rgb_32bit_2frame SC_rgb_dcmtk_+eb+cr SC_rgb_dcmtk_+eb+cy+n1 SC_rgb_dcmtk_+eb+cy+n2 SC_rgb_dcmtk_+eb+cy+np "
        "SC_rgb_dcmtk_+eb+cy+s2 SC_rgb_dcmtk_+eb+cy+s4 SC_rgb_dcmtk_ebcr_dcmd SC_rgb_dcmtk_ebcyn1_dcmd "
        "SC_rgb_dcmtk_ebcyn2_dcmd SC_rgb_dcmtk_ebcynp_dcmd SC_rgb_dcmtk_ebcys2_dcmd SC_rgb_dcmtk_ebcys4_dcmd "
        "SC_rgb_expb SC_rgb_expb_16bit SC_rgb_expb_16bit_2frame SC_rgb_expb_2frame SC_rgb_expb_32bit "
        "SC_rgb_expb_32bit_2frame SC_rgb_gdcm2k_uncompressed SC_rgb_gdcm_KY SC_rgb_jls_lossy_line "
        "SC_rgb_jls_lossy_sample SC_rgb_jpeg SC_rgb_jpeg_app14_dcmd SC_rgb_jpeg_dcmd SC_rgb_jpeg_dcmtk "
        "SC_rgb_jpeg_gdcm SC_rgb_jpeg_lossy_gdcm SC_rgb_rle SC_rgb_rle_16bit SC_rgb_rle_16bit_2frame SC_rgb_rle_2frame "
        "SC_rgb_rle_32bit SC_rgb_rle_32bit_2frame SC_rgb_small_odd SC_rgb_small_odd_big_endian SC_rgb_small_odd_jpeg "
        "SC_ybr_full_422_uncompressed SC_ybr_full_uncompressed US1_J2KI US1_J2KR US1_UNCI US1_UNCR badVR bad_sequence "
        "color-pl color-px color3d_jpeg_baseline eCT_Supplemental emri_small emri_small_RLE emri_small_big_endian "
        "emri_small_jpeg_2k_lossless emri_small_jpeg_2k_lossless_too_short emri_small_jpeg_ls_lossless "
        "examples_jpeg2k examples_overlay examples_palette examples_rgb_color examples_ybr_color explicit_VR-UN "
        "gdcm-US-ALOKA-16 gdcm-US-ALOKA-16_big image_dfl liver liver_1frame liver_expb liver_expb_1frame mlut_18 "
        "rtdose rtdose_1frame rtdose_expb rtdose_expb_1frame rtdose_rle rtdose_rle_1frame vlut_04"
    ),
    "NO_PIXELS": (
        "ExplVR_BigEndNoMeta ExplVR_LitEndNoMeta UN_sequence empty_charset_LEI meta_missing_tsyntax nested_priv_SQ "
        "no_meta_group_length priv_SQ reportsi reportsi_with_empty_number_tags rtplan rtplan_truncated rtstruct "
        "test-SR waveform_ecg"
    ),
    "NOT_AN_IMAGE": "no_meta",  # it begins in the middle of an element
}
CHEST_OR_LEG = {f"RG{n}_{kind}" for n in (1, 3) for kind in ("J2KI", "J2KR", "UNCI", "UNCR")}


def test_every_file_of_pydicom_is_read_or_refused_with_its_code(pydicom_files):
    expected = {name: code for code, names in REFUSED.items() for name in names.split()}
    found = {}
    for path in pydicom_files:
        try:
            read(path, sandboxed=False)
        except FilmError as error:
            found[path.stem] = error.code
        else:
            found[path.stem] = "read"
    assert found == expected | dict.fromkeys(CHEST_OR_LEG, "read")


# files of REFUSED that hold a picture lungspot could read, were it a radiograph, and the code where it could not
UNREADABLE = {
    "DIMENSIONS": (
        "SC_rgb_32bit SC_rgb_32bit_2frame SC_rgb_expb_32bit SC_rgb_expb_32bit_2frame SC_rgb_rle_32bit "
        "SC_rgb_rle_32bit_2frame badVR liver liver_1frame liver_expb liver_expb_1frame rtdose rtdose_1frame "
        "rtdose_expb rtdose_expb_1frame rtdose_rle rtdose_rle_1frame"
    ),
    "NOT_DECODABLE": "JPEG2000-embedded-sequence-delimiter",
    "TRUNCATED": "MR_truncated emri_small_jpeg_2k_lossless_too_short",
}


@pytest.mark.filterwarnings("ignore")
def test_every_picture_of_pydicom_called_a_film_is_read_or_refused_with_its_code(relabel, pydicom_files):
    expected = {name: code for code, names in UNREADABLE.items() for name in names.split()}
    pictures = set(REFUSED["NOT_A_RADIOGRAPH"].split())
    found = {}
    for path in pydicom_files:
        if path.stem not in pictures:
            continue
        try:
            data = relabel(path)
        except (TypeError, AttributeError):  # pydicom cannot write what it read
            continue
        try:
            read(data, sandboxed=False)
        except FilmError as error:
            found[path.stem] = error.code
    assert found == expected


@pytest.mark.parametrize(
    ("preamble", "codes"),
    [
        (b"MZ", ["PREAMBLE", "NO_WINDOW"]),
        (b"\x7fELF", ["PREAMBLE", "NO_WINDOW"]),
        (b"II*\0", ["PREAMBLE", "NO_WINDOW"]),
        (b"\0\0", ["NO_WINDOW"]),
    ],
)
def test_a_preamble_that_is_another_file_is_said(make_dicom, gradient, preamble, codes):
    film = read(preamble.ljust(128, b"\0") + make_dicom(gradient)[128:], sandboxed=False)
    assert [notice.code for notice in film.notices] == codes
