import numpy as np
import pytest
from pydicom.dataset import Dataset

from lungspot.errors import FilmError
from lungspot.images.dicom import read_dicom
from lungspot.images.dicom_header import open_dicom
from lungspot.images.dicom_lut import padding_range, shader, table_of
from lungspot.images.radiograph import Origin

LEVELS = np.array([[0, 1000, 2000, 3000, 4000]])


def shown(make_dicom, pixels=LEVELS, **elements):
    """Return the grey values of a film with such elements, and the codes of its notices."""
    film = read_dicom(make_dicom(pixels, **elements), Origin("film", "0" * 64, "dicom"))
    return film.pixels, [notice.code for notice in film.notices]


def table(values, first, bits=16, **options):
    item = Dataset()
    item.LUTDescriptor = [len(values) % 65536, first, bits]
    item.LUTData = np.asarray(values, dtype=options.get("kind", "<u2")).tobytes()
    item["LUTData"].VR = "OW"
    return item


def linear(x, center, width):
    """The pseudo-code of PS3.3 C.11.2.1.2.1, with 0 to 1 as the output range."""
    if x <= center - 0.5 - (width - 1) / 2:
        return 0.0
    if x > center - 0.5 + (width - 1) / 2:
        return 1.0
    return (x - (center - 0.5)) / (width - 1) + 0.5


@pytest.mark.parametrize(
    ("function", "center", "width", "expected"),
    [
        (None, 2000, 2501, [linear(x, 2000, 2501) for x in LEVELS[0]]),
        ("LINEAR", 2000, 2501, [linear(x, 2000, 2501) for x in LEVELS[0]]),
        ("linear", 1500, 3101, [linear(x, 1500, 3101) for x in LEVELS[0]]),
        ("LINEAR_EXACT", 2000, 2500, [0, 0.1, 0.5, 0.9, 1]),
        ("SIGMOID", 2000, 1000, 1 / (1 + np.exp(-4 * (LEVELS[0] - 2000) / 1000))),
    ],
)
def test_a_window_shows_what_the_standard_says(make_dicom, function, center, width, expected):
    elements = {} if function is None else {"VOILUTFunction": function}
    pixels, codes = shown(make_dicom, WindowCenter=center, WindowWidth=width, **elements)
    expected = np.asarray(expected)
    np.testing.assert_allclose(pixels[0], (expected - expected[0]) / (expected[-1] - expected[0]), atol=1e-6)
    assert codes == []


def test_a_window_wider_than_the_film_changes_nothing(make_dicom):
    pixels, codes = shown(make_dicom, WindowCenter=2000, WindowWidth=50_000)
    np.testing.assert_allclose(pixels[0], LEVELS[0] / 4000, atol=1e-6)
    assert codes == []


@pytest.mark.parametrize("bits", [16, 8])
def test_a_table_of_a_big_endian_film_is_read_and_copied_as_it_was_meant(make_dicom, dcmtk, tmp_path, bits):
    values = [1, 60, 3, 250, 90] if bits == 8 else [1, 600, 30, 2500, 900]
    item = table([*values, 0], 0, bits, kind="u1" if bits == 8 else "<u2")
    levels = np.array([[0, 1, 2, 3, 4]])
    (tmp_path / "little.dcm").write_bytes(make_dicom(levels, VOILUTSequence=[item]))
    dcmtk("dcmconv", "+tb", tmp_path / "little.dcm", tmp_path / "big.dcm")
    for name in ("little", "big"):
        data = (tmp_path / f"{name}.dcm").read_bytes()
        film = read_dicom(data, Origin("film", "0" * 64, "dicom"))
        expected = (np.array(values) - min(values)) / np.ptp(values)
        np.testing.assert_allclose(film.pixels[0], expected, atol=1e-6, err_msg=name)
        copied = table_of(open_dicom(data, name).dataset, "VOILUTSequence")
        assert copied.LUTData == item.LUTData, name


def test_without_a_window_the_full_range_is_shown(make_dicom):
    pixels, codes = shown(make_dicom)
    np.testing.assert_allclose(pixels[0], LEVELS[0] / 4000, atol=1e-6)
    assert codes == ["NO_WINDOW"]


