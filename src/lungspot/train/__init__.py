"""Makes a detector: from films and people's readings to one sealed model file. Needs the ``[train]`` extra."""

from lungspot.train.config import TrainConfig
from lungspot.train.export_model import export_model, open_checkpoint
from lungspot.train.gate import fit_gate, judge_gate, load_gate, save_gate
from lungspot.train.gate_films import pack_gate
from lungspot.train.loop import Checkpoint
from lungspot.train.model import Network
from lungspot.train.start import gather, run

__all__ = [
    "Checkpoint",
    "Network",
    "TrainConfig",
    "export_model",
    "fit_gate",
    "gather",
    "judge_gate",
    "load_gate",
    "open_checkpoint",
    "pack_gate",
    "run",
    "save_gate",
]
