"""Image files of annotated folders: names, sizes, copies, and folders that are whole or not there."""

import io

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from lungspot.errors import DatasetError, InputError, OutputError
from lungspot.findings import Frame
from lungspot.formats.case import Case
from lungspot.formats.catalog import ANNOTATION_FORMATS
from lungspot.formats.films import dicom_facts
from lungspot.formats.image_files import (
    FilmLayout,
    FilmTransfer,
    annotated_images_of,
    film_size,
    find_film,
    stems,
)
from lungspot.images import read


def of(*identifiers):
    return [Case(identifier, "d", "p", ()) for identifier in identifiers]


def test_stems_are_the_ids_where_they_will_do():
    assert stems(of("00000001_000", "1.2.840.113", "a-b")) == ["00000001_000", "1.2.840.113", "a-b"]


def test_stems_are_safe_and_differ_whatever_the_ids():
    names = stems(of("", "..", "a/b", "a_b", "A_B", "a b", "é", "\n", "x" * 300, "-rf", "a\\b", "\udcff", "CON."))
    assert len({name.lower() for name in names}) == len(names)
    assert all(name.isascii() and not set(name) & set("/\\ \n") and not name.startswith((".", "-")) for name in names)
    assert max(map(len, names)) < 100


def test_a_stem_does_not_depend_on_the_other_films():
    assert stems(of("a/b")) == stems(of("c", "a/b"))[1:]


def test_the_same_film_twice_is_refused():
    with pytest.raises(InputError, match="d/a: BAD_VALUE: the film is given twice"):
        stems(of("a", "a"))


def test_sizes_are_those_that_tools_show(rg1, tmp_path):
    assert film_size(rg1["UNCR"]) == Frame(1841, 1955)
    turned = Image.new("L", (40, 30))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert film_size(tmp_path / "turned.jpg") == Frame(30, 40)
    with pytest.raises(DatasetError, match="DATASET_INCOMPLETE"):
        film_size(tmp_path / "no.png")
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(DatasetError, match="NOT_AN_IMAGE"):
        film_size(tmp_path / "text.png")


@pytest.mark.parametrize(
    ("there", "name", "found"),
    [
        ("a.PNG", "a.png", True),
        ("a.png", "A.PNG", True),
        ("a.JPG", "a.png", True),  # another suffix, too
        ("a b.png", "a%20b.png", True),
        ("a%20b.png", "a%20b.png", True),
        ("sub/a.png", "C:\\films\\sub\\A.png", False),
        ("b.png", "a.png", False),
    ],
)
def test_a_film_is_found_by_another_spelling_of_its_name(tmp_path, there, name, found):
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_bytes(b"x")
    if found:
        assert find_film(name, "row 1", [tmp_path]) == tmp_path / there
    else:
        with pytest.raises(DatasetError, match="row 1: DATASET_INCOMPLETE: no film"):
            find_film(name, "row 1", [tmp_path])


def test_of_two_files_that_differ_by_their_letters_none_is_guessed(tmp_path):
    for name in ("A.png", "a.PNG"):
        (tmp_path / name).write_bytes(b"x")
    assert find_film("A.png", "row 1", [tmp_path]) == tmp_path / "A.png"
    with pytest.raises(DatasetError, match=r"no film 'a\.png'"):
        find_film("a.png", "row 1", [tmp_path])


GREY = np.arange(40 * 30, dtype=np.uint16).reshape(30, 40)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def noted(kind):
    """A film of 40 x 30 pixels whose XMP, and nothing else, says that it is to be turned."""
    data, picture = io.BytesIO(), Image.fromarray(GREY.astype(np.uint8))
    if kind == "png":
        notes = PngImagePlugin.PngInfo()
        notes.add_itxt("XML:com.adobe.xmp", XMP.decode())
        picture.save(data, "PNG", pnginfo=notes)
    elif kind == "tiff":
        picture.save(data, "TIFF", tiffinfo={700: XMP})
    elif kind == "deep tiff":
        tifffile.imwrite(data, GREY, metadata=None, extratags=[(700, "B", len(XMP), XMP)])
    elif kind == "deep jpeg":
        deep = bytes(imagecodecs.jpeg8_encode(GREY, level=90, bitspersample=12))
        note = b"http://ns.adobe.com/xap/1.0/\0" + XMP
        return deep[:2] + b"\xff\xe1" + (len(note) + 2).to_bytes(2, "big") + note + deep[2:]
    else:
        picture.save(data, kind, xmp=XMP)
    return data.getvalue()


@pytest.mark.parametrize("kind", ["png", "tiff", "deep tiff", "jpeg", "deep jpeg", "webp"])
def test_a_film_that_xmp_alone_turns_is_of_one_frame_whatever_reads_it(tmp_path, kind):
    path = tmp_path / "film"
    path.write_bytes(noted(kind))
    assert film_size(path) == read(path).frame == Frame(30, 40)


