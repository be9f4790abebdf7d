"""What counts as true on a film about the ten diseases, where its readers differ in name, care and opinion.

=================  ====================================================================================================
label              truth
=================  ====================================================================================================
pneumonia          RSNA's lung opacity; on a ChestX-Det film that RSNA did not read, its Consolidation; SIIM's boxes of
                   indeterminate and atypical studies; else NIH's label
covid19            SIIM's boxes of typical studies; Hannover
tuberculosis       TBX11K active and obsolete; every Shenzhen region; Montgomery, DA and DB by image
nodule_mass        Nodule, Mass and Diffuse Nodule
the other six      the label itself
=================  ====================================================================================================

A person who read the film for a label counts before NIH's labels, which were mined from reports. Among people a finding
counts before an absence. A box of NIH's list counts only where nobody else boxed that label on the film, and
never makes a label exhaustively boxed. What nobody looked for stays not looked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from lungspot.datasets.catalog import SOURCES
from lungspot.datasets.declaration import TruthRank, TruthSource
from lungspot.errors import InputError
from lungspot.findings import DISEASES, Finding, Reading, State, taxonomy
from lungspot.formats import Case

__all__ = ["TRUTH", "noisy", "of_people", "people_first", "truth"]

TRUTH: Final = "truth"  # the reader of the result

_STRANGER: Final = TruthSource("")  # a reader that no dataset declares: a person, by the names of the taxonomy


@dataclass(frozen=True, slots=True)
class _Claim:
    """What one reader says about one disease, with the boxes under the disease's name."""

    state: State
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What counts, and whether it is doubtful."""

    claim: _Claim
    noisy: bool


def truth(case: Case) -> Reading:
    """Return the ten diseases' states and boxes on a film; each finding's ``source`` is the reader it comes from.

    The case may be merged (:func:`lungspot.datasets.merge.merge`). Several readers of one dataset (VinDr) must be fused
    first: raises :class:`InputError`.
    """
    verdicts = _verdicts(case)
    findings = tuple(finding for verdict in verdicts.values() for finding in verdict.claim.findings)
    return Reading(TRUTH, findings, {label: verdict.claim.state for label, verdict in verdicts.items()}, case.frame)


def noisy(case: Case) -> frozenset[str]:
    """Return the diseases whose state in :func:`truth` should weigh less in training and not be scored as certain.

    They are absent by NIH's text-mined labels alone, or their readers contradict each other: a person calls absent
    what NIH's label, NIH's box list or another person calls present. Of pneumonia RSNA alone is asked where it read:
    that ChestX-Det boxes Consolidation where RSNA saw no opacity makes no doubt (docs/reference/datasets.md counts).
    """
    return frozenset(label for label, verdict in _verdicts(case).items() if verdict.noisy)


def of_people(case: Case) -> Case:
    """Return the case with the readings of people alone: those of no reader whose labels were mined, or only listed."""
    return replace(case, readings=tuple(reading for reading in case.readings if _by_person(reading)))


def people_first(case: Case) -> Case:
    """Return the case without what other readers say of labels that people judged on the film.

    A label mined from a report is no vote beside those of people who looked at the film; where nobody looked it stays.
    """
    judged = {label for reading in case.readings if _by_person(reading) for label in reading.states}
    readings = (r if _by_person(r) else r.only(r.states.keys() - judged) for r in case.readings)
    return replace(case, readings=tuple(reading for reading in readings if _by_person(reading) or reading.states))


def _by_person(reading: Reading) -> bool:
    return SOURCES.get(reading.reader, _STRANGER).standing is TruthRank.PERSON


def _verdicts(case: Case) -> dict[str, _Verdict]:
    readings = {reading.reader: reading for reading in case.readings}
    if len(readings) != len(case.readings):
        raise InputError("BAD_VALUE", f"{case.dataset}/{case.id}", "two readings of one reader; fuse or choose first")
    standing = {reader: SOURCES.get(reader, _STRANGER).standing for reader in readings}
    others = [reading for reading in readings.values() if _by_person(reading)]
    if sum(not SOURCES.get(reading.reader, _STRANGER).shares for reading in others) > 1:
        raise InputError("BAD_VALUE", f"{case.dataset}/{case.id}", "several readers; fuse or choose one first")
    found: dict[str, _Verdict] = {}
    for label in DISEASES:
        people = [claim for reading in others if (claim := _claim(reading, label)) is not None]
        settling = [reading for reading in others if label in SOURCES.get(reading.reader, _STRANGER).settles]
        if settling:
            people = [claim for reading in settling if (claim := _claim(reading, label)) is not None]
        by_rank: dict[TruthRank, _Claim] = {}
        for reader, reading in readings.items():
            claim = None if standing[reader] is TruthRank.PERSON else _claim(reading, label)
            if claim is not None:
                by_rank.setdefault(standing[reader], claim)
        verdict = _decide(people, by_rank.get(TruthRank.LIST), by_rank.get(TruthRank.MINED))
        if verdict is not None:
            found[label] = verdict
    return found


def _decide(people: list[_Claim], listed: _Claim | None, mined: _Claim | None) -> _Verdict | None:
    positive = [claim for claim in people if claim.state.is_positive]
    if positive:
        best = next((claim for claim in positive if claim.findings and claim.state is State.BOXED), positive[0])
        return _Verdict(best, noisy=len(positive) < len(people))
    if listed is not None:
        return _Verdict(listed, noisy=bool(people))
    if people:
        return _Verdict(people[0], noisy=mined is not None and mined.state.is_positive)
    return None if mined is None else _Verdict(mined, noisy=mined.state is State.ABSENT)


def _claim(reading: Reading, label: str) -> _Claim | None:
    names = (label, *taxonomy().children(label))
    needed = taxonomy()[label].parts or (label,)
    means = SOURCES.get(reading.reader, _STRANGER).means
    if label in means:
        names = needed = means[label]
    states = [reading.states[name] for name in names if name in reading.states]
    positive = [state for state in states if state.is_positive]
    if positive:
        state = State.BOXED if all(one is State.BOXED for one in positive) else State.PRESENT
        return _Claim(state, tuple(_renamed(reading, names, label)))
    if states and (names[0] in reading.states or all(name in reading.states for name in needed)):
        return _Claim(State.ABSENT)
    return None


def _renamed(reading: Reading, names: Iterable[str], label: str) -> Iterable[Finding]:
    for finding in reading.findings:
        if finding.label in names and finding.box is not None:
            yield replace(finding, label=label, source=finding.said_by(reading.reader))
