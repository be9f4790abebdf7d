"""What is watched of one result: few numbers and words, none of them about the patient, small enough to keep for years.

``serve`` and ``node`` keep them beside each film; of JSON documents they are taken when they are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["film_facts"]


def film_facts(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the watch looks at, as JSON values, of a ``lungspot/1`` document (of 0.1, too).

    ``made``: when; ``status`` and ``reasons``; ``warnings``: their codes; ``model``: name, version and the beginning of
    its hash; ``software``: lungspot's version; ``device``: maker, model and station in one line; ``view``, ``bits``,
    ``size``: (width, height); ``statistics``: of the pixels; ``scores``: label → probability that the film shows it;
    ``positive``: labels that reach their threshold; ``abnormal``: whether anything is said of the film; ``features``.
    Raises KeyError, TypeError or AttributeError where it is no such document.
    """
    image, model = document["image"], document.get("model")
    device = image.get("device") or {}
    scores = {row["label"]: row["probability"] for row in document["image_scores"]}
    rows = (*document["findings"], *document["image_scores"])
    positive = sorted({row["label"] for row in rows if row["positive"]})
    said = document.get("statement")
    return {
        "made": document.get("made"),
        "status": document["status"],
        "reasons": list(document["reasons"]),
        "warnings": sorted({row["code"] for row in document.get("warnings", ())}),
        "model": None if model is None else f"{model['name']} {model['version']} ({model['sha256'][:8]})",
        "software": document.get("software", {}).get("lungspot"),
        "device": " ".join(word for word in device.values() if word) or None,
        "view": image.get("view"),
        "bits": image.get("bits"),
        "size": [image["width"], image["height"]] if image.get("width") else None,
        "statistics": image.get("statistics"),
        "scores": scores,
        "positive": positive,
        "abnormal": bool(positive if said is None else said["said"]),
        "features": document.get("features"),
    }
