"""The results of a Label Studio annotation: regions as boxes in pixels, and what is said of the whole film.

A region is one result or several of one id: ``rectanglelabels``, a ``rectangle`` and its ``labels``, a ``rectangle``
and ``choices`` that name it; beside labels, ``choices``, ``textarea`` and ``rating`` of a region are attributes of it.
What draws something that has no box here is refused.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from lungspot.errors import DatasetError
from lungspot.findings import EDITED, HUMAN, MODEL, Box, Frame
from lungspot.formats.annotated_image import Mark, ellipse_reach, stated_box, stated_size
from lungspot.formats.classes import ClassMap
from lungspot.formats.image_files import film_size, find_film

__all__ = ["FilmRegions", "boxes_in"]

_SHAPES: Final = frozenset({"rectangle", "ellipse", "polygon"})
_READ: Final = frozenset({"rectanglelabels", "ellipselabels", "polygonlabels", "labels"})
_NO_BOX: Final = frozenset(
    {
        *("brush", "keypoint", "vector", "bitmask", "cuboid", "video", "videorectangle", "magicwand", "pose"),
        *("ellipsoid", "line"),
    }
)
_DRAWN: Final = ("x", "y", "width", "height", "radiusX", "radiusY", "rotation", "points")
_GEOMETRY: Final = frozenset(
    {"x", "y", "width", "height", "radiusX", "radiusY", "points", "rle", "vertices", "imageDataURL", "sequence"}
)
_RELATION: Final = "relation"
_ORIGINS: Final = {"manual": HUMAN, "prediction": MODEL, "prediction-changed": EDITED}


class FilmRegions:
    """The results of one film; ``sizes``: what its regions say of the film's size."""

    def __init__(
        self, classes: ClassMap, folders: Sequence[Path], film: str, others: Collection[str] = (), *, ours: bool
    ) -> None:
        """Remember what classes mean, and where the film may lie.

        ``others``: what the task calls other films; their regions are refused. ``ours``: lungspot wrote the task.
        """
        self._classes, self._folders, self._film, self._ours = classes, folders, film, ours
        self._others, self._shown = frozenset(others), set[str]()
        self.sizes: set[Frame] = set()

    def drawn(self, results: Sequence[Mapping[str, Any]], where: str) -> tuple[list[Mark], dict[str, bool]]:
        """Return the boxes in pixels, one a label of each region, and the choices about the film."""
        marks: list[Mark] = []
        flags: dict[str, bool] = {}
        regions: dict[tuple[str, ...], list[tuple[str, Mapping[str, Any]]]] = {}
        for row, result in enumerate(results):
            place, kind, value = f"{where}: result {row}", str(result.get("type")), result.get("value")
            if not isinstance(value, dict):
                if value or kind.endswith("labels") or kind in _SHAPES:
                    raise DatasetError("DATASET_ROW", place, f"the value of a {kind} is no mapping")
                continue  # a relation between two regions
            if _shape_of(value, kind) is None:
                if kind == "choices" and isinstance(value.get("choices"), list):
                    flags |= {str(choice): True for choice in value["choices"]}
                elif _is_region(value, kind):
                    reason = f"a {kind} has no label or no box"
                    raise DatasetError("DATASET_ROW", place, reason, advice="draw a rectangle")
                continue
            same = (str(result.get("id")), *(str(value.get(key)) for key in _DRAWN))
            parts = regions.setdefault(same, [])
            self._refuse_other_film(result, place)
            if any(one.get("type") == kind for _, one in parts):  # another region that an importer gave the same id
                parts = regions.setdefault((*same, str(row)), [])
            parts.append((place, result))
        for parts in regions.values():
            marks += self._region(parts)
        return marks, flags

    def _refuse_other_film(self, result: Mapping[str, Any], place: str) -> None:
        """Refuse a region on another film of the task: by its name, or because two are named and one is read."""
        name = result.get("to_name")
        if not self._others or not isinstance(name, str):
            return
        self._shown.add(name)
        if name in self._others or len(self._shown) > 1:
            advice = "give each film a task of its own"
            raise DatasetError("DATASET_ROW", place, f"a region on {name!r}: the task has several films", advice=advice)

    def _region(self, parts: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Mark]:
        place, first = parts[0]
        labels = [name for _, result in parts for name in _listed(result, "labels")]
        named = labels or [name for _, result in parts for name in _listed(result, "choices")]
        if not named:
            raise DatasetError("DATASET_ROW", place, f"a {first.get('type')} has no label", advice="label the region")
        shape = _shape_of(first["value"], str(first.get("type"))) or ""
        box = _box(first["value"], shape, self._size(first, place), place)
        scores = [score for _, one in parts if isinstance(score := one.get("score"), float | int)]
        origin = next((_ORIGINS[said] for _, one in parts if (said := str(one.get("origin"))) in _ORIGINS), None)
        meant = dict.fromkeys(self._classes.meaning(name, place, ours=self._ours) for name in named)
        return [Mark(label, box, score=scores[0] if scores else None, origin=origin) for label in meant]

    def _size(self, result: Mapping[str, Any], where: str) -> Frame:
        """Return the film's size: as stated; where it is not, or turned with the view, that of the film at hand."""
        size = stated_size(result.get("original_width"), result.get("original_height"), where)
        turned = result.get("image_rotation") in (90, 270, -90)  # a tuple: a list may stand there, which has no hash
        if size is None or turned:
            try:
                at_hand = film_size(find_film(self._film, where, self._folders))
            except DatasetError as error:
                if size is None:
                    raise DatasetError("DATASET_ROW", where, "no size of the film, and no film to ask") from error
            else:
                size = at_hand if size is None or size == Frame(at_hand.height, at_hand.width) else size
        self.sizes.add(size)
        return size


