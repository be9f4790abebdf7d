import csv
from dataclasses import replace

import pytest
import torch

from lungspot.errors import InputError
from lungspot.train import loop
from lungspot.train.curves import draw_curves
from lungspot.train.data import Films
from lungspot.train.loop import load_checkpoint, train
from lungspot.train.run_folder import append_row, forget_after


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_learns_and_leaves_its_folder(tiny, generated_films, tmp_path):
    told = []
    end = train(replace(tiny, steps=50, rate=1e-2), generated_films, tmp_path, facts={"data": "x"}, say=told.append)
    log = rows(tmp_path / "log.csv")
    assert [int(row["step"]) for row in log] == [25, 50]
    assert float(log[1]["loss"]) < float(log[0]["loss"])
    assert rows(tmp_path / "val.csv")[0]["step"] == "50"
    assert len(rows(tmp_path / "losses.csv")) == 50
    assert {path.name for path in tmp_path.iterdir()} == {
        *("config.json", "run.json", "log.csv", "losses.csv", "val.csv", "last.pt"),
    }
    assert any(line.startswith("val at step 50: mAP@0.4") for line in told)
    assert (end.step, end.progress) == (50, 1.0)
    kept = load_checkpoint(tmp_path)
    assert (kept.config.steps, kept.step) == (50, 50)
    for name, value in end.network.state_dict().items():
        assert torch.equal(kept.network.state_dict()[name], value)
    picture = draw_curves(tmp_path)
    assert picture is not None
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_rerun_gives_the_same_losses(tiny, generated_films, tmp_path):
    for name in "ab":
        train(tiny, generated_films, tmp_path / name)
    assert (tmp_path / "a" / "losses.csv").read_text() == (tmp_path / "b" / "losses.csv").read_text()
    train(replace(tiny, seed=1), generated_films, tmp_path / "c")
    assert (tmp_path / "a" / "losses.csv").read_text() != (tmp_path / "c" / "losses.csv").read_text()


def test_a_stopped_run_goes_on_as_if_it_had_not_been(tiny, generated_films, tmp_path, monkeypatch):
    train(tiny, generated_films, tmp_path / "whole")

    class StoppedError(Exception):
        pass

    step = loop._step

    def until_three(run, done):
        if run.step == 3:
            raise StoppedError
        return step(run, done)

    config = replace(tiny, checkpoint_minutes=0.0)
    monkeypatch.setattr(loop, "_step", until_three)
    with pytest.raises(StoppedError):
        train(config, generated_films, tmp_path / "parts")
    assert load_checkpoint(tmp_path / "parts").step == 3
    monkeypatch.setattr(loop, "_step", step)
    train(config, generated_films, tmp_path / "parts", resume=True)
    assert (tmp_path / "whole" / "losses.csv").read_text() == (tmp_path / "parts" / "losses.csv").read_text()


class KilledError(Exception):
    """Stands for a kill."""


def test_what_a_killed_run_did_after_its_checkpoint_is_written_once(tiny, generated_films, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "LOG_EVERY", 5)
    config = replace(tiny, checkpoint_minutes=0.0, steps=10)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(config, generated_films, whole)
    step, save = loop._step, loop._save

    def until_six(run, done):
        if run.step == 6:
            raise KilledError
        return step(run, done)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_step", until_six)
        patch.setattr(loop, "_save", lambda run, done: save(run, done) if run.step <= 3 else None)
        with pytest.raises(KilledError):
            train(config, generated_films, parts)
    assert [row["step"] for row in rows(parts / "log.csv")] == ["5"]
    train(config, generated_films, parts, resume=True)
    assert (whole / "losses.csv").read_text() == (parts / "losses.csv").read_text()
    first, second = rows(parts / "log.csv")
    assert (first["step"], second["step"]) == ("5", "10")
    said = [float(row["loss"]) for row in rows(parts / "losses.csv")]
    assert float(first["loss"]) == pytest.approx(sum(said[3:5]) / 2, abs=1e-4)  # of the steps since the checkpoint
    assert second["loss"] == rows(whole / "log.csv")[1]["loss"]


