import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from lungspot.detect import load_detector
from lungspot.errors import ModelError


@pytest.fixture(scope="module")
def detector(model_file):
    return load_detector(model_file)


def picture(seed=0):
    return np.random.default_rng(seed).random((1, 1, 64, 64), dtype=np.float32)


def test_a_run_gives_every_output_without_the_batch(detector, generated_card):
    raw = detector.run(picture())
    assert raw.boxes.shape == (64, 4)
    assert raw.scores.shape == (64, 3)
    assert raw.image_scores.shape == (3,)
    assert raw.maps.shape == (3, 8, 8)
    assert raw.features.shape == (4,)
    assert raw.gate.shape == (len(generated_card.gate.classes),)
    assert not raw.scores.flags.writeable
    assert detector.card == generated_card


def test_the_number_of_threads_does_not_change_a_bit(model_file, detector):
    other = load_detector(model_file, threads=1)
    for seed in range(5):
        first, second = detector.run(picture(seed)), other.run(picture(seed))
        for name in first.__dataclass_fields__:
            one, two = getattr(first, name), getattr(second, name)
            assert (one is None and two is None) or one.tobytes() == two.tobytes()


def test_onnxruntime_and_onnx_agree(model_file, detector):
    session = ReferenceEvaluator(onnx.load(model_file))
    image = picture(3)
    for name, value in zip(session.output_names, session.run(None, {"image": image}), strict=True):
        np.testing.assert_allclose(getattr(detector.run(image), name), value[0], atol=1e-5)


@pytest.mark.parametrize(
    ("image", "code", "says"),
    [
        (np.full((1, 1, 64, 64), np.nan, np.float32), "MODEL_NUMERIC", "the prepared film holds"),
        (np.full((1, 1, 64, 64), np.inf, np.float32), "MODEL_NUMERIC", "the prepared film holds"),
        (np.zeros((2, 1, 64, 64), np.float32), "MODEL_FORMAT", "given float32 (2, 1, 64, 64)"),
        (np.zeros((1, 1, 64, 64), np.float64), "MODEL_FORMAT", "given float64 (1, 1, 64, 64)"),
    ],
)
def test_an_input_that_is_not_a_prepared_film_is_refused(detector, image, code, says):
    """By itself, before the network is asked: what the network makes of it would be refused too, for other reasons."""
    with pytest.raises(ModelError) as caught:
        detector.run(image)
    assert says in caught.value.reason
    assert caught.value.code == code


def add_to(output, value):
    def change(model):
        node = next(node for node in model.graph.node if output in node.output)
        node.output[list(node.output).index(output)] = "before"
        model.graph.initializer.append(numpy_helper.from_array(np.array([value], np.float32), "spoiler"))
        model.graph.node.append(helper.make_node("Add", ["before", "spoiler"], [output]))

    return change


@pytest.mark.parametrize("output", ["boxes", "scores", "image_scores", "features", "gate"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_network_that_gives_no_number_gives_nothing(write_model, tmp_path, output, value):
    path = write_model(tmp_path / "m.onnx", change=add_to(output, value))
    with pytest.raises(ModelError, match="MODEL_NUMERIC"):
        load_detector(path).run(picture())


def test_scores_that_are_no_probabilities_give_nothing(write_model, tmp_path):
    path = write_model(tmp_path / "m.onnx", change=add_to("image_scores", 0.9))
    with pytest.raises(ModelError, match="MODEL_NUMERIC"):
        load_detector(path).run(np.ones((1, 1, 64, 64), np.float32))


def drop_labels(model):
    node = next(node for node in model.graph.node if "image_scores" in node.output)
    node.output[0] = "before"
    model.graph.initializer.append(numpy_helper.from_array(np.array([0, 1], np.int64), "kept"))
    model.graph.node.append(helper.make_node("Gather", ["before", "kept"], ["image_scores"], axis=1))


def test_outputs_of_other_shapes_than_the_card_says_are_refused(write_model, tmp_path):
    path = write_model(tmp_path / "m.onnx", change=drop_labels)
    with pytest.raises(ModelError, match="MODEL_FORMAT"):
        load_detector(path).run(picture())


def test_a_network_that_onnxruntime_cannot_load_is_refused(write_model, tmp_path):
    def unknown_operator(model):
        model.graph.node[0].op_type = "NoSuchOperator"

    with pytest.raises(ModelError, match="MODEL_FORMAT"):
        load_detector(write_model(tmp_path / "m.onnx", change=unknown_operator))


def test_a_model_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ModelError, match="MODEL_MISSING"):
        load_detector(tmp_path / "none.onnx")
