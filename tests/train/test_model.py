import pytest
import torch

from lungspot.train.model import STRIDES, Mirrored, Network, points


def test_points_stand_in_the_middle_of_their_cells():
    centres, strides = points(64, 64)
    assert centres[:2].tolist() == [[4, 4], [12, 4]]
    assert centres[-1].tolist() == [48, 48]
    assert [int((strides == stride).sum()) for stride in STRIDES] == [64, 16, 4]


@pytest.mark.parametrize("size", [64, 96])
def test_output_has_the_shapes_that_the_format_promises(tiny, size):
    output = Network(tiny).eval()(torch.rand(2, 1, size, size))
    places = sum((size // stride) ** 2 for stride in STRIDES)
    assert output.boxes.shape == (2, places, 4)
    assert output.scores.shape == (2, places, 2)
    assert output.image.shape == (2, 2)
    assert output.maps.shape == (2, 2, size // 16, size // 16)
    assert output.features.shape == (2, tiny.widths[3] + 9 * 32)
    assert (output.boxes[..., 2:] > output.boxes[..., :2]).all()


def test_mirrored_says_the_same_about_a_film_and_its_mirror_image(tiny):
    torch.manual_seed(1)
    network = Mirrored(Network(tiny).eval(), 64).eval()
    film = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        one, two = network(film), network(film.flip(3))
    x0, y0, x1, y1 = two.boxes[:, network.twin].unbind(2)
    torch.testing.assert_close(torch.stack((64 - x1, y0, 64 - x0, y1), 2), one.boxes, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(two.scores[:, network.twin], one.scores, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(two.image, one.image, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(two.maps.flip(3), one.maps, atol=1e-4, rtol=1e-4)
