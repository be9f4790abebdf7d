"""A word for each place: from where it is marked, how its box grew, and what the pictures say."""

import dataclasses

import numpy as np
import pytest

from lungspot.detect import Thresholds
from lungspot.findings import Box, Frame, Side
from lungspot.images import Alignment, Difference
from lungspot.report import Before, Observation, before_film
from lungspot.report.changes import Aligned, ChangeWord, changes
from lungspot.report.statement import Name

HERE, BIG, SMALL, ELSEWHERE = Box(20, 20, 40, 40), Box(18, 18, 42, 42), Box(25, 25, 37, 37), Box(70, 60, 90, 80)
SHIFT = Alignment(((1, 0, 5), (0, 1, 5)), 0.8)


def line(label, box, place=1, side=None):
    names = (Name(label, 0.8, 0.8, positive=True),)
    return Observation(names, judged=False, boxed=box is not None, box=box, place=place if box else None, side=side)


def then(box):
    """A box of the earlier film, which lies 5 pixels further to the left and up."""
    return None if box is None else Box(box.x0 - 5, box.y0 - 5, box.x1 - 5, box.y1 - 5)


def aligned(box=None, surprise=0.0, **more):
    """Two films that differ by so much in a box, and by noise with a deviation of 0.02 elsewhere."""
    greys = np.random.default_rng(0).normal(0, 0.001, (100, 100)).astype(np.float32)
    if box is not None:
        greys[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)] = 0.0205 * surprise
    return Aligned(SHIFT, Difference(greys, np.ones((100, 100), bool), Frame(100, 100)), **more)


@pytest.mark.parametrize(
    ("now", "before", "seen", "word"),
    [
        (HERE, None, 6, "new"),
        (HERE, None, 1.5, "unsure"),
        (HERE, None, 0.2, "same"),
        (HERE, None, -6, "smaller"),
        (None, HERE, -6, "gone"),
        (None, HERE, -1.5, "unsure"),
        (None, HERE, 0, "same"),
        (None, HERE, 6, "larger"),
        (HERE, HERE, 0, "same"),
        (BIG, HERE, 0, "same"),
        (BIG, HERE, 1.5, "larger"),
        (HERE, HERE, 1.5, "same"),
        (HERE, HERE, 4, "larger"),
        (SMALL, HERE, -1.5, "smaller"),
        (SMALL, HERE, 1.5, "same"),
        (HERE, HERE, -4, "smaller"),
    ],
)
def test_boxes_and_pictures_make_a_word(now, before, seen, word):
    where = max((box for box in (now, before) if box), key=lambda box: box.area)
    lines = [line("pneumonia", now)] if now else []
    earlier = [line("pneumonia", then(before))] if before else []
    (change,) = changes(lines, earlier, aligned(where, seen)).every
    assert (str(change.word), change.marked) == (word, "both" if now and before else "now" if now else "before")
    assert change.then == (None if before is None else before)
    if now and before:
        assert change.ratio == pytest.approx(now.area / before.area)


@pytest.mark.parametrize(("now", "before", "sign", "word"), [(HERE, None, 1, "larger"), (None, HERE, -1, "smaller")])
def test_a_rim_that_differs_is_a_size_even_where_only_one_film_is_marked(now, before, sign, word):
    films = aligned(HERE, 12 * sign)
    films.difference.greys[23:37, 23:37] = 0
    lines = [line("pneumonia", now)] if now else []
    (change,) = changes(lines, [line("pneumonia", then(before))] if before else [], films).every
    assert str(change.word) == word


@pytest.mark.parametrize(("seen", "word"), [(6, "smaller"), (-6, "larger")])
def test_air_makes_a_film_darker(seen, word):
    lines = [line("emphysema", HERE)], [line("emphysema", then(HERE))]
    assert changes(*lines, aligned(HERE, seen)).every[0].word is ChangeWord(word)
    alone = changes(lines[0], (), aligned(HERE, -6)).every[0]
    assert alone.word is ChangeWord.NEW


def test_the_nearest_of_a_group_is_matched_and_each_once():
    now = [line("pneumonia", HERE, 1), line("covid19", ELSEWHERE, 2), line("effusion", HERE, 3)]
    before = [line("tuberculosis", then(ELSEWHERE), 7), line("covid19", then(BIG), 8), line("covid19", then(HERE), 9)]
    found = changes(now, before, aligned()).every
    pairs = [(each.now and each.now.place, each.before and each.before.place) for each in found]
    assert pairs == [(1, 9), (2, 7), (3, None), (None, 8)]


BESIDE = Box(20, 32, 40, 62)  # meets HERE: an IoU of .19


