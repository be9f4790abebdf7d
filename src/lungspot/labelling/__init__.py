"""Labelling: films chosen for people to box, tasks for their tools with guidelines, and their answers read back."""

from lungspot.labelling.answers import EDITED, HUMAN, MODEL, Answers, collect
from lungspot.labelling.tasks import TOOLS, LabellingTask, make, select_tasks

__all__ = ["EDITED", "HUMAN", "MODEL", "TOOLS", "Answers", "LabellingTask", "collect", "make", "select_tasks"]
