"""A model file's bytes, judged before onnxruntime sees them: sealed, self-contained, standard operators, our inputs.

**The seal.** ``lungspot export`` ends the file with one more metadata entry, ``lungspot.seal``: the SHA-256 of every
byte before it. Protocol buffers may be concatenated, so a sealed file is an ordinary ONNX file; a flipped bit, a cut or
a re-saved file is refused. (onnxruntime alone notices nothing: of 300 flipped bits it refused none.) The seal finds
accidents; against replacement there is the SHA-256 of the whole file, pinned in ``weights/manifest.json``.

**The rules.** Field numbers are those of onnx.proto3 (ONNX 1.23, IR version 13). Whatever this reader does not know is
refused: external data in any tensor, operators outside the standard domains, local functions, training information,
and inputs and outputs that are not those of docs/reference/model-format.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lungspot.detect.card import METADATA_KEY, ModelCard
from lungspot.detect.protobuf import encode, fields, integer, message, text
from lungspot.errors import ModelError

__all__ = [
    "INPUT",
    "OPTIONAL_OUTPUTS",
    "OUTPUTS",
    "PART_INPUT",
    "PART_OUTPUTS",
    "ModelFile",
    "examine",
    "is_sealed",
    "seal_model",
    "with_card",
]

INPUT = "image"
PART_INPUT = (
    "part"  # whether the image is a part of a film; optional, and a file that has it computes no more than it asks
)
OUTPUTS = frozenset({"boxes", "scores", "image_scores", "maps", "features"})
PART_OUTPUTS = frozenset({"part_boxes", "part_scores"})  # of a part of a film that is looked at again
OPTIONAL_OUTPUTS = frozenset({"gate", "organs", "mirrored"}) | PART_OUTPUTS

_DOMAINS = frozenset({"", "ai.onnx"})
_SEAL_KEY = b"lungspot.seal"
_DEPTH = 8  # graphs within graphs
_FLOAT, _BOOL = 1, 9  # TensorProto.DataType

# The field numbers of each message that this reader knows; a file with any other is refused.
_MODEL = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 14})
_GRAPH = frozenset({1, 2, 5, 10, 11, 12, 13, 14, 15, 16})
_NODE = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9})
_ATTRIBUTE = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 20, 21, 22, 23})
_TENSOR = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16})  # 13 is external_data


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file that passed: its bytes, the SHA-256 of all of them, its card, the names of its inputs and outputs.

    ``where``: the path that errors name.
    """

    where: str
    data: bytes
    sha256: str
    card: ModelCard
    inputs: frozenset[str]
    outputs: frozenset[str]


def seal_model(data: bytes) -> bytes:
    """Return an ONNX file's bytes with a fresh seal at their end (an old one is taken off)."""
    body = data[: -len(_seal(b""))] if is_sealed(data) else data
    return body + _seal(body)


def is_sealed(data: bytes) -> bool:
    """Say whether the file ends with the seal of everything before it."""
    size = len(_seal(b""))
    return len(data) > size and data[-size:] == _seal(data[:-size])


def with_card(data: bytes, card: ModelCard) -> bytes:
    """Return a model file's bytes with another card and a fresh seal; every byte of the network stays.

    Raises what :func:`examine` raises, for the file as it was (but its old card may be one that is refused) and as it
    comes out.
    """
    if not is_sealed(data):
        raise ModelError("MODEL_HASH", None, "the seal at its end does not match")
    entry = _entry(METADATA_KEY.encode(), card.to_json().encode())
    body = bytearray()
    for number, value in _known(memoryview(data), _MODEL, "model"):
        if number == 14:
            key = text(dict(fields(message(value))).get(1, memoryview(b"")))
            if key == _SEAL_KEY.decode():
                continue
            if key == METADATA_KEY:
                body += entry
                continue
        body += encode(number, value)
    sealed = seal_model(bytes(body))
    examine(sealed, "card")
    return sealed


def examine(data: bytes, where: str, *, sha256: str | None = None) -> ModelFile:
    """Return the file's bytes as judged and its card.

    Raises ``MODEL_HASH`` where the seal, or the ``sha256`` that the caller pins, does not match; ``MODEL_FORMAT`` where
    the file is not a lungspot model. ``where`` is the path that errors name.
    """
    found = hashlib.sha256(data).hexdigest()
    if sha256 is not None and found != sha256:
        raise ModelError("MODEL_HASH", where, f"SHA-256 {found[:16]}… where {sha256[:16]}… is expected")
    if not is_sealed(data):
        reason = "the seal at its end does not match: changed or cut since its export, or never a lungspot model"
        raise ModelError("MODEL_HASH", where, reason)
    try:
        card, inputs, outputs = _judge(memoryview(data))
    except ModelError as error:
        raise error.at(where) from error
    if card.site is not None:
        raise ModelError("MODEL_FORMAT", where, "its card holds the thresholds of a site, which belong in a site file")
    return ModelFile(where, data, found, card, inputs, outputs)


def _seal(body: bytes) -> bytes:
    return _entry(_SEAL_KEY, hashlib.sha256(body).hexdigest().encode())


def _entry(key: bytes, value: bytes) -> bytes:
    """Return one entry of ModelProto's metadata_props (field 14), a StringStringEntryProto."""
    return encode(14, encode(1, key) + encode(2, value))


