import pytest

from lungspot.datasets import (
    LabelAgreement,
    disputes,
    disputes_csv,
    label_agreement,
    label_kappa,
    of_people,
    over_time,
    people_first,
    reader_agreement,
)
from lungspot.errors import InputError
from lungspot.findings import Box, Finding, Frame, Reading
from lungspot.formats import Case

FRAME = Frame(100, 100)
HERE, NEAR, FAR = Box(10, 10, 50, 50), Box(12, 12, 52, 52), Box(60, 60, 90, 90)


def reading(reader, *boxes, created=None, state=None, label="edema"):
    states = {label: state or ("boxed" if boxes else "absent")}
    return Reading(reader, tuple(Finding(label, box) for box in boxes), states, FRAME, created=created)


def film(identifier, *readings):
    return Case(identifier, "site", f"p{identifier}", readings, None, FRAME)


def votes(*table):
    """Return films of which each row says what the readers say: y, n, or - for one who did not look."""
    films = []
    for number, row in enumerate(table):
        said = [reading(f"R{n}", *([HERE] if one == "y" else [])) for n, one in enumerate(row) if one != "-"]
        films.append(film(str(number), *said))
    return films


@pytest.mark.parametrize(
    ("table", "films", "kappa"),
    [
        (["yy", "nn"], 2, 1.0),
        (["yn", "ny"], 2, -1.0),
        (["yy", "nn", "yn", "ny"], 4, 0.0),
        # Fleiss by hand: 3 of 4 votes of film 1, P = 1/2; share of yes 7/12
        (["yyyn", "nnnn", "yyyy"], 3, ((1 / 2 + 1 + 1) / 3 - (7**2 + 5**2) / 144) / (1 - (7**2 + 5**2) / 144)),
        (["yy", "yy"], 2, None),
        (["y-", "-n"], 0, None),
        (["yy-", "nn", "y--"], 2, 1.0),
    ],
)
def test_kappa_of_whole_films(table, films, kappa):
    number, found = label_kappa(votes(*table), "edema")
    assert number == films
    assert found == (None if kappa is None else pytest.approx(kappa))


@pytest.mark.parametrize("table", [("yy", "nn", "yn"), ("yy", "nn", "nn", "y-"), ("yyyn", "nnnn", "yyyy"), ("yy",)])
def test_pooled_kappa_of_one_label_is_its_own(table):
    assert label_kappa(votes(*table)) == label_kappa(votes(*table), "edema") != (0, None)


def test_each_label_that_two_judged_has_a_row():
    """A film that one person read counts for nothing, nor does a label that one of two did not look for."""
    both = film("1", reading("a", HERE), reading("b", NEAR))
    apart = film("2", reading("a", HERE), reading("b", FAR))
    none = film("3", reading("a"), reading("b"))
    alone = film("4", reading("a", HERE, label="effusion"), reading("b", HERE))
    single = film("5", reading("a", HERE, label="fracture"))
    assert label_agreement([both, apart, none, alone, single], iou=0.5) == (
        LabelAgreement("edema", 3, pytest.approx(1.0), pytest.approx(0.5)),
    )
    absent = film("6", reading("a", label="fracture"), reading("b", label="fracture"))
    assert label_agreement([absent, single]) == (LabelAgreement("fracture", 1, None, None),)


def test_pooled_kappa_asks_of_each_film_about_labels_that_somebody_found_on_any():
    states = [{"edema": "present", "effusion": "absent"}, {"edema": "absent", "effusion": "present"}]
    cases = [
        film(str(n), *(Reading(who, (), said | {"nodule_mass": "absent"}, FRAME) for who in "AB"))
        for n, said in enumerate(states)
    ]
    assert label_kappa(cases) == (4, 1.0)  # nobody found a nodule


@pytest.mark.parametrize(
    ("readings", "kind", "for_it", "against", "settled"),
    [
        ([reading("A", HERE), reading("B", NEAR)], None, None, None, None),
        ([reading("A", HERE), reading("B")], "presence", ("A",), ("B",), False),
        ([reading("A", HERE), reading("B"), reading("C")], "presence", ("A",), ("B", "C"), True),
        ([reading("A", HERE), reading("B", NEAR), reading("C")], "presence", ("A", "B"), ("C",), True),
        ([reading("A", HERE), reading("B", FAR)], "place", ("A", "B"), ("A", "B"), False),
        ([reading("A", HERE), reading("B", NEAR), reading("C", FAR)], "place", ("A", "B", "C"), ("C",), True),
        ([reading("A", HERE), reading("B", state="present")], None, None, None, None),
        ([reading("A", HERE), Reading("B", frame=FRAME)], None, None, None, None),
        ([reading("A", HERE)], None, None, None, None),
    ],
)
def test_what_must_be_adjudicated(readings, kind, for_it, against, settled):
    found = disputes([film("1", *readings)])
    if kind is None:
        assert found == ()
    else:
        (one,) = found
        assert (one.kind, one.for_it, one.against, one.settled) == (kind, for_it, against, settled)


