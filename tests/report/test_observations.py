"""What a reader said takes the place of what the model said, and of nothing else."""

import dataclasses
import json

import pytest

from lungspot.detect import Standing, Thresholds
from lungspot.errors import InputError
from lungspot.findings import Box, Finding, Reading, Side, Zone
from lungspot.images import Orientation
from lungspot.report import Review, Verdict, observations, read_reviews, review_from_json, statement

LABELS = ("pneumonia", "covid19", "effusion", "pneumothorax")
HERE, THERE = Box(20, 30, 80, 130), Box(120, 220, 190, 270)


@pytest.fixture
def result(make, card):
    """A film of 200 x 300: pneumonia or COVID-19 in one place, an effusion in another, a pneumothorax anywhere."""
    card = dataclasses.replace(
        card, labels=LABELS, thresholds={"balanced": dict.fromkeys(LABELS, Thresholds(0.5, 0.5))}, standing={}
    )
    made = make(boxes=())
    boxed = (
        Finding("pneumonia", HERE, 0.9, Side.RIGHT, Zone.UPPER),
        Finding("covid19", HERE, 0.8, Side.RIGHT, Zone.UPPER),
        Finding("effusion", THERE, 0.7, Side.LEFT, Zone.LOWER),
    )
    whole = tuple(Finding(label, score=0.6 if label == "pneumothorax" else 0.2) for label in LABELS)
    states = {**dict.fromkeys(LABELS[:3], "boxed"), "pneumothorax": "present"}
    reading = Reading("m 2", (*boxed, *whole), states, made.radiograph.frame)
    model = dataclasses.replace(made.model, card=card)
    return dataclasses.replace(made, model=model, reading=reading, heat={}, agreement=())


def said(result, *verdicts, **review):
    lines = observations(result, statement(result), Review("r", verdicts, **review))
    return [(line.labels, line.judged, line.side and str(line.side), line.zone and str(line.zone)) for line in lines]


def of(action, label, box=HERE, to=None, now=None):
    return Verdict(action, to or label, now or box, (label, box))


WHOLE = (("pneumothorax",), False, None, None)
BOTH = (("pneumonia", "covid19"), False, "right", "upper")
FLUID = (("effusion",), False, "left", "lower")


@pytest.mark.parametrize(
    ("verdicts", "lines"),
    [
        ((), [WHOLE, BOTH, FLUID]),
        (
            (of("accept", "pneumonia"),),
            [WHOLE, (("pneumonia",), True, *BOTH[2:]), (("covid19",), False, *BOTH[2:]), FLUID],
        ),
        ((of("accept", "pneumonia"), of("accept", "covid19")), [WHOLE, (BOTH[0], True, *BOTH[2:]), FLUID]),
        ((of("reject", "pneumonia"), of("reject", "covid19")), [WHOLE, FLUID]),
        ((of("reject", "covid19"),), [WHOLE, (("pneumonia",), False, *BOTH[2:]), FLUID]),
        (
            (of("edit", "effusion", THERE, now=Box(10, 220, 80, 270)),),
            [WHOLE, BOTH, (("effusion",), True, "right", "lower")],
        ),
        (
            (of("edit", "effusion", THERE, to="pneumothorax"),),  # the whole film's then has its place
            [(("pneumothorax",), True, "left", "lower"), BOTH],
        ),
        (
            (Verdict("add", "fracture", Box(120, 30, 150, 60)),),
            [WHOLE, BOTH, FLUID, (("fracture",), True, "left", "upper")],
        ),
        ((Verdict("add", "effusion"),), [WHOLE, BOTH, FLUID, (("effusion",), True, None, None)]),
        ((Verdict("accept", "effusion", Box(20, 220, 60, 250), ("effusion", Box(20, 220, 60, 250))),), None),
    ],
    ids=["nothing", "one of two", "both", "both wrong", "one wrong", "moved", "renamed", "drawn", "no box", "below"],
)
def test_the_readers_word_counts(result, verdicts, lines):
    if lines is None:  # a box that is not said, for it is below its threshold, and that the reader accepts all the same
        lines = [WHOLE, BOTH, FLUID, (("effusion",), True, "right", "lower")]
    assert said(result, *verdicts) == lines


