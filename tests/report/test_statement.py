import dataclasses

import pytest

from lungspot.detect import Standing, Thresholds
from lungspot.errors import FilmError
from lungspot.findings import DISEASES, Box, Finding, Frame, Reading, State
from lungspot.images import Orientation
from lungspot.report import Refusal, statement

LUNG = (0.1, 0.3, 0.4, 0.7)  # of the picture's left half
LIMITS = {label: Thresholds(0.5, 0.5) for label in DISEASES}


@pytest.fixture
def of(make):
    """A function that makes a result of boxes (label, part of the film, score) and probabilities of the whole film."""

    def result(boxes=(), film=(), *, experimental=(), unjudged=(), facing=("L", "F"), labels=DISEASES, side="right"):
        made = make(boxes=())
        frame = made.radiograph.frame
        findings = [
            Finding(
                label,
                Box(x0 * frame.width, y0 * frame.height, x1 * frame.width, y1 * frame.height),
                score,
                side,
                judged=label not in unjudged,
            )
            for label, (x0, y0, x1, y1), score in boxes
        ]
        probabilities = dict.fromkeys(labels, 0.1) | dict(film)
        findings.sort(key=lambda finding: -finding.score)
        findings += [Finding(label, score=p) for label, p in probabilities.items()]
        boxed = {finding.label for finding in findings if finding.box}
        states = {
            label: State.BOXED if label in boxed else State.PRESENT if p >= 0.5 else State.ABSENT
            for label, p in probabilities.items()
        }
        card = dataclasses.replace(
            made.model.card,
            labels=tuple(labels),
            thresholds={"balanced": {label: LIMITS[label] for label in labels}},
            standing=dict.fromkeys(experimental, Standing.EXPERIMENTAL),
        )
        film_ = dataclasses.replace(made.radiograph, orientation=Orientation(*facing))
        model = dataclasses.replace(made.model, card=card)
        reading = Reading("m 2", tuple(findings), states, frame)
        return dataclasses.replace(made, radiograph=film_, model=model, reading=reading, agreement=(), heat={})

    return result


def test_look_alikes_at_one_place_are_said_as_such(of):
    boxes = [("covid19", LUNG, 0.65), ("pneumonia", (0.11, 0.3, 0.4, 0.7), 0.53), ("tuberculosis", LUNG, 0.41)]
    boxes += [("pneumonia", (0.15, 0.4, 0.3, 0.6), 0.52)]
    told = statement(of(boxes))
    (said,) = told.said
    assert said.text == ("Lung opacity, right lung: cannot be told apart on a film: COVID-19 65 %, Pneumonia 53 %")
    assert said.label == "opacity"
    assert [(name.label, name.positive) for name in said.names] == [
        ("covid19", True),
        ("pneumonia", True),
        ("tuberculosis", False),
    ]
    assert told.headline == "Lung opacity (COVID-19 or Pneumonia), right lung"


def test_a_positive_label_without_a_box_is_said_though_another_has_one(of):
    told = statement(of([("effusion", LUNG, 0.9)], {"pneumothorax": 0.6, "cardiomegaly": 0.7}))
    assert [(said.label, said.box is None) for said in told.said] == [
        ("pneumothorax", True),
        ("effusion", False),
        ("cardiomegaly", True),
    ]
    assert told.headline == "Pneumothorax (no box); Pleural effusion, right; Cardiomegaly (no box)"
    assert told.whole_film[0].text == "Pneumothorax: 60 % (whole film)"


@pytest.mark.parametrize(
    ("boxes", "film", "value"),
    [
        ([("pneumothorax", LUNG, 0.6), ("effusion", LUNG, 0.9)], {}, 3.6),
        ([("edema", LUNG, 0.7), ("effusion", LUNG, 0.9)], {}, 2.7),
        ([("effusion", LUNG, 0.9), ("pneumothorax", LUNG, 0.3)], {}, 1.9),
        ([], {"effusion": 0.4}, 0.32),
        ([], {"pneumothorax": 0.5}, 3.5),
        ([], dict.fromkeys(DISEASES, 0.0), 0.0),
    ],
)
def test_urgency_orders(of, boxes, film, value):
    assert statement(of(boxes, film)).urgency == pytest.approx(value)


