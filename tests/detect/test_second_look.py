from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lungspot.detect import SecondLook, decode, load_detector, look_again, parts, placed, run_gated
from lungspot.errors import InputError, ModelError
from lungspot.findings import Box
from lungspot.images import Origin, Radiograph, prepare

LOOK = SecondLook(("nodule_mass",), 128, 96, ((0.0, 0.0, 0.5, 1.0), (0.5, 0.25, 1.0, 0.75)))


def film(pixels):
    return Radiograph(np.ascontiguousarray(pixels, np.float32), Origin("f.png", "0" * 64, "png"), 8)


def spotted(size=256):
    """A film with one dark corner, so that the gate knows which way up it is, and a small bright spot."""
    pixels = np.full((size, size), 0.6)
    pixels[: size // 2, : size // 2] = 0.3
    pixels[150:166, 200:216] = 1.0
    return pixels


@pytest.fixture(scope="module")
def detector(write_model, generated_card, tmp_path_factory):
    card = replace(generated_card, second_look=LOOK)
    return load_detector(write_model(tmp_path_factory.mktemp("looks") / "model.onnx", card))


def test_a_part_is_the_film_as_large_again():
    picture = np.zeros((100, 200), np.float32)
    picture[40:60, 120:140] = 1
    left, right = parts(picture, LOOK, 64)
    assert left.shape == right.shape == (1, 1, 64, 64)
    assert left.max() == 0
    ys, xs = np.nonzero(right[0, 0] > 0.5)
    # columns 20 to 40 of the right half's 100, rows 15 to 35 of the middle's 50
    assert (xs.min(), xs.max() + 1) == (pytest.approx(12.8, abs=1), pytest.approx(25.6, abs=1))
    assert (ys.min(), ys.max() + 1) == (pytest.approx(19.2, abs=1), pytest.approx(44.8, abs=1))


@pytest.mark.parametrize(
    ("box", "window", "where"),
    [
        ([0, 0, 64, 64], (0, 0, 1, 1), [0, 0, 64, 64]),
        ([0, 0, 64, 64], (0.5, 0.25, 1.0, 0.75), [32, 16, 64, 48]),
        ([32, 16, 48, 32], (0.0, 0.5, 0.5, 1.0), [16, 40, 24, 48]),
    ],
)
def test_boxes_of_a_part_lie_on_the_whole_film(box, window, where):
    np.testing.assert_allclose(placed(np.array([box], np.float32), window, 64), [where])


def test_parts_add_places_for_the_named_labels_alone(detector):
    radiograph = film(spotted())
    raw = detector.run(prepare(radiograph, 64).tensor)
    both = look_again(raw, radiograph, detector)
    assert len(both.boxes) == 3 * len(raw.boxes)
    np.testing.assert_array_equal(both.scores[:64], raw.scores)
    named = [label == "nodule_mass" for label in detector.card.labels]
    assert not both.scores[64:, ~np.array(named)].any()
    assert both.scores[64:, named].all()
    np.testing.assert_array_equal(both.image_scores, raw.image_scores)
    assert not both.scores.flags.writeable


def test_what_is_small_is_found_by_the_second_look(detector):
    """The spot fills a cell of a part, and only a fraction of one of the whole film."""
    radiograph, card = film(spotted()), detector.card
    raw = detector.run(prepare(radiograph, 64).tensor)
    gated = run_gated(radiograph, detector)
    spot = Box(200, 150, 216, 166)

    def best(found):
        reading = decode(found, gated.placement, card, min_score=0.0)
        return max(f.score for f in reading.findings if f.label == "nodule_mass" and f.box and f.box.iou(spot) > 0.02)

    assert best(gated.raw) > best(raw)


def with_parts(names=("part_boxes", "part_scores"), column=1, *, spoil=False):
    """Return a change of the generated network: its boxes, and the roots of one label's scores, are those of parts."""

    def change(model):
        made = {
            "part_boxes": [helper.make_node("Identity", ["boxes"], ["part_boxes"])],
            "part_scores": [
                helper.make_node("Gather", ["scores", "part_column"], ["one_label"], axis=2),
                helper.make_node("Sqrt" if not spoil else "Log", ["one_label"], ["part_scores"]),
            ],
        }
        columns = np.atleast_1d(np.array(column, np.int64))
        model.graph.initializer.append(numpy_helper.from_array(columns, "part_column"))
        for name in names:
            model.graph.node.extend(made[name])
            shape = [1, 64, 4 if name == "part_boxes" else len(columns)]
            model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    return change


def test_what_was_taught_with_parts_is_asked_about_parts(write_model, generated_card, tmp_path):
    at = generated_card.labels.index("nodule_mass")
    card = replace(generated_card, second_look=LOOK)
    taught = load_detector(write_model(tmp_path / "taught.onnx", card, with_parts(column=at)))
    plain = load_detector(write_model(tmp_path / "plain.onnx", card))
    radiograph = film(spotted())
    raw = taught.run(prepare(radiograph, 64).tensor)
    np.testing.assert_array_equal(raw.scores, plain.run(prepare(radiograph, 64).tensor).scores)
    mine, other = (look_again(raw, radiograph, each) for each in (taught, plain))
    np.testing.assert_array_equal(mine.boxes, other.boxes)
    np.testing.assert_array_equal(mine.scores[:64], raw.scores)
    np.testing.assert_allclose(mine.scores[64:], np.sqrt(other.scores[64:]), rtol=1e-6)


@pytest.fixture
def switched(write_model, generated_card, tmp_path):
    """A function that writes a file that is told whether it sees a part: it computes what is asked for alone."""

    def write(kind=TensorProto.BOOL, shape=(), name="part", parts=("part_boxes", "part_scores")):
        def change(model):
            graph, info = model.graph, helper.make_tensor_value_info
            with_parts(parts, column=generated_card.labels.index("nodule_mass"))(model)
            graph.input.append(info(name, kind, list(shape)))
            for output in parts:
                node = next(node for node in graph.node if output in node.output)
                inner = onnx.NodeProto.FromString(node.SerializeToString())
                nothing = helper.make_tensor("none", TensorProto.FLOAT, [0, 0, 0], [])
                branches = {
                    "then_branch": inner,
                    "else_branch": helper.make_node("Constant", [], [f"{output}.none"], value=nothing),
                }
                graphs = {
                    key: helper.make_graph([each], key, [], [info(each.output[0], TensorProto.FLOAT, None)])
                    for key, each in branches.items()
                }
                node.CopyFrom(helper.make_node("If", [name], [output], **graphs))

        card = replace(generated_card, second_look=LOOK if parts else None)
        return load_detector(write_model(tmp_path / "switched.onnx", card, change))

    return write


def test_a_file_is_told_whether_it_sees_a_part_of_a_film(switched, write_model, generated_card, tmp_path):
    at, radiograph = generated_card.labels.index("nodule_mass"), film(spotted())
    card = replace(generated_card, second_look=LOOK)
    plain, told = load_detector(write_model(tmp_path / "p.onnx", card, with_parts(column=at))), switched()
    raw = told.run(prepare(radiograph, 64).tensor)
    one, two = (look_again(raw, radiograph, each) for each in (plain, told))
    np.testing.assert_array_equal(one.boxes, two.boxes)
    np.testing.assert_array_equal(one.scores, two.scores)
    assert len(two.scores) == 192


@pytest.mark.parametrize(
    "wrong", [{"kind": TensorProto.FLOAT}, {"shape": (1,)}, {"name": "parts"}, {"name": "image"}, {"parts": ()}]
)
def test_another_second_input_is_refused(switched, wrong):
    with pytest.raises(ModelError, match="inputs"):
        switched(**wrong)


def test_outputs_for_parts_that_do_not_fit_are_refused(write_model, generated_card, tmp_path):
    at, card = generated_card.labels.index("nodule_mass"), replace(generated_card, second_look=LOOK)
    for path, mine, change in (
        ("no-look", generated_card, with_parts(column=at)),
        ("half", card, with_parts(("part_boxes",))),
        ("other-half", card, with_parts(("part_scores",))),
    ):
        with pytest.raises(ModelError, match=r"part_boxes.*belong together"):
            load_detector(write_model(tmp_path / f"{path}.onnx", mine, change))
    two = load_detector(write_model(tmp_path / "two.onnx", card, with_parts(column=(0, at))))
    with pytest.raises(ModelError, match="outputs for parts of shapes"):
        look_again(two.run(prepare(film(spotted()), 64).tensor), film(spotted()), two)
    below = load_detector(write_model(tmp_path / "below.onnx", card, with_parts(column=at, spoil=True)))
    assert run_gated(film(spotted()), below).reasons == ("MODEL_NUMERIC",)


def test_a_turned_film_is_looked_at_upright(detector):
    straight = run_gated(film(spotted()), detector)
    turned = run_gated(film(np.rot90(spotted(), 2)), detector)
    assert turned.correction.quarter_turns == 2
    np.testing.assert_allclose(turned.raw.scores, straight.raw.scores, atol=1e-6)
    assert len(turned.raw.scores) == 192


def test_a_coarse_film_is_not_looked_at_again(detector):
    coarse = film(spotted()[::3, ::3])
    raw = detector.run(prepare(coarse, 64).tensor)
    assert look_again(raw, coarse, detector) is raw


def test_a_film_that_hardly_shows_any_of_the_labels_is_not_looked_at_again(detector):
    radiograph = film(spotted())
    raw = detector.run(prepare(radiograph, 64).tensor)
    card = detector.card
    for labels in (("nodule_mass",), ("edema", "nodule_mass")):
        others = [float(raw.image_scores[card.labels.index(label)]) for label in labels]
        from_there, above = (replace(LOOK, labels=labels, least_score=max(others) + by) for by in (-1e-3, 1e-3))
        assert len(look_again(raw, radiograph, detector.with_card(replace(card, second_look=from_there))).scores) == 192
        assert look_again(raw, radiograph, detector.with_card(replace(card, second_look=above))) is raw


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": ()},
        {"windows": ()},
        {"windows": ((0, 0, 1.1, 1),)},
        {"windows": ((0.5, 0, 0.5, 1),)},
        {"windows": ((0, float("nan"), 1, 1),)},
        {"windows": ((0, 0, 1, 1),) * 9},
        {"size": 8},
        {"least_score": -0.1},
        {"least_score": 1.0},
        {"least_score": float("nan")},
    ],
)
def test_parts_that_are_none_are_refused(wrong):
    with pytest.raises(InputError) as caught:
        SecondLook(**{"labels": ("nodule_mass",), **wrong})
    assert caught.value.code == "BAD_VALUE"
