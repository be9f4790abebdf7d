"""A report to copy: what it says in each language, and that no language lacks a word."""

import dataclasses
import json
import string
from pathlib import Path

import jsonschema
import pytest

import lungspot.report
from lungspot.detect import REASONS, Anatomy, Standing
from lungspot.errors import FilmError, InputError
from lungspot.findings import Box, Finding, Reading, Side, Zone, taxonomy
from lungspot.images import Notice, Orientation, View
from lungspot.outputs import is_ours
from lungspot.report import (
    LANGUAGES,
    Before,
    Observation,
    Refusal,
    Review,
    Verdict,
    document,
    observations,
    report_text,
    schema,
    statement,
    write,
)
from lungspot.report.changes import changes
from lungspot.report.statement import Name
from lungspot.report.words import place_of, why

TEMPLATES = {
    language: json.loads((Path(lungspot.report.__file__).parent / f"text-{language}.json").read_text(encoding="utf-8"))
    for language in LANGUAGES
}
FREE = ("reasons", "labels")  # what English has elsewhere
WHOLE = (0.1, 0.6, 0.45, 0.8)


def leaves(part, path=()):
    """Yield every sentence of a template, with its place."""
    if isinstance(part, dict | list):
        for key, value in part.items() if isinstance(part, dict) else enumerate(part):
            yield from leaves(value, (*path, key))
    else:
        yield path, part


def fields(sentence):
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


@pytest.fixture
def of_lungs(make, card):
    """A function that makes a result of boxes of pneumonia, COVID-19 and effusion."""
    labels = ("effusion", "pneumonia", "covid19", "pneumothorax", "emphysema")
    limits = dict.fromkeys(labels, card.thresholds["balanced"]["effusion"])
    standing = {"pneumothorax": Standing.EXPERIMENTAL}
    own = dataclasses.replace(card, labels=labels, thresholds={"balanced": limits}, standing=standing)

    def result(*boxes, view=View.PA, whole=0.3):
        made = make(boxes=())
        film, frame = dataclasses.replace(made.radiograph, view=view), made.radiograph.frame
        boxed = [
            Finding(
                label,
                Box(x0 * frame.width, y0 * frame.height, x1 * frame.width, y1 * frame.height),
                score,
                "left",
                "lower",
            )
            for label, (x0, y0, x1, y1), score in boxes
        ]
        states = dict.fromkeys(labels, "absent") | dict.fromkeys((each.label for each in boxed), "boxed")
        reading = Reading("m 2", (*boxed, *(Finding(label, score=whole) for label in labels)), states, frame)
        model = dataclasses.replace(made.model, card=own)
        return dataclasses.replace(made, radiograph=film, reading=reading, model=model, heat={}, agreement=())

    return result


def lines_of(result, **how):
    report = report_text(result, **how)
    return dict(report.findings), report


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_lacks_no_word(language):
    english, own = dict(leaves(TEMPLATES["en"])), dict(leaves(TEMPLATES[language]))
    shared = [path for path in english if path[0] not in FREE]
    assert [path for path in own if path[0] not in FREE] == shared
    assert all(fields(str(own[path])) == fields(str(english[path])) for path in shared)
    assert all(str(own[path]) or path[0] == "where" for path in shared)
    if language != "en":
        assert set(TEMPLATES[language]["labels"]) == {label.id for label in taxonomy()}
        assert set(TEMPLATES[language]["reasons"]) == {*REASONS, ""}


def test_a_place_is_called_as_every_other_form_calls_it():
    for side in (None, *Side):
        for zone in (None, *Zone):
            for label in ("effusion", "pneumonia"):
                key = "lung" if label == "pneumonia" else ""
                words = TEMPLATES["en"]["where"][str(side or "nowhere")][str(zone or key)]
                assert words.removeprefix(", ") == place_of(label, side, zone)
                if side in {Side.LEFT, Side.RIGHT}:
                    words = TEMPLATES["en"]["where"][f"picture {side}"][str(zone or key)]
                    assert words.removeprefix(", ") == place_of(label, None, zone, side)


