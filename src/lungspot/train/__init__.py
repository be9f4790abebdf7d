"""Makes a detector: from films and people's readings to one sealed model file. Needs the ``[train]`` extra."""

from lungspot.train.average import average_weights
from lungspot.train.config import TrainConfig, read_toml
from lungspot.train.data import Films, fingerprint
from lungspot.train.export_model import export_model, open_checkpoint
from lungspot.train.export_run import export_run, export_taught
from lungspot.train.gate import LearntGate, fit_gate, judge_gate, learn_gate, load_gate, save_gate
from lungspot.train.gate_films import pack_gate
from lungspot.train.loop import Checkpoint
from lungspot.train.model import Network
from lungspot.train.parts import parts_head
from lungspot.train.run_folder import RUN_FOLDER_FILES, checkpoint_file, require_new_run, stands_ready
from lungspot.train.sides import fit_sides, judge_sides
from lungspot.train.site_films import is_site
from lungspot.train.start import cases_of, gather, gather_as_served, run
from lungspot.train.teach import Taught, run_config, settings_for, taught_report, teach_model, write_taught

__all__ = [
    "RUN_FOLDER_FILES",
    "Checkpoint",
    "Films",
    "LearntGate",
    "Network",
    "Taught",
    "TrainConfig",
    "average_weights",
    "cases_of",
    "checkpoint_file",
    "export_model",
    "export_run",
    "export_taught",
    "fingerprint",
    "fit_gate",
    "fit_sides",
    "gather",
    "gather_as_served",
    "is_site",
    "judge_gate",
    "judge_sides",
    "learn_gate",
    "load_gate",
    "open_checkpoint",
    "pack_gate",
    "parts_head",
    "read_toml",
    "require_new_run",
    "run",
    "run_config",
    "save_gate",
    "settings_for",
    "stands_ready",
    "taught_report",
    "teach_model",
    "write_taught",
]
