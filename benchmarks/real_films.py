"""What the benchmarks on real films ask of who runs them. No benchmark itself; those beside it import it."""

from __future__ import annotations

import argparse
from pathlib import Path

from lungspot.formats import Split

__all__ = ["are_here", "options"]


def options(words: str | None, split: Split | None = None) -> argparse.ArgumentParser:
    """Return a command line that asks where the films are (``--data``) and which detector is measured (``--model``).

    ``words``: what the benchmark does. ``split``: the films' part that is measured unless ``--split`` says another;
    without it the benchmark measures those that it names itself.
    """
    parser = argparse.ArgumentParser(description=words, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--model", default="default")
    if split is not None:
        parser.add_argument("--split", type=Split, default=split)
    return parser


def are_here(data: Path) -> bool:
    """Say whether the films are here, aloud where they are not."""
    if not data.is_dir():
        print(f"{data}: the films are not here; nothing measured")
    return data.is_dir()
