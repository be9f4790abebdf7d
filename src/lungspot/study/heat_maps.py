"""Heat maps of an image-level classifier: what lungspot's boxes are compared with.

The classifier is the detector's own network, with the detector's films, loop and augmentation, from which every box
was taken away (:func:`lungspot.train.data.without_boxes`): it learns from the films' labels alone. Its maps are

- Grad-CAM (Selvaraju et al., ICCV 2017): channels weighted by their mean gradient,
- Grad-CAM++ (Chattopadhay et al., WACV 2018): by a weighted mean of the positive gradients,
- HiResCAM (Draelos and Carin, 2020): each place by its own gradient,
- the network's own class map, whose pooling makes the film's score: what stands out of its median, as lungspot shows it
  (:func:`lungspot.explain.cam`),

all of them rectified. The first three come from one pass forward and one back, which captum, that has only the first,
does not offer; a test holds the first to captum's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lungspot.explain import standing_out
from lungspot.train import Network

__all__ = ["GRID", "MAPS", "heat_maps", "random_map"]

_LAYERS: Final = (16, 32)  # strides of the activations that are looked at
# method and stride of every map
MAPS: Final = (*product(("gradcam", "gradcam++", "hirescam"), _LAYERS), ("class map", 16))
GRID: Final = 40  # cells each way to which maps are brought before boxes are cut

Maps = NDArray[np.float32]


def heat_maps(network: Network, pictures: Tensor, labels: Sequence[int]) -> tuple[Mapping[tuple[str, int], Maps], Maps]:
    """Return by (method, stride) the maps of each film and label, (N, L, GRID, GRID), and probabilities, (N, C).

    ``pictures``: float32 (N, 1, S, S), 0 to 1. A map is 0 or more, its scale is without meaning.
    """
    seen: dict[int, Tensor] = {}

    def keep(stride: int) -> Any:  # noqa: ANN401 - torch's hook
        def hook(_: object, __: object, output: Tensor) -> None:
            seen[stride] = output

        return hook

    modules = {16: network.middle, 32: network.context}
    handles = [module.register_forward_hook(keep(stride)) for stride, module in modules.items()]
    try:
        with torch.enable_grad():
            said = network(pictures.detach().requires_grad_())
    finally:
        for handle in handles:
            handle.remove()
    layers = [seen[stride] for stride in _LAYERS]
    found: dict[tuple[str, int], list[Tensor]] = {key: [] for key in MAPS}
    for label in labels:
        gradients = torch.autograd.grad(said.image[:, label].sum(), layers, retain_graph=True)
        own = standing_out(said.maps[:, label].detach().sigmoid().numpy())
        found["class map", 16].append(_on_grid(torch.from_numpy(own)))
        for stride, activation, gradient in zip(_LAYERS, layers, gradients, strict=True):
            for method, heat in _combined(activation.detach(), gradient).items():
                found[method, stride].append(_on_grid(heat))
    probability: Maps = said.image.detach().sigmoid().numpy()
    none = torch.zeros(len(pictures), 0, GRID, GRID)  # where nobody looked for anything, as in sets of outlines
    return {key: (torch.stack(maps, 1) if maps else none).numpy() for key, maps in found.items()}, probability


def random_map(rng: np.random.Generator, cells: int = 10) -> Maps:
    """Return a smooth map of no meaning, (GRID, GRID): the control that any map must beat."""
    coarse = torch.from_numpy(rng.random((1, 1, cells, cells), dtype=np.float32))
    return _on_grid(coarse[:, 0])[0].numpy()


def _combined(activation: Tensor, gradient: Tensor) -> dict[str, Tensor]:
    """Return each method's map, (N, h, w), of one layer, (N, K, h, w)."""
    mean = gradient.mean((2, 3), keepdim=True)
    square, cube = gradient.square(), gradient.pow(3)
    below = 2 * square + (activation * cube).sum((2, 3), keepdim=True)
    alpha = torch.where(below.abs() > 1e-12, square / below, torch.zeros_like(below))
    weights = (alpha * gradient.relu()).sum((2, 3), keepdim=True)
    return {
        "gradcam": (mean * activation).sum(1).relu(),
        "gradcam++": (weights * activation).sum(1).relu(),
        "hirescam": (gradient * activation).sum(1).relu(),
    }


def _on_grid(heat: Tensor) -> Tensor:
    grown = torch.nn.functional.interpolate(heat[:, None].float(), (GRID, GRID), mode="bilinear", align_corners=False)
    return grown[:, 0]