def test_what_is_undecided_comes_first_and_the_table_names_who():
    settled = film("1", reading("A", HERE), reading("B"), reading("C"))
    undecided = film("2", reading("A", HERE), reading("B"))
    found = disputes([settled, undecided])
    assert [one.film for one in found] == ["2", "1"]
    assert disputes_csv(found).splitlines() == [
        "dataset,film,label,kind,for,against,settled",
        "site,2,edema,presence,A,B,no",
        "site,1,edema,presence,A,B+C,yes",
    ]


def test_agreement_over_time():
    old, new = "2026-01-05T10:00:00Z", "2026-02-09T10:00:00+00:00"
    cases = [
        film("1", reading("A", HERE, created=old), reading("B", FAR, created=old)),
        film("2", reading("A", HERE, created=old), reading("B", NEAR, created=new)),  # the last reading counts
        film("3", reading("A", HERE), reading("B", NEAR)),
        film("4", reading("A", HERE, created=old)),
    ]
    rows = over_time(cases)
    assert [(row.period, row.films, row.match) for row in rows] == [
        ("2026-01", 1, 0.0),
        ("2026-02", 1, 1.0),
        ("undated", 1, 1.0),
    ]
    assert over_time([film(str(n), *one.readings) for n, one in enumerate(votes("yy", "nn"))])[0].kappa == 1.0
    assert [row.period for row in over_time(cases, by="week")] == ["2026-W02", "2026-W07", "undated"]
    assert over_time([]) == ()


@pytest.mark.parametrize("values", [{"by": "day"}, {"iou": 0.0}])
def test_values_that_mean_nothing_are_refused(values):
    with pytest.raises(InputError):
        over_time([film("1", reading("A", HERE), reading("B"))], **values)


def mined(state="present"):
    """Return what NIH's labels, mined from reports, say of edema and of what nobody was asked about."""
    return Reading("nih", (), {"edema": state, "hernia": "present"}, FRAME)


def test_a_label_mined_from_a_report_decides_nothing_between_two_people():
    split = film("1", mined(), reading("A", HERE), reading("B"))
    (one,) = disputes([split])
    assert (one.kind, one.for_it, one.against, one.settled) == ("presence", ("A",), ("B",), False)
    assert disputes([film("1", mined(), reading("A"))]) == ()
    assert label_kappa([split, film("2", mined(), reading("A"), reading("B", HERE))]) == (2, -1.0)
    assert label_kappa([film("1", mined(), reading("A"))]) == (0, None)
    assert over_time([film("1", mined(), reading("A"))]) == ()
    assert over_time([film("1", mined(), reading("A", HERE), reading("B", NEAR))])[0].match == 1.0


@pytest.mark.parametrize(("reader", "counts"), [("nih", False), ("nih-boxes", False), ("rsna", True), ("dr", True)])
def test_who_counts_as_a_reader(reader, counts):
    case = film("1", Reading(reader, (), {"edema": "absent"}, FRAME), reading("A", HERE), reading("B", NEAR))
    assert len(of_people(case).readings) == len(people_first(case).readings) == 2 + counts
    (row,) = reader_agreement([case])
    assert row.match == (pytest.approx(2 / 4) if counts else 1.0)


def test_mined_labels_stay_where_no_person_looked():
    case = film("1", mined(), reading("A", HERE))
    assert [dict(one.states) for one in people_first(case).readings] == [{"hernia": "present"}, {"edema": "boxed"}]
    assert people_first(film("1", mined())) == film("1", mined())


def test_agreement_about_a_label_is_of_people_alone_in_every_column():
    agreed = film("1", reading("ann", HERE), reading("bob", NEAR))
    listed = film("2", reading("nih", HERE), reading("nih-boxes", FAR))
    assert label_agreement([agreed, listed]) == label_agreement([agreed])
