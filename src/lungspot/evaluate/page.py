"""A summary as one HTML file: tables, curves, films. No script, nothing from a network; all text is escaped here."""

from __future__ import annotations

import base64
import hashlib
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any, Final

import numpy as np
from PIL import Image

from lungspot import BANNER
from lungspot.errors import LungspotError
from lungspot.evaluate.mistakes import KINDS, Shown, gallery
from lungspot.evaluate.plots import draw_curves
from lungspot.evaluate.summary import Summary, notes
from lungspot.findings import Box, Frame, taxonomy
from lungspot.images import normalise, read

__all__ = ["page"]

_LARGEST: Final = 420  # pixels: long side of a film in the gallery
_MAIN: Final[dict[str, str]] = {
    "ap0.1": "AP@.1",
    "ap0.3": "AP@.3",
    "ap0.4": "AP@.4",
    "ap0.5": "AP@.5",
    "ap0.5:0.95": "AP@.50:.95",
    "wafroc": "wAFROC",
    "cpm": "CPM",
    "hit_rate": "hit rate",
    "auroc": "AUROC",
    "auprc": "AUPRC",
}
_SHARES: Final = ("rsna", "voc0.4", *(f"t_iou{t}" for t in (0.1, 0.3, 0.5)), *(f"t_iobb{t}" for t in (0.1, 0.25, 0.5)))
_AT: Final = ("sensitivity", "specificity", "false_on_normals", "brier_film", "ece_film", "brier_box", "ece_box")
_FROC: Final = ("froc0.125", "froc0.25", "froc0.5", "froc1", "froc2", "froc4", "froc8", "cpm")


def page(summary: Summary, *, title: str = "lungspot evaluation", films: int = 6, about: Sequence[str] = ()) -> str:
    """Return the HTML text; ``films``: how many of each kind are shown; ``about``: sentences under the title."""
    document = summary.document
    parts = [
        _heading(document, about),
        _labels_table(document),
        _more_tables(document),
        _by_tables(document),
        _compared(document),
        "<h2>Curves</h2><div class='plots'>",
        *(_picture(svg, "svg+xml", name) for name, svg in draw_curves(document).items()),
        "</div>",
        _mistakes_tables(document),
        _agreement(document),
        _shortcuts(document),
        _problems(document),
        _films(summary, films),
    ]
    style = resources.files("lungspot.evaluate").joinpath("page.css").read_text(encoding="utf-8")
    allowed = "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src '{allowed}'; base-uri 'none'; form-action 'none'"
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><meta name="referrer" content="no-referrer">'
        f"<title>{_text(title)}</title><style>{style}</style></head><body>"
        f"<header><h1>{_text(title)}</h1><span class='banner'>{BANNER}</span></header>"
        + "\n".join(part for part in parts if part)
        + "\n</body></html>\n"
    )


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)


def _name(label: str) -> str:
    return taxonomy()[label].name if label in taxonomy() else label


def _number(value: object, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}" if isinstance(value, float) else _text(value)


def _value(cell: Mapping[str, Any] | None) -> str:
    if cell is None or cell["value"] is None:
        return ""
    spread = (
        "" if cell["interval"] is None else f"<small>{cell['interval'][0]:.3f} to {cell['interval'][1]:.3f}</small>"
    )
    return f"{cell['value']:.3f}{spread}"


def _table(head: Iterable[str], rows: Iterable[Sequence[str]], last_is_mean: bool = False) -> str:  # noqa: FBT001, FBT002
    """Return a table; cells are HTML already, heads are text."""
    lines = list(rows)
    if not lines:
        return ""
    body = [
        f"<tr{' class=mean' if last_is_mean and i == len(lines) - 1 else ''}>"
        + "".join(f"<td>{c}</td>" for c in row)
        + "</tr>"
        for i, row in enumerate(lines)
    ]
    top = "".join(f"<th>{_text(name)}</th>" for name in head)
    return f"<div class='scroll'><table><thead><tr>{top}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"


def _heading(document: Mapping[str, Any], about: Sequence[str]) -> str:
    settings = document["settings"]
    sources = ", ".join(f"{name}: {number}" for name, number in document["sources"].items())
    lines = [
        *about,
        f"{document['films']} films of {document['patients']} patients ({sources}).",
        f"In small print: {settings['ci']:g} % intervals from {settings['resamples']} resamples of patients.",
        "What each number means: docs/reference/metrics.md.",
    ]
    found = "".join(f"<p>{_text(line)}</p>" for line in lines)
    if len(document["sources"]) > 1:
        found += "<p class='note'>Sources draw boxes in different ways: read the totals beside the table by source.</p>"
    found += "".join(f"<p class='note'>{_text(note)}</p>" for note in notes(document))
    return found


