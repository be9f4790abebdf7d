"""What a structured report says of an earlier film: a word at each place, the sentence, and what is gone.

A place that the earlier film has too keeps its tracking UID (TID 1501). What is gone has no place on this film; it
stands with its UID in Qualitative Evaluations, as do which film was compared with and the comparison in words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from highdicom import sr
from pydicom.sr.coding import Code

from lungspot.findings import name_of
from lungspot.report.analysis import Analysis
from lungspot.report.changes import Change, ChangeWord
from lungspot.report.coded import OWN_SCHEME, TERMS, term_of
from lungspot.report.observations import observations
from lungspot.report.source import ReportContext
from lungspot.report.text import report_text

__all__ = ["changed", "changes_of", "comparison"]

_CHANGE: Final = Code("change", OWN_SCHEME, "Change since the earlier film")
_COMPARISON: Final = Code("comparison", OWN_SCHEME, "Comparison with the earlier film")
_FILM: Final = Code("earlier_film", OWN_SCHEME, "Earlier film, SOP Instance UID")
_OWN_WORDS: Final = {
    ChangeWord.GONE: Code("gone", OWN_SCHEME, "Gone"),
    ChangeWord.UNSURE: Code("unsure", OWN_SCHEME, "Marked on one of the two films only, undecided"),
    ChangeWord.BOTH: Code("both", OWN_SCHEME, "Marked on both films"),
}
_CONTAINS: Final = sr.RelationshipTypeValues.CONTAINS
_CONTEXT: Final = sr.RelationshipTypeValues.HAS_OBS_CONTEXT
_MODIFIES: Final = sr.RelationshipTypeValues.HAS_CONCEPT_MOD
_PROPERTY: Final = sr.RelationshipTypeValues.HAS_PROPERTIES


def changed(changes: Sequence[Change]) -> Iterator[sr.QualitativeEvaluation]:
    """Yield a place's words; where its labels have several, each with the findings that it is of."""
    findings: dict[ChangeWord, list[str]] = {}
    for change in changes:
        findings.setdefault(change.word, []).append(change.line.labels[0])
    for word, labels in findings.items():
        said = sr.QualitativeEvaluation(_CHANGE, _term(word))
        if len(findings) > 1:
            said[0].ContentSequence = [
                sr.CodeContentItem(_code("finding"), Code(*term_of(label)), _MODIFIES) for label in labels
            ]
        yield said


def _term(word: ChangeWord) -> Code:
    """Return a word as a code: SNOMED CT's where it has one, else our own."""
    return _OWN_WORDS.get(word) or Code(*TERMS[str(word)])


def changes_of(context: ReportContext) -> dict[int, tuple[Change, ...]]:
    """Return by the number of this film's places what became of them; the model's, whatever a reader says."""
    found: dict[int, tuple[Change, ...]] = {}
    for change in _every(context):
        if change.now is not None and change.now.place is not None:
            found[change.now.place] = (*found.get(change.now.place, ()), change)
    return found


def comparison(context: ReportContext) -> Iterator[sr.ContentItem]:
    """Yield what is said of the two films, and every place that this one no longer has."""
    before = context.before
    if before is None:
        return
    if before.film is not None:
        yield sr.UIDRefContentItem(_FILM, before.film, _CONTAINS)
    words = report_text(context.result, experimental=context.experimental, before=before)
    yield sr.TextContentItem(_COMPARISON, words.comparison, _CONTAINS)
    for change in _every(context):
        if change.now is not None or not change.line.boxed:
            continue
        item = sr.CodeContentItem(_CHANGE, _term(change.word), _CONTAINS)
        label = change.line.labels[0]
        about: list[sr.ContentItem] = [sr.TextContentItem(_code("tracking"), f"lungspot: {name_of(label)}", _CONTEXT)]
        if (uid := before.uid_of(change)) is not None:
            about.append(sr.UIDRefContentItem(_code("tracking_uid"), uid, _CONTEXT))
        about.append(sr.CodeContentItem(_code("finding"), Code(*term_of(label)), _PROPERTY))
        item.ContentSequence = sr.ContentSequence(about)
        yield item


def _every(context: ReportContext) -> tuple[Change, ...]:
    result, before = context.result, context.before
    if before is None or not isinstance(result, Analysis) or not result.assessed:
        return ()
    found = before.against(observations(result, context.told))
    return () if found is None else found.every


def _code(name: str) -> Code:
    return Code(*TERMS[name])
