"""A contact sheet: films side by side with every reader's boxes, to see at a glance whether they sit where they should.

Each reader has a colour, each box its label's name; L and R stand at the edges of a film, or that its side is unknown,
and below it its id, its split, and what readers call present without a box. Films are shown in the shape of their
native frame, whatever shape their file has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from lungspot.errors import InputError, LungspotError
from lungspot.findings import Frame, State, name_of
from lungspot.formats import Case
from lungspot.images import draw_sides, read

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

__all__ = ["contact_sheet", "films_to_draw"]

Field = tuple[float, float, float, float]  # left, top, right, bottom in pixels of the sheet
_Mark = tuple[str, str, Field]  # reader, name, box

# Okabe and Ito's colours, which most people with a colour vision deficiency tell apart; black and white left out.
COLOURS: Final = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#D55E00", "#CC79A7", "#0072B2", "#9999FF")
_TEXT: Final = 14  # pixels high: legible at the sheet's own size
_SMALL: Final = 11  # on a film of many boxes
_FEW: Final = 6
_LINE: Final = 18
_GAP: Final = 10
_PAPER: Final = "#1B1B1B"
_INK: Final = "#EEEEEE"
_CAPTION: Final = 4  # lines below a film at most


def contact_sheet(
    cases: Sequence[Case],
    *,
    labels: Iterable[str] = (),
    columns: int = 4,
    cell: int = 400,
    progress: Callable[[Sequence[Case]], Iterable[Case]] = iter,
) -> Image:
    """Return an RGB picture of the films with their boxes, ``columns`` across, each within ``cell`` x ``cell`` pixels.

    ``labels``: show only these; none: all. A film that cannot be read is a grey field with the reason. Raises
    ``BAD_VALUE`` for no cases, no columns, or cells below 100 pixels.
    """
    from PIL import Image, ImageDraw  # noqa: PLC0415 - only a picture pays for Pillow

    if not cases or columns < 1 or cell < 100:
        raise InputError(
            "BAD_VALUE", None, f"a sheet of {len(cases)} films, {columns} columns and {cell} pixels a film"
        )
    columns = min(columns, len(cases))
    rows = -(-len(cases) // columns)
    readers = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(_readers(cases, set(labels)))}
    high = cell + _LINE * _CAPTION + _GAP
    sheet = Image.new("RGB", (columns * (cell + _GAP) + _GAP, rows * high + _GAP + _LINE * 2), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = _font(_TEXT)
    for index, case in enumerate(progress(cases)):
        left, top = _GAP + index % columns * (cell + _GAP), _GAP + index // columns * high
        film, sides = _film(case, cell)
        place = (left + (cell - film.width) // 2, top)
        sheet.paste(film, place)
        taken = [(x0 + place[0], y0 + place[1], x1 + place[0], y1 + place[1]) for x0, y0, x1, y1 in sides]
        _boxes(draw, _marks(case, film.size, place, set(labels)), (*place, *film.size), readers, taken)
        for line, text in enumerate(_caption(case, set(labels), font, cell)):
            draw.text((left, top + cell + 2 + line * _LINE), text, fill=_INK, font=font)
    _legend(draw, readers, font, (_GAP, sheet.height - _LINE * 2))
    return sheet


def films_to_draw(
    cases: Sequence[Case],
    *,
    labels: Iterable[str] = (),
    ids: Collection[str] = (),
    count: int = 12,
    seed: int = 0,
) -> list[Case]:
    """Return the cases that a sheet is worth drawing of: those of ``ids``, in the order of the cases, where given.

    Else ``count`` at random (``seed`` says which): of the cases with boxes of ``labels`` (none: of any), and, where no
    case has a box and no label was asked for, of all; among these of the ones whose film is here, where any is.
    """
    wanted = set(labels)
    if ids:
        return [case for case in cases if case.id in ids]
    boxed = [case for case in cases if _is_boxed(case, wanted)]
    some = boxed or ([] if wanted else list(cases))
    some = [case for case in some if case.image is not None] or some
    order = np.random.default_rng(seed).permutation(len(some))
    return [some[index] for index in order[:count]]


def _is_boxed(case: Case, labels: set[str]) -> bool:
    findings = (finding for reading in case.readings for finding in reading.findings)
    return any(finding.box is not None and (not labels or finding.label in labels) for finding in findings)


def _readers(cases: Iterable[Case], labels: set[str]) -> list[str]:
    """Return the names of those who drew boxes, most boxes first."""
    drawn: dict[str, int] = {}
    for case in cases:
        for reading in case.readings:
            for finding in reading.findings:
                if finding.box is not None and (not labels or finding.label in labels):
                    drawn[reading.reader] = drawn.get(reading.reader, 0) + 1
    return sorted(drawn, key=lambda name: (-drawn[name], name))


def _film(case: Case, cell: int) -> tuple[Image, list[Field]]:
    """Return the film as it is to be seen, within the cell, and where L and R stand on it.

    A field with the reason where there is none.
    """
    from PIL import Image, ImageDraw  # noqa: PLC0415 - as above

    try:
        if case.image is None:
            frame = case.frame or Frame(1, 1)
            size = _within(frame.width, frame.height, cell)
            field, reason = Image.new("RGB", size, "#444444"), "no film here: annotations only"
        else:
            film = read(case.image)
            grey = Image.fromarray((film.pixels * 255).round().astype("uint8"))
            frame, (high, wide) = case.frame or film.frame, film.pixel_aspect
            size = _within(frame.width, frame.height * high / wide, cell)
            shown = grey.resize(size, Image.Resampling.LANCZOS).convert("RGB")
            return shown, draw_sides(ImageDraw.Draw(shown, "RGBA"), film.orientation.letters, size)
    except LungspotError as error:
        field, reason = Image.new("RGB", (cell, cell), "#444444"), f"{error.code}: {error.reason}"
    ImageDraw.Draw(field).text((8, field.height - 24), reason[:60], fill=_INK, font=_font(_TEXT))
    return field, []


def _within(width: float, height: float, cell: int) -> tuple[int, int]:
    scale = cell / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _marks(case: Case, size: tuple[int, int], place: tuple[int, int], labels: set[str]) -> list[_Mark]:
    """Return the boxes of a case in pixels of the sheet, with reader and name."""
    if case.frame is None:
        return []
    across, down = size[0] / case.frame.width, size[1] / case.frame.height
    left, top = place
    found: list[_Mark] = []
    for reading in case.readings:
        for finding in reading.findings:
            if finding.box is not None and (not labels or finding.label in labels):
                x0, y0, x1, y1 = finding.box.scale(across, down).corners
                name = name_of(finding.label) + ("" if finding.score is None else f" {finding.score:.2f}")
                found.append((reading.reader, name, (x0 + left, y0 + top, x1 + left, y1 + top)))
    return found


def _boxes(
    draw: ImageDraw, marks: list[_Mark], area: tuple[int, int, int, int], readers: dict[str, str], taken: list[Field]
) -> None:
    """Draw boxes, names, and small boxes once more, so that no name hides one; ``area``: left, top, width, height.

    ``taken``: where no name may stand; the names' own fields are added.
    """
    left, top, width, height = area
    for reader, _, box in marks:
        _outline(draw, box, readers[reader])
    font = _font(_TEXT if len(marks) <= _FEW else _SMALL)
    alone = len({(reader, name) for reader, name, _ in marks}) == 1  # one name says it for all boxes
    for reader, name, (x0, y0, _, _) in marks[:1] if alone else marks:
        high, wide = font.size + 3, draw.textlength(name, font=font) + 4
        x = min(max(x0, left), left + width - wide)
        y = _free((x, y0 - high, x + wide, y0), taken, top, top + height)
        draw.rectangle((x, y, x + wide, y + high), fill=readers[reader])
        draw.text((x + 2, y + 1), name, fill="black", font=font)
    for reader, _, box in marks:
        if max(box[2] - box[0], box[3] - box[1]) < 3 * _LINE:
            _outline(draw, box, readers[reader])


def _outline(draw: ImageDraw, box: Field, colour: str) -> None:
    x0, y0, x1, y1 = box
    draw.rectangle((x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), outline=colour, width=2)


def _free(wanted: Field, taken: list[Field], top: int, bottom: int) -> float:
    """Return where a name's field begins: nearest to where it is wanted, clear of the names before it, on the film."""
    x0, y0, x1, y1 = wanted
    high = y1 - y0 + 1
    start = min(max(y0, float(top)), bottom - high)
    steps = (start + sign * step * high for step in range(int((bottom - top) / high)) for sign in (1, -1))
    for place in (place for place in steps if top <= place <= bottom - high):
        if all(x1 <= a or x0 >= c or place + high <= b or place >= d for a, b, c, d in taken):
            taken.append((x0, place, x1, place + high))
            return place
    return start


