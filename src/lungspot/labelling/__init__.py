"""Labelling: films chosen for people to box, tasks for their tools with guidelines, and their answers read back."""

from lungspot.labelling.answers import EDITED, HUMAN, MODEL, Answers, collect
from lungspot.labelling.tasks import TOOLS, LabellingTask, choose, make

__all__ = ["EDITED", "HUMAN", "MODEL", "TOOLS", "Answers", "LabellingTask", "choose", "collect", "make"]
