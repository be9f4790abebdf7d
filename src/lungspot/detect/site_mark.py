"""What a card says of the site whose thresholds and probabilities it holds in place of the model's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["SiteMark"]


@dataclass(frozen=True, slots=True)
class SiteMark:
    """Whose thresholds and probabilities a card holds, where they are not the model's own (:mod:`lungspot.adapt`).

    ``name``, ``made`` (a day), ``films`` and ``sha256``: of the site file. ``card_sha256``: of the card that is sealed
    into the model. ``thresholds``: by label, at which levels (``film``, ``box``) they are the site's;
    ``probabilities``: the labels whose percentages are. ``sets``: by look-alike group, from which probability of the
    film each of its labels stays in the prediction set, which keeps ``coverage`` per cent of true ones.
    """

    name: str
    made: str
    sha256: str
    card_sha256: str
    films: int
    thresholds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    probabilities: tuple[str, ...] = ()
    sets: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    coverage: float | None = None

    def __post_init__(self) -> None:
        """Make the mappings read-only."""
        thresholds = {label: tuple(levels) for label, levels in self.thresholds.items()}
        object.__setattr__(self, "thresholds", MappingProxyType(thresholds))
        object.__setattr__(self, "probabilities", tuple(self.probabilities))
        sets = {group: MappingProxyType(dict(of)) for group, of in self.sets.items()}
        object.__setattr__(self, "sets", MappingProxyType(sets))

    def __reduce__(self) -> tuple[object, ...]:  # a mapping proxy cannot be pickled
        sets = {group: dict(of) for group, of in self.sets.items()}
        told = (self.name, self.made, self.sha256, self.card_sha256, self.films)
        return type(self), (*told, dict(self.thresholds), self.probabilities, sets, self.coverage)
