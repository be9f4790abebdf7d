"""Films with a bright square on dark ground: what looks at the square is right, what looks elsewhere is not."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from lungspot.detect import load_detector
from lungspot.findings import Box, Frame, Reading
from lungspot.formats.case import Case
from lungspot.study.choose import _for_choosing, choose_maps, pairs_of
from lungspot.study.compare import DIFFERENCE, NUMBERS, WAYS, ceiling, locate, measured, p_values
from lungspot.study.films import StudyFilm, look
from lungspot.study.heat_maps import GRID, MAPS
from lungspot.train.model import Network

LABELS = ("effusion", "edema", "nodule_mass")
FRAME = Frame(100, 100)


def bump(x, y, width=8):
    grid = np.arange(GRID)
    return np.exp(-(((grid[None] - x) / width) ** 2 + ((grid[:, None] - y) / width) ** 2))


def seen_film(number, *, ill, rng):
    """A film whose Grad-CAM at stride 16 lies on the true square, all other maps in the wrong corner."""
    x, y = rng.uniform(20, 60, 2)
    box = Box(x, y, x + 24, y + 24)
    true = Reading.of_boxes("set", FRAME, [("effusion", box)] if ill else [], ["effusion"])
    good, bad = bump((x + 12) * GRID / 100, (y + 12) * GRID / 100, 6), bump(2, 2)
    stack = {key: np.stack([good if key == ("gradcam", 16) else bad] * 3) for key in MAPS}
    corners = tuple(side / 100 for side in box.corners)
    return StudyFilm(
        Case(str(number), "set", f"p{number}", (true,), None, FRAME),
        true,
        {key: value.astype(np.float16) for key, value in stack.items()},
        np.stack([bad] * 3).astype(np.float16),
        (((corners, 0.9 if ill else 0.1),), (), ()),
        np.array([0.9 if ill else 0.1, 0, 0]),
        np.array([0.8 if ill else 0.2, 0, 0]),
    )


@pytest.fixture(scope="module")
def seen():
    rng = np.random.default_rng(0)
    return [seen_film(i, ill=i % 3 == 0, rng=rng) for i in range(30)]


def test_val_chooses_the_map_and_threshold_that_are_best(seen):
    chosen = choose_maps(seen, LABELS)
    assert set(chosen) == {"effusion"}  # the others have no box to choose by
    best = chosen["effusion"]
    assert (best.method, best.stride) == ("gradcam", 16)
    assert best.precision > 0.7
    assert best.per_method["gradcam"] == best.precision
    assert best.per_method["hirescam"] < 0.1
    assert choose_maps(seen, LABELS, control=True)["effusion"].method == "random"


def test_the_ways_are_measured_by_the_same_numbers(seen, model_file):
    detector = load_detector(model_file)
    ways = locate(seen, LABELS, choose_maps(seen, LABELS), choose_maps(seen, LABELS, control=True))
    table = measured(seen, ways, detector, resamples=30)
    assert set(table) == {*WAYS, DIFFERENCE}
    for rows in table.values():
        assert set(rows) == {"effusion", "mean"}
        assert set(rows["mean"]) == set(NUMBERS)
    boxes, heat, luck = (table[way]["effusion"] for way in WAYS)
    assert boxes["ap0.5"].value == pytest.approx(1.0)
    assert boxes["t_iou0.5"].value == boxes["hit"].value == heat["hit"].value == 1.0
    assert boxes["overlap"].value > heat["overlap"].value > luck["overlap"].value == 0
    assert luck["ap0.1"].value == luck["hit"].value == 0
    gap = table[DIFFERENCE]["effusion"]["ap0.5"]
    assert gap.value == pytest.approx(boxes["ap0.5"].value - heat["ap0.5"].value)
    assert gap.interval[0] <= gap.value <= gap.interval[1]
    low, high = heat["ap0.3"].interval
    assert low <= heat["ap0.3"].value <= high
    assert table["heat"]["mean"]["ap0.3"].value == heat["ap0.3"].value


def test_a_difference_that_chance_does_not_make_has_a_small_p_and_none_has_a_large_one(seen):
    luck = choose_maps(seen, LABELS, control=True)
    p = p_values(seen, locate(seen, LABELS, luck, luck), permutations=200)
    assert set(p) == {"effusion", "mean"}
    assert p["mean"] == p["effusion"] < 0.05
    heat = choose_maps(seen, LABELS)
    cuts = pairs_of(seen, 0, "effusion", heat["effusion"])
    boxes = [
        tuple((tuple(side / 100 for side in f.box.corners), f.score) for f in pair.found.findings) for pair in cuts
    ]
    alike = [replace(film, found=(of, (), ())) for film, of in zip(seen, boxes, strict=True)]
    assert p_values(alike, locate(alike, LABELS, heat, heat), permutations=200)["mean"] == 1.0


def test_a_box_below_its_threshold_is_still_the_detectors_best_where_the_label_is_given(seen, model_file):
    unsure = [replace(film, found=((tuple((box, 0.01) for box, _ in film.found[0])), (), ())) for film in seen]
    ways = locate(unsure, LABELS, choose_maps(seen, LABELS), choose_maps(seen, LABELS))
    table = measured(unsure, ways, load_detector(model_file), resamples=5)
    assert table["boxes"]["effusion"]["t_iou0.5"].value == 1.0


def test_a_maps_box_is_scored_by_the_films_probability(seen):
    pair = pairs_of(seen, 0, "effusion", choose_maps(seen, LABELS)["effusion"])[0]
    assert pair.found.of("effusion")[0].score == pytest.approx(0.8)


def test_films_are_looked_at_from_their_files(model_file, tiny, tmp_path):
    torch.manual_seed(0)
    network = Network(replace(tiny, labels=LABELS))
    cases = []
    for i in range(3):
        picture = np.full((80, 70), 30, np.uint8)
        picture[20:40, 10 + 10 * i : 30 + 10 * i] = 240
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
        true = Reading.of_boxes("set", Frame(70, 80), [("effusion", Box(10, 20, 30, 40))], ["effusion"])
        cases.append(Case(str(i), "set", f"p{i}", (true,), tmp_path / f"{i}.png", Frame(70, 80)))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no film")
    said = []
    cases.insert(1, replace(cases[0], id="broken", image=broken))
    detector = load_detector(model_file)
    films = look(cases, detector, network, 64, said.append)
    assert [line for line in said if "broken.png" in line and line.startswith("left out: ")]
    assert [film.case.id for film in films] == ["0", "1", "2"]
    for film in films:
        assert film.maps["gradcam", 16].shape == (3, GRID, GRID)
        assert film.maps["gradcam", 16][1].max() == 0  # nobody looked for edema: nothing was computed
        assert film.classified.shape == film.probability.shape == (3,)
        assert film.true.boxes("effusion")[0].corners == (10, 20, 30, 40)
        assert all(0 <= side <= 1 for boxes in film.found for box, _ in boxes for side in box)
        scores = [score for _, score in film.found[0]]
        assert scores == sorted(scores, reverse=True)
        for column, label in enumerate(LABELS):
            shown = [score for _, score in film.found[column] if score >= detector.card.threshold(label).box]
            assert len(film.agreement[column]) == len(shown)
    assert any(film.agreement[0] for film in films)
    assert (films[0].random != films[1].random).any()


def test_the_human_ceiling_is_people_by_each_other():
    one, two = Box(0, 0, 10, 10), Box(0, 0, 10, 8)
    readings = tuple(
        Reading.of_boxes(name, FRAME, [("effusion", box)] if box else [], ["effusion"])
        for name, box in (("R1", one), ("R2", two), ("R3", None))
    )
    found = ceiling([Case("a", "set", "p", readings, None, FRAME)], LABELS, resamples=5)
    assert set(found) == {"effusion"}
    assert found["effusion"]["t_iou0.5"].value == pytest.approx(0.5)  # four boxes to be found, R1 and R2 find two
    assert "ap0.5" not in found["effusion"]


def test_every_source_has_its_negatives_when_val_chooses(seen):
    """Films stand source by source: the first 300 of 599 would be of one."""
    absent = Reading.of_boxes("set", FRAME, [], ["effusion"])
    films = [replace(seen[1], true=absent, case=replace(seen[1].case, dataset="ab"[i // 400])) for i in range(599)]
    kept = [film.case.dataset for film in _for_choosing(films, "effusion")]
    assert len(kept) == 300
    assert kept.count("b") == pytest.approx(100, abs=2)
