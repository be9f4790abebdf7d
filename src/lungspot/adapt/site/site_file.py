"""The site file: a hospital's own thresholds and probabilities for one model, as ``lungspot calibrate`` writes them.

Schema ``lungspot-site/1`` (docs/reference/site-file.md). Reading it needs nothing beyond the base install. A site file
is for the model that it was made with, and no other: a threshold means nothing on another's scores.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from lungspot.detect import (
    OPERATING_POINTS,
    Curve,
    Detector,
    Knots,
    ModelCard,
    Platt,
    SiteMark,
    Thresholds,
    calibrate,
    compose,
    in_order,
    load_detector,
)
from lungspot.errors import InputError, LungspotError, ModelError
from lungspot.findings import is_label_id, taxonomy
from lungspot.inputs import regular

__all__ = ["SITE_SCHEMA", "LevelSettings", "Site", "load_for_site", "read_site", "schema_of_site", "with_site"]

SITE_SCHEMA: Final = "lungspot-site/1"  # what a site file calls its form
_MOST: Final = 16 << 20
_LONGEST: Final = 64  # characters of a name, as DICOM's long strings have it


@dataclass(frozen=True, slots=True)
class LevelSettings:
    """One label at one level: the curve from the model's score to the site's probability, and thresholds by point.

    Thresholds are on the site's probabilities; a point that is not here keeps the model's own.
    """

    curve: Curve | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse thresholds that are none, or out of order (``BAD_VALUE``)."""
        given = [self.thresholds[point] for point in OPERATING_POINTS if point in self.thresholds]
        if set(self.thresholds) - set(OPERATING_POINTS) or not all(0 <= each <= 1 for each in given):
            raise InputError("BAD_VALUE", None, f"thresholds {dict(self.thresholds)}")
        if given != sorted(given):
            raise InputError("BAD_VALUE", None, f"thresholds out of order: {dict(self.thresholds)}")


