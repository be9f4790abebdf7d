"""L and R, or that nobody knows, stand on every picture that shows a film: whoever draws it, whatever its file says."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pydicom import FileDataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from lungspot.datasets.contact import contact_sheet
from lungspot.detect import ModelCard, Thresholds
from lungspot.evaluate.matched import Pair
from lungspot.evaluate.page import page
from lungspot.evaluate.summary import EvaluationSettings, summarise
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats.case import Case
from lungspot.images import draw_sides, read
from lungspot.report import Analysis, Model, overlay
from lungspot.study.choose import MapChoice
from lungspot.study.compare import locate
from lungspot.study.films import StudyFilm
from lungspot.study.gallery import panels
from lungspot.study.heat_maps import GRID

SIDE = 512
FRAME = Frame(SIDE, SIDE)
BOX = Box(200, 200, 300, 300)
SAID = {  # PatientOrientation, and what stands on a picture of the film
    ("L", "F"): {"left": "R", "right": "L"},
    ("R", "F"): {"left": "L", "right": "R"},
    ("F", "L"): {"top": "R", "bottom": "L"},
    ("H", "L"): {"top": "R", "bottom": "L"},
    ("A", "F"): {},
    (): {},
}
WRITTEN = ({"left": "R", "right": "L"}, {"left": "L", "right": "R"}, {"top": "R", "bottom": "L"}, {})


def film_that_says(path, orientation):
    film = FileDataset(None, {}, preamble=b"\0" * 128, file_meta=FileMetaDataset())
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.SOPClassUID = film.file_meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    film.Modality, film.PhotometricInterpretation, film.SamplesPerPixel = "CR", "MONOCHROME2", 1
    film.Rows, film.Columns, film.BitsAllocated, film.BitsStored, film.HighBit = SIDE, SIDE, 8, 8, 7
    film.PixelRepresentation, film.PixelData = 0, bytes(SIDE * SIDE)
    if orientation:
        film.PatientOrientation = list(orientation)
    film.save_as(path)
    return path


def on_a_contact_sheet(film):
    cell = 300
    return contact_sheet([Case("1", "set", "p", (), film, FRAME)], cell=cell).crop((10, 10, 10 + cell, 10 + cell))


def in_the_gallery_of_eval(film):
    true = Reading("truth", (Finding("effusion", BOX),), {"effusion": State.BOXED}, FRAME)
    found = Reading("model", (Finding("effusion", BOX, 0.9),), {"effusion": State.BOXED}, FRAME)
    pairs = [Pair("1", "p", true, found, {"source": "one"}, image=film)]
    text = page(summarise(pairs, {}, EvaluationSettings(resamples=2), (pairs, {})), films=1)
    return Image.open(io.BytesIO(base64.b64decode(re.search(r"data:image/jpeg;base64,([^']+)'", text)[1])))


def in_the_gallery_of_the_study(film):
    true = Reading.of_boxes("r", FRAME, [("effusion", BOX)], ["effusion"])
    heat, ones = np.zeros((1, GRID, GRID), np.float16), np.ones(1)
    seen = [
        StudyFilm(Case("1", "s", "p", (true,), film, FRAME), true, {("gradcam", 16): heat}, heat, ((),), ones, ones)
    ]
    choice = {"effusion": MapChoice("gradcam", 16, 0.5, 0.1)}
    assert panels(seen, locate(seen, ["effusion"], choice, choice), film.parent, count=1) == 2
    return Image.open(film.parent / "effusion-best-1.png").crop((0, 0, 320, 320))


def in_a_result(film):
    card = ModelCard("m", "2", ("effusion",), 64, thresholds={"balanced": {"effusion": Thresholds(0.5, 0.5)}})
    radiograph = read(film)
    turns = radiograph.orientation.quarter_turns or 0  # as the gate finds it
    result = Analysis(radiograph, Model(card, "b" * 64, "1.0"), None, ("LATERAL",), quarter_turns=turns)
    return overlay(result).crop((0, 0, 1024, 1024))


@pytest.mark.parametrize("said", SAID, ids="\\".join)
@pytest.mark.parametrize("draw", [on_a_contact_sheet, in_the_gallery_of_eval, in_the_gallery_of_the_study, in_a_result])
def test_every_picture_says_which_side_is_which(draw, said, tmp_path):
    picture = np.asarray(draw(film_that_says(tmp_path / "1.dcm", said)).convert("L")) > 120  # the letters
    errors = []
    for letters in WRITTEN:
        blank = Image.new("RGB", picture.shape[::-1])
        fields = draw_sides(ImageDraw.Draw(blank, "RGBA"), letters, blank.size)
        expected = np.asarray(blank.convert("L")) > 120
        assert all(expected[round(y0) : round(y1), round(x0) : round(x1)].any() for x0, y0, x1, y1 in fields)
        errors.append((picture != expected).sum())
    assert WRITTEN[int(np.argmin(errors))] == SAID[said]
    assert sorted(errors)[1] > 2 * min(errors)


@pytest.mark.parametrize("size", [(1, 1), (40, 900), (900, 40), (64, 64), (3000, 2400)])
def test_letters_fit_any_picture(size):
    blank = Image.new("RGB", size)
    for letters in WRITTEN:
        for x0, y0, x1, y1 in draw_sides(ImageDraw.Draw(blank, "RGBA"), letters, size):
            assert 13 <= y1 - y0 <= 0.06 * max(*size, 400)
            assert x1 - x0 <= 0.25 * max(*size, 500)