def _judge(model: memoryview) -> tuple[ModelCard, frozenset[str], frozenset[str]]:
    graphs, cards = [], []
    for number, value in _known(model, _MODEL, "model"):
        if number == 7:
            graphs.append(message(value))
        elif number == 8:
            _standard(_texts(message(value), 1), "operator set")
        elif number == 14:
            entry = dict(fields(message(value)))
            if text(entry.get(1, memoryview(b""))) == METADATA_KEY:
                cards.append(text(entry.get(2, memoryview(b""))))
    if len(graphs) != 1 or len(cards) != 1:
        raise _refuse(f"{len(graphs)} graphs and {len(cards)} model cards where one each belongs")
    card = ModelCard.from_json(cards[0])
    inputs, outputs = _graph(graphs[0], 0)
    given = _check_outputs([text(dict(fields(each)).get(1, memoryview(b""))) for each in outputs], card)
    return card, _check_inputs(inputs, card, given), given


def _check_outputs(names: list[str], card: ModelCard) -> frozenset[str]:
    """Return the names of the outputs; refuse others than ours, and those that the card does not go with."""
    given = frozenset(names)
    if len(given) != len(names) or not OUTPUTS <= given <= OUTPUTS | OPTIONAL_OUTPUTS:
        raise _refuse(f"outputs {sorted(names)}; expected {sorted(OUTPUTS)}, perhaps {sorted(OPTIONAL_OUTPUTS)}")
    if card.gate is not None and "gate" not in given:
        raise _refuse("the card describes a gate that the network does not have")
    if (card.anatomy is not None) != ({"organs", "mirrored"} <= given) or len({"organs", "mirrored"} & given) == 1:
        raise _refuse("organs, mirrored and the card's anatomy belong together")
    if PART_OUTPUTS & given and (card.second_look is None or not given >= PART_OUTPUTS):
        raise _refuse("part_boxes, part_scores and the card's second_look belong together")
    return given


def _check_inputs(inputs: list[memoryview], card: ModelCard, outputs: frozenset[str]) -> frozenset[str]:
    """Return the names of the inputs; refuse all but ``image``: float32, (1 or any, 1, size, size).

    A file with outputs for parts may have ``part`` beside it: bool, a scalar.
    """
    found = {}
    for each in inputs:
        parts = dict(fields(each))
        tensor = dict(fields(message(dict(fields(message(parts.get(2, memoryview(b""))))).get(1, memoryview(b"")))))
        shape = [
            next((integer(value) for number, value in fields(message(dimension)) if number == 1), None)
            for number, dimension in fields(message(tensor.get(2, memoryview(b""))))
            if number == 1
        ]
        found[text(parts.get(1, memoryview(b"")))] = (integer(tensor.get(1, 0)), shape)
    size = card.input_size
    switch: dict[str, tuple[int, list[int | None]]] = {PART_INPUT: (_BOOL, [])} if outputs >= PART_OUTPUTS else {}
    images = [{INPUT: (_FLOAT, [first, 1, size, size])} for first in (None, 1)]
    if len(found) != len(inputs) or found not in [*images, *(image | switch for image in images)]:
        raise _refuse(f"inputs {found}; expected {INPUT!r}, float32, (1, 1, {size}, {size})")
    return frozenset(found)


def _graph(graph: memoryview, depth: int) -> tuple[list[memoryview], list[memoryview]]:
    """Refuse what must not be in a graph; return its inputs and outputs."""
    if depth > _DEPTH:
        raise _refuse("graphs nested too deeply")
    inputs, outputs = [], []
    for number, value in _known(graph, _GRAPH, "graph"):
        if number == 1:
            _node(message(value), depth)
        elif number == 5:
            _tensor(message(value))
        elif number == 15:
            _sparse(message(value))
        elif number == 11:
            inputs.append(message(value))
        elif number == 12:
            outputs.append(message(value))
    return inputs, outputs


def _node(node: memoryview, depth: int) -> None:
    for number, value in _known(node, _NODE, "node"):
        if number == 7:
            _standard([text(value)], "operator")
        elif number == 5:
            for part, content in _known(message(value), _ATTRIBUTE, "attribute"):
                if part in {5, 10}:
                    _tensor(message(content))
                elif part in {6, 11}:
                    _graph(message(content), depth + 1)
                elif part in {22, 23}:
                    _sparse(message(content))


def _tensor(tensor: memoryview) -> None:
    for number, value in _known(tensor, _TENSOR, "tensor (external data)"):
        if number == 14 and integer(value) != 0:
            raise _refuse("a tensor whose data lie outside the file")


def _sparse(sparse: memoryview) -> None:
    for number, value in fields(sparse):
        if number in {1, 2}:
            _tensor(message(value))


def _known(data: memoryview, numbers: frozenset[int], what: str) -> Iterator[tuple[int, int | memoryview]]:
    for number, value in fields(data):
        if number not in numbers:
            raise _refuse(f"field {number} in a {what}")
        yield number, value


def _texts(data: memoryview, wanted: int) -> list[str]:
    return [text(value) for number, value in fields(data) if number == wanted]


def _standard(domains: Iterable[str], what: str) -> None:
    for domain in domains:
        if domain not in _DOMAINS:
            raise _refuse(f"an {what} of the foreign domain {domain!r}")


def _refuse(reason: str) -> ModelError:
    return ModelError("MODEL_FORMAT", None, reason)
