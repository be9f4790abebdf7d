"""What comes back from people: who drew each box, what was looked for, and what the model had proposed."""

import json
from pathlib import Path

import pytest
from PIL import Image
from tests.labelling.conftest import MODEL, NATIVE, answer_labelme, case, drawn

from lungspot import labelling
from lungspot.errors import DatasetError
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats import Case
from lungspot.formats.classes import ClassMap
from lungspot.formats.image_files import FilmTransfer

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("tool", labelling.TOOLS)
@pytest.mark.parametrize("films", [FilmTransfer.VIEW, FilmTransfer.COPY, FilmTransfer.LINK])
def test_a_pool_that_nobody_touched_is_pending_and_nothing_is_lost(tool, films, picks, tmp_path):
    labelling.make(picks, tmp_path / "pool", tool=tool, films=films, propose=lambda _: MODEL)
    answers = labelling.collect(tmp_path / "pool")
    assert answers.cases == ()
    assert answers.pending == tuple(pick.case for pick in picks)
    assert (tmp_path / "pool" / "GUIDELINES.md").read_text() == (ROOT / "docs/how-to/label.md").read_text()


@pytest.mark.parametrize("tool", ["coco", "cvat", "labelme"])
def test_a_pool_called_complete_keeps_the_model_s_boxes_as_the_model_s(tool, picks, tmp_path):
    told = []
    labelling.make(
        picks, tmp_path / "pool", tool=tool, propose=lambda _: MODEL, progress=lambda films: told.append(1) or films
    )
    assert told == [1, 1]  # a model's boxes take long, and so may the films
    answers = labelling.collect(tmp_path / "pool", complete=True, reader="dr")
    assert answers.pending == ()
    for pick, answered in zip(picks, answers.cases, strict=True):
        assert answered.readings[:-1] == pick.case.readings
        reading = answered.readings[-1]
        assert reading.reader == "dr"
        assert [finding.box for finding in reading.findings] == [finding.box for finding in MODEL.findings]
        assert [finding.score for finding in reading.findings] == [0.7, 0.6, 0.5]
        assert {finding.source for finding in reading.findings} == {"model"}
        asked, other = ("effusion", "edema") if pick.case.id == "d" else ("edema", "effusion")
        assert reading.states == {asked: State.BOXED, other: State.PRESENT}


def test_answers_say_who_drew_each_box_and_what_was_looked_for(picks, tmp_path):
    folder = tmp_path / "pool"
    labelling.make(picks, folder, propose=lambda _: MODEL)
    files = {
        value["imagePath"]: value
        for value in map(json.loads, map(Path.read_text, folder.glob("*.json")))
        if "shapes" in value
    }
    assert files["c.png"]["flags"] == {"done": False, "absent:edema": False, "present:edema": False}
    assert files["c.png"]["shapes"][0]["points"] == [[10, 10], [30, 30.061728]]
    assert (folder / "labels.txt").read_text() == "edema\neffusion\n"
    # One kept, one moved, one deleted, one new; the edema is asked about, the fracture is not.
    shapes = [files["c.png"]["shapes"][0], drawn("edema", 50, 12, 80, 30), drawn("fracture", 1, 1, 9, 9)]
    answer_labelme(folder, "c", shapes, {})
    answer_labelme(folder, "d", [], {"done": True})
    answer_labelme(folder, "a_b", [], {"present:edema": True})
    answers = labelling.collect(folder)
    found = {one.id: one.readings[-1] for one in answers.cases}
    assert found["c"].findings == (
        Finding("edema", Box(20, 20, 60, 60.123456), 0.7, source="model"),
        Finding("edema", Box(100, 24, 160, 60), source="edited"),
        Finding("fracture", Box(2, 2, 18, 18), source="human"),
    )
    assert found["c"].states == {"edema": "boxed", "fracture": "present"}
    assert found["d"] == Reading("annotator", (), {"effusion": "absent"}, NATIVE)
    assert found["a_b"] == Reading("annotator", (), {"edema": "present"}, NATIVE)
    assert [one.id for one in answers.pending] == ["a/b"]


@pytest.mark.parametrize(
    ("flags", "states"),
    [
        ({}, {"edema": "boxed"}),
        ({"absent:emphysema": True}, {"edema": "boxed", "emphysema": "absent"}),
        ({"done": True}, {"edema": "boxed", "emphysema": "absent"}),
        ({"done": True, "present:emphysema": True}, {"edema": "boxed", "emphysema": "present"}),
    ],
)
def test_no_box_means_absent_only_on_a_film_that_is_done(film, tmp_path, flags, states):
    folder = tmp_path / "pool"
    labelling.make(labelling.select_tasks([case("x", {"edema": "present", "emphysema": "present"}, film)]), folder)
    answer_labelme(folder, "x", [drawn("edema", 1, 1, 9, 9)], flags)
    assert labelling.collect(folder).cases[0].readings[-1].states == states


