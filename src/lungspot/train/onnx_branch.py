"""A graph that computes what it is asked for: onnxruntime computes every node, one that no wanted output needs, too."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

__all__ = ["branch"]


def branch(model: ModelProto, switch: str, apart: Collection[str]) -> None:
    """Let a new input, the bool ``switch``, say which outputs are computed, in place: ``apart``, or all others.

    What both need stays where it is, and is computed in any case. The rest lies in the two branches of an If, with its
    weights, for onnxruntime lays out anew only what is constant where it is used. Outputs that are not computed are
    empty. All outputs of the model are float32, and none is made by a node that both need.
    """
    graph = model.graph
    ranks = {each.name: len(each.type.tensor_type.shape.dim) for each in graph.output}
    of_branch = {"apart": set(apart), "others": ranks.keys() - set(apart)}
    places = {name: _needed(graph.node, wanted) for name, wanted in of_branch.items()}
    both = set.intersection(*places.values())
    shared = [graph.node[at] for at in sorted(both)]
    made, moved = {}, set()
    for name, wanted in of_branch.items():
        nodes = [graph.node[at] for at in sorted(places[name] - both)]
        mine = _inputs_of(nodes) - _inputs_of(shared)
        weights = [each for each in graph.initializer if each.name in mine]
        moved |= {each.name for each in weights}
        ends = [_end(name, output, rank if output not in wanted else None) for output, rank in ranks.items()]
        outputs = _floats({f"{name}.{output}": rank for output, rank in ranks.items()})
        made[name] = helper.make_graph([*nodes, *ends], name, [], outputs, weights)
    choice = helper.make_node("If", [switch], [*ranks], then_branch=made["apart"], else_branch=made["others"])
    inputs = [*graph.input, helper.make_tensor_value_info(switch, TensorProto.BOOL, [])]
    kept = [each for each in graph.initializer if each.name not in moved]
    model.graph.CopyFrom(helper.make_graph([*shared, choice], graph.name, inputs, _floats(ranks), kept))


def _needed(nodes: Sequence[NodeProto], wanted: Collection[str]) -> set[int]:
    """Return the places of the nodes that these outputs need."""
    names, found = set(wanted), set()
    for at in reversed(range(len(nodes))):  # each stands after those that it takes from
        if not names.isdisjoint(nodes[at].output):
            found.add(at)
            names.update(nodes[at].input)
    return found


def _inputs_of(nodes: Iterable[NodeProto]) -> set[str]:
    return {name for node in nodes for name in node.input}


def _end(name: str, output: str, rank: int | None) -> NodeProto:
    """Return what gives an output of a branch: as it was computed, or empty, of ``rank`` dimensions."""
    if rank is None:
        return helper.make_node("Identity", [output], [f"{name}.{output}"])
    nothing = helper.make_tensor(f"{name}.{output}.none", TensorProto.FLOAT, [0] * rank, [])
    return helper.make_node("Constant", [], [f"{name}.{output}"], value=nothing)


def _floats(ranks: Mapping[str, int]) -> list[ValueInfoProto]:
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank) for name, rank in ranks.items()]
