"""What is said of a site whose thresholds and probabilities a card holds, in every form alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from lungspot.detect import ModelCard
from lungspot.findings import name_of, taxonomy
from lungspot.report.analysis import Analysis
from lungspot.report.words import NOT_TOLD_APART, joined

__all__ = ["kept_names", "percentages_of", "sets_of", "thresholds_of"]


def thresholds_of(card: ModelCard) -> str | None:
    """Return whose thresholds a card holds; None where they are the model's own."""
    if (site := card.site) is None:
        return None
    films = f"{site.films} films of {site.name} ({site.made})"
    mine = [label for label in card.labels if label in site.thresholds]
    if not mine:
        return f"Thresholds: the model's own; probabilities by {films}."
    rest = "" if len(mine) == len(card.labels) else "; the model's own for the others"
    return f"Thresholds by {films}: {_named(mine, card)}{rest}."


def percentages_of(card: ModelCard, own: str) -> str:
    """Return what a percentage is of; ``own``: the sentence where no site has fitted any."""
    site = card.site
    if site is None or not site.probabilities:
        return own
    mine = [label for label in card.labels if label in site.probabilities]
    rest = "" if len(mine) == len(card.labels) else ", and on validation films for the others"
    return (
        "A percentage beside a box is how often boxes with its score were right, one of a whole film how often such "
        f"films showed the disease, on films of {site.name} for {_named(mine, card)}{rest}: "
        "it holds for their mix of diseases."
    )


def _named(labels: Sequence[str], card: ModelCard) -> str:
    return "all labels" if len(labels) == len(card.labels) else joined(list(map(name_of, labels)), "and")


def sets_of(result: Analysis, said: Iterable[str], hidden: Collection[str]) -> tuple[str, ...]:
    """Return a sentence for each group of look-alikes of which a label is ``said``: what its prediction set keeps."""
    groups = {taxonomy()[label].group for label in said}
    return tuple(_sentence(result, group, kept, hidden) for group, kept in kept_names(result) if group in groups)


def kept_names(result: Analysis) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each look-alike group that the site has a prediction set for, with the labels that stay in it."""
    site = result.model.card.site
    for group, limits in ({} if site is None or result.reading is None else site.sets).items():
        found = {label: score for label, score in result.probabilities.items() if label in limits}
        kept = [label for label, score in found.items() if score >= limits[label]]
        yield group, tuple(sorted(kept, key=lambda label: -found[label]))


def _sentence(result: Analysis, group: str, kept: tuple[str, ...], hidden: Collection[str]) -> str:
    site = result.model.card.site
    assert site is not None and site.coverage is not None  # noqa: PT018, S101 - it has sets
    told = [name_of(label) for label in kept if label not in hidden]
    among = [name_of(label) for label in site.sets[group] if label not in hidden]
    names = ", ".join(told) or "none of them"
    return (
        f"{name_of(group)}, {NOT_TOLD_APART}: of {joined(among, 'and')}, the set that keeps {site.coverage:g} % of "
        f"true names at {site.name} holds {names}."
    )
