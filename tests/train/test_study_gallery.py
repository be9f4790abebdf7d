import numpy as np
from PIL import Image

from lungspot.findings import Box, Frame, Reading
from lungspot.formats.case import Case
from lungspot.train.gradcam import GRID
from lungspot.train.study import Choice, Seen
from lungspot.train.study_gallery import panels


def test_best_and_worst_of_each_label_side_by_side(tmp_path):
    frame, seen = Frame(100, 100), []
    for i in range(3):
        Image.new("L", (100, 100), 90).save(tmp_path / f"{i}.png")
        true = Reading.of_boxes("r", frame, [("effusion", Box(10, 10, 40, 40))], ["effusion"])
        heat = np.zeros((1, GRID, GRID), np.float16)
        heat[0, 5:15, 5:15] = 1
        box = (0.1 + 0.1 * i, 0.1, 0.4 + 0.1 * i, 0.4)
        case = Case(str(i), "s", f"p{i}", (true,), tmp_path / f"{i}.png", frame)
        seen.append(Seen(case, true, {("gradcam", 16): heat}, heat, (((box, 0.9),),), np.ones(1), np.ones(1)))
    out = tmp_path / "gallery"
    chosen = {"effusion": Choice("gradcam", 16, 0.5, 0.1)}
    assert panels(seen, ["effusion"], chosen, out, count=1) == 2
    best, worst = (Image.open(out / f"effusion-{kind}-1.png") for kind in ("best", "worst"))
    assert best.size == worst.size == (4 * 320 + 3 * 6, 320)
    assert best.tobytes() != worst.tobytes()
    assert not panels(seen, ["edema"], chosen, tmp_path / "none", count=1)
