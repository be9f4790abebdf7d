"""Results uncompressed again, for archives that take no other."""

from __future__ import annotations

from copy import deepcopy

from pydicom.dataset import FileDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

__all__ = ["PLAIN", "is_plain", "plain"]

# What every archive takes.
PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)


def is_plain(dataset: FileDataset) -> bool:
    """Say whether a result is in a transfer syntax that every archive takes."""
    return dataset.file_meta.TransferSyntaxUID in PLAIN


def plain(dataset: FileDataset) -> FileDataset:
    """Return a result in Explicit VR Little Endian, under the same UIDs: the same pixels, as a viewer would show them.

    A JPEG stays one that was compressed with loss, and says so. The data set given is not changed.
    """
    if is_plain(dataset):
        return dataset
    made = deepcopy(dataset)
    if made.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian:
        made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    else:
        made.decompress(generate_instance_uid=False)
    return made
