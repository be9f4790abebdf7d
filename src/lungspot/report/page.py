"""One result as one HTML file: the film, boxes and heat map on and off, the table, the model; nothing from a network.

Scripts and styles are this package's own, allowed by their hashes in the page's Content-Security-Policy; everything
that comes from a film's file enters as JSON with ``<`` escaped and is put on the page as text.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from PIL import Image

from lungspot import BANNER, __version__
from lungspot.detect import Standing
from lungspot.findings import name_of
from lungspot.images import SIDE_UNKNOWN, WARNINGS
from lungspot.pages import csp_hash, page_part
from lungspot.report.analysis import Analysis
from lungspot.report.changes import Before, Change, ChangeWord
from lungspot.report.document import document
from lungspot.report.marks import edge_letters, marks_of
from lungspot.report.measurements import Kind, Measurement
from lungspot.report.observations import Review, observed
from lungspot.report.organs import organ_marks
from lungspot.report.site_words import thresholds_of
from lungspot.report.statement import EXPERIMENTAL, Said, label_of, statement
from lungspot.report.style import color_of, film_picture, glow
from lungspot.report.text import Compared, ReportText, report_text
from lungspot.report.words import NOT_TOLD_APART, percent, place_of

__all__ = ["page"]

_SMALLEST, _LARGEST = 768, 1600  # long side of the film on the page
_VERDICTS: Final = {"accept": "accepted", "reject": "rejected", "edit": "edited", "add": "drawn"}
_WORDS: Final = {
    ChangeWord.NEW: "new",
    ChangeWord.LARGER: "larger or denser",
    ChangeWord.SMALLER: "smaller or less dense",
    ChangeWord.SAME: "unchanged",
    ChangeWord.GONE: "gone",
    ChangeWord.UNSURE: "undecided",
    ChangeWord.BOTH: "marked on both",
}
_GLOW = 256  # long side of a heat map; the browser smooths it


def page(  # noqa: PLR0913 - each choice has a name
    result: Analysis,
    *,
    experimental: bool = False,
    review: Review | None = None,
    language: str = "en",
    before: Before | None = None,
    anatomy: bool = False,
) -> str:
    """Return the HTML text of one result.

    ``experimental``: say experimental labels too, marked as such. ``review``: a reader's, which is shown and counts in
    the report to copy; ``language``: of that report; ``before``: the patient's film that it compares with;
    ``anatomy``: heart and lungs are shown, where they lie as in a chest.
    """
    style, script, template = (page_part("lungspot.report", name) for name in ("page.css", "page.js", "page.html"))
    value = _data(result, experimental=experimental)
    words = report_text(result, language=language, experimental=experimental, review=review, before=before)
    value["report"] = words.text
    value["organs"] = _organs(result) if anatomy else []
    value["language"] = language
    value["review"] = None if review is None else _review(result, review)
    value["changes"] = None if words.compared is None else _changes(words, words.compared)
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    parts = {
        "banner": BANNER,
        "style": style,
        "style_hash": csp_hash(style),
        "script": script,
        "script_hash": csp_hash(script),
        "data": text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def _data(result: Analysis, *, experimental: bool) -> dict[str, Any]:
    value = document(result)
    told = statement(result, experimental=experimental)
    rows = [_row(result, said) for said in (*told.said, *told.below)]
    scores = [
        each
        | {"color": color_of(each["label"]), "name": name_of(each["label"]) + _mark(each)}
        | {"limit": f"{'≥' if each['positive'] else '<'} {percent(each['threshold'])}"}
        for each in sorted(value["image_scores"], key=lambda each: -each["probability"])
        if each["label"] not in told.unsaid
    ]
    best = rows[0]["names"][0]["label"] if rows else scores[0]["label"] if scores else None
    labels = dict.fromkeys([name["label"] for row in rows for name in row["names"]] + ([best] if best else []))
    wide, high = result.radiograph.proportions
    tall = high / result.radiograph.frame.height
    return {
        "assessed": told.assessed,
        "status": result.status.replace("_", " "),
        "headline": told.headline,
        "pixels": [result.radiograph.frame.width, result.radiograph.frame.height],
        "frame": [wide, high],  # of square pixels: letters are not stretched with the film
        "edges": edge_letters(result) or {"left": SIDE_UNKNOWN},
        "picture": _jpeg(film_picture(result.radiograph, smallest=_SMALLEST, largest=_LARGEST)),
        "said": rows,
        "marks": [
            {"place": mark.place, "box": mark.box.scale(1, tall).corners, "color": mark.color, "lines": mark.lines}
            for mark in marks_of(told)
        ],
        "image_scores": scores,
        "heat": {
            label: {"src": _png(glow(result.heat[label], _glow_size(result))), "name": name_of(label)}
            for label in labels
            if label in result.heat
        },
        "heat_of": best,
        "warnings": [f"{WARNINGS[each['code']]} ({each['text']})" for each in value["warnings"]],
        "notes": [*told.caveats, *([told.percentages] if scores else [])],
        "facts": _facts(value),
        "card": _card(result, value),
    }


def _organs(result: Analysis) -> list[dict[str, Any]]:
    tall = result.radiograph.proportions[1] / result.radiograph.frame.height
    return [{"name": mark.name, "box": mark.box.scale(1, tall).corners} for mark in organ_marks(result)]


def _mark(score: Mapping[str, Any]) -> str:
    return EXPERIMENTAL if score["standing"] == Standing.EXPERIMENTAL else ""


def _row(result: Analysis, said: Said) -> dict[str, Any]:
    """Return one line of the table: what is said of a place or of the whole film."""
    groups: list[dict[str, Any]] = [
        {
            "alike": f"{name_of(label_of(group))}: {NOT_TOLD_APART}" if len(group) > 1 else None,
            "names": [
                {
                    "label": name.label,
                    "name": name_of(name.label) + name.mark,
                    "percentage": name.percentage,
                    "threshold": _threshold(result, said, name.label),
                    "color": color_of(name.label),
                    "agreement": _agreement(result, said.place, name.label),
                }
                for name in group
            ],
        }
        for group in said.groups
    ]
    return {
        "place": said.place,
        "positive": said.positive,
        "where": said.where if said.box is not None else "no box",
        "text": said.text,
        "groups": groups,
        "names": [name for group in groups for name in group["names"]],
    }


def _threshold(result: Analysis, said: Said, label: str) -> str:
    """Return what a box, or the whole film, must reach, with the sign that says whether it does: ``≥ 31 %``."""
    limits = result.model.card.threshold(label, result.point)
    limit = limits.image if said.box is None else limits.box
    name = next(each for each in said.names if each.label == label)
    return f"{'≥' if name.positive else '<'} {percent(limit)}"


def _review(result: Analysis, review: Review) -> dict[str, Any]:
    """Return a reader's review in words, a row a verdict."""
    rows = []
    for verdict in review.verdicts:
        line = observed(result, verdict.label, verdict.box)
        place = place_of(verdict.label, line.side, line.zone, line.picture_side)
        offered = None if verdict.offered is None else name_of(verdict.offered[0])
        renamed = offered if offered not in {None, name_of(verdict.label)} else None
        rows.append(
            {
                "verdict": _VERDICTS[verdict.action] + (f" (the model: {renamed})" if renamed else ""),
                "name": name_of(verdict.label),
                "where": place if verdict.box is not None else "no box",
            }
        )
    absent = [] if not review.complete else ["Looked for everything that the model looks for: the rest is absent."]
    absent += [f"Called absent: {', '.join(map(name_of, review.absent))}."] if review.absent else []
    when = review.created and review.created[:16].replace("T", " ") + " UTC"
    rows += [{"verdict": "measured", **_measured(each)} for each in review.measurements]
    return {"by": " · ".join(filter(None, (review.reader, when))), "rows": rows, "notes": absent, "note": review.note}


