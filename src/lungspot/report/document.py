"""One film's result as JSON, schema ``lungspot/1`` (``lungspot-1.schema.json``, docs/reference/json.md).

Coordinates are rounded to a hundredth of a pixel and probabilities to four digits, so that equal results are equal
bytes. A film that is not assessed has empty ``findings`` and ``image_scores``; nothing in it tells what a network said.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import lru_cache
from importlib import resources
from typing import Any

from lungspot import __version__
from lungspot.detect import Anatomy, SiteMark, Standing, limit_of
from lungspot.findings import Box, Finding, taxonomy
from lungspot.report.analysis import Analysis, Model, Refusal
from lungspot.report.changes import Before, Change
from lungspot.report.observations import Observation, Review
from lungspot.report.site_words import kept_names
from lungspot.report.statement import Said, Statement, statement
from lungspot.report.text import Compared, ReportText, report_text

__all__ = ["SCHEMA", "document", "findings_to_json", "report_to_json", "schema", "statement_to_json"]

# What a result in JSON calls its form: lungspot-1.schema.json.
SCHEMA = "lungspot/1"


def document(
    result: Analysis | Refusal, *, language: str = "en", review: Review | None = None, before: Before | None = None
) -> dict[str, Any]:
    """Return the result as JSON values, keys in the order of the schema.

    ``language``: of the report to copy; ``review``: a reader's, whose word counts in that report and nowhere else;
    ``before``: the patient's film that the report compares with.
    """
    words = report_to_json(report_text(result, language=language, review=review, before=before))
    if isinstance(result, Refusal):
        return _frame(result, _unread(result.path), words) | _tail(None)
    film, origin = result.radiograph, result.radiograph.origin
    image = {
        "path": origin.path,
        "sha256": origin.sha256,
        "width": film.frame.width,
        "height": film.frame.height,
        "kind": origin.kind if origin.kind == "dicom" else "raster",
        "format": origin.kind,
        "view": str(film.view),
        "pixel_spacing_mm": None if film.pixel_spacing_mm is None else list(film.pixel_spacing_mm),
        "pixel_aspect": list(film.pixel_aspect),
        "sop_instance_uid": origin.sop_instance_uid,
        "bits": film.bits,
        "device": asdict(film.device) if film.device else None,
        "statistics": None if result.statistics is None else result.statistics.to_json(),
    }
    value = _frame(result, image, words) | _tail(result.model)
    value["findings"] = findings_to_json(result)
    value["image_scores"] = [
        _image_score(result, finding)
        for finding in (() if result.reading is None else result.reading.findings)
        if finding.box is None
    ]
    if result.anatomy is not None:
        value["anatomy"] = _anatomy(result.anatomy)
    value["features"] = list(result.features) or None
    if result.assessed and value["site"] is not None:
        sets = [{"group": group, "kept": list(kept)} for group, kept in kept_names(result)]
        value["site"]["prediction_sets"] = sets
    value["operating_point"] = result.point
    value["timing_ms"] = {step: round(each, 1) for step, each in result.timings.items()}
    notices = (*film.notices, *result.notices)
    value["warnings"] = [{"code": notice.code, "text": notice.text} for notice in notices]
    return value


def findings_to_json(result: Analysis) -> list[dict[str, Any]]:
    """Return the boxes of a result as JSON values, best first: the document's key ``findings``."""
    places = {index: place.number for place in result.places for index in place.members}
    return [_finding(result, index, places[index]) for index in range(len(result.boxed))]


@lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) that every document meets."""
    text = resources.files("lungspot.report").joinpath("lungspot-1.schema.json").read_text(encoding="utf-8")
    value: dict[str, Any] = json.loads(text)
    return value


def statement_to_json(told: Statement) -> dict[str, Any]:
    """Return a statement as JSON values, most urgent first: the document's key ``statement``."""
    return {
        "headline": told.headline,
        "urgency": round(told.urgency, 4),
        "said": [_said(each) for each in told.said],
        "experimental": list(told.unsaid),
        "not_looked_for": list(told.not_looked_for),
        "percentages": told.percentages if told.assessed else None,
        "thresholds": told.thresholds,
    }


def report_to_json(report: ReportText) -> dict[str, Any]:
    """Return a report to copy as JSON values: the document's key ``report``."""
    return {
        "language": report.language,
        "head": report.head,
        "technique": report.technique,
        "comparison": report.comparison,
        "findings": [{"region": region, "text": text} for region, text in report.findings],
        "measurements": report.measurements,
        "impression": list(report.impression),
        "note": report.note,
        "changes": None if report.compared is None else _changes(report.compared),
    }


def _changes(compared: Compared) -> dict[str, Any]:
    found, before = compared.lines, compared.before
    parts = {} if found is None else {"new": found.new, "gone": found.gone, "both": found.both}
    lines = {name: [_line(line, compared.words[line]) for line in part] for name, part in parts.items()}
    aligned = None if found is None or before is None else before.aligned
    return (
        {
            "days_earlier": compared.days,
            "compared": found is not None,
            "sentence": compared.sentence,
            "film": _film(before),
            "alignment": None
            if aligned is None
            else {
                "matrix": [[round(each, 6) for each in row] for row in aligned.alignment.matrix],
                "correlation": round(aligned.alignment.correlation, 3),
            },
            "every": []
            if found is None or before is None
            else [_change(each, compared.words[each.line], before) for each in found.every],
        }
        | {"new": [], "gone": [], "both": []}
        | lines
    )


