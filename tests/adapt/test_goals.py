import numpy as np
import pytest

from lungspot.adapt import (
    DEFAULTS,
    Goal,
    GoalKind,
    Level,
    Sample,
    of_films,
    parse_goal,
    parse_prevalence,
    threshold_for,
)
from lungspot.adapt.site.goals import goals_of
from lungspot.errors import DatasetError, InputError

TENTHS = np.arange(1, 11) / 10


def films(positive, negative):
    """A sample of films of different people, by their scores."""
    score = np.array([*positive, *negative], dtype=np.float64)
    return of_films(score, np.arange(len(score)) < len(positive), np.arange(len(score)))


def boxes(target, false, count):
    """A sample of boxes on ``count`` films of different people, all found or made on the first of them."""
    target, false = np.array(target, dtype=np.float64), np.array(false, dtype=np.float64)
    first = [np.arange(len(each)) % count for each in (target, false)]
    return Sample(Level.BOX, target, first[0], false, first[1], np.arange(count), 0.01)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("film:balanced:sensitivity=0.9", (None, "film", "balanced", Goal(GoalKind.SENSITIVITY, 0.9))),
        ("film:specific:specificity=0.95@90", (None, "film", "specific", Goal(GoalKind.SPECIFICITY, 0.95, 90))),
        ("TB:film:sensitive:cost=20", ("tuberculosis", "film", "sensitive", Goal(GoalKind.COST, 20))),
        ("box:balanced:fp=0.25", (None, "box", "balanced", Goal(GoalKind.FALSE_POSITIVES, 0.25))),
    ],
)
def test_a_goal_is_read_as_it_is_typed(text, expected):
    assert parse_goal(text) == expected
    assert text.endswith(str(expected[3]))


@pytest.mark.parametrize(
    "text",
    [
        *("", "sensitivity=0.9", "balanced:sensitivity=0.9", "a:b:film:balanced:fp=1", "film:best:sensitivity=0.9"),
        *("film:balanced:sensitivity", "film:balanced:sensitivity=x", "film:balanced:sensitivity=1"),
        *("film:balanced:sensitivity=0", "film:balanced:sensitivity=nan", "film:balanced:fp=1"),
        *(
            "box:balanced:specificity=0.9",
            "box:balanced:fp=1@90",
            "film:balanced:sensitivity=0.9@40",
            "film:balanced:sensitivity=0.9@x",
        ),
        *("patient:balanced:sensitivity=0.9", "film:balanced:f1=0.5"),
    ],
)
def test_what_is_no_goal_is_refused_with_the_way_to_write_one(text):
    with pytest.raises(InputError, match="BAD_VALUE") as error:
        parse_goal(text)
    assert "film:balanced:sensitivity=0.9" in str(error.value)


def test_a_goal_of_an_unknown_label_is_refused():
    with pytest.raises(InputError, match="UNKNOWN_LABEL"):
        parse_goal("gout:film:balanced:sensitivity=0.9")


def test_a_prevalence_is_read_by_any_name_of_its_label():
    assert parse_prevalence("TB=0.02") == ("tuberculosis", 0.02)
    assert parse_prevalence("effusion=.5") == ("effusion", 0.5)
    with pytest.raises(InputError, match="UNKNOWN_LABEL"):
        parse_prevalence("gout=0.2")


@pytest.mark.parametrize("share", ["", "=", "=x", "=0", "=1", "=nan", "0.1"])
def test_what_is_no_prevalence_is_refused_with_the_way_to_write_one(share):
    with pytest.raises(InputError, match="BAD_VALUE") as error:
        parse_prevalence(f"effusion{share}")
    assert str(error.value).endswith(f"'effusion{share}'; write tuberculosis=0.02")


def test_a_labels_own_goals_come_before_those_of_all():
    given = [parse_goal(text) for text in ("tuberculosis:film:balanced:cost=5", "film:balanced:cost=2")]
    assert goals_of("tuberculosis", Level.FILM, given)["balanced"].value == 5
    assert goals_of("effusion", Level.FILM, given)["balanced"].value == 2
    assert goals_of("effusion", Level.FILM, given)["specific"] == DEFAULTS[Level.FILM]["specific"]
    assert goals_of("effusion", Level.BOX, given) == dict(DEFAULTS[Level.BOX])


@pytest.mark.parametrize(
    ("goal", "sample", "threshold"),
    [
        # one of 10 + 1 may be missed where a tenth may; of 20 + 1 two
        ("sensitivity=0.9", films(TENTHS, [0]), 0.1),
        ("sensitivity=0.9", films([*TENTHS, *(TENTHS + 0.01)], [0]), 0.11),
        ("sensitivity=0.5", films(TENTHS, [0]), 0.5),
        # of 21 negatives, one may be called where a twentieth may: the second highest is the last that is not
        ("specificity=0.95", films([0.995], np.arange(40) / 40), 0.975),
        ("specificity=0.5", films([0.65], TENTHS), 0.65),
        # four false boxes on eight films, one less for what is drawn anew
        ("fp=0.5", boxes([0.55], [0.9, 0.8, 0.7, 0.6, 0.5], 8), 0.7),
        ("fp=1", boxes([0.55, 0.05], [0.9], 8), 0.01),
        # a miss costs ten, a false call one: 0.4 misses none and calls two of ten
        ("cost=10", films([0.4, *[0.9] * 10], [*[0.5] * 2, *[0.1] * 10]), 0.4),
        ("cost=0.1", films([0.4, *[0.9] * 10], [*[0.5] * 2, *[0.1] * 10]), 0.9),
    ],
)
def test_the_threshold_is_the_one_that_counting_gives(goal, sample, threshold):
    level = "box" if sample.level is Level.BOX else "film"
    assert threshold_for(sample, parse_goal(f"{level}:balanced:{goal}")[3]) == pytest.approx(threshold)


def test_a_rarer_disease_moves_the_threshold_of_least_cost_up():
    rng = np.random.default_rng(0)
    sample = films(rng.normal(0.6, 0.15, 200), rng.normal(0.4, 0.15, 200))
    limits = [threshold_for(sample, Goal(GoalKind.COST, 5), prevalence) for prevalence in (0.5, 0.05, 0.005)]
    assert limits[0] < limits[1] < limits[2]


@pytest.mark.parametrize(
    ("goal", "sample", "least"),
    [
        ("film:balanced:sensitivity=0.9", films(TENTHS[:8], TENTHS), 9),
        ("film:balanced:sensitivity=0.9@90", films([*TENTHS, *TENTHS], TENTHS), 22),
        ("film:balanced:specificity=0.95", films(TENTHS, TENTHS), 19),
        ("film:balanced:cost=2", films(TENTHS, TENTHS[:9]), 10),
        ("film:balanced:sensitivity=0.9", films([], TENTHS), 9),
        ("box:balanced:fp=0.1", boxes([0.5], [0.4], 9), 10),
    ],
)
def test_too_few_films_promise_nothing_and_say_how_many_it_takes(goal, sample, least):
    with pytest.raises(DatasetError, match="TOO_FEW") as error:
        threshold_for(sample, parse_goal(goal)[3])
    assert f"{least} are the fewest" in error.value.reason


def test_boxes_that_no_score_finds_cannot_be_promised():
    sample = boxes([*[0.5] * 30, *[-np.inf] * 10], [], 50)
    with pytest.raises(DatasetError, match="NOT_REACHED") as error:
        threshold_for(sample, Goal(GoalKind.SENSITIVITY, 0.9))
    assert "25 %" in error.value.reason
    assert threshold_for(sample, Goal(GoalKind.SENSITIVITY, 0.6)) == 0.5
