"""The whole watch on streams that are made here: what raises an alarm, what does not, and what is said."""

from datetime import date

import numpy as np
import pytest

from lungspot.adapt import AlarmRule, FilmRow, Reviewed, alarm_text, film_history, verdict, watch_films

MONDAY = date(2026, 1, 5)
DAY = 86400.0
START = (MONDAY.toordinal() - date(1970, 1, 1).toordinal()) * DAY
MODEL = "m 1 (bbbbbbbb)"


def facts(rng, sick=0.15, **other):
    score = float(rng.beta(5, 3) if rng.random() < sick else rng.beta(1.5, 8))
    return {
        "status": "assessed",
        "reasons": [],
        "warnings": [],
        "model": MODEL,
        "software": "0.2",
        "device": None,
        "view": "PA",
        "bits": 12,
        "size": [2000, 2400],
        "statistics": {"p50": float(rng.normal(0.5, 0.05)), "entropy": float(rng.normal(7, 0.2))},
        "scores": {"effusion": score},
        "positive": ["effusion"] if score > 0.5 else [],
        "abnormal": score > 0.5,
        "features": [float(value) for value in rng.normal(size=16)],
    } | other


def stream(weeks=13, per=70, seed=1, site="A", make=lambda rng, _week: facts(rng)):
    """Films spread over weeks; ``make`` gives each its facts, or None where none came."""
    rng = np.random.default_rng(seed)
    rows = []
    for week in range(weeks):
        for number in range(per):
            made = make(rng, week)
            if made is not None:
                rows.append(FilmRow(START + DAY * 7 * (week + (number + rng.random()) / per), site, made))
    return rows


def seen(rows, weeks=13, **rule):
    return watch_films(film_history(rows), date.fromordinal(MONDAY.toordinal() + 7 * weeks), AlarmRule(**rule))


def numbers(watch):
    return {alarm.chart.name for alarm in watch.on}


def test_films_of_one_mix_raise_no_alarm():
    watch = seen(stream(seed=3))
    assert watch.alarms == ()
    assert verdict(watch) == "No alarm in the seven days to 5 April 2026."
    assert {chart.name for chart in watch.charts} == {
        *("films", "unreadable", "not_assessed", "greys_swapped", "turned", "abnormal", "score:effusion"),
        *("positive:effusion", "image:p50", "image:entropy", "image:long_side", "image:aspect", "image:bits"),
        *("ap", "features"),
    }


CHANGES = [
    ({"warnings": ["GREYS_SWAPPED"]}, 0.3, "greys_swapped"),
    ({"status": "not_assessed", "reasons": ["LATERAL"], "scores": {}, "features": None}, 0.3, "not_assessed"),
    (
        {"status": "not_assessed", "reasons": ["TRUNCATED"], "scores": {}, "features": None, "model": None},
        0.3,
        "unreadable",
    ),
    ({"view": "AP"}, 0.3, "ap"),
    ({"statistics": {"p50": 0.1, "entropy": 7.0}}, 0.2, "image:p50"),
    ({"size": [1000, 1200]}, 0.3, "image:long_side"),
    ({"positive": ["effusion"], "abnormal": True}, 0.5, "abnormal"),
    ({"scores": {"effusion": 0.45}}, 0.6, "score:effusion"),
    ({"features": [2.0] * 16}, 0.4, "features"),
]


@pytest.mark.parametrize(("change", "share", "number"), CHANGES, ids=[number for _, _, number in CHANGES])
def test_a_change_in_the_last_week_raises_an_alarm_there(change, share, number):
    def make(rng, week):
        return facts(rng, **(change if week == 12 and rng.random() < share else {}))

    watch = seen(stream(make=make))
    assert number in numbers(watch)
    assert {alarm.week - watch.alarms[0].week for alarm in watch.on} == {0}
    assert all(alarm_text(alarm) for alarm in watch.alarms)
    assert verdict(watch).startswith(f"{len(watch.on)} alarm")


def test_a_site_that_falls_silent_raises_an_alarm_and_is_given_up_in_the_end():
    rows = stream(weeks=10)
    assert numbers(seen(rows, weeks=11)) == {"films"}
    assert alarm_text(seen(rows, weeks=11).on[0]).startswith("Films a week: 0 in the week from 16 March 2026; 70")
    late = seen(rows, weeks=20)
    assert late.on == ()
    assert len(late.alarms) == 4
    assert "A: no film for more than four weeks; no longer watched" in late.notices


def test_without_a_baseline_nothing_is_judged():
    watch = seen(stream(weeks=6), weeks=6)
    assert watch.charts == watch.alarms == ()
    assert verdict(watch) == "No baseline yet: nothing is judged."
    assert "A: no baseline yet (420 of 200 films, 6 of 8 weeks); nothing is judged" in watch.notices


def test_weeks_with_few_films_are_not_judged_and_do_no_harm():
    def make(rng, week):
        return facts(rng) if week < 9 or rng.random() < 0.03 else None

    watch = seen(stream(make=make))
    chart = next(chart for chart in watch.charts if chart.name == "abnormal")
    few = chart.look.n < 5
    assert few.any()
    assert np.isnan(chart.look.p[few]).all()
    assert numbers(watch) <= {"films"}


