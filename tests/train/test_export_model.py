"""From training to a finding, on generated films: train, export, load, detect."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from lungspot.detect import ModelCard, Standing, load_detector
from lungspot.errors import DatasetError, InputError, ModelError
from lungspot.formats.case import Split
from lungspot.train.accuracy import accuracy, false_positives, source_probe
from lungspot.train.augment import plain
from lungspot.train.calibrate import fit
from lungspot.train.data import Films
from lungspot.train.export_model import _look_of, _looked, export_model, open_checkpoint
from lungspot.train.loop import train
from lungspot.train.onnx_export import build, compare_outputs, serving
from lungspot.train.terms import film_terms
from lungspot.train.validate import predict


@pytest.fixture(scope="module")
def trained(tiny, generated_films, tmp_path_factory):
    return train(replace(tiny, steps=40, rate=1e-2), generated_films, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module", params=[False, True], ids=["once", "mirrored"])
def made(request, trained, generated_films):
    return export_model(trained, generated_films, version="7", mirror=request.param)


def test_the_file_is_what_detect_reads(made, generated_films, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(made.data)
    detector = load_detector(path)
    assert detector.card == made.card
    assert detector.card.labels == ("effusion", "edema")
    raw = detector.run(plain(generated_films.pixels[:1], 64).numpy())
    assert raw.boxes.shape == (84, 4)
    assert raw.maps.shape == (2, 4, 4)
    assert raw.gate is None
    assert max(made.largest.values()) <= 1e-4


def test_the_card_says_how_good(made, generated_films):
    kept = "boxes_kept_on_val_by_share_inside"
    assert set(made.card.metrics) == {
        "val",
        "test",
        "false_positives_per_100_normals",
        "source_probe",
        "standing",
        kept,
    }
    assert made.card.metrics["test"]["labels"]["effusion"]["boxes"] == 5
    assert made.card.box_from_map.keys() == {"edema"}
    assert any("nih" in line for line in made.card.training_data)
    assert (made.card.licence, made.card.terms) == (film_terms(generated_films).licence, "")
    assert made.card.notes == ()


def test_the_card_says_which_labels_are_good_enough(made):
    assert made.card.standing.keys() == {
        "effusion",
        "edema",
    }  # by the rule: a few generated films earn no label a voice
    assert set(made.card.standing.values()) == {Standing.EXPERIMENTAL}
    assert made.card.metrics["standing"]["effusion"]["source"] is None
    assert made.card.positions == {}  # too few boxes to say where lungs are


@pytest.mark.parametrize(
    ("sees", "kept"), [(lambda width: width > 28, ("effusion",)), (lambda width: width < 28, None)]
)
def test_a_second_look_is_kept_for_the_labels_of_which_it_finds_more(tiny, generated_films, sees, kept):
    """What the network sees of a bright square depends on how wide it is shown: 20 pixels, or 37 in a part."""

    def answer(pictures):
        boxes, scores = [], []
        for picture in pictures[:, 0].numpy():
            rows, columns = np.nonzero(picture > 0.8)
            there = len(rows) > 100 and sees(np.ptp(columns))
            boxes.append([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]] if there else [[0, 0, 9, 9]])
            scores.append([[0.9 if there else 0.0, 0.0]])
        count = len(pictures)
        return (
            *(np.array(boxes, np.float32), np.array(scores, np.float32)),
            *(np.full((count, 2), 0.5, np.float32), np.ones((count, 3), np.float32)),
        )

    films = Films(tuple(replace(film, stored=512) for film in generated_films.films), generated_films.pixels)

    def of_parts(pictures):
        boxes, scores, _, _ = answer(pictures)
        return boxes, scores[..., :1]

    asked = _look_of(replace(tiny, crop_share=0.25, crop_labels=("effusion",)))
    card = ModelCard("m", "1", tiny.labels, 64, second_look=asked)
    _, look = _looked(answer, of_parts, films, films, card, own_head=False)
    assert (look and look.labels) == kept
    none = replace(card, second_look=_look_of(tiny))
    assert _looked(answer, of_parts, films, films, none, own_head=False)[1] is None


def test_large_weights_are_stored_in_eight_bits(made, trained):
    model = onnx.load_from_string(made.data)
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    large = {name: values for name, values in stored.items() if values.size >= 512}
    assert {values.dtype for values in large.values()} == {np.dtype(np.int8)}
    assert {entry.domain for entry in model.opset_import} <= {"", "ai.onnx"}
    whole = next(values for name, values in large.items() if name.endswith("smooth.0.0.weight.bytes"))
    scale = next(values for name, values in stored.items() if name.endswith("smooth.0.0.weight.scale"))
    assert (np.abs(whole).reshape(len(whole), -1).max(1) == 127).all()  # each output channel has its own scale
    served = serving(trained.network).network.smooth[0][0].weight.numpy()
    assert (whole.astype(np.float32) * scale == served).all()


def test_a_second_network_has_a_say_on_the_film_alone(trained, tiny, generated_films, tmp_path):
    other = train(replace(tiny, steps=10, seed=1, neck=64), generated_films, tmp_path / "other")
    films = plain(generated_films.pixels[:4], 64)
    alone, opinion, both = (
        serving(trained.network),
        serving(other.network),
        serving(trained.network, None, other.network),
    )
    with torch.no_grad():
        one, two, said = (dict(zip(net.outputs, net(films), strict=True)) for net in (alone, opinion, both))
    mean = (one["image_scores"].logit() + two["image_scores"].logit()) / 2
    assert torch.allclose(said["image_scores"].logit(), mean, atol=1e-4)
    assert not torch.allclose(said["image_scores"], one["image_scores"], atol=1e-3)
    assert all((said[name] == one[name]).all() for name in one if name != "image_scores")

    path, few = tmp_path / "two.onnx", Films(generated_films.films[:16], generated_films.pixels[:16])
    made = export_model(trained, few, opinion=other)
    path.write_bytes(made.data)
    assert max(made.largest.values()) <= 1e-4
    detector = load_detector(path)
    np.testing.assert_allclose(detector.run(films[:1].numpy()).image_scores, said["image_scores"][0], atol=1e-4)
    again = open_checkpoint(path)  # and is there when the file is exported anew
    assert again.opinion is not None
    remade = export_model(again, few)
    assert remade.card.thresholds == made.card.thresholds
    with pytest.raises(InputError, match="labels"):
        export_model(
            trained, generated_films, opinion=replace(other, config=replace(tiny, labels=("edema", "effusion")))
        )


def test_a_file_that_says_something_else_is_refused(trained, made, generated_films):
    films = plain(generated_films.pixels[:2], 64).numpy()
    other = serving(trained.network)
    with torch.no_grad():
        other.network.classify[1].bias += 0.01
    with pytest.raises(ModelError, match="differ by") as caught:
        compare_outputs(other, build(serving(trained.network), made.card), films)
    assert caught.value.code == "MODEL_NUMERIC"


@pytest.mark.parametrize(("shift", "refused"), [(1.6e-3, False), (4e-3, True)])
def test_outlines_may_differ_a_little_more(trained, made, generated_films, shift, refused):
    """By five times as much: a shift of the logits moves a probability of a half by a quarter of it."""
    films = plain(generated_films.pixels[:2], 64).numpy()
    one, other = serving(trained.network), serving(trained.network)
    with torch.no_grad():
        for net, by in ((one, 0), (other, shift)):  # every place near a half, where a shift counts most
            net.network.anatomy.outline[2].weight.zero_()
            net.network.anatomy.outline[2].bias.fill_(by)
    data = build(one, made.card)
    if refused:
        with pytest.raises(ModelError, match="organs"):
            compare_outputs(other, data, films)
    else:
        assert compare_outputs(other, data, films).largest["organs"] == pytest.approx(4e-4, rel=0.1)


def test_nothing_to_calibrate_on(trained, generated_films):
    only = [i for i, film in enumerate(generated_films.films) if film.split is not Split.VAL]
    films = replace(
        generated_films, films=tuple(generated_films.films[i] for i in only), pixels=generated_films.pixels[only]
    )
    with pytest.raises(DatasetError, match="calibrate"):
        export_model(trained, films)


def test_shortcut_checks(trained, generated_films):
    val = predict(trained.network, generated_films, generated_films.of(Split.VAL), 64)
    test = predict(trained.network, generated_films, generated_films.of(Split.TEST), 64)
    fitted = fit(val, ("effusion", "edema"))
    probe = source_probe(val, test)["all"]
    assert (probe["sources"], probe["films"]) == (2, 10)
    assert 0 <= probe["accuracy"] <= 1
    table = accuracy(test, ("effusion", "edema"), fitted)
    assert set(table["labels"]["effusion"]["source"]) == {"nih", "siim_covid"}
    assert set(false_positives(test, ("effusion", "edema"), fitted)) <= {"effusion"}


def test_the_terms_are_those_of_the_data(trained, generated_films):
    """One export shows that the card has them; of other datasets they are asked for without one, which takes 2 s."""

    def of(*names):
        films = [replace(film, datasets=frozenset(names)) for film in generated_films.films[:16]]
        return Films(tuple(films), generated_films.pixels[:16])

    def said_of(*names):
        terms = film_terms(of(*names))
        return terms.licence, terms.text

    bound = export_model(trained, of("hannover", "tbx11k"), notes=("a", "b")).card
    assert "research, non-commercial" in bound.licence
    assert "TBX11K" in bound.terms
    assert bound.notes == ("a", "b")
    assert said_of("hannover", "tbx11k") == (bound.licence, bound.terms)
    licence, terms = said_of("hannover", "wingspan")
    assert "CC BY 3.0" in terms
    assert "MIT" in terms
    assert "non-commercial" not in terms + licence
    assert said_of("jsrt", "hannover")[0] == bound.licence  # "research; cite the paper": no commerce
    assert said_of() == (licence, "")
