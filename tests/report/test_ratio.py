"""The heart's width over the chest's in a report: said where it was measured, and where something speaks against it."""

import dataclasses

import pytest

from lungspot.detect import Anatomy, Thresholds
from lungspot.findings import Box, Finding
from lungspot.images import View
from lungspot.report import Measurement, Review, report_text
from lungspot.report.measurements import Kind
from lungspot.report.ratio import ratio_of

HEART = Box(50, 100, 103, 200)
LUNGS = Box(100, 50, 150, 200), Box(50, 50, 90, 200)


@pytest.fixture
def of_heart(make, card):
    """A function that makes a result on a PA film with a ratio and a film's probability of cardiomegaly."""

    def result(ratio, probability=0.3, seen=None):
        made = make(boxes=())
        limits = {"sensitive": Thresholds(0.1, 0.2), "balanced": Thresholds(0.5, 0.5)}
        own = dataclasses.replace(card, thresholds={point: {"cardiomegaly": each} for point, each in limits.items()})
        labels = [Finding(f.label, score=probability) for f in made.reading.findings if f.label == "cardiomegaly"]
        if probability is None:
            labels = []
        return dataclasses.replace(
            made,
            radiograph=dataclasses.replace(made.radiograph, view=View.PA),
            model=dataclasses.replace(made.model, card=own),
            reading=dataclasses.replace(made.reading, findings=tuple(labels[:1])),
            anatomy=seen or Anatomy(HEART, *LUNGS, ratio, mirrored=False),
            agreement=(),
            heat={},
        )

    return result


def said_of(result, **how):
    return dict(report_text(result, **how).findings)


@pytest.mark.parametrize(
    "seen", [Anatomy(HEART, *LUNGS, None, mirrored=None), Anatomy(None, *LUNGS, None, mirrored=False)]
)
def test_no_ratio_where_heart_and_lungs_lie_as_in_no_chest(of_heart, seen):
    result = of_heart(None, seen=seen)
    assert "Cardiothoracic ratio not measured: " in said_of(result)["Heart and mediastinum"]
    assert "Herz-Thorax-Quotient nicht gemessen: " in said_of(result, language="de")["Herz und Mediastinum"]
    without = dataclasses.replace(result, anatomy=None)  # by a model that knows no anatomy
    assert ratio_of(without, None) is None
    assert "ratio" not in report_text(without).text


@pytest.mark.parametrize(
    ("ratio", "probability", "words"),
    [
        (0.62, 0.05, "wide for a film on which lungspot does not see cardiomegaly"),
        (0.62, 0.40, None),  # undecided
        (0.62, 0.90, None),
        (0.53, 0.05, None),
        (0.45, 0.90, "narrow for a film on which lungspot sees cardiomegaly"),
        (0.45, 0.40, None),
        (0.45, 0.05, None),
        (0.53, 0.90, None),
        (0.62, None, None),  # the model does not look for it
    ],
)
def test_a_ratio_that_contradicts_the_film_s_probability_says_so(of_heart, ratio, probability, words):
    result = of_heart(ratio, probability)
    said = said_of(result)["Heart and mediastinum"]
    assert f"Cardiothoracic ratio {ratio:.2f} [lungspot, not reviewed]." in said
    assert ("measure it by hand" in said) is (words is not None)
    assert words is None or words in said
    assert ("von Hand messen" in report_text(result, language="de").text) is (words is not None)


@pytest.mark.parametrize(("by", "key"), [("reader", "reader"), ("model", "accepted")])
def test_a_reader_s_ratio_stands_alone(of_heart, by, key):
    review = Review(measurements=(Measurement(Kind.RATIO, (), 0.7, "1", by),))
    for result in (of_heart(0.62, 0.05), of_heart(None), dataclasses.replace(of_heart(0.5), anatomy=None)):
        found = ratio_of(result, review)
        assert (found.key, found.value, found.notes) == (key, 0.7, ())
        assert "measure it by hand" not in report_text(result, review=review).text


@pytest.mark.parametrize(
    ("view", "notes"), [(View.PA, ()), (View.AP, ("AP",)), (View.UNKNOWN, ("UNKNOWN",)), (View.LATERAL, ("UNKNOWN",))]
)
def test_how_the_view_shows_hearts_is_borne_in_mind(of_heart, view, notes):
    result = of_heart(0.62, 0.05)
    seen = dataclasses.replace(result, radiograph=dataclasses.replace(result.radiograph, view=view))
    assert ratio_of(seen, None).notes == (*notes, "LARGE")
