"""Every choice of a training run, in one frozen value that travels with its checkpoints."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from lungspot.errors import InputError
from lungspot.findings import DISEASES, taxonomy
from lungspot.inputs import regular

__all__ = ["TrainConfig", "read_toml"]

_MADE_LABEL: Final = "nodule_mass"  # what lesions.py makes
_CROP_LABELS: Final = tuple(label.id for label in taxonomy() if label.slight)


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """What a run does. Defaults are the recipe of release 1.1; what ships today: docs/explanation/training-log.md.

    The run lasts ``minutes`` of training time, or ``steps`` optimiser steps where that is not 0; ``sizes`` and the
    learning rate follow the fraction that is done. ``sizes``: (from this fraction on, input pixels), small first.
    """

    labels: tuple[str, ...] = DISEASES
    seed: int = 0
    # how long, and in which sizes
    minutes: float = 65.0
    steps: int = 0
    sizes: tuple[tuple[float, int], ...] = ((0.0, 192), (0.4, 256), (0.85, 320))
    batch: int = 32  # over all processes
    # the network (model.py): the backbone (backbones.py); of ours, channels and blocks at strides 4, 8, 16, 32;
    # channels of the pyramid
    backbone: str = "csp"
    imagenet: bool = True  # a backbone that can begins with ImageNet's weights, unless the run begins with another
    widths: tuple[int, int, int, int] = (32, 64, 192, 384)
    depths: tuple[int, int, int, int] = (1, 1, 3, 2)
    neck: int = 64
    anatomy: bool = True  # it also outlines heart and lungs, and knows a mirror image
    outlines: int = 1  # heads that do, side by side; the mean of what they say counts (outlines.py)
    # the optimiser: AdamW, linear warm-up in steps, cosine down to `final_rate`
    rate: float = 2e-3
    backbone_rate: float = 1.0  # of the rate, for the backbone
    final_rate: float = 2e-5
    warmup: int = 200
    weight_decay: float = 0.05
    clip: float = 10.0
    ema: float = 0.999
    # the losses (loss.py)
    box_gain: float = 2.0
    image_gain: float = 0.5
    mil_gain: float = 0.1
    organ_gain: float = 1.0
    mirror_gain: float = 0.2
    cover_gain: float = 0.0  # lungs lie where people boxed findings of lungs, and (hint_gain) where a network says
    hint_gain: float = 2.0
    noisy_weight: float = 0.3
    candidates: int = 10
    # what a teacher says (teacher.py): its share of a doubtful film's target, the weight of what it alone knows
    soft_share: float = 0.7
    soft_unknown: float = 0.1
    learn: tuple[str, ...] = ()  # the parts of the network that learn (`anatomy`, …); all where none is named
    # the films: a film is drawn in proportion to its source's share and to how rare its rarest boxed label is
    cache_size: int = 384
    rare_share: float = 0.1
    label_only_share: float = 0.5
    outlined_share: float = 0.0  # of a batch, drawn from the films whose heart and lungs are outlined
    # of a batch, parts of films as the second look shows them (lungspot.detect.second_look), for the sake of labels
    crop_share: float = 0.0
    crop_labels: tuple[str, ...] = _CROP_LABELS  # unless others are named, those of them that the run learns
    paste_share: float = 0.0  # of the films without such a finding, those that made ones are pasted into: lesions.py
    opacity_share: float = 0.0  # of the films with outlines, those that made opacities are pasted into: opacities.py
    # how films are varied: augment.py
    flip: float = 0.5
    shift: float = 0.08
    scale: float = 0.25
    rotate: float = 6.0
    degrade: float = 0.6
    contrast: float = 0.35
    noise: float = 0.03
    cutout: float = 0.3
    # the machine
    threads: int = 1  # a process; several processes share out the batch (`accelerate launch`)
    checkpoint_minutes: float = 3.0
    evaluate_minutes: float = 10.0
    evaluate_films: int = 0  # 0: all of val

    def __post_init__(self) -> None:
        """Refuse a run that cannot be (``BAD_VALUE``)."""
        sizes = tuple((float(start), int(size)) for start, size in self.sizes)
        object.__setattr__(self, "sizes", sizes)
        for name in ("labels", "widths", "depths", "learn", "crop_labels"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        starts = [start for start, _ in sizes]
        if not sizes or starts != sorted(starts) or starts[0] != 0 or any(size % 32 or size < 64 for _, size in sizes):
            raise InputError("BAD_VALUE", "sizes", f"{sizes}: begin at 0, rise, and use multiples of 32 from 64")
        if self.batch < 1 or (self.steps < 1 and self.minutes <= 0) or len(self.widths) != 4 or len(self.depths) != 4:
            raise InputError("BAD_VALUE", "config", "a batch, a length, four widths and four depths are needed")
        if not self.labels or len(set(self.labels)) != len(self.labels):
            raise InputError("BAD_VALUE", "labels", f"{self.labels}")
        strange = [label for label in self.crop_labels if label not in self.labels]
        if self.crop_share and strange and (not self.cropped or self.crop_labels != _CROP_LABELS):
            reason = f"{', '.join(strange)}: not among the labels that are learnt"
            raise InputError("BAD_VALUE", "crop_labels", reason, advice="name some of labels, or set crop_share to 0")

        if self.paste_share and _MADE_LABEL not in self.labels:
            raise InputError("BAD_VALUE", "paste_share", f"{_MADE_LABEL} is not among the labels that are learnt")

    @property
    def cropped(self) -> tuple[str, ...]:
        """The labels for whose sake parts of films are shown: of ``crop_labels`` those that the run learns."""
        return tuple(label for label in self.crop_labels if label in self.labels)

    @property
    def made_column(self) -> int:
        """The column of what is made and pasted into films (:mod:`lungspot.train.lesions`)."""
        return self.labels.index(_MADE_LABEL)

    def size_at(self, progress: float) -> int:
        """Return the input size at a fraction of the run."""
        return [size for start, size in self.sizes if start <= progress][-1]

    @property
    def input_size(self) -> int:
        """The size that the run ends with, which is what is exported."""
        return self.sizes[-1][1]

    def to_dict(self) -> dict[str, Any]:
        """Return the config as plain values for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the config with ``values`` in place of its defaults; raises ``BAD_VALUE`` for a name it has not."""
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := set(values) - known:
            raise InputError("BAD_VALUE", "config", f"unknown settings {sorted(unknown)}")
        try:
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise InputError("BAD_VALUE", "config", str(error)) from error

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Return the config of a TOML file; raises ``BAD_VALUE`` and ``NOT_FOUND``."""
        return cls.from_dict(read_toml(path))


def read_toml(path: Path) -> dict[str, Any]:
    """Return the settings that a TOML file names; raises ``BAD_VALUE`` and ``NOT_FOUND``."""
    try:
        return tomllib.loads(regular(path).read_text("utf-8"))
    except OSError as error:
        raise InputError("NOT_FOUND", path, error.strerror or "cannot be read") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError("BAD_VALUE", path, str(error)) from error