def test_a_new_model_begins_a_new_baseline_for_what_it_says():
    def make(rng, week):
        return facts(rng, model="m 2 (cccccccc)", scores={"effusion": 0.9}) if week >= 9 else facts(rng)

    watch = seen(stream(make=make))
    assert watch.alarms == ()
    assert any(notice.startswith("A: model m 2 (cccccccc) since 2026-03-09; what depends") for notice in watch.notices)
    assert "A, m 2 (cccccccc): no baseline yet (280 of 200 films, 4 of 8 weeks); nothing is judged" in watch.notices
    assert {chart.stream.model for chart in watch.charts if chart.name.startswith("image")} == {None}


def test_a_baseline_may_be_chosen():
    rows = stream(weeks=20, make=lambda rng, week: facts(rng, sick=0.6 if week < 8 else 0.15))
    assert "abnormal" in numbers(seen(rows, weeks=20))
    chosen = seen(rows, weeks=20, baseline=(date(2026, 3, 2), date(2026, 4, 26)))
    assert chosen.alarms == ()
    assert chosen.streams[0].since == (date(2026, 3, 2), date(2026, 4, 26))
    empty = seen(rows, weeks=20, baseline=(date(2020, 1, 1), date(2020, 2, 1)))
    assert "A: too few films in the baseline that was asked for; its first weeks are taken" in empty.notices


def test_a_baseline_whose_weeks_differ_weighs_less_and_is_said():
    rows = stream(make=lambda rng, week: facts(rng, sick=0.6 if week < 4 else 0.15))
    watch = seen(rows)
    assert "abnormal" not in {alarm.chart.name for alarm in watch.alarms}
    (said,) = (notice for notice in watch.notices if "differ" in notice)
    assert said.startswith("A, m 1 (bbbbbbbb): weeks of the baseline differ among themselves by more than chance")
    assert "Films read abnormal" in said


def test_devices_and_sites_are_watched_by_themselves():
    def make(rng, week):
        device = "one" if rng.random() < 0.5 else "two"
        dark = device == "two" and week == 12
        statistics = {"p50": 0.2 if dark else float(rng.normal(0.5, 0.05)), "entropy": 7.0}
        return facts(rng, device=device, statistics=statistics)

    watch = seen([*stream(make=make), *stream(site="B", seed=2)])
    where = {alarm.chart.stream.name for alarm in watch.on if alarm.chart.name == "image:p50"}
    assert where == {"A", "A, two"}


def test_readers_who_begin_to_disagree_raise_an_alarm():
    rows = stream()
    rng = np.random.default_rng(4)
    about = {"device": None, "model": MODEL, "software": "0.2"}
    for row in list(rows):
        share = 0.5 if row.time > START + 7 * DAY * 12 else 0.1
        rows.append(FilmRow(row.time + 60, "A", about, Reviewed(rng.random() < share, rejected := False, rejected)))
    watch = seen(rows)
    assert numbers(watch) == {"accepted", "rejected"}
    assert (watch.films, watch.reviews) == (910, 910)


def test_the_same_films_in_any_order_give_the_same_answer():
    rows = stream(make=lambda rng, week: facts(rng, sick=0.5 if week > 10 else 0.15))
    one, other = seen(rows), seen(rows[::-1])
    assert [(a.chart.name, a.day, a.p) for a in one.alarms] == [(a.chart.name, a.day, a.p) for a in other.alarms]
    assert one.alarms


def test_days_that_are_not_over_and_dates_to_come_are_left_out():
    rows = stream(weeks=14)
    until = date.fromordinal(MONDAY.toordinal() + 7 * 12 + 3)
    watch = watch_films(film_history(rows), until)
    chart = next(chart for chart in watch.charts if chart.name == "abnormal")
    assert np.isfinite(chart.look.p[-1, :3]).all()
    assert np.isnan(chart.look.p[-1, 3:]).all()
    assert watch.films == sum(row.time < START + DAY * (7 * 12 + 3) for row in rows)
    assert any("are left out" in notice for notice in watch.notices)


def test_fewer_false_alarms_may_be_asked_for():
    rows = stream(make=lambda rng, week: facts(rng, sick=0.35 if week == 12 else 0.15))
    limits = [seen(rows, false_alarms=rate).charts[3].limit[0] for rate in (1.0, 0.1)]
    assert limits[0] == pytest.approx(10 * limits[1])
    assert len(seen(rows, false_alarms=100).alarms) > len(seen(rows, false_alarms=0.001).alarms)


def test_the_parts_add_up_to_what_is_allowed():
    """Every look's limit, over all charts and a year of weeks, is at most what was asked for."""
    watch = seen(stream(weeks=60), weeks=60)
    looks = {"films": 1, "features": 2}
    year = sum(float(chart.limit[:52].sum()) * looks.get(chart.name, 8) for chart in watch.charts)
    assert 0.5 < year <= 1.0
