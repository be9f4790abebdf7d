"""Films a second of `lungspot batch`, on processes and on Ray, beside what people do without it, in one run.

Beside it: a shell's loop over `lungspot detect`, and Ray Data's `map_batches` of a DenseNet-121 as torchxrayvision's
classifiers are (224 x 224, one channel, 18 labels; random weights, for speed does not depend on them): labels of whole
films alone, without boxes, film gate, rows of refused films or going on after a crash. Each has one processor. The time
of processors is that of all processes that a run started, Ray's own with them.

Usage: python benchmarks/archive_rivals.py [--films N] [--film FILE] [--only NAME,…]
"""

from __future__ import annotations

import argparse
import ctypes
import io
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from batch import fill, made

SIZE = 224
LABELS = 18
BATCH = 16
LOOP = 10  # films of the loop over `lungspot detect`: a process each
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: what outlives its parent becomes ours, and its time is counted


class Layer(nn.Module):
    """One dense layer: what comes in, and 32 channels made of it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeeze = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, 128, 1, bias=False))
        self.made = nn.Sequential(squeeze, nn.BatchNorm2d(128), nn.ReLU(), nn.Conv2d(128, 32, 3, padding=1, bias=False))

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """Return (N, C + 32, H, W) of (N, C, H, W)."""
        return torch.cat([seen, self.made(seen)], 1)


def densenet() -> nn.Module:
    """Return DenseNet-121 (Huang et al. 2017) for films of one channel, with random weights."""
    parts: list[nn.Module] = [
        nn.Conv2d(1, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    channels = 64
    for number, layers in enumerate((6, 12, 24, 16)):
        if number:
            thin = nn.Conv2d(channels, channels // 2, 1, bias=False)
            parts += [nn.BatchNorm2d(channels), nn.ReLU(), thin, nn.AvgPool2d(2)]
            channels //= 2
        for _ in range(layers):
            parts.append(Layer(channels))
            channels += 32
    parts += [nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, LABELS)]
    return nn.Sequential(*parts).eval()


class Classifier:
    """What Ray Data calls with a batch of rows: bytes of films in, scores out."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self.network = densenet()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return the scores of each film, shape (N, 18)."""
        pixels = [Image.open(io.BytesIO(data)).convert("L").resize((SIZE, SIZE)) for data in batch["bytes"]]
        seen = torch.from_numpy(np.stack([np.asarray(each, np.float32) for each in pixels])[:, None])
        with torch.inference_mode():
            scores = torch.sigmoid(self.network(seen / 255 * 2048 - 1024))
        return {"path": batch["path"], "scores": scores.numpy()}


def map_batches(films: Path, out: Path) -> None:
    """Read films as Ray Data's users do; run in a process of its own."""
    import ray  # noqa: PLC0415 - not everybody who measures has it

    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR")  # one to list and read, one to infer
    rows = ray.data.read_binary_files(str(films), include_paths=True)
    rows.map_batches(Classifier, batch_size=BATCH, concurrency=1, num_cpus=1).write_parquet(str(out))
    ray.shutdown()


def wait_for_all() -> float:
    """Wait for every process that was left to us; return the seconds of processors that children took so far."""
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime


def measure(what: str, commands: list[list[object]], films: int) -> bool:
    """Print films a second and processor time a film of some commands, one after the other; say whether all worked."""
    before, begun = wait_for_all(), time.monotonic()
    environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0"}
    for command in commands:
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            print(f"| {what} | failed: {said[-1][:200]} | | |", flush=True)
            return False
    seconds = time.monotonic() - begun
    computing = wait_for_all() - before
    print(f"| {what} | {films} | {films / seconds:.2f} | {1000 * computing / films:.0f} |", flush=True)
    return True


def main() -> None:
    """Print the table of docs/benchmarks.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--films", type=int, default=300)
    parser.add_argument("--film", type=Path, help="a film to make the others from")
    parser.add_argument("--only", default="local,ray,map_batches,loop")
    parser.add_argument("--map-batches", type=Path, nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.map_batches:
        map_batches(*asked.map_batches)
        return
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    film = asked.film
    if film is None:
        import data_store  # noqa: PLC0415 - the real chest film of pydicom-data

        film = Path(data_store.__path__[0]) / "data" / "RG1_J2KR.dcm"
    with tempfile.TemporaryDirectory(prefix="lungspot-rivals-") as name:
        folder = Path(name)
        fill(folder / "films", asked.films, made(film, 320), poisoned=False)
        lungspot = [sys.executable, "-m", "lungspot"]
        batch = [*lungspot, "batch", folder / "films", "-q", "--workers", 1, "--shard-films", 100]
        some = sorted((folder / "films").rglob("*.png"))[:LOOP]
        detect = [[*lungspot, "detect", each, "-o", folder / "loop", "--format", "json", "-q"] for each in some]
        rivals = {
            "local": ("lungspot batch", [[*batch, "-o", folder / "local"]], asked.films),
            "ray": ("lungspot batch --on ray", [[*batch, "-o", folder / "ray", "--on", "ray"]], asked.films),
            "map_batches": (
                "Ray Data map_batches, DenseNet-121",
                [[sys.executable, __file__, "--map-batches", folder / "films", folder / "data"]],
                asked.films,
            ),
            "loop": ("a loop over lungspot detect", detect, len(some)),
        }
        print(f"{asked.films} films, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
        print("| what | films | films/s, start included | processor ms a film, start included |\n|---|---|---|---|")
        worked = [measure(*rivals[rival]) for rival in asked.only.split(",")]
    if not all(worked):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