def _rows(document: Mapping[str, Any], metrics: Sequence[str], *, counted: bool = False) -> list[list[str]]:
    rows = []
    for label, row in document["labels"].items():
        numbers = row["counts"]
        what = [str(numbers["boxes"]), str(numbers["positive"]), str(numbers["negative"])] if counted else []
        rows.append([_text(_name(label)), *what, *(_value(row["metrics"][name]) for name in metrics)])
    if document["mean"]:
        rows.append(["mean", *[""] * (3 * counted), *(_value(document["mean"][name]) for name in metrics)])
    return rows


def _labels_table(document: Mapping[str, Any]) -> str:
    head = ["label", "boxes", "films with", "films without", *_MAIN.values()]
    return "<h2>How good</h2>" + _table(head, _rows(document, list(_MAIN), counted=True), last_is_mean=True)


def _more_tables(document: Mapping[str, Any]) -> str:
    found = "<h2>Further numbers</h2>"
    for title, names in (
        ("Sensitivity by false boxes a film, IoU 0.4", _FROC),
        ("For comparison with published work", _SHARES),
        ("At the threshold, and calibration", _AT),
    ):
        head = ["label", *(document["metrics"][name] for name in names)]
        found += f"<h3>{_text(title)}</h3>" + _table(head, _rows(document, names), last_is_mean=True)
    return found


def _by_tables(document: Mapping[str, Any]) -> str:
    found = "<h2>In parts</h2><p class='note'>Labels without any number in a part are left out here.</p>"
    for division, parts in document["by"].items():
        rows = []
        for name, of in parts.items():
            for label, row in of["labels"].items():
                numbers = row["counts"]
                cells = [_value(row.get(metric)) for metric in ("ap0.4", "wafroc", "cpm", "auroc")]
                if not any(cells):
                    continue
                counted = (str(numbers[key]) for key in ("boxes", "positive", "negative"))
                rows.append([_text(name), _text(_name(label)), *counted, *cells])
        head = (division, "label", "boxes", "films with", "films without", "AP at IoU 0.4", "wAFROC", "CPM", "AUROC")
        found += f"<h3>By {_text(division)}</h3>" + _table(head, rows)
    return found


def _compared(document: Mapping[str, Any]) -> str:
    if "compare" not in document:
        return ""
    rows = []
    for label, row in document["compare"].items():
        for metric, cell in row.items():
            p = "" if cell["p"] is None else f"{cell['p']:.4f}"
            sides = (_number(cell["one"]), _number(cell["other"]))
            rows.append([_text(_name(label)), _text(document["metrics"][metric]), *sides, _value(cell), p])
    head = ("label", "metric", "this", "the other", "difference", "p")
    words = "Difference on the same resamples of patients; p: two-sided, whole patients change models."
    return f"<h2>Compared with the other</h2><p class='note'>{words}</p>" + _table(head, rows)


def _mistakes_tables(document: Mapping[str, Any]) -> str:
    kinds = (*KINDS, "missed")
    rows = [[_text(_name(label)), *(str(row[kind]) for kind in kinds)] for label, row in document["mistakes"].items()]
    found = "<h2>Mistakes</h2><p class='note'>Shown boxes by what they are, IoU 0.4; missed: true boxes.</p>"
    found += _table(("label", *kinds), rows)
    names = list(document["mistakes"])
    rows = [
        [_text(_name(true)), *(str(row[name]) for name in (*names, "missed"))]
        for true, row in document["confusion"].items()
    ]
    rows = [[*row[:-1], "" if row[0] == "background" else row[-1]] for row in rows]
    return (
        found + "<h3>Confusion: true (down), found (across)</h3>" + _table(("true", *map(_name, names), "missed"), rows)
    )


def _agreement(document: Mapping[str, Any]) -> str:
    of = document["agreement"]
    if of is None:
        return ""
    rows = [[_text(name), _value(cell)] for name, cell in of["auroc"].items()]
    words = (
        f"Of {of['boxes']} shown boxes {of['wrong']} are wrong. How well a low value tells them (AUROC; chance: 0.5). "
        "energy_in_box, iou and peak_in_box say how heat map and box agree."
    )
    return f"<h2>Does the heat map disagree where the box is wrong?</h2><p>{_text(words)}</p>" + _table(
        ("low", "AUROC"), rows
    )


