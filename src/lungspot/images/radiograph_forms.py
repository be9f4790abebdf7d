"""A film that was read, for other programs: its pixels as a PNG, and what is known of it as JSON."""

from __future__ import annotations

import io
from typing import Any, Final

import numpy as np
from PIL import Image

from lungspot.images.pixel_shape import with_pixel_shape
from lungspot.images.radiograph import Radiograph
from lungspot.outputs import png_info

__all__ = ["png_depth", "radiograph_png", "radiograph_to_json"]

_BYTE: Final = 8


def png_depth(film: Radiograph) -> int:
    """Return how many bits a pixel of a film's PNG has, so that no grey is lost: 8 for a film of 8 bits, else 16."""
    return _BYTE if film.bits <= _BYTE else 2 * _BYTE


def radiograph_png(film: Radiograph, bits: int | None = None) -> bytes:
    """Return a film as a grey PNG of 8 or 16 bits (:func:`png_depth` if not given) that any program shows.

    White is dense, and the film's whole range is used. Pixels that are not square stay so. Nothing about the patient is
    in it; it says that lungspot made it, and that it is a film.
    """
    depth = png_depth(film) if bits is None else bits
    kind = np.uint8 if depth == _BYTE else np.uint16
    buffer = io.BytesIO()
    whole = np.rint(film.pixels * np.float32((1 << depth) - 1)).astype(kind)
    Image.fromarray(whole).save(buffer, format="PNG", pnginfo=png_info())
    return with_pixel_shape(buffer.getvalue(), film.pixel_aspect)


def radiograph_to_json(film: Radiograph) -> dict[str, Any]:
    """Return what is known of a film, as JSON says it; what its file does not say is null.

    Sizes are in pixels as stored, ``pixel_spacing_mm`` is row, column; age and sex are the patient's, and there is
    nothing else of the patient but what the path says.
    """
    return {
        "path": film.origin.path,
        "sha256": film.origin.sha256,
        "kind": film.origin.kind,
        "modality": film.origin.modality,
        "transfer_syntax": film.origin.transfer_syntax,
        "sop_instance_uid": film.origin.sop_instance_uid,
        "width": film.frame.width,
        "height": film.frame.height,
        "bits": film.bits,
        "inverted": film.inverted,
        "pixel_spacing_mm": None if film.pixel_spacing_mm is None else list(film.pixel_spacing_mm),
        "pixel_aspect": list(film.pixel_aspect),
        "edges": {
            "left": film.orientation.left,
            "right": film.orientation.right,
            "top": film.orientation.top,
            "bottom": film.orientation.bottom,
        },
        "view": film.view.value,
        "laterality": film.laterality,
        "body_part": film.body_part,
        "age_years": film.age_years,
        "sex": film.sex.value,
        "warnings": [{"code": notice.code, "text": notice.text} for notice in film.notices],
        "not_for_clinical_use": True,
    }
