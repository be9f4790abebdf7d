"""CVAT's exports of projects, jobs and videos, and shapes that are turned."""

import pytest
from PIL import Image

from lungspot.errors import DatasetError
from lungspot.findings import Box, Finding, Frame
from lungspot.formats import cvat
from lungspot.formats.case import Split

BOX = '<box label="Effusion" occluded="0" xtl="40.00" ytl="60.00" xbr="160.00" ybr="180.00" z_order="0"></box>'


@pytest.fixture
def export(tmp_path):
    """A function that writes films of 400 x 300 pixels and ``annotations.xml`` with the given elements."""

    def make(inner, *films):
        for name in films:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (400, 300)).save(tmp_path / name)
        (tmp_path / "annotations.xml").write_text(f"<annotations><version>1.1</version>{inner}</annotations>")
        return tmp_path

    return make


def image(name, subset=None, inner=""):
    of = f' subset="{subset}" task_id="5"' if subset is not None else ""
    return f'<image id="0" name="{name}"{of} width="400" height="300">{inner}</image>'


def test_a_project_s_subset_is_the_split_and_the_folder(export):
    root = export(
        image("a.png", "train", BOX)
        + image("a.png", "Validation")
        + image("b.png", "test")
        + image("c.png", "default"),
        *("images/train/a.png", "images/Validation/a.png", "images/test/b.png", "images/default/c.png"),
    )
    found = cvat.read(root)
    assert [case.id for case in found] == ["train/a", "Validation/a", "test/b", "default/c"]
    assert [case.split for case in found] == [Split.TRAIN, Split.VAL, Split.TEST, None]
    assert [case.image for case in found] == [
        root / f"images/{part}" for part in ("train/a.png", "Validation/a.png", "test/b.png", "default/c.png")
    ]
    assert found[0].readings[0].findings == (Finding("effusion", Box(40, 60, 160, 180)),)


def test_a_project_whose_films_lie_together_is_read_where_names_differ(export):
    root = export(image("a.png", "train") + image("b.png", "validation"), "images/a.png", "images/b.png")
    assert [case.image.name for case in cvat.read(root)] == ["a.png", "b.png"]
    export(image("a.png", "train") + image("a.png", "validation"))
    with pytest.raises(DatasetError, match=r"would be the film of 'train/a\.png' and of 'validation/a\.png'"):
        cvat.read(root)


@pytest.mark.parametrize("film", ["images/a.png", "images/default/a.png", "a.png"])
def test_a_task_s_and_a_job_s_films(export, film):
    (case,) = cvat.read(export(image("a.png", None, BOX), film))
    assert case.image.as_posix().endswith(film)


ELLIPSE = '<ellipse label="Effusion" cx="200.00" cy="150.00" rx="{}" ry="{}" rotation="{}" z_order="0"></ellipse>'


@pytest.mark.parametrize(
    ("across", "down", "turn", "box"),
    [
        (50, 50, 45, (150, 100, 250, 200)),
        (50, 50, 17.3, (150, 100, 250, 200)),
        (50, 20, 0, (150, 130, 250, 170)),
        (50, 20, 90, (180, 100, 220, 200)),
        (50, 20, 30, (155.5590, 119.5862, 244.4410, 180.4138)),
    ],
)
def test_a_turned_ellipse_has_its_true_extent(export, across, down, turn, box):
    (case,) = cvat.read(export(image("a.png", None, ELLIPSE.format(across, down, turn)), "images/a.png"))
    assert case.readings[0].boxes()[0].corners == pytest.approx(box, abs=1e-4)


TRACK = (
    "<meta><task><original_size><width>400</width><height>300</height></original_size></task></meta>"
    '<track id="0" label="Effusion" source="manual">'
    '<box frame="0" keyframe="1" outside="0" occluded="0" xtl="40" ytl="60" xbr="160" ybr="180" z_order="0"/>'
    '<box frame="1" keyframe="1" outside="1" occluded="0" xtl="40" ytl="60" xbr="160" ybr="180" z_order="0"/>'
    "</track>"
    '<track id="1" label="Mass"><box frame="12" outside="0" xtl="1" ytl="2" xbr="3" ybr="4"/></track>'
)


def test_tracks_are_boxes_on_the_frames_where_they_are_seen(export):
    root = export(TRACK, "images/frame_000000.png", "images/frame_000001.png", "images/frame_000012.png")
    first, second = cvat.read(root)
    assert (first.id, first.frame) == ("frame_000000", Frame(400, 300))
    assert first.readings[0].findings == (Finding("effusion", Box(40, 60, 160, 180)),)
    assert (second.id, second.readings[0].findings) == ("frame_000012", (Finding("mass", Box(1, 2, 3, 4)),))


def test_a_video_without_its_frames_says_which_is_missing(export):
    with pytest.raises(DatasetError, match=r"frame 0: DATASET_INCOMPLETE: no film 'frame_000000\.png'"):
        cvat.read(export(TRACK))


def test_a_tag_may_say_that_a_film_is_normal(export):
    (case,) = cvat.read(export(image("a.png", None, '<tag label="normal" source="manual"></tag>'), "images/a.png"))
    assert {"effusion": "absent", "edema": "absent"}.items() <= dict(case.readings[0].states).items()
