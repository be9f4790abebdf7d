"""Generated films on which a tiny network can learn something in seconds."""

from dataclasses import replace

import numpy as np
import pytest

from lungspot.findings import ABSENT, BOXED, PRESENT, UNKNOWN
from lungspot.formats.case import Split
from lungspot.train.config import TrainConfig
from lungspot.train.data import OUTLINE, Films, FilmTruth
from lungspot.train.export_model import export_model
from lungspot.train.loop import train

SMALL = 64
OUTLINES = np.zeros((3, OUTLINE, OUTLINE), np.uint8)
OUTLINES[0, 64:96, 48:96] = OUTLINES[1, 16:112, 16:64] = OUTLINES[2, 16:112, 80:112] = 255
OUTLINES.flags.writeable = False


@pytest.fixture(scope="session")
def tiny():
    """The config of a network that takes a second to train."""
    return TrainConfig(
        labels=("effusion", "edema"),
        steps=6,
        sizes=((0.0, 64), (0.5, SMALL)),
        batch=4,
        widths=(32, 32, 32, 32),
        depths=(1, 1, 1, 1),
        neck=32,
        warmup=2,
        cache_size=SMALL,
    )


@pytest.fixture(scope="session")
def model_of(tiny):
    """A function that writes into a folder, and returns, the model file of a tiny network that learnt from films."""

    def made(films, folder):
        exported = export_model(train(replace(tiny, steps=20, rate=1e-2), films, folder / "run"), films)
        (folder / "model.onnx").write_bytes(exported.data)
        return folder / "model.onnx"

    return made


@pytest.fixture(scope="session")
def generated_films():
    """Return 40 films: bright squares are effusions with boxes; a bright film shows edema, which nobody boxes.

    Every fourth has outlines: a heart right of the middle, and the picture's halves as lungs.
    """
    rng = np.random.default_rng(7)
    films, pixels = [], []
    for i in range(40):
        picture = rng.integers(0, 60, (SMALL, SMALL)).astype(np.uint8)
        edema = PRESENT if i % 4 == 1 else ABSENT if i % 4 != 2 else UNKNOWN
        if edema == PRESENT:
            picture += 80
        boxes = np.zeros((0, 4), np.float32)
        if i % 2 == 0:
            x, y = rng.integers(2, 40, 2)
            picture[y : y + 20, x : x + 20] = 230
            boxes = np.array([[x, y, x + 20, y + 20]], np.float32) / SMALL
        films.append(
            FilmTruth(
                id=f"generated/{i}",
                source="nih" if i % 3 else "siim_covid",
                patient=f"p{i // 2}",
                split=(Split.TRAIN, Split.TRAIN, Split.VAL, Split.TEST)[(i // 2) % 4],
                boxes=boxes,
                labels=np.zeros(len(boxes), np.int64),
                states=np.array([BOXED if len(boxes) else ABSENT, edema]),
                noisy=np.array([False, i % 5 == 0]),
                outlines=OUTLINES if i % 4 == 0 else None,
            )
        )
        pixels.append(picture)
    return Films(tuple(films), np.stack(pixels))