@pytest.mark.parametrize(
    ("now", "before", "seen", "rim", "words"),
    [
        (HERE, BESIDE, 4, False, ["new", "same"]),
        (BESIDE, HERE, -4, False, ["same", "gone"]),
        (HERE, BESIDE, 12, True, ["larger"]),
        (HERE, BESIDE, 0, False, ["same"]),
        (HERE, BIG, 6, False, ["larger"]),  # one place: they lie on each other
    ],
)
def test_a_place_all_of_which_is_new_is_not_the_one_beside_it(now, before, seen, rim, words):
    """A new opacity beside an old one was called larger, one that went smaller: their frames met."""
    films = aligned(HERE, seen)
    if rim:
        films.difference.greys[23:37, 23:37] = 0
    found = changes([line("pneumonia", now)], [line("covid19", then(before))], films).every
    assert [str(each.word) for each in found] == words


@pytest.mark.parametrize(
    ("now", "then_", "matched"),
    [("left", "right", False), ("left", "left", True), ("left", None, True), ("left", "bilateral", True)],
)
def test_places_of_two_sides_of_the_patient_are_never_one(now, then_, matched):
    lines = [line("pneumonia", HERE, 1, Side(now))], [line("pneumonia", then(HERE), 4, then_ and Side(then_))]
    assert [each.marked for each in changes(*lines, aligned()).every] == (["both"] if matched else ["now", "before"])


@pytest.mark.parametrize(("seen", "word"), [(-6, "gone"), (0, "same"), (6, "larger")])
def test_a_place_has_a_word_where_the_other_film_shows_the_like_as_a_whole(seen, word):
    """Of an earlier place nothing was said where this film shows its group without one; one is told, as the place."""
    film, place = [line("pneumonia", None)], [line("pneumonia", then(HERE))]
    (change,) = changes(film, place, aligned(HERE, seen)).every
    assert (str(change.word), change.marked) == (word, "before")
    (change,) = changes([line("pneumonia", HERE)], film, aligned(HERE, -seen)).every
    assert str(change.word) == {"gone": "new", "larger": "smaller"}.get(word, word)
    every = changes(film, [*place, *film], aligned(HERE, seen)).every
    assert [(str(each.word), each.marked) for each in every] == [("both", "both"), (word, "before")]


@pytest.mark.parametrize("places", [1, 2])
def test_without_an_alignment_the_film_as_a_whole_may_be_any_of_its_places(places):
    film = [line("pneumonia", None)]
    some = [line("pneumonia", box, number) for number, box in enumerate((HERE, ELSEWHERE)[:places], 1)]
    assert {str(each.word) for each in changes(film, some).every} == {"both"}
    assert {str(each.word) for each in changes(some, film).every} == {"both"}


@pytest.mark.parametrize("surprise", [0, 6])
@pytest.mark.parametrize("grows", [False, True])
def test_a_place_within_the_other_is_the_same_place(grows, surprise):
    """One that grew fourfold was new, and lost the UID that it is followed by."""
    wide = Box(10, 10, 50, 50)
    now, before = (wide, HERE) if grows else (HERE, wide)
    films = aligned(wide, surprise * (1 if grows else -1))
    films.difference.greys[20:40, 20:40] *= surprise == 6
    (change,) = changes([line("pneumonia", now, 1)], [line("pneumonia", then(before), 7)], films).every
    assert (change.marked, change.follows) == ("both", 7)
    assert str(change.word) == ("same" if not surprise else "larger" if grows else "smaller")


def test_a_place_of_the_earlier_film_that_this_one_does_not_show_is_undecided():
    (change,) = changes([], [line("pneumonia", Box(105, 20, 125, 40))], aligned(Box(90, 20, 100, 50), -6)).every
    assert change.word is ChangeWord.UNSURE


def test_without_a_place_or_an_alignment_sides_decide_and_nothing_grows():
    now, before = [line("pneumonia", HERE, side="left")], [line("covid19", then(ELSEWHERE), side="left")]
    assert [each.word for each in changes(now, before).every] == [ChangeWord.BOTH]
    film = [line("pneumonia", None)]
    assert [each.word for each in changes(film, film, aligned()).every] == [ChangeWord.BOTH]
    assert [each.word for each in changes(film, [], aligned()).every] == [ChangeWord.NEW]
    near = aligned(almost_then=frozenset({"opacity"}), almost=frozenset({"opacity"}))
    assert [each.word for each in changes(film, [], near).every] == [ChangeWord.UNSURE]
    assert [each.word for each in changes([], film, near).every] == [ChangeWord.UNSURE]
    assert [each.word for each in changes(film, [line("effusion", None)]).every] == [ChangeWord.NEW, ChangeWord.GONE]


