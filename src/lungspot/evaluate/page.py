"""A summary as one HTML file: tables, curves, films. No script, nothing from a network.

What is shown is gathered here as values; ``page.html``, a Jinja2 template that escapes every one of them, says how.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw

from lungspot import BANNER
from lungspot.errors import LungspotError
from lungspot.evaluate.matched import Pair
from lungspot.evaluate.mistakes import KINDS, Shown, gallery
from lungspot.evaluate.plots import draw_curves
from lungspot.evaluate.summary import Summary, notes
from lungspot.findings import Box, Frame, name_of
from lungspot.images import draw_sides, normalise, read
from lungspot.pages import fill_page

__all__ = ["page"]

_LARGEST: Final = 420  # pixels: long side of a film in the gallery
_MOST_PROBLEMS: Final = 200
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
_COUNTED: Final = {"boxes": "boxes", "positive": "films with", "negative": "films without"}  # as heads of columns

Cell = str | int | float | Mapping[str, Any] | None  # a mapping: a number with its interval


@dataclass(frozen=True, slots=True)
class _Table:
    """``mean``: the last row is the mean of the others. A table without rows is not shown, its title is."""

    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    title: str = ""
    mean: bool = False


@dataclass(frozen=True, slots=True)
class _Section:
    title: str
    tables: Sequence[_Table] = ()
    lines: Sequence[str] = ()
    notes: Sequence[str] = ()


def page(summary: Summary, *, title: str = "lungspot evaluation", films: int = 6, about: Sequence[str] = ()) -> str:
    """Return the HTML text; ``films``: how many of each kind are shown; ``about``: sentences under the title.

    Raises ``MISSING_EXTRA`` without matplotlib or Jinja2 (the ``[eval]`` extra).
    """
    document = summary.document
    several = len(document["sources"]) > 1
    told = ["Sources draw boxes in different ways: read the totals beside the table by source."] if several else []
    sections = (_further(document), _in_parts(document), _compared(document))
    return fill_page(
        "lungspot.evaluate",
        "eval",
        "a report",
        title=title,
        banner=BANNER,
        lines=[*about, *_heading(document)],
        notes=[*told, *notes(document)],
        numbers=[_how_good(document), *(section for section in sections if section is not None)],
        curves={name: _address(svg, "svg+xml") for name, svg in draw_curves(document).items()},
        mistakes=[
            section
            for section in (_mistakes(document), _agreement(document), _shortcuts(document))
            if section is not None
        ],
        problems=document.get("problems", []),
        most_problems=_MOST_PROBLEMS,
        films=_films(summary, films),
    )


def _heading(document: Mapping[str, Any]) -> list[str]:
    settings = document["settings"]
    sources = ", ".join(f"{name}: {number}" for name, number in document["sources"].items())
    return [
        f"{document['films']} films of {document['patients']} patients ({sources}).",
        f"In small print: {settings['ci']:g} % intervals from {settings['resamples']} resamples of patients.",
        "What each number means: docs/reference/metrics.md.",
    ]


def _rows(document: Mapping[str, Any], metrics: Sequence[str], counted: Sequence[str] = ()) -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    for label, row in document["labels"].items():
        numbers = [row["counts"][name] for name in counted]
        rows.append([name_of(label), *numbers, *(row["metrics"][name] for name in metrics)])
    if document["mean"]:
        rows.append(["mean", *[""] * len(counted), *(document["mean"][name] for name in metrics)])
    return rows


def _how_good(document: Mapping[str, Any]) -> _Section:
    head = ["label", *_COUNTED.values(), *_MAIN.values()]
    return _Section("How good", [_Table(head, _rows(document, list(_MAIN), list(_COUNTED)), mean=True)])


def _further(document: Mapping[str, Any]) -> _Section:
    parts = {
        "Sensitivity by false boxes a film, IoU 0.4": _FROC,
        "For comparison with published work": _SHARES,
        "At the threshold, and calibration": _AT,
    }
    tables = [
        _Table(["label", *(document["metrics"][name] for name in names)], _rows(document, names), title, mean=True)
        for title, names in parts.items()
    ]
    return _Section("Further numbers", tables)


def _in_parts(document: Mapping[str, Any]) -> _Section:
    tables = []
    for division, parts in document["by"].items():
        rows: list[list[Cell]] = []
        for name, of in parts.items():
            for label, row in of["labels"].items():
                cells = [row.get(metric) for metric in ("ap0.4", "wafroc", "cpm", "auroc")]
                if any(cell is not None and cell["value"] is not None for cell in cells):
                    rows.append([name, name_of(label), *(row["counts"][key] for key in _COUNTED), *cells])
        head = (division, "label", *_COUNTED.values(), "AP at IoU 0.4", "wAFROC", "CPM", "AUROC")
        tables.append(_Table(head, rows, f"By {division}"))
    return _Section("In parts", tables, notes=["Labels without any number in a part are left out here."])


def _compared(document: Mapping[str, Any]) -> _Section | None:
    if "compare" not in document:
        return None
    rows = [
        [
            name_of(label),
            document["metrics"][metric],
            cell["one"],
            cell["other"],
            cell,
            "" if cell["p"] is None else f"{cell['p']:.4f}",
        ]
        for label, row in document["compare"].items()
        for metric, cell in row.items()
    ]
    words = "Difference on the same resamples of patients; p: two-sided, whole patients change models."
    table = _Table(("label", "metric", "this", "the other", "difference", "p"), rows)
    return _Section("Compared with the other", [table], notes=[words])


def _mistakes(document: Mapping[str, Any]) -> _Section:
    kinds = (*KINDS, "missed")
    sorts = [[name_of(label), *(row[kind] for kind in kinds)] for label, row in document["mistakes"].items()]
    names = list(document["mistakes"])
    confused = [
        [name_of(true), *(row[name] for name in names), "" if true == "background" else row["missed"]]
        for true, row in document["confusion"].items()
    ]
    tables = [
        _Table(("label", *kinds), sorts),
        _Table(("true", *map(name_of, names), "missed"), confused, "Confusion: true (down), found (across)"),
    ]
    return _Section("Mistakes", tables, notes=["Shown boxes by what they are, IoU 0.4; missed: true boxes."])


def _agreement(document: Mapping[str, Any]) -> _Section | None:
    of = document["agreement"]
    if of is None:
        return None
    words = (
        f"Of {of['boxes']} shown boxes {of['wrong']} are wrong. How well a low value tells them (AUROC; chance: 0.5). "
        "energy_in_box, iou and peak_in_box say how heat map and box agree."
    )
    table = _Table(("low", "AUROC"), list(of["auroc"].items()))
    return _Section("Does the heat map disagree where the box is wrong?", [table], [words])


def _shortcuts(document: Mapping[str, Any]) -> _Section | None:
    of = document.get("shortcuts")
    if of is None:
        return None
    probes = [
        f"A linear probe on the features names the source of {100 * words['accuracy']:.0f} % of {name} films "
        f"(always the commonest: {100 * words['majority']:.0f} %; {words['films']})."
        for name, words in of["probe"].items()
        if words is not None
    ]
    keys = ("auroc", "auroc_changed", "mean_change", "mean_absolute_change")
    changed = [
        [change, name_of(label), *(row[key] for key in keys)]
        for change, labels in of["changes"].items()
        for label, row in labels.items()
    ]
    normals = [
        [name_of(label), source, row["films"], row["positive"], row["boxes"]]
        for label, sources in of["other_normals"].items()
        for source, row in sources.items()
    ]
    tables = [
        _Table(
            ("change", "label", "AUROC before", "after", "mean change", "mean absolute change"),
            changed,
            f"The film's probability after a change that is not disease ({of['films']} films)",
        ),
        _Table(
            ("label", "source", "films", "share called positive", "boxes a film"),
            normals,
            "On films that show nothing, by source",
        ),
    ]
    return _Section("Shortcuts", tables, probes, [f"Not read: {line}" for line in of["unread"]])


def _films(summary: Summary, count: int) -> dict[str, list[dict[str, Any]]]:
    """Return the pictures worth seeing by kind; none where no film is here."""
    chosen = gallery(summary.pairs, summary.mistakes, count)
    if not count or not any(chosen.values()):
        return {}
    by_film: dict[int, list[Shown]] = {}
    for one in summary.mistakes.shown:
        by_film.setdefault(one.film, []).append(one)
    return {
        name: [film for number in films if (film := _film(summary, number, by_film.get(number, []))) is not None]
        for name, films in chosen.items()
    }


def _film(summary: Summary, number: int, shown: Sequence[Shown]) -> dict[str, Any] | None:
    pair = summary.pairs[number]
    frame = pair.true.frame or pair.found.frame
    if pair.image is None or frame is None:
        return None
    try:
        picture = _small(pair)
    except LungspotError as error:
        return {"name": pair.film, "refused": str(error)}
    labels = set(summary.document["labels"])
    true = [finding for finding in pair.true.findings if finding.label in labels]
    boxed = [finding.box for finding in pair.found.findings if finding.box is not None]
    return {
        "name": pair.film,
        "refused": "",
        "picture": _address(picture, "jpeg"),
        "true": ", ".join(sorted({name_of(finding.label) for finding in true})) or "nothing",
        "found": "; ".join(f"{name_of(one.label)} {one.score:.2f} {one.kind}" for one in shown) or "nothing shown",
        "boxes": [
            *(_rectangle(f.box, frame, "true", name_of(f.label)) for f in true if f.box is not None),
            *(
                _rectangle(
                    boxed[one.order],
                    frame,
                    "right" if one.kind == "right" else "wrong",
                    f"{name_of(one.label)} {one.score:.2f}: {one.kind}",
                )
                for one in sorted(shown, key=lambda one: one.score)
            ),
        ],
    }


def _rectangle(box: Box, frame: Frame, kind: str, words: str) -> dict[str, Any]:
    """Return a box in fractions of the film, for SVG."""
    sides = zip(("x", "y", "width", "height"), box.xywh, (frame.width, frame.height) * 2, strict=True)
    return {"kind": kind, "words": words} | {name: round(side / whole, 5) for name, side, whole in sides}


def _small(pair: Pair) -> bytes:
    """Return the film as a small JPEG, with L and R at its edges, or that the side is unknown."""
    if pair.image is None:
        return b""
    film = read(pair.image)
    picture = Image.fromarray((normalise(film.pixels) * 255).round().astype(np.uint8))
    scale = min(_LARGEST / max(film.proportions), 1)
    wide, high = (max(round(side * scale), 1) for side in film.proportions)
    if (wide, high) != picture.size:
        picture = picture.resize((wide, high), Image.Resampling.LANCZOS)
    picture = picture.convert("RGB")
    draw_sides(ImageDraw.Draw(picture, "RGBA"), film.orientation.letters, picture.size)
    buffer = io.BytesIO()
    picture.save(buffer, "jpeg", quality=85)
    return buffer.getvalue()


def _address(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