def test_a_film_that_nobody_could_judge_stands_between(make):
    for result in (make(reasons=("LATERAL",)), Refusal("x", FilmError("TRUNCATED", "x", "ends early"))):
        told = statement(result)
        assert (told.urgency, told.said, told.assessed) == (0.9, (), False)
        assert told.headline.startswith("Not assessed: ")


def test_experimental_labels_are_not_said_unless_asked_for(of):
    boxes = [("pneumothorax", LUNG, 0.95), ("effusion", (0.12, 0.3, 0.4, 0.7), 0.6)]
    result = of(boxes, {"emphysema": 0.9, "pneumothorax": 0.99}, experimental=("pneumothorax", "emphysema"))
    told, all_of_it = statement(result), statement(result, experimental=True)
    assert told.labels == ("effusion",)
    assert told.unsaid == ("emphysema", "pneumothorax")
    assert told.caveats == ("Experimental, not reported: Emphysema, Pneumothorax.",)
    assert told.urgency == all_of_it.urgency == pytest.approx(1.6)
    assert set(all_of_it.labels) == {"effusion", "pneumothorax", "emphysema"}
    first = all_of_it.text.splitlines()[0]
    assert first == "Pleural effusion, right: 60 %; Pneumothorax, right: 95 % (experimental)"
    assert told.places[0].box == all_of_it.places[0].box == result.boxed[1].box
    assert all_of_it.said[-1].label == "emphysema"


def test_only_experimental_labels_leave_nothing_to_say(of):
    result = of([("pneumothorax", LUNG, 0.95)], experimental=("pneumothorax",))
    told = statement(result)
    assert told.headline == "No finding at the balanced operating point"
    assert told.urgency == pytest.approx(0.08)  # of the likeliest label that counts


def test_what_nobody_judged_by_itself_has_the_film_s_percentage_said_as_such(of):
    boxes = [("edema", LUNG, 0.7), ("edema", (0.6, 0.3, 0.9, 0.7), 0.7)]
    told = statement(of(boxes, {"edema": 0.7}, unjudged=("edema",)))
    (said,) = told.said  # the two frames are one place
    assert said.names[0].score is None
    assert said.text == "Pulmonary edema, right lung: 70 % (whole film)"


@pytest.mark.parametrize(
    ("facing", "side", "where"),
    [(("L", "F"), "right", "right"), (("R", "F"), "left", "left"), ((), None, "left of the picture")],
)
def test_sides_are_the_patient_s_or_the_picture_s(of, facing, side, where):
    (said,) = statement(of([("effusion", LUNG, 0.9)], facing=facing, side=side)).said
    assert (said.side, said.where) == (side, where)


def test_what_was_not_looked_for_is_said(of):
    told = statement(of(labels=("effusion", "pneumonia")))
    assert told.not_looked_for == tuple(label for label in DISEASES if label not in {"effusion", "pneumonia"})
    assert told.caveats[0].startswith("Not looked for: Atelectasis, ")


def test_equal_words_are_counted(of):
    boxes = [("nodule_mass", (x, 0.3, x + 0.05, 0.35), 0.8) for x in (0.1, 0.2, 0.3)]
    assert statement(of(boxes)).headline == "Nodule or mass, right lung (3 places)"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "Pleural effusion, left lower zone"),
        ({"boxes": ()}, "No finding at the balanced operating point"),
        ({"reasons": ("LATERAL",)}, "Not assessed: a lateral view"),
        ({"reasons": ("TRUNCATED",)}, "Not assessed: copy or export the film again; the file ends early"),
    ],
)
def test_headline(make, arguments, expected):
    told = statement(make(**arguments))
    assert told.headline == expected
    assert told.because == (expected.removeprefix("Not assessed: ") if arguments.get("reasons") else "")


def test_places_below_their_thresholds_are_kept_apart(make):
    told = statement(make())
    assert [said.label for said in told.said] == ["effusion"]
    assert [said.label for said in told.below] == ["cardiomegaly"]
    assert told.labels == ("effusion",)
    words = {label: told.word_of(label) for label in ("effusion", "cardiomegaly", "nodule")}
    assert words == {"effusion": "present", "cardiomegaly": "undetermined", "nodule": "absent"}
    assert Frame(200, 300) == make().radiograph.frame