def test_who_looked_for_everything_and_did_not_find_it_calls_it_absent(result):
    judged = [of("accept", "pneumonia"), of("reject", "covid19"), of("reject", "effusion", THERE)]
    assert said(result, *judged, complete=True) == [(("pneumonia",), True, "right", "upper")]
    assert WHOLE not in said(result, absent=("pneumothorax",))


@pytest.mark.parametrize(
    ("facing", "turns", "box", "side", "picture"),
    [
        (Orientation("L", "F"), 0, Box(10, 40, 60, 100), Side.RIGHT, None),
        (Orientation("R", "F"), 0, Box(10, 40, 60, 100), Side.LEFT, None),
        (Orientation(), 0, Box(10, 40, 60, 100), None, Side.LEFT),
        (Orientation("R", "H"), 2, Box(10, 240, 60, 290), Side.LEFT, None),  # on its head: the top is below
    ],
)
def test_a_box_that_a_reader_drew_has_the_patients_side(result, facing, turns, box, side, picture):
    film = dataclasses.replace(result.radiograph, orientation=facing)
    turned = dataclasses.replace(result, radiograph=film, quarter_turns=turns)
    drawn = observations(turned, statement(turned), Review("r", (Verdict("add", "nodule", box),)))[-1]
    assert (drawn.side, drawn.picture_side, drawn.zone) == (side, picture, Zone.UPPER)


def test_experimental_names_stay_experimental(result):
    card = dataclasses.replace(result.model.card, standing={"pneumothorax": Standing.EXPERIMENTAL})
    tried = dataclasses.replace(result, model=dataclasses.replace(result.model, card=card))
    assert observations(tried, statement(tried))[0].labels == ("pneumonia", "covid19")
    assert observations(tried, statement(tried, experimental=True))[0].names[0].experimental


def test_a_saved_review_is_read(result):
    kept = {
        "reader": "r",
        "verdicts": [
            {
                "action": "reject",
                "candidate": 2,
                "offered": {"label": "effusion", "box": list(THERE.corners), "score": 0.7},
                "label": "effusion",
                "box": list(THERE.corners),
            },
            {"action": "add", "label": "fracture", "box": None},
        ],
        "complete": False,
        "absent": ["pneumothorax"],
        "note": "n",
        "created": "2026-01-01T00:00:00Z",
    }
    review = review_from_json(kept)
    assert said(result, *review.verdicts, absent=review.absent) == [BOTH, (("fracture",), True, None, None)]
    assert (review.note, review.created, review.reader) == ("n", "2026-01-01T00:00:00Z", "r")
    for wrong in (
        {},
        {"verdicts": [{"action": "accept", "label": "effusion"}]},
        {"verdicts": [{"action": "x"}]},
        {"verdicts": 1},
    ):
        with pytest.raises(InputError):
            review_from_json(wrong)


def test_reviews_are_read_from_a_server_s_file_and_faults_name_it(tmp_path):
    path = tmp_path / "reviews.json"
    rows = [
        {"film_sha256": "a", "created": created, "reader": reader, "complete": True, "verdicts": [], "absent": []}
        for created, reader in (("2026-02-01", "second"), ("2026-01-01", "first"))
    ]
    path.write_text(json.dumps({"schema": "lungspot-reviews/1", "reviews": rows}))
    assert {film: review.reader for film, review in read_reviews(path).items()} == {"a": "second"}
    for text, reason in (("{}", "not a file of lungspot-reviews/1"), ("{", "no JSON"), ("[" * 100_000, "no JSON")):
        path.write_text(text)
        with pytest.raises(InputError, match=f"reviews.json: BAD_VALUE: {reason}.*v1/reviews.json"):
            read_reviews(path)
    with pytest.raises(InputError, match="No such file"):
        read_reviews(tmp_path / "gone.json")