def test_a_box_of_another_label_in_the_model_s_place_was_edited(picks, tmp_path):
    folder = tmp_path / "pool"
    labelling.make(picks, folder, propose=lambda _: MODEL)
    answer_labelme(folder, "c", [drawn("effusion", 10, 10, 30, 30.061728)], {})
    reading = labelling.collect(folder).cases[0].readings[-1]
    assert [(finding.label, finding.source) for finding in reading.findings] == [("effusion", "edited")]


def test_label_studio_gives_one_reading_an_annotator_and_keeps_the_model_apart(picks, tmp_path):
    folder = tmp_path / "pool"
    labelling.make(picks, folder, tool="labelstudio", propose=lambda _: MODEL)
    tasks = json.loads((folder / "tasks.json").read_text())
    assert tasks[0]["annotations"] == []
    assert tasks[0]["predictions"][0]["model_version"] == "model 1"
    kept = tasks[0]["predictions"][0]["result"][:1]
    says = {
        "id": "x",
        "type": "choices",
        "from_name": "says",
        "to_name": "image",
        "value": {"choices": ["present:edema"]},
    }
    tasks[0]["annotations"] = [
        {"id": 1, "completed_by": {"email": "r1@example.org"}, "result": kept},
        {"id": 2, "completed_by": 7, "result": [says]},
        {"id": 3, "completed_by": 8, "was_cancelled": True, "result": []},
    ]
    export = tmp_path / "export.json"
    export.write_text(json.dumps(tasks))
    answers = labelling.collect(folder, export)
    assert len(answers.pending) == 3
    first, second = answers.cases[0].readings[-2:]
    assert (first.reader, second.reader) == ("r1@example.org", "user 7")
    assert first.findings == (Finding("edema", Box(20, 20, 60, 60.123456), 0.7, source="model"),)
    assert second.states == {"edema": "present"}


def test_cvat_s_tags_and_boxes_are_answers(picks, tmp_path):
    folder = tmp_path / "pool"
    labelling.make(picks, folder, tool="cvat")
    labels = [(one["name"], one["type"]) for one in json.loads((folder / "labels.json").read_text())]
    assert ("edema", "rectangle") in labels
    assert ("absent:effusion", "tag") in labels
    assert ("done", "tag") in labels
    export = tmp_path / "annotations.xml"
    export.write_text(
        '<annotations><version>1.1</version><image id="5" name="share/c.png" width="100" height="50">'
        '<box label="edema" source="manual" xtl="10.00" ytl="10.00" xbr="30.00" ybr="30.00"/></image>'
        '<image id="6" name="d.png" width="100" height="50"><tag label="done" source="manual"/></image></annotations>'
    )
    answers = labelling.collect(folder, export)
    assert [one.readings[-1].states for one in answers.cases] == [{"edema": "boxed"}, {"effusion": "absent"}]
    assert answers.cases[0].readings[-1].findings == (Finding("edema", Box(20, 20, 60, 60), source="human"),)
    assert len(answers.pending) == 2


def region(identifier, x, origin=None, label="edema", score=0.8):
    """Return a region of Label Studio's on the small film, 100 x 50 pixels."""
    value = {"x": x, "y": 20, "width": 40, "height": 50, "rotation": 0, "rectanglelabels": [label]}
    size = {"original_width": 100, "original_height": 50, "from_name": "label", "to_name": "image"}
    said = {} if origin is None else {"origin": origin}
    return size | {"id": identifier, "type": "rectanglelabels", "value": value, "score": score} | said


def live(picks, tmp_path, regions, **annotation):
    """Return what one person's answer to a live suggestion becomes; the pool itself proposed nothing."""
    labelling.make(picks, tmp_path / "pool", tool="labelstudio")
    tasks = json.loads((tmp_path / "pool/tasks.json").read_text())
    tasks[0]["annotations"] = [{"id": 1, "completed_by": 1, "result": regions} | annotation]
    tasks[0] |= {"predictions": [SUGGESTED]}
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    (answered,) = labelling.collect(tmp_path / "pool", tmp_path / "export.json").cases
    return [(round(one.box.x0), one.score, one.source) for one in answered.readings[-1].findings]


SUGGESTED = {"id": 7, "model_version": "lungspot 1", "result": [region("a", 10), region("b", 50)]}


def test_label_studio_says_whose_the_boxes_of_a_live_suggestion_are(picks, tmp_path):
    """The page gives copies other ids, and says of each whence it is."""
    regions = [region("p", 10, "prediction"), region("q", 55, "prediction-changed"), region("r", 10, "manual")]
    found = live(picks, tmp_path, regions, parent_prediction=7, prediction=SUGGESTED)
    assert found == [(20, 0.8, "model"), (110, None, "edited"), (20, None, "human")]


@pytest.mark.parametrize(
    "kept", [{"prediction": SUGGESTED}, {"parent_prediction": 7}, {"parent_prediction": 7, "prediction": {}}]
)
def test_where_a_program_handed_in_the_answer_it_is_compared_with_what_it_began_with(picks, tmp_path, kept):
    regions = [region("a", 10, score=None), region("b", 55, score=None), region("c", 10, label="effusion", score=None)]
    found = live(picks, tmp_path, regions, **kept)
    assert found == [(20, 0.8, "model"), (110, None, "edited"), (20, None, "human")]


