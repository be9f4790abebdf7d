"""One film as pixels that mean the same whatever file they came from, with the facts and the doubts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from lungspot.errors import InputError
from lungspot.findings import Frame
from lungspot.images.orientation import UNKNOWN_ORIENTATION, Orientation

__all__ = ["WARNINGS", "Device", "Notice", "Origin", "Pixels", "Radiograph", "Sex", "View"]

# A film's pixels, (height, width), float32.
Pixels = NDArray[np.float32]

# code → what it means for the reader of the result. docs/reference/errors.md lists them; a test keeps the two in step.
WARNINGS: dict[str, str] = {
    "FRAME_CHOSEN": "the file holds several frames; one was read",
    "OVERLAY_IGNORED": "the file holds overlay planes; they are not part of the film",
    "BURNED_IN": "the file says that annotation is burned into the pixels",
    "COLOR_CONVERTED": "the pixels were colour and were turned into grey",
    "LOSSY": "the pixels were compressed with loss",
    "NO_WINDOW": "no window or VOI LUT says how to show the film; its full range is used",
    "SIZE_MISMATCH": "header and pixel data disagree about the size in a harmless way",
    "PREAMBLE": "the 128 bytes before the DICOM prefix look like another kind of file",
    "CHILD": "the patient is younger than 16 years; nothing here was made for children",
    "PIXEL_REPRESENTATION": "the header's signedness contradicts the pixel data",
    "BITS_STORED": "the pixels use more bits than the header says",
    "TRUNCATED": "the file, or its compressed pixels, end early; all pixels of the film are there",
    "TRAILING": "what follows the pixels makes no sense; the file may have been cut there",
    "RAW": "the film is raw detector data (FOR PROCESSING), not the picture that people read",
    "WINDOW_CHOSEN": "the file offers several windows or VOI LUTs; the first was used",
    "WINDOW_IGNORED": "the file's window or VOI LUT hides most of the film; its full range is used",
    "POLARITY": "the header contradicts itself about which values are white",
    "LUT_LENGTH": "a look-up table has not as many entries as its header says; the last one stands for what is missing",
    "LUT_IGNORED": "a look-up table of the file makes no sense; it was left out",
    "SECONDARY_CAPTURE": "the object is a copy of the film (secondary capture), not the film",
    "BODY_PART": "the file says that it shows another part of the body",
    "TURNED": "the film does not stand upright in its file; it was turned for reading",
    "MIRRORED": "the file says that the film is mirrored: the patient's left is at the left of the picture",
    "HEART_SIDE": "the heart lies where it would on a mirrored film, or on one that is not; check the film's sides",
    "LUNGS_CUT_OFF": "the picture's edge seems to cut off a lung; what lies beyond it was not judged",
    "ORIENTATION": "what the file says about the patient's sides makes no sense or contradicts itself; it is not used",
    "SPACING": "the file gives the size of a pixel in one direction only; the pixels were taken as square",
    "GREYS_SWAPPED": "the film's greys are swapped in its file; they were set right for reading",
    "NO_GATE": "the model cannot tell whether this is a frontal chest film",
}


class View(StrEnum):
    """How the film was taken, as its source says."""

    PA = "PA"
    AP = "AP"
    LATERAL = "LATERAL"
    UNKNOWN = "UNKNOWN"

    def contradicts(self, other: View) -> bool:
        """Say whether two films are known to be of two views."""
        return View.UNKNOWN not in {self, other} and self is not other


class Sex(StrEnum):
    """The patient's sex, as the source says."""

    FEMALE = "F"
    MALE = "M"
    OTHER = "O"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the reader of a result should know: a code of :data:`WARNINGS` and the particulars."""

    code: str
    text: str

    def __post_init__(self) -> None:
        """Refuse codes that nobody documented."""
        if self.code not in WARNINGS:
            raise InputError("BAD_VALUE", None, f"warning code {self.code!r} is not in WARNINGS")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the pixels came from."""

    path: str | None
    sha256: str
    kind: str  # "dicom", "png", "jpeg", "tiff", "webp", "bmp"
    sop_instance_uid: str | None = None
    transfer_syntax: str | None = None
    modality: str | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """What took the film, as its file says, each as text, empty where it does not: nothing about the patient."""

    manufacturer: str = ""
    model: str = ""
    station: str = ""

    def __bool__(self) -> bool:
        """Whether anything is said."""
        return bool(self.manufacturer or self.model or self.station)


@dataclass(frozen=True, slots=True)
class Radiograph:
    """One film.

    ``pixels``: float32, shape (height, width), 0 to 1, white (1) is dense, read-only, upright as the file says.
    ``pixel_spacing_mm``: (row, column) millimetres per pixel at the detector or, where calibrated, in the patient; None
    when the file does not say. ``pixel_aspect``: how high to how wide a pixel is, in whole numbers; (1, 1) where the
    file does not say. ``orientation``: which side of the patient lies at which edge, as the file says; rasters cannot
    say. ``inverted``: the file stored dense as dark (MONOCHROME1, a TIFF whose zero is white).
    ``device``: what took it.
    """

    pixels: Pixels
    origin: Origin
    bits: int
    pixel_spacing_mm: tuple[float, float] | None = None
    view: View = View.UNKNOWN
    laterality: str | None = None
    body_part: str | None = None
    age_years: float | None = None
    sex: Sex = Sex.UNKNOWN
    inverted: bool = False
    orientation: Orientation = UNKNOWN_ORIENTATION
    pixel_aspect: tuple[int, int] = (1, 1)
    device: Device = Device()
    notices: tuple[Notice, ...] = ()

    def __post_init__(self) -> None:
        """Refuse pixels that are not a film; make them read-only."""
        pixels = self.pixels
        if pixels.ndim != 2 or pixels.dtype != np.float32 or pixels.size == 0:
            raise InputError("BAD_VALUE", self.origin.path, f"pixels of shape {pixels.shape}, {pixels.dtype}")
        seen = pixels if any(pixels.strides) else pixels[:1, :1]  # one grey, whatever the size
        if not (seen.min() >= 0 and seen.max() <= 1):  # neither holds where there is a NaN
            raise InputError("BAD_VALUE", self.origin.path, "pixels outside 0 to 1")
        if min(self.pixel_aspect) < 1:
            raise InputError("BAD_VALUE", self.origin.path, f"pixels of the aspect {self.pixel_aspect}")
        pixels.flags.writeable = False

    def __reduce__(self) -> tuple[object, ...]:  # made anew where it arrives: checked again, read-only again
        return type(self), tuple(getattr(self, each.name) for each in fields(self))

    @property
    def frame(self) -> Frame:
        """The frame that boxes on this film are in."""
        return Frame(self.pixels.shape[1], self.pixels.shape[0])

    @property
    def proportions(self) -> tuple[float, float]:
        """Width and height of the film as it is to be seen, in widths of a pixel: its frame where pixels are square."""
        (rows, columns), (high, wide) = self.pixels.shape, self.pixel_aspect
        return float(columns), rows * high / wide
