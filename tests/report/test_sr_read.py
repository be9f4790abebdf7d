import dataclasses
import io
import warnings
from copy import deepcopy

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from lungspot.errors import InputError
from lungspot.findings import DISEASES, Box, Finding, Frame, Reading, Side, State, Zone
from lungspot.report import dicom_bytes, dicom_results, read_sr


def groups(dataset):
    (part,) = [item for item in dataset.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue == "126010"]
    return part.ContentSequence


@st.composite
def readings(draw):
    score = st.floats(0, 1, allow_subnormal=False)
    corner = st.floats(0, 1840)
    boxed = []
    for _ in range(draw(st.integers(0, 3))):
        x, y = draw(corner), draw(corner)
        wide, high = draw(st.floats(2, 900)), draw(st.floats(2, 900))
        label = draw(st.sampled_from(DISEASES))
        side, zone = draw(st.sampled_from([None, *Side])), draw(st.sampled_from([None, *Zone]))
        boxed.append(Finding(label, Box(x, y, x + wide, y + high), draw(score), side, zone))
    found = {finding.label for finding in boxed}
    whole = [Finding(label, score=draw(score)) for label in DISEASES]
    states = {
        each.label: State.BOXED if each.label in found else State.PRESENT if each.score >= 0.5 else State.ABSENT
        for each in whole
    }
    return Reading("m 2", (*boxed, *whole), states, Frame(1841, 1955))


@pytest.mark.parametrize("sr_class", ["comprehensive3d", "comprehensive"])
def test_any_reading_comes_back_as_it_was_said(rg1_header, on, same, as_said, sr_class):
    result = on(rg1_header)
    card = dataclasses.replace(result.model.card, labels=DISEASES, thresholds={})

    @settings(max_examples=6)  # each makes a report of a dozen groups
    @given(readings())
    def check(reading):
        model = dataclasses.replace(result.model, card=card)
        given = dataclasses.replace(result, reading=reading, heat={}, agreement=(), model=model)
        (made,) = dicom_results(rg1_header, given, sr_class=sr_class)
        assert same(read_sr(dicom_bytes(made)).reading, as_said(given))

    check()


def test_another_s_report_is_read_as_far_as_our_labels_go(rg1_header, on):
    (made,) = dicom_results(rg1_header, on(rg1_header))
    foreign = deepcopy(made)
    del foreign.ContentSequence[-1]  # our words on the whole film
    for group in groups(foreign):
        kept = []
        for item in group.ContentSequence:
            name = item.ConceptNameCodeSequence[0]
            own = name.CodingSchemeDesignator == "99LUNGSPOT" or name.CodeValue in {"111001", "111003", "122157"}
            if (not own and item.ValueType != "CODE") or name.CodeValue in {"121071", "363698007"}:
                kept.append(item)
        group.ContentSequence = kept
    labels = [item for item in groups(foreign) if item.ContentSequence[-1].ValueType == "SCOORD"]
    whole = deepcopy(labels[1])  # of the whole film, as a group of TID 1501 without a place
    groups(foreign).append(whole)
    del whole.ContentSequence[-1]
    finding = next(item for item in labels[1].ContentSequence if item.ConceptNameCodeSequence[0].CodeValue == "121071")
    finding.ConceptCodeSequence[0].CodeValue = "12345"
    labels[0].ContentSequence[-1].GraphicData = [1, 2, 30, 4, 5, 60]
    back = read_sr(foreign)
    assert (back.outcome, back.reasons) == (None, ())
    assert back.reading.reader == "lungspot"
    boxed = [finding for finding in back.reading.findings if finding.box]
    assert [(finding.label, finding.box.corners) for finding in boxed] == [("effusion", (1, 2, 30, 60))]
    assert back.reading.state("effusion") is State.BOXED
    assert back.reading.state("cardiomegaly") is State.PRESENT  # named, and nothing says that it is absent


def test_a_report_of_older_versions_is_read(shared_cases):
    """They said the outcome and the labels of the whole film in measurement groups; viewers failed at those."""
    back = read_sr(shared_cases / "o1-ohif-sr" / "as-written.dcm")
    assert back.outcome == "assessed"
    found = [(finding.label, round(finding.score, 3), finding.box is not None) for finding in back.reading.findings]
    assert found[:3] == [("effusion", 0.553, True), ("pneumonia", 0.448, True), ("atelectasis", 0.081, False)]
    assert len(found) == 12
    assert back.reading.state("pneumothorax") is State.PRESENT
    assert back.reading.state("cardiomegaly") is State.ABSENT


def test_the_frame_may_be_given_where_a_report_does_not_say_it(rg1_header, on):
    (made,) = dicom_results(rg1_header, on(rg1_header))
    made.ContentSequence = [i for i in made.ContentSequence if i.ConceptNameCodeSequence[0].CodeValue != "111028"]
    with pytest.raises(InputError, match="frame"):
        read_sr(made)
    assert read_sr(made, frame=Frame(10, 20)).reading.frame == Frame(10, 20)


def nest(made, depth):
    item = Dataset()
    item.ValueType = "CONTAINER"
    for _ in range(depth):
        outer = Dataset()
        outer.ValueType, outer.ContentSequence = "CONTAINER", [item]
        item = outer
    made.ContentSequence = [item, *made.ContentSequence]


@pytest.mark.parametrize(
    "change",
    [
        lambda made: setattr(made, "Modality", "CR"),
        lambda made: delattr(made, "ConceptNameCodeSequence"),
        lambda made: setattr(made, "ConceptNameCodeSequence", []),
        lambda made: nest(made, 100),
        lambda made: delattr(groups(made)[1].ContentSequence[-1], "GraphicData"),
    ],
)
def test_what_is_no_report_is_one_error(rg1_header, on, change):
    (made,) = dicom_results(rg1_header, on(rg1_header))
    made = pydicom.dcmread(io.BytesIO(dicom_bytes(made)))
    change(made)
    with pytest.raises(InputError) as refused:
        read_sr(made)
    assert refused.value.code == "BAD_VALUE"


def test_damaged_files_are_one_error(rg1_header, on):
    whole = dicom_bytes(dicom_results(rg1_header, on(rg1_header))[0])
    random = np.random.default_rng(1)
    refused = 0
    for _ in range(60):
        data = bytearray(whole[: random.integers(200, len(whole))]) if random.random() < 0.3 else bytearray(whole)
        for place in random.integers(132, len(data) - 4, 5):
            data[place : place + 4] = random.bytes(4) if random.random() < 0.7 else b"\xff" * 4
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                read_sr(bytes(data))
            except InputError:
                refused += 1
    assert refused > 10


def test_files_that_are_no_reports(rg1, tmp_path):
    (tmp_path / "x.dcm").write_bytes(b"nothing")
    for path in (tmp_path / "x.dcm", rg1["J2KR"]):
        with pytest.raises(InputError, match=path.name):
            read_sr(path)
    with pytest.raises(FileNotFoundError):
        read_sr(tmp_path / "none")
    with pytest.raises(InputError):
        read_sr(b"")
