"""The command line: one file a verb. Rooms are imported by a verb when it runs, so that ``--help`` is instant."""

from lungspot.cli.app import app, main

__all__ = ["app", "main"]
