"""What Label Studio's tasks ask, and how it wants suggestions: the parts of its forms that the back end needs.

A project's labelling interface (XML) says which control draws rectangles, on which picture, and of which of the task's
data that is; its labels may be called in any way that :class:`~lungspot.formats.ClassMap` understands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from lungspot.detect import ModelCard
from lungspot.errors import InputError, LungspotError
from lungspot.formats import ClassMap, labelstudio_region
from lungspot.report import Analysis, Model
from lungspot.serve.problems import problem

__all__ = ["Rectangles", "link_of", "model_version", "no_suggestion", "rectangles_of", "suggestion_of"]

_WHERE: Final = "label_config"
_ADVICE: Final = "use the interface of GET /v1/label-studio/config.xml, or one with RectangleLabels over an Image"


@dataclass(frozen=True, slots=True)
class Rectangles:
    """The control of a project that draws rectangles.

    ``name`` and ``picture``: its name and its Image's, a result's ``from_name`` and ``to_name``. ``key``: which of a
    task's data is the film. ``labels``: by label id, what the project calls it.
    """

    name: str
    picture: str
    key: str
    labels: Mapping[str, str]


def rectangles_of(config: str, card: ModelCard) -> Rectangles:
    """Return the first rectangles of a labelling interface that can hold what the model finds.

    Raises ``BAD_VALUE`` where it is no such interface.
    """
    try:
        tree: Element = fromstring(config, forbid_dtd=True)
    except (DefusedXmlException, ParseError, ValueError, LookupError) as error:
        raise InputError("BAD_VALUE", _WHERE, f"it is not XML ({type(error).__name__})", advice=_ADVICE) from error
    pictures = {tag.get("name"): tag.get("value", "") for tag in tree.iter("Image")}
    for control in tree.iter("RectangleLabels"):
        name, picture = control.get("name"), control.get("toName")
        key = pictures.get(picture, "")
        labels: dict[str, str] = {}
        for each in control.iter("Label"):
            shown = each.get("alias") or each.get("value") or ""
            meant = ClassMap().look_up(each.get("value") or shown)
            if meant in card.labels:
                labels.setdefault(meant, shown)
        if name and picture and key.startswith("$") and labels:
            return Rectangles(name, picture, key[1:], labels)
    reason = "no rectangles over an image, with a label that the model knows"
    raise InputError("BAD_VALUE", _WHERE, reason, advice=_ADVICE)


def link_of(task: Mapping[str, Any], rectangles: Rectangles) -> str:
    """Return the link of a task's film; raises ``BAD_VALUE``."""
    data = task.get("data")
    link = data.get(rectangles.key) if isinstance(data, Mapping) else None
    if not isinstance(link, str) or not link:
        raise InputError("BAD_VALUE", f"data.{rectangles.key}", "the task names no film there")
    return link


def model_version(model: Model) -> str:
    """Return what tells the model's suggestions from those of every other, a site's thresholds included."""
    key = "+".join(part[:8] for part in model.key.split("+"))
    return f"{model.card.name} {model.card.version} ({key})"


def suggestion_of(result: Analysis, rectangles: Rectangles) -> dict[str, Any]:
    """Return a prediction: the boxes that are positive at the result's point, with the best score as the task's."""
    frame = result.radiograph.frame
    regions = []
    for number, finding in enumerate(result.boxed):
        label = rectangles.labels.get(finding.label)
        if label is None or finding.box is None or finding.score is None or not result.is_positive(finding):
            continue
        names = {"from_name": rectangles.name, "to_name": rectangles.picture}
        region = labelstudio_region(finding.box, frame, label, f"lungspot{number}")
        regions.append(region | names | {"score": round(finding.score, 4)})
    best = max((region["score"] for region in regions), default=0.0)
    return {"result": regions, "score": best, "model_version": model_version(result.model)}


def no_suggestion(error: LungspotError) -> dict[str, Any]:
    """Return the answer for a task without a suggestion: Label Studio logs what it says, and stores no prediction."""
    return {"error": problem(error)}
