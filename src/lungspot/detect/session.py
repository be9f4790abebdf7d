"""The only importer of onnxruntime: judged bytes in, arrays out, with everything fixed that could change a result.

One film a run, a fixed number of threads, one optimisation level, the CPU: the same bytes come out whether a film is
read alone or in a folder. Convolutions split their work by output, so the number of threads does not change them.

onnxruntime's Linux wheels keep a database in the user's home and send it to their maker. What stops that before it
starts is a variable that is read while the package is imported; ``tests/test_network.py`` looks at what it does then.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from lungspot.detect.modelfile import INPUT, PART_INPUT, PART_OUTPUTS, ModelFile
from lungspot.errors import ModelError

__all__ = ["NetworkSession"]


class NetworkSession:
    """One network, ready to run; safe to call from several Python threads."""

    def __init__(self, file: ModelFile, threads: int) -> None:
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the import: `disable_telemetry_events()` comes too late
        import onnxruntime  # noqa: PLC0415 - 0.1 s and 30 MB that reading a film alone does not need

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.use_deterministic_compute = True
        options.log_severity_level = 4
        # A waiting thread that spins takes the core on which the next film is being decoded.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.runtime: str = onnxruntime.__version__
        self._where, self._inputs, self._outputs = file.where, file.inputs, file.outputs
        try:
            self._session = onnxruntime.InferenceSession(
                file.data, sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises a family without a common base
            raise ModelError("MODEL_FORMAT", file.where, f"onnxruntime refuses it ({_first_line(error)})") from error

    def run(self, image: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """Return the outputs by name for ``image``, float32, shape (1, 1, size, size), 0 to 1, of a whole film."""
        return self._run(self._outputs - PART_OUTPUTS, image, part=False)

    def run_part(self, image: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """Return ``part_boxes`` and ``part_scores`` of a part of a film; none where it was not taught."""
        return self._run(self._outputs & PART_OUTPUTS, image, part=True)

    def _run(
        self, wanted: Collection[str], image: NDArray[np.float32], *, part: bool
    ) -> Mapping[str, NDArray[np.float32]]:
        names = sorted(wanted)
        if not names:
            return {}
        given = {INPUT: image, PART_INPUT: np.array(part)}
        try:
            values = self._session.run(names, {name: given[name] for name in self._inputs})
        except Exception as error:
            raise ModelError("MODEL_FORMAT", self._where, f"the network stopped ({_first_line(error)})") from error
        return dict(zip(names, values, strict=True))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