@pytest.mark.parametrize(
    ("elements", "codes"),
    [
        ({"WindowCenter": -9000, "WindowWidth": 10}, ["WINDOW_IGNORED"]),  # all white
        ({"WindowCenter": 40_000, "WindowWidth": 10}, ["WINDOW_IGNORED"]),  # all black
        ({"WindowCenter": 1000, "WindowWidth": 100}, ["WINDOW_IGNORED"]),  # one of three inner levels left
        ({"WindowCenter": 2000, "WindowWidth": 0}, ["NO_WINDOW"]),
        ({"WindowCenter": 2000, "WindowWidth": -5}, ["NO_WINDOW"]),
        ({"WindowCenter": 2000, "WindowWidth": 0, "VOILUTFunction": "SIGMOID"}, ["NO_WINDOW"]),
        ({"WindowCenter": 2000, "WindowWidth": 0, "VOILUTFunction": "LINEAR_EXACT"}, ["NO_WINDOW"]),
        ({"WindowCenter": 2000}, ["NO_WINDOW"]),
    ],
)
def test_a_window_that_hides_the_film_is_not_used(make_dicom, elements, codes):
    pixels, found = shown(make_dicom, **elements)
    np.testing.assert_allclose(pixels[0], LEVELS[0] / 4000, atol=1e-6)
    assert found == codes


def test_saturated_borders_do_not_count_against_a_window(make_dicom):
    film = np.full((10, 10), 4000)
    film[:3, :5] = np.arange(15).reshape(3, 5) * 100
    pixels, codes = shown(make_dicom, film, WindowCenter=700, WindowWidth=1601)
    assert codes == []
    assert pixels[5, 5] == 1


def test_the_first_of_several_windows_is_used(make_dicom):
    said = {"WindowCenter": [2000, 100], "WindowWidth": [2501, 50]}
    pixels, codes = shown(make_dicom, **said)
    one, _ = shown(make_dicom, WindowCenter=2000, WindowWidth=2501)
    np.testing.assert_array_equal(pixels, one)
    assert codes == ["WINDOW_CHOSEN"]


def test_rescaling_comes_before_the_window(make_dicom):
    plain, _ = shown(make_dicom, WindowCenter=2000, WindowWidth=2501)
    scaled, _ = shown(
        make_dicom, RescaleSlope="0.5", RescaleIntercept="-1024", WindowCenter="-24.25", WindowWidth="1251"
    )
    np.testing.assert_allclose(scaled, plain, atol=1e-3)


def test_a_negative_slope_turns_the_film(make_dicom):
    pixels, _ = shown(make_dicom, RescaleSlope="-1", RescaleIntercept="4000")
    np.testing.assert_allclose(pixels[0], 1 - LEVELS[0] / 4000, atol=1e-6)


def test_a_slope_of_0_is_not_believed(make_dicom):
    pixels, _ = shown(make_dicom, RescaleSlope="0", RescaleIntercept="5")
    np.testing.assert_allclose(pixels[0], LEVELS[0] / 4000, atol=1e-6)


@pytest.mark.parametrize(
    ("pixels", "first", "values", "expected"),
    [
        ([0, 1, 2, 3], 0, [0, 10, 30, 100], [0, 0.1, 0.3, 1]),
        ([0, 1, 2, 3], 1, [10, 30, 110], [0, 0, 0.2, 1]),  # below the first entry: the first value
        ([0, 1, 2, 9], 0, [0, 10, 100], [0, 0.1, 1, 1]),  # beyond the last entry: the last value
        ([0, 300, 600], 0, np.arange(65536)[::-1], [1, 0.5, 0]),  # 65536 entries are written as 0
    ],
)
def test_a_modality_lut_says_what_stored_values_mean(make_dicom, pixels, first, values, expected):
    shape = {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "raw": np.array(pixels, "<u2").tobytes()}
    grey, _ = shown(make_dicom, np.array([pixels]), ModalityLUTSequence=[table(values, first)], **shape)
    np.testing.assert_allclose(grey[0], expected, atol=1e-6)


def test_a_modality_lut_of_signed_pixels_may_begin_below_0(make_dicom):
    pixels = np.array([[-500, -499, -498]])
    for kind, first in (("SS", -500), ("US", 65536 - 500)):
        lut = table([0, 10, 40], first)
        lut["LUTDescriptor"].VR = kind
        grey, _ = shown(make_dicom, pixels, ModalityLUTSequence=[lut])
        np.testing.assert_allclose(grey[0], [0, 0.25, 1])


def test_a_modality_lut_comes_before_rescaling_and_the_window(make_dicom):
    lut = table([0, 100, 400, 900], 0)
    shape = {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "raw": np.arange(4, dtype="<u2").tobytes()}
    said = {"RescaleSlope": "-1", "RescaleIntercept": "0", "WindowCenter": "450.5", "WindowWidth": "901"}
    grey, _ = shown(make_dicom, np.array([[0, 1, 2, 3]]), ModalityLUTSequence=[lut], **said, **shape)
    np.testing.assert_allclose(grey[0], np.array([0, 100, 400, 900]) / 900, atol=1e-6)