def test_names_that_a_film_cannot_tell_apart_are_said_to_be_just_that(of_lungs):
    result = of_lungs(("pneumonia", WHOLE, 0.8), ("covid19", WHOLE, 0.7))
    regions, report = lines_of(result)
    assert regions["Lungs"] == (
        "Lung opacity, left lower zone: pneumonia or COVID-19, which cannot be told apart on a film "
        "[lungspot, not reviewed: pneumonia 80 %, COVID-19 70 %]. Looked for and not marked by lungspot: emphysema. "
        "Not assessed by lungspot: atelectasis, pulmonary edema, nodule or mass, pulmonary tuberculosis."
    )
    assert regions["Pleura"] == (
        "Looked for and not marked by lungspot: pleural effusion. Not assessed by lungspot: pneumothorax."
    )
    assert report.impression == (
        "Lung opacity, left lower zone: pneumonia or COVID-19, which cannot be told apart on a film [not reviewed].",
    )
    regions, report = lines_of(result, language="de")
    assert regions["Lungen"].startswith(
        "Verschattung im linken Unterfeld: Pneumonie oder COVID-19, auf einer Aufnahme nicht zu unterscheiden "
        "[lungspot, ungeprüft: Pneumonie 80 %, COVID-19 70 %]. "
    )
    assert regions["Pleura"] == (
        "Von lungspot gesucht und nicht markiert: Pleuraerguss. Von lungspot nicht beurteilt: Pneumothorax."
    )


def test_a_film_without_a_finding_is_never_called_normal(of_lungs):
    for language in LANGUAGES:
        words = report_text(of_lungs(), language=language).text.lower()
        assert ("normal" in words) == (language == "en")  # "does not mean that the film is normal"
        assert "does not mean" in words or "heißt nicht" in words
        assert "%" not in words


def test_a_finding_of_the_whole_film_has_no_place(of_lungs):
    regions, _ = lines_of(of_lungs(whole=0.9))
    assert (
        "Pleural effusion (on the film as a whole, no place marked) [lungspot, not reviewed: 90 %]."
        in regions["Pleura"]
    )
    assert "Not assessed by lungspot: pneumothorax." in regions["Pleura"]
    regions, _ = lines_of(of_lungs(whole=0.9), experimental=True)
    assert (
        "Pneumothorax (on the film as a whole, no place marked) [lungspot, experimental, not reviewed: 90 %]"
        in regions["Pleura"]
    )


@pytest.mark.parametrize(
    ("view", "language", "words"),
    [
        (View.PA, "en", "Cardiothoracic ratio 0.53 [lungspot, not reviewed]. Not assessed"),
        (View.AP, "en", "[lungspot, not reviewed]. On an AP view the heart looks larger than it is."),
        (View.UNKNOWN, "en", "The view is not known to be PA; on an AP view"),
        (View.PA, "de", "Herz-Thorax-Quotient 0,53 [lungspot, ungeprüft]. Von lungspot"),
    ],
)
def test_the_ratio_of_heart_and_chest_says_whose_it_is_and_what_the_view_does_to_it(of_lungs, view, language, words):
    seen = Anatomy(Box(50, 100, 103, 200), Box(100, 50, 150, 200), Box(50, 50, 90, 200), 0.53, mirrored=False)
    result = dataclasses.replace(of_lungs(view=view), anatomy=seen)
    regions, _ = lines_of(result, language=language)
    assert words in regions["Herz und Mediastinum" if language == "de" else "Heart and mediastinum"]


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (7, "A film of 7 days before. "),
        (1, "A film of one day before. "),
        (0, "Another film of the same day. "),
        (None, "Another film of the patient, its date unknown. "),
        (-3, "A later film. "),
    ],
)
def test_a_film_that_cannot_be_compared_with_is_said_to_be_at_hand(of_lungs, days, words):
    said = report_text(of_lungs(), before=Before(days)).comparison
    assert said == words + "lungspot has not compared the two."
    assert report_text(of_lungs()).comparison == "No earlier film was at hand."


def line(label, side=None, picture_side=None, *, boxed=True):
    name = Name(label, 0.8, 0.8, positive=True)
    return Observation((name,), judged=False, boxed=boxed, side=side, picture_side=picture_side)


L, R = Side.LEFT, Side.RIGHT


@pytest.mark.parametrize(
    ("now", "before", "new", "gone"),
    [
        (line("effusion", L), line("effusion", L), 0, 0),
        (line("effusion", L), line("effusion", R), 1, 1),
        (line("effusion", L), line("effusion", Side.BILATERAL), 0, 0),
        (line("effusion", L), line("effusion", None, R), 0, 0),  # which side that is, nobody knows
        (line("effusion", None, L), line("effusion", None, R), 1, 1),
        (line("effusion", L), line("effusion", boxed=False), 0, 0),
        (line("pneumonia", L), line("covid19", L), 0, 0),  # a film cannot tell them apart
        (line("pneumonia", L), line("effusion", L), 1, 1),
    ],
)
def test_what_is_new_and_what_is_gone(now, before, new, gone):
    found = changes([now], [before])
    assert (len(found.new), len(found.gone), len(found.both)) == (new, gone, 1 - new)