def _shortcuts(document: Mapping[str, Any]) -> str:
    of = document.get("shortcuts")
    if of is None:
        return ""
    found = "<h2>Shortcuts</h2>" + "".join(f"<p class='note'>Not read: {_text(line)}</p>" for line in of["unread"])
    for name, words in of["probe"].items():
        if words is not None:
            found += (
                f"<p>A linear probe on the features names the source of {100 * words['accuracy']:.0f} % of "
                f"{_text(name)} films (always the commonest: {100 * words['majority']:.0f} %; {words['films']}).</p>"
            )
    rows = []
    for change, labels in of["changes"].items():
        for label, row in labels.items():
            cells = [_number(row[key]) for key in ("auroc", "auroc_changed", "mean_change", "mean_absolute_change")]
            rows.append([_text(change), _text(_name(label)), *cells])
    found += f"<h3>The film's probability after a change that is not disease ({of['films']} films)</h3>"
    found += _table(("change", "label", "AUROC before", "after", "mean change", "mean absolute change"), rows)
    rows = [
        [_text(_name(label)), _text(source), str(row["films"]), _number(row["positive"]), _number(row["boxes"])]
        for label, sources in of["other_normals"].items()
        for source, row in sources.items()
    ]
    found += "<h3>On films that show nothing, by source</h3>"
    return found + _table(("label", "source", "films", "share called positive", "boxes a film"), rows)


def _problems(document: Mapping[str, Any]) -> str:
    rows = document.get("problems", [])
    if not rows:
        return ""
    items = "".join(f"<li>{_text(row)}</li>" for row in rows[:200])
    more = f"<p class='note'>and {len(rows) - 200} more in report.json</p>" if len(rows) > 200 else ""
    return f"<h2>Not judged: {len(rows)}</h2><ul>{items}</ul>{more}"


def _films(summary: Summary, count: int) -> str:
    chosen = gallery(summary.pairs, summary.mistakes, count)
    if not count or not any(chosen.values()):
        return ""
    by_film: dict[int, list[Shown]] = {}
    for one in summary.mistakes.shown:
        by_film.setdefault(one.film, []).append(one)
    found = (
        "<h2>Films</h2><p><span class='key true'></span>true<span class='key right'></span>found, right"
        "<span class='key wrong'></span>found, wrong</p>"
    )
    for name, films in chosen.items():
        shown = [_film(summary, number, by_film.get(number, [])) for number in films]
        found += f"<h3>{_text(name.capitalize())}</h3><div class='films'>{''.join(shown)}</div>"
    return found


def _film(summary: Summary, number: int, shown: Sequence[Shown]) -> str:
    pair = summary.pairs[number]
    frame = pair.true.frame or pair.found.frame
    if pair.image is None or frame is None:
        return ""
    labels = set(summary.document["labels"])
    rectangles = [
        _rectangle(f.box, frame, "true", _name(f.label)) for f in pair.true.findings if f.box and f.label in labels
    ]
    boxed = [finding for finding in pair.found.findings if finding.box is not None]
    for one in sorted(shown, key=lambda one: one.score):
        kind = "right" if one.kind == "right" else "wrong"
        words = f"{_name(one.label)} {one.score:.2f}: {one.kind}"
        rectangles.append(_rectangle(boxed[one.order].box, frame, kind, words))
    said = "; ".join(f"{_name(one.label)} {one.score:.2f} {one.kind}" for one in shown) or "nothing shown"
    true = ", ".join(sorted({_name(f.label) for f in pair.true.findings if f.label in labels})) or "nothing"
    try:
        picture = _small(pair)
    except LungspotError as error:
        return f"<figure><figcaption>{_text(pair.film)}: {_text(error)}</figcaption></figure>"
    return (
        f"<figure><div class='film'>{_picture(picture, 'jpeg', pair.film)}"
        f"<svg viewBox='0 0 1 1' preserveAspectRatio='none'>{''.join(rectangles)}</svg></div>"
        f"<figcaption><b>{_text(pair.film)}</b><br>true: {_text(true)}<br>found: {_text(said)}</figcaption></figure>"
    )


def _rectangle(box: Box | None, frame: Frame, kind: str, words: str) -> str:
    if box is None:
        return ""
    x, y, width, height = (
        round(side / whole, 5) for side, whole in zip(box.xywh, (frame.width, frame.height) * 2, strict=True)
    )
    return (
        f"<rect class='{kind}' x='{x}' y='{y}' width='{width}' height='{height}'><title>{_text(words)}</title></rect>"
    )


def _small(pair: Any) -> bytes:  # noqa: ANN401 - a Pair with an image
    pixels = normalise(read(pair.image).pixels)
    picture = Image.fromarray((pixels * 255).round().astype(np.uint8))
    picture.thumbnail((_LARGEST, _LARGEST), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "jpeg", quality=85)
    return buffer.getvalue()


def _picture(data: bytes, kind: str, words: str) -> str:
    return f"<img alt='{_text(words)}' src='data:image/{kind};base64,{base64.b64encode(data).decode()}'>"
