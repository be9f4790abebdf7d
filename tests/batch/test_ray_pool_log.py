"""What is logged of Ray's workers, by a Ray that is none: it needs no cluster."""

import io
import sys
import types

import pytest

from lungspot.batch.ray_pool import RayPool, _Worker
from lungspot.batch.run import RunEvent
from lungspot.errors import ModelError
from lungspot.logs import service_log


class RayError(Exception):
    pass


class RayActorError(RayError):
    pass


class RayTaskError(RayError):
    def __init__(self, cause):
        super().__init__(f"on its node: {cause}")
        self.cause = cause


@pytest.fixture
def log(monkeypatch):
    """What is logged, while Ray's errors are those above."""
    errors = types.ModuleType("ray.exceptions")
    errors.RayError, errors.RayActorError, errors.RayTaskError = RayError, RayActorError, RayTaskError
    ray = types.ModuleType("ray")
    ray.exceptions = errors
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.exceptions", errors)
    stream = io.StringIO()
    with service_log("warning", stream=stream):
        yield stream


@pytest.mark.parametrize(
    ("error", "event", "said"),
    [
        (RayActorError(), "died", ""),
        (RayError("/films/doe.dcm"), "died", " lungspot batch: error: a worker is lost: RayError\n"),
        (
            RayTaskError(ValueError("DOE^JANE")),
            "died",
            " lungspot batch: error: a worker ends of a bug: ValueError\n",
        ),
        (RayTaskError(ModelError("MODEL_MISSING", "x", "gone")), "failed", ""),
    ],
)
def test_the_driver_names_what_ended_a_worker_and_no_patient(error, event, said, log, monkeypatch):
    def get(_):
        raise error

    pool = RayPool.__new__(RayPool)
    pool._ray, pool._actors = types.SimpleNamespace(get=get, kill=lambda *_, **__: None), {7: "an actor"}
    begun = []
    monkeypatch.setattr(pool, "_start", lambda: begun.append(True))
    assert pool._end_of("what was asked", 7) == RunEvent(
        event, 7, getattr(error, "cause", None) if said == "" else None
    )
    assert log.getvalue()[20:] == said
    assert bool(begun) == (event == "died")


def test_a_worker_logs_the_places_of_a_bug_on_its_own_node(monkeypatch, log, capfd):
    def forbidden(_):
        raise ValueError("DOE^JANE")

    monkeypatch.setattr("lungspot.batch.ray_pool.detector_for", forbidden)
    worker = _Worker.__new__(_Worker)
    worker._settings = None
    with pytest.raises(ValueError, match="JANE"):
        worker.ready()
    said = capfd.readouterr().err
    assert "error: a worker ends of a bug [ValueError at batch/test_ray_pool_log.py:" in said
    assert "DOE" not in said + log.getvalue()
