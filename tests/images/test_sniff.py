import gzip
import io
import pickle
import zipfile

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from lungspot.errors import FilmError
from lungspot.images.sniff import KINDS, sniff

FEW = np.arange(64, dtype=np.uint8).reshape(8, 8)


def encoded(kind):
    sink = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(sink, kind)
    return sink.getvalue()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "dicom"])
def test_a_raster_is_known_by_its_content(kind):
    assert sniff(encoded(kind), "x.txt") == kind


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, "1.2.840.10008.1.2.1"])
@pytest.mark.parametrize(("meta", "preamble"), [(True, True), (True, False), (False, False)])
def test_dicom_is_known_with_and_without_preamble_and_meta(make_dicom, gradient, syntax, meta, preamble):
    assert sniff(make_dicom(gradient, syntax=syntax, meta=meta, preamble=preamble), "x.jpg") == "dicom"


def test_a_prefix_without_its_preamble_is_dicom(make_dicom, gradient):
    assert sniff(make_dicom(gradient)[128:], "x") == "dicom"


def zipped():
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("film.dcm", b"")
    return sink.getvalue()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "an empty file"),
        (bytes(400), "a file of zeros"),
        (zipped(), "a ZIP archive"),
        (gzip.compress(b"x", mtime=0), "a gzip file"),
        (pickle.dumps([1], protocol=4), "a Python pickle"),
        (b"%PDF-1.7", "a PDF"),
        (b"\0\0\0\x1cftypisom", "an MP4 file, or one of its kin"),
        (b"NRRD0004\n", "an NRRD volume"),
        (bytes(1) + bytes(256) + b"ustar", "a tar archive"),
        (b"\x5c\x01\0\0" + bytes(340) + b"n+1\0", "a NIfTI volume"),
        (b"\x7fELF\x02", "a program"),
        (b"<!DOCTYPE html><p>404", "an HTML page"),
        (b"<html><p>404", "an HTML page"),
        (b'<?xml version="1.0"?>', "an XML document"),
        (b"<svg/>", "an SVG drawing"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer, not the film it points to"),
        (b' {"a": 1}', "a JSON document"),
        (b"[1, 2]", "a JSON document"),
        (b"Image Index,Finding\n", "text"),
        ("é".encode() * 300, "text"),
        (("x" + "é" * 300).encode(), "text"),  # the 512th byte splits a character
        ("Lungenödem".encode("latin-1"), "no kind of file known here"),
        (bytes(range(1, 200)), "no kind of file known here"),
        (b"\x02\x00\x10\x00UI", "no kind of file known here"),  # a DICOM element cut short
        (b"\x00\x08\x00\x05" + bytes(20), "no kind of file known here"),  # big endian without a VR
        (b"\x08\x00\x05\x00\xff\xff\xff\x7f" + bytes(20), "no kind of file known here"),  # a first value of 2 GB
        (b"BMW drives" + bytes(40), "no kind of file known here"),
    ],
)
def test_anything_else_is_refused_by_its_name(data, name):
    with pytest.raises(FilmError) as caught:
        sniff(data, "film.dcm")
    assert (caught.value.code, caught.value.where, caught.value.reason) == (
        "NOT_AN_IMAGE",
        "film.dcm",
        f"this is {name}",
    )


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (encoded("gif"), "a GIF picture"),
        (encoded("ppm"), "a Netpbm picture"),
        (encoded("jpeg2000"), "a JPEG 2000 picture without its DICOM header"),
        (bytes(imagecodecs.htj2k_encode(FEW)), "a JPEG 2000 codestream without its DICOM header"),
        (bytes(imagecodecs.jpegls_encode(FEW)), "a JPEG-LS picture without its DICOM header"),
        (bytes(imagecodecs.jpegxl_encode(FEW)), "a JPEG XL picture"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
        (bytes(imagecodecs.jpegxr_encode(FEW)), "a JPEG XR picture"),
        (encoded("avif"), "an AVIF picture"),
        (b"\0\0\0\x1cftypheic", "a HEIC picture"),
        (b"\0\0\0\x1cftypmif1", "a HEIC or AVIF picture"),
        (b"8BPS\0\1", "a Photoshop picture"),
    ],
)
def test_a_picture_that_is_not_read_is_unsupported_not_damaged(data, name):
    with pytest.raises(FilmError) as caught:
        sniff(data, "film.png")
    assert (caught.value.code, caught.value.reason) == ("UNSUPPORTED", f"this is {name}")
