"""DICOM in the page: the same greys and facts as Python's of every syntax that both read, and the same refusals."""

import base64
import io

import numpy as np
import pydicom
import pytest
from pydicom.pixels import compress
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from lungspot.errors import FilmError
from lungspot.images import read

FILM = """async (data) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const { read } = await import(new URL("engine/read.js", document.baseURI));
  try {
    const { pixels, ...facts } = await read(bytes);
    const stored = new Uint8Array(Uint16Array.from(pixels, (each) => Math.round(each * 65535)).buffer);
    let text = "";
    for (let at = 0; at < stored.length; at += 32768) text += String.fromCharCode(...stored.subarray(at, at + 32768));
    return { ...facts, data: btoa(text) };
  } catch (error) {
    return { code: error.code ?? error.stack };
  }
}"""


def film(rg1, change=None, *, side=256):
    """pydicom-data's chest film, a part of it, as a file; ``change`` may do anything to the data set."""
    dataset = pydicom.dcmread(rg1["UNCR"])
    pixels = dataset.pixel_array[400 : 400 + side, 400 : 400 + side]
    dataset.Rows = dataset.Columns = side
    dataset.PixelData = pixels.tobytes()
    if change is not None:
        change(dataset)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def signed(dataset):
    dataset.PixelRepresentation = 1
    dataset.PixelData = (
        (np.frombuffer(dataset.PixelData, np.uint16).astype(np.int32) - 16384).astype(np.int16).tobytes()
    )


def inverse(dataset):
    dataset.PhotometricInterpretation = "MONOCHROME1"
    dataset.WindowCenter, dataset.WindowWidth = [20000, 1], [30000, 2]
    dataset.PatientOrientation = ["R", "F"]
    dataset.PixelSpacing = [0.2, 0.1]
    dataset.PatientAge = "012Y"


def sigmoid(dataset):
    dataset.VOILUTFunction, dataset.WindowCenter, dataset.WindowWidth = "SIGMOID", 16000, 12000
    dataset.add_new("PixelPaddingValue", "US", int(np.frombuffer(dataset.PixelData, np.uint16).max()))


def implicit(dataset):
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian


def deflated(dataset):
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian


SAME = {
    "as it is": None,
    "signed": signed,
    "MONOCHROME1, two windows, mirrored, a child": inverse,
    "sigmoid, padded": sigmoid,
    "implicit": implicit,
    "deflated": deflated,
    "RLE": lambda dataset: compress(dataset, RLELossless),
    "JPEG-LS": lambda dataset: compress(dataset, JPEGLSLossless),
    "JPEG 2000": lambda dataset: compress(dataset, JPEG2000Lossless),
}


@pytest.mark.parametrize("kind", SAME)
def test_a_film_has_the_greys_and_facts_that_python_gives_it(local, rg1, kind):
    require_same(local, film(rg1, SAME[kind]))


def require_same(local, data):
    ours, theirs = read(data), local.page.evaluate(FILM, base64.b64encode(data).decode())
    assert "code" not in theirs, theirs["code"]
    stored = np.frombuffer(base64.b64decode(theirs["data"]), np.uint16).reshape(theirs["height"], theirs["width"])
    assert np.abs(ours.pixels * 65535 - stored).max() < 0.51
    assert [each.code for each in ours.notices] == [each["code"] for each in theirs["notices"]]
    spacing = None if ours.pixel_spacing_mm is None else list(ours.pixel_spacing_mm)
    assert (spacing, list(ours.pixel_aspect)) == (theirs["pixel_spacing_mm"], theirs["pixel_aspect"])
    assert (ours.view, ours.age_years, ours.bits) == (theirs["view"], theirs["age_years"], theirs["bits"])
    edges = theirs["orientation"]
    assert (ours.orientation.right, ours.orientation.bottom) == (edges["right"], edges["bottom"])


def mammogram(dataset):
    dataset.SOPClassUID, dataset.Modality = "1.2.840.10008.5.1.4.1.1.1.2", "MG"


def no_size(dataset):
    dataset.Rows = 0


REFUSED = {
    "a mammogram": lambda rg1: film(rg1, mammogram),
    "no rows": lambda rg1: film(rg1, no_size),
    "cut": lambda rg1: film(rg1)[:-1000],
    "a header alone": lambda rg1: film(rg1, lambda dataset: dataset.pop("PixelData")),
    "text": lambda _: b"hello, this is no film at all",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_film_is_refused_with_the_code_that_python_gives(local, rg1, kind):
    data = REFUSED[kind](rg1)
    with pytest.raises(FilmError) as caught:
        read(data)
    assert local.page.evaluate(FILM, base64.b64encode(data).decode()) == {"code": caught.value.code}


@pytest.mark.long
def test_every_film_of_the_shared_folder(local, shared_data):
    """All but one of 12 bits in JPEG, for which npm has no decoder, and one whose data contradict its header."""
    for path in sorted((shared_data / "dicom").glob("*.dcm")):
        data = path.read_bytes()
        if path.stem.endswith(("JPLY", "broken")):
            code = "UNSUPPORTED" if path.stem.endswith("JPLY") else "NOT_DECODABLE"
            assert local.page.evaluate(FILM, base64.b64encode(data).decode()) == {"code": code}
        else:
            require_same(local, data)
