"""Guideline pages with drawings for the four labels that hardly any public set boxes: edema, emphysema, TB, COVID-19.

The drawings are schemes made here, of no film: a chest, the signs on it, and how each is boxed, in the label's own
colour. They stand where a tool shows instructions: as HTML for Label Studio's ``expert_instruction``, as Markdown for
CVAT's guide, and as a page of its own beside every pool. The words are those of ``guidelines.md``, in short.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from lungspot import BANNER
from lungspot.findings import taxonomy

__all__ = ["GUIDED", "drawing", "guide_markdown", "guide_page", "instruction"]

Corners = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Sign:
    """One sign: its name, what is boxed of it, how it is drawn (SVG) and where its boxes lie; none: it has no box."""

    name: str
    words: str
    art: str
    boxes: tuple[Corners, ...] = ()


@dataclass(frozen=True, slots=True)
class _Guide:
    """A label's signs, what is not boxed under it, and whether its lungs are drawn large and dark."""

    signs: tuple[_Sign, ...]
    never: str
    hyperinflated: bool = False


_HAZE: Final = '<ellipse cx="{}" cy="{}" rx="{}" ry="{}" fill="url(#haze)"/>'


def _haze(x: int, y: int, across: int, down: int) -> str:
    return _HAZE.format(x, y, across, down)


def _lines(*ends: Corners) -> str:
    path = " ".join(f"M{x0},{y0} L{x1},{y1}" for x0, y0, x1, y1 in ends)
    return f'<path d="{path}" stroke="#e6e6e6" stroke-width="1.6"/>'


def _dots(*centres: tuple[int, int]) -> str:
    return "".join(f'<circle cx="{x}" cy="{y}" r="3.2" fill="#dcdcdc"/>' for x, y in centres)


def _ring(x: int, y: int, radius: int, wall: int) -> str:
    return f'<circle cx="{x}" cy="{y}" r="{radius}" fill="#101010" stroke="#d8d8d8" stroke-width="{wall}"/>'


_GUIDES: Final[dict[str, _Guide]] = {
    "edema": _Guide(
        (
            _Sign(
                "Bat wing",
                "Opacity around the hila: one box on each side, from the hilum out to where it ends. The clear"
                " periphery and the heart stay outside.",
                _haze(134, 205, 42, 66) + _haze(266, 205, 42, 66),
                ((92, 140, 172, 270), (228, 140, 308, 270)),
            ),
            _Sign(
                "Kerley B lines",
                "Short horizontal lines that reach the pleura: one box around each group, against the chest wall.",
                _lines((62, 284, 82, 284), (61, 293, 81, 293), (61, 302, 80, 302), (61, 311, 79, 311)),
                ((58, 278, 86, 318),),
            ),
            _Sign(
                "Kerley A lines",
                "Long lines from the hilum into the upper zones: one box a group.",
                _lines((152, 150, 104, 104), (158, 144, 118, 92), (162, 138, 132, 86)),
                ((100, 84, 166, 136),),
            ),
            _Sign(
                "Cuffing, blurred hilum",
                "Thick rings around bronchi, a hilum without an edge: one box around the hilum and its haze, where no"
                " box of a bat wing holds it already.",
                _ring(246, 168, 7, 4) + _ring(262, 180, 6, 4),
            ),
        ),
        "Fluid at an angle is effusion, a large heart is cardiomegaly: box those as themselves.",
    ),
    "emphysema": _Guide(
        (
            _Sign(
                "Each affected lung",
                "One box a lung, from apex to diaphragm and from chest wall to mediastinum, where at least two signs"
                " are there.",
                "",
                ((54, 44, 176, 352), (224, 44, 346, 352)),
            ),
            _Sign(
                "Flattened diaphragm",
                "The dome rises less than 1.5 cm above the line between its angles (dashed). A sign, not a box.",
                '<path d="M58,344 L170,346 M230,346 L342,344" stroke="#f0f0f0" stroke-dasharray="5 4"/>',
            ),
            _Sign(
                "Sparse vessels",
                "Irregular dark areas with few vessels. A sign; no box of its own.",
                _lines((158, 190, 120, 170), (158, 205, 126, 232), (242, 190, 280, 170), (242, 205, 274, 232)),
            ),
            _Sign(
                "Bulla",
                "With a wall that can be seen: a box of its own, besides that of the lung.",
                '<ellipse cx="288" cy="92" rx="28" ry="32" fill="#050505" stroke="#b8b8b8" stroke-width="1.6"/>',
                ((257, 57, 319, 127),),
            ),
        ),
        "Hyperinflation alone, as in asthma, is not emphysema.",
        hyperinflated=True,
    ),
    "tuberculosis": _Guide(
        (
            _Sign(
                "Cavity",
                "With its wall and the opacity around it.",
                _haze(126, 108, 38, 38) + _ring(126, 106, 15, 6),
                ((86, 68, 166, 148),),
            ),
            _Sign(
                "Infiltrate of an upper lobe",
                "The whole opacity, in one box.",
                _haze(276, 112, 40, 36),
                ((234, 74, 318, 150),),
            ),
            _Sign(
                "Tree in bud, nodules",
                "Many small spots together: one box a cluster.",
                _dots((92, 226), (104, 236), (98, 250), (114, 224), (118, 246), (86, 242), (108, 258)),
                ((78, 214, 128, 268),),
            ),
            _Sign(
                "Enlarged node",
                "Of the hilum, or beside the trachea.",
                '<ellipse cx="246" cy="190" rx="15" ry="19" fill="#c8c8c8"/>',
                ((227, 167, 265, 213),),
            ),
            _Sign(
                "Scar",
                "Fibrous strands, calcified, with what they draw together. Miliary: one box a lung.",
                _lines((286, 246, 316, 228), (290, 256, 320, 246), (284, 238, 306, 214))
                + _dots((298, 246), (310, 236)),
                ((278, 208, 326, 264),),
            ),
        ),
        "Only where the film's source says tuberculosis, or a radiologist would write suggestive of it. An effusion is"
        " effusion.",
    ),
    "covid19": _Guide(
        (
            _Sign(
                "Opacity at the edge of a lower zone",
                "Ground glass or consolidation, typically on both sides: a box for each opacity, as it lies.",
                _haze(86, 276, 30, 46) + _haze(312, 270, 30, 50),
                ((56, 226, 120, 326), (280, 216, 344, 324)),
            ),
            _Sign(
                "Several that run together",
                "One box in each zone of each lung.",
                _haze(92, 166, 28, 34) + _haze(100, 196, 24, 26),
                ((62, 128, 128, 226),),
            ),
        ),
        "Only where the film's source says so: no picture proves the cause. A film that looks normal has no box: say"
        " present.",
    ),
}

