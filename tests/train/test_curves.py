from lungspot.train.curves import draw_curves


def test_an_empty_run_has_no_curves(tmp_path):
    assert draw_curves(tmp_path) is None


def test_gaps_in_val_are_left_out(tmp_path):
    (tmp_path / "log.csv").write_text("minutes,score,box,image,loss\n1,1,1,1,3\n2,0.5,0.5,0.5,1.5\n")
    (tmp_path / "val.csv").write_text("minutes,map,auroc,ap/edema\n2,0.1,0.7,nan\n")
    assert draw_curves(tmp_path) == tmp_path / "curves.png"
