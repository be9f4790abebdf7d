"""A data set as the bytes of a DICOM file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["dicom_bytes"]


def dicom_bytes(dataset: Dataset) -> bytes:
    """Return a data set as the bytes of a DICOM file: a preamble of zeros, file meta information, the data set."""
    buffer = io.BytesIO()
    dataset.preamble = bytes(128)
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