def _changes(words: ReportText, compared: Compared) -> dict[str, Any]:
    """Return what changed against the earlier film: its words, and a row a place."""
    every = () if compared.lines is None else compared.lines.every
    rows = [
        {"word": _WORDS[each.word], "text": compared.words[each.line], "how": _how(each)}
        for each in every
        if each.line.boxed
    ]
    return {"text": words.comparison, "rows": rows}


def _how(change: Change) -> str:
    """Return what a word rests on: on which film it is marked, how its box and the pictures differ."""
    parts = {"both": [], "now": ["marked on this film only"], "before": ["marked on the earlier film only"]}
    found: list[str] = list(parts[change.marked])
    if change.ratio is not None:
        found.append(f"box {change.ratio:.1f} x the area")
    if change.seen is not None:
        by = change.seen.surprise
        found.append(f"picture {abs(by):.1f} deviations {'denser' if by > 0 else 'less dense'}")
    return ", ".join(found)


def _measured(made: Measurement) -> dict[str, str]:
    """Return a measurement in words, for the table of the review."""
    if made.kind is Kind.RATIO and made.widths is not None:
        how = "borders found by the model" if made.by == "model" else "by hand"
        return {"name": f"Cardiothoracic ratio {made.value:.2f}", "where": how}
    name = {Kind.LENGTH: "Distance", Kind.ANGLE: "Angle", Kind.REGION: "Region"}[made.kind]
    greys = "" if made.greys is None else f", mean grey {made.greys.mean:.1f} ± {made.greys.deviation:.1f} %"
    value = f"{made.value:.1f}" if made.value < 100 else f"{made.value:.0f}"
    unit = {"deg": "°", "mm2": " mm²", "px2": " px²"}.get(made.unit, f" {made.unit}")
    at = ", ".join(f"{x:.0f} {y:.0f}" for x, y in made.points)
    return {"name": f"{name} {value}{unit}{greys}", "where": f"at {at}"}


