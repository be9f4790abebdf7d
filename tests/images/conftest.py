"""DICOM films made in the test: small, of known pixels, of any structure."""

import io
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import config, dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

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
