"""Which prediction is of which film, in one frame; what is missing, doubled or in another frame is named.

A prediction's film is found by its path, else by the stem of its name, which must mean one film of the truth: one that
no other prediction names by its path, and, where paths name patients, of the same patient.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

from PIL import Image

from lungspot.errors import DatasetError, LungspotError
from lungspot.evaluate.matched import Pair, ScoreLimits
from lungspot.evaluate.predicted import Predicted, read_predicted
from lungspot.findings import Finding, Frame, Reading, State
from lungspot.formats import Case, ClassNames, dicom_facts, patient_in
from lungspot.images import DICOM_SUFFIXES, has_suffix
from lungspot.inputs import regular

__all__ = [
    "DIVISIONS",
    "Paired",
    "common_films",
    "exhaustive",
    "groups_of",
    "limits_of",
    "only_labels",
    "pair_files",
    "pair_up",
    "people",
    "without",
]

# Into which parts films can be divided; ``size`` divides boxes.
DIVISIONS: Final = ("source", "view", "sex", "age", "stored", "size")
_AGES: Final = ((40.0, "under 40"), (60.0, "40 to 59"), (float("inf"), "60 and over"))
_OUTSIDE: Final = 0.5  # of a box: what leaves the film more than this is in another frame


@dataclass(frozen=True, slots=True)
class Paired:
    """The films that can be judged, and one error for each that cannot."""

    pairs: tuple[Pair, ...]
    refused: tuple[LungspotError, ...]


def pair_up(truths: Iterable[tuple[Case, Reading]], predicted: Sequence[Predicted], by: Sequence[str] = ()) -> Paired:
    """Return every film of the truth with its prediction, both in the film's native frame.

    ``truths``: each case with the reading that counts. ``by``: the divisions that are wanted.
    """
    cases = list(truths)
    index = _index(case for case, _ in cases)
    of: dict[int, Predicted] = {}
    refused: list[LungspotError] = []
    found = [_hits(one.film, index) for one in predicted]
    named = {number for hits, whole in found if whole for number in hits}
    for one, (near, whole) in zip(predicted, found, strict=True):
        hits = near if whole else {n for n in near - named if not _strangers(one.film, cases[n][0])}
        if len(hits) != 1:
            what = "is no film of the truth" if not hits else f"may be any of {len(hits)} films of the truth"
            refused.append(DatasetError("DATASET_ROW", one.where, f"{one.film} {what}", advice="name the film's file"))
        elif (number := hits.pop()) in of:
            reason = f"{one.film} is predicted twice, first in {of[number].where}"
            refused.append(DatasetError("DATASET_ROW", one.where, reason))
        else:
            of[number] = one
    pairs: list[Pair] = []
    for number, (case, truth) in enumerate(cases):
        try:
            pairs.append(_pair(case, truth, of.get(number), by))
        except LungspotError as error:
            refused.append(error)
    return Paired(tuple(pairs), tuple(refused))


def people(cases: Iterable[Case], reader: str | None, by: Sequence[str] = ()) -> tuple[Pair, ...]:
    """Return every reader (or only ``reader``) as the finding, with each other reader of the same film as the truth.

    A pair is about the labels that both looked for: nobody missed what they did not look for. Raises
    ``DATASET_INCOMPLETE`` where no film was read by ``reader`` and somebody else.
    """
    pairs = [
        Pair(
            f"{case.dataset}/{case.id} ({found.reader} against {true.reader})",
            case.patient,
            _about(true, found),
            _about(found, true),
            groups_of(case, by),
            image=case.image,
        )
        for case in cases
        for found in case.readings
        if reader in {None, found.reader}
        for true in case.readings
        if true.reader != found.reader and set(true.states) & set(found.states)
    ]
    if not pairs:
        raise DatasetError("DATASET_INCOMPLETE", None, f"no film was read by {reader or 'two people'} and another")
    return tuple(pairs)


def only_labels(pairs: Sequence[Pair], labels: Iterable[str]) -> tuple[Pair, ...]:
    """Return the films with ``labels`` (ids) alone; agreements of heat maps go with the boxes that they are of."""
    wanted = list(labels)
    found = []
    for pair in pairs:
        boxed = [finding for finding in pair.found.findings if finding.box is not None]
        kept = zip(boxed, pair.agreement, strict=True) if pair.agreement else ()
        agreement = tuple(row for finding, row in kept if finding.label in wanted)
        found.append(replace(pair, true=pair.true.only(wanted), found=pair.found.only(wanted), agreement=agreement))
    return tuple(found)


def common_films(one: Paired, other: Paired, where: str) -> tuple[tuple[Pair, ...], Paired]:
    """Return the other model's films in the order of the first's, and the first's: those that both read.

    The refusals are the first's, and one more, at ``where``, for each film that only one of the two has.
    """
    theirs = {pair.film: pair for pair in other.pairs}
    shared = tuple(pair for pair in one.pairs if pair.film in theirs)
    alone = sorted({pair.film for pair in one.pairs} ^ theirs.keys())
    refused = [
        DatasetError("DATASET_INCOMPLETE", where, f"{film} was judged for one of the two models only") for film in alone
    ]
    return tuple(theirs[pair.film] for pair in shared), Paired(shared, (*one.refused, *refused))


def pair_files(  # noqa: PLR0913 - truth, predictions, and how they are read
    truths: Iterable[tuple[Case, Reading]],
    predictions: Path,
    *,
    coco: Path | None = None,
    by: Sequence[str] = (),
    threshold: float | None = None,
    names: ClassNames = None,
) -> tuple[Paired, dict[str, ScoreLimits]]:
    """Return the films of the truth with what a file or folder of predictions says of them, and the limits by label.

    ``coco``: the COCO file of the truth, whose ids a bare list of COCO results uses. ``by``: the divisions of the films
    that are wanted. ``threshold``: in place of the limits that the predictions name. ``names``: what class names in
    COCO predictions mean. Raises :class:`~lungspot.errors.DatasetError` where the predictions as a whole cannot be
    read, or name two limits for one label; what is wrong with one film is a refusal of :class:`Paired`.
    """
    found, refused = read_predicted(predictions, coco, names)
    paired = pair_up(truths, found, by)
    return replace(paired, refused=(*refused, *paired.refused)), limits_of(found, threshold)


def limits_of(predicted: Iterable[Predicted], threshold: float | None) -> dict[str, ScoreLimits]:
    """Return by label the limits that the predictions name, or ``threshold`` for every label that they look for.

    Raises ``DATASET_ROW`` where two films name different ones: they were read at two operating points.
    """
    if threshold is not None:
        readings = [one.reading for one in predicted if one.reading is not None]
        return {label: ScoreLimits(threshold, threshold) for reading in readings for label in reading.states}
    found: dict[str, tuple[ScoreLimits, str]] = {}
    boxes: set[str] = set()
    for one in predicted:
        boxed = {f.label for f in one.reading.findings if f.box is not None} if one.reading is not None else set()
        for label, limits in one.limits.items():
            known = found.get(label)
            if known is None or (label in boxed and label not in boxes):
                found[label] = (limits, one.where)
            elif limits.film != known[0].film or (label in boxed and limits.box != known[0].box):
                reason = f"{label} has another threshold than in {known[1]}: two operating points in one file"
                raise DatasetError("DATASET_ROW", one.where, reason, advice="predict all films at one operating point")
        boxes |= boxed
    return {label: limits for label, (limits, _) in found.items()}


def exhaustive(cases: Iterable[Case]) -> list[Case]:
    """Return the cases as of readers who looked, on every film, for every label that any of the films shows."""
    given = list(cases)
    labels = sorted({label for case in given for reading in case.readings for label in reading.states})
    absent = dict.fromkeys(labels, State.ABSENT)
    found = []
    for case in given:
        readings = case.readings or (Reading("truth", (), {}, case.frame),)
        whole = tuple(replace(reading, states={**absent, **reading.states}) for reading in readings)
        found.append(replace(case, readings=whole))
    return found


def groups_of(case: Case, by: Sequence[str]) -> dict[str, str]:
    """Return the part that a film is in, for each division of ``by`` and for ``source``."""
    groups = {"source": case.dataset}
    if "view" in by:
        groups["view"] = str(case.view).lower()
    if "sex" in by:
        groups["sex"] = str(case.sex).lower()
    if "age" in by:
        age = case.age_years
        groups["age"] = "unknown" if age is None else next(name for limit, name in _AGES if age < limit)
    if "stored" in by:
        size = _stored(case.image)
        groups["stored"] = "unknown" if size is None else f"{max(size.width, size.height)} px"
    return groups


def _pair(case: Case, truth: Reading, one: Predicted | None, by: Sequence[str]) -> Pair:
    name = f"{case.dataset}/{case.id}"
    if one is None:
        raise DatasetError("DATASET_INCOMPLETE", name, "no prediction of this film", advice="predict every film")
    if one.reading is None:
        reasons = ", ".join(one.reasons)
        advice = "it has no scores, and is left out of all numbers"
        raise DatasetError("DATASET_INCOMPLETE", name, f"the film was not assessed ({reasons})", advice=advice)
    found = _in_frame(one.reading, case, one.where)
    return Pair(name, case.patient, truth, found, groups_of(case, by), one.agreement, case.image)


def _in_frame(reading: Reading, case: Case, where: str) -> Reading:
    """Return a prediction in the case's frame; raises ``DATASET_ROW`` where it is in that of another picture."""
    said = reading.frame
    if said is None:
        moved = replace(reading, frame=case.frame) if case.frame is not None else reading
    elif case.frame is None or said == case.frame:
        moved = reading
    else:
        one, other = said.width * case.frame.height, said.height * case.frame.width
        alike = 100 * abs(one - other) < other  # in whole numbers: a file may say any
        if said != _stored(case.image) and not alike:
            sizes = f"{said.width} x {said.height}, the film is {case.frame.width} x {case.frame.height}"
            raise DatasetError(
                "DATASET_ROW", where, f"boxes are in a frame of {sizes}", advice="predict on the film itself"
            )
        moved = reading.to_frame(case.frame)
    for finding in moved.findings:
        if finding.box is not None and moved.frame is not None:
            inside = finding.box.clip(moved.frame)
            if inside is None or inside.area < _OUTSIDE * finding.box.area:
                corners = ", ".join(f"{corner:g}" for corner in finding.box.corners)
                reason = f"a box of {finding.label} at ({corners}) lies off the film: it is in another frame"
                raise DatasetError("DATASET_ROW", where, reason, advice="give boxes in pixels of the film")
            if max(finding.box.corners) <= 1 < min(moved.frame.width, moved.frame.height):
                corners = ", ".join(f"{corner:g}" for corner in finding.box.corners)
                reason = f"a box of {finding.label} at ({corners}) is within one pixel: it is in fractions of the film"
                raise DatasetError("DATASET_ROW", where, reason, advice="give boxes in pixels of the film")
    return moved


