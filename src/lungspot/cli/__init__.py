"""The command line: one file a verb. Rooms are imported by a verb when it runs, so that ``--help`` is instant."""

import gc

# Before anything is imported: a program that begins makes what stays, and Python would look for garbage in it again
# and again, for a tenth of the time.
gc.set_threshold(10_000)

from lungspot.cli.app import app, main  # noqa: E402 - see above

__all__ = ["app", "main"]
