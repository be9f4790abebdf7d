"""Labelling: films chosen for people to box, tasks for their tools with guidelines, and their answers read back.

:mod:`lungspot.labelling.choosing` says which to answer next, :mod:`lungspot.labelling.rounds` learns from the answers.
"""

from lungspot.labelling.answers import EDITED, HUMAN, MODEL, Answers, collect
from lungspot.labelling.choosing import RANDOM_SHARE, STRATEGIES, Choice, PoolFilm, choose, lots, random_sample
from lungspot.labelling.guide import GUIDED, drawing, guide_markdown, guide_page, instruction
from lungspot.labelling.next_films import (
    NEXT_CSV,
    NEXT_TASKS,
    NEXT_VERSION,
    Pool,
    ask,
    matched,
    next_csv,
    next_tasks,
    open_pool,
    pool_films,
    write_next,
)
from lungspot.labelling.proposals import proposer
from lungspot.labelling.rounds import Round, play_round, rounds_of
from lungspot.labelling.tasks import TOOLS, LabellingTask, make, select_tasks
from lungspot.labelling.uncertainty import Uncertainty, uncertainty_of, unsure_scores

__all__ = [
    "EDITED",
    "GUIDED",
    "HUMAN",
    "MODEL",
    "NEXT_CSV",
    "NEXT_TASKS",
    "NEXT_VERSION",
    "RANDOM_SHARE",
    "STRATEGIES",
    "TOOLS",
    "Answers",
    "Choice",
    "LabellingTask",
    "Pool",
    "PoolFilm",
    "Round",
    "Uncertainty",
    "ask",
    "choose",
    "collect",
    "drawing",
    "guide_markdown",
    "guide_page",
    "instruction",
    "lots",
    "make",
    "matched",
    "next_csv",
    "next_tasks",
    "open_pool",
    "play_round",
    "pool_films",
    "proposer",
    "random_sample",
    "rounds_of",
    "select_tasks",
    "uncertainty_of",
    "unsure_scores",
    "write_next",
]