def _caption(case: Case, labels: set[str], font: FreeTypeFont, width: int) -> list[str]:
    """Return at most four lines: id and split, then what is present without a box, by reader, cut to the width."""
    lines = [f"{case.dataset} {case.id}" + (f" ({case.split})" if case.split else "")]
    for reading in case.readings:
        boxed = {finding.label for finding in reading.findings if finding.box is not None}
        names = [
            name_of(label)
            for label, state in reading.states.items()
            if state is State.PRESENT and label not in boxed and (not labels or label in labels)
        ]
        if names:
            lines.append(f"{reading.reader}, no box: {', '.join(names)}")
    return [_cut(line, font, width) for line in lines[:_CAPTION]]


def _cut(text: str, font: FreeTypeFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _legend(draw: ImageDraw, readers: dict[str, str], font: FreeTypeFont, place: tuple[int, int]) -> None:
    x, y = place
    for name, colour in readers.items():
        draw.rectangle((x, y, x + _TEXT, y + _TEXT), fill=colour)
        draw.text((x + _LINE, y - 1), name, fill=_INK, font=font)
        x += int(_LINE + draw.textlength(name, font=font) + 2 * _GAP)


def _font(size: int) -> FreeTypeFont:
    from PIL import ImageFont  # noqa: PLC0415 - as above

    font = ImageFont.load_default(size)
    assert not isinstance(font, ImageFont.ImageFont)  # noqa: S101 - Pillow's wheels bring FreeType
    return font
