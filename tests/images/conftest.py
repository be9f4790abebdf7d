"""DICOM films made in the test: small, of known pixels, of any structure."""

import contextlib
import io
import os
import posix
import resource
import signal
import sys
import warnings
from pathlib import Path

import coverage
import imagecodecs
import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image
from pydicom import config, dcmread, uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from lungspot.images import sandbox


@pytest.fixture(scope="module", autouse=True)
def _forks_of_this_process():
    """Fork as a program does unless a test says otherwise, whatever tests of other rooms have set up before."""
    before = sandbox.set_fork_backend(None)
    yield
    sandbox.set_fork_backend(before)


CHILDREN = {"counted": False, "programs": None}
_PROGRAMS = "COVERAGE_PROCESS_CONFIG"  # with it in the environment, coverage counts the programs that tests start


def pytest_runtest_setup(item):
    """Count what forked children run where decoders are tested one by one; all other tests fork thousands more."""
    CHILDREN["counted"] = item.get_closest_marker("no_cover") is None
    if not CHILDREN["counted"]:
        CHILDREN["programs"] = os.environ.pop(_PROGRAMS, None)


def pytest_runtest_teardown():
    CHILDREN["counted"] = False
    if CHILDREN["programs"] is not None:
        os.environ[_PROGRAMS], CHILDREN["programs"] = CHILDREN["programs"], None


def _count_or_not():
    """In a forked child: write down in the end what it ran, where children are counted (0.2 s each), or trace nothing.

    Children of the programs that tests start write nothing either: theirs are the thousands that fuzzing has.
    """
    if coverage.Coverage.current() is None:
        return
    if CHILDREN["counted"]:
        os._exit = _write_down_and_exit
    else:
        sys.settrace(None)


def _write_down_and_exit(code):
    """End as coverage's patch ``_exit`` does, but leave no half of a file where a limit of the sandbox strikes."""
    if resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 0:  # else it may write nothing: it was ended by what it ran
        counted = coverage.Coverage.current()
        signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            counted.save()
        except Exception:  # noqa: BLE001 - whatever it is, the file is not whole
            counted.erase()
    posix._exit(code)


os.register_at_fork(after_in_child=_count_or_not)
sandbox._PATIENCE = 20.0  # seconds that a child may take to write that down


GRADIENT = np.add.outer(np.arange(48) * 60, np.arange(40) * 29) + 17  # 12 bit, (48, 40), 17 to 3968


@pytest.fixture(scope="session")
def gradient():
    """A made-up film: 12 bit, 48 rows, 40 columns, every pixel of its own, 17 to 3968."""
    return GRADIENT


@pytest.fixture(scope="session")
def make_dicom():
    """A function that writes pixels as a DICOM film."""
    return _make_dicom


@pytest.fixture(scope="session")
def pydicom_files(pydicom_data):
    """Every DICOM file of pydicom and of pydicom-data, by name."""
    bundled = Path(pydicom.__file__).parent / "data" / "test_files"
    return sorted([*pydicom_data.glob("*.dcm"), *bundled.glob("*.dcm")], key=lambda path: path.name)


@pytest.fixture(scope="session")
def relabel():
    """A function that reads a DICOM file of any kind and writes it as a CR, with elements changed."""

    def as_film(path, **elements):
        dataset = dcmread(path, force=True)
        dataset.SOPClassUID = ComputedRadiographyImageStorage
        dataset.Modality = "CR"
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)
        sink = io.BytesIO()
        dataset.save_as(sink, enforce_file_format=False)
        return sink.getvalue()

    return as_film


def _make_dicom(pixels, *, syntax=ExplicitVRLittleEndian, encode=None, raw=None, meta=True, preamble=True, **elements):
    """Return the bytes of a CR film; ``elements`` overrides (or, where None, leaves out) what it says.

    ``encode`` compresses with pydicom; ``raw`` replaces the bytes of the pixel data.
    """
    signed = np.issubdtype(pixels.dtype, np.signedinteger) and pixels.min() < 0
    wide = pixels.max() > 255 or signed
    dataset = Dataset()
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = "1.2.3.4.5"
    dataset.Modality = "CR"
    dataset.SamplesPerPixel = 1 if pixels.ndim == 2 else pixels.shape[-1]
    dataset.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.BitsAllocated = 16 if wide else 8
    dataset.BitsStored = 12 if wide else 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(signed)
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    kind = f"{order}{'i' if signed else 'u'}{2 if wide else 1}"
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        for keyword, value in elements.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
    dataset.PixelData = pixels.astype(kind).tobytes() if raw is None else raw
    if len(dataset.PixelData) % 2:
        dataset.PixelData += b"\0"
    dataset["PixelData"].VR = "OW" if wide else "OB"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID") or "1.2.3"
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
    dataset.file_meta.TransferSyntaxUID = syntax
    if encode is not None:
        dataset.compress(encode, generate_instance_uid=False)
    elif raw is not None and syntax not in _NATIVE:
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    sink = io.BytesIO()
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        dataset.save_as(sink, enforce_file_format=True)
    data = sink.getvalue()
    if not meta:
        return data[144 + int.from_bytes(data[140:144], "little") :]
    return data if preamble else data[132:]


_NATIVE = {ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian}


# --------------------------------------------------------------------------------------------- seeds of the fuzzer

_LARGEST = 600_000  # bytes of a seed: time goes into many mutations, not into large ones


def _as_film(dataset, **elements):
    """Return a DICOM object as the bytes of a CR film, so that the gate lets its pixels through to the decoders."""
    dataset.SOPClassUID = uid.ComputedRadiographyImageStorage
    dataset.Modality = "CR"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    sink = io.BytesIO()
    dataset.save_as(sink, enforce_file_format=False)
    return sink.getvalue()


