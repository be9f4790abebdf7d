"""What a report says of the film as a whole: the container Qualitative Evaluations of TID 1500.

Whether the film was assessed and, if not, why; one sentence on the whole film; then every label that is reported, with
the probability that the film shows it at all. It stands outside the measurement groups, for viewers (OHIF 3.12) take
every such group for a drawing and fail at one without coordinates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, cast

from highdicom import sr
from pydicom.sr.coding import Code

from lungspot.findings import name_of
from lungspot.report.analysis import Analysis
from lungspot.report.coded import OWN_SCHEME, TERMS, quality_of, reason_term, term_of
from lungspot.report.source import ReportContext
from lungspot.report.sr_changes import comparison
from lungspot.report.statement import Said
from lungspot.report.words import NOT_ASSESSED

__all__ = ["algorithm_of", "evaluations", "probability_of"]

_CODES: Final = {name: Code(*term) for name, term in TERMS.items()}
_UNITS: Final = Code("1", "UCUM", "no units")
_LONGEST: Final = 64  # characters of a code meaning (VR LO)
_REASON: Final = Code("reason", OWN_SCHEME, f"Reason {NOT_ASSESSED.lower()}")
_OUTCOME: Final = Code("outcome", OWN_SCHEME, "Outcome")
_OUTCOMES: Final = {
    "assessed": Code("assessed", OWN_SCHEME, "Assessed"),
    "refused": Code("refused", OWN_SCHEME, "Refused: not a film that the model can judge"),
    "failed": Code("failed", OWN_SCHEME, "Failed: the film could not be read"),
}
_MODIFIES: Final = sr.RelationshipTypeValues.HAS_CONCEPT_MOD
_CONTAINS: Final = sr.RelationshipTypeValues.CONTAINS
_PROPERTY: Final = sr.RelationshipTypeValues.HAS_PROPERTIES
_CONTEXT: Final = sr.RelationshipTypeValues.HAS_OBS_CONTEXT


def evaluations(context: ReportContext, parameters: Sequence[str]) -> sr.ContainerContentItem:
    """Return the container; ``parameters``: what the algorithm was run with."""
    container = sr.ContainerContentItem(_CODES["evaluations"], relationship_type=_CONTAINS)
    items: list[sr.ContentItem] = [*algorithm_of(context, list(parameters)), *_outcome(context)]
    items.append(sr.TextContentItem(_CODES["conclusion"], context.told.headline, _CONTAINS))
    container.ContentSequence = sr.ContentSequence([*items, *_labels(context), *comparison(context)])
    return container


def algorithm_of(context: ReportContext, parameters: list[str]) -> sr.AlgorithmIdentification:
    """Return name, version and parameters of the model (TID 4019)."""
    name, version = context.model
    return sr.AlgorithmIdentification(name, version, parameters, family=_CODES["artificial_intelligence"])


def probability_of(label: str, value: float, *, of_film: bool = False) -> sr.Measurement:
    """Return a probability, and of which label it is: as a modifier, and in the name that viewers show.

    DCM 122157 or, beside a box that nobody judged by itself, ``of_film``: our own code for the whole film's.
    """
    words = f"{name_of(label)}, probability{' (whole film)' if of_film else ''}"[:_LONGEST]
    name = Code("film_probability", OWN_SCHEME, words) if of_film else Code(*TERMS["probability"][:2], words)
    measured = sr.Measurement(name=name, value=float(value), unit=_UNITS)
    of = sr.CodeContentItem(_CODES["finding"], Code(*term_of(label)), _MODIFIES)
    measured[0].ContentSequence = [*measured[0].get("ContentSequence", []), of]
    return measured


def _outcome(context: ReportContext) -> Iterator[sr.ContentItem]:
    result = context.result
    reasons: tuple[str, ...] = ()
    if not isinstance(result, Analysis):
        outcome, found, reasons = "failed", "none_succeeded", (result.error.code,)
    elif result.reading is None:
        outcome, found, reasons = "refused", "none_succeeded", result.reasons
    else:
        outcome, found = "assessed", "with_findings" if context.told.said else "without_findings"
    said = [(_OUTCOME, _OUTCOMES[outcome]), (_CODES["summary"], _CODES[found])]
    for reason in reasons:
        said += [(_CODES["quality"], Code(*quality_of(reason))), (_REASON, Code(*reason_term(reason)))]
    for name, value in said:
        yield sr.CodeContentItem(name, value, _CONTAINS)


def _labels(context: ReportContext) -> Iterator[sr.ContentItem]:
    """Yield what is said of the film as a whole, in its order; then every other label that was looked for."""
    if not isinstance(context.result, Analysis) or context.result.reading is None:
        return
    told, said_of = context.told, dict[str, Said]()
    for said in (*told.said, *told.below):
        if said.box is None:
            said_of |= {name.label: said for name in said.names}
    for label in dict.fromkeys([*said_of, *context.result.reading.states]):
        if label in said_of or label not in told.unsaid:
            yield _label(context, context.result, label, said_of.get(label))


def _label(context: ReportContext, result: Analysis, label: str, said: Said | None) -> sr.ContentItem:
    """Return what is known of a label on the film; ``said`` where nothing else speaks of it."""
    limit = result.model.card.threshold(label, result.point).image
    item = sr.CodeContentItem(Code(*term_of(label)), _CODES[context.told.word_of(label)], _CONTAINS)
    about: list[sr.ContentItem] = [
        sr.TextContentItem(_CODES["tracking"], f"lungspot: {name_of(label)} (whole film)", _CONTEXT),
        sr.UIDRefContentItem(_CODES["tracking_uid"], context.uid("tracking", "label", label), _CONTEXT),
        sr.TextContentItem(_CODES["parameters"], f"film threshold {limit:g}", _MODIFIES),
    ]
    if label in result.probabilities:
        number = cast("sr.ContentItem", probability_of(label, result.probabilities[label])[0])
        number.RelationshipType = _PROPERTY.value
        about.append(number)
    if said is not None:
        about.append(sr.TextContentItem(_CODES["comment"], said.text, _PROPERTY))
    item.ContentSequence = sr.ContentSequence(about)
    return item
