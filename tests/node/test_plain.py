import io
from copy import deepcopy

import numpy as np
from pydicom import dcmread, dcmwrite
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from lungspot.node.plain import is_plain, plain


def test_a_jpeg_becomes_the_pixels_that_it_shows(compressed):
    before = deepcopy(compressed)
    made = plain(compressed)
    assert compressed == before
    assert not is_plain(compressed)
    assert is_plain(made)
    assert (made.PhotometricInterpretation, made.SOPInstanceUID) == ("RGB", compressed.SOPInstanceUID)
    assert np.abs(made.pixel_array.astype(int) - (200, 150, 0)).max() <= 3


def test_a_deflated_result_is_written_as_it_was_before(make_film):
    film = make_film(1)
    film.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    small, buffer = io.BytesIO(), io.BytesIO()
    dcmwrite(small, film, enforce_file_format=True)
    small.seek(0)
    dcmwrite(buffer, plain(dcmread(small)), enforce_file_format=True)
    buffer.seek(0)
    back = dcmread(buffer)
    assert back.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert back.PixelData == make_film(1).PixelData


def test_what_is_plain_stays_the_same_object(make_film):
    film = make_film(1)
    assert plain(film) is film