def _about(one: Reading, other: Reading) -> Reading:
    """Return what ``one`` says about the labels that ``other`` looked for."""
    return one if one.states.keys() <= other.states.keys() else one.only(other.states)


def _index(cases: Iterable[Case]) -> dict[str, set[int]]:
    index: dict[str, set[int]] = {}
    for number, case in enumerate(cases):
        names = {case.id, f"{case.dataset}/{case.id}", PurePosixPath(case.id).name}
        if case.image is not None:
            names |= {str(case.image), str(case.image.absolute()), case.image.stem}
        for name in names:
            index.setdefault(name, set()).add(number)
    return index


def _hits(film: str, index: Mapping[str, set[int]]) -> tuple[set[int], bool]:
    """Return the films that a prediction may be of, and whether its whole path says so, not its last part alone."""
    path = Path(film)
    stem = PurePosixPath(film.replace("\\", "/"))
    for name in (film, str(path.absolute()), str(stem.with_suffix("")) if stem.name else ""):
        if name in index:
            return set(index[name]), True
    return set(index.get(stem.stem, ())), False


def _strangers(film: str, case: Case) -> bool:
    """Say whether two films of one name are of different patients by their paths (CheXpert, MIMIC-CXR)."""
    one = patient_in(film)
    other = patient_in(case.id if case.image is None else str(case.image)) or patient_in(case.id)
    return bool(one and other) and one != other


def _stored(path: Path | None) -> Frame | None:
    """Return the size of a film's file, or None where it cannot be known without reading the film."""
    if path is None:
        return None
    try:
        if has_suffix(path, DICOM_SUFFIXES):
            return dicom_facts(path).frame
        with Image.open(regular(path)) as picture:
            return Frame(*picture.size)
    except (OSError, LungspotError, ValueError):
        return None


def without(reading: Reading, labels: Iterable[str]) -> Reading:
    """Return a reading that says nothing about ``labels``."""
    gone = set(labels)
    findings: tuple[Finding, ...] = tuple(f for f in reading.findings if f.label not in gone)
    states: dict[str, State] = {label: state for label, state in reading.states.items() if label not in gone}
    return replace(reading, findings=findings, states=states)
