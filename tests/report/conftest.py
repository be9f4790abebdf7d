import dataclasses
import subprocess

import numpy as np
import pytest
from pydicom import config, dcmread

from lungspot.detect import ModelCard, Thresholds
from lungspot.explain import agree
from lungspot.findings import Box, Finding, Reading, State
from lungspot.images import Notice, Orientation, Origin, Radiograph, read_header
from lungspot.report import Analysis, Model, statement

LABELS = ("effusion", "cardiomegaly", "edema")
BOXES = (("effusion", (0.6, 0.7, 0.9, 0.9), 0.9), ("cardiomegaly", (0.3, 0.5, 0.7, 0.8), 0.4))


@pytest.fixture
def card():
    limits = dict.fromkeys(LABELS, Thresholds(0.5, 0.5))
    return ModelCard("m", "2", LABELS, 64, thresholds={"balanced": limits}, training_data=("NIH",), terms="research")


@pytest.fixture
def make(card):
    """A function that makes a result on a generated film: two boxes, or none, or a refusal."""

    def result(width=200, height=300, boxes=BOXES, reasons=(), path="film.png"):
        pixels = np.random.default_rng(1).random((height, width), dtype=np.float32)
        facing = Orientation("L", "F")
        notices = (Notice("LOSSY", "<b>x</b>"),)
        film = Radiograph(pixels, Origin(path, "a" * 64, "png"), 8, orientation=facing, notices=notices)
        model = Model(card, "b" * 64, "1.0")
        if reasons:
            return Analysis(film, model, None, tuple(reasons))
        findings = []
        for label, (x0, y0, x1, y1), score in boxes:
            box = Box(x0 * width, y0 * height, x1 * width, y1 * height)
            findings.append(Finding(label, box, score, "left", "lower"))
        heat = {label: np.zeros((8, 8), np.float32) for label in LABELS}
        for values in heat.values():
            values[6, 6] = 1
        agreement = tuple(agree(heat[f.label], f.box, film.frame).to_json() for f in findings)
        findings += [Finding(label, score=0.3) for label in LABELS]
        boxed = {f.label for f in findings if f.box}
        states = {label: State.BOXED if label in boxed else State.ABSENT for label in LABELS}
        reading = Reading("m 2", tuple(findings), states, film.frame)
        return Analysis(film, model, reading, (), (), heat, agreement, timings={"read": 1.23, "detect": 4.56})

    return result


# Real films; those below "shared" are not part of the checkout. The two RG films are of a chest and of a leg.
PUBLIC = ("RG1_UNCR", "RG1_J2KR", "RG1_J2KI", "RG3_UNCR", "RG3_J2KI")
CHANGED = ("as DX", "without orientation")
SHARED = (
    "dx_pa_966_j2k_lossless",
    "gdcm-CR-MONO1-10-chest",
    "nih_dx_implicit_vr",
    "not_a_chest_hip_J2KR",
    "not_a_chest_tibia_JPLL",
    "not_a_chest_dog",
)


@pytest.fixture(params=[*PUBLIC, *CHANGED, *SHARED])
def header(request, pydicom_data, monkeypatch):
    """The header of a real film: CR or DX or a copy, MONOCHROME1 or 2, with and without side, spacing, orientation."""
    monkeypatch.setattr(config.settings, "reading_validation_mode", config.IGNORE)  # real headers are full of faults
    if request.param in SHARED:
        path = request.getfixturevalue("shared_data") / "dicom" / f"{request.param}.dcm"
    else:
        path = pydicom_data / f"{request.param if request.param in PUBLIC else 'RG1_UNCR'}.dcm"
    if request.param == "not_a_chest_dog":  # the reader refuses animals; its header is a real DX header all the same
        return dcmread(path, stop_before_pixels=True)
    found = read_header(path)
    if request.param == "as DX":
        found.SOPClassUID, found.Modality = "1.2.840.10008.5.1.4.1.1.1.1", "DX"
        found.PhotometricInterpretation, found.ImageLaterality = "MONOCHROME2", "U"
        found.ImagerPixelSpacing, found.FrameOfReferenceUID = [0.2, 0.2], "2.25.7"
        found.SpecificCharacterSet, found.PatientName = "ISO_IR 192", "Müller^Jörg=山田^太郎"
        found.IssuerOfPatientID = "HOSPITAL"
    elif request.param == "without orientation":
        del found.PatientOrientation, found.PatientBirthDate
    return found


@pytest.fixture(scope="session")
def dcmpschk(program):
    """A function that returns what DCMTK's check of presentation states has against one.

    Its pattern of a name knows no "=", which parts a name's spellings (PS3.5 6.2.1); that one complaint is left out.
    """
    checker = program("dcmpschk", "dcmtk")

    def complaints(path):
        done = subprocess.run([checker, "-v", path], capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        assert "Pass 3 - Semantic Check" in said
        found = [part.partition("I: ")[0] for part in said.split("E: Error: ")[1:]]
        failed = [] if found or "Test passed" in said else [said]
        return failed + [part for part in found if not ("PatientName" in part and "=" in part)]

    return complaints


@pytest.fixture
def rg1_header(rg1):
    return read_header(rg1["UNCR"])


@pytest.fixture
def on(make):
    """A function that makes the result of a film whose header is given: two boxes, or none, or a refusal."""

    def result(header, **how):
        made = make(header.Columns, header.Rows, **how)
        origin = dataclasses.replace(made.radiograph.origin, kind="dicom", sop_instance_uid=str(header.SOPInstanceUID))
        return dataclasses.replace(made, radiograph=dataclasses.replace(made.radiograph, origin=origin))

    return result


@pytest.fixture
def same():
    """A function that says whether two readings are the same, boxes to 0.01 pixel."""

    def equal(first, second):
        pairs = list(zip(first.findings, second.findings, strict=True))
        assert all((one.box is None) == (other.box is None) for one, other in pairs)
        boxes = [(one.box, other.box) for one, other in pairs if one.box is not None]
        assert all(abs(a - b) < 0.01 for one, other in boxes for a, b in zip(one.corners, other.corners, strict=True))
        one, other = (
            ([dataclasses.replace(f, box=None) for f in each.findings], each.reader, each.states, each.frame)
            for each in (first, second)
        )
        return one == other

    return equal


@pytest.fixture
def as_said():
    """A function that returns a result's reading as a report says it: one frame a place, in the order of what is said.

    Whole-film findings come after the places, the rest of the labels' probabilities last.
    """

    def reading(result):
        told = statement(result)
        findings = []
        for said in sorted((*told.said, *told.below), key=lambda said: said.box is None):
            for name in said.names:
                score = result.probabilities[name.label] if said.box is None else name.score
                findings.append(Finding(name.label, said.box, score, said.side, said.zone))
        whole = {finding.label for finding in findings if finding.box is None}
        findings += [Finding(label, score=p) for label, p in result.probabilities.items() if label not in whole]
        findings = [finding for finding in findings if finding.label not in told.unsaid]
        kept = {label: state for label, state in result.reading.states.items() if label not in told.unsaid}
        return dataclasses.replace(result.reading, findings=tuple(findings), states=kept)

    return reading
