"""What a page must know beside the model file: the model in words, the taxonomy, codes and templates, as JSON."""

from __future__ import annotations

from typing import Any

from lungspot import BANNER, __version__
from lungspot.detect import DEFAULT_POINT, OPERATING_POINTS, REASONS, Detector, ModelCard, floor_of
from lungspot.errors import CODES
from lungspot.findings import taxonomy
from lungspot.images import WARNINGS
from lungspot.report import (
    LANGUAGES,
    NOT_ASSESSED,
    PERCENTAGES,
    RATIO_LABEL,
    RATIO_LIMITS,
    color_of,
    language_name,
    templates,
    thresholds_of,
)

__all__ = ["model_facts", "page_facts"]


def model_facts(detector: Detector) -> dict[str, Any]:
    """Return the model's card in the words that a page needs: what ``GET /v1/model`` says of the model."""
    card = detector.card
    return {
        "name": card.name,
        "version": card.version,
        "sha256": detector.sha256,
        "card_sha256": card.sealed_sha256,
        "site": None if card.site is None else _site(card),
        "software": {"lungspot": __version__, "onnxruntime": detector.runtime},
        "labels": [_label(card, label) for label in card.labels],
        "operating_points": list(OPERATING_POINTS),
        "default_point": DEFAULT_POINT,
        "floor": round(floor_of(card), 4),
        "training_data": list(card.training_data),
        "licence": card.licence,
        "terms": card.terms,
        "intended_use": card.intended_use,
        "notes": list(card.notes),
        "metrics": _plain(card.metrics),
        "gate": None if card.gate is None else {"tested_on": _plain(card.gate.tested_on)},
        "reasons": {**CODES, **REASONS},
        "warnings": dict(WARNINGS),
        "taxonomy": [
            {"id": each.id, "name": each.name, "disease": each.disease, "group": each.group, "color": each.color}
            for each in taxonomy()
        ],
        "report_languages": {language: language_name(language) for language in LANGUAGES},
        "banner": BANNER,
        "not_assessed": NOT_ASSESSED,
        "not_for_clinical_use": True,
    }


def page_facts(detector: Detector) -> dict[str, Any]:
    """Return all that the page's engine needs and that no model file holds."""
    # What no page shows of the model, in 25 kB, and what it makes of the taxonomy below.
    unread = {"metrics", "gate", "taxonomy"}
    model = {key: value for key, value in model_facts(detector).items() if key not in unread}
    for label in model["labels"]:
        del label["reliability"]
    return {
        "model": model | {"teaching_cases": 0, "screening": None, "keeps_identifiers": True},
        "taxonomy": {
            each.id: {
                "name": each.name,
                **({"disease": True} if each.disease else {}),  # ten of them
                "organ": str(each.organ),
                "paired": each.paired,
                "in_lungs": each.in_lungs,
                "group": each.group,
                "urgency": each.urgency,
                "color": each.color,
                "codes": {code.scheme: code.value for code in each.codes},
            }
            for each in taxonomy()
        },
        "percentages": PERCENTAGES,
        "ratio": (RATIO_LABEL, *RATIO_LIMITS),
        "templates": {language: templates(language) for language in LANGUAGES},
    }


def _site(card: ModelCard) -> dict[str, Any]:
    site = card.site
    assert site is not None  # noqa: S101 - as the caller has seen
    told = {name: _plain(getattr(site, name)) for name in ("name", "made", "films", "sha256", "coverage")}
    return told | {
        "thresholds": {label: list(levels) for label, levels in site.thresholds.items()},
        "probabilities": list(site.probabilities),
        "words": thresholds_of(card),
    }


def _label(card: ModelCard, label: str) -> dict[str, Any]:
    limits = {point: card.threshold(label, point) for point in OPERATING_POINTS}
    return {
        "id": label,
        "name": taxonomy()[label].name,
        "color": color_of(label),
        "codes": {code.scheme: code.value for code in taxonomy()[label].codes},
        "thresholds": {p: {"box": round(t.box, 4), "image": round(t.image, 4)} for p, t in limits.items()},
        "reliability": _plain(card.reliability.get(label, {})),
        "standing": "reported" if card.is_reported(label) else "experimental",
        "evidence": _plain(_evidence(card, label)),
    }


def _evidence(card: ModelCard, label: str) -> Any:  # noqa: ANN401 - whatever a card may hold
    """Return the numbers that the label's standing rests on (docs/explanation/standing.md); empty where none are."""
    of = card.metrics.get("standing", {})
    return of.get(label, {}) if hasattr(of, "get") else {}


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a card may hold
    if hasattr(value, "items"):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
