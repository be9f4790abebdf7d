from dataclasses import replace

import numpy as np
import pytest
import torch

from lungspot.detect import GateCard, load_detector
from lungspot.errors import InputError, ModelError
from lungspot.train.augment import plain
from lungspot.train.export_model import export_model, open_checkpoint
from lungspot.train.gate import CLASSES, GateNet, load_gate
from lungspot.train.loop import train
from lungspot.train.model import Network
from lungspot.train.onnx_export import serving
from lungspot.train.onnx_import import read_model_file, recalibrate_batchnorm, restore
from lungspot.train.sides import SideNet
from lungspot.train.validate import VOTE_IOU


@pytest.fixture(scope="module")
def trained(tiny, generated_films, tmp_path_factory):
    return train(replace(tiny, steps=20, rate=1e-2), generated_films, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def gate():
    torch.manual_seed(3)
    net = GateNet(64)
    net.sides = SideNet(64, 2)
    for part in (net, net.sides):
        part(torch.rand(8, 1, 64, 64))  # normalisations that do something
    return net.eval()


@pytest.fixture(scope="module", params=[False, True], ids=["once", "mirrored"])
def model_file(request, trained, gate, generated_films, tmp_path_factory):
    path = tmp_path_factory.mktemp("released") / "model.onnx"
    known = GateCard(CLASSES, {"accept": 0.5}, {})
    path.write_bytes(export_model(trained, generated_films, mirror=request.param, gate=(gate, known)).data)
    return path


@pytest.fixture(scope="module")
def bare(trained, generated_films, tmp_path_factory):
    """A model file without a gate."""
    path = tmp_path_factory.mktemp("bare") / "bare.onnx"
    path.write_bytes(export_model(trained, generated_films).data)
    return path


def said(network, films):
    with torch.no_grad():
        return network(films)


def test_a_model_file_becomes_the_network_that_it_came_from(trained, model_file, generated_films):
    films = plain(generated_films.pixels[:6], 64)
    network = Network(trained.config)
    restore(network, read_model_file(model_file)[1])
    one, two = said(serving(trained.network).network, films), said(network.eval(), films)
    for name in ("scores", "image", "maps"):
        assert torch.allclose(getattr(one, name), getattr(two, name), atol=1e-3, rtol=1e-3), name
    assert torch.allclose(one.boxes, two.boxes, atol=0.01, rtol=1e-3)


def test_awake_it_says_in_training_what_it_said_in_evaluation(trained, model_file, generated_films):
    films = plain(generated_films.pixels, 64)
    network = Network(trained.config)
    restore(network, read_model_file(model_file)[1])
    asleep = said(network.eval(), films)
    lengths = network.smooth[0][0].weight.flatten(1).norm(dim=1)
    recalibrate_batchnorm(network, films)
    assert network.training
    awake = said(network, films)
    assert torch.allclose(asleep.image, awake.image, atol=0.02, rtol=0.01)
    assert torch.allclose(asleep.maps, awake.maps, atol=0.02, rtol=0.01)
    longer = network.smooth[0][0].weight.flatten(1).norm(dim=1)
    assert not torch.allclose(lengths, longer, atol=0.1)
    assert torch.allclose(longer, torch.full_like(longer, (2 * 32 / 32) ** 0.5), atol=1e-3)


def test_a_run_begins_with_a_model_file(tiny, model_file, generated_films, tmp_path):
    config = replace(tiny, steps=1, rate=0.0, final_rate=0.0)
    begun = train(config, generated_films, tmp_path / "begun", begin=model_file)
    fresh = train(config, generated_films, tmp_path / "fresh")
    films = plain(generated_films.pixels, 64)
    network = Network(tiny)
    restore(network, read_model_file(model_file)[1])
    wanted = said(network.eval(), films).image.flatten()

    def likeness(end):
        return float(torch.corrcoef(torch.stack((wanted, said(end.network.eval(), films).image.flatten())))[0, 1])

    assert likeness(begun) > 0.9
    assert likeness(fresh) < 0.5


def test_a_model_file_is_released_anew(bare, generated_films, tmp_path):
    again = export_model(open_checkpoint(bare), generated_films, version="2")
    (tmp_path / "again.onnx").write_bytes(again.data)
    assert (again.card.version, again.card.vote_iou) == ("2", VOTE_IOU)
    one, two = (load_detector(path) for path in (bare, tmp_path / "again.onnx"))
    picture = plain(generated_films.pixels[:1], 64).numpy()
    np.testing.assert_allclose(one.run(picture).scores, two.run(picture).scores, atol=1e-3)
    assert one.card.thresholds == two.card.thresholds


def test_the_gate_of_a_model_file_is_the_gate(model_file, gate):
    films = torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    found, card = load_gate(model_file, 64)
    assert card.thresholds == {"accept": 0.5}
    assert torch.allclose(said(found, films), said(gate, films), atol=2e-3)
    assert torch.allclose(said(found.sides, films), said(gate.sides, films), atol=2e-3, rtol=2e-3)


def test_mirror_images_are_known_by_the_network_beside_the_gate(model_file, gate, trained, generated_films):
    films = plain(generated_films.pixels[:1], 64)
    mirrored = load_detector(model_file).run(films.numpy()).mirrored
    np.testing.assert_allclose(mirrored, said(gate.sides, films).sigmoid(), atol=2e-3)
    assert abs(float(mirrored[0] - said(trained.network, films).mirrored.sigmoid()[0])) > 0.01
    assert open_checkpoint(model_file).network.anatomy is not None  # which has no means of its own for it there


def test_what_cannot_be_begun_with_is_refused(tiny, bare, model_file, generated_films, tmp_path):
    def code(config, begin):
        with pytest.raises((InputError, ModelError)) as caught:
            train(replace(config, steps=1), generated_films, tmp_path / "run", begin=begin)
        return caught.value.code

    assert code(tiny, tmp_path / "none.onnx") == "NOT_FOUND"
    assert code(replace(tiny, widths=(32, 32, 32, 64)), model_file) == "BAD_VALUE"
    assert code(replace(tiny, labels=("edema", "pneumonia")), model_file) == "BAD_VALUE"
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(model_file.read_bytes()[:-1] + b"x")
    assert code(tiny, broken) == "MODEL_HASH"
    with pytest.raises(InputError, match="no gate"):
        load_gate(bare, 64)
    assert np.isfinite(read_model_file(bare)[1]["reach"].numpy()).all()