def _agreement(result: Analysis, place: int | None, label: str) -> dict[str, float | bool] | None:
    """Return how the best box of a label at a place agrees with its map; None where that is not known."""
    members = next((each.members for each in result.places if each.number == place), ())
    index = next((index for index in members if result.boxed[index].label == label), None)
    if index is None or not result.agreement:
        return None
    return {key: each if isinstance(each, bool) else round(each, 3) for key, each in result.agreement[index].items()}


def _facts(value: Mapping[str, Any]) -> list[tuple[str, str]]:
    image = value["image"]
    spacing = image["pixel_spacing_mm"]
    rows = [
        ("File", image["path"] or "(bytes)"),
        ("SHA-256", image["sha256"]),
        ("Size", f"{image['width']} x {image['height']} pixels"),
        ("Format", image["format"]),
        ("View", image["view"]),
        ("Pixel spacing", f"{spacing[0]:g} x {spacing[1]:g} mm" if spacing else "not stated"),
    ]
    high, wide = image["pixel_aspect"]
    if high != wide:
        rows.append(("Pixel height : width", f"{high} : {wide}; the picture is stretched"))
    if image["sop_instance_uid"]:
        rows.append(("SOP instance", image["sop_instance_uid"]))
    return rows


def _card(result: Analysis, value: Mapping[str, Any]) -> list[tuple[str, str]]:
    card = result.model.card
    rows = [
        ("Model", f"{card.name} {card.version}"),
        ("SHA-256", result.model.sha256),
        ("Looks for", ", ".join(map(name_of, card.labels))),
        ("Operating point", result.point),
        ("Thresholds", thresholds_of(card) or "the model's own"),
        ("Trained on", "; ".join(card.training_data)),
        ("Terms", "; ".join(filter(None, (card.licence, card.terms)))),
        ("Intended use", card.intended_use),
        ("Notes", " ".join(card.notes)),
        ("Software", f"lungspot {__version__}, onnxruntime {result.model.runtime}"),
        ("Time", ", ".join(f"{step} {each:.0f} ms" for step, each in value["timing_ms"].items())),
    ]
    return [(name, text) for name, text in rows if text]


def _glow_size(result: Analysis) -> tuple[int, int]:
    frame = result.radiograph.frame
    long = max(frame.width, frame.height)
    return max(_GLOW * frame.width // long, 1), max(_GLOW * frame.height // long, 1)


def _jpeg(picture: Image.Image) -> str:
    return _embedded(picture, "jpeg", quality=90)


def _png(picture: Image.Image) -> str:
    return _embedded(picture, "png", optimize=False)


def _embedded(picture: Image.Image, kind: str, **options: int) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