GUIDED: Final[tuple[str, ...]] = tuple(_GUIDES)  # labels that have drawings of what to box

_LUNG: Final = (
    "M150,58 C108,60 74,140 62,250 C58,290 57,318 62,342"
    " C92,316 134,310 164,330 C171,296 173,200 173,140 C173,92 168,60 150,58 Z"
)
_LARGE: Final = (
    "M150,46 C104,50 68,138 58,250 C55,296 55,326 58,346"
    " C94,338 134,340 170,348 C174,300 174,200 174,136 C174,84 168,48 150,46 Z"
)
_HEART: Final = (
    "M186,196 C178,262 176,306 190,330 C232,350 288,346 304,322 C300,282 272,246 238,222 C226,196 202,184 186,196 Z"
)
_NARROW: Final = (
    "M188,206 C182,262 182,312 192,342 C212,350 240,350 252,338 C252,290 238,250 222,224 C214,206 198,198 188,206 Z"
)
_GRADIENT: Final = (
    '<defs><radialGradient id="haze"><stop offset="0" stop-color="#ececec" stop-opacity=".85"/>'
    '<stop offset=".6" stop-color="#d0d0d0" stop-opacity=".55"/>'
    '<stop offset="1" stop-color="#c0c0c0" stop-opacity="0"/></radialGradient></defs>'
)
_RIBS: Final = (96, 138, 182, 228, 274)
_HOW_TO_BOX: Final = "How to box"
_STYLE: Final = "body{font:16px/1.5 sans-serif;max-width:44em;margin:2em auto;padding:0 1em;color-scheme:light dark}"


