import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam

from lungspot.formats.case import Split
from lungspot.study.heat_maps import GRID, MAPS, _combined, heat_maps, random_map
from lungspot.train.augment import plain
from lungspot.train.data import without_boxes
from lungspot.train.loop import load_checkpoint, train
from lungspot.train.model import Network


@pytest.fixture(scope="module")
def network(tiny):
    torch.manual_seed(0)
    return Network(tiny).eval()


def test_a_classifier_trains_in_the_same_loop_and_goes_on(generated_films, tiny, tmp_path):
    films = without_boxes(generated_films)
    train(tiny, films, tmp_path, facts={"data": "labels"})
    network = load_checkpoint(tmp_path).network
    again = train(tiny, films, tmp_path, resume=True, facts={"data": "labels"})
    assert again.step == tiny.steps
    maps, probability = heat_maps(network, plain(films.pixels[films.of(Split.TEST)], 64), [0, 1])
    assert probability.shape == (len(films.of(Split.TEST)), 2)
    assert all(np.isfinite(heat).all() and heat.min() >= 0 for heat in maps.values())


def test_grad_cam_as_captum(network):
    pictures = torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    maps, probability = heat_maps(network, pictures, [1])
    assert set(maps) == set(MAPS)
    for stride, layer in ((16, network.middle), (32, network.context)):
        judge = LayerGradCam(lambda x: network(x).image, layer)
        theirs = judge.attribute(pictures, target=1, relu_attributions=True).detach()
        grown = torch.nn.functional.interpolate(theirs, (GRID, GRID), mode="bilinear", align_corners=False)[:, 0]
        assert np.allclose(maps["gradcam", stride][:, 0], grown.numpy(), atol=1e-6)
        assert theirs.max() > 0
    with torch.no_grad():
        said = network(pictures)
    assert np.allclose(probability, said.image.sigmoid().numpy(), atol=1e-6)
    raw = said.maps[0, 1].sigmoid().numpy()
    standing = np.maximum(raw - np.median(raw), 0)
    peak = np.unravel_index(maps["class map", 16][0, 0].argmax(), (GRID, GRID))
    assert tuple(at * len(raw) // GRID for at in peak) == np.unravel_index(standing.argmax(), raw.shape)


def test_films_on_which_nobody_looked_for_anything_have_no_map(network):
    maps, probability = heat_maps(network, torch.rand(2, 1, 64, 64), [])
    assert {of.shape for of in maps.values()} == {(2, 0, GRID, GRID)}
    assert probability.shape[0] == 2


def test_hirescam_is_each_places_part_of_a_linear_score():
    """Where the score is a sum over places, HiResCAM is what each place adds to it."""
    activation = torch.rand(1, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    gradient = torch.rand(1, 2, 3, 3, generator=torch.Generator().manual_seed(2))  # the weights of the sum
    found = _combined(activation, gradient)
    assert found["hirescam"].sum() == pytest.approx(float((activation * gradient).sum()))


def test_grad_cam_plus_plus_of_a_constant_gradient_is_grad_cam_but_for_scale():
    activation = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    found = _combined(activation, torch.full((1, 1, 4, 4), 0.5))
    one, two = found["gradcam"], found["gradcam++"]
    assert torch.allclose(one / one.max(), two / two.max())


def test_the_control_is_chance_and_repeatable():
    one, two = random_map(np.random.default_rng(3)), random_map(np.random.default_rng(3))
    assert (one == two).all()
    assert one.shape == (GRID, GRID)
    assert one.std() > 0.05
