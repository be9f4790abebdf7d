"""How fast a film becomes findings, and how that compares with what others would use.

Makes 1024 x 1024 PNG films of pydicom-data's real one, ten different in grey and place, then measures on this machine:
warm film to findings, beside its reading and the network alone (with its second look, if it has one) in turns; a
folder of films through the command line, a cold start, and peak memory. With torch installed, DenseNet-121 at 224
pixels with Grad-CAM (torch, random weights) is timed on the same films; with transformers, D-FINE-N and RT-DETRv2-R18
at 640 pixels (random weights, exported to ONNX) too. Only the network of those is timed, not their
preparation or their boxes' clean-up.

    .venv/bin/python benchmarks/detect.py [--films 1000] [--model default] [--others]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from lungspot.detect import load_detector
from lungspot.images import Pixels, prepare, read
from lungspot.pipeline import analyze

GOALS = {
    "warm film to findings, ms": 40.0,
    "folder, films a second": 30.0,
    "cold start, s": 1.2,
    "peak memory, MiB": 350.0,
}
SIDE = 1024  # pixels of the films, each way


def main() -> None:
    """Measure, print a line each with its goal, and the ratios where others were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=1000)
    parser.add_argument("--model", default="default")
    parser.add_argument("--others", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        films = make_films(folder, asked.films)
        warm, alone = warm_film(films[:30], asked.model)
        seconds, memory = command(folder, asked.model)
        found = {
            "warm film to findings, ms": warm,
            "folder, films a second": asked.films / seconds,
            "cold start, s": min(command(films[0], asked.model)[0] for _ in range(3)),
            "peak memory, MiB": memory,
        }
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {asked.films} films")
        for what, value in found.items():
            print(f"{what:32} {value:8.1f}   goal {GOALS[what]:g}")
        for what, milliseconds in alone.items():
            print(f"{what:32} {milliseconds:8.1f}")
        print(f"{'the rest of the way, %':32} {100 * (warm / sum(alone.values()) - 1):8.1f}   goal 33.3")
        if asked.others:
            for what, milliseconds in others(films[0]).items():
                print(f"{what:48} {milliseconds:8.1f} ms   {milliseconds / warm:5.1f} times ours")


def make_films(folder: Path, count: int) -> list[Path]:
    """Write ``count`` films, ten of them different in grey and place, and return their paths."""
    random = np.random.default_rng(0)
    packed = importlib.util.find_spec("data_store")
    if packed is None or not packed.submodule_search_locations:
        raise SystemExit("the film of pydicom-data is needed: pip install pydicom-data")
    real = read(Path(next(iter(packed.submodule_search_locations))) / "data" / "RG1_UNCR.dcm").pixels
    pictures = []
    for _ in range(10):
        top, left = random.integers(0, 60, 2)
        film = Image.fromarray(real[top : top + 1780, left : left + 1780]).resize((SIDE, SIDE))
        grey = 255 * np.asarray(film).clip(0, 1) ** random.uniform(0.7, 1.4)
        path = folder / "film.tmp"
        Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(path, "png")
        pictures.append(path.read_bytes())
        path.unlink()
    films = [folder / f"{index:05d}.png" for index in range(count)]
    for index, film in enumerate(films):
        film.write_bytes(pictures[index % len(pictures)])
    return films


def median_ms(work: Callable[[], object], times: int = 15) -> float:
    """Return the median of several runs in milliseconds, after two that do not count."""
    found = []
    for turn in range(times + 2):
        start = time.perf_counter()
        work()
        if turn >= 2:
            found.append(1000 * (time.perf_counter() - start))
    return float(np.median(found))


def warm_film(films: list[Path], model: str) -> tuple[float, dict[str, float]]:
    """Return the median time from file to analysis with a loaded detector, and those of its parts alone, in turns."""
    detector = load_detector(model)
    card = detector.card
    look = card.second_look
    columns = [card.labels.index(label) for label in look.labels] if look else []

    def network(picture: Pixels) -> None:
        raw = detector.run(picture)
        if look is not None and look.wants(SIDE, float(raw.image_scores[columns].max())):
            for _ in look.windows:
                detector.run_part(picture)

    turns: list[tuple[float, ...]] = []
    for film in films[:2] + films:
        picture = prepare(read(film), card.input_size).tensor
        marks = [time.perf_counter()]
        for work in (partial(analyze, film, detector), partial(read, film), partial(network, picture)):
            work()
            marks.append(time.perf_counter())
        turns.append(tuple(1000 * np.diff(marks)))
    whole, decoding, networks = np.median(turns[2:], axis=0)
    return float(whole), {"reading alone, ms": float(decoding), "network alone, ms": float(networks)}


def command(target: Path, model: str) -> tuple[float, float]:
    """Return seconds and the peak memory in MiB of one ``lungspot detect`` over a film or a folder."""
    start = time.perf_counter()
    program = [sys.executable, "-m", "lungspot", "detect", target, "--model", model, "--format", "json", "--quiet"]
    done = subprocess.run(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    seconds = time.perf_counter() - start
    films = 1 if target.is_file() else len(list(target.iterdir()))
    lines = done.stdout.splitlines()
    if len(lines) != films or any(json.loads(line)["schema"] != "lungspot/1" for line in lines[:3]):
        raise SystemExit(f"{len(lines)} results for {films} films, exit code {done.returncode}")
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def others(film: Path) -> dict[str, float]:
    """Return milliseconds a film of what else one would use, as far as it is installed."""
    found = {}
    try:
        import torch  # noqa: PLC0415 - optional
    except ImportError:
        print("torch is not installed: nothing to compare with")
        return found
    found["DenseNet-121, 224 px, Grad-CAM (torch)"] = densenet(film, torch)
    try:
        import transformers  # noqa: PLC0415 - optional
    except ImportError:
        print("transformers is not installed: D-FINE-N and RT-DETRv2-R18 were not timed")
        return found
    for what, config in rivals(transformers).items():
        found[f"{what}, 640 px, network alone (ONNX)"] = rival(config, torch, transformers)
    return found


def densenet(film: Path, torch: object) -> float:
    """Return milliseconds for reading, classifying and one Grad-CAM with DenseNet-121's layers."""
    nn, nnf = torch.nn, torch.nn.functional  # type: ignore[attr-defined]

    class Dense(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.narrow = nn.Sequential(
                nn.BatchNorm2d(channels), nn.ReLU(inplace=False), nn.Conv2d(channels, 128, 1, bias=False)
            )
            self.grow = nn.Sequential(
                nn.BatchNorm2d(128), nn.ReLU(inplace=False), nn.Conv2d(128, 32, 3, 1, 1, bias=False)
            )

        def forward(self, given: object) -> object:
            return torch.cat([given, self.grow(self.narrow(given))], 1)  # type: ignore[attr-defined]

    layers, channels = [nn.Conv2d(1, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)], 64
    for block, depth in enumerate((6, 12, 24, 16)):
        for _ in range(depth):
            layers.append(Dense(channels))
            channels += 32
        if block < 3:
            layers += [nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, channels // 2, 1), nn.AvgPool2d(2)]
            channels //= 2
    body, head = nn.Sequential(*layers, nn.BatchNorm2d(channels)).eval(), nn.Linear(channels, 14).eval()
    torch.set_num_threads(2)  # type: ignore[attr-defined]

    def once() -> object:
        with Image.open(film) as opened:
            grey = np.asarray(opened.convert("L").resize((224, 224)), dtype=np.float32) / 255
        features = body(torch.from_numpy(grey)[None, None]).relu()  # type: ignore[attr-defined]
        features.retain_grad()
        logits = head(features.mean((2, 3)))
        logits[0, logits.argmax()].backward()
        weights = features.grad.mean((2, 3), keepdim=True)
        return nnf.interpolate((weights * features).sum(1, keepdim=True).relu(), size=(1024, 1024), mode="bilinear")

    return median_ms(once)


def rivals(transformers: object) -> dict[str, object]:
    """Return the configurations of the small detectors that one would train today, without weights."""
    resnet = transformers.RTDetrResNetConfig(  # type: ignore[attr-defined]
        embedding_size=64,
        hidden_sizes=[64, 128, 256, 512],
        depths=[2, 2, 2, 2],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    small = transformers.RTDetrV2Config(  # type: ignore[attr-defined]
        backbone_config=resnet, encoder_in_channels=[128, 256, 512], hidden_expansion=0.5, decoder_layers=3
    )
    hgnet = transformers.HGNetV2Config(  # type: ignore[attr-defined]
        stem_channels=[3, 16, 16],
        stage_in_channels=[16, 64, 256, 512],
        stage_mid_channels=[16, 32, 64, 128],
        stage_out_channels=[64, 256, 512, 1024],
        hidden_sizes=[64, 256, 512, 1024],
        stage_num_blocks=[1, 1, 2, 1],
        stage_numb_of_layers=[3, 3, 3, 3],
        use_learnable_affine_block=True,
        out_features=["stage3", "stage4"],
    )
    nano = transformers.DFineConfig(  # type: ignore[attr-defined]
        backbone_config=hgnet,
        encoder_in_channels=[512, 1024],
        feat_strides=[16, 32],
        encode_proj_layers=[1],
        encoder_hidden_dim=128,
        d_model=128,
        encoder_ffn_dim=512,
        decoder_ffn_dim=512,
        decoder_in_channels=[128, 128],
        num_feature_levels=2,
        decoder_n_points=[6, 6],
        decoder_layers=3,
        hidden_expansion=0.34,
        depth_mult=0.5,
    )
    return {"RT-DETRv2-R18": small, "D-FINE-N": nano}


def rival(config: object, torch: object, transformers: object) -> float:
    """Return milliseconds a run of one configuration in onnxruntime on two threads."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # as lungspot does, and as early
    import onnxruntime  # noqa: PLC0415 - beside the other optional packages

    kinds = {"rt_detr_v2": "RTDetrV2ForObjectDetection", "d_fine": "DFineForObjectDetection"}
    network = getattr(transformers, kinds[config.model_type])(config).eval()  # type: ignore[attr-defined]
    network.requires_grad_(requires_grad=False)

    class Plain(torch.nn.Module):  # type: ignore[attr-defined,name-defined,misc]
        def forward(self, pixels: object) -> object:
            said = network(pixel_values=pixels)
            return said.logits, said.pred_boxes

    image = torch.zeros(1, 3, 640, 640)  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/rival.onnx"
        torch.onnx.export(Plain(), (image,), path, opset_version=17, dynamo=False)  # type: ignore[attr-defined]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return median_ms(lambda: session.run(None, {name: image.numpy()}))


if __name__ == "__main__":
    main()
