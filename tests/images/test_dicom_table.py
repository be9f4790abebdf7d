"""Look-up tables as devices write them, each beside what DCMTK shows."""

import itertools

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from lungspot.errors import FilmError
from lungspot.images import Pseudonyms, deidentified, read
from lungspot.images.dicom_table import table_in

FILM = np.add.outer(np.arange(64) * 64, np.arange(64))  # 12 bit, every level once
CURVE = np.rint(65535 * np.sqrt(np.arange(4096) / 4095))  # half of its entries have the highest bit
_OPTION = {ImplicitVRLittleEndian: "+ti", ExplicitVRLittleEndian: "+te", ExplicitVRBigEndian: "+tb"}
KEY = Pseudonyms(b"0123456789abcdef")


def item(entries, first, bits=16, *, vr="OW", sign="US", announced=None, packed=False):
    """A table's sequence item: entries as they are written, with the VRs that a device gave them."""
    made = Dataset()
    count = (len(entries) if announced is None else announced) % 65536
    said = np.array([count, first, bits], dtype=np.int64).astype(np.uint16)
    made.add_new("LUTDescriptor", sign, said.astype("i2" if sign == "SS" else "u2").tolist())
    data = np.asarray(entries).astype(np.int64)
    if vr in {"US", "SS"}:
        words = data.astype(np.uint8).view("<u2") if packed else data.astype(np.uint16)
        made.add_new("LUTData", vr, words.astype("i2" if vr == "SS" else "u2").tolist())
    else:
        raw = data.astype(np.uint8 if packed else "<u2").tobytes()
        made.add_new("LUTData", vr, raw + bytes(len(raw) % 2))
    return made


def shown(data):
    film = read(data, sandboxed=False)
    return film.pixels, {notice.code for notice in film.notices}


def as_dcmtk_shows(dcmtk, data, tmp_path):
    (tmp_path / "film.dcm").write_bytes(data)
    dcmtk("dcm2pnm", "+Wl", "1", "+opw", tmp_path / "film.dcm", tmp_path / "film.pgm")
    said = (tmp_path / "film.pgm").read_text().split("\n", 1)[1]
    words = " ".join(line for line in said.splitlines() if not line.startswith("#")).split()
    columns, rows, _ = map(int, words[:3])
    grey = np.array(words[3:], dtype=np.float64).reshape(rows, columns)
    return (grey - grey.min()) / np.ptp(grey)


def bytes_of(made):
    sink = DicomBytesIO()
    made.save_as(sink, enforce_file_format=True)
    return sink.getvalue()


VRS = ("US", "SS", "OW", "OB", "UN")
LENGTHS = (-5, -1, 0, 1, 5)


@pytest.mark.parametrize(("vr", "more"), list(itertools.product(VRS, LENGTHS)))
def test_every_vr_and_length_is_shown_as_dcmtk_shows_it(make_dicom, dcmtk, tmp_path, vr, more):
    entries = np.concatenate([CURVE, [CURVE[-1]] * 5])[: 4096 + more]
    data = make_dicom(FILM, VOILUTSequence=[item(entries, 0, vr=vr, announced=4096)])
    pixels, codes = shown(data)
    assert codes == ({"LUT_LENGTH"} if more else set())
    np.testing.assert_allclose(pixels, CURVE[np.minimum(FILM, 4095 + min(more, 0))] / entries.max(), atol=1e-6)
    if vr in {"US", "OW"}:  # DCMTK leaves tables of other VRs out
        np.testing.assert_allclose(pixels, as_dcmtk_shows(dcmtk, data, tmp_path), atol=2 / 65535)
    again, _ = shown(bytes_of(deidentified(data, KEY)))
    np.testing.assert_array_equal(again, pixels)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("sign", ["US", "SS"])