def test_an_answer_that_began_with_nothing_is_a_person_s(picks, tmp_path):
    found = live(picks, tmp_path, [region("a", 10)], parent_prediction=None)
    assert found == [(20, None, "human")]
    unknown = {"id": 9, "result": [region("a", 10, label="no such word"), {"value": 3, "type": "labels"}]}
    assert live(picks, tmp_path / "again", [region("a", 10)], prediction=unknown) == [(20, None, "human")]


def test_a_score_that_is_no_probability_is_no_fault_of_the_answer(picks, tmp_path):
    assert live(picks, tmp_path, [region("a", 10, "prediction", score=87)]) == [(20, None, "model")]


def test_cvat_says_whose_the_boxes_of_its_automatic_annotation_are(picks, tmp_path):
    """A shape of the function is ``auto``; moved, it is ``semi-auto``; a film with the function's alone is pending."""
    labelling.make(picks, tmp_path / "pool", tool="cvat")
    sources = ("auto", "semi-auto", "manual", "file")
    boxes = [
        f'<box label="edema" source="{source}" xtl="{10 * n}" ytl="10" xbr="{10 * n + 9}" ybr="30"/>'
        for n, source in enumerate(sources)
    ]
    tag, size = '<tag label="done"/>', 'width="100" height="50"'
    films = {"c.png": "".join(boxes), "a_b.png": boxes[0], "d.png": boxes[0] + tag}
    images = "".join(f'<image name="{name}" {size}>{inside}</image>' for name, inside in films.items())
    (tmp_path / "annotations.xml").write_text(f"<annotations><version>1.1</version>{images}</annotations>")
    answers = labelling.collect(tmp_path / "pool", tmp_path / "annotations.xml")
    found = {one.id: [each.source for each in one.readings[-1].findings] for one in answers.cases}
    assert found == {"c": ["model", "edited", "human", "human"], "d": ["model"]}
    assert len(answers.pending) == 2


@pytest.mark.parametrize(
    ("was", "now", "sources"),
    [
        ('xtl="20.00"', 'xtl="20.00"', None),
        ('xtl="20.00"', 'xtl="28.00"', ["edited"]),
        ("<box ", '<box label="edema" source="auto" xtl="70" ytl="10" xbr="90" ybr="30"/><box ', ["model", "model"]),
        ('label="edema"', 'label="effusion"', ["edited"]),
    ],
)
def test_a_box_of_the_model_that_a_program_moved_in_cvat_is_an_answer(was, now, sources, tmp_path):
    """Whatever moved it left it ``auto``."""
    shown = Reading("m", (Finding("edema", Box(20, 10, 60, 40), 0.8),), {"edema": State.PRESENT}, Frame(100, 50))
    Image.new("L", (100, 50)).save(tmp_path / "a.png")
    task = labelling.LabellingTask(Case("a", "d", "p", (), tmp_path / "a.png", frame=Frame(100, 50)), ("edema",))
    pool = tmp_path / "pool"
    labelling.make([task], pool, tool="cvat", films=FilmTransfer.COPY, propose=lambda _: shown)
    asked = (pool / "annotations.xml").read_text()
    assert was in asked
    (pool / "annotations.xml").write_text(asked.replace('source="semi-auto"', 'source="auto"').replace(was, now, 1))
    answers = labelling.collect(pool, reader="ann")
    found = [[each.source for each in one.readings[-1].findings] for one in answers.cases]
    untouched = sources is None or sources == ["model", "model"]  # the tool's own boxes beside are nobody's answer
    assert found == ([] if untouched else [sources])
    assert len(answers.pending) == untouched


def test_coco_s_lists_are_answers(picks, tmp_path):
    folder = tmp_path / "pool"
    labelling.make(picks, folder, tool="coco")
    path = folder / "annotations.json"
    value = json.loads(path.read_text())
    ids = {category["name"]: category["id"] for category in value["categories"]}
    by_name = {image["file_name"]: image for image in value["images"]}
    by_name["images/c.png"]["neg_category_ids"] = [ids["edema"]]
    by_name["images/d.png"]["done"] = True
    path.write_text(json.dumps(value))
    assert [one.readings[-1].states for one in labelling.collect(folder).cases] == [
        {"edema": "absent"},
        {"effusion": "absent"},
    ]


def test_a_name_that_the_pool_does_not_have_is_mapped_or_refused(picks, tmp_path):
    folder = tmp_path / "pool"
    labelling.make(picks, folder)
    answer_labelme(folder, "c", [drawn("liquid", 10, 10, 30, 30), drawn("spot", 1, 1, 9, 9)], {"done": True})
    with pytest.raises(DatasetError, match="UNKNOWN_LABEL: no label is called 'liquid'"):
        labelling.collect(folder)
    classes = ClassMap({"liquid": "effusion", "spot": "-"})
    (answered,) = labelling.collect(folder, classes=classes).cases
    assert [finding.label for finding in answered.readings[-1].findings] == ["effusion"]
    assert classes.summary() == "liquid → effusion (1); spot: left out (1)"
