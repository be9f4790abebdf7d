"""An earlier film laid on this one, as it is stored: in a mirror, turned, or without a word about it."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from lungspot.detect import Anatomy
from lungspot.findings import Box, State
from lungspot.images import Orientation
from lungspot.report import before_film, document, laid_on, observations, statement, thumbnail_of

PLACE = ("effusion", (0.15, 0.6, 0.4, 0.8), 0.9)
OTHER = ("effusion", (0.6, 0.6, 0.85, 0.8), 0.9)  # where a mirror has it


def chest():
    """Two dark lungs of unlike size, and clutter, 300 high and 200 wide."""
    rng = np.random.default_rng(1)
    ys, xs = np.mgrid[:300, :200] / 300
    lungs = sum(np.exp(-(((xs - x) / 0.11) ** 2 + ((ys - 0.5) / tall) ** 2)) for x, tall in ((0.18, 0.3), (0.48, 0.22)))
    clutter = Image.fromarray(rng.random((30, 20), dtype=np.float32)).resize((200, 300), Image.Resampling.BICUBIC)
    return np.clip(0.7 - 0.45 * lungs + 0.2 * (np.asarray(clutter) - 0.5), 0, 1).astype(np.float32)


@pytest.fixture
def film(make):
    """A function that makes the chest's result: as stored, and what its file says."""

    def result(pixels, facing=("L", "F"), turns=0, heart=None, **how):
        made = make(pixels.shape[1], pixels.shape[0], **how)
        radiograph = dataclasses.replace(made.radiograph, pixels=pixels, orientation=Orientation(*facing))
        seen = None if heart is None else Anatomy(None, None, None, None, heart == "left")
        return dataclasses.replace(made, radiograph=radiograph, quarter_turns=turns, anatomy=seen)

    return result


def moved(aligned, x, y):
    return np.array(aligned.alignment.matrix) @ (x, y, 1)


@pytest.mark.parametrize("kept", [False, True])
def test_a_film_stored_in_a_mirror_is_turned_round(film, kept):
    """It was laid on as it was stored: the right place was followed as the left one."""
    now, then = film(chest(), boxes=[PLACE]), film(chest()[:, ::-1].copy(), ("R", "F"), boxes=[OTHER])
    aligned = laid_on(now, then, small_then=thumbnail_of(then) if kept else None)
    assert aligned.alignment.correlation > 0.9
    assert moved(aligned, 50, 210) == pytest.approx((150, 210), abs=2)
    (change,) = before_film(now, then, aligned=aligned).against(observations(now, statement(now))).every[:1]
    assert (str(change.word), change.marked) == ("same", "both")
    assert change.then.corners == pytest.approx(change.now.box.corners, abs=3)


def test_one_that_lies_on_its_side_in_a_mirror_is_turned_round(film):
    side = np.rot90(chest(), -1)
    now = film(side.copy(), ("H", "L"), turns=1)
    assert laid_on(now, now).alignment.matrix[1][1] == pytest.approx(1, abs=0.02)
    then = film(side[::-1].copy(), ("H", "R"), turns=1)
    aligned = laid_on(now, then)
    assert aligned.alignment.correlation > 0.9
    assert moved(aligned, 90, 50) == pytest.approx((90, 150), abs=2)


@pytest.mark.parametrize("facing", [("L", "F"), (None, None)])
def test_films_that_lie_alike_are_not_turned_round(film, facing):
    aligned = laid_on(film(chest(), facing), film(chest(), facing))
    assert moved(aligned, 50, 210) == pytest.approx((50, 210), abs=1)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (((None, None), "right"), ((None, None), "left")),  # two pictures
        (((None, None), None), (("R", "F"), "left")),
        ((("L", "F"), "right"), (("L", "F"), "left")),  # its file says so, its heart does not
    ],
)
@pytest.mark.parametrize("mirror", [False, True])
def test_where_only_hearts_say_so_the_better_of_both_counts(film, mine, theirs, mirror):
    now, pixels = film(chest(), mine[0], heart=mine[1]), chest()[:, ::-1] if mirror else chest()
    aligned = laid_on(now, film(pixels.copy(), theirs[0], heart=theirs[1]))
    assert moved(aligned, 50, 210) == pytest.approx((150 if mirror else 50, 210), abs=2)


def test_what_was_turned_otherwise_is_not_laid_on(film):
    assert laid_on(film(chest()), film(chest(), ("H", "L"), turns=1)) is None


def test_a_box_keeps_its_size_through_a_mirror(film):
    now, then = film(chest()), film(chest()[:, ::-1].copy(), ("R", "F"))
    box = laid_on(now, then).alignment.box(Box(20, 50, 60, 80))
    assert box.corners == pytest.approx((140, 50, 180, 80), abs=3)


def test_what_one_film_shows_as_a_whole_and_one_at_a_place_is_told_once(film):
    """Of an earlier place nothing was said where this film shows the like as a whole."""
    now, then = film(chest(), boxes=[]), film(chest(), boxes=[PLACE])
    states = {**now.reading.states, "effusion": State.PRESENT}
    shown = tuple(
        dataclasses.replace(each, score=0.9 if each.label == "effusion" else 0.1) for each in now.reading.findings
    )
    now = dataclasses.replace(now, reading=dataclasses.replace(now.reading, states=states, findings=shown))
    for aligned, expected in ((laid_on(now, then), [("same", 1)]), (None, [("both", 1)])):
        changes = document(now, before=before_film(now, then, aligned=aligned))["report"]["changes"]
        assert [(each["word"], each["earlier_place"]) for each in changes["every"]] == expected
