"""From `pip install 'lungspot[cvat]'` to the first box that CVAT's own client library takes: seconds and megabytes.

    python benchmarks/cvat.py            downloads what the extra brings; some minutes, most of them pip's

A fresh environment in a temporary folder; in it `cvat-cli` loads the function as `--function-module lungspot.cvat`
does, and gives it pydicom-data's real chest film (RG1, a DICOM file) as the picture that is made of such a file when a
task is made: rescaled and windowed by pydicom, MONOCHROME1 turned, 8 bits. CVAT's server is not asked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_modality_lut, apply_voi_lut

ROOT: Final = Path(__file__).resolve().parents[1]
FILM: Final = "RG1_J2KR.dcm"
# What runs in the environment: the driver's own loader and context, as for one frame of a task.
ASKED: Final = """
import json, sys, time
from PIL import Image
began = time.monotonic()
from cvat_cli._internal.common import FunctionLoader
from cvat_sdk.auto_annotation.driver import _DetectionFunctionContextImpl
function = FunctionLoader("lungspot.cvat", None, {}).load()
loaded = time.monotonic()
film = Image.open(sys.argv[1])
context = _DetectionFunctionContextImpl(frame_name="film", conf_threshold=None, conv_mask_to_poly=False)
shapes = function.detect(context, film)
names = [label.name for label in function.spec.labels]
boxes = [[names[shape.label_id], *(round(float(each)) for each in shape.points)] for shape in shapes]
print(json.dumps({"loaded": loaded - began, "detected": time.monotonic() - loaded, "boxes": boxes}))
"""


def main() -> None:
    """Print the row of docs/benchmarks.md, and the boxes."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        picture_of(Path(str(get_testdata_file(FILM)))).save(folder / "film.png")
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True)
        python = folder / "env" / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "-q", f"{ROOT}[cvat]"], check=True)
        installed = time.monotonic() - began
        megabytes = sum(path.lstat().st_size for path in (folder / "env").rglob("*")) / 1e6
        outside = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        done = subprocess.run(
            [python, "-c", ASKED, folder / "film.png"], cwd=folder, env=outside, check=True, capture_output=True
        )
        whole = time.monotonic() - began
    said = json.loads(done.stdout)
    for box in said["boxes"]:
        print(*box)
    print(
        f"installed {installed:.0f} s, {megabytes:.0f} MB; loaded {said['loaded']:.1f} s; film {said['detected']:.1f} s"
    )
    print(f"first box after {whole:.0f} s, load {os.getloadavg()[0]:.0f}")
    if not said["boxes"]:
        raise SystemExit(1)


def picture_of(path: Path) -> Image.Image:
    """Return a DICOM film as a grey picture of 8 bits, bright where the film is dense."""
    data = dcmread(path)
    shown = apply_voi_lut(apply_modality_lut(data.pixel_array, data), data).astype(np.float64)
    low, high = shown.min(), shown.max()
    grey = np.round(255 * (shown - low) / (high - low)).astype(np.uint8)
    return Image.fromarray(255 - grey if data.PhotometricInterpretation == "MONOCHROME1" else grey)


if __name__ == "__main__":
    main()
