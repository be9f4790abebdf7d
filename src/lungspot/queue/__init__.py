"""The durable queue of films that the HTTP server and the DICOM node share: what was accepted survives any crash."""

from lungspot.queue.films import ATTEMPTS, IN_A_ROW, Claim, FilmQueue, back_off, next_attempt
from lungspot.queue.folder import MigrationStep, QueueFolder, discard, is_queue_name

__all__ = [
    "ATTEMPTS",
    "IN_A_ROW",
    "Claim",
    "FilmQueue",
    "MigrationStep",
    "QueueFolder",
    "back_off",
    "discard",
    "is_queue_name",
    "next_attempt",
]
