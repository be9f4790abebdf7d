"""DICOM films: the header and its check, pixels, grey values and facts, in this order."""

from __future__ import annotations

import warnings
from dataclasses import replace

from pydicom import config

from lungspot.images import dicom_facts as facts
from lungspot.images.dicom_header import Header, open_dicom
from lungspot.images.dicom_lut import padding_range, shader
from lungspot.images.dicom_pixels import decode_pixels
from lungspot.images.dicom_values import text_of
from lungspot.images.grey import through_levels
from lungspot.images.radiograph import Notice, Origin, Radiograph

__all__ = ["read_dicom"]

_PREAMBLES = {
    b"MZ": "a Windows program",
    b"\x7fELF": "a program",
    b"#!": "a script",
    b"II*\x00": "a TIFF",
    b"MM\x00*": "a TIFF",
}


def read_dicom(data: bytes, origin: Origin) -> Radiograph:
    """Return the film in ``data``, a DICOM file of any structure (with or without preamble and file meta).

    Raises FilmError as :func:`~lungspot.images.dicom_header.open_dicom` and
    :func:`~lungspot.images.dicom_pixels.decode_pixels` do.
    """
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")  # pydicom's remarks on values; what matters here becomes a notice
        header = open_dicom(data, origin.path or "<bytes>")
        return _film(header, _preamble(data), origin)


def _film(header: Header, doubts: list[Notice], origin: Origin) -> Radiograph:
    dataset = header.dataset
    stored, found = decode_pixels(header)
    doubts = [*doubts, *facts.notices(dataset), *found]
    if header.photometric in {"MONOCHROME1", "MONOCHROME2"}:
        inverted = header.photometric == "MONOCHROME1"
        shade = shader(header, doubts)
        pixels = through_levels(stored, shade, padding=padding_range(header), inverted=inverted)
    else:
        inverted = False
        pixels = through_levels(stored)
    return Radiograph(
        pixels=pixels,
        origin=replace(
            origin,
            sop_instance_uid=text_of(dataset, "SOPInstanceUID") or None,
            transfer_syntax=header.syntax or None,
            modality=text_of(dataset, "Modality").upper() or None,
        ),
        bits=header.stored,
        pixel_spacing_mm=facts.spacing(dataset),
        view=facts.view(dataset),
        laterality=facts.laterality(dataset),
        body_part=facts.body_part(dataset),
        age_years=facts.age(dataset),
        sex=facts.sex(dataset),
        inverted=inverted,
        orientation=facts.orientation(dataset)[0],
        pixel_aspect=facts.aspect(dataset),
        device=facts.device(dataset),
        notices=tuple(doubts),
    )


def _preamble(data: bytes) -> list[Notice]:
    if data[128:132] != b"DICM":
        return []
    kinds = [name for magic, name in _PREAMBLES.items() if data.startswith(magic)]
    return [Notice("PREAMBLE", f"the preamble begins like {kinds[0]}")] if kinds else []