def boxes_in(results: object) -> int:
    """Return how many regions results have, whatever they draw: of what is left out, to be said."""
    listed = [result for result in results if isinstance(result, dict)] if isinstance(results, list) else []
    drawn = [one for one in listed if isinstance(one.get("value"), dict) and _GEOMETRY & one["value"].keys()]
    return len({str(result.get("id", row)) for row, result in enumerate(drawn)})


def _listed(result: Mapping[str, Any], what: str) -> list[object]:
    """Return what a result lists under its type, or under any key that ends like ``what``."""
    value, kind = result["value"], str(result.get("type"))
    keys = [kind] if kind.endswith(what) else [key for key in value if key.endswith(what)]
    return [name for key in keys if isinstance(value.get(key), list) for name in value[key]]


def _is_region(value: Mapping[str, Any], kind: str) -> bool:
    """Say whether a result that is not read marks a part of the film: what is lost with it must be said."""
    named = any(key.endswith("labels") for key in (kind, *value))
    return kind != _RELATION and (named or kind in _NO_BOX or bool(_GEOMETRY & value.keys()))


def _shape_of(value: Mapping[str, Any], kind: str) -> str | None:
    """Return what a result's value draws: a rectangle, an ellipse, a polygon; None where it draws none of these."""
    if kind in _NO_BOX or (kind.endswith("labels") and kind not in _READ):
        return None
    if "points" in value:
        return "polygon"
    if "radiusX" in value or kind in {"ellipse", "ellipselabels"}:
        return "ellipse"
    drawn = kind in {"rectangle", "rectanglelabels"} or {"x", "y", "width", "height"} <= value.keys()
    return "polygon" if kind in {"polygon", "polygonlabels"} else "rectangle" if drawn else None


def _box(value: Mapping[str, Any], shape: str, size: Frame, where: str) -> Box:
    wide, high = size.width / 100, size.height / 100
    try:
        if shape == "polygon":
            points = [(float(x) * wide, float(y) * high) for x, y in value["points"]]
        else:
            x, y = float(value["x"]) * wide, float(value["y"]) * high
            turn = math.radians(float(value.get("rotation") or 0))
            if shape == "ellipse":
                across, down = float(value["radiusX"]) * wide, float(value["radiusY"]) * high
                stated_box((-across, -down, across, down), where)
                across, down = ellipse_reach(across, down, turn)
                points = [(x - across, y - down), (x + across, y + down)]
            else:
                right, bottom = float(value["width"]) * wide, float(value["height"]) * high
                stated_box((0, 0, right, bottom), where)
                sine, cosine = math.sin(turn), math.cos(turn)
                corners = ((0.0, 0.0), (right, 0.0), (right, bottom), (0.0, bottom))
                points = [(x + a * cosine - b * sine, y + a * sine + b * cosine) for a, b in corners]
        xs, ys = zip(*points, strict=True)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DatasetError("DATASET_ROW", where, f"not a {shape} ({type(error).__name__}: {error})") from error
    return stated_box((min(xs), min(ys), max(xs), max(ys)), where)