def test_what_changed_is_said_of_places_and_no_percentage(of_lungs):
    then = of_lungs(("effusion", WHOLE, 0.9), ("pneumonia", WHOLE, 0.8))
    lines = observations(then, statement(then))
    now = of_lungs(("covid19", WHOLE, 0.7))
    said = report_text(now, before=Before(30, lines)).comparison
    assert said == (
        "A film of 30 days before. Marked on that film and not on this: pleural effusion, left lower zone. "
        "Marked on both: COVID-19, left lower zone. What is marked can differ without a change in the patient."
    )
    rejected = Review("R", (Verdict("reject", "covid19", now.boxed[0].box, ("covid19", now.boxed[0].box)),))
    said = report_text(now, before=Before(30, lines), review=rejected, language="de").comparison
    assert said.startswith("Eine 30 Tage ältere Aufnahme. Auf jener Aufnahme markiert und auf dieser nicht: ")
    assert "Auf beiden" not in said
    nothing = report_text(of_lungs(), before=Before(30, ())).comparison
    assert nothing.endswith("Nothing is marked on either. This does not mean that nothing has changed.")


def test_what_changed_stands_in_the_json_as_values(of_lungs):
    then = of_lungs(("effusion", WHOLE, 0.9), ("pneumonia", WHOLE, 0.8))
    now = of_lungs(("covid19", WHOLE, 0.7))
    assert document(now)["report"]["changes"] is None
    value = document(now, before=Before(30, observations(then, statement(then))), language="de")
    jsonschema.Draft202012Validator(schema()).validate(value)
    found = value["report"]["changes"]
    assert (found["days_earlier"], found["compared"], found["new"]) == (30, True, [])
    (gone,), (both,) = found["gone"], found["both"]
    assert gone == {
        "labels": ["effusion"],
        "text": "Pleuraerguss im linken Unterfeld",
        "judged": False,
        "boxed": True,
        "side": "left",
        "zone": "lower",
    }
    assert both["labels"] == ["covid19"], "as the newer film has it"
    assert all(line["text"] in value["report"]["comparison"] for line in (gone, both))
    rejected = Review("R", (Verdict("reject", "covid19", now.boxed[0].box, ("covid19", now.boxed[0].box)),))
    value = document(now, before=Before(30, observations(then, statement(then))), review=rejected)
    assert [len(value["report"]["changes"][part]) for part in ("new", "gone", "both")] == [0, 2, 0]
    value = document(now, before=Before(None))
    jsonschema.Draft202012Validator(schema()).validate(value)
    nothing = {"days_earlier": None, "compared": False, "sentence": "", "film": None, "alignment": None, "every": []}
    nothing |= {"new": [], "gone": [], "both": []}
    assert value["report"]["changes"] == nothing


def test_doubts_about_the_film_are_said_in_the_technique(of_lungs):
    result = of_lungs()
    film = dataclasses.replace(
        result.radiograph, orientation=Orientation(), notices=(Notice("TURNED", "x"), Notice("LOSSY", "x"))
    )
    words = report_text(dataclasses.replace(result, radiograph=film)).technique
    assert words == (
        "Chest radiograph, one frontal view (PA). Marked by m 2 at the balanced operating point. The film did not "
        "stand upright in its file and was turned for reading. Which side of the patient lies where is not known: left "
        "and right are those of the picture."
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_film_that_was_not_assessed_says_why_and_nothing_else(make, language):
    for result in (make(reasons=("LATERAL", "BLANK")), Refusal("x", FilmError("TRUNCATED", "x", "ends early"))):
        report = report_text(result, language=language)
        assert report.findings == ()
        (words,) = report.impression
        own = TEMPLATES[language]["reasons"]
        assert result.reasons
        for code in result.reasons:
            assert (why(code) if language == "en" else own.get(code, code)) in words
        assert "%" not in report.text


def test_a_text_is_known_again_as_ours_in_every_language(make, tmp_path):
    for language in LANGUAGES:
        assert is_ours(write(make(), tmp_path / f"{language}.txt", "text", language=language))
    with pytest.raises(InputError, match="none of en, de"):
        report_text(make(), language="xx")


def test_what_people_write_cannot_break_the_text(of_lungs):
    review = Review("a\x00b\n\ud800", (Verdict("add", "fracture"),), note="<b>\x1b[1m seen\u2028here")
    text = report_text(of_lungs(), review=review).text
    assert text.encode().decode() == text
    assert "reviewed by a b. Research use only" in text
    assert text.endswith("NOTE: <b> [1m seen here\n")