def test_a_place_keeps_the_uid_of_the_earlier_film():
    lines = [line("pneumonia", HERE, 1), line("effusion", ELSEWHERE, 2)]
    earlier = (line("pneumonia", then(HERE), 4), line("nodule_mass", then(ELSEWHERE), 5))
    before = Before(3, earlier, aligned(), {4: "1.4", 5: "1.5"}, {1: "2.1", 2: "2.2"})
    assert [before.uid_of(each) for each in before.against(lines).every] == ["1.4", "2.2", "1.5"]
    assert before.against(None) is None
    assert dataclasses.replace(before, lines=None).against(lines) is None


@pytest.mark.parametrize(("seen", "lines_then"), [(None, 1), (None, 3), (aligned(), 1)])
def test_no_two_places_are_followed_by_one_uid(seen, lines_then):
    """Without an alignment every place of a kind had the first one's UID, and what was left of the earlier no word."""
    boxes = (HERE, ELSEWHERE, Box(60, 10, 68, 18))
    lines = [line("nodule_mass", box, number, Side.LEFT) for number, box in enumerate(boxes[:2], 1)]
    earlier = tuple(line("nodule_mass", then(box), number, Side.LEFT) for number, box in enumerate(boxes, 7))
    before = Before(3, earlier[:lines_then], seen, {7: "1.7", 8: "1.8", 9: "1.9"}, {1: "2.1", 2: "2.2"})
    found = before.against(lines).every
    uids = [before.uid_of(each) for each in found]
    assert len(set(uids)) == len(uids) == max(2, lines_then)
    if seen is None:
        words = ["both", "unsure"] if lines_then == 1 else ["both", "both", "unsure"]
        assert [str(each.word) for each in found] == words
    assert [each.marked for each in changes(earlier[:2], lines[:1]).every] == ["both", "now"]


def test_of_two_places_without_an_alignment_sides_come_first():
    left, right, unknown = (line("effusion", HERE, 1, side) for side in (Side.LEFT, Side.RIGHT, None))
    found = changes([unknown, left], [left, right]).every
    assert [(each.now, each.before, str(each.word)) for each in found] == [
        (unknown, right, "both"),
        (left, left, "both"),
    ]
    found = changes([left, unknown], [right]).every
    assert [str(each.word) for each in found] == ["new", "both"]


def test_two_places_that_were_one_are_not_followed_by_one_uid():
    """An earlier place of two kinds, which lie at two places now: both had its UID."""
    lines = [line("pneumonia", HERE, 1), line("effusion", BIG, 2)]
    earlier = (line("pneumonia", then(HERE), 7), line("effusion", then(HERE), 7))
    for seen in (None, aligned()):
        before = Before(3, earlier, seen, {7: "1.7"}, {1: "2.1", 2: "2.2"})
        assert [before.uid_of(each) for each in before.against(lines).every] == ["1.7", "2.2"]
    film = Before(3, earlier[:1], None, {7: "1.7"})
    assert film.uid_of(film.against([line("pneumonia", None)]).every[0]) is None


def test_two_places_that_are_one_now_are_followed_by_one_uid():
    """JSON named both UIDs at the one place, its report one; a label that left a place had the UID of what is there."""
    lines = [line("pneumonia", HERE, 1), line("effusion", HERE, 1)]
    earlier = (line("pneumonia", then(HERE), 7), line("effusion", then(BIG), 8))
    for seen in (None, aligned()):
        before = Before(3, earlier, seen, {7: "1.7", 8: "1.8"}, {1: "2.1"})
        assert [before.uid_of(each) for each in before.against(lines).every] == ["1.7", "1.7"]
    left = Before(3, (earlier[0], line("effusion", then(HERE), 7)), aligned(HERE, -6), {7: "1.7"}, {1: "2.1"})
    assert [left.uid_of(each) for each in left.against(lines[:1]).every] == ["1.7", None]
    added = Before(3, earlier[:1], aligned(HERE, 6), {7: "1.7"}, {1: "2.1"})
    assert [added.uid_of(each) for each in added.against(lines).every] == ["1.7", "1.7"]


def test_what_films_nearly_show_counts_at_their_operating_point(make, card):
    """How they lie on each other is kept for all points; what was nearly shown at one counted at another."""
    strict = dict.fromkeys(card.labels, Thresholds(0.9, 0.9))
    card = dataclasses.replace(card, thresholds={**card.thresholds, "specific": strict})
    film = dataclasses.replace(make(), model=dataclasses.replace(make().model, card=card))
    then = dataclasses.replace(film, point="specific")
    laid = before_film(film, then, aligned=aligned(almost_then=frozenset({"opacity"}))).aligned
    assert laid.almost
    assert not laid.almost_then
