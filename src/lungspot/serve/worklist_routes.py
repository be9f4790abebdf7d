"""The worklist over HTTP: films listed by address, or searched by words that stand in no address."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from lungspot.serve.answers import QueueState, Status, WorklistAnswer
from lungspot.serve.app_state import StateDep
from lungspot.serve.problems import ERRORS
from lungspot.serve.search_text import search_words
from lungspot.serve.worklist import WorklistQuery

__all__ = ["router"]

router = APIRouter(prefix="/v1", responses=ERRORS)

Sort = Literal["urgency", "newest", "oldest", "score", "name", "date", "status", "screening"]
Id = Annotated[str, Field(max_length=64)]


@router.get("/readings", response_model=WorklistAnswer, response_model_exclude_unset=True)
def worklist(  # noqa: PLR0913, PLR0917 - one parameter a filter
    app: StateDep,
    sort: Sort = "urgency",
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    per_page: Annotated[int, Query(ge=1, le=200)] = 50,
    state: QueueState | None = None,
    status: Status | None = None,
    label: Annotated[str | None, Query(max_length=64)] = None,
    min_score: Annotated[float | None, Query(ge=0, le=1, allow_inf_nan=False)] = None,
    reviewed: Literal["true", "false"] | None = None,
    patient: Annotated[str | None, Query(max_length=64)] = None,
    ids: Annotated[str | None, Query(max_length=4000)] = None,
    beside: Annotated[str | None, Query(max_length=64)] = None,
) -> dict[str, Any]:
    """List films."""
    listed = None if ids is None else tuple(filter(None, ids.split(",")))[:200]
    seen = None if reviewed is None else reviewed == "true"
    query = WorklistQuery(sort, page, per_page, state, status, label, min_score, seen, patient, listed, beside=beside)
    return app.worklist.page(query)


class Search(BaseModel):
    """Words to look for, and order, page and filters as ``GET /v1/readings`` has them.

    ``search``: each word must be part of the film's name or headline or, with ``--keep-identifiers``, of the patient's
    name and id, the date or the accession number, or be the beginning of its id. ``names``: file names that only the
    asking page knows, by reading id.
    """

    model_config = ConfigDict(extra="forbid")
    search: Annotated[str, Field(max_length=200)] = ""
    names: dict[Id, Annotated[str, Field(max_length=1024)]] = Field(default_factory=dict)
    sort: Sort = "urgency"
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    per_page: Annotated[int, Field(ge=1, le=200)] = 50
    state: QueueState | None = None
    status: Status | None = None
    label: Id | None = None
    reviewed: bool | None = None
    beside: Id | None = None


@router.post("/worklist", response_model=WorklistAnswer, response_model_exclude_unset=True)
def search(app: StateDep, search: Search) -> dict[str, Any]:
    """List the films in which all words of a search are found."""
    given = search.model_dump(exclude={"search"})
    return app.worklist.page(WorklistQuery(**given, words=search_words(search.search)))
