"""The only importer of onnxruntime: judged bytes in, arrays out, with everything fixed that could change a result.

One film a run, a fixed number of threads, one optimisation level, the CPU: the same bytes come out whether a film is
read alone or in a folder. Convolutions split their work by output, so the number of threads does not change them.

onnxruntime's Linux wheels keep a database in the user's home and send it to their maker. What stops that before it
starts is a variable that is read while the package is imported; ``tests/test_network.py`` looks at what it does then.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lungspot.detect.modelfile import INPUT, PART_OUTPUTS, ModelFile, split_outputs
from lungspot.errors import ModelError

__all__ = ["NetworkSession"]


class NetworkSession:
    """One network, ready to run; safe to call from several Python threads."""

    def __init__(self, file: ModelFile, threads: int) -> None:
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the import: `disable_telemetry_events()` comes too late
        import onnxruntime  # noqa: PLC0415 - 0.1 s and 30 MB that reading a film alone does not need

        self._where, self._options = file.where, onnxruntime.SessionOptions()
        self._options.intra_op_num_threads = threads
        self._options.inter_op_num_threads = 1
        self._options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        self._options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self._options.use_deterministic_compute = True
        self._options.log_severity_level = 4
        # A waiting thread that spins takes the core on which the next film is being decoded.
        self._options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.runtime: str = onnxruntime.__version__
        self._open: Callable[..., Any] = onnxruntime.InferenceSession
        whole, self._of_parts = _for_films_and_parts(file)
        self._whole = self._session(whole, file.outputs - PART_OUTPUTS)
        self._part: _Ready | None = None
        self._opening = threading.Lock()

    def run(self, image: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """Return the outputs by name for ``image``, float32, shape (1, 1, size, size), 0 to 1, of a whole film."""
        return self._run(self._whole, image)

    def run_part(self, image: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """Return ``part_boxes`` and ``part_scores`` of a part of a film; none where it was not taught."""
        with self._opening:  # when the first film needs it, for a coarse one does not
            if self._part is None and self._of_parts:
                self._part = self._session(self._of_parts, PART_OUTPUTS)
                self._of_parts = b""
        return self._run(self._part, image) if self._part else {}

    def _session(self, data: bytes, names: Collection[str]) -> _Ready:
        """Return a network of these bytes made ready to give its outputs."""
        try:
            session = self._open(data, sess_options=self._options, providers=["CPUExecutionProvider"])
            return _Ready(sorted(names), session)
        except Exception as error:  # onnxruntime raises a family without a common base
            raise ModelError("MODEL_FORMAT", self._where, f"onnxruntime refuses it ({_first_line(error)})") from error

    def _run(self, ready: _Ready, image: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        try:
            values = ready.session.run(ready.names, {INPUT: image})
        except Exception as error:
            raise ModelError("MODEL_FORMAT", self._where, f"the network stopped ({_first_line(error)})") from error
        return dict(zip(ready.names, values, strict=True))


class _Ready(NamedTuple):
    """A session of onnxruntime, and the outputs that it gives."""

    names: list[str]
    session: Any


def _for_films_and_parts(file: ModelFile) -> tuple[bytes, bytes]:
    """Return the bytes of the network for whole films, and of that for parts of films; empty where there is none."""
    if not file.outputs >= PART_OUTPUTS:
        return file.data, b""
    try:
        whole, part = split_outputs(file.data, (file.outputs - PART_OUTPUTS, PART_OUTPUTS))
    except ModelError as error:
        raise error.at(file.where) from error
    return whole, part


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
