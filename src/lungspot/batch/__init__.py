"""Archives: films by the hundred thousand, read by many workers, each once, none lost; results as Parquet."""

from lungspot.batch.dicomweb import TlsFiles, require_dicomweb
from lungspot.batch.entries import Entry
from lungspot.batch.folder import BATCH_FORMATS, BatchFolder, asked_for, screened_people
from lungspot.batch.ledger import Ledger
from lungspot.batch.local import LocalPool, usable_processors
from lungspot.batch.ray_pool import RayPool
from lungspot.batch.run import RunEvent, WorkerPool, run_batch
from lungspot.batch.run_report import RunCounts, RunReport, finish_run
from lungspot.batch.settings import BatchSettings
from lungspot.batch.shards import Shard, ShardResult, Struck, shards_of
from lungspot.batch.streams import count_films, entries_in, given_columns
from lungspot.batch.summary import BatchSummary, batch_page, batch_summary

__all__ = [
    "BATCH_FORMATS",
    "BatchFolder",
    "BatchSettings",
    "BatchSummary",
    "Entry",
    "Ledger",
    "LocalPool",
    "RayPool",
    "RunCounts",
    "RunEvent",
    "RunReport",
    "Shard",
    "ShardResult",
    "Struck",
    "TlsFiles",
    "WorkerPool",
    "asked_for",
    "batch_page",
    "batch_summary",
    "count_films",
    "entries_in",
    "finish_run",
    "given_columns",
    "require_dicomweb",
    "run_batch",
    "screened_people",
    "shards_of",
    "usable_processors",
]