@pytest.mark.parametrize("options", [{"lossless": True, "predictor": 1}, {"level": 90}])
def test_a_deep_jpeg_has_a_size(tmp_path, options):
    path = tmp_path / "film.jpg"
    path.write_bytes(imagecodecs.jpeg8_encode(GREY, bitspersample=12, **options))
    assert film_size(path) == read(path).frame == Frame(40, 30)


@pytest.mark.parametrize("skipped", [128, 132])
def test_a_dicom_film_without_its_preamble_has_a_size(rg1, tmp_path, skipped):
    path = tmp_path / "film.dcm"
    path.write_bytes(rg1["UNCR"].read_bytes()[skipped:])
    assert film_size(path) == read(path).frame
    assert dicom_facts(path).frame == read(path).frame


def test_a_folder_is_whole_or_not_there(tmp_path):
    film = tmp_path / "film.png"
    Image.new("L", (4, 4)).save(film)
    good, bad = Case("a", "d", "p", (), film), Case("b", "d", "p", (), tmp_path / "gone.png")
    for name, form in ANNOTATION_FORMATS.items():
        with pytest.raises(DatasetError, match=r"gone\.png: DATASET_INCOMPLETE"):
            form.write([good, bad], tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.png"]


def test_nothing_is_ever_overwritten(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    for form in ANNOTATION_FORMATS.values():
        for name in ("full", "file"):
            with pytest.raises(OutputError, match=r"(it is not empty|it is no folder); give a new folder"):
                form.write(of("a"), tmp_path / name)
    ANNOTATION_FORMATS["coco"].write(of("a"), tmp_path / "empty")
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"
    assert ANNOTATION_FORMATS["coco"].read(tmp_path / "empty") == of("a")


def test_a_copy_for_every_tool_is_8_bit_and_of_the_same_size(rg1, tmp_path):
    deep = tmp_path / "deep.png"
    Image.fromarray(np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000).save(deep)
    cases = [Case("a", "d", "p", (), deep), Case("b", "d", "p", (), rg1["UNCR"])]
    ANNOTATION_FORMATS["yolo"].write(cases, tmp_path / "out", films="view")
    for name, size in (("a.png", (4, 3)), ("b.png", (1841, 1955))):
        with Image.open(tmp_path / "out/images/all" / name) as image:
            assert (image.mode, image.size, image.getextrema()) == ("L", size, (0, 255))


def test_folders_reached_through_links_keep_their_films(tmp_path):
    (tmp_path / "real").mkdir()
    film = tmp_path / "real" / "film.png"
    Image.new("L", (4, 4)).save(film)
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep/er")
    case = Case("a", "d", "p", (), film)
    for name, form in ANNOTATION_FORMATS.items():
        form.write([case], tmp_path / "link" / name)
        assert form.read(tmp_path / "link" / name) == [case]
        assert form.read(tmp_path / "deep/er" / name) == [case]


@pytest.mark.parametrize(
    ("names", "written"),
    [
        (["film.dcm", "b.png"], ["film.dcm", "b.png"]),
        (["a.zip/x/film.dcm", r"C:\films\b.png"], ["film.dcm", "b.png"]),
        (["one/film.dcm", "two/film.dcm"], ["1.png", "2.png"]),  # a name of two films would say neither
        (["film.dcm", "FILM.png"], ["1.png", "2.png"]),
        (["2.dcm", None], ["1.png", "2.png"]),
        (["../..", ""], ["1.png", "2.png"]),
        ([".hidden.png", " x.png"], ["1.png", "2.png"]),
        (["new\nline.png", "\u202egnp.png"], ["1.png", "2.png"]),
        (["é" * 101, "é" * 90], ["1.png", "é" * 90]),
    ],
)
def test_a_film_that_is_elsewhere_is_named_as_its_owner_names_it(tmp_path, names, written):
    cases = [Case(str(number), "d", "p", (), source_name=name) for number, name in enumerate(names, 1)]
    annotated = annotated_images_of(cases, tmp_path, FilmTransfer.NONE, FilmLayout(lambda _: "", own_names=True))
    assert [each.film for each in annotated] == written


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "tiff 16", "tiff 64", "png 16"])
def test_a_dataset_and_the_reader_see_one_frame(tmp_path, kind, orientation):
    path = tmp_path / f"a.{kind.partition(' ')[0]}"
    pixels = np.arange(48 * 40).reshape(48, 40)
    exif = Image.Exif()
    exif[0x0112] = orientation
    if kind in {"tiff 16", "tiff 64"}:
        deep = pixels.astype(np.uint16 if kind == "tiff 16" else np.float64)
        tifffile.imwrite(
            path, deep, photometric="miniswhite", metadata=None, extratags=[(274, 3, 1, orientation, True)]
        )
    else:
        Image.fromarray(pixels.astype(np.uint16 if kind == "png 16" else np.uint8)).save(path, exif=exif)
    assert film_size(path) == read(path).frame == (Frame(48, 40) if orientation > 4 else Frame(40, 48))


def test_a_tiff_that_nobody_reads_has_no_size(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.complex64))
    with pytest.raises(DatasetError, match="NOT_AN_IMAGE"):
        film_size(tmp_path / "a.tif")
