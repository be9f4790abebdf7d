"""The film with its boxes as one picture: names and scores beside the boxes, legible at any film size."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from lungspot import BANNER, __version__
from lungspot.findings import Box, Frame
from lungspot.images import WARNINGS
from lungspot.report.analysis import Analysis
from lungspot.report.style import color_of, film_picture, glow
from lungspot.report.words import headline, name_of

__all__ = ["overlay"]

_SMALLEST, _LARGEST = 1024, 2048  # long side of the picture; a phone photo and a 3000-pixel film read alike
_MOST = 40  # boxes drawn, best first
_SHOWN = frozenset(  # for any reader
    {"BURNED_IN", "CHILD", "FRAME_CHOSEN", "GREYS_SWAPPED", "MIRRORED", "NO_GATE", "TURNED"}
)
_INK = (12, 16, 22)
_PAPER = (236, 240, 245)
_MUTED = (150, 160, 172)
_AMBER = (255, 190, 80)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Chip:
    """A name and a score beside their box; everything in pixels of the picture."""

    text: str
    color: str
    at: Rectangle
    box: Rectangle


def overlay(result: Analysis, *, heatmap: bool = False) -> Image.Image:
    """Return an RGB picture: the film, its boxes (those below the threshold dashed), a strip with what and by whom.

    ``heatmap`` lays the activation map of the best finding under the boxes, relative to its own peak.
    A film that is not assessed is shown dimmed with the reason and nothing else.
    """
    grey = film_picture(result.radiograph, smallest=_SMALLEST, largest=_LARGEST)
    unit = max(grey.size) / 1024
    picture = grey.convert("RGBA")
    if not result.assessed:
        picture = Image.blend(picture, Image.new("RGBA", picture.size, (*_INK, 255)), 0.55)
    elif heatmap and (label := _heated(result)) is not None:
        picture.alpha_composite(glow(result.heat[label], picture.size))
    _draw_boxes(picture, result, unit)
    return _with_strip(picture.convert("RGB"), result, unit, heatmap=heatmap)


def _heated(result: Analysis) -> str | None:
    """Return the label whose map is shown: the best finding's, else the likeliest; two maps at once read as neither."""
    labels = [finding.label for finding in result.boxed]
    if not labels and result.probabilities:
        labels = [max(result.probabilities, key=result.probabilities.__getitem__)]
    return next((label for label in labels if label in result.heat), None)


def _draw_boxes(picture: Image.Image, result: Analysis, unit: float) -> None:
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    font = ImageFont.load_default(round(19 * unit))
    frame = Frame(*picture.size)
    chips: list[_Chip] = []
    for finding in result.boxed[:_MOST]:
        if finding.box is None:
            continue
        box = finding.box.move(result.radiograph.frame, frame)
        positive = result.is_positive(finding)
        _outline(draw, box, color_of(finding.label), unit, solid=positive)
        text = f"{name_of(finding.label)}  {100 * (finding.score or 0):.0f} %"
        size = (font.getlength(text) + 24 * unit, 31 * unit)
        at = _free_place(size, box, [chip.at for chip in chips], frame)
        chips.append(_Chip(text, color_of(finding.label), at, box.corners))
    for chip in chips:
        _draw_leader(draw, chip, unit)
    for chip in chips:
        _draw_chip(draw, chip, font, unit)
    picture.alpha_composite(layer)


def _outline(draw: ImageDraw.ImageDraw, box: Box, color: str, unit: float, *, solid: bool) -> None:
    x0, y0, x1, y1 = box.corners
    wide, radius = round(2.4 * unit), round(4 * unit)
    if solid:
        halo = (x0 - unit, y0 - unit, x1 + unit, y1 + unit)
        draw.rounded_rectangle(halo, radius + 1, outline=(0, 0, 0, 150), width=wide + round(2 * unit))
        draw.rounded_rectangle((x0, y0, x1, y1), radius, outline=color, width=wide)
        return
    dash = round(10 * unit)
    for start in range(round(x0), round(x1), 2 * dash):
        for y in (y0, y1):
            draw.line((start, y, min(start + dash, x1), y), fill=color, width=max(round(1.6 * unit), 1))
    for start in range(round(y0), round(y1), 2 * dash):
        for x in (x0, x1):
            draw.line((x, start, x, min(start + dash, y1)), fill=color, width=max(round(1.6 * unit), 1))