@pytest.mark.parametrize(
    "damage",
    [{"LUTDescriptor": [4, 0]}, {"LUTDescriptor": [400, 0, 16]}, {"LUTData": None}],
)
def test_a_damaged_modality_lut_is_refused(make_dicom, damage):
    lut = table([0, 100, 400, 900], 0)
    for keyword, value in damage.items():
        if value is None:
            delattr(lut, keyword)
        else:
            setattr(lut, keyword, value)
    with pytest.raises(FilmError) as caught:
        shown(make_dicom, ModalityLUTSequence=[lut])
    assert caught.value.code == "BAD_HEADER"


SHAPE = {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "raw": np.arange(5, dtype="<u2").tobytes()}
FIVE = np.arange(5)[None]


def test_a_voi_lut_is_used_before_a_window(make_dicom):
    lut = table([0, 10, 20, 90, 100], 0)
    grey, codes = shown(make_dicom, FIVE, VOILUTSequence=[lut], WindowCenter=2, WindowWidth=5, **SHAPE)
    np.testing.assert_allclose(grey[0], [0, 0.1, 0.2, 0.9, 1], atol=1e-6)
    assert codes == []


def test_the_first_of_several_voi_luts_is_used(make_dicom):
    luts = [table([0, 10, 20, 90, 100], 0), table([100, 90, 20, 10, 0], 0)]
    grey, codes = shown(make_dicom, FIVE, VOILUTSequence=luts, **SHAPE)
    np.testing.assert_allclose(grey[0], [0, 0.1, 0.2, 0.9, 1], atol=1e-6)
    assert codes == ["WINDOW_CHOSEN"]


def test_a_voi_lut_of_8_bit_entries_is_read(make_dicom):
    lut = table([0, 10, 20, 90, 100, 0], 0, bits=8, kind=np.uint8)
    grey, _ = shown(make_dicom, FIVE, VOILUTSequence=[lut], **SHAPE)
    np.testing.assert_allclose(grey[0], [0, 0.1, 0.2, 0.9, 1], atol=1e-6)


def test_a_damaged_voi_lut_gives_way_to_the_window(make_dicom):
    lut = table([0, 10], 0)
    lut.LUTDescriptor = [5, 0, 16]
    grey, codes = shown(make_dicom, FIVE, VOILUTSequence=[lut], WindowCenter=2.5, WindowWidth=5, **SHAPE)
    np.testing.assert_allclose(grey[0], [0, 0.25, 0.5, 0.75, 1], atol=1e-6)
    assert codes == ["LUT_IGNORED"]


def test_a_flat_voi_lut_is_not_used(make_dicom):
    grey, codes = shown(make_dicom, FIVE, VOILUTSequence=[table([7] * 5, 0)], **SHAPE)
    np.testing.assert_allclose(grey[0], [0, 0.25, 0.5, 0.75, 1], atol=1e-6)
    assert codes == ["WINDOW_IGNORED"]


def test_a_sequence_that_cannot_be_read_is_none(make_dicom, gradient):
    film = make_dicom(gradient)
    at = film.index(b"\x28\x00\x02\x00US")
    broken = film[:at] + b"\x28\x00\x10\x30FD\x03\x00abc" + film[at:]  # a VOILUTSequence that is no sequence
    assert shader(open_dicom(broken, "film"), [])(np.arange(3.0), np.ones(3, np.int64)).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("pixels", "elements", "expected"),
    [
        (LEVELS, {}, None),
        (LEVELS, {"PixelPaddingValue": 0}, (0, 0)),
        (LEVELS, {"PixelPaddingValue": 4000, "PixelPaddingRangeLimit": 3500}, (3500, 4000)),
        (LEVELS - 2000, {"PixelPaddingValue": 63536}, (-2000, -2000)),
        (LEVELS - 2000, {"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": -1500}, (-2000, -1500)),
    ],
)
def test_padding_is_a_range_of_stored_values(make_dicom, pixels, elements, expected):
    header = open_dicom(make_dicom(pixels), "film")
    for keyword, value in elements.items():
        setattr(header.dataset, keyword, value)
    assert padding_range(header) == expected


def test_padding_neither_sets_the_range_nor_is_seen(make_dicom):
    film = np.array([[1000, 2000, 3000, 4095]])
    grey, _ = shown(make_dicom, film, PixelPaddingValue=4095)
    np.testing.assert_allclose(grey[0], [0, 0.5, 1, 0], atol=1e-6)
    grey, _ = shown(make_dicom, film, PixelPaddingValue=4095, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_allclose(grey[0], [1, 0.5, 0, 0], atol=1e-6)


def test_an_unsigned_padding_value_read_as_negative_is_meant_unsigned(make_dicom):
    header = open_dicom(make_dicom(LEVELS, BitsStored=16, HighBit=15), "film")
    header.dataset.add_new(0x00280120, "SS", -1)
    assert padding_range(header) == (65535, 65535)
