"""A file that computes what it is asked for."""

import numpy as np
import onnx
import onnx.reference
import pytest
from onnx import TensorProto, helper, numpy_helper

from lungspot.train.onnx_branch import branch

INFO, NODE = helper.make_tensor_value_info, helper.make_node


@pytest.fixture
def model():
    """x goes through one weight; of what comes out ``sum`` and ``rest`` are made, and apart from them ``product``."""
    weights = {"first": 3.0, "added": 5.0, "times": [7.0, 11.0], "unused": 1.0}
    nodes = [
        NODE("Mul", ["x", "first"], ["shared"]),
        NODE("Add", ["shared", "added"], ["sum"]),
        NODE("Neg", ["shared"], ["rest"]),
        NODE("Mul", ["shared", "times"], ["product"]),
    ]
    outputs = [INFO(name, TensorProto.FLOAT, [2]) for name in ("sum", "product", "rest")]
    stored = [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "all", [INFO("x", TensorProto.FLOAT, [2])], outputs, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def said(model, names, **given):
    values = onnx.reference.ReferenceEvaluator(model).run(list(names), given)
    return dict(zip(names, values, strict=True))


def test_the_switch_says_what_is_computed(model):
    names, x = ["sum", "product", "rest"], np.array([1, 2], np.float32)
    whole = said(model, names, x=x)
    branch(model, "apart", {"product"})
    onnx.checker.check_model(model, full_check=True)
    assert [each.name for each in model.graph.output] == names
    others, apart = (said(model, names, x=x, apart=np.array(on)) for on in (False, True))
    for name in names:
        there, empty = (apart, others) if name == "product" else (others, apart)
        np.testing.assert_array_equal(there[name], whole[name])
        assert empty[name].size == 0


def test_what_one_branch_needs_lies_in_it(model):
    branch(model, "apart", {"product"})
    *shared, choice = model.graph.node
    assert [node.op_type for node in shared] == ["Mul"]
    inner = {each.name: each.g for each in choice.attribute}
    assert {each.name for each in model.graph.initializer} == {"first", "unused"}
    assert {each.name for each in inner["then_branch"].initializer} == {"times"}
    assert {each.name for each in inner["else_branch"].initializer} == {"added"}
    assert [node.op_type for node in inner["then_branch"].node if node.op_type not in {"Identity", "Constant"}] == [
        "Mul"
    ]