@pytest.mark.parametrize(
    ("kind", "elements", "first", "film"),
    [
        ("VOI", {"RescaleIntercept": "-1024", "RescaleSlope": "1"}, -1024, FILM),
        ("VOI", {"RescaleIntercept": "-4095", "RescaleSlope": "1"}, -4095, FILM),
        ("VOI", {"RescaleIntercept": "60000", "RescaleSlope": "1"}, 60000, FILM),
        ("VOI", {"RescaleIntercept": "40000", "RescaleSlope": "-1"}, 35905, FILM),
        ("VOI", {}, -2048, FILM - 2048),
        ("VOI", {}, 0, FILM),
        ("Modality", {}, -2048, FILM - 2048),
        ("Modality", {}, 0, FILM),
    ],
)
def test_the_first_input_has_the_sign_of_the_inputs(
    make_dicom, dcmtk, tmp_path, syntax, sign, kind, elements, first, film
):
    lut = item(CURVE, first % 65536, sign=sign)
    (tmp_path / "a.dcm").write_bytes(make_dicom(film, **{f"{kind}LUTSequence": [lut]}, **elements))
    dcmtk("dcmconv", _OPTION[syntax], tmp_path / "a.dcm", tmp_path / "b.dcm")
    pixels, codes = shown(tmp_path / "b.dcm")
    inputs = film * float(elements.get("RescaleSlope", 1)) + float(elements.get("RescaleIntercept", 0)) - first
    np.testing.assert_allclose(pixels, CURVE[inputs.astype(int)] / 65535, atol=1e-6)
    assert codes == (set() if kind == "VOI" else {"NO_WINDOW"})


def test_the_sign_is_kept_without_the_patient(make_dicom):
    said = {"RescaleIntercept": "-1024", "RescaleSlope": "1"}
    data = make_dicom(FILM, syntax=ImplicitVRLittleEndian, VOILUTSequence=[item(CURVE, 64512)], **said)
    made = deidentified(data, KEY)
    assert made.VOILUTSequence[0].LUTDescriptor == [4096, -1024, 16]
    np.testing.assert_array_equal(shown(bytes_of(made))[0], shown(data)[0])


@pytest.mark.parametrize("vr", ["OW", "OB", "US", "UN"])
@pytest.mark.parametrize("count", [256, 255, 4096])
def test_bytes_are_packed_only_where_the_descriptor_says_8_bits(make_dicom, dcmtk, tmp_path, vr, count):
    entries = np.arange(count + count % 2) * 255 // (count - 1) % 256
    film = FILM % count
    packed = item(entries, 0, 8, vr=vr, announced=count, packed=True)
    pixels, codes = shown(data := make_dicom(film, VOILUTSequence=[packed]))
    np.testing.assert_allclose(pixels, entries[film] / 255, atol=1e-6)
    assert codes == set()
    if vr in {"US", "OW"}:
        np.testing.assert_allclose(pixels, as_dcmtk_shows(dcmtk, data, tmp_path), atol=1 / 255)
    np.testing.assert_array_equal(shown(bytes_of(deidentified(data, KEY)))[0], pixels)
    wide = item(entries, 0, 8, vr=vr, announced=count)  # 8 bits, each in a word
    np.testing.assert_allclose(shown(make_dicom(film, VOILUTSequence=[wide]))[0], pixels, atol=1e-6)


@pytest.mark.parametrize(
    "lut",
    [
        item(CURVE[:2048], 0, announced=4096),  # as many bytes as entries, but 16 bits
        item(CURVE[:3600], 0, announced=4096),
        item(CURVE, 0, announced=2048),
        item(CURVE[:1], 0, announced=4096),
        item(CURVE % 256, 0, 8, announced=16, packed=True),
    ],
)
def test_a_table_far_from_its_descriptor_is_left_out_and_said(make_dicom, lut):
    data = make_dicom(FILM, VOILUTSequence=[lut], WindowCenter=2048, WindowWidth=4096)
    pixels, codes = shown(data)
    np.testing.assert_allclose(pixels, FILM / 4095, atol=1e-3)
    assert codes == {"LUT_IGNORED"}
    np.testing.assert_array_equal(shown(bytes_of(deidentified(data, KEY)))[0], pixels)