def _free_place(size: tuple[float, float], box: Box, taken: list[Rectangle], frame: Frame) -> Rectangle:
    """Find a place for a box's name: above it, below it, inside it, beside it; else the nearest free height."""
    wide, high = size
    gap = high * 0.1
    wishes = [
        (box.x0, box.y0 - high - gap),
        (box.x0, box.y1 + gap),
        (box.x1 - wide, box.y0 - high - gap),
        (box.x1 - wide, box.y1 + gap),
        (box.x0 + gap, box.y0 + gap),
        (box.x1 + gap, box.y0),
        (box.x0 - wide - gap, box.y0),
    ]
    wishes += [(box.x0, box.y0 - high - gap + sign * step * high * 1.1) for step in range(1, 40) for sign in (1, -1)]
    at = (0.0, 0.0, wide, high)
    for x, y in wishes:
        x0, y0 = min(max(x, gap), frame.width - wide - gap), min(max(y, gap), frame.height - high - gap)
        at = (x0, y0, x0 + wide, y0 + high)
        if not any(_overlap(at, other) for other in taken):
            break
    return at


def _overlap(first: Rectangle, second: Rectangle) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]


def _draw_leader(draw: ImageDraw.ImageDraw, chip: _Chip, unit: float) -> None:
    """Draw a thin line from a name to its box where they do not touch."""
    x0, y0, x1, y1 = chip.at
    near = (min(max((x0 + x1) / 2, chip.box[0]), chip.box[2]), min(max((y0 + y1) / 2, chip.box[1]), chip.box[3]))
    edge = (min(max(near[0], x0), x1), min(max(near[1], y0), y1))
    if abs(edge[0] - near[0]) + abs(edge[1] - near[1]) > 8 * unit:
        draw.line((*edge, *near), fill=chip.color, width=max(round(unit), 1))


def _draw_chip(draw: ImageDraw.ImageDraw, chip: _Chip, font: Font, unit: float) -> None:
    x0, y0, x1, y1 = chip.at
    draw.rounded_rectangle(chip.at, round(4 * unit), fill=(*_INK, 215))
    bar = round(4 * unit)
    draw.rounded_rectangle((x0, y0, x0 + bar, y1), round(2 * unit), fill=chip.color)
    draw.text((x0 + bar + (x1 - x0 - bar) / 2, (y0 + y1) / 2), chip.text, font=font, fill=_PAPER, anchor="mm")


def _with_strip(picture: Image.Image, result: Analysis, unit: float, *, heatmap: bool) -> Image.Image:
    """Add the strip below the film: headline and model on the left, the research banner always."""
    large, small = ImageFont.load_default(round(21 * unit)), ImageFont.load_default(round(15 * unit))
    lines = [(headline(result), large, _PAPER)]
    notices = (*result.radiograph.notices, *result.notices)
    lines += [(f"Mind: {WARNINGS[notice.code]}", small, _AMBER) for notice in notices if notice.code in _SHOWN]
    label = _heated(result) if heatmap and result.assessed else None
    shown = f" · heat map of {name_of(label)}, relative to its peak" if label else ""
    model = result.model.card
    lines.append((f"lungspot {__version__} · model {model.name} {model.version}{shown}", small, _MUTED))
    lines.append((BANNER, small, _AMBER))
    room = picture.width - round(36 * unit)
    wrapped = [(part, font, fill) for text, font, fill in lines for part in _wrap(text, font, room)]
    step = round(27 * unit)
    strip = round(18 * unit) + step * len(wrapped)
    whole = Image.new("RGB", (picture.width, picture.height + strip), _INK)
    whole.paste(picture, (0, 0))
    draw = ImageDraw.Draw(whole)
    for row, (text, font, fill) in enumerate(wrapped):
        at = (round(18 * unit), picture.height + round(9 * unit) + row * step + step / 2)
        draw.text(at, text, font=font, fill=fill, anchor="lm")
    return whole


def _wrap(text: str, font: Font, room: float) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and font.getlength(longer) > room:
            lines.append(line)
            longer = word
        line = longer
    return [*lines, line]
