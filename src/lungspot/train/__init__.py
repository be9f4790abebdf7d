"""Makes a detector: from films and people's readings to one sealed model file. Needs the ``[train]`` extra."""

from lungspot.train.config import TrainConfig, read_toml
from lungspot.train.data import Films
from lungspot.train.export_model import export_model, open_checkpoint
from lungspot.train.gate import fit_gate, judge_gate, load_gate, save_gate
from lungspot.train.gate_films import pack_gate
from lungspot.train.loop import Checkpoint
from lungspot.train.model import Network
from lungspot.train.site_films import is_site
from lungspot.train.start import gather, run
from lungspot.train.teach import Taught, settings_for, teach_model

__all__ = [
    "Checkpoint",
    "Films",
    "Network",
    "Taught",
    "TrainConfig",
    "export_model",
    "fit_gate",
    "gather",
    "is_site",
    "judge_gate",
    "load_gate",
    "open_checkpoint",
    "pack_gate",
    "read_toml",
    "run",
    "save_gate",
    "settings_for",
    "teach_model",
]
