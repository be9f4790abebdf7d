"""What viewers look for in a report, said once more without them: OHIF 3.12, Cornerstone's adapters 5.14 and dwv 0.36.

docs/reference/dicom-results.md says what they showed when they were run; benchmarks/viewers does that.
"""

import dataclasses
from types import SimpleNamespace

import pytest

from lungspot.errors import FilmError
from lungspot.findings import Side, Zone
from lungspot.report import Before, Refusal, Review, dicom_results, measure, observations, read_sr, statement
from lungspot.report.sr import _site


def meaning(item):
    return item.ConceptNameCodeSequence[0].CodeMeaning


def part(report, name):
    return next(item for item in report.ContentSequence if meaning(item) == name)


def groups(report):
    items = part(report, "Imaging Measurements").ContentSequence
    return [item for item in items if meaning(item) == "Measurement Group"]


def drawing(item):
    """The points of a content item that is a drawing, with the film that it is drawn on."""
    (film,) = item.ContentSequence
    assert (item.ValueType, film.ValueType) == ("SCOORD", "IMAGE")
    return [float(number) for number in item.GraphicData]


def test_a_box_is_drawn_wherever_viewers_look_for_it_and_goes_by_its_name(rg1_header, on):
    (report,) = dicom_results(rg1_header, on(rg1_header))
    places = groups(report)
    assert len(places) == 2
    for group, name, score in zip(places, ("Pleural effusion", "Cardiomegaly"), (0.9, 0.4), strict=True):
        items = {meaning(item): item for item in group.ContentSequence}
        assert items["Tracking Unique Identifier"].UID
        outline = drawing(items["Image Region"])
        assert len(outline) == 10  # five points: dwv and Cornerstone take four or five for a rectangle
        assert outline[:2] == outline[8:]
        number = items[f"{name}, probability"]
        assert float(number.MeasuredValueSequence[0].NumericValue) == pytest.approx(score)
        assert number.ContentSequence[0].RelationshipType == "INFERRED FROM"  # OHIF looks at the first
        assert drawing(number.ContentSequence[0]) == outline
        assert items["Finding"].ConceptCodeSequence[0].CodeMeaning == name
        assert items["Comment"].TextValue.startswith(name)  # Cornerstone's label
        assert (items["Short Label"].TextValue, items["Short Label"].RelationshipType) == (name, "HAS CONCEPT MOD")


@pytest.mark.parametrize(
    ("label", "organ"),
    [
        ("edema", "Lung"),
        ("effusion", "Lung"),  # DICOM has the zones of the lung alone
        ("rib_fracture", "Bone of thorax"),
        ("mediastinal_shift", "Mediastinum"),
        ("calcification", "Thorax"),
    ],
)
def test_a_site_is_the_organ_of_the_finding(label, organ):
    site = _site(SimpleNamespace(label=label, side=Side.LEFT, zone=Zone.UPPER))
    modifiers = [item.ConceptCodeSequence[0].CodeMeaning for item in site.ContentSequence]
    assert site.ConceptCodeSequence[0].CodeMeaning == organ
    assert modifiers == ["Left", "Upper zone of lung"]


def test_a_box_that_nobody_judged_has_a_name_too_and_no_score(rg1_header, on):
    """A viewer shows names beside numbers only: the whole film's probability, under a name of its own."""
    found = on(rg1_header, boxes=(("effusion", (0.6, 0.7, 0.9, 0.9), None),))
    reading = found.reading
    findings = tuple(dataclasses.replace(each, score=0.8) if each.box is None else each for each in reading.findings)
    given = dataclasses.replace(found, reading=dataclasses.replace(reading, findings=findings))
    (report,) = dicom_results(rg1_header, given)
    (group,) = groups(report)
    number = next(item for item in group.ContentSequence if item.ValueType == "NUM")
    assert meaning(number) == "Pleural effusion, probability (whole film)"
    assert float(number.MeasuredValueSequence[0].NumericValue) == pytest.approx(0.8)
    assert drawing(number.ContentSequence[0])
    (box,) = [finding for finding in read_sr(report).reading.findings if finding.box]
    assert box.score is None


