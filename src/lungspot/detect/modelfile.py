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
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lungspot.detect.card import METADATA_KEY, ModelCard
from lungspot.detect.protobuf import encode, fields, integer, message, text
from lungspot.errors import ModelError

__all__ = [
    "INPUT",
    "OPTIONAL_OUTPUTS",
    "OUTPUTS",
    "PART_OUTPUTS",
    "ModelFile",
    "examine",
    "is_sealed",
    "seal_model",
    "split_outputs",
    "with_card",
]

INPUT = "image"
OUTPUTS = frozenset({"boxes", "scores", "image_scores", "maps", "features"})
PART_OUTPUTS = frozenset({"part_boxes", "part_scores"})  # of a part of a film that is looked at again
OPTIONAL_OUTPUTS = frozenset({"gate", "organs", "mirrored"}) | PART_OUTPUTS

_DOMAINS = frozenset({"", "ai.onnx"})
_SEAL_KEY = b"lungspot.seal"
_DEPTH = 8  # graphs within graphs
_FLOAT = 1  # TensorProto.DataType.FLOAT

# The field numbers of each message that this reader knows; a file with any other is refused.
_MODEL = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 14})
_GRAPH = frozenset({1, 2, 5, 10, 11, 12, 13, 14, 15, 16})
_NODE = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9})
_ATTRIBUTE = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 20, 21, 22, 23})
_TENSOR = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16})  # 13 is external_data


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file that passed: its bytes, the SHA-256 of all of them, its card, and the names of its outputs.

    ``where``: the path that errors name.
    """

    where: str
    data: bytes
    sha256: str
    card: ModelCard
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


def split_outputs(data: bytes, groups: Sequence[Collection[str]]) -> tuple[bytes, ...]:
    """Return a judged model file once for each group of its outputs, unsealed, with what is needed for them alone.

    onnxruntime computes every node of a graph, those that no output needs, too. A file with graphs within graphs, which
    lungspot does not write, keeps all its nodes.
    """
    model = list(fields(memoryview(data)))
    around = b"".join(encode(number, value) for number, value in model if number != 7)
    graph = next(message(value) for number, value in model if number == 7)
    parts = list(fields(graph))
    nodes = [_Node.of(message(value)) for number, value in parts if number == 1]
    if any(node.holds_graph for node in nodes):
        return (data,) * len(groups)
    return tuple(around + encode(7, _pruned(parts, nodes, group)) for group in groups)


class _Node(NamedTuple):
    """A node (NodeProto): its bytes, what it takes and gives, and whether an attribute is a graph.

    Such a graph may take from anywhere around it without saying so.
    """

    data: memoryview
    takes: list[str]
    gives: list[str]
    holds_graph: bool

    @classmethod
    def of(cls, data: memoryview) -> _Node:
        parts = list(fields(data))
        takes, gives = ([text(value) for number, value in parts if number == wanted] for wanted in (1, 2))
        attributes = (fields(message(value)) for number, value in parts if number == 5)
        return cls(data, takes, gives, any(number in {6, 11} for each in attributes for number, _ in each))


def _pruned(parts: list[tuple[int, int | memoryview]], nodes: Sequence[_Node], wanted: Collection[str]) -> bytes:
    """Return a graph (GraphProto, of these fields) with some of its outputs, and the nodes and weights they need."""
    needed, kept = set(wanted), []
    for node in reversed(nodes):  # each stands after those that it takes from
        if not needed.isdisjoint(node.gives):
            kept.append(node.data)
            needed.update(node.takes)
    names = {5: (8, needed), 12: (1, set(wanted))}  # weights and outputs: the field of their name, and which are kept
    body = [encode(1, node) for node in reversed(kept)]
    for number, value in parts:
        field, chosen = names.get(number, (0, set()))
        if number != 1 and (not field or not chosen.isdisjoint(_texts(message(value), field))):
            body.append(encode(number, value))
    return b"".join(body)


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
        card, outputs = _judge(memoryview(data))
    except ModelError as error:
        raise error.at(where) from error
    if card.site is not None:
        raise ModelError("MODEL_FORMAT", where, "its card holds the thresholds of a site, which belong in a site file")
    return ModelFile(where, data, found, card, outputs)


def _seal(body: bytes) -> bytes:
    return _entry(_SEAL_KEY, hashlib.sha256(body).hexdigest().encode())


def _entry(key: bytes, value: bytes) -> bytes:
    """Return one entry of ModelProto's metadata_props (field 14), a StringStringEntryProto."""
    return encode(14, encode(1, key) + encode(2, value))


def _judge(model: memoryview) -> tuple[ModelCard, frozenset[str]]:
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
    _check_inputs(inputs, card)
    return card, _check_outputs([text(dict(fields(each)).get(1, memoryview(b""))) for each in outputs], card)


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


def _check_inputs(inputs: list[memoryview], card: ModelCard) -> None:
    """Refuse all but one input ``image``: float32, (1 or any, 1, size, size)."""
    found = []
    for each in inputs:
        parts = dict(fields(each))
        tensor = dict(fields(message(dict(fields(message(parts.get(2, memoryview(b""))))).get(1, memoryview(b"")))))
        shape = [
            next((integer(value) for number, value in fields(message(dimension)) if number == 1), None)
            for number, dimension in fields(message(tensor.get(2, memoryview(b""))))
            if number == 1
        ]
        found.append((text(parts.get(1, memoryview(b""))), integer(tensor.get(1, 0)), shape))
    size = card.input_size
    if found not in ([(INPUT, _FLOAT, [first, 1, size, size])] for first in (None, 1)):
        raise _refuse(f"inputs {found}; expected {INPUT!r}, float32, (1, 1, {size}, {size})")


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
