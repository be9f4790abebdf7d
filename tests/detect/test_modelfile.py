import contextlib
import dataclasses
import hashlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lungspot.detect import default_weights, examine, is_sealed, load_detector, seal_model, with_card
from lungspot.errors import ModelError


def test_a_sealed_file_is_an_ordinary_onnx_file(model_file):
    data = model_file.read_bytes()
    assert is_sealed(data)
    onnx.checker.check_model(onnx.load_from_string(data))
    assert seal_model(data) == data
    assert seal_model(data[:-1]) != data


def test_examine_gives_card_and_hash(model_file, generated_card):
    data = model_file.read_bytes()
    found = examine(data, "x", sha256=hashlib.sha256(data).hexdigest())
    assert found.card == generated_card
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert found.inputs == {"image"}
    assert found.outputs == {"boxes", "scores", "image_scores", "maps", "features", "gate"}


def test_another_card_changes_no_byte_of_the_network(model_file, generated_card):
    data = model_file.read_bytes()
    assert with_card(data, generated_card) == data
    other = dataclasses.replace(generated_card, version="2", notes=("longer " * 50,))
    changed = with_card(data, other)
    assert examine(changed, "x").card == other
    before, after = onnx.load_from_string(data), onnx.load_from_string(changed)
    assert before.graph.SerializeToString() == after.graph.SerializeToString()
    del before.metadata_props[:], after.metadata_props[:]
    assert before == after
    assert with_card(changed, generated_card) == data


def test_a_card_is_not_put_into_a_file_that_was_changed(model_file, generated_card):
    bad = bytearray(model_file.read_bytes())
    bad[len(bad) // 2] ^= 1
    with pytest.raises(ModelError, match="MODEL_HASH"):
        with_card(bytes(bad), generated_card)
    with pytest.raises(ModelError, match="MODEL_FORMAT"):  # a card that the network does not fit
        with_card(model_file.read_bytes(), dataclasses.replace(generated_card, input_size=320))


def corrupted(good, trial, random):
    """Return a file with a bit changed, its end cut off, a run overwritten, a byte taken out, or bytes behind it."""
    bad = bytearray(good)
    match trial % 5:
        case 0:
            bad[random.integers(len(bad))] ^= 1 << random.integers(8)
        case 1:
            del bad[random.integers(len(bad)) :]
        case 2:
            start = random.integers(len(bad) - 8)
            bad[start : start + 8] = random.bytes(8)
        case 3:
            del bad[random.integers(len(bad))]
        case _:
            bad += random.bytes(1 + random.integers(40))
    return bytes(bad)


def test_a_thousand_corruptions_are_a_thousand_refusals(model_file):
    good, random = model_file.read_bytes(), np.random.default_rng(4)
    for trial in range(1000):
        with pytest.raises(ModelError, match="MODEL_HASH"):
            examine(corrupted(good, trial, random), "x")


@pytest.mark.long
def test_a_thousand_corruptions_of_the_shipped_file_are_refused():
    good, random = default_weights()[0].read_bytes(), np.random.default_rng(4)
    for trial in range(1000):
        with pytest.raises(ModelError, match="MODEL_HASH"):
            examine(corrupted(good, trial, random), "x")


def test_a_wrong_but_sound_model_is_refused_where_a_hash_is_pinned(model_file):
    with pytest.raises(ModelError, match="MODEL_HASH"):
        load_detector(model_file, sha256="0" * 64)


def test_a_damaged_body_under_a_fresh_seal_never_crashes_the_reader(model_file):
    good = model_file.read_bytes()
    random = np.random.default_rng(5)
    for _ in range(500):
        bad = bytearray(good)
        for _ in range(1 + random.integers(4)):
            bad[random.integers(len(bad) - 92)] = random.integers(256)
        with contextlib.suppress(ModelError):
            examine(seal_model(bytes(bad)), "x")


def external(model):
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")


def external_by_location_only(model):
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL


def external_in_constant(model):
    value = numpy_helper.from_array(np.zeros(1, np.float32), "c")
    value.external_data.add(key="location", value="/etc/passwd")
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=value))


