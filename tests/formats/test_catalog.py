"""Every format of the labelling tools: written, read back and equal, whatever the case."""

import contextlib
import io
import pickle
from dataclasses import replace
from importlib import import_module

import faster_coco_eval
import pycocotools.coco
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from lungspot.datasets.splits import apply_splits, read_splits
from lungspot.findings import Box, Finding, Frame, Reading, Side, State, Zone
from lungspot.formats.case import Case, Split
from lungspot.formats.catalog import ANNOTATION_FORMATS
from lungspot.images.radiograph import Sex, View

LABELS = ("effusion", "nodule_mass", "covid19", "house_label")
SOURCES = ("film.dcm", "FILM.png", "a.zip/x/film.dcm", "..\\up.png", "/etc/x.png", ".hidden", "a/", "\n", "é" * 150)
NAMES = ("film.png", "film.jpg", "odd näme 'x' & <y>.png", "deep/film.png", "no_suffix")

sides = st.floats(1e-4, 900, allow_nan=False) | st.integers(1, 900)
corners = st.floats(-50, 900, allow_nan=False) | st.integers(0, 900)


@st.composite
def boxes(draw):
    x, y = draw(corners), draw(corners)
    return Box(x, y, x + draw(sides), y + draw(sides))


@st.composite
def readings(draw, frame, reader):
    states, findings = {}, []
    for label in draw(st.sets(st.sampled_from(LABELS))):
        state = draw(st.sampled_from([State.BOXED, State.PRESENT, State.ABSENT]))
        least, most = {State.BOXED: (1, 3), State.PRESENT: (0, 2), State.ABSENT: (0, 0)}[state]
        if frame is None and state is State.BOXED:
            state, most = State.PRESENT, 0
        states[label] = state
        for _ in range(draw(st.integers(least, most)) if frame is not None else 0):
            score = draw(st.none() | st.floats(0, 1))
            side, zone = draw(st.sampled_from([None, *Side])), draw(st.sampled_from([None, *Zone]))
            findings.append(Finding(label, draw(boxes()), score, side, zone, draw(st.sampled_from([None, "R1+R2"]))))
        if draw(st.booleans()):
            findings.append(Finding(label, None, draw(st.none() | st.floats(0, 1))))
    wrong = st.builds(Finding, st.sampled_from(LABELS), boxes(), st.none() | st.floats(0, 1))
    rejected = draw(st.lists(wrong, max_size=2)) if frame is not None else []
    return Reading(
        reader,
        tuple(draw(st.permutations(findings))),
        states,
        draw(st.sampled_from([frame, frame, None])) if not any(f.box for f in (*findings, *rejected)) else frame,
        tuple(rejected),
    )


@st.composite
def cases(draw, films):
    frame = draw(st.sampled_from([None, Frame(64, 48), Frame(1024, 1024), Frame(2991, 3000)]))
    readers = draw(st.lists(st.text(min_size=1, max_size=5), unique=True, max_size=3))
    return Case(
        id=draw(st.text(max_size=12) | st.sampled_from(["a", "A", "a/b", "a_b", "../a", "con"])),
        dataset=draw(st.sampled_from(["nih", "tb extra"])),
        patient=draw(st.text(max_size=8)),
        readings=tuple(draw(readings(frame, reader)) for reader in readers),
        image=draw(st.none() | st.sampled_from(films)),
        frame=frame,
        split=draw(st.sampled_from([None, *Split])),
        view=draw(st.sampled_from(list(View))),
        age_years=draw(st.none() | st.floats(0, 120)),
        sex=draw(st.sampled_from(list(Sex))),
        source_name=draw(st.none() | st.text(max_size=12) | st.sampled_from(SOURCES)),
        source_sha256=draw(st.none() | st.just("ab" * 32)),
    )


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Small image files with awkward names, 40 x 30 pixels."""
    folder = tmp_path_factory.mktemp("films")
    paths = [folder / name for name in NAMES]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        Image.new("L", (40, 30), 7).save(path, format="JPEG" if path.suffix == ".jpg" else "PNG")
    return paths


@pytest.mark.parametrize("name", ANNOTATION_FORMATS)
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_written_folder_reads_back_equal(name, data, films, tmp_path_factory):
    given = data.draw(st.lists(cases(films), unique_by=lambda case: (case.dataset, case.id), max_size=4))
    how = data.draw(st.sampled_from(["link", "none", "copy"]))
    out = tmp_path_factory.mktemp("out") / "folder"
    before = pickle.dumps(given)
    ANNOTATION_FORMATS[name].write(given, out, films=how)
    assert pickle.dumps(given) == before
    if not given:
        return
    read = ANNOTATION_FORMATS[name].read(out)
    if how == "copy":
        assert all(
            case.image is None or case.image.read_bytes() == one.image.read_bytes()
            for case, one in zip(read, given, strict=True)
        )
        read = [replace(case, image=one.image) for case, one in zip(read, given, strict=True)]
    assert read == given


@pytest.mark.parametrize("name", ANNOTATION_FORMATS)
def test_every_format_says_citation_link_terms_coordinates_and_faults(name):
    doc = import_module(ANNOTATION_FORMATS[name].read.__module__).__doc__
    assert [word for word in ("Citation", "Link", "Terms", "Coordinates", "Known faults") if word not in doc] == []


@pytest.mark.parametrize("name", ANNOTATION_FORMATS)
def test_writing_tells_how_far_it_is(name, films, tmp_path):
    told = []

    def bar(items):
        told.append(len(items))
        return iter(items)

    cases = [Case(str(number), "mine", "p", (), films[0]) for number in range(3)]
    ANNOTATION_FORMATS[name].write(cases, tmp_path / "out", progress=bar)
    assert told == [3]


@pytest.fixture(scope="module")
def val(shared_data, real_cases):
    """Every case of the validation split, readings of one film merged."""
    splits = read_splits(shared_data / "splits.csv")
    cases = apply_splits(real_cases, splits, shared_data)
    return [case for case in cases if case.split is Split.VAL]


@pytest.mark.parametrize("name", ANNOTATION_FORMATS)
def test_the_whole_validation_split_comes_back_equal(name, val, tmp_path):
    films = [case.image for case in val]
    before, states = pickle.dumps(val), [(film.stat().st_mtime_ns, film.stat().st_size) for film in films]
    ANNOTATION_FORMATS[name].write(val, tmp_path / "out")
    assert ANNOTATION_FORMATS[name].read(tmp_path / "out") == val
    assert pickle.dumps(val) == before
    assert [(film.stat().st_mtime_ns, film.stat().st_size) for film in films] == states
    assert len(val) > 1000
    assert sum(len(reading.boxes()) for case in val for reading in case.readings) > 1000


def test_both_coco_libraries_load_the_validation_split(val, tmp_path):
    ANNOTATION_FORMATS["coco"].write(val, tmp_path / "out", films="none")
    path = str(tmp_path / "out" / "annotations.json")
    boxes = sum(len(reading.boxes()) for case in val for reading in case.readings)
    with contextlib.redirect_stdout(io.StringIO()):
        for library in (pycocotools.coco, faster_coco_eval):
            loaded = library.COCO(path)
            assert (len(loaded.imgs), len(loaded.anns)) == (len(val), boxes)
