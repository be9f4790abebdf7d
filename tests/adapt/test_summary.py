"""A programme's summary: what it counts, what it shows apart, what it refuses to say."""

import numpy as np
import pytest

from lungspot.adapt import Costs, ScreeningSettings, read_targets, screening_short, screening_summary
from lungspot.adapt.tb import People
from lungspot.errors import InputError

NAN = float("nan")


def people(score, reference, **further):
    columns = {name: tuple(values) for name, values in further.items()}
    return People(np.array(score, dtype=float), np.array(reference, dtype=np.int8), columns=columns)


SIX = people([10, 20, 30, 60, 70, 80], [0, 0, 1, 0, 1, 1], sex=["F", "F", "F", "M", "M", "M"])


def test_a_small_programme():
    found = screening_summary(SIX, ScreeningSettings(targets=read_targets(), costs=Costs(10, 1)))
    assert found["schema"] == "lungspot-tb/1"
    assert (found["people"], found["confirmed"], found["cases_confirmed"]) == (6, 6, 3)
    assert [row["threshold"] for row in found["thresholds"]] == [10, 20, 30, 60, 70, 80]
    assert found["in_use"]["threshold"] == 30, "the highest that keeps 90 %: nobody is missed"
    assert found["cases_1000"]["value"] == 500
    assert found["testing_everybody"] == {
        "tests": 6, "cases": 3, "cost": 60, "cost_per_person": 10, "cost_per_case": 20,
    }  # fmt: skip
    women, men = found["parts"]["sex"]
    assert (women["part"], women["tp"], women["fn"], women["tn"], women["fp"]) == ("F", 1, 0, 2, 0)
    assert (men["part"], men["tp"], men["specificity"]["value"]) == ("M", 2, 0)
    assert found["verification"] == {
        "complete": True,
        "groups": [{"name": "everybody", "kind": "all", "people": 6, "confirmed": 6, "weight": 1}],
        "confirmed_only": None,
    }
    assert "Only 3 cases are confirmed" in found["remarks"][0]
    assert screening_short(found)[1].startswith("Of 6 people screened, 4 (66.7 %)")
    assert "6.33" not in " ".join(screening_short(found))
    assert "7.67 USD a person and 15.33 a case found" in screening_short(found)[-1]


@pytest.mark.parametrize(
    ("settings", "threshold", "why"),
    [
        ({"threshold": 65.0, "targets": read_targets()}, 65, "the threshold that was given"),
        ({}, None, None),
        ({"triage": 50.0}, 50, "the triage threshold"),
    ],
)
def test_the_threshold_in_use(settings, threshold, why):
    used = screening_summary(SIX, ScreeningSettings(**settings))["in_use"]
    assert (used and used["threshold"], used and used["why"]) == (threshold, why)


def test_where_nobody_below_was_confirmed_ppv_and_yield_are_what_is_left():
    found = screening_summary(
        people([10, 20, 60, 70, 80], [-1, -1, 0, 1, 1]), ScreeningSettings(triage=50.0, targets=read_targets())
    )
    row = found["thresholds"][found["in_use"]["row"]]
    assert found["in_use"]["threshold"] == 50
    assert (row["sensitivity"]["value"], row["ppv"]["value"], row["yield_1000"]["value"]) == (None, 0.66666667, 400)
    assert any("Confirm a random sample of them" in line for line in found["remarks"])
    assert [target["in_use"] for target in found["targets"]] == ["not known"] * 3
    assert found["area_under_roc"]["value"] is None
    assert not any("sensitivity -" in line for line in screening_short(found))


def test_people_without_a_score_are_left_out_only_where_that_is_asked_for():
    some = people([NAN, 10, 60, 80], [1, 0, 0, 1], clinic=["A", "A", "B", "B"])
    counted = screening_summary(some, ScreeningSettings(threshold=50.0))
    assert (counted["people"], counted["thresholds"][1]["tested"]) == (4, 3)
    assert "Without a score: 1 of 4 people; they are referred" in " ".join(counted["remarks"])
    left = screening_summary(some, ScreeningSettings(threshold=50.0, not_assessed="leave-out", sampled_by=("clinic",)))
    assert (left["people"], left["without_score"], left["thresholds"][1]["tested"]) == (3, 1, 2)
    assert [group["name"] for group in left["verification"]["groups"]] == ["everybody, clinic A", "everybody, clinic B"]
    assert [part["people"] for part in left["parts"]["clinic"]] == [1, 2]


def test_people_without_a_score_of_whom_nothing_is_known_are_not_counted_in_silence():
    with pytest.raises(InputError) as caught:
        screening_summary(people([NAN, 10, 80], [-1, 0, 1]), ScreeningSettings(triage=50.0))
    assert "1 people have no score and none of them is confirmed" in str(caught.value)
    assert "--not-assessed leave-out" in str(caught.value)


def test_where_nobody_is_confirmed_there_is_nothing_to_say():
    with pytest.raises(InputError, match="nobody is confirmed"):
        screening_summary(people([10, 80], [-1, -1]), ScreeningSettings(triage=50.0))


@pytest.mark.parametrize("settings", [{"by": ("site",)}, {"sampled_by": ("site",)}, {"bands": {"site": (1.0,)}}])
def test_a_column_that_is_not_there(settings):
    with pytest.raises(InputError, match="there are: sex"):
        screening_summary(SIX, ScreeningSettings(**settings))


def test_what_only_the_confirmed_would_say_stands_beside_it():
    score, reference = np.repeat([70.0, 20.0], [200, 800]), np.full(1000, -1)
    reference[:200], reference[200:280] = np.repeat([1, 0], [60, 140]), np.repeat([1, 0], [2, 78])
    found = screening_summary(people(score, reference), ScreeningSettings(triage=50.0, threshold=50.0))
    assert found["verification"]["confirmed_only"]["sensitivity"]["value"] == pytest.approx(60 / 62)
    assert found["thresholds"][found["in_use"]["row"]]["sensitivity"]["value"] == pytest.approx(0.75)


def test_two_scales_and_children_are_remarked():
    score = np.concatenate((np.linspace(0, 0.99, 30), np.linspace(0, 97, 30)))
    some = people(score, np.tile([0, 1], 30), site=["A"] * 30 + ["B"] * 30, age=[str(age) for age in range(10, 70)])
    said = " ".join(screening_summary(some, ScreeningSettings(threshold=0.5))["remarks"])
    assert "Are these scores of one scale? By site, the highest are: A 0.99, B 97." in said
    assert "WHO recommends CAD from 15 years on" in said


def test_after_go_live():
    some = People(
        SIX.score,
        SIX.reference,
        reader=np.array([0, 0, 0, 1, 1, -1], dtype=np.int8),
        date=np.array(["2026-01-01"] * 3 + ["2026-02-01"] * 3, dtype="datetime64[D]"),
    )
    found = screening_summary(some, ScreeningSettings(threshold=50.0))
    assert (found["agreement"]["films"], found["agreement"]["kappa"]["value"]) == (5, 1)
    assert [(month["month"], month["cad_abnormal"]["value"]) for month in found["months"]] == [
        ("2026-01", 0),
        ("2026-02", 1),
    ]
