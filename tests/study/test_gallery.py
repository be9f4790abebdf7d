import numpy as np
import pytest
from PIL import Image

from lungspot.findings import Box, Frame, Reading
from lungspot.formats.case import Case
from lungspot.study.choose import MapChoice
from lungspot.study.compare import locate
from lungspot.study.films import StudyFilm
from lungspot.study.gallery import panels
from lungspot.study.heat_maps import GRID

HEAT = {"effusion": MapChoice("gradcam", 16, 0.5, 0.1)}
SIDE, GAP = 320, 6


@pytest.fixture
def seen(tmp_path):
    """Three films, each grey by its number, whose truth the detector's best box covers less and less."""
    frame, films = Frame(100, 100), []
    for i in range(3):
        Image.fromarray(np.tile(np.linspace(0, 250, 100).astype(np.uint8), (100, 1))).rotate(90 * i).save(
            tmp_path / f"{i}.png"
        )
        true = Reading.of_boxes("r", frame, [("effusion", Box(10, 10, 40, 40))], ["effusion"])
        heat = np.zeros((1, GRID, GRID), np.float16)
        heat[0, 5:15, 5:15] = 1
        box = (0.1 + 0.1 * i, 0.1, 0.4 + 0.1 * i, 0.4)
        case = Case(str(i), "s", f"p{i}", (true,), tmp_path / f"{i}.png", frame)
        films.append(StudyFilm(case, true, {("gradcam", 16): heat}, heat, (((box, 0.9),),), np.ones(1), np.ones(1)))
    return films


def column_of_box(picture, place):
    """The x, in hundredths of the film, of the first coloured column of the picture in this place."""
    left = place * (SIDE + GAP)
    part = np.asarray(picture.convert("RGB"), int)[:, left : left + SIDE]
    coloured = (part.max(2) - part.min(2) > 40).any(0)
    return round(100 * int(coloured.argmax()) / SIDE)


def test_best_and_worst_of_each_label_side_by_side(seen, tmp_path):
    out = tmp_path / "gallery"
    assert panels(seen, locate(seen, ["effusion"], HEAT, HEAT), out, count=1) == 2
    best, worst = (Image.open(out / f"effusion-{kind}-1.png") for kind in ("best", "worst"))
    assert best.size == worst.size == (4 * SIDE + 3 * GAP, SIDE)
    assert column_of_box(best, 2) == pytest.approx(10, abs=1)  # film 0: the detector's box is the true one
    assert column_of_box(worst, 2) == pytest.approx(30, abs=1)  # film 2: a third of the true one
    assert [column_of_box(picture, 3) for picture in (best, worst)] == [pytest.approx(10, abs=1)] * 2  # the truth


def test_the_worst_come_worst_first_and_every_film_is_in_both_lists(seen, tmp_path):
    assert panels(seen, locate(seen, ["effusion"], HEAT, HEAT), tmp_path, count=3) == 6
    for kind, places in (("best", (10, 20, 30)), ("worst", (30, 20, 10))):
        shown = [column_of_box(Image.open(tmp_path / f"effusion-{kind}-{n}.png"), 2) for n in (1, 2, 3)]
        assert shown == [pytest.approx(place, abs=1) for place in places], kind


def test_a_label_without_a_map_has_no_picture(seen, tmp_path):
    assert not panels(seen, locate(seen, ["edema"], HEAT, HEAT), tmp_path / "none", count=1)