def test_reports_that_say_other_things_of_the_earlier_film_have_other_uids(rg1_header, on):
    """An archive keeps the first of two with one UID: what a review of the earlier film changed never got there."""
    result = on(rg1_header)
    lines = observations(result, statement(result))
    before = Before(30, lines, film="2.25.1", tracking={1: "2.25.11"}, own={1: "2.25.21"})
    others = (
        {"tracking": {1: "2.25.12"}},
        {"lines": ()},
        {"days": 31},
        {"own": {1: "2.25.22"}},
        {"film": "2.25.2"},
    )
    every = [before, *(dataclasses.replace(before, **other) for other in others)]
    made = [dicom_results(rg1_header, result, before=each)[0] for each in every]
    assert len({report.SOPInstanceUID for report in made}) == len(made)
    assert dicom_results(rg1_header, result, before=before)[0].SOPInstanceUID == made[0].SOPInstanceUID
    assert [read_sr(report).against for report in made] == [each.film for each in every]
    assert read_sr(dicom_results(rg1_header, result)[0]).against is None


WHERE = (0.6, 0.7, 0.9, 0.9)


def changes_in(items):
    """The words of what became of a place, each with the findings that it is said of."""
    said = [item for item in items if meaning(item) == "Change since the earlier film"]
    return {
        item.ConceptCodeSequence[0].CodeMeaning: [
            each.ConceptCodeSequence[0].CodeMeaning
            for each in item.get("ContentSequence", [])
            if each.ValueType == "CODE"
        ]
        for item in said
    }


def test_a_place_has_every_word_that_is_said_of_its_labels(rg1_header, on):
    """Of two labels the first one's word alone was coded; one that is gone had the UID of what is still there."""
    both = on(rg1_header, boxes=[("effusion", WHERE, 0.9), ("edema", WHERE, 0.9)])
    one = on(rg1_header, boxes=[("effusion", WHERE, 0.9)])
    for now, then, places, left in (
        (both, one, {"Marked on both films": ["Pleural effusion"], "New finding": ["Pulmonary edema"]}, {}),
        (both, both, {"Marked on both films": []}, {}),
        (one, both, {"Marked on both films": []}, {"Gone": ["Pulmonary edema"]}),
    ):
        before = Before(30, observations(then, statement(then)), tracking={1: "2.25.11"}, own={1: "2.25.21"})
        (report,) = dicom_results(rg1_header, now, before=before)
        (group,) = groups(report)
        assert changes_in(group.ContentSequence) == places
        evaluations = part(report, "Qualitative Evaluations").ContentSequence
        assert changes_in(evaluations) == left
        assert all(item.get("UID") != "2.25.11" for each in evaluations for item in each.get("ContentSequence", []))
        assert next(item.UID for item in group.ContentSequence if item.ValueType == "UIDREF") == "2.25.11"


def test_no_group_is_without_a_drawing_whatever_the_outcome(rg1_header, on):
    """OHIF ends with an error at one that is: no view of the study is left."""
    found = on(rg1_header)
    for result in (
        found,
        on(rg1_header, boxes=()),
        on(rg1_header, reasons=("LATERAL",)),
        Refusal("x", FilmError("TRUNCATED", "x", "ends early")),
        dataclasses.replace(found, min_score=0.1),
    ):
        (report,) = dicom_results(rg1_header, result)
        assert [meaning(item) for item in report.ContentSequence][-2:] == [
            "Imaging Measurements",
            "Qualitative Evaluations",
        ]
        assert part(report, "Imaging Measurements").ContentSequence  # Cornerstone looks into it
        assert all(any(item.ValueType == "SCOORD" for item in group.ContentSequence) for group in groups(report))
        assert "Summary" in [meaning(item) for item in part(report, "Qualitative Evaluations").ContentSequence]


def test_what_a_reader_measured_is_drawn_too(rg1_header, on):
    result = on(rg1_header)
    points = {"length": [(100, 200), (400, 200)], "region": [(500, 600), (550, 650)]}
    sizes = tuple(measure(kind, where, result.radiograph) for kind, where in points.items())
    (report,) = dicom_results(rg1_header, result, review=Review("R", created="2026", measurements=sizes))
    before = len(groups(*dicom_results(rg1_header, result)))
    drawn = []
    for group in groups(report)[before:]:
        number = next(item for item in group.ContentSequence if item.ValueType == "NUM")
        drawn.append(drawing(number.ContentSequence[0])[:2])
    assert sorted(drawn) == [[100, 200], [500, 600]]
