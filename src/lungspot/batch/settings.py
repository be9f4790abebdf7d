"""What a run is asked to do, as every worker must know it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lungspot.detect import DEFAULT_POINT
from lungspot.errors import InputError

__all__ = ["BatchSettings"]


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """How films are read, and what is written of them.

    ``model``, ``site``: as ``lungspot detect`` has them. ``point``: the operating point. ``forms``: of
    ``BATCH_FORMATS``, beside Parquet, which is always written. ``screen``: the label that people are screened for;
    None: no register. ``given``: names of columns that come with the films. ``shard_films``: films that are written at
    a time. ``timeout``: seconds that a film may hold up its worker. ``heatmap``, ``experimental``: of pictures, pages.
    """

    model: str = "default"
    site: Path | None = None
    point: str = DEFAULT_POINT
    forms: tuple[str, ...] = ()
    screen: str | None = None
    given: tuple[str, ...] = ()
    shard_films: int = 500
    timeout: float = 120.0
    heatmap: bool = False
    experimental: bool = False

    def __post_init__(self) -> None:
        """Refuse what no run can do."""
        if self.shard_films < 1 or not self.timeout > 0:
            raise InputError("BAD_VALUE", None, f"{self.shard_films} films a shard, {self.timeout} s a film")
