"""The film with its places as one picture: a frame and a label each, L and R, legible at any film size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from lungspot import BANNER, __version__
from lungspot.findings import Box, Frame, name_of
from lungspot.images import WARNINGS, draw_sides
from lungspot.report.analysis import Analysis
from lungspot.report.marks import PlaceMark, edge_letters, marks_of
from lungspot.report.organs import ORGAN_COLOR, organ_marks
from lungspot.report.statement import Statement, statement
from lungspot.report.style import film_picture, glow

__all__ = ["overlay"]

_SMALLEST, _LARGEST = 1024, 2048  # long side of the picture; a phone photo and a 3000-pixel film read alike
_SHOWN = frozenset(  # for any reader
    {
        *("BURNED_IN", "CHILD", "FRAME_CHOSEN", "GREYS_SWAPPED", "HEART_SIDE", "LUNGS_CUT_OFF", "MIRRORED", "NO_GATE"),
        *("ORIENTATION", "TURNED"),
    }
)
_INK = (12, 16, 22)
_PAPER = (236, 240, 245)
_MUTED = (150, 160, 172)
_AMBER = (255, 190, 80)
_LARGE, _SMALL = 21, 15  # of the strip's letters, in units

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Rectangle = tuple[float, float, float, float]
Line = tuple[str, int, tuple[int, int, int]]  # text, size, colour


@dataclass(frozen=True, slots=True)
class _Chip:
    """A label beside its frame; everything in pixels of the picture."""

    lines: tuple[str, ...]
    color: str
    at: Rectangle
    box: Rectangle


def overlay(
    result: Analysis, *, heatmap: bool = False, experimental: bool = False, anatomy: bool = False
) -> Image.Image:
    """Return an RGB picture: the film, one frame a place (below the threshold dashed), a strip with what and by whom.

    L and R stand at the film's edges, or that nobody knows. ``heatmap`` lays the activation map of what is said first
    under the frames, relative to its own peak. ``experimental``: say experimental labels too, marked as such.
    ``anatomy``: thin lines around heart and lungs, with their names, where they lie as in a chest. A film that is not
    assessed is shown dimmed with the reason and nothing else.
    """
    told = statement(result, experimental=experimental)
    grey = film_picture(result.radiograph, smallest=_SMALLEST, largest=_LARGEST)
    unit = max(grey.size) / 1024
    picture = grey.convert("RGBA")
    label = _heated(result, told) if heatmap else None
    if not told.assessed:
        picture = Image.blend(picture, Image.new("RGBA", picture.size, (*_INK, 255)), 0.55)
    elif label is not None:
        picture.alpha_composite(glow(result.heat[label], picture.size))
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    draw, frame = ImageDraw.Draw(layer), Frame(*picture.size)
    taken = draw_sides(draw, edge_letters(result), picture.size)
    if anatomy:
        _draw_organs(draw, result, frame, taken)
    _draw_marks(draw, result.radiograph.frame, marks_of(told), frame, taken)
    picture.alpha_composite(layer)
    return _with_strip(picture.convert("RGB"), _strip(result, told, label), unit)


def _heated(result: Analysis, told: Statement) -> str | None:
    """Return the label whose map is shown: what is said first, else the likeliest; two maps at once read as neither."""
    labels = [name.label for said in (*told.said, *told.below) for name in said.names]
    shown = {label: p for label, p in result.probabilities.items() if label not in told.unsaid}
    if not labels and shown:
        labels = [max(shown, key=shown.__getitem__)]
    return next((label for label in labels if label in result.heat), None)


def _draw_marks(
    draw: ImageDraw.ImageDraw, film: Frame, marks: tuple[PlaceMark, ...], frame: Frame, taken: list[Rectangle]
) -> None:
    unit = max(frame.width, frame.height) / 1024
    font = ImageFont.load_default(round(19 * unit))
    chips: list[_Chip] = []
    for mark in marks:
        box = mark.box.move(film, frame)
        _outline(draw, box, mark.color, unit, solid=mark.solid)
        lines = tuple(part for line in mark.lines for part in _wrap(line, font, min(frame.width * 0.6, 560 * unit)))
        wide = max(map(font.getlength, lines)) + 24 * unit
        at = _free_place((wide, (7 + 24 * len(lines)) * unit), box, taken, frame)
        taken.append(at)
        chips.append(_Chip(lines, mark.color, at, box.corners))
    for chip in chips:
        _draw_leader(draw, chip, unit)
    for chip in chips:
        _draw_chip(draw, chip, font, unit)


def _draw_organs(draw: ImageDraw.ImageDraw, result: Analysis, frame: Frame, taken: list[Rectangle]) -> None:
    """Draw heart and lungs below everything else: thin lines, names at a lung's top and the heart's bottom."""
    unit = max(frame.width, frame.height) / 1024
    font = ImageFont.load_default(round(16 * unit))
    for mark in organ_marks(result):
        x0, y0, x1, y1 = mark.box.move(result.radiograph.frame, frame).corners
        line = max(round(1.4 * unit), 1)
        draw.rectangle((x0 - line, y0 - line, x1 + line, y1 + line), outline=(0, 0, 0, 130), width=3 * line)
        draw.rectangle((x0, y0, x1, y1), outline=ORGAN_COLOR, width=line)
        wide, high = font.getlength(mark.name), 26 * unit
        left, top = (x0 + x1 - wide) / 2, y1 - high if mark.organ == "heart" else y0
        taken.append((left, top, left + wide, top + high))
        at, halo = (left, top + high / 2), max(round(1.5 * unit), 1)
        draw.text(at, mark.name, ORGAN_COLOR, font, anchor="lm", stroke_width=halo, stroke_fill=(0, 0, 0))


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
    x0, y0, _, y1 = chip.at
    draw.rounded_rectangle(chip.at, round(4 * unit), fill=(*_INK, 215))
    bar = round(4 * unit)
    draw.rounded_rectangle((x0, y0, x0 + bar, y1), round(2 * unit), fill=chip.color)
    step = (y1 - y0 - 7 * unit) / len(chip.lines)
    for row, line in enumerate(chip.lines):
        at = (x0 + bar + 10 * unit, y0 + 3.5 * unit + (row + 0.5) * step)
        draw.text(at, line, font=font, fill=_PAPER, anchor="lm")


def _strip(result: Analysis, told: Statement, heated: str | None) -> Iterator[Line]:
    """Yield the lines of the strip below the film: what is said, by whom, and the research banner always."""
    yield told.headline, _LARGE, _PAPER
    for said in told.whole_film:
        yield said.text, _SMALL, _PAPER
    for notice in (*result.radiograph.notices, *result.notices):
        if notice.code in _SHOWN:
            yield f"Mind: {WARNINGS[notice.code]}", _SMALL, _AMBER
    notes = [*told.caveats, *([told.percentages] if told.said or told.below else [])]
    if notes:
        yield " ".join(notes), _SMALL, _MUTED
    shown = f" · heat map of {name_of(heated)}, relative to its peak" if heated and told.assessed else ""
    model = result.model.card
    yield f"lungspot {__version__} · model {model.name} {model.version}{shown}", _SMALL, _MUTED
    yield BANNER, _SMALL, _AMBER


def _with_strip(picture: Image.Image, strip: Iterable[Line], unit: float) -> Image.Image:
    """Add a strip with lines of text below the film."""
    lines = [(text, ImageFont.load_default(round(size * unit)), fill) for text, size, fill in strip]
    room = picture.width - round(36 * unit)
    wrapped = [(part, font, fill) for text, font, fill in lines for part in _wrap(text, font, room)]
    step = round(27 * unit)
    high = round(18 * unit) + step * len(wrapped)
    whole = Image.new("RGB", (picture.width, picture.height + high), _INK)
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