def _recoded(crop):
    """Give one real film's crop in every syntax that can be written here, by name."""
    byte = (crop >> 7).astype(np.uint8)
    twelve = crop >> 3
    streams = {
        uid.JPEGBaseline8Bit: (imagecodecs.jpeg8_encode(byte, level=90), 8, 8),
        uid.JPEGExtended12Bit: (imagecodecs.jpeg8_encode(twelve, level=90, bitspersample=12), 16, 12),
        uid.JPEGLossless: (imagecodecs.jpeg8_encode(twelve, lossless=True, predictor=4, bitspersample=12), 16, 12),
        uid.JPEGLosslessSV1: (imagecodecs.jpeg8_encode(crop, lossless=True, bitspersample=16), 16, 15),
        uid.JPEGLSLossless: (imagecodecs.jpegls_encode(crop), 16, 15),
        uid.JPEGLSNearLossless: (imagecodecs.jpegls_encode(crop, level=2), 16, 15),
        uid.JPEG2000Lossless: (
            imagecodecs.jpeg2k_encode(crop, codecformat="j2k", reversible=True, level=0, bitspersample=15),
            16,
            15,
        ),
        uid.JPEG2000: (imagecodecs.jpeg2k_encode(twelve, codecformat="jp2", level=40, bitspersample=12), 16, 12),
        uid.HTJ2KLossless: (imagecodecs.htj2k_encode(crop, reversible=True), 16, 16),
    }
    for syntax, (stream, allocated, stored) in streams.items():
        yield syntax, encapsulate([bytes(stream)]), allocated, stored
    for syntax in (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian):
        yield syntax, crop.astype("<u2").tobytes(), 16, 15
    yield uid.RLELossless, None, 16, 15


def _rasters(crop):
    byte = Image.fromarray((crop >> 7).astype(np.uint8))
    wide = Image.fromarray(crop << 1)
    for name, picture, form, options in (
        ("png8", byte, "PNG", {}),
        ("png16", wide, "PNG", {}),
        ("png palette", byte.convert("P"), "PNG", {}),
        ("png interlaced alpha", byte.convert("LA"), "PNG", {}),
        ("jpeg", byte, "JPEG", {}),
        ("jpeg progressive colour", byte.convert("RGB"), "JPEG", {"progressive": True}),
        ("tiff", wide, "TIFF", {}),
        ("tiff lzw", byte, "TIFF", {"compression": "tiff_lzw"}),
        ("tiff deflate big", byte, "TIFF", {"compression": "tiff_adobe_deflate", "big_tiff": True}),
        ("webp", byte, "WEBP", {}),
        ("webp lossless", byte, "WEBP", {"lossless": True}),
        ("bmp", byte, "BMP", {}),
    ):
        sink = io.BytesIO()
        picture.save(sink, form, **options)
        yield name, sink.getvalue()
    for name, pixels, options in (
        ("tiff double", crop / 32767, {}),
        ("tiff signed deflate big-endian", crop.astype(np.int16), {"compression": "deflate", "byteorder": ">"}),
        ("tiff colour 16 bits tiled", np.dstack([crop] * 3), {"photometric": "rgb", "tile": (64, 64)}),
    ):
        sink = io.BytesIO()
        tifffile.imwrite(sink, pixels, metadata=None, **options)
        yield name, sink.getvalue()
    yield "png colour 16 bits", bytes(imagecodecs.png_encode(np.dstack([crop << 1] * 3)))
    yield "jpeg without its end", bytes(imagecodecs.jpeg8_encode((crop >> 7).astype(np.uint8)))[:-2]


@pytest.fixture(scope="session")
def seeds(pydicom_data, rg1):
    """Return (name, bytes): real films in every syntax, small; crops of a real film for what is missing."""
    bundled = Path(pydicom.__file__).parent / "data" / "test_files"
    found = {}
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        film = pydicom.dcmread(rg1["UNCR"])
        crop = np.ascontiguousarray(film.pixel_array[600:792, 700:860]).astype(np.uint16)
        film.Rows, film.Columns = crop.shape
        for syntax, pixels, allocated, stored in _recoded(crop):
            film.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
            film.PixelData = crop.astype("<u2").tobytes() if pixels is None else pixels
            film["PixelData"].VR = "OB" if syntax.is_compressed else "OW"
            film["PixelData"].is_undefined_length = syntax.is_compressed and pixels is not None
            depth = {"BitsAllocated": allocated, "BitsStored": stored, "HighBit": stored - 1}
            if pixels is None:
                film["PixelData"].VR = "OW"
                film.compress(syntax, generate_instance_uid=False)
            film.file_meta.TransferSyntaxUID = syntax
            found[f"crop {syntax.name}"] = _as_film(film, **depth)
        for path in sorted([*bundled.glob("*.dcm"), *pydicom_data.glob("*.dcm")]):
            if path.stat().st_size <= _LARGEST:
                dataset = pydicom.dcmread(path, force=True)
                if "PixelData" in dataset and dataset.file_meta.get("TransferSyntaxUID"):
                    with contextlib.suppress(TypeError):  # pydicom cannot write all that it reads
                        found[path.name] = _as_film(dataset)
    found |= dict(_rasters(crop))
    shared = Path(__file__).parents[3] / "shared" / "data" / "dicom"
    for path in sorted(shared.glob("*.dcm")) if shared.is_dir() else ():
        if path.stat().st_size <= _LARGEST:
            found[path.name] = path.read_bytes()
    return sorted(found.items())