def test_a_row_that_a_kill_cut_short_is_forgotten(tmp_path):
    table = tmp_path / "log.csv"
    table.write_text("step,loss\r\n1,3.5\r\n2,3.25\r\n3\r\n", "utf-8")
    forget_after(table, 2)
    assert table.read_bytes() == b"step,loss\r\n1,3.5\r\n2,3.25\r\n"
    forget_after(table, 0)
    assert rows(table) == []
    forget_after(tmp_path / "none.csv", 0)
    table.write_bytes(b"")
    forget_after(table, 0)


def test_a_table_that_was_killed_before_its_head_has_one_again(tmp_path):
    table = tmp_path / "log.csv"
    table.write_text("", "utf-8")
    forget_after(table, 5)
    append_row(table, {"step": 6, "loss": 1.5})
    assert table.read_text("utf-8").split() == ["step,loss", "6,1.5"]
    table.write_text("step,loss\r\n1,3.5\r\nx,2\r\n", "utf-8")
    forget_after(table, 5)
    assert table.read_text("utf-8").split() == ["step,loss", "1,3.5"]


def test_a_checkpoint_that_was_not_finished_leaves_the_one_before(tiny, generated_films, tmp_path, monkeypatch):
    config = replace(tiny, checkpoint_minutes=0.0)
    save = torch.save

    def half(state, path):
        save(state, path)
        if state["step"] == 4:
            data = path.read_bytes()
            path.write_bytes(data[: len(data) // 2])
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", half)
        with pytest.raises(KilledError):
            train(config, generated_films, tmp_path)
    assert load_checkpoint(tmp_path).step == 3
    assert train(config, generated_films, tmp_path, resume=True).step == tiny.steps
    assert not (tmp_path / "last.tmp").exists()


@pytest.mark.parametrize(
    ("change", "facts", "code"),
    [({"seed": 9}, {"data": ""}, "BAD_VALUE"), ({}, {"data": "others"}, "BAD_VALUE"), (None, {}, "NOT_FOUND")],
)
def test_resume_refuses(tiny, generated_films, tmp_path, change, facts, code):
    if change is not None:
        train(replace(tiny, steps=1), generated_films, tmp_path)
    with pytest.raises(InputError) as caught:
        train(replace(tiny, steps=1, **(change or {})), generated_films, tmp_path, resume=True, facts=facts)
    assert caught.value.code == code


def test_a_step_that_is_not_finite_is_left_out(tiny, generated_films, tmp_path, monkeypatch):
    losses = loop.losses

    def broken(*arguments):
        return {name: value * float("nan") for name, value in losses(*arguments).items()}

    monkeypatch.setattr(loop, "losses", broken)
    end = train(replace(tiny, steps=2), generated_films, tmp_path)
    assert all(torch.isfinite(value).all() for value in end.network.state_dict().values())


def test_a_run_may_begin_with_another(tiny, generated_films, tmp_path):
    first = train(tiny, generated_films, tmp_path / "first")
    still = replace(tiny, steps=1, rate=1e-12, final_rate=1e-12, ema=0.999)
    second = train(still, generated_films, tmp_path / "second", begin=tmp_path / "first")
    for name, value in first.network.named_parameters():
        torch.testing.assert_close(second.network.get_parameter(name), value, atol=1e-6, rtol=0)
    with pytest.raises(InputError, match="another shape"):
        train(replace(still, neck=64), generated_films, tmp_path / "third", begin=tmp_path / "first")


def test_only_what_is_to_learn_learns(tiny, generated_films, tmp_path):
    first = train(replace(tiny, anatomy=False), generated_films, tmp_path / "first")
    config = replace(tiny, learn=("anatomy",), outlined_share=0.5, steps=30, rate=1e-2)
    end = train(config, generated_films, tmp_path / "second", begin=tmp_path / "first")
    before, after = first.network.state_dict(), end.network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    rows_ = rows(tmp_path / "second" / "losses.csv")
    assert float(rows_[-1]["loss"]) < float(rows_[0]["loss"])
    for wrong, match in (({"learn": ("nose",)}, "no part"), ({"outlined_share": 0.5}, "no film of train has outlines")):
        bare = Films(tuple(replace(film, outlines=None) for film in generated_films.films), generated_films.pixels)
        with pytest.raises(InputError, match=match):
            train(replace(tiny, **wrong), bare, tmp_path / "third")