def _film(before: Before | None) -> dict[str, str | None] | None:
    if before is None or (before.film is None and before.name is None):
        return None
    return {"path": before.name, "sop_instance_uid": before.film}


def _change(change: Change, text: str, before: Before) -> dict[str, Any]:
    """Return what became of one line; boxes lie in this film."""
    now, then = change.now, change.before
    return {
        "word": str(change.word),
        "text": text,
        "labels": list(change.line.labels),
        "marked": change.marked,
        "place": None if now is None else now.place,
        "box": None if now is None else _corners(now.box),
        "earlier_place": None if then is None else then.place,
        "earlier_box": _corners(change.then),
        "area_ratio": None if change.ratio is None else round(change.ratio, 2),
        "difference": None if change.seen is None else round(change.seen.surprise, 1),
        "tracking_uid": before.uid_of(change),
    }


def _line(line: Observation, text: str) -> dict[str, Any]:
    return {
        "labels": list(line.labels),
        "text": text,
        "judged": line.judged,
        "boxed": line.boxed,
        "side": None if line.side is None else str(line.side),
        "zone": None if line.zone is None else str(line.zone),
    }


def _said(said: Said) -> dict[str, Any]:
    return {
        "place": said.place,
        "label": said.label,
        "name": said.title,
        "text": said.text,
        "names": [
            {"label": name.label, "score": _rounded(name.score), "probability": _rounded(name.film)}
            for name in said.told
        ],
        "box": _corners(said.box),
        "side": None if said.side is None else str(said.side),
        "zone": None if said.zone is None else str(said.zone),
        "where": said.where,
    }


def _anatomy(seen: Anatomy) -> dict[str, Any]:
    return {
        "heart": _corners(seen.heart),
        "left_lung": _corners(seen.left_lung),
        "right_lung": _corners(seen.right_lung),
        "lungs": [_corners(lung) for lung in seen.lungs],
        "cardiothoracic_ratio": None if seen.cardiothoracic_ratio is None else round(seen.cardiothoracic_ratio, 3),
        "mirrored": seen.mirrored,
    }


def _corners(box: Box | None) -> list[float] | None:
    return None if box is None else [round(corner, 2) for corner in box.corners]


def _rounded(probability: float | None) -> float | None:
    return None if probability is None else round(probability, 4)


def _standing(result: Analysis, label: str) -> str:
    return str(Standing.REPORTED if result.model.card.is_reported(label) else Standing.EXPERIMENTAL)


def _finding(result: Analysis, index: int, place: int) -> dict[str, Any]:
    finding = result.boxed[index]
    label = taxonomy()[finding.label]
    value = {
        "label": finding.label,
        "name": label.name,
        "score": round(finding.score or 0.0, 4),
        "threshold": round(limit_of(result.model.card, finding, result.point), 4),
        "positive": result.is_positive(finding),
        "standing": _standing(result, finding.label),
        "place": place,
        "judged": finding.judged,
        "box": _corners(finding.box),
        "side": None if finding.side is None else str(finding.side),
        "zone": None if finding.zone is None else str(finding.zone),
        "codes": {code.scheme: code.value for code in label.codes},
    }
    if result.agreement:
        value["agreement"] = {
            name: each if isinstance(each, bool) else round(each, 3) for name, each in result.agreement[index].items()
        }
    return value


def _site(site: SiteMark | None) -> dict[str, Any] | None:
    if site is None:
        return None
    return {
        "name": site.name,
        "made": site.made,
        "films": site.films,
        "sha256": site.sha256,
        "thresholds": {label: list(levels) for label, levels in site.thresholds.items()},
        "probabilities": list(site.probabilities),
        "coverage": site.coverage,
        "prediction_sets": [],
    }


def _image_score(result: Analysis, finding: Finding) -> dict[str, Any]:
    return {
        "label": finding.label,
        "probability": round(finding.score or 0.0, 4),
        "threshold": round(limit_of(result.model.card, finding, result.point), 4),
        "positive": result.is_positive(finding),
        "standing": _standing(result, finding.label),
    }


def _unread(path: str) -> dict[str, Any]:
    facts = ("sha256", "width", "height", "kind", "format", "view", "pixel_spacing_mm", "pixel_aspect")
    return {"path": path} | dict.fromkeys((*facts, "sop_instance_uid", "bits", "device", "statistics"))


def _frame(result: Analysis | Refusal, image: dict[str, Any], words: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "status": result.status,
        "reasons": list(result.reasons),
        "image": image,
        "findings": [],
        "image_scores": [],
        "statement": statement_to_json(statement(result)),
        "report": words,
        "operating_point": None,
        "features": None,
        "made": result.made,
    }


def _tail(model: Model | None) -> dict[str, Any]:
    who = None
    if model is not None:
        card = model.card
        who = {"name": card.name, "version": card.version, "sha256": model.sha256, "card_sha256": card.sealed_sha256}
    return {
        "model": who,
        "site": None if model is None else _site(model.card.site),
        "software": {"lungspot": __version__, "onnxruntime": None if model is None else model.runtime},
        "timing_ms": {},
        "warnings": [],
        "not_for_clinical_use": True,
    }
