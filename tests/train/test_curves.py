import sys

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from lungspot.train.curves import _columns, _draw, draw_curves

LOG = "minutes,score,box,image,loss\n1,1,1,1,3\n2,0.5,0.4,0.3,1.5\n3,0.2,0.2,0.2,1\n"
HEAD = "minutes,map,auroc,ap/edema,ap/effusion,auroc/edema\n"
VAL = HEAD + "1,0.1,0.7,nan,nan,0.7\n2,0.2,0.8,nan,0.3,0.8\n3,0.3,0.9,nan,nan,0.9\n"


def lines(axes):
    """Return what is drawn: name → its points."""
    return {line.get_label(): np.transpose(line.get_data()).tolist() for line in axes.get_lines()}


def test_an_empty_run_has_no_curves(tmp_path):
    assert draw_curves(tmp_path) is None


def test_the_curves_are_the_numbers_and_gaps_are_left_out(tmp_path):
    (tmp_path / "log.csv").write_text(LOG)
    (tmp_path / "val.csv").write_text(VAL)
    figure = Figure()
    _draw(figure, _columns(tmp_path / "log.csv"), _columns(tmp_path / "val.csv"))
    losses, val = map(lines, figure.axes)
    assert losses["loss"] == [[1, 3], [2, 1.5], [3, 1]]
    assert losses["image"] == [[1, 1], [2, 0.3], [3, 0.2]]
    assert val["map"] == [[1, 0.1], [2, 0.2], [3, 0.3]]
    assert val["ap/effusion"] == [[2, 0.3]]  # the others were not measured
    assert set(val) == {"map", "auroc", "ap/effusion"}  # edema has no point at all; AUROC of labels is not drawn
    said = [(axes.get_xlabel(), axes.get_ylabel(), axes.get_legend() is not None) for axes in figure.axes]
    assert said == [("minutes", "training loss", True), ("minutes", "val: AP at IoU 0.4, AUROC", True)]
    assert figure.axes[1].get_ylim() == (0, 1)


def test_where_val_measured_nothing_there_is_a_picture_without_its_legend(tmp_path):
    (tmp_path / "log.csv").write_text(LOG)
    (tmp_path / "val.csv").write_text(HEAD + "1,nan,nan,nan,nan,nan\n")
    assert draw_curves(tmp_path) == tmp_path / "curves.png"  # matplotlib warned of an empty legend


def test_without_matplotlib_there_is_no_picture(tmp_path, monkeypatch):
    (tmp_path / "log.csv").write_text(LOG)
    for name in [each for each in sys.modules if each.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert draw_curves(tmp_path) is None
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


def test_a_run_gets_its_picture(tmp_path):
    (tmp_path / "log.csv").write_text(LOG)
    assert draw_curves(tmp_path) == tmp_path / "curves.png"  # val comes later
    before = np.asarray(Image.open(tmp_path / "curves.png"))
    (tmp_path / "val.csv").write_text(VAL)
    draw_curves(tmp_path)
    after = np.asarray(Image.open(tmp_path / "curves.png"))
    assert (before != after).any()