def test_of_several_tables_the_first_usable_one_is_used(make_dicom):
    luts = [item(CURVE[:9], 0, announced=4096), item(CURVE, 0), item(CURVE[::-1], 0)]
    data = make_dicom(FILM, VOILUTSequence=luts)
    pixels, codes = shown(data)
    np.testing.assert_allclose(pixels, CURVE[FILM] / 65535, atol=1e-6)
    assert codes == {"LUT_IGNORED", "WINDOW_CHOSEN"}
    np.testing.assert_array_equal(shown(bytes_of(deidentified(data, KEY)))[0], pixels)


@pytest.mark.parametrize("vr", VRS)
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_modality_lut_is_read_as_well(make_dicom, vr, more):
    entries = np.concatenate([CURVE, CURVE[-1:]])[: 4096 + more]
    data = make_dicom(FILM, ModalityLUTSequence=[item(entries, 0, vr=vr, announced=4096)])
    pixels, codes = shown(data)
    np.testing.assert_allclose(pixels, CURVE[np.minimum(FILM, 4095 + min(more, 0))] / entries.max(), atol=1e-6)
    assert codes == ({"LUT_LENGTH", "NO_WINDOW"} if more else {"NO_WINDOW"})
    np.testing.assert_array_equal(shown(bytes_of(deidentified(data, KEY)))[0], pixels)


def test_a_modality_lut_that_makes_no_sense_is_refused_everywhere(make_dicom):
    data = make_dicom(FILM, ModalityLUTSequence=[item(CURVE[:9], 0, announced=4096)])
    for use in (shown, lambda each: deidentified(each, KEY, where="film")):
        with pytest.raises(FilmError, match="Modality LUT is damaged"):
            use(data)


@pytest.mark.parametrize("vr", VRS)
@pytest.mark.parametrize(("bits", "packed", "more"), [(16, False, 0), (16, False, -3), (8, True, 0), (8, False, 0)])
def test_a_palette_is_a_table_too(make_dicom, vr, bits, packed, more):
    ramp = np.arange(256) * (257 if bits == 16 else 1)
    made = item(ramp[: 256 + more], 0, bits, vr=vr, announced=256, packed=packed)
    film = np.arange(256).reshape(16, 16)
    data = dcmread(DicomBytesIO(make_dicom(film, PhotometricInterpretation="PALETTE COLOR")))
    for color in ("Red", "Green", "Blue"):
        data.add_new(tag_for_keyword(f"{color}PaletteColorLookupTableDescriptor"), "US", made.LUTDescriptor)
        data.add_new(tag_for_keyword(f"{color}PaletteColorLookupTableData"), vr, made.LUTData)
    pixels, codes = shown(bytes_of(data))
    np.testing.assert_allclose(pixels, np.minimum(film, 255 + more) / (255 + more), atol=1e-6)
    assert codes == ({"LUT_LENGTH"} if more else set())


@pytest.mark.parametrize(
    ("damage", "value"),
    [("LUTDescriptor", [4096, 0]), ("LUTDescriptor", None), ("LUTData", None), ("LUTData", b""), ("LUTData", b"x")],
)
def test_half_a_table_is_none(damage, value):
    lut = item(CURVE, 0)
    if value is None:
        del lut[damage]
    else:
        setattr(lut, damage, value)
    assert table_in(lut, (0, 4095)) is None


def test_65536_entries_are_announced_as_0():
    found = table_in(item(np.arange(65536), 0), (0, 65535))
    assert found.is_as_announced
    assert found(np.array([0.0, 65535.0, 70000.0, -3.0])).tolist() == [0, 65535, 65535, 0]