def external_in_branch(model):
    inner = helper.make_graph([], "inner", [], [], [numpy_helper.from_array(np.zeros(1, np.float32), "c")])
    external_data = inner.initializer[0].external_data
    external_data.add(key="location", value="weights.bin")
    model.graph.node.append(helper.make_node("If", ["c"], ["d"], then_branch=inner, else_branch=inner))


def foreign_operator(model):
    model.graph.node[0].domain = "com.microsoft"


def foreign_opset(model):
    model.opset_import.add(domain="evil.ops", version=1)


def local_function(model):
    model.functions.append(helper.make_function("f", "f", ["x"], ["x"], [], [helper.make_opsetid("", 17)]))


def deep_graphs(model):
    graph = helper.make_graph([], "leaf", [], [])
    for _ in range(20):
        graph = helper.make_graph([helper.make_node("If", ["c"], ["d"], then_branch=graph)], "level", [], [])
    model.graph.node.append(helper.make_node("If", ["c"], ["d"], then_branch=graph))


def another_input(model):
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def input_of_another_name(model):
    model.graph.input[0].name = "picture"


def input_of_another_type(model):
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8


def input_of_another_size(model):
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 65


def missing_output(model):
    del model.graph.output[0]


def another_output(model):
    model.graph.output.append(helper.make_tensor_value_info("p_what", TensorProto.FLOAT, None))


def no_gate_output(model):
    del model.graph.output[-1]


def two_cards(model):
    model.metadata_props.append(model.metadata_props[0])


def no_card(model):
    del model.metadata_props[:]


def card_of_nonsense(model):
    model.metadata_props[0].value = "{}"


@pytest.mark.parametrize(
    "change",
    [
        external,
        external_by_location_only,
        external_in_constant,
        external_in_branch,
        foreign_operator,
        foreign_opset,
        local_function,
        deep_graphs,
        another_input,
        input_of_another_name,
        input_of_another_type,
        input_of_another_size,
        missing_output,
        another_output,
        no_gate_output,
        two_cards,
        no_card,
        card_of_nonsense,
    ],
)
def test_what_a_model_may_not_hold_is_refused_before_a_session_exists(change, write_model, tmp_path, monkeypatch):
    monkeypatch.setattr("lungspot.detect.detector.NetworkSession", None)  # calling it would be a TypeError
    path = write_model(tmp_path / "bad.onnx", change=change)
    with pytest.raises(ModelError) as caught:
        load_detector(path)
    assert caught.value.code == "MODEL_FORMAT"
    assert caught.value.where == str(path)


def test_what_refuses_a_model_keeps_its_advice(model_file, monkeypatch):
    def judge(_):
        raise ModelError("MODEL_FORMAT", None, "a card from tomorrow", advice="install a newer lungspot")

    monkeypatch.setattr("lungspot.detect.modelfile._judge", judge)
    with pytest.raises(ModelError) as caught:
        load_detector(model_file)
    assert str(caught.value) == f"{model_file}: MODEL_FORMAT: a card from tomorrow; install a newer lungspot"


@pytest.mark.parametrize(
    "data", [b"", b"\x00" * 100, b"onnx", b"\x72\x00", b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"]
)
def test_bytes_that_are_no_model_are_refused(data):
    with pytest.raises(ModelError):
        examine(data, "x")
    with pytest.raises(ModelError):
        examine(seal_model(data), "x")


def test_a_model_without_a_gate_is_a_model(write_model, generated_card, tmp_path):
    path = write_model(tmp_path / "m.onnx", dataclasses.replace(generated_card, gate=None), no_gate_output)
    assert load_detector(path).run(np.zeros((1, 1, 64, 64), np.float32)).gate is None
