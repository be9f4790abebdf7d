"""What counts as truth: of each film the one reading that predictions are judged by."""

from __future__ import annotations

from collections.abc import Iterable

from lungspot.datasets import DATASETS, SOURCES, noisy, truth
from lungspot.evaluate.pairing import without
from lungspot.findings import Reading, majority
from lungspot.formats import Case

__all__ = ["truths"]

# readers whose labels mean another disease by the rule of the ten diseases, wherever they were written to
_RULED = frozenset(reader for reader, source in SOURCES.items() if source.ruled)


def truths(cases: Iterable[Case], name: str, *, certain: bool = False) -> list[tuple[Case, Reading]]:
    """Return each case with the reading that counts, in the case's frame.

    It is what the rule of the ten diseases makes of its readings (:func:`lungspot.datasets.truth.truth`) where they
    are a public dataset's; else its only reading; else the majority of its readers, as for a dataset that declares
    ``several_readers``. ``name``: of the dataset or format that the cases are from, or ``all``. ``certain``: without
    the labels that are doubtful on a film (:func:`lungspot.datasets.truth.noisy`), which then nobody looked for there.
    """
    public = name == "all" or (name in DATASETS and not DATASETS[name].several_readers)
    found = []
    for case in cases:
        if public or _RULED & {reading.reader for reading in case.readings}:
            found.append((case, without(truth(case), noisy(case) if certain else ())))
        else:
            found.append((case, case.readings[0] if len(case.readings) == 1 else majority(case.readings)))
    return found
