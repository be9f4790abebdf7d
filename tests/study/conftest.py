"""The generated films and the tiny network that the training room's tests make."""

import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location("train_fixtures", Path(__file__).parents[1] / "train" / "conftest.py")
_train = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_train)

generated_films, tiny = _train.generated_films, _train.tiny
