import csv
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as nnf
from PIL import Image

from lungspot.cli.app import run
from lungspot.errors import DatasetError, InputError, OutputError
from lungspot.train.gate import CLASSES, GateNet, fit_gate, judge_gate, learn_gate, load_gate, save_gate
from lungspot.train.gate_films import PACKED, SIZE, WHAT, GateFilms, equalise, pack_gate, sample_batch, sample_sides
from lungspot.train.sides import SideNet, fit_sides, judge_sides

OTHERS = ("lateral", "bone", "photo", "pediatric", "rotated_frontal")


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny batches on several threads wait more than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def table(path, columns, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Generated films (light from above, bright left edge) and others (stripes), laid out as the real ones are."""
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    films, others = [], []
    for index in range(24):
        y, x = np.mgrid[0:70, 0:60] / 70
        values = 200 * y + 50 * (x < 0.2) + random.normal(0, 4, (70, 60))
        name = f"films/{index}.png"
        (folder / "films").mkdir(exist_ok=True)
        Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(folder / name)
        films.append((name, index, "val" if index % 3 == 0 else "train", 70))
    for index in range(20):
        kind = OTHERS[index % len(OTHERS)]
        values = 120 + 100 * np.sin(np.arange(60) * (1 + index) / 5)[None] + random.normal(0, 4, (50, 60))
        name = f"{kind}/{index}.png"
        (folder / "ood" / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(folder / "ood" / name)
        others.append((name, kind, index, "test" if index >= 15 else "train", ""))
    (folder / "films" / "5.png").write_bytes(b"no film")
    table(folder / "splits.csv", ("image", "patient", "split", "stored_px"), films)
    table(folder / "ood" / "index.csv", ("image", "class", "group", "split", "terms"), others)
    return folder


@pytest.fixture(scope="module")
def films(root, tmp_path_factory):
    return pack_gate(root, tmp_path_factory.mktemp("cache") / "films.npz")[0]


def test_films_are_packed_once_and_broken_ones_named(root, tmp_path):
    films, refused = pack_gate(root, tmp_path / "films.npz")
    assert films.pixels.shape == (43, PACKED, PACKED)
    assert [error.code for error in refused] == ["NOT_AN_IMAGE"]
    again, _ = pack_gate(root, tmp_path / "films.npz", None)
    np.testing.assert_array_equal(again.pixels, films.pixels)
    assert len(films.of("val")) == 8
    assert len(films.of("test", "lateral")) == 1
    assert films.others == sorted(OTHERS)
    with pytest.raises(DatasetError, match="DATASET_NOT_FOUND"):
        pack_gate(tmp_path, tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("splits.csv", b"film,patient,split\nfilms/0.png,0,train\n", "DATASET_COLUMNS"),
        ("splits.csv", b"image,patient,split\nfilms/0.png,0,training\n", "DATASET_ROW"),
        ("splits.csv", b"image,patient,split\nfilms/0.png\n", "DATASET_ROW"),
        ("splits.csv", b"", "DATASET_COLUMNS"),
        ("ood/index.csv", b"image,kind,split\nbone/1.png,bone,train\n", "DATASET_COLUMNS"),
        ("ood/index.csv", b"image,class,split\nbone/1.png\n", "DATASET_ROW"),
        ("ood/index.csv", None, "DATASET_NOT_FOUND"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_by_name(root, tmp_path, name, text, code):
    data = tmp_path / "data"
    shutil.copytree(root, data)
    (data / name).unlink()
    if text is not None:
        (data / name).write_bytes(text)
    with pytest.raises(DatasetError, match=name) as caught:
        pack_gate(data, tmp_path / "films.npz")
    assert caught.value.code == code


def test_films_whose_names_are_no_unicode_are_packed_and_known_again(root, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(root, data)
    for name, folder in (("splits.csv", data), ("ood/index.csv", data / "ood")):
        rows = (data / name).read_bytes()
        old = rows.split(b"\n")[1].split(b",")[0].decode()
        new = old.replace(".png", "\udce9.png")
        (folder / old).rename(folder / new)
        (data / name).write_bytes(rows.replace(old.encode(), os.fsencode(new)))
    films, refused = pack_gate(data, tmp_path / "films.npz")
    assert (len(films.pixels), len(refused)) == (43, 1)
    assert len(pack_gate(data, tmp_path / "films.npz", None)[0].pixels) == 43


def test_a_cache_takes_the_place_of_a_cache_and_of_nothing_else(root, tmp_path):
    cache = tmp_path / "films.npz"
    pack_gate(root, cache)
    splits = root / "splits.csv"
    rows = splits.read_text()
    try:
        splits.write_text(rows.rstrip("\n").rpartition("\n")[0] + "\n")
        assert len(pack_gate(root, cache)[0].pixels) == 42  # a cache of other films
    finally:
        splits.write_text(rows)
    whole = cache.read_bytes()
    for length in (120, len(whole) // 2, len(whole) - 3):
        cache.write_bytes(whole[:length])
        assert len(pack_gate(root, cache)[0].pixels) == 43  # one that was cut
    np.savez(cache, pixels=np.zeros(1))
    for mine in (cache.read_bytes(), b'{"schema": "lungspot/1"}', b"lungspot.card", b'PK\3\4 "tested_on"', b""):
        cache.write_bytes(mine)
        with pytest.raises(OutputError, match="EXISTS"):
            pack_gate(root, cache)
        assert cache.read_bytes() == mine
    with pytest.raises(OutputError, match="IS_INPUT"):
        pack_gate(root, root / rows.split("\n")[1].split(",")[0])


def test_a_batch_holds_every_kind_and_asks_turn_and_polarity_of_frontal_films_only(films):
    random = np.random.default_rng(1)
    batch = sample_batch(films, 64, random)
    assert batch.images.shape == (64, 1, SIZE, SIZE)
    assert batch.images.min() >= 0
    assert batch.images.max() <= 1
    assert set(batch.what.tolist()) == set(range(len(WHAT)))
    assert not batch.known[batch.what != 0].any()
    assert batch.known.sum() >= 32
    assert set(batch.turn.tolist()) == {0, 1, 2, 3}
    assert set(batch.inverted.tolist()) == {0, 1}


def test_without_other_pictures_the_batch_is_of_films(films):
    alone = GateFilms(*(values[films.kinds == "film"] for values in (films.pixels, films.kinds, films.splits)))
    assert len(sample_batch(alone, 16, np.random.default_rng(0)).images) == 16


def test_equal_greys_are_what_prepare_makes(films):
    from lungspot.images import normalise  # noqa: PLC0415 - beside its only use

    film = films.pixels[0].astype(np.float32) / 255
    ours = equalise(torch.from_numpy(film)[None, None])[0, 0].numpy()
    np.testing.assert_allclose(ours, normalise(film), atol=2e-5)


def test_a_gate_learns_and_the_same_seed_gives_the_same_gate(films, tmp_path):
    losses = []
    net = fit_gate(films, steps=101, batch=4, watch=lambda _, loss: losses.append(loss))
    assert losses[-1] < losses[0]
    first, second = (fit_gate(films, steps=2, batch=8, seed=3).state_dict() for _ in range(2))
    for name, value in first.items():
        assert torch.equal(value, second[name])
    card = judge_gate(net, films)
    assert card.classes == CLASSES
    assert 0 <= card.thresholds["frontal"] <= 0.5
    assert card.tested_on["films of val"]["films"] == 8
    assert card.tested_on["films of test"] == {"films": 0}
    assert set(card.tested_on["out-of-distribution pictures of test, refused of all"]) == set(OTHERS)
    save_gate(tmp_path / "gate.npz", net, card)
    loaded, said = load_gate(tmp_path / "gate.npz", 160)
    assert said == card
    image = torch.rand(2, 1, 160, 160)
    small = nnf.interpolate(image, size=(SIZE, SIZE), mode="bilinear", align_corners=False, antialias=True)
    with torch.no_grad():
        torch.testing.assert_close(loaded(image), net(small), atol=1e-5, rtol=1e-4)


def test_the_probabilities_of_each_group_sum_to_one():
    found = GateNet(64)(torch.rand(3, 1, 64, 64))
    assert found.shape == (3, len(CLASSES))
    for part in (found[:, :5], found[:, 5:9], found[:, 9:]):
        torch.testing.assert_close(part.sum(1), torch.ones(3))


def test_no_training_film_is_an_error(films):
    empty = GateFilms(films.pixels[:0], films.kinds[:0], films.splits[:0])
    with pytest.raises(DatasetError, match="no training film"):
        fit_gate(empty, steps=1)


def test_the_verb_trains_and_says_how_it_did(root, tmp_path, capsys):
    out = tmp_path / "gate.npz"
    few = ("--steps", "2", "--side-steps", "2", "--quiet")
    assert run(["train-gate", "-o", str(out), "--data", str(root), *few]) == 0
    said = capsys.readouterr()
    assert "films of val" in said.out
    assert "told from mirror images" in said.out
    assert "5.png: NOT_AN_IMAGE" in said.err
    assert load_gate(out, 128)[1].classes == CLASSES


def test_mirror_images_are_learnt_beside_a_gate_that_is_kept(root, tmp_path):
    """The bright edge of these films is at the left: 15 steps tell it from the right."""
    first, second = tmp_path / "gate.npz", tmp_path / "again.npz"
    base = ["train-gate", "--data", str(root), "--cache", str(tmp_path / "films.npz"), "--quiet", "--steps", "2"]
    assert run([*base, "-o", str(first), "--side-steps", "1"]) == 0
    assert run([*base, "-o", str(second), "--keep", str(first), "--side-steps", "15"]) == 0
    (one, card), (two, again) = load_gate(first), load_gate(second)
    assert card == again  # judged anew on the same films, from the threshold that it had
    image = torch.rand(2, 1, SIZE, SIZE)
    with torch.no_grad():
        assert torch.equal(one(image), two(image))
        assert one.sides is not None
        assert two.sides is not None
        torch.testing.assert_close(two.sides(image), -two.sides(image.flip(3)))
    third = tmp_path / "third.npz"
    assert run([*base, "-o", str(third), "--keep", str(second), "--side-steps", "0"]) == 0
    kept = load_gate(third)[0].sides
    assert kept is not None
    with torch.no_grad():
        assert torch.equal(kept(image), two.sides(image))
    films, _ = pack_gate(root, tmp_path / "films.npz")
    assert judge_sides(two.sides, films)["val"] == 1.0


def test_a_gate_that_is_kept_stays_as_it_is_with_its_threshold(films, tmp_path, monkeypatch):
    monkeypatch.setattr("lungspot.train.small_nets._WATCHED", 1)
    told = []
    first = learn_gate(films, steps=2, side_steps=1, watch=lambda step, _: told.append(step))
    assert len(told) == 2 + 2  # steps of the gate, and of two networks for mirror images
    kept = replace(first.card, thresholds={**first.card.thresholds, "frontal": 0.25})
    save_gate(tmp_path / "gate.npz", first.net, kept)
    again = learn_gate(films, tmp_path / "gate.npz", steps=2, side_steps=2)
    assert again.card.thresholds["frontal"] == 0.25
    assert again.told_mirrored == judge_sides(again.net.sides, films)
    before, after = first.net.state_dict(), again.net.state_dict()
    changed = {name for name, value in before.items() if not torch.equal(after[name], value)}
    assert changed
    assert all(name.startswith("sides.") for name in changed)


def test_nothing_of_mirror_images_can_be_kept_where_nothing_is(films, tmp_path):
    with pytest.raises(InputError, match="keep nothing"):
        learn_gate(films, steps=1, side_steps=0)
    save_gate(tmp_path / "bare.npz", GateNet(), judge_gate(GateNet(), films))
    with pytest.raises(InputError, match="keep nothing"):
        learn_gate(films, tmp_path / "bare.npz", side_steps=0)


def test_a_gate_that_is_kept_is_judged_on_todays_films(films):
    net = GateNet()
    card = judge_gate(net, films, threshold=0.0)
    assert card.thresholds["frontal"] == 0.0
    assert card.tested_on["films of val"]["accepted"] == 1.0
    assert card.tested_on["films of val"]["films"] == len(films.of("val"))
    assert judge_gate(net, films).thresholds["frontal"] > 0


def test_mirror_images_are_looked_for_by_two_networks_in_three_sizes():
    torch.manual_seed(0)
    net = SideNet(count=2).eval()
    image = torch.rand(3, 1, SIZE, SIZE)
    with torch.no_grad():
        small = image * 4 - 2
        sizes = [small, *(zoom @ small @ zoom.T for zoom in net.zooms[1:])]
        alone = torch.stack([network(one)[:, 0] for network in net.networks for one in sizes])
        torch.testing.assert_close(net(image), alone.mean(0))
    middle = torch.zeros(1, 1, SIZE, SIZE)
    middle[..., 40:56, 40:56] = 1
    larger, smaller = ((zoom @ middle @ zoom.T).sum() / middle.sum() for zoom in net.zooms[1:])
    assert larger == pytest.approx(1.12**2, abs=0.02)
    assert smaller == pytest.approx(0.92**2, abs=0.02)


def test_the_two_that_know_mirror_images_learn_from_draws_of_their_own(films):
    one, two = fit_sides(films, steps=2, seed=4).networks
    assert not torch.equal(one.head.weight, two.head.weight)
    torch.testing.assert_close(fit_sides(films, steps=2, seed=5).networks[0].head.weight, two.head.weight)


def test_a_gate_of_a_time_when_one_network_knew_mirror_images_is_read(films, tmp_path):
    net = GateNet()
    net.sides = SideNet(count=1)
    save_gate(tmp_path / "today.npz", net, judge_gate(net, films))
    with np.load(tmp_path / "today.npz") as packed:
        older = {name.replace("sides.networks.0.", "sides."): packed[name] for name in packed.files}
    np.savez(tmp_path / "older.npz", **older)
    assert "sides.head.weight" in older
    read = load_gate(tmp_path / "older.npz")[0].sides
    assert read is not None
    torch.testing.assert_close(read.networks[0].head.weight, net.sides.networks[0].head.weight)


def test_half_of_the_films_that_teach_sides_are_mirrored(films):
    images, mirrored = sample_sides(films, 64, np.random.default_rng(0))
    assert images.shape == (64, 1, SIZE, SIZE)
    assert images.min() >= 0
    assert images.max() <= 1
    assert 16 <= mirrored.sum() <= 48
    left, right = images[:, 0, :, : SIZE // 3].mean((1, 2)), images[:, 0, :, -SIZE // 3 :].mean((1, 2))
    assert (left - right)[~mirrored].mean() > (left - right)[mirrored].mean() + 0.02