@dataclass(frozen=True, slots=True)
class Site:
    """What of a site file counts when films are read.

    ``made``: the day, as 2026-11-29. ``model``: name, version and ``sha256`` of the model that it is for. ``films``:
    how many it was made from. ``levels``: by label, then ``film`` or ``box``. ``sets``: by look-alike group, from
    which probability each of its labels stays in the prediction set; ``coverage``: per cent that the sets keep.
    """

    name: str
    made: str
    model: Mapping[str, str]
    films: int
    levels: Mapping[str, Mapping[str, LevelSettings]]
    sets: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    coverage: float | None = None
    sha256: str = ""

    def __post_init__(self) -> None:
        """Refuse a name that no report can hold, and a day that is none (``BAD_VALUE``)."""
        if not 0 < len(self.name) <= _LONGEST or not self.name.isprintable() or self.name.strip() != self.name:
            raise InputError("BAD_VALUE", None, f"a site called {self.name!r}; up to {_LONGEST} printable characters")
        date.fromisoformat(self.made)

    @classmethod
    def from_json(cls, text: str, where: object = None) -> Self:
        """Return the site of a file's text; raises ``SITE_FORMAT``."""
        try:
            return cls._parsed(json.loads(text), hashlib.sha256(text.encode()).hexdigest())
        except (LungspotError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            reason = error.reason if isinstance(error, LungspotError) else f"{type(error).__name__}: {error}"
            raise ModelError("SITE_FORMAT", where, f"no site file ({reason})") from error

    @classmethod
    def _parsed(cls, value: Mapping[str, Any], sha256: str) -> Self:
        if value.get("schema") != SITE_SCHEMA:
            raise InputError("BAD_VALUE", None, f"schema {value.get('schema')!r}, not {SITE_SCHEMA}")
        levels = {
            label: {level: _level(of[level]) for level in ("film", "box") if level in of}
            for label, of in value["labels"].items()
        }
        if unknown := [label for label in levels if not is_label_id(label)]:
            raise InputError("UNKNOWN_LABEL", None, f"no label has the id {unknown[0]!r}")
        sets = value["prediction_sets"]
        groups = {
            group: {label: _share(each["threshold"]) for label, each in of["labels"].items()}
            for group, of in sets["groups"].items()
        }
        model = {key: str(value["model"][key]) for key in ("name", "version", "sha256") if value["model"].get(key)}
        told = (str(value["name"]), str(value["made"]), model, int(value["films"]["used"]))
        return cls(*told, levels, groups, float(sets["coverage"]) if groups else None, sha256)

    def applied(self, card: ModelCard, sha256: str) -> ModelCard:
        """Return a model's card with this site's thresholds and probabilities; ``sha256``: of the model file.

        Labels and points that the site says nothing of keep the model's own, moved where the site's would else be out
        of order. Raises ``SITE_MODEL`` where the site file is for another model, or for labels that this one does not
        know.
        """
        if card.site is not None:
            raise ModelError("SITE_MODEL", self.name, "the thresholds are a site's already")
        if self.model.get("sha256") != sha256:
            made = " ".join(self.model.get(key, "") for key in ("name", "version")).strip() or "no model of lungspot"
            digest = self.model.get("sha256", "")[:12]
            told = f"{made}{f' ({digest}…)' if digest else ''}"
            reason = f"made for {told}, and this is {card.name} {card.version} ({sha256[:12]}…)"
            raise ModelError("SITE_MODEL", self.name, reason)
        if unknown := sorted(set(self.levels) - set(card.labels)):
            raise ModelError("SITE_MODEL", self.name, f"speaks of {', '.join(unknown)}, which the model does not know")
        thresholds = {point: dict(card.thresholds.get(point, {})) for point in OPERATING_POINTS}
        box, image = dict(card.box_calibration), dict(card.image_calibration)
        for label, of in self.levels.items():
            film, boxes = of.get("film", LevelSettings()), of.get("box", LevelSettings())
            _put(image, label, film.curve)
            _put(box, label, boxes.curve)
            own = {point: card.threshold(label, point) for point in OPERATING_POINTS}
            films = _merged({point: each.image for point, each in own.items()}, film)
            if label in card.box_from_map:  # its boxes bear the film's probability, and its threshold
                found = films
            else:
                found = _merged({point: each.box for point, each in own.items()}, boxes)
            for point in OPERATING_POINTS:
                thresholds[point][label] = Thresholds(found[point], films[point])
        return replace(card, thresholds=thresholds, box_calibration=box, image_calibration=image, site=self._mark(card))

    def _mark(self, card: ModelCard) -> SiteMark:
        set_to = {
            label: tuple(level for level in ("film", "box") if level in of and of[level].thresholds)
            for label, of in self.levels.items()
        }
        refit = tuple(label for label, of in self.levels.items() if any(each.curve is not None for each in of.values()))
        return SiteMark(
            name=self.name,
            made=self.made,
            sha256=self.sha256,
            card_sha256=card.sha256,
            films=self.films,
            thresholds={label: levels for label, levels in set_to.items() if levels},
            probabilities=refit,
            sets={group: of for group, of in self.sets.items() if group in {taxonomy()[x].group for x in card.labels}},
            coverage=self.coverage,
        )


def read_site(path: Path) -> Site:
    """Return the site of a file; raises ``SITE_FORMAT`` where there is none."""
    try:
        if regular(path).stat().st_size > _MOST:
            raise ModelError("SITE_FORMAT", path, f"larger than {_MOST >> 20} MiB")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text in UTF-8"
        raise ModelError("SITE_FORMAT", path, reason or "cannot be read") from error
    return Site.from_json(text, path)


def with_site(detector: Detector, site: Site) -> Detector:
    """Return the same network, read with a site's thresholds and probabilities; raises ``SITE_MODEL``."""
    return detector.with_card(site.applied(detector.card, detector.sha256))


def load_for_site(model: str | Path, site: Path | None, *, threads: int = 2) -> Detector:
    """Return the detector of a model file, read with a site's file where there is one.

    Raises what :func:`lungspot.detect.load_detector`, :func:`read_site` and :func:`with_site` raise.
    """
    detector = load_detector(model, threads=threads)
    return detector if site is None else with_site(detector, read_site(site))


@lru_cache(maxsize=1)
def schema_of_site() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) that every site file meets."""
    text = resources.files("lungspot.adapt.site").joinpath("lungspot-site-1.schema.json").read_text(encoding="utf-8")
    value: dict[str, Any] = json.loads(text)
    return value


def _level(value: Mapping[str, Any]) -> LevelSettings:
    curve = value["probability"]["curve"]
    found: Curve | None = None if curve is None else Knots(**curve) if "x" in curve else Platt(**curve)
    points = {point: _share(of["threshold"]) for point, of in value["points"].items() if "threshold" in of}
    return LevelSettings(found, points)


def _share(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError("BAD_VALUE", None, f"a threshold of {value!r}")
    return float(value)


def _put(curves: dict[str, Curve], label: str, site: Curve | None) -> None:
    """Let the site's curve follow the model's."""
    if (both := compose(curves.get(label), site)) is not None:
        curves[label] = both


def _merged(own: Mapping[str, float], site: LevelSettings) -> dict[str, float]:
    """Return a threshold for every point: the site's; else the model's as the site's probability, kept in order."""
    found = {point: float(calibrate(np.array([own[point]]), site.curve)[0]) for point in OPERATING_POINTS}
    return in_order(found | dict(site.thresholds), fixed=site.thresholds)