def drawing(label: str) -> str:
    """Return the scheme of a label of :data:`GUIDED` as SVG: its signs, and their numbered boxes in its colour."""
    guide, colour = _GUIDES[label], taxonomy()[label].color
    lung, heart = (_LARGE, _NARROW) if guide.hyperinflated else (_LUNG, _HEART)
    dark = "#0c0c0c" if guide.hyperinflated else "#1f1f1f"
    sides = "".join(f'<path d="{lung}" fill="{dark}" transform="{turn}"/>' for turn in ("", "matrix(-1 0 0 1 400 0)"))
    ribs = "".join(
        f'<path d="M{x0},{y} Q{x1},{y - 34} {x2},{y - 12}" fill="none" stroke="#3a3a3a" stroke-width="5"/>'
        for y in _RIBS
        for x0, x1, x2 in ((58, 108, 172), (342, 292, 228))
    )
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" role="img">',
        f"<title>{escape(taxonomy()[label].name)}: how it is boxed (a scheme, no film)</title>",
        _GRADIENT,
        '<rect width="400" height="400" fill="#4a4a4a"/>',
        sides,
        ribs,
        '<path d="M190,20 L190,150 M210,20 L210,150" stroke="#2a2a2a" stroke-width="9"/>',
        f'<path d="{heart}" fill="#8a8a8a"/>',
    ]
    parts += [sign.art for sign in guide.signs]
    for number, sign in enumerate(guide.signs, 1):
        for x0, y0, x1, y1 in sign.boxes:
            parts.append(
                f'<rect x="{x0}" y="{y0}" width="{x1 - x0}" height="{y1 - y0}" fill="none" stroke="{colour}"'
                ' stroke-width="2.5"/>'
            )
            parts.append(
                f'<text x="{x0 + 4}" y="{y0 + 15}" font-family="sans-serif" font-size="14" font-weight="bold"'
                f' fill="{colour}" stroke="#000" stroke-width="3" paint-order="stroke">{number}</text>'
            )
    parts.append('<text x="12" y="28" font-family="sans-serif" font-size="18" fill="#fff">R</text>')
    return "\n".join([*filter(None, parts), "</svg>"]) + "\n"


def instruction(labels: Iterable[str], pictures: str | None = None) -> str:
    """Return the guidelines of those of ``labels`` that have drawings as one piece of HTML, without a script.

    ``pictures``: what stands before ``LABEL.svg`` in the drawings' addresses; None: each is within the HTML, which
    Label Studio's instructions do not keep; empty: there are none.
    """
    return "".join(tostring(part, "unicode", method="html") for part in _instruction(labels, pictures))


def _instruction(labels: Iterable[str], pictures: str | None) -> Iterator[Element]:
    """Yield the elements of :func:`instruction`, one a line."""
    for label in _guided(labels):
        guide, known = _GUIDES[label], taxonomy()[label]
        heading = _element("h2")
        swatch = f"display:inline-block;width:0.8em;height:0.8em;background:{known.color}"
        SubElement(heading, "span", {"style": swatch}).tail = f" {known.name} ("
        code = SubElement(heading, "code")
        code.text, code.tail = label, ")"
        yield heading
        if pictures != "":
            inline = f"data:image/svg+xml;base64,{base64.b64encode(drawing(label).encode()).decode()}"
            source = inline if pictures is None else f"{pictures}{label}.svg"
            shown = _element("p")
            SubElement(shown, "img", {"alt": f"{known.name}, a scheme", "width": "400", "src": source})
            yield shown
        signs = _element("ol")
        for sign in guide.signs:
            item = SubElement(signs, "li")
            name = SubElement(item, "b")
            name.text, name.tail = f"{sign.name}.", f" {sign.words}"
        yield signs
        yield _element("p", guide.never)
    banner = _element("p")
    SubElement(banner, "small").text = BANNER
    yield banner


def _element(tag: str, text: str | None = None) -> Element:
    """Return an element that ends its line."""
    made = Element(tag)
    made.text, made.tail = text, "\n"
    return made


def guide_markdown(labels: Iterable[str], pictures: str = "") -> str:
    """Return the same as Markdown, for CVAT's guide.

    ``pictures``: what stands before ``LABEL.svg`` in their addresses; without it, there are none.
    """
    parts = []
    for label in _guided(labels):
        guide, known = _GUIDES[label], taxonomy()[label]
        parts += [f"## {known.name} (`{label}`, `{known.color}`)", ""]
        parts += [f"![{known.name}, a scheme]({pictures}{label}.svg)", ""] if pictures else []
        parts += [f"{number}. **{sign.name}.** {sign.words}" for number, sign in enumerate(guide.signs, 1)]
        parts += ["", guide.never, ""]
    return "\n".join([*parts, BANNER]) + "\n"


def guide_page(labels: Iterable[str]) -> str:
    """Return the same as a page of its own, for tools that show no instructions (LabelMe)."""
    page = Element("html", {"lang": "en"})
    SubElement(page, "meta", {"charset": "utf-8"})
    SubElement(page, "title").text = _HOW_TO_BOX
    SubElement(page, "style").text = _STYLE
    page.append(_element("h1", _HOW_TO_BOX))
    page.extend(_instruction(labels, None))
    return f"<!doctype html>{tostring(page, 'unicode', method='html')}\n"


def _guided(labels: Iterable[str]) -> list[str]:
    """Return those of ``labels`` that have drawings, in the guides' order."""
    wanted = frozenset(labels)
    return [label for label in GUIDED if label in wanted]
