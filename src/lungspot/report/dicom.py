"""A film's result as DICOM objects of the film's own study: SR, presentation state, secondary capture, segmentation.

docs/reference/dicom-results.md says what is in each and who shows it. highdicom (extra ``pacs``) is loaded by the call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from lungspot.errors import InputError
from lungspot.extras import extra
from lungspot.report.analysis import Analysis, Refusal
from lungspot.report.changes import Before
from lungspot.report.observations import Review

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from lungspot.report.source import ReportContext

__all__ = ["DICOM_KINDS", "SR_CLASSES", "dicom_results", "require_dicom", "require_study"]

# The kinds of DICOM object that a result can be written as.
DICOM_KINDS: Final = ("sr", "gsps", "sc", "seg")
# The SR classes by the name that `--sr-class` takes.
SR_CLASSES: Final = ("comprehensive", "comprehensive3d")


def dicom_results(  # noqa: PLR0913 - each choice has a name
    source: Dataset,
    result: Analysis | Refusal,
    *,
    kinds: Sequence[str] = ("sr",),
    sr_class: str = "comprehensive",
    experimental: bool = False,
    review: Review | None = None,
    now: datetime | None = None,
    before: Before | None = None,
    anatomy: bool = False,
) -> tuple[Dataset, ...]:
    """Return the result as DICOM data sets, ready to be written or sent, in the order of ``kinds``.

    ``source``: the film's header (no pixels needed); it is not changed. ``kinds``: some of :data:`DICOM_KINDS`.
    ``sr_class``: one of :data:`SR_CLASSES`. ``experimental``: say experimental labels too, marked as such.
    ``review``: a reader's, whose measurements the SR holds. ``now``: when the objects say that they were made.
    ``before``: the patient's earlier film that the SR compares with (``before_film``), whose tracking UIDs go on.
    ``anatomy``: the SR holds heart and lungs too, where they lie as in a chest. UIDs
    follow from film, model, settings, version and review, so that a rerun gives the same objects and an archive keeps
    one of each.

    A kind with nothing to show is left out: of a film that was not assessed there is no presentation state and no
    segmentation, of one that could not be read there is an SR only. Boxes are in the frame of the film's pixels.

    Raises FilmError ``NO_STUDY``, InputError ``BAD_VALUE`` (also where ``source`` is another film's header) and
    SetupError ``MISSING_EXTRA``.
    """
    unknown = [kind for kind in kinds if kind not in DICOM_KINDS]
    if unknown or sr_class not in SR_CLASSES:
        wrong = ", ".join(unknown) or sr_class
        raise InputError("BAD_VALUE", None, f"{wrong!r} is none of {', '.join((*DICOM_KINDS, *SR_CLASSES))}")
    makers = _makers(sr_class)
    from pydicom import config  # noqa: PLC0415 - costs the readers of pictures 0.2 s

    from lungspot.report.source import context_of  # noqa: PLC0415 - likewise

    now = datetime.now().astimezone() if now is None else now
    with config.disable_value_validation():  # faults of real headers are met in ``source_of``, not by warnings
        told: dict[str, Any] = {"experimental": experimental, "review": review, "before": before}
        made = [  # a context each, for objects share elements with it; anatomy is in the SR alone
            makers[kind](context_of(source, result, now, **told, anatomy=anatomy and kind == "sr")) for kind in kinds
        ]
    return tuple(each for each in made if each is not None)


def require_dicom() -> None:
    """Raise SetupError ``MISSING_EXTRA`` where the extra that makes DICOM objects is not installed."""
    _makers(SR_CLASSES[0])


def require_study(source: Dataset) -> None:
    """Raise FilmError ``NO_STUDY`` where a film's header has no study, series or instance that a result belongs to."""
    from lungspot.report.source import source_of  # noqa: PLC0415 - loads pydicom

    source_of(source)


def _makers(sr_class: str) -> dict[str, Callable[[ReportContext], Dataset | None]]:
    """Return by kind what makes it; imports highdicom, the extra ``pacs``."""
    with extra("pacs", "writing DICOM results"):
        from lungspot.report.capture import make_capture  # noqa: PLC0415
        from lungspot.report.gsps import make_gsps  # noqa: PLC0415
        from lungspot.report.seg import make_seg  # noqa: PLC0415
        from lungspot.report.sr import make_sr  # noqa: PLC0415
    return {"sr": partial(make_sr, sr_class=sr_class), "gsps": make_gsps, "sc": make_capture, "seg": make_seg}
